"""A sweep over keep-fractions as files: how good a corpus is for each share of it that is kept.

    files = render(json.loads(path.read_bytes()))
    files["sweep.html"], files["sweep.csv"], files["sweep.tex"], files["figures/sweep.svg"]      -> bytes

One line a recipe, since what is best to keep depends on how long one trains: a small clean corpus is repeated more. The
same sweep gives the same bytes; names may come from strangers. Cost: a few ms. It judges nothing: the verdict and the
best point are told as they were found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlcorpus.report import model, page
from vlcorpus.report.axes import number
from vlcorpus.report.bands import drawn_bands
from vlcorpus.report.contest_sections import checks, notices
from vlcorpus.report.drawing import WIDE
from vlcorpus.report.figures import figure
from vlcorpus.report.measured import Band, Bands, Point
from vlcorpus.report.sheet import sheet
from vlcorpus.report.swept_points import Kept, Sweep, read
from vlcorpus.report.swept_table import table

SMALL = 24
"""Other metrics that are drawn"""

COLUMNS = (
    "by",
    "recipe",
    "keep",
    "threshold",
    "pairs",
    "samples_seen",
    "repetitions",
    "metric",
    "mean",
    "lower",
    "upper",
    "difference",
    "difference_lower",
    "difference_upper",
    "baseline",
    "best",
    "seeds",
    "values",
)


def render(sweep: Mapping[str, Any]) -> dict[str, bytes]:
    """Files by name. sweep: what `sweep` wrote."""
    swept = read(sweep)
    chart = headline(swept)
    legend = [(place, band.name) for place, band in enumerate(chart.bands)] if len(chart.bands) > 1 else []
    return {
        "sweep.html": page.render(report(swept)).encode("utf-8"),
        "sweep.csv": points_sheet(swept),
        "sweep.tex": table(swept).encode("utf-8"),
        "figures/sweep.svg": figure(f"{swept.metric} by what is kept", drawn_bands(chart, WIDE), legend),
    }


def report(swept: Sweep) -> model.Report:
    said = [f"{len(swept.points)} points", f"{len(swept.seeds)} seeds", f"{swept.percent} intervals"]
    said += [f"suite {swept.suite}"] if swept.suite else []
    sections: list[model.Section] = [headline(swept), points(swept)]
    sections += [section for section in (checks(swept.checks), other_metrics(swept)) if section is not None]
    return model.Report(
        title="How much to keep",
        subtitle=" · ".join(said),
        verdict=model.Verdict(swept.words or "No verdict.", swept.tone),
        notices=notices(swept.checks, most=1),
        summary=tuple(summary(swept)),
        sections=tuple(sections),
    )


def summary(swept: Sweep) -> list[model.Fact]:
    best, base = swept.best_point, swept.baseline_point
    made = []
    if best is not None:
        made.append(model.Fact("best", swept.told(best.mean), f"keeps {kept_words(best)}"))
    if base is not None:
        made.append(model.Fact("everything", swept.told(base.mean), pairs_words(base)))
    if best is not None and base is not None and best is not base:
        difference = swept.said(best.difference, signed=True)
        ends = f"{swept.said(best.difference_lower)} to {swept.said(best.difference_upper)}"
        sure = best.difference_lower is not None and best.difference_upper is not None
        made.append(model.Fact(f"difference, {swept.unit}", difference, ends if sure else ""))
    if best is not None and best.repetitions is not None:
        made.append(model.Fact("each pair seen", f"{number(best.repetitions, 1)} ×", "at the best point"))
    return made


def kept_words(point: Kept) -> str:
    share = f"{100 * point.keep:.3g} %" if point.keep is not None else pairs_words(point)
    return f"{share} by {point.by}" if point.by else share


def pairs_words(point: Kept) -> str:
    return "–" if point.pairs is None else f"{point.pairs:,} pairs"


def headline(swept: Sweep) -> Bands:
    bands, best = _bands(swept, [(point.mean, point.lower, point.upper) for point in swept.points], swept.scale, True)
    note = (
        f"Means over seeds with {swept.percent} intervals; dots are single seeds. The dashed level is the whole "
        "corpus, nothing filtered."
    )
    return Bands(
        swept.metric,
        bands,
        "kept, %",
        swept.metric + (", %" if swept.share else ""),
        logarithmic=swept.logarithmic,
        best=best,
        level_name="everything",
        digits=swept.digits,
        note=note,
    )


Values = list[tuple[float | None, float | None, float | None]]


def _bands(
    swept: Sweep, values: Values, scale: float, runs: bool
) -> tuple[tuple[Band, ...], tuple[tuple[int, int], ...]]:
    """A line for each recipe (and score), by share kept, and where on them the best points lie.

    The level of a recipe is that of its whole corpus, and is drawn once, by its first line.
    """
    lines: dict[tuple[str, ...], list[tuple[float, int]]] = {}
    for place, point in enumerate(swept.points):
        x = swept.share_kept(point)
        if x is not None and values[place][0] is not None:
            lines.setdefault(swept.line_of(point), []).append((x, place))
    made: list[Band] = []
    best: list[tuple[int, int]] = []
    levels: set[int] = set()
    for line, (name, places) in enumerate(lines.items()):
        points = []
        for at, (x, place) in enumerate(sorted(places)):
            mean, low, high = (None if value is None else scale * value for value in values[place])
            own = tuple(scale * value for value in swept.points[place].values) if runs else ()
            points.append(Point(100 * x, mean if mean is not None else 0.0, low, high, own))
            best += [(line, at)] if place in swept.bests else []
        base = swept.baseline_of(swept.points[places[0][1]])
        level = None if base is None or base in levels else values[base][0]
        levels |= set() if base is None else {base}
        made.append(Band(" · ".join(name), tuple(points), None if level is None else scale * level))
    return tuple(made), tuple(best)


def points(swept: Sweep) -> model.Section:
    """Every point, the baseline and the best marked."""
    columns = (
        model.Column("kept"),
        *([model.Column("by")] if swept.several_scores else []),
        *([model.Column("recipe")] if swept.several_recipes else []),
        model.Column(f"{swept.metric}{', %' if swept.share else ''}", right=True),
        model.Column(f"difference, {swept.unit}", right=True),
        model.Column("pairs"),
        model.Column("each seen", right=True),
        model.Column("threshold", right=True),
        model.Column("samples seen"),
    )
    rows = []
    for place, point in enumerate(swept.points):
        mark = ", ".join(word for word, at in (("best", swept.bests), ("everything", swept.baselines)) if place in at)
        difference = swept.interval(point.difference, point.difference_lower, point.difference_upper, signed=True)
        nothing = place in swept.baselines or point.difference is None
        rows.append(
            (
                model.Marked("–" if point.keep is None else f"{100 * point.keep:.3g} %", aside=mark),
                *([point.by] if swept.several_scores else []),
                *([point.recipe] if swept.several_recipes else []),
                swept.interval(point.mean, point.lower, point.upper),
                model.Marked("–") if nothing else model.Marked(difference, swept.tone_of(point)),
                point.pairs,
                None if point.repetitions is None else f"{number(point.repetitions, 1)} ×",
                None if point.threshold is None else f"{point.threshold:.4g}",
                point.samples_seen,
            )
        )
    by = f" By {swept.scores[0]}." if len(swept.scores) == 1 and swept.scores[0] else ""
    recipe = f" Recipe {swept.recipes[0]}." if len(swept.recipes) == 1 and swept.recipes[0] else ""
    note = f"Differences to the whole corpus under the same recipe, paired over {len(swept.seeds)} seeds.{by}{recipe}"
    return model.Table("Points", columns, tuple(rows), note, held=True)


def other_metrics(swept: Sweep) -> model.Section | None:
    made = []
    for name, values in list(swept.metrics.items())[:SMALL]:
        known = [value for value in values if value[0] is not None]
        if not known:
            continue
        share = swept.is_share(name, [value[0] for value in known if value[0] is not None])
        bands, best = _bands(swept, values, 100.0 if share else 1.0, False)
        label = f"{name}, %" if share else name
        digits = 1 if share else 3
        made.append(Bands(label, bands, "kept, %", label, swept.logarithmic, best, digits=digits, small=True))
    if not made:
        return None
    left = len(swept.metrics) - len(made)
    more = f" {left:,} more are in sweep.csv." if left else ""
    note = f"Lines as above; the ring is the best point of {swept.metric}.{more}"
    return model.Group("Other metrics", tuple(made), note, side_by_side=True)


def points_sheet(swept: Sweep) -> bytes:
    """A row for each metric of each point, the headline first; values: seed=value, where they are known."""
    rows = []
    for place, point in enumerate(swept.points):
        head = (point.by, point.recipe, point.keep, point.threshold, point.pairs, point.samples_seen, point.repetitions)
        marks = (place in swept.baselines, place in swept.bests, len(point.values))
        told = ";".join(f"{seed}={value!r}" for seed, value in zip(point.seeds, point.values, strict=True))
        ends = (point.mean, point.lower, point.upper)
        differences = (point.difference, point.difference_lower, point.difference_upper)
        rows.append((*head, swept.metric, *ends, *differences, *marks, told))
        for name, values in swept.metrics.items():
            rows.append((*head, name, *values[place], None, None, None, *marks, ""))
    return sheet(COLUMNS, rows)
