"""The tests a model takes, as a YAML file beside its tables.

    name: shapes
    version: 1
    root: images                      # where the pictures are; the suite's own directory unless given
    tasks:
      - name: colour_shape
        kind: zero_shot               # table: file, label
        images: colour_shape.csv
        classes: {car: [car, automobile], red square: [red square]}     # or a list, or a file of names
        templates: ["a photo of a {}.", "a {}"]
      - {name: pets, kind: zero_shot, folder: pets}                     # a folder a class
      - {name: eurosat, kind: zero_shot, webdataset: wds_eurosat_test}  # CLIP_benchmark's tars
      - name: captions
        kind: retrieval               # table: file, caption; a file may stand in several rows
        images: captions.tsv
      - name: kinds
        kind: linear_probe            # table: file, label; no prompts: what the images' vectors hold. Or knn
        images: kinds.csv
        train: train.csv              # to learn from; without, the others of its own rows
      - name: swapped
        kind: pair_choice             # table: file, right, wrong; or SugarCrepe's JSON
        images: swapped.csv

Further kinds: multilabel, winoground, winogavil; `suite_rows` has the columns of each. Further keys of a task: `main`
(its main metric), `groups` (the worst group is measured, too), `optional` (left out where its files are not there),
`weakness` (models of this kind are known to fail at it), `columns`, `dataset`, `root`.

Labels are names, never positions, unless class names come from a file: a class list in another order than the labels is
the commonest way to measure chance. Every file must lie under `root`, and tables there or beside the suite. Unknown
keys, missing columns and labels that are no class are errors that name the place. A folder of class folders, or of
tars, is a suite of one task by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vlcorpus.errors import SourceError, nearest
from vlcorpus.probe import suite_places
from vlcorpus.probe.suite_classes import DEFAULT_TEMPLATES
from vlcorpus.probe.suite_places import Place
from vlcorpus.probe.suite_rows import COLUMNS, Pictures
from vlcorpus.probe.suite_tasks import TASK_KEYS, Task, folder_task, read_task
from vlcorpus.probe.suite_words import Missing, flag, known_keys, text, texts

__all__ = ["COLUMNS", "DEFAULT_TEMPLATES", "TASK_KEYS", "Suite", "Task", "load_suite"]

_LARGEST_SUITE = 4 << 20
_SUITE_KEYS = ("name", "version", "root", "tasks", "averages")


@dataclass(frozen=True)
class Suite:
    name: str
    version: int
    root: Path
    tasks: tuple[Task, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Optional task whose files are not there, and what is missing"""
    averages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Further averages, beside that of all tasks: name to tasks"""
    places: Mapping[str, Place] = field(default_factory=dict, repr=False)
    """Name of each picture, to where it is"""
    read: tuple[Path, ...] = field(default=(), repr=False)
    """The suite's own file, its tables and lists"""
    home: Path = Path(".")
    """The folder of the suite's file"""

    def pictures(self) -> tuple[str, ...]:
        """The names of all pictures, each once, in the order of the tasks."""
        return tuple(dict.fromkeys(name for task in self.tasks for name in task.pictures()))

    def bodies(self) -> Iterator[tuple[str, bytes | None]]:
        """(name, bytes) of every picture; None where it is missing, too large, or outside the suite's folders."""
        return suite_places.bodies(self.places, self.pictures(), (self.root, self.home))

    def digest(self) -> str:
        """Names the content of the suite: tables, lists and pictures. Up to 2 GB of pictures are read for it."""
        return suite_places.digest(self.read, self.places.values(), (self.root, self.home))


def load_suite(path: str | Path, root: str | Path | None = None) -> Suite:
    """Reads a suite and its tables. Raises SourceError for anything it does not understand.

    root: where pictures, tables and folders are, instead of what the suite says. A folder is a suite of one task.
    """
    path = Path(path)
    if path.is_dir():
        return _folder(path)
    stored = _yaml(path)
    known_keys(stored, _SUITE_KEYS, str(path))
    tasks = stored.get("tasks")
    if not isinstance(tasks, list) or not tasks:
        raise SourceError(f"{path} has no tasks", "list at least one under `tasks:`")
    home = path.parent.resolve()
    named = text(stored.get("root", "."), f"root in {path}")
    pictures = Pictures(Path(root).resolve() if root is not None else (home / named).resolve())
    version = stored.get("version", 1)
    if type(version) is not int:
        raise SourceError(f"version in {path} is {version!r}", "give a whole number")
    loaded, left_out = [], {}
    names: list[str] = []
    for place, task in enumerate(tasks, 1):
        where = f"task {place} in {path}"
        try:
            made = read_task(task, where, home, pictures)
            loaded.append(made)
            names.append(made.name)
        except Missing as error:
            if not (isinstance(task, dict) and flag(task.get("optional", False), f"optional of {where}")):
                raise
            names.append(task["name"])
            left_out[task["name"]] = error.message
    for name in names:
        if names.count(name) > 1:
            raise SourceError(f"{path} has two tasks called {name!r}", "give each its own name")
    if not loaded:
        raise SourceError(f"none of the tasks of {path} is in {pictures.root}", "name the folder that has them: --root")
    read = dict.fromkeys((path.resolve(), *(each for task in loaded for each in task.read)))
    return Suite(
        text(stored.get("name", path.stem), f"name in {path}"),
        version,
        pictures.root,
        tuple(loaded),
        left_out,
        _averages(stored.get("averages", {}), names, path),
        pictures.places,
        tuple(read),
        home,
    )


def _folder(path: Path) -> Suite:
    place = path.resolve()
    pictures = Pictures(place)
    task = folder_task(place, pictures)
    return Suite(task.name, 1, place, (task,), places=pictures.places, read=task.read, home=place.parent)


def _averages(given: Any, names: list[str], path: Path) -> dict[str, tuple[str, ...]]:
    if not isinstance(given, dict):
        raise SourceError(f"averages in {path} are a {type(given).__name__}", "give name: [tasks]")
    made = {}
    for name, tasks in given.items():
        made[text(name, f"averages in {path}")] = listed = texts(tasks, f"average {name!r} in {path}")
        for task in listed:
            if task not in names:
                raise SourceError(f"average {name!r} in {path} names no task {task!r}", nearest(task, names))
    return made


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
