"""The tests a model takes, as a YAML file beside its tables.

    name: shapes
    version: 1
    root: images                      # where the pictures are; the suite's own directory unless given
    tasks:
      - name: colour_shape
        kind: zero_shot               # table: file, label
        images: colour_shape.csv
        classes: {car: [car, automobile], red square: [red square]}     # or a plain list
        templates: ["a photo of a {}.", "a {}"]
      - name: captions
        kind: retrieval               # table: file, caption; a file may stand in several rows
        images: captions.tsv
      - name: kinds
        kind: linear_probe            # table: file, label; no classes, no prompts: what the images' vectors hold
        images: kinds.csv
      - name: swapped
        kind: pair_choice             # table: file, right, wrong
        images: swapped.csv

Labels are names, never positions: a class list in another order than the labels is the commonest way to measure chance.
Every file must lie under `root`. Unknown keys, missing columns and labels that are no class are errors that name the
place.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vlcorpus.errors import SourceError, nearest

COLUMNS: dict[str, tuple[str, ...]] = {
    "zero_shot": ("file", "label"),
    "linear_probe": ("file", "label"),
    "retrieval": ("file", "caption"),
    "pair_choice": ("file", "right", "wrong"),
}
"""Kind of task to the columns its table must have."""

DEFAULT_TEMPLATES = ("a photo of a {}.", "a {}", "{}")

_LARGEST_SUITE = 4 << 20
_LARGEST_TABLE = 256 << 20
_MOST_ROWS = 1_000_000
_SUITE_KEYS = ("name", "version", "root", "tasks")
_TASK_KEYS = ("name", "kind", "images")
_ZERO_SHOT_KEYS = ("classes", "templates")


@dataclass(frozen=True)
class Task:
    name: str
    kind: str
    rows: tuple[tuple[str, ...], ...]
    """The table's columns of this kind, in the order of COLUMNS; files are relative to the suite's root"""
    classes: Mapping[str, tuple[str, ...]]
    """Label to the names it goes by in prompts; empty but for zero_shot"""
    templates: tuple[str, ...]


@dataclass(frozen=True)
class Suite:
    name: str
    version: int
    root: Path
    tasks: tuple[Task, ...]


def load_suite(path: str | Path) -> Suite:
    """Reads a suite and its tables. Raises SourceError for anything it does not understand."""
    path = Path(path)
    stored = _yaml(path)
    _known_keys(stored, _SUITE_KEYS, str(path))
    tasks = stored.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        raise SourceError(f"{path} has no tasks", "list at least one under `tasks:`")
    root = (path.parent / _text(stored.get("root", "."), f"root in {path}")).resolve()
    version = stored.get("version", 1)
    if type(version) is not int:
        raise SourceError(f"version in {path} is {version!r}", "give a whole number")
    loaded = tuple(_task(task, place, path, root) for place, task in enumerate(tasks, 1))
    names = [task.name for task in loaded]
    for name in names:
        if names.count(name) > 1:
            raise SourceError(f"{path} has two tasks called {name!r}", "give each its own name")
    return Suite(_text(stored.get("name", path.stem), f"name in {path}"), version, root, loaded)


def _task(task: Any, place: int, path: Path, root: Path) -> Task:
    where = f"task {place} in {path}"
    if not isinstance(task, dict):
        raise SourceError(f"{where} is a {type(task).__name__}", "give name, kind and images")
    kind = _text(task.get("kind"), f"kind of {where}")
    if kind not in COLUMNS:
        raise SourceError(f"{where} is of kind {kind!r}", nearest(kind, COLUMNS))
    _known_keys(task, _TASK_KEYS + (_ZERO_SHOT_KEYS if kind == "zero_shot" else ()), where)
    name = _text(task.get("name"), f"name of {where}")
    table = path.parent / _text(task.get("images"), f"images of {where}")
    rows = tuple(_rows(table, COLUMNS[kind], root))
    if not rows:
        raise SourceError(f"{table} has no rows", "a task needs images")
    classes: dict[str, tuple[str, ...]] = {}
    templates: tuple[str, ...] = ()
    if kind == "zero_shot":
        classes = _classes(task.get("classes"), where)
        templates = _texts(task.get("templates", list(DEFAULT_TEMPLATES)), f"templates of {where}")
        for template in templates:
            if "{}" not in template and "{c}" not in template:
                raise SourceError(
                    f"template {template!r} of {where} has no place for the class", "put {} where it goes"
                )
        for number, (_, label) in enumerate(rows, 2):
            if label not in classes:
                raise SourceError(f"label {label!r} in line {number} of {table} is no class", nearest(label, classes))
    return Task(name, kind, rows, classes, templates)


def _rows(table: Path, columns: tuple[str, ...], root: Path) -> Iterator[tuple[str, ...]]:
    if table.suffix not in (".csv", ".tsv"):
        raise SourceError(f"{table} is neither .csv nor .tsv", "save the table as one of the two")
    try:
        if table.stat().st_size > _LARGEST_TABLE:
            raise SourceError(f"{table} has more than {_LARGEST_TABLE >> 20} MB", "split the task")
        with table.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, delimiter="\t" if table.suffix == ".tsv" else ",")
            for column in columns:
                if column not in (reader.fieldnames or ()):
                    found = reader.fieldnames or ()
                    raise SourceError(f"{table} has no column {column!r}", nearest(column, found))
            for number, row in enumerate(reader, 2):
                if number > _MOST_ROWS:
                    raise SourceError(f"{table} has more than {_MOST_ROWS:,} rows", "split the task")
                values = tuple(row[column] for column in columns)
                if not all(values):
                    raise SourceError(f"line {number} of {table} is not complete", "fill or drop it")
                _inside(root, values[0], f"line {number} of {table}")
                yield values
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise SourceError(f"{table} cannot be read: {error}", "give a table with a header, in UTF-8") from error


def _inside(root: Path, file: str, where: str) -> None:
    parts = Path(file)
    if parts.is_absolute() or ".." in parts.parts or "\0" in file:
        raise SourceError(f"{where} points outside {root}", "set `root:` to the directory of the images")


def _classes(given: Any, where: str) -> dict[str, tuple[str, ...]]:
    if isinstance(given, list):
        given = {_text(name, f"a class of {where}"): [name] for name in given}
    if not isinstance(given, dict) or len(given) < 2:
        raise SourceError(f"{where} has no two classes", "give `classes:` as a list, or as label: [names]")
    return {
        _text(label, f"a class of {where}"): _texts(names, f"class {label!r} of {where}")
        for label, names in given.items()
    }


def _texts(given: Any, where: str) -> tuple[str, ...]:
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, list) or not given:
        raise SourceError(f"{where}: {given!r} is not a list of texts", "quote each text")
    return tuple(_text(text, where) for text in given)


def _text(given: Any, where: str) -> str:
    if not isinstance(given, str) or not given.strip():
        raise SourceError(f"{where}: {given!r} is not a text", "quote it, if YAML takes it for something else")
    return given


def _known_keys(given: Mapping[Any, Any], known: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in known:
            raise SourceError(f"{where} has an unknown key {key!r}", nearest(str(key), known))


def _yaml(path: Path) -> dict[Any, Any]:
    try:
        if path.stat().st_size > _LARGEST_SUITE:
            raise SourceError(f"{path} has more than {_LARGEST_SUITE >> 20} MB", "this is not a suite")
        stored = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise SourceError(f"{path} cannot be read: {error}", "give a suite in YAML") from error
    if not isinstance(stored, dict):
        raise SourceError(f"{path} holds a {type(stored).__name__}, not a suite", "begin with name: and tasks:")
    return stored
