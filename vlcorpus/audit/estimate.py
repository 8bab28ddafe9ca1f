"""Shares of a population, and what part of a total lies where, from a stratified sample.

    kept     rows [600, 400]   labelled [20, 20]   good [20, 18]        two strata
    dropped  rows [9000]       labelled [40]       good [2]
    share(kept)            0.96 [0.88, 0.99]     precision: good among kept
    portion(kept, dropped) 0.68 [0.40, 0.89]     recall: kept among good

Each stratum counts as what it is of the population, however much it was oversampled (Horvitz and Thompson's weights;
the number of rows of every stratum is known, so nothing is gained or lost by the draw).

The interval of a share is Korn and Graubard's: Clopper and Pearson's with the number of trials that a simple sample of
the same variance would have. The variance is taken with each stratum's share drawn a little (two labels' worth) to the
whole's, so that strata whose few labels agree do not feign certainty; at 0 and 1 the number of trials becomes that of
Kish's design effect. The interval of a portion joins those of its two sides, which are independent, by Donner and Zou's
method of variance estimates recovery for ratios (MOVER-R; Statistical Methods in Medical Research 21, 2012): where no
good pair was found among the dropped, it still counts those that the labels cannot rule out. A bootstrap would not:
it never draws what was not seen. tests/audit/test_coverage.py measures how often these intervals hold the truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vlcorpus.audit import binomial

Floats = NDArray[np.float64]

_DRAWN_IN = 2.0
"""Labels' worth by which a stratum's share is drawn to the whole's where its variance is taken."""


@dataclass(frozen=True)
class Estimate:
    """A number and the ends of its 95 % interval; value None (low 0, high 1) where no label speaks of it."""

    value: float | None
    low: float
    high: float


NOTHING = Estimate(None, 0.0, 1.0)


@dataclass(frozen=True)
class Side:
    """Strata (H,), neighbours beside each other: rows of the population, rows labelled good or bad, and rows good."""

    rows: Floats
    labelled: Floats
    good: Floats

    @classmethod
    def of(cls, rows: ArrayLike, labelled: ArrayLike, good: ArrayLike) -> Side:
        """Three sequences of H numbers; ValueError for more labels than rows, or more good rows than labels."""
        found = cls(*(np.asarray(each, dtype=np.float64) for each in (rows, labelled, good)))
        if not found.rows.shape == found.labelled.shape == found.good.shape or found.rows.ndim != 1:
            raise ValueError("three rows of equal length are wanted")
        if np.any(found.labelled > found.rows) or np.any(found.good > found.labelled) or np.any(found.good < 0):
            raise ValueError("a stratum has more labels than rows, or more good ones than labels")
        return found

    def merged(self) -> Side:
        """Strata without a label joined to the next one that has some; none at all where no stratum has."""
        own = np.flatnonzero(self.labelled > 0)
        if not len(own):
            return Side.of([], [], [])
        places = np.arange(len(self.rows))
        after = np.searchsorted(own, places, side="right")
        owner = np.clip(after - 1, 0, len(own) - 1)  # the one before; of the first, the one after
        return Side.of(*(np.bincount(owner, weights=each) for each in (self.rows, self.labelled, self.good)))

    def bad(self) -> Side:
        """The same with good and bad exchanged."""
        return Side(self.rows, self.labelled, self.labelled - self.good)


def share(side: Side) -> Estimate:
    """The share of good rows among all rows of the strata."""
    total = float(side.rows.sum())
    side = side.merged()
    if not len(side.rows) or total == 0:
        return NOTHING
    weight = side.rows / total
    value = min(1.0, float(weight @ (side.good / side.labelled)))
    trials = _trials(side, weight, value)
    low, high = binomial.at(value, trials)
    if not math.isinf(trials):  # half a row, as rows are whole; and what was seen is certain
        low = max(low - 0.5 / total, float(side.good.sum()) / total)
        high = min(high + 0.5 / total, 1 - float((side.labelled - side.good).sum()) / total)
    return Estimate(value, min(low, value), max(high, value))


def _trials(side: Side, weight: Floats, value: float) -> float:
    """How many rows of a simple sample would say as much; infinite where every row is labelled."""
    left = weight**2 * (1 - side.labelled / side.rows) / side.labelled
    if not 0 < value < 1:
        return math.inf if left.sum() == 0 else float(1 / left.sum())
    drawn = (side.good + _DRAWN_IN * value) / (side.labelled + _DRAWN_IN)
    variance = float(left @ (drawn * (1 - drawn)))
    return math.inf if variance == 0 else value * (1 - value) / variance


def count(side: Side) -> Estimate:
    """The number of good rows; low and high in rows."""
    found, rows = share(side), float(side.rows.sum())
    if found.value is None:
        return Estimate(None, 0.0, rows)
    return Estimate(found.value * rows, found.low * rows, found.high * rows)


def overall(*sides: Side) -> Estimate:
    """The share of good rows among those of all sides (MOVER for sums: the sides are independent)."""
    total = sum(float(side.rows.sum()) for side in sides)
    parts = [count(side) for side in sides if side.rows.sum()]
    values = [part.value for part in parts if part.value is not None]
    if len(values) < len(parts) or not parts:
        return NOTHING
    down = math.sqrt(sum((value - part.low) ** 2 for value, part in zip(values, parts, strict=True)))
    up = math.sqrt(sum((part.high - value) ** 2 for value, part in zip(values, parts, strict=True)))
    value = sum(values)
    return Estimate(value / total, max(0.0, value - down) / total, min(total, value + up) / total)


def portion(inside: Side, outside: Side) -> Estimate:
    """Of the good rows of both sides, the share that lies inside."""
    there, rest = (count(side) if side.rows.sum() else Estimate(0.0, 0.0, 0.0) for side in (inside, outside))
    if there.value is None or rest.value is None or there.value + rest.value == 0:
        return NOTHING
    value = there.value / (there.value + rest.value)
    low, high = 1 / (1 + _most(there, rest)), 1 / (1 + _least(there, rest))
    return Estimate(value, min(low, value), max(high, value))


def _least(below: Estimate, above: Estimate) -> float:
    """Lower limit of above / below (equation 8 of Donner and Zou)."""
    assert below.value is not None and above.value is not None
    product, reach = above.value * below.value, below.high * (2 * below.value - below.high)
    spread = above.low * (2 * above.value - above.low)
    if abs(reach) < 1e-12 * max(1.0, below.high**2):
        return spread / (2 * product) if product else math.inf if spread > 0 else 0.0
    return max(0.0, (product - math.sqrt(max(0.0, product**2 - spread * reach))) / reach)


def _most(below: Estimate, above: Estimate) -> float:
    """Upper limit of above / below (equation 9)."""
    assert below.value is not None and above.value is not None
    if above.high == 0:
        return 0.0
    product, reach = above.value * below.value, below.low * (2 * below.value - below.low)
    spread = above.high * (2 * above.value - above.high)
    if reach <= 0:
        return math.inf
    return (product + math.sqrt(max(0.0, product**2 - spread * reach))) / reach
