"""What a comparison draws: forests of differences, bars of classes, learning curves, as sections of a page.

    for unit, drawn in arm_forests(contest, "filtered"): ...      drawn: a Forest for the page, or for a file of its own
    class_changes(contest, "filtered"), curve_charts(contest, runs)

A chart that is too long is cut, worst first, and the number left out is told.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from vlcorpus.report import methods, model
from vlcorpus.report.contest_rows import Contest, Label, Row
from vlcorpus.report.measured import Change, Changes

Runs = Mapping[str, Sequence[model.Run]]

OPEN = 3
"""Arms whose parts are not folded away"""

FOREST = 44
CLASSES = 30
BEST_CLASSES = 10
TOGETHER = 6
"""Arms in one chart of curves, the baseline among them"""


def left_out(count: int, shown: int) -> str:
    """A sentence, where not all are shown."""
    return f" {count - shown:,} more are in comparison.csv." if count > shown else ""


def forest(
    contest: Contest, title: str, rows: Sequence[Row], *, named_by_arm: bool = False, note: str = ""
) -> model.Forest | None:
    """Rows of one unit on one axis; None where there is nothing to draw."""
    known = [row for row in rows if row.difference is not None]
    if not known:
        return None
    nan = math.nan
    unit = known[0].unit
    drawn = tuple(
        model.Difference(
            row.arm if named_by_arm else row.metric,
            known_or(row.scaled(row.difference), nan),
            known_or(row.scaled(row.lower), nan),
            known_or(row.scaled(row.upper), nan),
            not row.lower_is_better,
            note=f"p (Holm) {methods.probability(row.p_holm)}" if row.p_holm is not None else "",
            tone=row.tone,
        )
        for row in known[:FOREST]
    )
    digits = max(row.digits for row in known[:FOREST])
    return model.Forest(title, drawn, unit, digits, note + left_out(len(known), FOREST))


def known_or(value: float | None, other: float) -> float:
    return other if value is None else value


def arm_forests(contest: Contest, arm: str) -> list[tuple[str, model.Forest]]:
    """(unit, forest) of an arm: shares in points, then each other measure on an axis of its own.

    All metrics where they fit; else the headline and each task's main one, and what was left out is told.
    """
    rows = sorted(contest.of(arm), key=lambda row: row.metric != contest.headline)
    shares = [row for row in rows if row.share]
    note = ""
    if len(shares) > FOREST:
        main = [row for row in contest.main(arm) if row.share]
        note = f"The headline and each task's main metric; {len(shares) - len(main):,} others are in the table."
        shares = main
    made = [("points", forest(contest, arm, shares, note=note))]
    measures = dict.fromkeys(row.measure for row in rows if not row.share)
    for measure in measures:
        own = [row for row in rows if not row.share and row.measure == measure]
        made.append((measure, forest(contest, f"{arm}: {measure}", own, note=_lower(own))))
    return [(unit, drawn) for unit, drawn in made if drawn is not None]


def _lower(rows: Sequence[Row]) -> str:
    return "Lower is better." if all(row.lower_is_better for row in rows) else ""


def differences(contest: Contest) -> list[model.Section]:
    """Two sections: differences of shares, arm by arm on one axis, and those of other measures."""
    by_arm = {arm: arm_forests(contest, arm) for arm in contest.arms}
    shares = [drawn for made in by_arm.values() for unit, drawn in made if unit == "points"]
    others = [drawn for made in by_arm.values() for unit, drawn in made if unit != "points"]
    note = f"Paired differences to {contest.baseline} with {contest.percent} intervals"
    made: list[model.Section] = []
    if shares:
        ends = [end for drawn in shares for one in drawn.differences for end in (one.low, one.value, one.high)]
        ends = [end for end in ends if math.isfinite(end)]
        reach = (min(ends, default=0.0), max(ends, default=0.0))
        parts = tuple(replace(drawn, reach=reach, keyed=not place) for place, drawn in enumerate(shares))
        made.append(model.Group(f"Differences to {contest.baseline}", parts, f"{note}, in points, on one axis.", OPEN))
    if others:
        parts = tuple(replace(drawn, keyed=not place) for place, drawn in enumerate(others))
        opened = sum(unit != "points" for unit, _ in by_arm[contest.arms[0]])
        made.append(model.Group("Differences in other units", parts, f"{note}, each in its own unit.", opened))
    return made


def classes(contest: Contest) -> model.Section | None:
    parts = tuple(part for arm in contest.arms if (part := class_changes(contest, arm)) is not None)
    if not parts:
        return None
    note = f"Recall of each class in %, the worst first, with {contest.percent} intervals of the difference in points."
    return model.Group("Classes", parts, note, 1)


def class_changes(contest: Contest, arm: str) -> Changes | None:
    """Regressions first, then by difference; the middle of a long list is left out."""
    own = [label for label in contest.classes if label.arm == arm]
    if not own:
        return None
    ordered = sorted(own, key=lambda one: (not one.regression, known_or(one.difference, math.inf)))
    worse = sum(one.regression for one in ordered)
    several = len({one.task for one in own}) > 1
    made = [_change(one, several) for one in ordered]
    note = f"{len(own):,} classes; {worse:,} got worse."
    if len(made) <= CLASSES + BEST_CLASSES:
        return Changes(arm, "class", tuple(made), before=contest.baseline, after=arm, note=note)
    gap = f"{len(made) - CLASSES - BEST_CLASSES:,} classes in between are left out: classes.csv has all"
    first, last = tuple(made[:CLASSES]), tuple(made[-BEST_CLASSES:])
    return Changes(arm, "class", first, last, gap, contest.baseline, arm, note=note)


def _change(one: Label, several: bool) -> Change:
    return Change(
        one.label,
        one.pictures,
        _hundred(one.baseline_recall),
        _hundred(one.recall),
        _hundred(one.difference),
        _hundred(one.lower),
        _hundred(one.upper),
        marked=one.regression or (one.lower is not None and one.lower > 0),
        below=one.task if several else "",
    )


def _hundred(value: float | None) -> float | None:
    return None if value is None else 100 * value


def curves(contest: Contest, runs: Runs) -> model.Section | None:
    charts = curve_charts(contest, runs)
    if not charts:
        return None
    note = (
        "Training loss by samples seen: thin lines are seeds, strong ones their mean. It says how hard the pairs are "
        "to tell apart, not how good the model is: noise keeps it high."
    )
    if len(charts) == 1:
        return model.Curves("Learning curves", charts[0].arms, y_label="training loss", note=note)
    return model.Group("Learning curves", tuple(charts), note, OPEN)


def curve_charts(contest: Contest, runs: Runs) -> list[model.Curves]:
    """The baseline with a few arms each, so that they can be told apart."""
    known = [arm for arm in contest.arms if runs.get(arm)]
    first = [contest.baseline] if runs.get(contest.baseline) else []
    cut = [known[place : place + TOGETHER - 1] for place in range(0, len(known), TOGETHER - 1)] or (
        [[]] if first else []
    )
    return [
        model.Curves(
            ", ".join(some) or contest.baseline,
            tuple(model.Arm(arm, tuple(runs[arm])) for arm in (*first, *some)),
            y_label="training loss",
        )
        for some in cut
    ]
