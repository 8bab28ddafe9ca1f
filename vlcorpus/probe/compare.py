"""Which arm is better, and how sure that is.

    >>> comparison = compare({"raw": {0: {"shapes.top1": .36}, …}, "kept": {0: {"shapes.top1": .64}, …}}, "raw")
    >>> comparison.rows[0].verdict, comparison.ranking[0].arm
    ('kept better than raw by 25.1 points [22.7, 27.6], 5/5 seeds', 'kept')

Arms are compared seed by seed and picture by picture: the same start, the same order of draws, the same test pictures,
so that what differs is the corpus. Where a metric is a mean over pictures and its values are given, the interval holds
for other seeds and other pictures (`crossed`); else it is Student's t over the seeds' differences, and `over` says
which. One seed gives no interval: between seeds a small probe varies several times more than its test pictures do.

Intervals are at the asked confidence, each for itself: of twenty metrics that do not differ, one will seem to. `p_holm`
is corrected for all rows. The claim is to be made on one metric that was chosen before, the headline; on it every pair
of arms is tested, and the ranking is corrected for all of them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vlcorpus.errors import SourceError, nearest
from vlcorpus.probe import parts as shares
from vlcorpus.probe.crossed import Estimate, over_both, over_seeds
from vlcorpus.probe.holm import adjusted
from vlcorpus.probe.ranking import Place, ranked

Runs = Mapping[str, Mapping[int, Mapping[str, float]]]
"""Arm to seed to metric (`task.measure`) to value"""
Answers = Mapping[str, Mapping[int, Mapping[str, NDArray[np.float64]]]]
"""The same, with (N,) one value a picture, whose mean is the metric"""

LOWER_IS_BETTER = ("nll", "median_rank", "loss", "ece")
"""Endings of such metrics' names; they are not told in points."""

AVERAGE = "average"
"""The suite's mean of main metrics, where results have one; it belongs to no task."""

_SAME = 1e-5  # answers are stored with 32 bits


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
    """The difference that this many seeds and pictures, varying as these did, would show four times out of five"""
    p: float | None
    """How probable so large a difference would be without any; None when there is one seed only"""
    p_holm: float | None
    """The same, corrected for all rows of the comparison"""
    chance: float | None
    lower_is_better: bool
    over: str
    """What the interval is over: "seeds and pictures", or "seeds" """

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
                f"{self.arm} {self.signed(self.difference)} against {self.baseline} in one seed: run two more at least"
            )
        if not self._side():
            return (
                f"no difference shown between {self.arm} and {self.baseline} "
                f"({self.signed(self.difference)}, smallest detectable {self.size(self.smallest_detectable)})"
            )
        word, won = ("better", self.seeds_won) if self.improvement else ("worse", self.seeds - self.seeds_won)
        ends = sorted((abs(self.lower), abs(self.upper)))
        return (
            f"{self.arm} {word} than {self.baseline} by {self.size(abs(self.difference))} "
            f"[{self.number(ends[0])}, {self.number(ends[1])}], {won}/{self.seeds} seeds"
        )

    def _side(self) -> int:
        if self.lower is None or self.upper is None or self.lower <= 0 <= self.upper:
            return 0
        return 1 if (self.difference > 0) != self.lower_is_better else -1

    def number(self, value: float) -> str:
        """A value or a difference as a person reads it: of a share in hundredths."""
        return f"{value:.3f}" if self.lower_is_better else f"{100 * value:.1f}"

    def size(self, value: float) -> str:
        return self.number(value) + ("" if self.lower_is_better else " points")

    def signed(self, value: float) -> str:
        return ("+" if value >= 0 else "-") + self.size(abs(value))


@dataclass(frozen=True)
class Comparison:
    baseline: str
    arms: tuple[str, ...]
    confidence: float
    rows: tuple[Row, ...]
    """Metric by metric, and within one arm by arm"""
    headline: str
    pairs: Mapping[tuple[str, str], Row]
    """Every arm against every other, on the headline; `baseline` is the other one. p_holm: corrected for the pairs"""
    ranking: tuple[Place, ...]

    @property
    def regressions(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.regression)

    def told_apart(self, arm: str, other: str) -> bool:
        """Whether the ranking says so: on the headline, corrected for all pairs of arms."""
        p = self.pairs[arm, other].p_holm
        return p is not None and p <= 1 - self.confidence


def compare(
    results: Runs,
    baseline: str,
    metrics: Sequence[str] | None = None,
    *,
    answers: Answers | None = None,
    confidence: float = 0.95,
    chance: Mapping[str, float] | None = None,
    main: Mapping[str, str] | None = None,
    headline: str | None = None,
    parts: int = 1,
    pictures: Mapping[str, int] | None = None,
) -> Comparison:
    """metrics: which, in which order; unless given, all that every run has.

    main: each task's main measure; the first is the headline where none is given and results have no `average`.
    parts: shares that the seeds trained on (`probe.parts`). pictures: of a task, where some of its answers belong to
    the same. Only seeds that both arms have are used. Raises SourceError for an unknown baseline, metric or headline, a
    value that is not finite, or two arms without a seed in common.
    """
    if baseline not in results:
        raise SourceError(f"no arm is called {baseline!r}", nearest(baseline, results))
    arms = tuple(arm for arm in results if arm != baseline)
    if not arms:
        raise SourceError("there is one arm only", "compare at least two")
    every = [set(run) for seeds in results.values() for run in seeds.values()]
    shared = set.intersection(*every) if every else set()
    for name in (*(metrics or ()), *([headline] if headline is not None else [])):
        if name not in shared:
            raise SourceError(f"not every run has the metric {name!r}", nearest(name, shared))
    chosen = list(metrics) if metrics is not None else sorted(shared, key=lambda name: (name != AVERAGE, name))
    if not chosen:
        raise SourceError("the runs have no metric in common", "measure all of them with the same suite")
    head = headline if headline is not None else _headline(chosen, main or {})
    judge = _Judge(results, answers or {}, confidence, chance or {}, parts, pictures or {})
    rows = [judge.row(name, arm, baseline) for name in chosen for arm in arms]
    pairs, ranking = _ranked(judge, head, (baseline, *arms))
    return Comparison(baseline, arms, confidence, tuple(_corrected(rows)), head, pairs, ranking)


def _headline(metrics: Sequence[str], main: Mapping[str, str]) -> str:
    mains = (f"{task}.{measure}" for task, measure in main.items())
    return AVERAGE if AVERAGE in metrics else next((name for name in mains if name in metrics), metrics[0])


def _corrected(rows: Sequence[Row]) -> list[Row]:
    corrected = adjusted([row.p for row in rows])
    return [replace(row, p_holm=p) for row, p in zip(rows, corrected, strict=True)]


def _ranked(judge: _Judge, metric: str, arms: Sequence[str]) -> tuple[dict[tuple[str, str], Row], tuple[Place, ...]]:
    asked = list(itertools.combinations(arms, 2))
    found = _corrected([judge.row(metric, first, second) for first, second in asked])
    pairs = dict(zip(asked, found, strict=True))
    pairs |= {(row.baseline, row.arm): judge.row(metric, row.baseline, row.arm, p_holm=row.p_holm) for row in found}
    means = {arm: judge.mean(metric, arm) for arm in arms}
    tested = {pair: pairs[pair].p for pair in asked}
    lower = metric.endswith(LOWER_IS_BETTER)
    return pairs, ranked(means, tested, sure=1 - judge.confidence, lower_is_better=lower)


@dataclass(frozen=True)
class _Judge:
    """What is known of the runs, and how two of them are compared."""

    results: Runs
    answers: Answers
    confidence: float
    chance: Mapping[str, float]
    parts: int
    pictures: Mapping[str, int]

    def mean(self, metric: str, arm: str) -> float:
        values = [run[metric] for run in self.results[arm].values()]
        return sum(values) / len(values)

    def row(self, metric: str, arm: str, baseline: str, *, p_holm: float | None = None) -> Row:
        seeds = sorted(self.results[baseline].keys() & self.results[arm].keys())
        if not seeds:
            raise SourceError(f"{arm} and {baseline} have no seed in common", "train both with the same seeds")
        before = [self.results[baseline][seed][metric] for seed in seeds]
        after = [self.results[arm][seed][metric] for seed in seeds]
        if not all(map(math.isfinite, before + after)):
            raise SourceError(f"{metric} of {arm} or {baseline} is not a number", "look at those runs' results")
        lower_is_better = metric.endswith(LOWER_IS_BETTER)
        change = [new - old for new, old in zip(after, before, strict=True)]
        estimate = self._estimate(metric, arm, baseline, seeds, change)
        half = estimate.half(self.confidence)
        mean = sum(change) / len(change)
        return Row(
            metric=metric,
            arm=arm,
            baseline=baseline,
            baseline_mean=sum(before) / len(seeds),
            mean=sum(after) / len(seeds),
            difference=mean,
            lower=None if half is None else mean - half,
            upper=None if half is None else mean + half,
            seeds=len(seeds),
            seeds_won=sum((value < 0) if lower_is_better else (value > 0) for value in change),
            smallest_detectable=estimate.detectable(self.confidence),
            p=estimate.p,
            p_holm=p_holm,
            chance=self.chance.get(metric),
            lower_is_better=lower_is_better,
            over=estimate.over,
        )

    def _estimate(
        self, metric: str, arm: str, baseline: str, seeds: Sequence[int], change: Sequence[float]
    ) -> Estimate:
        factor = shares.spread(self.parts, seeds) if len(seeds) > 1 else None
        before, after = (self._values(metric, each, seeds) for each in (baseline, arm))
        if before is None or after is None or before.shape != after.shape:
            return over_seeds(change, factor=factor)
        return over_both(after - before, factor=factor, pictures=self.pictures.get(metric.rpartition(".")[0]))

    def _values(self, metric: str, arm: str, seeds: Sequence[int]) -> NDArray[np.float64] | None:
        """(n, N): one value a seed and picture; None where the metric is not the mean of such values."""
        found = [self.answers.get(arm, {}).get(seed, {}).get(metric) for seed in seeds]
        known = [each for each in found if each is not None and len(each)]
        if len(known) < len(seeds) or len({len(each) for each in known}) != 1:
            return None
        value_nN = np.stack(known)
        means = np.array([self.results[arm][seed][metric] for seed in seeds])
        close = np.allclose(value_nN.mean(1), means, rtol=_SAME, atol=_SAME)
        return value_nN if close else None
