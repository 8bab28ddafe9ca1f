"""One task of a suite, asked of a model's vectors.

    >>> texts = Texts(encoder, texts_of(task))
    >>> done = asked(task, vectors, texts, encoder.scale, suite.root)
    >>> done.measured.metrics["top1"], done.guesses[:2]
    (0.63, ('red disc', 'blue bar'))

Rows whose picture cannot be read are left out before anything is measured; so is a case of several with one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vlcorpus.errors import SourceError
from vlcorpus.probe import measures
from vlcorpus.probe.suite_pixels import Sees, Vectors
from vlcorpus.probe.suite_rows import PICTURES, TaskRow
from vlcorpus.probe.suite_tasks import Task

_LEAST = {"retrieval": 2, "linear_probe": 10, "knn": 2}


class Evaluated(Sees, Protocol):
    """What is put to the test."""

    scale: float
    """Factor on cosines in the model's own softmax"""

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """N texts to (N, D) unit rows, NaN where it failed"""
        ...


@dataclass(frozen=True)
class Done:
    measured: measures.Measured
    files: tuple[tuple[str, ...], ...]
    labels: tuple[str, ...] = ()
    guesses: tuple[str | None, ...] = ()


class Texts:
    """Distinct texts to their vectors."""

    def __init__(self, encoder: Evaluated, texts: Iterable[str]) -> None:
        distinct = list(dict.fromkeys(texts))
        self._place = {text: place for place, text in enumerate(distinct)}
        self._rows = encoder.encode_texts(distinct) if distinct else np.zeros((0, 1), np.float32)

    def __call__(self, texts: Iterable[str]) -> NDArray[np.float32]:
        return self._rows[[self._place[text] for text in texts]]


def asked(task: Task, images: Vectors, texts: Texts, scale: float, root: Path) -> Done:
    def readable(rows: Sequence[TaskRow]) -> list[int]:
        return [place for place, row in enumerate(rows) if all(name in images for name in _names(task, row))]

    places = readable(task.rows)
    rows = [task.rows[place] for place in places]
    if task.kind == "winogavil":  # a case with a picture less is another question
        whole = {row[0] for row in task.rows} - {row[0] for row in task.rows if row[1] not in images}
        rows = [row for row in rows if row[0] in whole]
    train = [task.train[place] for place in readable(task.train)]
    least = _LEAST.get(task.kind, 1)
    learn = train if task.train else rows
    if not rows or len({row[0] for row in learn}) < least:
        raise SourceError(f"too few images of task {task.name!r} can be read", f"look into {root}")
    if task.kind == "zero_shot":
        return _zero_shot(task, rows, [task.groups[place] for place in places if task.groups], images, texts, scale)
    if task.kind in ("linear_probe", "knn"):
        return _frozen(task, rows, train, images)
    return _OTHERS[task.kind](task, rows, images, texts)


def _zero_shot(
    task: Task, rows: Sequence[TaskRow], groups: Sequence[str], images: Vectors, texts: Texts, scale: float
) -> Done:
    classes = list(task.classes)
    class_CD = means([texts(task.prompts_of(label)) for label in classes])
    place = {label: number for number, label in enumerate(classes)}
    labels = np.array([place[label] for _, label in rows])
    image_ND = images.of(file for file, _ in rows)
    grouped = {"groups": groups, "grouped_by": task.grouped_by} if groups else {}
    found = measures.zero_shot(image_ND, class_CD, labels, scale, **grouped)  # type: ignore[arg-type]
    return _labelled(rows, found, classes)


def _frozen(task: Task, rows: Sequence[TaskRow], train: Sequence[TaskRow], images: Vectors) -> Done:
    classes = sorted({label for _, label in (*task.rows, *task.train)})
    place = {label: number for number, label in enumerate(classes)}

    def side(of: Sequence[TaskRow]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        return images.of(file for file, _ in of), np.array([place[label] for _, label in of])

    measure = measures.linear_probe if task.kind == "linear_probe" else measures.nearest
    found = measure(*side(rows), *side(train)) if task.train else measure(*side(rows))
    return _labelled(rows, found, classes)


def _labelled(rows: Sequence[TaskRow], found: measures.Measured, classes: Sequence[str]) -> Done:
    assert found.guess_N is not None
    guesses = tuple(classes[guess] if guess >= 0 else None for guess in found.guess_N.tolist())
    return Done(found, tuple((file,) for file, _ in rows), tuple(label for _, label in rows), guesses)


def _multilabel(task: Task, rows: Sequence[TaskRow], images: Vectors, texts: Texts) -> Done:
    class_CD = means([texts(task.prompts_of(label)) for label in task.classes])
    wanted = np.array([[label in row[1:] for label in task.classes] for row in rows])
    if not wanted.any():
        raise SourceError(f"no picture of task {task.name!r} that can be read has a label", "look into its table")
    return Done(measures.multilabel(images.of(row[0] for row in rows), class_CD, wanted), _firsts(rows))


def _retrieval(task: Task, rows: Sequence[TaskRow], images: Vectors, texts: Texts) -> Done:
    files = {file: place for place, file in enumerate(dict.fromkeys(file for file, _ in rows))}
    owner = np.array([files[file] for file, _ in rows])
    found = measures.retrieval(images.of(files), texts(text for _, text in rows), owner)
    return Done(found, tuple((file,) for file in files))


def _pair_choice(task: Task, rows: Sequence[TaskRow], images: Vectors, texts: Texts) -> Done:
    image_ND = images.of(row[0] for row in rows)
    found = measures.pair_choice(image_ND, texts(row[1] for row in rows), texts(row[2] for row in rows))
    return Done(found, _firsts(rows))


def _winoground(task: Task, rows: Sequence[TaskRow], images: Vectors, texts: Texts) -> Done:
    image_N2D = np.stack([images.of(row[side] for row in rows) for side in (0, 1)], 1)
    text_N2D = np.stack([texts(row[side] for row in rows) for side in (2, 3)], 1)
    return Done(measures.winoground(image_N2D, text_N2D), tuple((row[0], row[1]) for row in rows))


def _winogavil(task: Task, rows: Sequence[TaskRow], images: Vectors, texts: Texts) -> Done:
    cases = {case: place for place, case in enumerate(dict.fromkeys(row[0] for row in rows))}
    case_N, wanted_N = np.array([cases[row[0]] for row in rows]), np.array([row[3] == "1" for row in rows])
    cue_ND = texts(_cue(row[2]) for row in rows)
    found = measures.association(images.of(row[1] for row in rows), cue_ND, case_N, wanted_N)
    files: list[list[str]] = [[] for _ in cases]
    for place, row in zip(case_N, rows, strict=True):
        files[place].append(row[1])
    return Done(found, tuple(tuple(each) for each in files))


_OTHERS = {
    "multilabel": _multilabel,
    "retrieval": _retrieval,
    "pair_choice": _pair_choice,
    "winoground": _winoground,
    "winogavil": _winogavil,
}


def _firsts(rows: Sequence[TaskRow]) -> tuple[tuple[str, ...], ...]:
    return tuple((row[0],) for row in rows)


def _names(task: Task, row: TaskRow) -> tuple[str, ...]:
    return tuple(row[place] for place in PICTURES.get(task.kind, (0,)))


def _cue(word: str) -> str:
    """A cue as a prompt, as WinoGAViL's authors give it to CLIP."""
    lower = word.lower()
    return f"An {lower}" if lower[:1] in "aeiou" else f"A {lower}"


def texts_of(task: Task) -> Iterable[str]:
    if task.kind in ("zero_shot", "multilabel"):
        for label in task.classes:
            yield from task.prompts_of(label)
    elif task.kind == "winogavil":
        yield from (_cue(row[2]) for row in task.rows)
    elif task.kind not in ("linear_probe", "knn"):
        for row in task.rows:
            yield from row[2:] if task.kind == "winoground" else row[1:]


def means(groups: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    mean_CD = np.stack([group.mean(0) for group in groups])
    rows: NDArray[np.float32] = mean_CD / np.linalg.norm(mean_CD, axis=1, keepdims=True).clip(1e-12)
    return rows
