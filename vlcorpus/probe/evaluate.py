"""Puts a model through a suite.

    >>> results = run_suite(encoder, load_suite("shapes/suite.yaml"), decode)
    >>> results.metrics["colour_shape"]["top1"], results.flat()["captions.auc"]
    (0.63, 0.98)
    >>> results.average.value, results.average.tasks
    (0.71, ('colour_shape', 'captions', 'kinds', 'swapped'))

Every picture is decoded and encoded once, and every text once, however many tasks use them: 1,000 pictures of 32 pixels
take a second with conv-nano. A picture that cannot be read is left out for every model alike and named in `unreadable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlcorpus.errors import SourceError, nearest
from vlcorpus.io import attempt
from vlcorpus.probe import measures
from vlcorpus.probe.suite import DEFAULT_TEMPLATES, Suite, Task
from vlcorpus.probe.suite_asked import Evaluated, Texts, asked, means, texts_of
from vlcorpus.probe.suite_classes import filled
from vlcorpus.probe.suite_pixels import Decode, Seen, encoded

EVALUATOR_VERSION = 2
"""Changes whenever a number could; results of two versions are not compared."""

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Average:
    """The mean of the main metrics of some tasks."""

    value: float
    tasks: tuple[str, ...]
    left_out: Mapping[str, str]
    """Task that belongs to it and did not run, and why"""


@dataclass(frozen=True)
class Results:
    suite: str
    suite_version: int
    metrics: dict[str, dict[str, float]]
    """Task to metric to value"""
    values: dict[str, dict[str, Values]]
    """Task to metric to one value for each readable image (text_to_image: each text; winogavil: each case), in the
    table's order, where the metric is their mean"""
    chance: dict[str, dict[str, float]]
    main: dict[str, str]
    """Task to its main metric"""
    averages: dict[str, Average]
    """"all", and those the suite names"""
    files: dict[str, tuple[tuple[str, ...], ...]]
    """Task to the pictures of each sample"""
    labels: dict[str, tuple[str, ...]]
    """Task to the class of each sample, where it has classes"""
    guesses: dict[str, tuple[str | None, ...]]
    """Task to the guessed class of each sample; None where the vector is not finite"""
    theirs: dict[str, dict[str, float]]
    """Task to the figures as CLIP_benchmark and DataComp define them"""
    weaknesses: tuple[str, ...]
    """Tasks that models of this kind are known to fail"""
    unreadable: tuple[str, ...]
    """Pictures left out, of all tasks"""
    failed_rows: int
    """Images whose vector is not finite; each is a miss"""
    evaluator_version: int = EVALUATOR_VERSION

    @property
    def average(self) -> Average:
        return self.averages["all"]

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
    named = classes if isinstance(classes, Mapping) else {name: (name,) for name in classes}
    prompts = [filled(names, templates) for names in named.values()]
    rows = iter(encoder.encode_texts([prompt for group in prompts for prompt in group]))
    return means([np.stack([next(rows) for _ in group]) for group in prompts])


def run_suite(encoder: Evaluated, suite: Suite, decode: Decode, *, seen: Seen | None = None, key: str = "") -> Results:
    """Measures every task. Raises SourceError when a task has too few pictures that can be read.

    seen, key: prepared pictures to share with other models, and the name of this model's preparation.
    """
    images = encoded(encoder, suite, decode, seen or Seen(), key)
    texts = Texts(encoder, (text for task in suite.tasks for text in texts_of(task)))
    done = {}
    for task in suite.tasks:
        attempt.end_if_asked()
        done[task.name] = asked(task, images, texts, encoder.scale, suite.root)
    main = {task.name: _main(task, done[task.name].measured) for task in suite.tasks}
    metrics, values, chance = {}, {}, {}
    for name, each in done.items():
        metrics[name], values[name] = dict(each.measured.metrics), dict(each.measured.values)
        if main[name] in each.measured.theirs:
            metrics[name].setdefault(main[name], each.measured.theirs[main[name]])
            if main[name] in each.measured.their_values:
                values[name].setdefault(main[name], each.measured.their_values[main[name]])
        known = metrics[name].keys() | each.measured.theirs.keys()
        chance[name] = {metric: value for metric, value in each.measured.chance.items() if metric in known}
    failed = int((~np.isfinite(images.rows_ND).all(1)).sum())
    return Results(
        suite=suite.name,
        suite_version=suite.version,
        metrics=metrics,
        values=values,
        chance=chance,
        main=main,
        averages=_averages(suite, {name: metrics[name][main[name]] for name in main}),
        files={name: each.files for name, each in done.items()},
        labels={name: each.labels for name, each in done.items() if each.labels},
        guesses={name: each.guesses for name, each in done.items() if each.guesses},
        theirs={name: each.measured.theirs for name, each in done.items() if each.measured.theirs},
        weaknesses=tuple(task.name for task in suite.tasks if task.weakness),
        unreadable=tuple(sorted(name for name in suite.pictures() if name not in images)),
        failed_rows=failed,
    )


def _main(task: Task, measured: measures.Measured) -> str:
    known = measured.metrics.keys() | measured.theirs.keys()
    if task.main not in known:
        raise SourceError(f"task {task.name!r} has no {task.main!r} here", nearest(task.main, known))
    return task.main


def _averages(suite: Suite, mains: Mapping[str, float]) -> dict[str, Average]:
    everything = (*mains, *suite.left_out)
    made = {}
    for name, tasks in {"all": everything, **suite.averages}.items():
        ran = tuple(task for task in tasks if task in mains)
        left_out = {task: suite.left_out[task] for task in tasks if task not in mains}
        if ran:
            made[name] = Average(float(np.mean([mains[task] for task in ran])), ran, left_out)
    return made
