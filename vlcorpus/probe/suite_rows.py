"""Rows of a table as the rows of a task, and the pictures that they name.

| kind | row of a task | columns of a table (other names it may have) |
|---|---|---|
| zero_shot, linear_probe, knn | file, label | file (filename, image), label |
| multilabel | file, labels ... | file, labels: a list, or `a|b` |
| retrieval | file, caption; a row a caption | file, caption (captions): a text or a list |
| pair_choice | file, right, wrong | file, right (caption), wrong (negative_caption) |
| winoground | image_0, image_1, caption_0, caption_1 | the same |
| winogavil | case, file, cue, "1" where it belongs | cue, candidates, associations; candidate_images |
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlcorpus.errors import SourceError, nearest
from vlcorpus.probe.suite_places import Place
from vlcorpus.probe.suite_tables import Row, Table
from vlcorpus.probe.suite_words import inside

COLUMNS: dict[str, tuple[str, ...]] = {
    "zero_shot": ("file", "label"),
    "linear_probe": ("file", "label"),
    "knn": ("file", "label"),
    "multilabel": ("file", "labels"),
    "retrieval": ("file", "caption"),
    "pair_choice": ("file", "right", "wrong"),
    "winoground": ("image_0", "image_1", "caption_0", "caption_1"),
    "winogavil": ("cue", "candidates", "associations"),
}
"""Kind of task to the columns its table must have."""

PICTURES = {"winoground": (0, 1), "winogavil": (1,)}
"""Which places of a task's row are pictures, where it is not the first alone"""

ALIASES = {
    "file": ("filename", "image"),
    "caption": ("captions",),
    "right": ("caption",),
    "wrong": ("negative_caption",),
}
SUFFIXES = (".jpg", ".png", ".jpeg", ".webp")

TaskRow = tuple[str, ...]


@dataclass
class Pictures:
    """The pictures that a suite's tasks name, gathered while its tables are read."""

    root: Path
    places: dict[str, Place] = field(default_factory=dict)

    def file(self, base: str, name: str, where: str) -> str:
        """The picture `name` in the folder `base` of the root; a name without suffix gets that of the file there."""
        inside(self.root, name, where)
        path = self.root / base / name
        if path.suffix.lower() not in SUFFIXES and not path.is_file():
            name = next((name + suffix for suffix in SUFFIXES if path.with_name(path.name + suffix).is_file()), name)
            path = self.root / base / name
        return self.add((Path(base) / name).as_posix(), Place(path))

    def cell(self, place: Place) -> str:
        """The picture in a cell of a table."""
        known = place.path.relative_to(self.root) if place.path.is_relative_to(self.root) else Path(place.path.name)
        element = f".{place.element}" if place.element >= 0 else ""
        return self.add(f"{known.as_posix()}#{place.row}.{place.column}{element}", place)

    def add(self, name: str, place: Place) -> str:
        self.places.setdefault(name, place)
        return name


@dataclass
class Rows:
    """What a task asks."""

    rows: list[TaskRow] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    classes: dict[str, tuple[str, ...]] | None = None
    """As the source has them: folders, or classnames.txt"""
    templates: tuple[str, ...] | None = None
    read: list[Path] = field(default_factory=list)


def from_table(
    kind: str, table: Table, named: Mapping[str, str], base: str, pictures: Pictures, group: str | None
) -> Rows:
    """named: column of the kind to what the table calls it. group: column that says each row's group."""
    made = Rows(read=list(table.read))
    columns = {
        column: _column(column, named, table) for column in COLUMNS[kind] if (kind, column) != ("winogavil", "file")
    }
    if group is not None and group not in table.header:
        raise SourceError(f"{table.path} has no column {group!r}", nearest(group, table.header))
    for number, (where, row) in enumerate(table.rows):
        values = {column: row.get(name) for column, name in columns.items()}
        for column, value in values.items():
            if value is None or value == "" or (value == [] and column != "labels"):
                if column == "labels":
                    values[column] = []
                    continue
                raise SourceError(f"{where} is not complete", "fill or drop it")
        made.rows += _KINDS[kind](number, values, row, where, base, pictures)
        if group is not None:
            made.groups.append(str(row[group]))
    return made


def _column(column: str, named: Mapping[str, str], table: Table) -> str:
    wanted = named.get(column)
    for name in (wanted,) if wanted is not None else (column, *ALIASES.get(column, ())):
        if name in table.header:
            return name
    if not table.header:
        return column  # a table without rows, which is another error
    raise SourceError(f"{table.path} has no column {wanted or column!r}", nearest(wanted or column, table.header))


def _file(value: Any, where: str, base: str, pictures: Pictures) -> str:
    if isinstance(value, Place):
        return pictures.cell(value)
    if not isinstance(value, str):
        raise SourceError(f"the picture of {where} is {value!r}", "give a file's name, or bytes in parquet")
    return pictures.file(base, value, where)


def _text(value: Any, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise SourceError(f"{where}: {value!r} is not a text", "give texts")
    return str(value)


def _list(value: Any, where: str) -> list[str]:
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise SourceError(f"{where}: {value[:80]!r} is not a list", "give ['a', 'b']") from error
    elif isinstance(value, str):
        value = [part for part in value.split("|") if part]
    if not isinstance(value, list):
        raise SourceError(f"{where}: {value!r} is not a list", "give a list, or a|b")
    return [_text(each, where) for each in value]


def _labelled(number: int, values: Row, row: Row, where: str, base: str, pictures: Pictures) -> list[TaskRow]:
    return [(_file(values["file"], where, base, pictures), _text(values["label"], where))]


def _multilabel(number: int, values: Row, row: Row, where: str, base: str, pictures: Pictures) -> list[TaskRow]:
    return [(_file(values["file"], where, base, pictures), *dict.fromkeys(_list(values["labels"], where)))]


def _captioned(number: int, values: Row, row: Row, where: str, base: str, pictures: Pictures) -> list[TaskRow]:
    file = _file(values["file"], where, base, pictures)
    captions = values["caption"] if isinstance(values["caption"], list) else [values["caption"]]
    return [(file, _text(caption, where)) for caption in captions]


def _paired(number: int, values: Row, row: Row, where: str, base: str, pictures: Pictures) -> list[TaskRow]:
    texts = _text(values["right"], where), _text(values["wrong"], where)
    return [(_file(values["file"], where, base, pictures), *texts)]


def _winoground(number: int, values: Row, row: Row, where: str, base: str, pictures: Pictures) -> list[TaskRow]:
    files = [_file(values[f"image_{each}"], where, base, pictures) for each in (0, 1)]
    return [(*files, *(_text(values[f"caption_{each}"], where) for each in (0, 1)))]


def _winogavil(number: int, values: Row, row: Row, where: str, base: str, pictures: Pictures) -> list[TaskRow]:
    candidates, belong = (_list(values[name], where) for name in ("candidates", "associations"))
    if not belong or not set(belong) <= set(candidates) or len(set(candidates)) < len(candidates):
        raise SourceError(f"{where}: the associations are not some of the candidates", "see WinoGAViL's tables")
    cell = row.get("candidate_images")
    files = [
        pictures.cell(cell._replace(element=place)) if isinstance(cell, Place) else pictures.file(base, name, where)
        for place, name in enumerate(candidates)
    ]
    cue = _text(values["cue"], where)
    return [
        (str(number), file, cue, "1" if name in belong else "0") for file, name in zip(files, candidates, strict=True)
    ]


_KINDS = {
    "zero_shot": _labelled,
    "linear_probe": _labelled,
    "knn": _labelled,
    "multilabel": _multilabel,
    "retrieval": _captioned,
    "pair_choice": _paired,
    "winoground": _winoground,
    "winogavil": _winogavil,
}
