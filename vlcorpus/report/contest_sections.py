"""The sections of a comparison's page: checks, ranking, regressions, differences, every metric, classes, curves, arms.

    [section for section in sections(contest, curves) if ...]

What is too long for a page is cut, worst first, and the number left out is told; the CSV files hold all of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from vlcorpus.report import methods, model
from vlcorpus.report.axes import number
from vlcorpus.report.contest_charts import OPEN, Runs, classes, curves, differences, forest, known_or, left_out
from vlcorpus.report.contest_rows import Contest, Found, Row
from vlcorpus.report.measured import Check, Checks, Prose

NOTICES = 3
REGRESSIONS = 40
METRICS = 3_000


def sections(contest: Contest, runs: Runs) -> list[model.Section]:
    """All that there is something to say about, in the order in which one would ask."""
    made = [
        checks(contest.checks),
        ranking(contest),
        regressions(contest),
        *differences(contest),
        every_metric(contest),
        classes(contest),
        curves(contest, runs),
        arms(contest),
        average(contest),
        how(contest),
    ]
    return [section for section in made if section is not None]


def checks(found: Sequence[Found]) -> Checks | None:
    if not found:
        return None
    listed = tuple(Check(one.check, one.state, one.words, one.arm or "") for one in found)
    return Checks("Checks", listed, "What could make these numbers say something else than which corpus is better.")


def notices(found: Sequence[Found], most: int = NOTICES) -> tuple[str, ...]:
    """What did not pass, to stand by the verdict. The arm is named where the words do not begin with it."""
    wrong = [one for one in found if one.state in ("failed", "warning")]
    told = []
    for one in wrong[:most]:
        arm = f"{one.arm}, " if one.arm and not one.words.startswith(one.arm) else ""
        told.append(f"{arm}{one.check}: {one.words}")
    if len(wrong) > most:
        left = len(wrong) - most
        told.append(f"{left} more check{'' if left == 1 else 's'} did not pass: see below.")
    return tuple(told)


def ranking(contest: Contest) -> model.Section | None:
    heads = {row.arm: row for row in contest.heads()}
    if not contest.ranking:
        return None
    sample = next(iter(heads.values()), None)
    rows: list[tuple[model.Cell, ...]] = []
    for one in sorted(contest.ranking, key=lambda one: (one.place is None, one.place or 0)):
        row = heads.get(one.arm)
        mean = one.mean if sample is None else sample.scaled(one.mean)
        against: model.Cell = (
            model.Marked(row.told, row.tone) if row else "baseline" if one.arm == contest.baseline else None
        )
        beats = f"all {len(one.better_than)} others" if len(one.better_than) == len(contest.arms) > 1 else ""
        shown = beats or ", ".join(one.better_than) or "none"
        rows.append((one.arm, str(one.place or "–"), mean, against, shown))
    unit = "" if sample is None else ", %" if sample.share else f", {sample.unit}"
    columns = (
        model.Column("arm"),
        model.Column("place", right=True),
        model.Column(f"{contest.headline}{unit}", 1 if sample is None else sample.digits),
        model.Column(f"against {contest.baseline} {interval_name(contest)}", right=True),
        model.Column("better than", wide=True),
    )
    note = f"On {contest.headline}, over all pairs of arms after Holm: arms that are not told apart share a place."
    table = model.Table("Places", columns, tuple(rows), held=True)
    drawn = forest(contest, f"{contest.headline} against {contest.baseline}", contest.heads(), named_by_arm=True)
    if drawn is None:
        return model.Table("Ranking", columns, tuple(rows), note, held=True)
    return model.Group("Ranking", (table, drawn), note)


def interval_name(contest: Contest) -> str:
    return f"[{contest.percent}]"


def regressions(contest: Contest) -> model.Section:
    """A short list of what got worse; also where there is nothing, since that is an answer too."""
    worse = [row for row in contest.rows if row.tone == "bad"]
    by_class = sum(label.regression for label in contest.classes)
    also = f" {by_class:,} classes got worse too: see the classes." if by_class else ""
    if not worse:
        smallest = [row.smallest for row in contest.heads() if row.smallest is not None and row.share]
        size = (
            f" The smallest that could be seen on {contest.headline}: {100 * max(smallest):.1f} points."
            if smallest
            else ""
        )
        words = f"None of {len(contest.rows):,} comparisons shows a regression.{size}{also}"
        return Prose("Regressions", (words,))
    ordered = sorted(worse, key=lambda row: (row.arm in contest.controls, known_or(row.p_holm, 2.0), -_size(row)))
    columns = (
        model.Column("metric"),
        model.Column("arm"),
        model.Column(contest.baseline, right=True),
        model.Column("arm's", right=True),
        model.Column(f"difference {interval_name(contest)}", right=True),
        model.Column("p (Holm)", right=True),
    )
    rows = tuple(
        (
            row.metric,
            row.arm,
            row.said(row.baseline_mean),
            row.said(row.mean),
            model.Marked(row.told, "bad", "" if row.share else row.unit),
            p_value(row.p_holm),
        )
        for row in ordered[:REGRESSIONS]
    )
    last = " Control arms come last." if contest.controls else ""
    left = left_out(len(worse), REGRESSIONS)
    note = f"{len(worse):,} of {len(contest.rows):,} comparisons, shares in %.{last}{left}{also}"
    return model.Table("Regressions", columns, rows, note, held=True)


def _size(row: Row) -> float:
    """Of a difference beside the baseline's mean, so that metrics of other units can be ordered."""
    return abs(row.difference or 0.0) / (abs(row.baseline_mean or 0.0) or 1.0)


def every_metric(contest: Contest) -> model.Section | None:
    """A table for each arm, of every task and metric."""
    if not contest.rows:
        return None
    each = max(METRICS // max(len(contest.arms), 1), 20)
    parts = tuple(_metrics(contest, arm, each) for arm in contest.arms)
    overs = list(dict.fromkeys(row.over for row in contest.rows if row.over))
    counts = [f"{overs_} {sum(row.over == overs_ for row in contest.rows):,}" for overs_ in overs]
    paired = f" Paired over {overs[0] if len(overs) == 1 else ', '.join(counts)}." if overs else ""
    note = f"Means over seeds; shares in %, their differences in points.{paired} comparison.csv has all digits."
    opened = OPEN if len(contest.rows) <= 30 * len(contest.arms) else 1
    return model.Group("Every task and metric", parts, note, opened)


def _metrics(contest: Contest, arm: str, most: int) -> model.Table:
    own = sorted(contest.of(arm), key=lambda row: row.metric != contest.headline)
    kept = own
    if len(own) > most:  # those that were told apart stay
        apart = [row for row in own if row.tone != "unsure"]
        kept = [*apart, *(row for row in own if row.tone == "unsure")][:most]
    columns = [
        model.Column("metric"),
        model.Column(contest.baseline, right=True),
        model.Column(arm, right=True),
        model.Column(f"difference {interval_name(contest)}", right=True),
        model.Column("p (Holm)", right=True),
        model.Column("chance", right=True),
        model.Column("smallest detectable", right=True),
        model.Column("seeds won", right=True),
    ]
    rows = tuple(
        (
            row.metric,
            row.said(row.baseline_mean),
            row.said(row.mean),
            model.Marked(row.told, row.tone, "" if row.share else row.unit),
            p_value(row.p_holm),
            row.said(row.chance),
            row.said(row.smallest),
            f"{row.seeds_won}/{row.seeds}",
        )
        for row in kept
    )
    worse = sum(row.tone == "bad" for row in own)
    better = sum(row.tone == "good" for row in own)
    note = f"{len(own):,} metrics: {better:,} better, {worse:,} worse.{left_out(len(own), len(kept))}"
    return model.Table(arm, tuple(columns), rows, note, held=True)


def p_value(value: float | None) -> str:
    return methods.probability(value).removeprefix("= ")


def arms(contest: Contest) -> model.Section | None:
    """What is the same for every arm is said once, above the table."""
    if not contest.about:
        return None
    told: dict[str, list[model.Cell]] = {
        "samples seen": [None if arm.samples_seen is None else f"{arm.samples_seen:,}" for arm in contest.about],
        "recipe": [arm.recipe or None for arm in contest.about],
        "seeds": [", ".join(arm.seeds[:16]) + (" …" if len(arm.seeds) > 16 else "") or None for arm in contest.about],
    }
    for key in dict.fromkeys(key for arm in contest.about for key, _ in arm.more):
        told[key] = [dict(arm.more).get(key) for arm in contest.about]
    same = {key: cells[0] for key, cells in told.items() if len(set(cells)) == 1}
    differing = [key for key in told if key not in same]
    columns = (
        model.Column("arm"),
        model.Column("source"),
        model.Column("pairs"),
        model.Column("each seen", right=True),
        *(model.Column(key, right=key == "samples seen") for key in differing),
        model.Column("control"),
    )
    rows = tuple(
        (
            model.Marked(arm.name, aside="baseline" if arm.name == contest.baseline else ""),
            arm.source or None,
            arm.pairs,
            None if arm.repetitions is None else f"{number(arm.repetitions, 1)} ×",
            *(told[key][place] for key in differing),
            methods.CONTROLS.get(arm.control, arm.control) if arm.control != "none" else None,
        )
        for place, arm in enumerate(contest.about)
    )
    shared = "; ".join(f"{key}: {cell}" for key, cell in same.items() if cell is not None)
    return model.Table("What each arm is", columns, rows, f"For every arm, {shared}." if shared else "", held=True)


def average(contest: Contest) -> model.Section | None:
    if not contest.tasks and not contest.left_out:
        return None
    words = [f"In the average: {', '.join(contest.tasks)}." if contest.tasks else "No task is in the average."]
    if contest.left_out:
        words.append(f"Left out: {', '.join(contest.left_out)}.")
    note = f"{len(contest.tasks)} in, {len(contest.left_out)} left out. Averages over other tasks are not comparable."
    return Prose("Tasks in the average", tuple(words), note=note)


def how(contest: Contest) -> model.Section:
    said = Prose("Methods, for a paper", tuple(methods.paragraphs(contest)), quoted=True, note="methods.md has it too.")
    cited = Prose("How to cite these numbers", tuple(methods.citations(contest)), quoted=True)
    parts = (said, cited) if cited.paragraphs else (said,)
    return model.Group("Methods", parts)
