"""What was measured, for a report to show: checks, changes of many groups, lines over a setting.

    Checks("Checks", (Check("repetition", "warning", "filtered repeats each pair 24.5 times", of="filtered"),))
    Changes("By class", "class", (Change("circle", 320, 31.2, 57.1, 25.9, 19.0, 32.8, marked=True),))
    Bands("Accuracy", (Band("nano v2", (Point(0.3, 48.1, 46.0, 50.2), Point(1.0, 23.0, 21.7, 24.3))),), "kept", "%")

They are sections of `vlcorpus.report.model.Report` like the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["failed", "warning", "not done", "good"]


@dataclass(frozen=True)
class Check:
    """What a check found, in words, and what it was done to."""

    name: str
    state: State
    words: str
    of: str = ""


@dataclass(frozen=True)
class Checks:
    """Checks in the order given, each with a mark and its state in words."""

    title: str
    checks: tuple[Check, ...]
    note: str = ""


@dataclass(frozen=True)
class Change:
    """From `before` to `after` in one group of `count`, with the interval of the difference where there is one. All in
    the same unit. marked: it is told apart from 0, by whoever asked."""

    name: str
    count: int | None
    before: float | None
    after: float | None
    difference: float | None
    low: float | None = None
    high: float | None = None
    marked: bool = False
    below: str = ""


@dataclass(frozen=True)
class Changes:
    """Differences of many groups: a table with a bar to each side of 0, all on one axis. `gap` stands between the
    first `changes` and `last`, where those between are left out."""

    title: str
    head: str
    changes: tuple[Change, ...]
    last: tuple[Change, ...] = ()
    gap: str = ""
    before: str = "before"
    after: str = "after"
    unit: str = "points"
    note: str = ""
    count: str = "pictures"


@dataclass(frozen=True)
class Point:
    """One place of a line: x, the mean there, its interval, and what single runs gave."""

    x: float
    mean: float
    low: float | None = None
    high: float | None = None
    runs: tuple[float, ...] = ()


@dataclass(frozen=True)
class Band:
    """A line with the band of its intervals; level: what it is measured against, a horizontal line of the colour."""

    name: str
    points: tuple[Point, ...]
    level: float | None = None


@dataclass(frozen=True)
class Bands:
    """Lines over one axis. logarithmic: the axis of x. best: each (line, point) to mark. level_name: of the levels."""

    title: str
    bands: tuple[Band, ...]
    x_label: str
    y_label: str
    logarithmic: bool = False
    best: tuple[tuple[int, int], ...] = ()
    level_name: str = ""
    digits: int = 1
    note: str = ""
    small: bool = False


@dataclass(frozen=True)
class Prose:
    """Paragraphs. quoted: they are there to be copied."""

    title: str
    paragraphs: tuple[str, ...]
    quoted: bool = False
    note: str = ""
