"""A comparison as files to read, to cite and to compute with.

    files = render(json.loads(path.read_bytes()), {"raw": {0: [(256, 5.1), (512, 4.6), ...]}, ...})
    files["comparison.html"], files["comparison.csv"], files["figures/forest-filtered.svg"]      -> bytes

comparison.html stands alone: it loads nothing and runs nothing. comparison.csv and classes.csv hold every row with all
its digits; comparison.tex is a table and methods.md a paragraph for a paper; figures/ holds whole SVG files.

The same comparison gives the same bytes. Names of tasks, classes and arms may come from strangers. Cost: about half a
second for 40 tasks, 12 arms and 3,000 classes, a page of 2 MB. It judges nothing: verdict, places and regressions are
told as they were found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from vlcorpus.report import latex, methods, model, page
from vlcorpus.report.bars import drawn_changes
from vlcorpus.report.charts import drawn_curves, drawn_forest
from vlcorpus.report.contest_charts import Runs, arm_forests, class_changes, curve_charts
from vlcorpus.report.contest_rows import Contest, Label, read
from vlcorpus.report.contest_sections import notices, sections
from vlcorpus.report.drawing import WIDE
from vlcorpus.report.figures import TONES, figure, file_name
from vlcorpus.report.given import real
from vlcorpus.report.sheet import sheet

POINTS = 120
"""Of one curve; longer ones are told by the means of as many stretches"""

COLUMNS = (
    "metric",
    "task",
    "measure",
    "arm",
    "baseline",
    "baseline_mean",
    "mean",
    "difference",
    "lower",
    "upper",
    "seeds",
    "seeds_won",
    "smallest_detectable",
    "p",
    "p_holm",
    "chance",
    "lower_is_better",
    "over",
    "improvement",
    "regression",
    "verdict",
)

Curves = Mapping[str, Mapping[Any, Sequence[tuple[float, float]]]]


def render(comparison: Mapping[str, Any], curves: Curves) -> dict[str, bytes]:
    """Files by name. comparison: what `compare` wrote; curves: arm to seed to (samples seen, loss), ascending."""
    contest = read(comparison)
    runs = thinned(contest, curves)
    return {
        "comparison.html": page.render(report(contest, runs)).encode("utf-8"),
        "comparison.csv": rows_sheet(contest),
        "classes.csv": classes_sheet(contest),
        "comparison.tex": latex.table(contest).encode("utf-8"),
        "methods.md": methods.methods(contest),
        **{f"figures/{name}.svg": file for name, file in figures(contest, runs).items()},
    }


def report(contest: Contest, runs: Runs) -> model.Report:
    suite = " ".join(part for part in (contest.suite, contest.suite_version) if part)
    said = [f"{len(contest.every_arm)} arms", f"baseline {contest.baseline}"]
    said += [f"suite {suite}"] if suite else []
    said += [f"evaluator {contest.evaluator_version}"] if contest.evaluator_version else []
    return model.Report(
        title="Which corpus is better" + (f": {' or '.join(contest.every_arm)}?" if len(contest.arms) == 1 else "?"),
        subtitle=" · ".join(said),
        verdict=model.Verdict(contest.words or "No verdict.", contest.tone),
        notices=notices(contest.checks),
        summary=tuple(summary(contest)),
        sections=tuple(sections(contest, runs)),
    )


def summary(contest: Contest) -> list[model.Fact]:
    """The few numbers to begin with."""
    made = []
    heads = [row for row in contest.heads() if row.mean is not None]
    if heads:
        unit = " %" if heads[0].share else ""
        better = min if heads[0].lower_is_better else max
        best = better(heads, key=lambda row: row.mean or 0.0)
        made.append(model.Fact(contest.headline, best.said(best.mean) + unit, best.arm))
        made.append(model.Fact("baseline", best.said(best.baseline_mean) + unit, contest.baseline))
    seeds = [row.seeds for row in contest.rows]
    if seeds:
        made.append(model.Fact("seeds", str(min(seeds)) if min(seeds) == max(seeds) else f"{min(seeds)}–{max(seeds)}"))
        better_, worse = (sum(row.tone == tone for row in contest.rows) for tone in ("good", "bad"))
        made.append(model.Fact("comparisons", f"{len(contest.rows):,}", f"{better_:,} better, {worse:,} worse"))
    if contest.checks:
        good = sum(one.state == "good" for one in contest.checks)
        warned = sum(one.state in ("failed", "warning") for one in contest.checks)
        undone = len(contest.checks) - good - warned
        note = ", ".join(f"{count} {word}" for count, word in ((warned, "to look at"), (undone, "not done")) if count)
        made.append(model.Fact("checks passed", f"{good} of {len(contest.checks)}", note))
    return made


def thinned(contest: Contest, curves: Curves) -> dict[str, tuple[model.Run, ...]]:
    """Runs of the arms that are compared, each of at most POINTS points."""
    made: dict[str, tuple[model.Run, ...]] = {}
    for arm in contest.every_arm:
        runs = []
        for seed, steps in curves.get(arm, {}).items():
            points = [(x, y) for step in steps if (x := real(step[0])) is not None and (y := real(step[1])) is not None]
            size = -(-len(points) // POINTS) or 1
            parts = [points[place : place + size] for place in range(0, len(points), size)]
            xs, ys = (tuple(sum(p[side] for p in part) / len(part) for part in parts) for side in (0, 1))
            if parts:
                runs.append(model.Run(seed, xs, ys))
        made[arm] = tuple(runs)
    return made


def figures(contest: Contest, runs: Runs) -> dict[str, bytes]:
    """forest-<arm>, classes-<arm> and curves, by name."""
    made: dict[str, bytes] = {}
    for arm in contest.arms:
        title = f"{arm} against {contest.baseline}"
        for unit, drawn in arm_forests(contest, arm):
            name = file_name(f"forest-{arm}" if unit == "points" else f"forest-{arm}-{unit}", list(made))
            headed = title if unit == "points" else f"{title}: {unit}"
            made[name] = figure(headed, drawn_forest(drawn, WIDE), TONES)
        changes = class_changes(contest, arm)
        if changes is not None:
            made[file_name(f"classes-{arm}", list(made))] = figure(f"Classes: {title}", drawn_changes(changes, WIDE))
    for chart in curve_charts(contest, runs):
        legend = [(place, one.name) for place, one in enumerate(chart.arms)]
        made[file_name("curves", list(made))] = figure("Learning curves", drawn_curves(chart, WIDE), legend)
    return made


def rows_sheet(contest: Contest) -> bytes:
    """Every metric of every arm, in the order of the comparison."""
    rows = (
        (
            row.metric,
            row.task,
            row.measure,
            row.arm,
            contest.baseline,
            row.baseline_mean,
            row.mean,
            row.difference,
            row.lower,
            row.upper,
            row.seeds,
            row.seeds_won,
            row.smallest,
            row.p,
            row.p_holm,
            row.chance,
            row.lower_is_better,
            row.over,
            row.tone == "good",
            row.tone == "bad",
            row.verdict,
        )
        for row in contest.rows
    )
    return sheet(COLUMNS, rows)


def classes_sheet(contest: Contest) -> bytes:
    """Every class of every arm."""
    names = [field.name for field in fields(Label)]
    return sheet(names, ([getattr(label, name) for name in names] for label in contest.classes))
