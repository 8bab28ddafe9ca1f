"""Charts as inline SVG: a histogram, learning curves, a forest plot, bars of rates.

Each is drawn for a wide and a narrow page: `width` is in the units of its view box.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from vlcorpus.report.axes import Axis, mean_curve, number, tick_text, ticks
from vlcorpus.report.drawing import Drawing, colour, dash, fit, grid, marker, path, tone_marker
from vlcorpus.report.markup import Html, element
from vlcorpus.report.model import Curves, Difference, Forest, Histogram, Mark, Rate, Tone

MARKERS = 12  # on a line; more of them hide it


def histogram(chart: Histogram, width: int) -> Html:
    """Steps for each series, the first filled, and a line at each cut."""
    left, right, bottom = 56, 12, 42
    top = 26 + 15 * max(0, len(chart.marks) - 1)
    height = 234 + top
    first, last = _busy(chart)
    edges = chart.edges[first : last + 1]
    highest = max((max(series.counts[first:last], default=0) for series in chart.series), default=0)
    x = Axis(edges[0], edges[-1], left, width - right)
    y = Axis(0, max(highest, 1), height - bottom, top)
    drawn = [grid(x, y, chart.x_label, "pairs", width, height, bottom)]
    for place, series in enumerate(chart.series):
        outline = f"M{x.at(edges[0]):.1f} {y.at(0):.1f}"
        for bin_, count in enumerate(series.counts[first:last]):
            outline += f"V{y.at(count):.1f}H{x.at(edges[bin_ + 1]):.1f}"
        drawn.append(element("path", d=outline + f"V{y.at(0):.1f}Z", class_=f"area {colour(place)}"))
        drawn.append(element("path", d=outline, class_=f"line {colour(place)}", stroke_dasharray=dash(place)))
    for place, mark in enumerate(sorted(chart.marks, key=lambda mark: mark.value)):
        drawn += _mark(mark, x, 14 + 15 * place, height - bottom, width, among=edges)
    total = ", ".join(f"{series.name}: {sum(series.counts):,} pairs" for series in chart.series)
    return Drawing(width, height, f"Histogram of {chart.x_label}. {total}.", tuple(drawn)).inline()


def _mark(mark: Mark, x: Axis, y: float, floor: float, width: int, *, among: Sequence[float]) -> list[Html]:
    """The line of a cut, with its value and an arrow to what is kept, on the side that has room."""
    here = x.at(min(max(mark.value, among[0]), among[-1]))
    late = here > width * 0.55
    arrow = "kept →" if mark.keeps == "above" else "← kept"
    line = element("line", x1=here, x2=here, y1=y - 10, y2=floor, class_="threshold")
    place = {"x": here + (-6 if late else 6), "y": y, "text_anchor": "end" if late else "start"}
    away = "" if among[0] <= mark.value <= among[-1] else " (beyond)"
    words = f"cut {tick_text(float(f'{mark.value:.4g}'))}{away}, {arrow}"
    return [line, element("text", words, class_="strong", **place)]


def rate(one: Rate, share: float) -> Html:
    """A bar from 0 to 1 with the interval of its end, and a line at the share of all rows."""
    part = one.kept / one.rows if one.rows else 0.0
    low, high = (f"{100 * end:.1f}%" for end in (one.low, one.high))
    drawn = [
        element("rect", width=f"{max(100 * part, 0.5 if one.kept else 0):.1f}%", height="100%", rx=1.5),
        element("line", x1=low, x2=high, y1="50%", y2="50%", class_="whisker"),
        element("line", x1=f"{100 * share:.1f}%", x2=f"{100 * share:.1f}%", y1=0, y2="100%", class_="overall"),
    ]
    return element("svg", *drawn, aria_hidden="true")


def curves(chart: Curves, width: int) -> Html:
    return drawn_curves(chart, width).inline()


def drawn_curves(chart: Curves, width: int) -> Drawing:
    """A faint line for each seed and a strong one with markers for the mean of each arm."""
    height, left, right, top, bottom = 280, 46, 14, 14, 42
    points = [(x, y) for arm in chart.arms for run in arm.runs for x, y in zip(run.samples, run.values, strict=True)]
    points = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)] or [(0.0, 0.0), (1.0, 1.0)]
    low, high = min(y for _, y in points), max(y for _, y in points)
    room = (high - low) * 0.05 or 0.05
    floor = 0.0 if 0 <= low < (high - low) * 0.5 else low - room
    x = Axis(min(x for x, _ in points), max(x for x, _ in points), left, width - right)
    y = Axis(floor, high + room, height - bottom, top)
    drawn = [grid(x, y, chart.x_label, chart.y_label, width, height, bottom)]
    for place, arm in enumerate(chart.arms):
        own = colour(place)
        drawn += [element("path", d=path(x, y, run.samples, run.values), class_=f"seed {own}") for run in arm.runs]
        xs, ys = mean_curve([(run.samples, run.values) for run in arm.runs])
        drawn.append(element("path", d=path(x, y, xs, ys), class_=f"line {own}", stroke_dasharray=dash(place)))
        every = max(1, -(-len(xs) // MARKERS))
        marked = [(a, b) for a, b in zip(xs, ys, strict=True) if math.isfinite(b)][::every]
        drawn += [marker(place, x.at(a), y.at(b)) for a, b in marked]
    names = ", ".join(arm.name for arm in chart.arms)
    words = f"{chart.y_label} against {chart.x_label} for {names}. The numbers follow."
    return Drawing(width, height, words, tuple(drawn))


def forest(chart: Forest, width: int) -> Html:
    return drawn_forest(chart, width).inline()


def drawn_forest(chart: Forest, width: int) -> Drawing:
    """One line for each metric: its interval, its value, and whether that is better, worse or neither."""
    narrow = width < 500
    step, top, bottom = (50, 8, 40) if narrow else (34 if len(chart.differences) < 12 else 26, 8, 40)
    left, right = (10, width - 10) if narrow else (230, width - 190)
    height = top + step * len(chart.differences) + bottom
    ends = [end for difference in chart.differences for end in (difference.low, difference.high, difference.value)]
    ends = [end for end in (*ends, *(chart.reach or ())) if math.isfinite(end)] or [-1.0, 1.0]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = (high - low) * 0.06 or 1.0
    x = Axis(low - room, high + room, left, right)
    drawn: list[Html] = []
    floor = height - bottom
    for tick in ticks(x.low, x.high, 4 if narrow else 6):
        drawn.append(element("line", x1=x.at(tick), x2=x.at(tick), y1=top, y2=floor, class_="grid"))
        drawn.append(element("text", tick_text(tick), x=x.at(tick), y=floor + 16, text_anchor="middle"))
    drawn.append(element("line", x1=x.at(0), x2=x.at(0), y1=top, y2=floor, class_="zero"))
    label = fit(f"difference, {chart.unit}", 40)
    drawn.append(element("text", label, x=(left + right) / 2, y=height - 6, text_anchor="middle"))
    for place, difference in enumerate(chart.differences):
        y = top + step * place + (34 if narrow else step / 2)
        drawn += _difference(difference, x, y, width, chart.digits)
    words = f"Differences with intervals for {len(chart.differences)} metrics. The numbers follow."
    return Drawing(width, height, words, tuple(drawn))


def _difference(difference: Difference, x: Axis, y: float, width: int, digits: int) -> list[Html]:
    """One line of a forest at height `y`; on a narrow page its words stand above it."""
    narrow = width < 500
    tone = difference_tone(difference)
    words, edge = (y - 16, 0) if narrow else (y + 4, 4)
    value = interval_text(difference, digits)
    drawn = [
        element("text", fit(difference.metric, 22 if narrow else 32), x=edge, y=words, class_="strong"),
        element("text", value, x=width - edge, y=words, text_anchor="end", class_=f"value {tone}"),
    ]
    if math.isfinite(difference.value):
        if math.isfinite(difference.low) and math.isfinite(difference.high):
            ends = {"x1": x.at(difference.low), "x2": x.at(difference.high), "y1": y, "y2": y}
            drawn.append(element("line", class_=f"interval {tone}", **ends))
        drawn.append(tone_marker(tone, x.at(difference.value), y))
    return drawn


def difference_tone(difference: Difference) -> Tone:
    """ "good" or "bad" where the interval excludes 0, "unsure" where it does not."""
    if difference.tone is not None:
        return difference.tone
    if difference.low > 0 or difference.high < 0:
        return "good" if (difference.low > 0) == difference.higher_is_better else "bad"
    return "unsure"


def interval_text(difference: Difference, digits: int) -> str:
    """+2.1 [0.9, 3.4], without the ends where there are none"""
    value = number(float(difference.value), digits, signed=True)
    if math.isnan(difference.low) or math.isnan(difference.high):
        return "–" if math.isnan(difference.value) else value
    return f"{value} [{number(float(difference.low), digits)}, {number(float(difference.high), digits)}]"


def _busy(chart: Histogram) -> tuple[int, int]:
    """The range of bins that holds all pairs and the cuts, with a bin of air on each side."""
    bins = len(chart.edges) - 1
    used = [place for place in range(bins) if any(series.counts[place] for series in chart.series)]
    if not used:
        return 0, bins
    low, high = used[0], used[-1] + 1
    for mark in chart.marks:
        low = min(low, max((p for p in range(bins) if chart.edges[p] <= mark.value), default=0))
        high = max(high, min((p for p in range(1, bins + 1) if chart.edges[p] >= mark.value), default=bins))
    return max(low - 1, 0), min(high + 1, bins)
