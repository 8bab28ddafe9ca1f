"""A sweep as a LaTeX table: a line for each point, in bold the best where it is told apart from the whole corpus."""

from __future__ import annotations

from vlcorpus.report.axes import number
from vlcorpus.report.latex import LONGEST, PREAMBLE, bold, cut, escaped
from vlcorpus.report.swept_points import Kept, Sweep

LINES = 30


def table(swept: Sweep) -> str:
    """One table, or several where there are many points; for \\input{sweep}."""
    places = list(range(len(swept.points)))
    parts = cut(places, LINES) or [[]]
    made = []
    for part, some in enumerate(parts, 1):
        which = f" (part {part} of {len(parts)})" if len(parts) > 1 else ""
        lines = [
            r"\begin{table}",
            r"\centering",
            rf"\caption[Shares of pairs kept]{{{caption(swept)}{which}}}",
            rf"\label{{tab:sweep{f'-{part}' if which else ''}}}",
            r"\par\medskip",
            r"\footnotesize",
            r"\setlength{\tabcolsep}{3pt}",
            r"\begin{tabular}{r l l r r r l}",
            r"\toprule",
            r"Kept & By & Recipe & Pairs & Each seen & \multicolumn{1}{c}{Mean} & \multicolumn{1}{c}{Difference} \\",
            r"\midrule",
            *(_line(swept, swept.points[place], place) for place in some),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
        made.append("\n".join(lines))
    return PREAMBLE + "\n".join(made)


def caption(swept: Sweep) -> str:
    percent = swept.percent.removesuffix(" %")
    share = r", in \%," if swept.share else ""
    suite = f" of {escaped(swept.suite)}" if swept.suite else ""
    return (
        rf"{escaped(swept.metric)}{suite}{share} by the share of pairs kept: means over {len(swept.seeds)} seeds, and "
        rf"differences to the whole corpus with {percent}\,\% intervals. Bold: best, where it is told apart from that."
    )


def _line(swept: Sweep, point: Kept, place: int) -> str:
    sure = place == swept.best and swept.tone == "good"
    difference = swept.interval(point.difference, point.difference_lower, point.difference_upper, signed=True)
    cells = [
        "--" if point.keep is None else rf"{100 * point.keep:.3g}\,\%",
        escaped(point.by, LONGEST),
        escaped(point.recipe, LONGEST),
        "--" if point.pairs is None else f"{point.pairs:,}",
        "--" if point.repetitions is None else escaped(f"{number(point.repetitions, 1)}×"),
        bold(escaped(swept.said(point.mean)), sure),
        "--" if place in swept.baselines else escaped(difference),
    ]
    return " & ".join(cells) + r" \\"
