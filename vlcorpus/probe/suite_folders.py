"""Tasks that are folders: a folder a class, or WebDataset shards in CLIP_benchmark's layout.

    pets/abyssinian_cat/1.jpg ...                     label: the folder's name; in prompts "abyssinian cat"

    wds_eurosat_test/test/0.tar 1.tar ... nshards.txt          {key}.{webp|png|jpg|jpeg} and {key}.cls (a number), or
    wds_eurosat_test/classnames.txt                            .txt (a caption a line), or .npy (one 0 or 1 a class)
    wds_eurosat_test/zeroshot_classification_templates.txt
    wds_eurosat_test/dataset_type.txt                          retrieval or multilabel; classification if not there

Only headers and labels are read here; pictures are read from where they lie in the tar when it is their turn. An .npy
is read without unpickling. 100,000 samples in ten tars take 5 s.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vlcorpus.errors import SourceError
from vlcorpus.io import tar
from vlcorpus.probe.suite_classes import labelled, lines
from vlcorpus.probe.suite_places import Place
from vlcorpus.probe.suite_rows import Pictures, Rows
from vlcorpus.probe.suite_tables import MOST_ROWS
from vlcorpus.probe.suite_words import small

CLASS_NAMES = "classnames.txt"
TEMPLATES = "zeroshot_classification_templates.txt"
TYPE = "dataset_type.txt"
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif")

_MEMBERS = ("webp", "png", "jpg", "jpeg")  # CLIP_benchmark's order
_KINDS = {"retrieval": "retrieval", "multilabel": "multilabel"}
_LABELS = {"retrieval": "txt", "multilabel": "npy"}


def kind_of(folder: Path) -> str:
    """The kind of task that a folder is."""
    if not shards(folder):
        return "zero_shot"
    path = _beside(folder, TYPE)
    return _KINDS.get(small(path).strip().lower(), "zero_shot") if path is not None else "zero_shot"


def shards(folder: Path) -> list[Path]:
    """The tars of a WebDataset folder, those of its `test/` where it has one. All of nshards.txt, or SourceError."""
    for place in (folder / "test", folder):
        found = {path.stem: path for path in place.glob("*.tar")} if place.is_dir() else {}
        if not found:
            continue
        counted = place / "nshards.txt"
        if counted.is_file():
            said = small(counted).strip()
            if not said.isdigit() or not 0 < int(said) < MOST_ROWS:
                raise SourceError(f"{counted} says {said[:40]!r}", "it holds the number of tars")
            for number in range(int(said)):
                if str(number) not in found:
                    raise SourceError(f"{place} has no {number}.tar", f"{counted} says there are {said}")
            return [found[str(number)] for number in range(int(said))]
        return [found[name] for name in sorted(found, key=lambda stem: (not stem.isdigit(), len(stem), stem))]
    return []


def class_folders(folder: Path, pictures: Pictures) -> Rows:
    """A row a picture, folders and files in order of their names."""
    made = Rows()
    folders = sorted(each.name for each in os.scandir(folder) if each.is_dir() and not each.name.startswith("."))
    for label in folders:
        if not (folder / label).resolve().is_relative_to(pictures.root.resolve()):
            raise SourceError(f"{folder / label} is a link out of {pictures.root}", "copy the pictures there")
        for place, below, files in os.walk(folder / label):
            below.sort()
            for file in sorted(files):
                if Path(file).suffix.lower() not in PICTURES or file.startswith("."):
                    continue
                path = Path(place) / file
                made.rows.append((pictures.add(path.relative_to(pictures.root).as_posix(), Place(path)), label))
                if len(made.rows) > MOST_ROWS:
                    raise SourceError(f"{folder} has more than {MOST_ROWS:,} pictures", "split the task")
    if not made.rows:
        raise SourceError(f"{folder} has no folders with pictures", "give a folder a class, tars, or a table")
    names = _beside(folder, CLASS_NAMES, above=False)
    made.classes = {label: (label.replace("_", " "),) for label in folders}
    if names is not None:
        given = lines(names)
        if len(given) != len(folders):
            raise SourceError(f"{names} has {len(given)} names for {len(folders)} folders", "one a folder, in order")
        made.classes = {label: (name,) for label, name in zip(folders, given, strict=True)}
        made.read.append(names)
    _templates(folder, made)
    return made


def webdataset(
    folder: Path,
    kind: str,
    fields: Mapping[str, int],
    known: Mapping[str, tuple[str, ...]] | None,
    pictures: Pictures,
) -> Rows:
    """A row a sample (a caption, for retrieval). fields: group's name to its place in the sample's .npy. known: classes
    by number, instead of classnames.txt."""
    made = Rows(classes=dict(known) if known is not None else None)
    names = _beside(folder, CLASS_NAMES)
    if known is None and names is not None:
        made.classes = labelled(lines(names))
        made.read.append(names)
    _templates(folder, made)
    wanted = _LABELS.get(kind, "cls")
    listed = list(made.classes) if made.classes is not None else None
    for path in shards(folder):
        if not path.resolve().is_relative_to(pictures.root.resolve()):
            raise SourceError(f"{path} is a link out of {pictures.root}", "set `root:` to the folder that holds it")
        entries: dict[str, dict[str, tar.Entry]] = {}
        for entry in tar.scan(path):
            entries.setdefault(entry.key, {})[entry.extension] = entry
        also = {wanted, "npy"} if fields else {wanted}
        labels: dict[str, dict[str, bytes]] = {}
        for entry, body in tar.read_members(path, extensions=also):
            labels.setdefault(entry.key, {})[entry.extension] = body
        for key, members in entries.items():
            where = f"{key} of {path}"
            picture = next((members[each] for each in _MEMBERS if each in members), None)
            label = labels.get(key, {}).get(wanted)
            if picture is None or label is None:
                raise SourceError(f"{where} has no {'picture' if picture is None else '.' + wanted}", "write it again")
            known_as = path.relative_to(pictures.root) if path.is_relative_to(pictures.root) else Path(path.name)
            place = Place(path, picture.offset, picture.length)
            name = pictures.add(f"{known_as.as_posix()}/{key}.{picture.extension}", place)
            made.rows += [(name, *texts) for texts in _labels(kind, label, listed, where)]
            made.groups += [_group(labels[key].get("npy", b""), name, at, where) for name, at in fields.items()]
            if len(made.rows) > MOST_ROWS:
                raise SourceError(f"{folder} has more than {MOST_ROWS:,} samples", "split the task")
    return made


def _group(body: bytes, name: str, at: int, where: str) -> str:
    numbers = _array(body, where)
    if at >= len(numbers):
        raise SourceError(f"the .npy of {where} has {len(numbers)} numbers", f"`groups:` says {name} is at {at}")
    return str(int(numbers[at]))


def _labels(kind: str, body: bytes, classes: list[str] | None, where: str) -> list[tuple[str, ...]]:
    """What stands behind the file in a sample's rows."""
    if kind == "multilabel":
        flags = _array(body, where)
        names = classes or [str(number) for number in range(len(flags))]
        if len(flags) != len(names):
            raise SourceError(f"{where} has {len(flags)} flags for {len(names)} classes", "one a class")
        return [tuple(name for name, flag in zip(names, flags, strict=True) if flag)]
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SourceError(f"{where} is not UTF-8", "write it again") from error
    if kind == "retrieval":
        captions: list[tuple[str, ...]] = [(line,) for line in text.splitlines() if line.strip()]
        if not captions:
            raise SourceError(f"{where} has no caption", "a caption a line")
        return captions
    said = text.strip()
    if classes is None or not said.isdecimal():
        return [(said,)]
    if int(said) >= len(classes):
        raise SourceError(f"{where} is of class {said[:20]}, and there are {len(classes)}", "see classnames.txt")
    return [(classes[int(said)],)]


def _array(body: bytes, where: str) -> Any:
    """The numbers of an .npy, flat; its header may claim no more than is there."""
    file = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
        if kind.hasobject or kind.kind not in "buif" or int(np.prod(shape, dtype=object)) * kind.itemsize > len(body):
            raise ValueError("not an array of numbers")
        array = np.load(io.BytesIO(body), allow_pickle=False).reshape(-1)
        if not np.isfinite(array).all():
            raise ValueError("not finite")
    except (ValueError, EOFError, OSError) as error:
        raise SourceError(f"the .npy of {where} cannot be read: {error}", "write it again") from error
    return array


def _templates(folder: Path, made: Rows) -> None:
    path = _beside(folder, TEMPLATES)
    if path is not None:
        made.templates = tuple(line for line in lines(path) if line)
        made.read.append(path)


def _beside(folder: Path, name: str, *, above: bool = True) -> Path | None:
    """The file in the folder, or in the one above where the folder is a split (`test`, `train` and the like)."""
    splits = ("test", "train", "val", "validation")
    places = (folder, folder.parent) if above and folder.name in splits else (folder,)
    paths = (place / name for place in places)
    return next((path for path in paths if path.is_file() and path.resolve().parent == path.parent.resolve()), None)
