"""A comparison as rows that can be relied on: what is missing, null or not finite is None, whatever the file said.

    contest = read(json.loads(path.read_bytes()))
    contest.rows[0].told            -> "+25.1 [22.7, 27.6]"
    contest.main("filtered")        -> its rows of each task's main metric, the headline first

Shares are told in points of a hundred, other metrics in their own unit; which is which follows from the values: a share
is better when higher and lies between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast, get_args

from vlcorpus.report.axes import number
from vlcorpus.report.given import mapping, mappings, real, text, texts, whole
from vlcorpus.report.measured import State
from vlcorpus.report.model import Tone

UNITS = {"nll": "nats", "loss": "nats", "median_rank": "ranks", "mean_rank": "ranks"}
MAIN = ("top1", "mean_per_class_recall", "accuracy", "group", "map", "mAP", "image_to_text_r1", "r1", "r@1", "auc")
"""A task's main metric is the first of these that it has, unless the comparison names it."""

STATES: tuple[State, ...] = get_args(State)


@dataclass(frozen=True)
class Row:
    """One metric of one arm against the baseline, in the metric's own values."""

    metric: str
    task: str
    measure: str
    arm: str
    baseline_mean: float | None
    mean: float | None
    difference: float | None
    lower: float | None
    upper: float | None
    seeds: int
    seeds_won: int
    smallest: float | None
    p: float | None
    p_holm: float | None
    chance: float | None
    lower_is_better: bool
    over: str
    tone: Tone
    verdict: str

    @property
    def share(self) -> bool:
        means = [mean for mean in (self.baseline_mean, self.mean) if mean is not None]
        return not self.lower_is_better and all(0 <= mean <= 1 for mean in means)

    @property
    def unit(self) -> str:
        return "points" if self.share else UNITS.get(self.measure, "its own unit")

    @property
    def digits(self) -> int:
        """Three or so that count."""
        if self.share:
            return 1
        largest = max((abs(mean) for mean in (self.baseline_mean, self.mean) if mean is not None), default=0.0)
        return 3 if largest < 10 else 2 if largest < 100 else 1 if largest < 1000 else 0

    def scaled(self, value: float | None) -> float | None:
        """The value as it is told: a share as points of a hundred."""
        return None if value is None else 100 * value if self.share else value

    def said(self, value: float | None, *, signed: bool = False) -> str:
        scaled = self.scaled(value)
        return "–" if scaled is None else number(scaled, self.digits, signed=signed)

    @property
    def told(self) -> str:
        """The difference and its interval."""
        if self.difference is None or self.lower is None or self.upper is None:
            return self.said(self.difference, signed=True)
        return f"{self.said(self.difference, signed=True)} [{self.said(self.lower)}, {self.said(self.upper)}]"


@dataclass(frozen=True)
class Label:
    """One class of one task for one arm; recalls are shares."""

    task: str
    label: str
    arm: str
    pictures: int | None
    baseline_recall: float | None
    recall: float | None
    difference: float | None
    lower: float | None
    upper: float | None
    regression: bool


@dataclass(frozen=True)
class Placed:
    """An arm's place; arms that are not told apart share one."""

    arm: str
    place: int | None
    mean: float | None
    better_than: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What a check found. arm: None where it was of all."""

    check: str
    arm: str | None
    state: State
    words: str


@dataclass(frozen=True)
class Arm:
    """What an arm was trained on, and how."""

    name: str
    source: str
    pairs: int | None
    samples_seen: int | None
    repetitions: float | None
    recipe: str
    seeds: tuple[str, ...]
    control: str
    more: tuple[tuple[str, str], ...]
    """What else is known of it: loss, batch size, architecture"""


@dataclass(frozen=True)
class Contest:
    suite: str
    suite_version: str
    evaluator_version: str
    baseline: str
    arms: tuple[str, ...]
    confidence: float
    headline: str
    about: tuple[Arm, ...]
    rows: tuple[Row, ...]
    ranking: tuple[Placed, ...]
    classes: tuple[Label, ...]
    tasks: tuple[str, ...]
    left_out: tuple[str, ...]
    checks: tuple[Found, ...]
    words: str
    tone: Tone
    software: tuple[tuple[str, str], ...]
    parts: int
    """Shares of its pairs that each arm's seeds trained on; 1 where every seed trained on all"""
    named: Mapping[str, str]
    """Main metric of a task, where the comparison says so"""

    @property
    def percent(self) -> str:
        return f"{100 * self.confidence:.10g} %"

    @property
    def every_arm(self) -> tuple[str, ...]:
        return (self.baseline, *self.arms)

    def of(self, arm: str) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.arm == arm)

    @property
    def controls(self) -> frozenset[str]:
        """Arms that are there to be no better."""
        return frozenset(arm.name for arm in self.about if arm.control != "none")

    def heads(self) -> tuple[Row, ...]:
        """The headline, arm by arm."""
        return tuple(row for row in self.rows if row.metric == self.headline)

    def main(self, arm: str) -> tuple[Row, ...]:
        """The headline and each task's main metric."""
        own = self.of(arm)
        by_task: dict[str, list[Row]] = {}
        for row in own:
            by_task.setdefault(row.task, []).append(row)
        chosen = {id(self._main_of(rows)) for rows in by_task.values()}
        kept = [row for row in own if row.metric == self.headline or id(row) in chosen]
        return tuple(sorted(kept, key=lambda row: row.metric != self.headline))

    def _main_of(self, rows: Sequence[Row]) -> Row:
        named = self.named.get(rows[0].task)
        for name in (named, *MAIN):
            for row in rows:
                if name is not None and (row.measure == name or row.measure.endswith("_" + name) or row.metric == name):
                    return row
        return next((row for row in rows if row.share), rows[0])


def read(comparison: Mapping[str, Any]) -> Contest:
    """The comparison as it is written by `compare`; keys that are not there are empty."""
    averages = mapping(comparison.get("averages"))
    verdict = mapping(comparison.get("verdict"))
    about = mapping(comparison.get("about"))
    baseline = text(comparison.get("baseline"))
    arms = texts(comparison.get("arms"))
    rows = tuple(_row(row) for row in mappings(comparison.get("rows")))
    return Contest(
        suite=text(comparison.get("suite")),
        suite_version=text(comparison.get("suite_version")),
        evaluator_version=text(comparison.get("evaluator_version")),
        baseline=baseline,
        arms=arms,
        confidence=real(comparison.get("confidence")) or 0.95,
        headline=text(comparison.get("headline")),
        about=tuple(_arm(arm, mapping(about[arm])) for arm in dict.fromkeys((baseline, *arms, *about)) if arm in about),
        rows=rows,
        ranking=tuple(_placed(one) for one in mappings(comparison.get("ranking"))),
        classes=tuple(_label(one) for one in mappings(comparison.get("classes"))),
        tasks=texts(averages.get("tasks")),
        left_out=texts(averages.get("left_out")),
        checks=found(comparison.get("checks")),
        words=text(verdict.get("words")),
        tone=_tone(verdict.get("tone")),
        software=tuple((text(name), text(value)) for name, value in mapping(comparison.get("software")).items()),
        parts=whole(comparison.get("parts")) or 1,
        named={text(task): text(name) for task, name in mapping(comparison.get("main")).items()},
    )


def _tone(value: Any) -> Tone:
    return cast(Tone, value) if value in get_args(Tone) else "unsure"


def _row(row: Mapping[str, Any]) -> Row:
    metric = text(row.get("metric"))
    task, _, measure = metric.rpartition(".")
    return Row(
        metric=metric,
        task=text(row.get("task")) or task or metric,
        measure=text(row.get("measure")) or measure,
        arm=text(row.get("arm")),
        **{name: real(row.get(name)) for name in _REALS},
        seeds=whole(row.get("seeds")) or 0,
        seeds_won=whole(row.get("seeds_won")) or 0,
        smallest=real(row.get("smallest_detectable")),
        lower_is_better=bool(row.get("lower_is_better")),
        over=text(row.get("over")),
        tone="bad" if row.get("regression") else "good" if row.get("improvement") else "unsure",
        verdict=text(row.get("verdict")),
    )


_REALS = ("baseline_mean", "mean", "difference", "lower", "upper", "p", "p_holm", "chance")


def _label(one: Mapping[str, Any]) -> Label:
    return Label(
        task=text(one.get("task")),
        label=text(one.get("label")),
        arm=text(one.get("arm")),
        pictures=whole(one.get("pictures")),
        **{name: real(one.get(name)) for name in ("baseline_recall", "recall", "difference", "lower", "upper")},
        regression=bool(one.get("regression")),
    )


def _placed(one: Mapping[str, Any]) -> Placed:
    better = texts(one.get("better_than"))
    return Placed(text(one.get("arm")), whole(one.get("place")), real(one.get("mean")), better)


def found(checks: Any) -> tuple[Found, ...]:
    """Checks, those that failed first."""
    return tuple(sorted(map(_found, mappings(checks)), key=lambda check: STATES.index(check.state)))


def _found(one: Mapping[str, Any]) -> Found:
    arm = one.get("arm")
    state = one.get("state")
    known = cast(State, state) if state in STATES else "not done"
    return Found(text(one.get("check")), None if arm is None else text(arm), known, text(one.get("words")))


_ABOUT = ("probe", "source", "pairs", "samples_seen", "repetitions", "recipe", "seeds", "control", "seen", "parts")


def _arm(name: str, about: Mapping[str, Any]) -> Arm:
    more = tuple(
        (key.replace("_", " "), text(value))
        for key, value in about.items()
        if isinstance(key, str) and key not in _ABOUT and isinstance(value, str | int | float)
    )
    return Arm(
        name=name,
        source=text(about.get("source")),
        pairs=whole(about.get("pairs")),
        samples_seen=whole(about.get("samples_seen")),
        repetitions=real(about.get("repetitions")),
        recipe=text(about.get("recipe")),
        seeds=texts(about.get("seeds")),
        control=text(about.get("control")) or "none",
        more=more,
    )
