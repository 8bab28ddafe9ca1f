"""Puts a model through a suite.

    >>> results = run_suite(encoder, load_suite("shapes/suite.yaml"), decode)
    >>> results.metrics["colour_shape"]["top1"], results.flat()["captions.auc"]
    (0.63, 0.98)

Every picture is decoded and encoded once, and every text once, however many tasks use them: 1,000 pictures of 32 pixels
take a second with conv-nano. A picture that cannot be read is left out for every model alike and named in `unreadable`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vlcorpus.errors import SourceError
from vlcorpus.probe import measures
from vlcorpus.probe.suite import DEFAULT_TEMPLATES, Suite, Task

EVALUATOR_VERSION = 1
"""Changes whenever a number could; results of two versions are not compared."""

Decode = Callable[[bytes], "NDArray[np.uint8] | None"]
"""Bytes of a picture to (H, W, 3) uint8, or None when they are none."""

_BATCH = 256
_LARGEST_IMAGE = 64 << 20


class Evaluated(Protocol):
    """What is put to the test."""

    scale: float
    """Factor on cosines in the model's own softmax"""

    def preprocess(self, rgb: NDArray[np.uint8]) -> Any:
        """(H, W, 3) uint8 to (3, S, S) uint8"""
        ...

    def encode_images(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, 3, S, S) uint8 to (N, D) unit rows, NaN where it failed"""
        ...

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """N texts to (N, D) unit rows, NaN where it failed"""
        ...


@dataclass(frozen=True)
class Results:
    suite: str
    suite_version: int
    metrics: dict[str, dict[str, float]]
    """Task to metric to value"""
    hits: dict[str, dict[str, NDArray[np.bool_]]]
    """Task to metric to one flag for each readable image (text_to_image: each text), in the table's order"""
    chance: dict[str, dict[str, float]]
    unreadable: tuple[str, ...]
    """Files left out, of all tasks"""
    failed_rows: int
    """Images whose vector is not finite; each is a miss"""
    evaluator_version: int = EVALUATOR_VERSION

    def flat(self) -> dict[str, float]:
        """`task.metric` to value, as `compare` takes it."""
        return {f"{task}.{name}": value for task, found in self.metrics.items() for name, value in found.items()}


def classifier(
    encoder: Evaluated,
    classes: Mapping[str, Sequence[str]] | Sequence[str],
    templates: Sequence[str] = DEFAULT_TEMPLATES,
) -> NDArray[np.float32]:
    """(C, D) unit rows: for each class the mean over its names and the templates (Radford and others 2021).

    The class goes where a template says `{}` or `{c}`; nothing else in it is interpreted.
    """
    prompts = [_prompts(names, templates) for names in _named(classes).values()]
    rows = iter(encoder.encode_texts([prompt for group in prompts for prompt in group]))
    return _means([np.stack([next(rows) for _ in group]) for group in prompts])


def run_suite(encoder: Evaluated, suite: Suite, decode: Decode) -> Results:
    """Measures every task. Raises SourceError when a task has no picture that can be read."""
    images = _encoded_images(encoder, suite, decode)
    texts = _Texts(encoder, (text for task in suite.tasks for text in _texts_of(task)))
    metrics, hits, chance = {}, {}, {}
    for task in suite.tasks:
        rows = [row for row in task.rows if row[0] in images]
        if len({row[0] for row in rows}) < _LEAST.get(task.kind, 1):
            raise SourceError(f"too few images of task {task.name!r} can be read", f"look into {suite.root}")
        measured = _MEASURES[task.kind](task, rows, images, texts, encoder.scale)
        metrics[task.name], hits[task.name], chance[task.name] = measured.metrics, measured.hits, measured.chance
    named = {row[0] for task in suite.tasks for row in task.rows}
    failed = sum(not np.isfinite(vector).all() for vector in images.values())
    return Results(
        suite.name, suite.version, metrics, hits, chance, tuple(sorted(named - images.keys())), failed
    )  # fmt: skip


class _Texts:
    """Distinct texts to their vectors."""

    def __init__(self, encoder: Evaluated, texts: Iterable[str]) -> None:
        distinct = list(dict.fromkeys(texts))
        self._place = {text: place for place, text in enumerate(distinct)}
        self._rows = encoder.encode_texts(distinct)

    def __call__(self, texts: Iterable[str]) -> NDArray[np.float32]:
        return self._rows[[self._place[text] for text in texts]]


Images = Mapping[str, NDArray[np.float32]]
Table = Sequence[tuple[str, ...]]


def _zero_shot(task: Task, rows: Table, images: Images, texts: _Texts, scale: float) -> measures.Measured:
    class_CD = _means([texts(_prompts(names, task.templates)) for names in task.classes.values()])
    place = {label: number for number, label in enumerate(task.classes)}
    labels = np.array([place[label] for _, label in rows])
    return measures.zero_shot(np.stack([images[file] for file, _ in rows]), class_CD, labels, scale)


def _retrieval(task: Task, rows: Table, images: Images, texts: _Texts, scale: float) -> measures.Measured:
    files = {file: place for place, file in enumerate(dict.fromkeys(file for file, _ in rows))}
    owner = np.array([files[file] for file, _ in rows])
    return measures.retrieval(np.stack([images[file] for file in files]), texts(text for _, text in rows), owner)


def _linear_probe(task: Task, rows: Table, images: Images, texts: _Texts, scale: float) -> measures.Measured:
    place = {label: number for number, label in enumerate(sorted({label for _, label in task.rows}))}
    return measures.linear_probe(
        np.stack([images[file] for file, _ in rows]), np.array([place[label] for _, label in rows])
    )


def _pair_choice(task: Task, rows: Table, images: Images, texts: _Texts, scale: float) -> measures.Measured:
    image_ND = np.stack([images[row[0]] for row in rows])
    return measures.pair_choice(image_ND, texts(row[1] for row in rows), texts(row[2] for row in rows))


_MEASURES = {
    "zero_shot": _zero_shot,
    "linear_probe": _linear_probe,
    "retrieval": _retrieval,
    "pair_choice": _pair_choice,
}
_LEAST = {"retrieval": 2, "linear_probe": 10}


def _texts_of(task: Task) -> Iterable[str]:
    if task.kind == "zero_shot":
        for names in task.classes.values():
            yield from _prompts(names, task.templates)
    elif task.kind != "linear_probe":
        for row in task.rows:
            yield from row[1:]


def _encoded_images(encoder: Evaluated, suite: Suite, decode: Decode) -> dict[str, NDArray[np.float32]]:
    vectors: dict[str, NDArray[np.float32]] = {}
    names: list[str] = []
    pixels: list[Any] = []

    def flush() -> None:
        if names:
            vectors.update(zip(names, encoder.encode_images(np.stack(pixels)), strict=True))
            names.clear()
            pixels.clear()

    for file in dict.fromkeys(row[0] for task in suite.tasks for row in task.rows):
        rgb = _decoded(suite, file, decode)
        if rgb is None:
            continue
        names.append(file)
        pixels.append(np.asarray(encoder.preprocess(rgb)))
        if len(names) == _BATCH:
            flush()
    flush()
    return vectors


def _decoded(suite: Suite, file: str, decode: Decode) -> NDArray[np.uint8] | None:
    path = (suite.root / file).resolve()
    # A link may lead out of the directory although the name does not.
    if not path.is_relative_to(suite.root) or not path.is_file() or path.stat().st_size > _LARGEST_IMAGE:
        return None
    return decode(path.read_bytes())


def _named(classes: Mapping[str, Sequence[str]] | Sequence[str]) -> Mapping[str, Sequence[str]]:
    return classes if isinstance(classes, Mapping) else {name: (name,) for name in classes}


def _prompts(names: Sequence[str], templates: Sequence[str]) -> list[str]:
    return [template.replace("{c}", name).replace("{}", name) for name in names for template in templates]


def _means(groups: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    mean_CD = np.stack([group.mean(0) for group in groups])
    rows: NDArray[np.float32] = mean_CD / np.linalg.norm(mean_CD, axis=1, keepdims=True).clip(1e-12)
    return rows
