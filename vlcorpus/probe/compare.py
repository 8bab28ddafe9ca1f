"""Which arm is better, and how sure that is.

    >>> comparison = compare({"raw": {0: {"top1": .36}, ...}, "filtered": {0: {"top1": .64}, ...}}, baseline="raw")
    >>> comparison.rows[0].verdict
    'filtered better than raw by 25.1 points [22.7, 27.6], 5/5 seeds'

Arms are compared seed by seed: the same start, the same order of draws, the same test images, so that what differs is
the corpus. The interval is Student's t over the seeds' differences; between seeds a probe varies five times more than
its test images do, so an interval from one seed says little and none is given. Nothing is corrected for looking at many
metrics: of twenty that do not differ, one will seem to at 95 %.

`paired_bootstrap` gives the other interval, over test images within one seed, for a quick look while the rest trains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlcorpus.errors import SourceError, nearest
from vlcorpus.probe.student import quantile

LOWER_IS_BETTER = ("nll", "median_rank", "loss")
"""Endings of such metrics' names; they are no shares either, so they are not told in points."""

_POWER = 0.8
_DISTINCT = 64
_BLOCK = 200


@dataclass(frozen=True)
class Row:
    """One metric of one arm against the baseline. Values are the metric's own; a share is 0 to 1."""

    metric: str
    arm: str
    baseline: str
    baseline_mean: float
    mean: float
    difference: float
    """Mean over seeds of arm - baseline"""
    lower: float | None
    upper: float | None
    """The interval of the difference; None when there is one seed only"""
    seeds: int
    seeds_won: int
    """Seeds in which the arm was better"""
    smallest_detectable: float | None
    """The difference that this many seeds, varying as these did, would show four times out of five"""
    lower_is_better: bool

    @property
    def improvement(self) -> bool:
        """The whole interval is on the better side."""
        return self._side() > 0

    @property
    def regression(self) -> bool:
        """The whole interval is on the worse side."""
        return self._side() < 0

    @property
    def verdict(self) -> str:
        """One sentence for a person."""
        if self.lower is None or self.upper is None or self.smallest_detectable is None:
            return (
                f"{self.arm} {self._signed(self.difference)} against {self.baseline} in one seed: run two more at least"
            )
        if not self._side():
            return (
                f"no difference shown between {self.arm} and {self.baseline} "
                f"({self._signed(self.difference)}, smallest detectable {self._size(self.smallest_detectable)})"
            )
        word, won = ("better", self.seeds_won) if self.improvement else ("worse", self.seeds - self.seeds_won)
        ends = sorted((abs(self.lower), abs(self.upper)))
        return (
            f"{self.arm} {word} than {self.baseline} by {self._size(abs(self.difference))} "
            f"[{self._number(ends[0])}, {self._number(ends[1])}], {won}/{self.seeds} seeds"
        )

    def _side(self) -> int:
        if self.lower is None or self.upper is None or self.lower <= 0 <= self.upper:
            return 0
        return 1 if (self.difference > 0) != self.lower_is_better else -1

    def _number(self, value: float) -> str:
        return f"{value:.3f}" if self.lower_is_better else f"{100 * value:.1f}"

    def _size(self, value: float) -> str:
        return self._number(value) + ("" if self.lower_is_better else " points")

    def _signed(self, value: float) -> str:
        return ("+" if value >= 0 else "-") + self._size(abs(value))


@dataclass(frozen=True)
class Comparison:
    baseline: str
    arms: tuple[str, ...]
    confidence: float
    rows: tuple[Row, ...]
    """Metric by metric, and within one arm by arm"""

    @property
    def regressions(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.regression)


def compare(
    results: Mapping[str, Mapping[int, Mapping[str, float]]],
    baseline: str,
    metrics: Sequence[str] | None = None,
    *,
    confidence: float = 0.95,
) -> Comparison:
    """results: arm to seed to metric to value. metrics: which, in which order; unless given, all that every run has.

    Only seeds that both arms have are used. Raises SourceError for an unknown baseline or metric, a value that is not
    finite, or two arms without a seed in common.
    """
    if baseline not in results:
        raise SourceError(f"no arm is called {baseline!r}", nearest(baseline, results))
    arms = tuple(arm for arm in results if arm != baseline)
    if not arms:
        raise SourceError("there is one arm only", "compare at least two")
    every = [set(run) for seeds in results.values() for run in seeds.values()]
    shared = set.intersection(*every) if every else set()
    for name in metrics or ():
        if name not in shared:
            raise SourceError(f"not every run has the metric {name!r}", nearest(name, shared))
    chosen = list(metrics) if metrics is not None else sorted(shared)
    return Comparison(
        baseline,
        arms,
        confidence,
        tuple(_row(results, baseline, arm, name, confidence) for name in chosen for arm in arms),
    )


def paired_bootstrap(
    hits: NDArray[Any], baseline_hits: NDArray[Any], *, draws: int = 10_000, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float, float]:
    """(difference of the means, lower, upper), resampling test images; both arrays are (N,) over the same images.

    With few distinct differences, as from flags, the counts of a resample are one multinomial draw: the same
    distribution, in no time.
    """
    if hits.shape != baseline_hits.shape or hits.ndim != 1 or not len(hits):
        raise ValueError(f"hits are two (N,) arrays over the same images, not {hits.shape} and {baseline_hits.shape}")
    change = hits.astype(np.float64) - baseline_hits.astype(np.float64)
    generator = np.random.default_rng(seed)
    values, counts = np.unique(change, return_counts=True)
    if len(values) <= _DISTINCT:
        means = generator.multinomial(len(change), counts / len(change), size=draws) @ values / len(change)
    else:
        sizes = [min(_BLOCK, draws - start) for start in range(0, draws, _BLOCK)]
        means = np.concatenate(
            [change[generator.integers(len(change), size=(size, len(change)))].mean(1) for size in sizes]
        )
    lower, upper = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(change.mean()), float(lower), float(upper)


def _row(
    results: Mapping[str, Mapping[int, Mapping[str, float]]], baseline: str, arm: str, metric: str, confidence: float
) -> Row:
    seeds = sorted(results[baseline].keys() & results[arm].keys())
    if not seeds:
        raise SourceError(f"{arm} and {baseline} have no seed in common", "train both with the same seeds")
    before = [results[baseline][seed][metric] for seed in seeds]
    after = [results[arm][seed][metric] for seed in seeds]
    if not all(map(math.isfinite, before + after)):
        raise SourceError(f"{metric} of {arm} or {baseline} is not a number", "look at those runs' results")
    lower_is_better = metric.endswith(LOWER_IS_BETTER)
    change = [new - old for new, old in zip(after, before, strict=True)]
    mean = sum(change) / len(change)
    won = sum((value < 0) if lower_is_better else (value > 0) for value in change)
    lower = upper = detectable = None
    if len(change) > 1:
        freedom = len(change) - 1
        error = math.sqrt(sum((value - mean) ** 2 for value in change) / freedom / len(change))
        sure = quantile((1 + confidence) / 2, freedom)
        lower, upper = mean - sure * error, mean + sure * error
        detectable = (sure + quantile(_POWER, freedom)) * error
    return Row(
        metric, arm, baseline, sum(before) / len(seeds), sum(after) / len(seeds), mean, lower, upper,
        len(seeds), won, detectable, lower_is_better,
    )  # fmt: skip
