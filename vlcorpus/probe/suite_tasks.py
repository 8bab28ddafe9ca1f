"""One task of a suite, read from what the suite says of it and from where its pictures are.

    >>> task = read_task({"name": "pets", "kind": "zero_shot", "folder": "pets"}, "task 1 in s.yaml", home, pictures)
    >>> task.rows[0], task.classes["abyssinian_cat"], task.main
    (('pets/abyssinian_cat/1.jpg', 'abyssinian_cat'), ('abyssinian cat',), 'top1')

`suite` has the keys. Whatever a task needs that is not there raises Missing, so that an optional task can be left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlcorpus.errors import SourceError, nearest
from vlcorpus.probe import suite_classes
from vlcorpus.probe.suite_classes import DEFAULT_TEMPLATES
from vlcorpus.probe.suite_folders import class_folders, kind_of, shards, webdataset
from vlcorpus.probe.suite_rows import COLUMNS, PICTURES, Pictures, Rows, TaskRow, from_table
from vlcorpus.probe.suite_tables import open_table, parquets
from vlcorpus.probe.suite_words import Missing, flag, found, inside, known_keys, text

MAIN: dict[str, tuple[str, ...]] = {
    "zero_shot": ("top1", "top5", "mean_per_class_recall", "acc1", "acc5", "F1-macro_all"),
    "multilabel": ("map", "mean_average_precision"),
    "linear_probe": ("accuracy", "mean_per_class_recall"),
    "knn": ("knn20", "knn1"),
    "retrieval": (
        "text_to_image_r1",
        *(f"{way}_r{k}" for way in ("text_to_image", "image_to_text") for k in (1, 5, 10)),
        *(f"{way}_retrieval_recall@{k}" for way in ("image", "text") for k in (1, 5, 10)),
        "mean_recall@1",
        "auc",
    ),
    "pair_choice": ("accuracy", "acc", "text_acc"),
    "winoground": ("group_score", "text_score", "image_score", "acc", "text_acc", "image_acc"),
    "winogavil": ("jaccard", "avg_jaccard_score", *(f"jaccard_score_{n}" for n in ("5-6", "10-12", 5, 6, 10, 12))),
}
"""Kind to the metrics that may be a task's main one; the first is, unless it says otherwise"""

_GROUPED = ("worst_{}_top1", "worst_{}_top5", "acc_worst_{}", "acc_wg", "acc_top5_wg")
_SOURCES = ("images", "folder", "webdataset")
_FROM_FOLDERS = {
    "folder": ("zero_shot", "linear_probe", "knn"),
    "webdataset": ("zero_shot", "linear_probe", "knn", "multilabel", "retrieval"),
}
_CLASSIFYING = ("zero_shot", "multilabel")
TASK_KEYS = ("name", "kind", *_SOURCES, "root", "columns", "main", "optional", "weakness")
_KIND_KEYS = {
    "zero_shot": ("classes", "templates", "dataset", "groups"),
    "multilabel": ("classes", "templates", "dataset"),
    "linear_probe": ("train",),
    "knn": ("train",),
}


@dataclass(frozen=True)
class Task:
    name: str
    kind: str
    rows: tuple[TaskRow, ...]
    """As `suite_rows` has them; pictures are names of the suite's `places`"""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Label to the names it goes by in prompts; empty but for zero_shot and multilabel"""
    templates: tuple[str, ...] = ()
    prompts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Prompts of each class, where they are not names in templates"""
    train: tuple[TaskRow, ...] = ()
    """Rows to learn from, for linear_probe and knn; none: the task's own"""
    groups: tuple[str, ...] = ()
    """Group of each row"""
    grouped_by: str = ""
    main: str = ""
    weakness: bool = False
    read: tuple[Path, ...] = ()
    """Tables and lists"""

    def pictures(self) -> Iterator[str]:
        """Names of the pictures, as often as they stand in the rows."""
        places = PICTURES.get(self.kind, (0,))
        return (row[place] for row in (*self.rows, *self.train) for place in places)

    def prompts_of(self, label: str) -> Sequence[str]:
        """What a class is called, in full."""
        return self.prompts.get(label) or suite_classes.filled(self.classes[label], self.templates)


def read_task(task: Any, where: str, home: Path, pictures: Pictures) -> Task:
    if not isinstance(task, dict):
        raise SourceError(f"{where} is a {type(task).__name__}", "give name, kind and images")
    kind = text(task.get("kind"), f"kind of {where}")
    if kind not in COLUMNS:
        raise SourceError(f"{where} is of kind {kind!r}", nearest(kind, COLUMNS))
    known_keys(task, TASK_KEYS + _KIND_KEYS.get(kind, ()), where)
    name = text(task.get("name"), f"name of {where}")
    weakness = flag(task.get("weakness", False), f"weakness of {where}")
    columns = task.get("columns", {})
    if not isinstance(columns, dict) or not all(isinstance(each, str) for each in columns.values()):
        raise SourceError(f"columns of {where} are {columns!r}", "give column: its name in the table")
    known_keys(columns, COLUMNS[kind], f"columns of {where}")
    base = text(task.get("root", "."), f"root of {where}")
    inside(pictures.root, base, f"root of {where}")
    grouped_by, group = _groups(task.get("groups"), where)
    main = text(task.get("main", MAIN[kind][0]), f"main of {where}")
    grouped = tuple(each.format(grouped_by) for each in _GROUPED) if grouped_by else ()
    if main not in MAIN[kind] + grouped:
        raise SourceError(f"main of {where} is no metric of {kind}: {main!r}", nearest(main, MAIN[kind] + grouped))

    named = (text(task.get("dataset", name), f"dataset of {where}"), name)
    places = (home, pictures.root)
    given = task.get("classes")
    by_file = isinstance(given, str)
    classes, read = suite_classes.classes(given, named, places, where) if given is not None else ({}, [])
    sources = [each for each in _SOURCES if each in task]
    if len(sources) > 1:
        raise SourceError(f"{where} has {' and '.join(sources)}", "name one place")
    source = sources[0] if sources else "images"
    asked = _Source(kind, columns, base, grouped_by, group, classes if by_file or isinstance(given, list) else None)
    made = asked.rows(source, text(task.get(source), f"{source} of {where}"), where, home, pictures)
    train = Rows()
    if "train" in task:
        train = asked.rows("images", text(task["train"], f"train of {where}"), where, home, pictures)
    rows = made.rows
    prompts: Mapping[str, tuple[str, ...]] = {}
    templates: tuple[str, ...] = ()
    if kind in _CLASSIFYING:
        classes = classes or made.classes or suite_classes.classes(None, named, places, where)[0]
        if by_file:
            rows = [_by_number(row, list(classes)) for row in rows]
        if len(classes) < 2:
            raise SourceError(f"{where} has no two classes", "give `classes:` as a list, or as label: [names]")
        _checked(rows, classes, made, where)
        wanted = task.get("templates", list(made.templates or DEFAULT_TEMPLATES))
        templates, prompts, more = suite_classes.templates(wanted, named, places, classes, where)
        read = [*read, *more]
    return Task(
        name,
        kind,
        tuple(rows),
        classes,
        templates,
        prompts,
        tuple(train.rows),
        tuple(made.groups),
        grouped_by,
        main,
        weakness,
        tuple(dict.fromkeys([*read, *made.read, *train.read])),
    )


def folder_task(folder: Path, pictures: Pictures) -> Task:
    """The task that a folder of class folders, or of tars, is by itself."""
    kind = kind_of(folder)
    name = folder.parent.name if folder.name in ("test", "val", "train") else folder.name
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-") or "folder"
    stored = {"name": safe, "kind": kind, "webdataset" if shards(folder) else "folder": "."}
    return read_task(stored, str(folder), folder, pictures)


@dataclass(frozen=True)
class _Source:
    """How rows are wanted, from wherever they come."""

    kind: str
    columns: Mapping[str, str]
    base: str
    grouped_by: str
    group: Any
    numbered: Mapping[str, tuple[str, ...]] | None
    """Classes in the order of the labels' numbers"""

    def rows(self, source: str, given: str, where: str, home: Path, pictures: Pictures) -> Rows:
        where = f"{source} of {where}"
        path = found(given, (home, pictures.root) if source == "images" else (pictures.root,), where)
        how = source if source != "images" else _form(path)
        if how == "images":
            made = from_table(self.kind, open_table(path), self.columns, self.base, pictures, self._column(where))
        elif self.kind not in _FROM_FOLDERS[how]:
            raise SourceError(f"{where} is a folder, and {self.kind} wants a table", f"see the columns of {self.kind}")
        elif how == "webdataset":
            fields = {self.grouped_by: self.group} if self.grouped_by else {}
            if self.grouped_by and not isinstance(self.group, int):
                raise SourceError(f"groups of {where}: {self.group!r} is no place", "give name: place in the .npy")
            if not shards(path):
                raise Missing(f"{path} has no tars", f"{where} names it")
            made = webdataset(path, self.kind, fields, self.numbered, pictures)
        else:
            made = class_folders(path, pictures)
        if not made.rows:
            raise SourceError(f"{path} has no rows", "a task needs images")
        return made

    def _column(self, where: str) -> str | None:
        if self.grouped_by and not isinstance(self.group, str):
            raise SourceError(f"groups of {where}: {self.group!r} is no column", "name the column of the groups")
        return self.group if self.grouped_by else None


def _form(path: Path) -> str:
    """What a folder or a file is: a table (`images`), tars, or class folders."""
    if not path.is_dir() or parquets(path):
        return "images"
    return "webdataset" if shards(path) else "folder"


def _groups(given: Any, where: str) -> tuple[str, Any]:
    """(name of the groups, their column or place)."""
    if given is None:
        return "", None
    if isinstance(given, str):
        return text(given, f"groups of {where}"), given
    if isinstance(given, dict) and len(given) == 1:
        name, at = next(iter(given.items()))
        if isinstance(at, str) or (type(at) is int and at >= 0):
            return text(name, f"groups of {where}"), at
    raise SourceError(f"groups of {where} are {given!r}", "name a column, or give name: place in the .npy")


def _by_number(row: TaskRow, labels: Sequence[str]) -> TaskRow:
    """Labels that are numbers and no names, by their place in the list."""
    file, *given = row
    made = [
        labels[int(each)] if each not in labels and each.isdecimal() and int(each) < len(labels) else each
        for each in given
    ]
    return (file, *made)


def _checked(rows: Sequence[TaskRow], classes: Mapping[str, Any], made: Rows, where: str) -> None:
    for number, (_, *labels) in enumerate(rows, 2):
        for label in labels:
            if label not in classes:
                table = f"line {number} of {made.read[0]}" if made.read else f"row {number - 1} of {where}"
                raise SourceError(f"label {label!r} in {table} is no class", nearest(label, classes))
