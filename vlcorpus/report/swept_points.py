"""A sweep as points that can be relied on: what is missing, null or not finite is None, whatever the file said.

swept = read(json.loads(path.read_bytes()))
swept.best_point.keep, swept.told(swept.best_point.mean)      -> 0.3, "57.8 %"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlcorpus.report.axes import number
from vlcorpus.report.contest_rows import UNITS, Found, found
from vlcorpus.report.given import mapping, mappings, real, text, texts, whole
from vlcorpus.report.model import Tone

LOWER = (*UNITS, "ece")
"""Endings of metrics that are better when lower, where the sweep does not say"""

Ends = tuple[float | None, float | None, float | None]


@dataclass(frozen=True)
class Kept:
    """One corpus: what was kept of the whole, and what came of training on it. values: one for each of seeds."""

    by: str
    keep: float | None
    threshold: float | None
    pairs: int | None
    recipe: str
    samples_seen: int | None
    repetitions: float | None
    seeds: tuple[str, ...]
    values: tuple[float, ...]
    mean: float | None
    lower: float | None
    upper: float | None
    difference: float | None
    difference_lower: float | None
    difference_upper: float | None


@dataclass(frozen=True)
class Told:
    """Of one recipe: places of the whole corpus and of the best point, and whether the two are told apart."""

    baseline: int | None
    best: int | None
    apart: bool


@dataclass(frozen=True)
class Sweep:
    suite: str
    metric: str
    confidence: float
    seeds: tuple[str, ...]
    points: tuple[Kept, ...]
    baseline: int | None
    best: int | None
    words: str
    metrics: Mapping[str, list[Ends]]
    lower_is_better: bool
    by_recipe: Mapping[str, Told]
    checks: tuple[Found, ...] = ()

    @property
    def percent(self) -> str:
        return f"{100 * self.confidence:.10g} %"

    @property
    def share(self) -> bool:
        return self.is_share(self.metric, [point.mean for point in self.points if point.mean is not None])

    def is_share(self, metric: str, values: Sequence[float]) -> bool:
        lower = self.lower_is_better if metric == self.metric else metric.endswith(LOWER)
        return not lower and all(0 <= value <= 1 for value in values)

    @property
    def scale(self) -> float:
        return 100.0 if self.share else 1.0

    @property
    def unit(self) -> str:
        return "points" if self.share else UNITS.get(self.metric.rpartition(".")[2], "its own unit")

    @property
    def digits(self) -> int:
        return 1 if self.share else 3

    def said(self, value: float | None, *, signed: bool = False) -> str:
        return "–" if value is None else number(self.scale * value, self.digits, signed=signed)

    def told(self, value: float | None) -> str:
        return self.said(value) + (" %" if self.share and value is not None else "")

    def interval(self, value: float | None, low: float | None, high: float | None, *, signed: bool = False) -> str:
        words = self.said(value, signed=signed)
        return words if low is None or high is None else f"{words} [{self.said(low)}, {self.said(high)}]"

    @property
    def best_point(self) -> Kept | None:
        return None if self.best is None else self.points[self.best]

    @property
    def baseline_point(self) -> Kept | None:
        return None if self.baseline is None else self.points[self.baseline]

    @property
    def baselines(self) -> frozenset[int]:
        """Of every recipe."""
        known = [told.baseline for told in self.by_recipe.values()] or [self.baseline]
        return frozenset(place for place in known if place is not None)

    @property
    def bests(self) -> frozenset[int]:
        """Of every recipe."""
        known = [told.best for told in self.by_recipe.values()] or [self.best]
        return frozenset(place for place in known if place is not None)

    def baseline_of(self, point: Kept) -> int | None:
        """The whole corpus under the point's recipe."""
        told = self.by_recipe.get(point.recipe)
        return self.baseline if told is None else told.baseline

    @property
    def scores(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(point.by for point in self.points))

    @property
    def recipes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(point.recipe for point in self.points))

    @property
    def several_scores(self) -> bool:
        return len(self.scores) > 1

    @property
    def several_recipes(self) -> bool:
        return len(self.recipes) > 1

    def line_of(self, point: Kept) -> tuple[str, ...]:
        """Points of one line of the chart share this name."""
        name = [
            part for part, several in ((point.recipe, self.several_recipes), (point.by, self.several_scores)) if several
        ]
        return tuple(name) or (point.recipe or point.by or "corpus",)

    def share_kept(self, point: Kept) -> float | None:
        """By the fraction asked for, or else by pairs of the baseline's."""
        if point.keep is not None:
            return point.keep
        base = self.baseline_point
        if point.pairs is None or base is None or not base.pairs:
            return None
        return point.pairs / base.pairs

    @property
    def logarithmic(self) -> bool:
        """Fractions that were doubled and doubled again crowd a straight axis."""
        shares = [share for point in self.points if (share := self.share_kept(point)) is not None]
        return bool(shares) and min(shares) > 0 and max(shares) / min(shares) >= 8

    def tone_of(self, point: Kept) -> Tone:
        low, high = point.difference_lower, point.difference_upper
        if low is None or high is None or low <= 0 <= high:
            return "unsure"
        return "good" if (low > 0) != self.lower_is_better else "bad"

    @property
    def tone(self) -> Tone:
        """Good where the best point is told apart from the whole corpus, after correction if there was one."""
        best = self.best_point
        if best is None or self.best == self.baseline:
            return "unsure"
        told = self.by_recipe.get(best.recipe)
        return self.tone_of(best) if told is None else "good" if told.apart else "unsure"


def read(sweep: Mapping[str, Any]) -> Sweep:
    """The sweep as it is written by `sweep`; keys that are not there are empty."""
    points = tuple(_point(one) for one in mappings(sweep.get("points")))
    metric = text(sweep.get("metric"))
    others = mapping(sweep.get("metrics")).items()
    return Sweep(
        suite=text(sweep.get("suite")),
        metric=metric,
        confidence=real(sweep.get("confidence")) or 0.95,
        seeds=texts(sweep.get("seeds")),
        points=points,
        baseline=_place(sweep.get("baseline"), len(points)),
        best=_place(sweep.get("best"), len(points)),
        words=text(sweep.get("verdict")),
        metrics={text(name): _ends(values, len(points)) for name, values in others if text(name) != metric},
        lower_is_better=bool(sweep.get("lower_is_better", metric.endswith(LOWER))),
        by_recipe={text(name): _told(mapping(one), len(points)) for name, one in mapping(sweep.get("recipes")).items()},
        checks=found(sweep.get("checks")),
    )


def _told(one: Mapping[str, Any], count: int) -> Told:
    baseline, best = _place(one.get("baseline"), count), _place(one.get("best"), count)
    apart = one.get("told_apart")
    return Told(baseline, best, isinstance(apart, list | tuple) and baseline in apart)


def _place(value: Any, count: int) -> int | None:
    known = whole(value)
    return known if known is not None and 0 <= known < count else None


def _ends(values: Any, count: int) -> list[Ends]:
    made: list[Ends] = []
    for one in values if isinstance(values, Iterable) and not isinstance(values, str) else ():
        ends = [real(end) for end in one] if isinstance(one, list | tuple) else []
        made.append((ends[0], ends[1], ends[2]) if len(ends) == 3 else (None, None, None))
    return (made + [(None, None, None)] * count)[:count]


def _point(one: Mapping[str, Any]) -> Kept:
    by_seed = mapping(one.get("values")).items()
    known = [(text(seed), value) for seed, given in by_seed if (value := real(given)) is not None]
    ends = ("keep", "threshold", "repetitions", "mean", "lower", "upper")
    differences = ("difference", "difference_lower", "difference_upper")
    return Kept(
        by=text(one.get("by")),
        pairs=whole(one.get("pairs")),
        recipe=text(one.get("recipe")),
        samples_seen=whole(one.get("samples_seen")),
        seeds=tuple(seed for seed, _ in known),
        values=tuple(value for _, value in known),
        **{name: real(one.get(name)) for name in (*ends, *differences)},
    )
