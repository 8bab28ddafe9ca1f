"""Tables that say which images of a folder have which captions.

    places = Places(["train2017/1.jpg", "b.png"])
    for row in rows_in(root, "annotations/captions_train2017.json", places): ...   Row("train2017/1.jpg", "a cat", None)
    for row in rows_of(Path("elsewhere/captions.csv"), places): ...                of a table that was named

metadata.csv, metadata.jsonl, captions.csv and captions.tsv have the columns file_name and text and speak for their
folder and those below; COCO's captions_*.json (coco.py) and Flickr's files (flickr.py) speak for the whole folder. What
a row names is only a name here: nothing is opened but the table.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlcorpus.errors import SourceError
from vlcorpus.web.folders import coco, flickr
from vlcorpus.web.lists.columns import TEXT_NAMES
from vlcorpus.web.lists.files import open_text
from vlcorpus.web.lists.lines import lines, readable, separated

TABLES = ("metadata.csv", "metadata.jsonl", "captions.csv", "captions.tsv")
FILE_NAMES = ("file_name", "filename", "file", "image", "path", "name")

OUTSIDE_FOLDER = "outside_folder"  # a name or a link leads out of the folder
BAD_ROW = "bad_row"  # a row of a table that has no file name or text
BAD_ENCODING = "bad_encoding"  # a caption or a file name that is not UTF-8


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table. name: below the folder; as written if `reason`."""

    name: str
    text: str | None
    reason: str | None
    licence: str | None = None


def is_table(path: Path) -> bool:
    if path.name in TABLES or path.name.lower() in flickr.NAMES:
        return True
    return path.suffix == ".json" and path.name.startswith("captions_")


class Places:
    """The images of a folder, by name and by the last part of their names."""

    def __init__(self, images: list[str]) -> None:
        self.known = set(images)
        self._by_base: dict[str, str | None] = {}
        for name in images:
            base = name.rpartition("/")[2]
            self._by_base[base] = None if base in self._by_base else name

    def below(self, name: str, folder: str) -> str:
        """The image that a table in `folder` means by a name: that one, or the only one of that name below."""
        if name in self.known or "/" in name.removeprefix(folder):
            return name
        lower = self._by_base.get(name.removeprefix(folder)) or ""
        return lower if lower.startswith(folder) and lower else name

    def anywhere(self, name: str, split: str = "") -> str:
        """The same for a table that speaks for the whole folder. split: a folder that is looked in first."""
        if split and f"{split}/{name}" in self.known:
            return f"{split}/{name}"
        if name in self.known:
            return name
        return self._by_base.get(name.rpartition("/")[2]) or name


def is_inside(real: str, path: Path) -> bool:
    return os.path.realpath(path).startswith(os.path.join(real, ""))


def rows_of(path: Path, places: Places) -> Iterator[Row]:
    """The rows of a table that was named, by what it is; it speaks for the whole folder."""
    if not path.is_file():
        raise SourceError(f"{path} is no file of captions", "give COCO's JSON, a table or Flickr's token file")
    if path.suffix == ".json":
        return _coco_rows(path, places)
    kind = flickr.kind(path, named=False)
    if kind is not None:
        return _flickr_rows(path, kind, places)
    return (_placed(row, places.anywhere(row.name)) for row in _table_rows(path, ""))


def rows_in(root: Path, name: str, places: Places) -> Iterator[Row]:
    """The rows of a table that lies in the folder."""
    path = root / name
    if not is_inside(os.path.realpath(root), path):
        raise SourceError(f"{path} is a link that leads out of the folder", "put the table itself there")
    if path.name in TABLES:
        prefix = name[: name.rfind("/") + 1]
        return (_placed(row, places.below(row.name, prefix)) for row in _table_rows(path, prefix))
    if path.suffix == ".json":
        return _coco_rows(path, places) if coco.is_coco(path) else iter(())
    kind = flickr.kind(path)
    return _flickr_rows(path, kind, places) if kind is not None else iter(())


def _placed(row: Row, name: str) -> Row:
    return row if row.reason is not None else Row(name, row.text, None, row.licence)


def _coco_rows(path: Path, places: Places) -> Iterator[Row]:
    split = path.stem.removeprefix("captions_")
    for found in coco.captions(path):
        row = _row("", found.file, found.text) if found.text is not None else Row("", None, BAD_ROW)
        name = places.anywhere(row.name, split)
        yield row if row.reason is not None else Row(name, row.text, None, found.licence)


def _flickr_rows(path: Path, kind: str, places: Places) -> Iterator[Row]:
    for file, text in flickr.captions(path, kind):
        row = _row("", file, text)
        yield _placed(row, places.anywhere(row.name))


def _table_rows(path: Path, prefix: str) -> Iterator[Row]:
    """The rows of a table with columns."""
    with open_text(path) as file:
        if path.suffix == ".jsonl":
            for line in lines(file):
                if line is None or line.strip():
                    yield _row(prefix, *_from_json(line))
            return
        found = separated(lines(file), "\t" if path.suffix == ".tsv" else ",")
        header = [title.strip().lower() for title in next(found, None) or []]
        file_at = next((header.index(title) for title in FILE_NAMES if title in header), None)
        text_at = next((header.index(title) for title in TEXT_NAMES if title in header), None)
        if file_at is None or text_at is None:
            shown = ", ".join(map(repr, header[:40])) or "none"
            raise SourceError(
                f"{path} does not say which images have which captions; its columns are {shown}",
                "name the columns file_name and text",
            )
        for row in found:
            if row is None or (row and max(file_at, text_at) >= len(row)):
                yield Row("", None, BAD_ROW)
            elif row:
                yield _row(prefix, row[file_at], row[text_at])


def _from_json(line: str | None) -> tuple[Any, Any]:
    try:
        found = json.loads(line) if line is not None else None
    except (ValueError, RecursionError):
        return None, None
    if not isinstance(found, dict):
        return None, None
    lower = {str(key).lower(): value for key, value in found.items()}
    texts = (lower[name] for name in TEXT_NAMES if name in lower)
    return next((lower[name] for name in FILE_NAMES if name in lower), None), next(texts, None)


def _row(prefix: str, file: object, text: object) -> Row:
    if not isinstance(file, str) or not file.strip() or not isinstance(text, str | None):
        return Row("", None, BAD_ROW)
    text = None if text is None else text.strip()
    written = file.strip().replace("\\", "/")
    if readable(written) != written or (text is not None and readable(text) != text):
        return Row(readable(written), None if text is None else readable(text), BAD_ENCODING)
    place = os.path.normpath(prefix + written)
    if written.startswith("/") or "\0" in written or place.startswith("..") or written[1:2] == ":":
        return Row(written, text, OUTSIDE_FOLDER)
    return Row(place.replace(os.sep, "/"), text, None)
