"""What labels say of a decision: precision, recall, prevalence, and the same at every threshold of its score.

    said = figures(sample, labels)          labels int8 (N,): GOOD, BAD, UNSURE or NONE
    said.precision.value, .low, .high       0.93, 0.89, 0.96
    said.precision.least, said.precision.most     what it could be if unsure pairs were good or bad
    for point in curve(sample, labels): point.threshold, point.precision, point.recall
    reaching(points, 0.9)                   the loosest threshold with that precision, by estimate and by lower limit

A threshold t of the curve stands for the same decision with t in the place of its cut: a pair is in where its score
reaches t and no other predicate drops it. Where no predicate goes by the score, it is the decision and, on top, the
score. Every stratum is cut in two at t; how many rows of the population lie on either side was counted when the sample
was drawn, so both parts are strata of their own, and a threshold costs nothing in honesty but its few labels.

The intervals are of each threshold by itself: of 40 thresholds two are expected to lie outside of theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlcorpus.audit.estimate import Estimate, Side, count, overall, portion, share

Labels = NDArray[np.int8]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

NONE, BAD, GOOD, UNSURE = -1, 0, 1, 2


@dataclass(frozen=True)
class Sample:
    """N labelled rows and the H strata that they were drawn from: stratum, place int64 (N,) and free bool (N,) as
    `draw.Drawn` has them; kept, scored bool (H,); cells (H, T + 2, 2). by_score: whether a predicate goes by it."""

    stratum: Ints
    place: Ints
    free: Bools
    kept: Bools
    scored: Bools
    cells: Ints
    by_score: bool


@dataclass(frozen=True)
class Figure:
    """An estimate, and between what unsure pairs could move it if each of them were good or bad."""

    value: float | None
    low: float
    high: float
    least: float | None
    most: float | None


@dataclass(frozen=True)
class Figures:
    """precision: good among kept. recall: kept among good. prevalence: good among all. bad_dropped: dropped among bad.
    good_kept, good_lost: numbers of good pairs among kept and among dropped ones."""

    precision: Figure
    recall: Figure
    prevalence: Figure
    bad_dropped: Figure
    good_kept: Figure
    good_lost: Figure


@dataclass(frozen=True)
class Point:
    """What the decision would be with its cut at threshold number `number`: rows of the population that are in, labels
    among them (good or bad), precision and recall."""

    number: int
    rows: int
    labelled: int
    precision: Estimate
    recall: Estimate


@dataclass(frozen=True)
class StratumLabels:
    """Labels of one stratum."""

    good: int
    bad: int
    unsure: int
    unlabelled: int


def figures(sample: Sample, labels: Labels) -> Figures:
    """The figures of the decision as it stands."""
    inside, rows = sample.kept, sample.cells.sum(axis=(1, 2))
    kept, dropped = _sides(sample, rows, labels, inside)
    ways = [_sides(sample, rows, _settled(sample, labels, *way), inside) for way in _WAYS]
    return Figures(
        precision=_figure(share(kept), [share(way[0]) for way in ways]),
        recall=_figure(portion(kept, dropped), [portion(*way) for way in ways]),
        prevalence=_figure(overall(kept, dropped), [overall(*way) for way in ways]),
        bad_dropped=_figure(portion(dropped.bad(), kept.bad()), [portion(out.bad(), own.bad()) for own, out in ways]),
        good_kept=_figure(count(kept), [count(way[0]) for way in ways]),
        good_lost=_figure(count(dropped), [count(way[1]) for way in ways]),
    )


_WAYS = ((GOOD, GOOD), (GOOD, BAD), (BAD, GOOD), (BAD, BAD))
"""What unsure kept pairs are, and unsure dropped ones. A figure moves one way with each, so these are its ends."""


def _settled(sample: Sample, labels: Labels, kept: int, dropped: int) -> Labels:
    other = np.where(sample.kept[sample.stratum], kept, dropped)
    return np.where(labels == UNSURE, other, labels).astype(np.int8)


def _figure(found: Estimate, ways: Sequence[Estimate]) -> Figure:
    values = [way.value for way in ways if way.value is not None]
    return Figure(found.value, found.low, found.high, min(values, default=None), max(values, default=None))


def _sides(sample: Sample, rows: Ints, labels: Labels, inside: Bools) -> tuple[Side, Side]:
    """Strata that are inside and those that are not. inside (H,)."""
    strata = len(rows)
    good = np.bincount(sample.stratum[labels == GOOD], minlength=strata)
    sure = np.bincount(sample.stratum[(labels == GOOD) | (labels == BAD)], minlength=strata)
    return tuple(Side.of(rows[on], sure[on], good[on]) for on in (inside, ~inside))  # type: ignore[return-value]


def curve(sample: Sample, labels: Labels) -> list[Point]:
    """A point for each of the T thresholds, in their order (from the loosest)."""
    strata, places, _ = sample.cells.shape
    points = []
    sure, good = (labels == GOOD) | (labels == BAD), labels == GOOD
    for number in range(places - 2):
        cells = _inside(sample, np.arange(-1, places - 1)[None, :, None], np.arange(2)[None, None, :] == 1,
                        sample.kept[:, None, None], sample.scored[:, None, None], number)  # fmt: skip
        rows = _inside(
            sample, sample.place, sample.free, sample.kept[sample.stratum], sample.scored[sample.stratum], number
        )
        sides = []
        for on in (True, False):
            population = np.where(cells == on, sample.cells, 0).sum(axis=(1, 2))
            mine = rows == on
            there = population > 0
            counts = (np.bincount(sample.stratum[mine & which], minlength=strata)[there] for which in (sure, good))
            sides.append(Side.of(population[there], *counts))
        inside, outside = sides
        points.append(
            Point(number, int(inside.rows.sum()), int(inside.labelled.sum()), share(inside), portion(inside, outside))
        )
    return points


def _inside(sample: Sample, place: Ints, free: Bools, kept: Bools, scored: Bools, number: int) -> Bools:
    """Which rows are in with the cut at a threshold: without a score, those that the decision keeps for all that."""
    return np.where(scored, free & (place > number), kept & sample.by_score)


def reaching(points: Sequence[Point], precision: float) -> tuple[Point | None, Point | None]:
    """The loosest point whose estimate has that precision, and the loosest whose lower limit has; None where none."""
    by_value = (point for point in points if point.precision.value is not None and point.precision.value >= precision)
    by_limit = (point for point in points if point.precision.value is not None and point.precision.low >= precision)
    return next(by_value, None), next(by_limit, None)


def by_stratum(sample: Sample, labels: Labels) -> list[StratumLabels]:
    """Labels of each of the H strata."""
    found = [
        np.bincount(sample.stratum[labels == each], minlength=len(sample.kept)) for each in (GOOD, BAD, UNSURE, NONE)
    ]
    return [StratumLabels(*map(int, each)) for each in zip(*found, strict=True)]
