"""How much to keep: a curve over keep-fractions, and which of its points are told apart.

    >>> found = sweep(points, results, metric="average")
    >>> found["points"][1]["difference"], found["best"], found["verdict"]
    (0.121, 1, 'keep 0.3 by similarity (nano v2): 12.1 points better than keeping all …')

Points are compared seed by seed with the point that keeps everything, under the same recipe, so that all have seen the
same number of samples; where there is a value for every picture, over seeds and pictures. The best point is the one of
the highest mean, which luck helps to become it: whether it is told apart from keeping all and from the others is
corrected for all of these questions together (Holm). What is best to keep hangs on how long one trains, since a small
corpus is seen again and again; so each point says how often its pairs were seen, and would be with ten times the
samples. Pure figures; a few ms a point.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlcorpus.errors import SourceError, nearest
from vlcorpus.probe import checks
from vlcorpus.probe.compare import LOWER_IS_BETTER
from vlcorpus.probe.crossed import Estimate, over_both, over_seeds
from vlcorpus.probe.holm import adjusted
from vlcorpus.probe.student import quantile

VERSION = 1
RANDOM, ORACLE = "random", "oracle"
LONGER = 10
"""Times the budget for which repetitions are foretold"""

Results = Mapping[str, Mapping[int, Mapping[str, float]]]
Answers = Mapping[str, Mapping[int, Mapping[str, NDArray[np.float64]]]]


@dataclass(frozen=True, kw_only=True)
class Point:
    """What was kept, and the arm that was trained on it. by: a score, RANDOM or ORACLE. keep: a share, 1 for all; None
    where it is no share. threshold: the lowest score that was kept."""

    arm: str
    by: str
    keep: float | None
    recipe: str
    pairs: int
    samples_seen: int
    repetitions: float
    threshold: float | None = None

    @property
    def words(self) -> str:
        if self.by == ORACLE:
            return "the oracle"
        share = f"keep {self.keep:g}" if self.keep is not None else f"keep {self.pairs:,}"
        return f"{share} {'at random' if self.by == RANDOM else f'by {self.by}'}"


def sweep(
    points: Sequence[Point],
    results: Results,
    *,
    metric: str,
    confidence: float = 0.95,
    answers: Answers | None = None,
    suite: str = "",
) -> dict[str, Any]:
    """sweep.json. results: arm to seed to metric to value; answers: the same, to one value a picture.

    Every recipe needs a point that keeps 1 by a score. Raises SourceError where it has none, where an arm lacks the
    metric or a seed that others have, or where a value is no number.
    """
    seeds = _seeds(points, results)
    _check(points, results, seeds, metric)
    recipes = {point.recipe: _Recipe(points, point.recipe, results, answers, seeds, metric) for point in points}
    rows: list[dict[str, Any]] = []
    for place, point in enumerate(points):
        own = recipes[point.recipe]
        change, values = own.change(place, own.baseline), own.values(place)
        mean, lower, upper = _interval(values, confidence)
        half = change.half(confidence)
        rows.append(
            {
                "by": point.by,
                "keep": point.keep,
                "threshold": point.threshold,
                "pairs": point.pairs,
                "recipe": point.recipe,
                "samples_seen": point.samples_seen,
                "repetitions": point.repetitions,
                "repetitions_longer": LONGER * point.repetitions,
                "values": {str(seed): value for seed, value in zip(seeds, values, strict=True)},
                "mean": mean,
                "lower": lower,
                "upper": upper,
                "difference": change.mean,
                "difference_lower": None if half is None else change.mean - half,
                "difference_upper": None if half is None else change.mean + half,
                "over": change.over,
            }
        )
    told = {recipe: own.told(confidence) for recipe, own in recipes.items()}
    longest = max(recipes, key=lambda recipe: points[recipes[recipe].baseline].samples_seen)
    shared = sorted(set.intersection(*(set(results[point.arm][seed]) for point in points for seed in seeds)))
    return {
        "version": VERSION,
        "suite": suite,
        "metric": metric,
        "lower_is_better": metric.endswith(LOWER_IS_BETTER),
        "confidence": confidence,
        "seeds": list(seeds),
        "points": rows,
        "baseline": told[longest]["baseline"],
        "best": told[longest]["best"],
        "recipes": told,
        "verdict": ". ".join(each["verdict"] for each in told.values()),
        "metrics": {name: [_of(results, point, seeds, name, confidence) for point in points] for name in shared},
        "checks": _repetitions(points),
    }


class _Recipe:
    """The points of one recipe; numbers are places among all points."""

    def __init__(
        self,
        points: Sequence[Point],
        recipe: str,
        results: Results,
        answers: Answers | None,
        seeds: Sequence[int],
        metric: str,
    ) -> None:
        self._points, self._results, self._answers = points, results, answers
        self._seeds, self._metric = seeds, metric
        self._lower = metric.endswith(LOWER_IS_BETTER)
        self._recipe = recipe
        self.places = [place for place, point in enumerate(points) if point.recipe == recipe]
        self.scored = [place for place in self.places if points[place].by not in (RANDOM, ORACLE)]
        whole = [place for place in self.scored if points[place].keep == 1]
        if not whole:
            raise SourceError(f"no point of recipe {recipe} keeps everything", "add 1 to the shares that are kept")
        self.baseline = whole[0]
        means = {place: sum(self.values(place)) / len(seeds) for place in self.scored}
        sign = -1 if self._lower else 1
        self.best = max(self.scored, key=lambda place: (sign * means[place], points[place].keep or 0))

    def values(self, place: int) -> list[float]:
        return [float(self._results[self._points[place].arm][seed][self._metric]) for seed in self._seeds]

    def change(self, place: int, other: int) -> Estimate:
        """How much better (higher) the metric is at one point than at another."""
        own, theirs = (self._by_picture(each) for each in (place, other))
        if own is not None and theirs is not None and own.shape == theirs.shape:
            return over_both(own - theirs)
        return over_seeds([a - b for a, b in zip(self.values(place), self.values(other), strict=True)])

    def _by_picture(self, place: int) -> NDArray[np.float64] | None:
        """(seeds, pictures), where the metric is the mean of such values."""
        found = (self._answers or {}).get(self._points[place].arm, {})
        rows = [found.get(seed, {}).get(self._metric) for seed in self._seeds]
        known = [row for row in rows if row is not None]
        if len(known) < len(rows) or len({len(row) for row in known}) != 1:
            return None
        return np.stack(known).astype(np.float64)

    def told(self, confidence: float) -> dict[str, Any]:
        """baseline, best, which points the best is told apart from, and the verdict in words."""
        asked = [place for place in self.places if place != self.best and self._points[place].by != ORACLE]
        changes = {place: self.change(self.best, place) for place in asked}
        corrected = dict(zip(asked, adjusted([changes[place].p for place in asked]), strict=True))
        apart = [
            place
            for place, p in corrected.items()
            if p is not None and p <= 1 - confidence and (changes[place].mean > 0) != self._lower
        ]
        return {
            "baseline": self.baseline,
            "best": self.best,
            "told_apart": apart,
            "p_holm": {str(place): p for place, p in corrected.items()},
            "verdict": self._verdict(changes, apart, confidence),
        }

    def _verdict(self, changes: Mapping[int, Estimate], apart: Sequence[int], confidence: float) -> str:
        points, best, name = self._points, self._points[self.best], self._recipe
        if len(self._seeds) < 2:
            told = f", {self._sized(changes[self.baseline])} against keeping all" if self.best != self.baseline else ""
            return f"{best.words} ({name}) came out best{told} in one seed: run two more at least"
        if self.best == self.baseline:
            worse = [points[place] for place in apart if place in self.scored]
            sure = f"surely better than {_shares(worse)}" if worse else "not told apart from any other share"
            return f"keeping all ({name}) came out best, {sure}"
        gain = changes[self.baseline]
        if self.baseline not in apart:
            return (
                f"no share is shown to be better than keeping all ({name}): {best.words} came out best, "
                f"{self._sized(gain, confidence)}"
            )
        parts = [f"{best.words} ({name}): {self._sized(gain, confidence)} against keeping all {self._pairs()} pairs"]
        alike = [points[place] for place in self.scored if place not in (self.best, *apart)]
        parts.append(f"not told apart from {_shares(alike)}" if alike else "told apart from every other share")
        rivals = [place for place in changes if points[place].by == RANDOM and points[place].keep == best.keep]
        for place in rivals:
            sure = "" if place in apart else ", which is not told apart"
            parts.append(f"{self._sized(changes[place], confidence)} against as many pairs at random{sure}")
        return "; ".join(parts)

    def _pairs(self) -> str:
        return f"{self._points[self.baseline].pairs:,}"

    def _sized(self, change: Estimate, confidence: float | None = None) -> str:
        share = not self._lower
        scale, digits = (100, 1) if share else (1, 3)
        half = change.half(confidence) if confidence is not None else None
        ends = (
            ""
            if half is None
            else f" [{_at(change.mean - half, scale, digits)}, {_at(change.mean + half, scale, digits)}]"
        )
        return f"{scale * change.mean:+.{digits}f}{' points' if share else ''}{ends}"


def _seeds(points: Sequence[Point], results: Results) -> list[int]:
    """The seeds that every arm has. SourceError where there are none."""
    if not points:
        raise SourceError("a sweep of no points", "give a share to keep: --keep 0.3")
    known = [set(results.get(point.arm, {})) for point in points]
    shared = sorted(set.intersection(*known))
    for point, own in zip(points, known, strict=True):
        if not own:
            raise SourceError(f"{point.arm} was not measured", "run the sweep again")
    if not shared:
        raise SourceError("the arms have no seed in common", "train all with the same seeds")
    return shared


def _check(points: Sequence[Point], results: Results, seeds: Sequence[int], metric: str) -> None:
    for point in points:
        for seed in seeds:
            found = results[point.arm][seed]
            if metric not in found:
                raise SourceError(f"{point.arm} was not measured in {metric!r}", nearest(metric, found))
            if not math.isfinite(found[metric]):
                raise SourceError(f"{metric} of {point.arm} with seed {seed} is not a number", "look at that run")


def _interval(values: Sequence[float], confidence: float) -> tuple[float | None, float | None, float | None]:
    """Mean and Student's interval over seeds; none of one seed, nothing where a value is no number."""
    if not all(map(math.isfinite, values)):
        return None, None, None
    count = len(values)
    mean = sum(values) / count
    if count < 2:
        return mean, None, None
    error = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1) / count)
    half = quantile((1 + confidence) / 2, count - 1) * error
    return mean, mean - half, mean + half


def _of(results: Results, point: Point, seeds: Sequence[int], metric: str, confidence: float) -> list[float | None]:
    return list(_interval([float(results[point.arm][seed][metric]) for seed in seeds], confidence))


def _repetitions(points: Sequence[Point]) -> list[dict[str, Any]]:
    """One entry a point, those of a score only: now, and with ten times the samples."""
    found = []
    for point in points:
        if point.by in (RANDOM, ORACLE):
            continue
        name = f"{point.words} ({point.recipe})"
        about = {"pairs": point.pairs, "samples_seen": point.samples_seen, "repetitions": point.repetitions}
        (entry,) = checks.repetition({name: about})
        longer = LONGER * point.repetitions
        entry["figures"]["repetitions_longer"] = longer
        if entry["state"] == "good" and longer > checks.MOST_REPETITIONS:
            entry["words"] += (
                f"; with {LONGER} times the samples it would be {longer:.0f}, and less strict may be better"
            )
        found.append(entry)
    return found


def _shares(points: Sequence[Point]) -> str:
    return ", ".join(f"{point.keep:g}" if point.keep != 1 else "all" for point in points)


def _at(value: float, scale: float, digits: int) -> str:
    return f"{scale * value:.{digits}f}"
