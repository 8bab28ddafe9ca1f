"""Charts as inline SVG: a histogram, learning curves, a forest plot, bars of rates.

Colours come from the page's style sheet by class (`s1`, `good`, …), so that dark mode and print need no second drawing;
arms and verdicts also differ in dash and marker, never in colour alone. Each chart is drawn for a wide and a narrow
page: `width` is in the units of its view box, and text is 12 of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from vlcorpus.report.axes import Axis, mean_curve, number, tick_text, ticks
from vlcorpus.report.markup import Html, element, join, shorten
from vlcorpus.report.model import Curves, Difference, Forest, Histogram, Mark, Rate

WIDE, NARROW = 760, 340
COLOURS = 6
MARKERS = 12  # on a line; more of them hide it
DASHES = (None, "6 3", "2 3", "8 3 2 3", "10 4", "1 3")

Tone = str


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
    drawn = [_grid(x, y, chart.x_label, "pairs", width, height, bottom)]
    for place, series in enumerate(chart.series):
        outline = f"M{x.at(edges[0]):.1f} {y.at(0):.1f}"
        for bin_, count in enumerate(series.counts[first:last]):
            outline += f"V{y.at(count):.1f}H{x.at(edges[bin_ + 1]):.1f}"
        colour = f"s{place % COLOURS + 1}"
        drawn.append(element("path", d=outline + f"V{y.at(0):.1f}Z", class_=f"area {colour}"))
        drawn.append(element("path", d=outline, class_=f"line {colour}", stroke_dasharray=DASHES[place % len(DASHES)]))
    for place, mark in enumerate(sorted(chart.marks, key=lambda mark: mark.value)):
        drawn += _mark(mark, x, 14 + 15 * place, height - bottom, width, among=edges)
    total = ", ".join(f"{series.name}: {sum(series.counts):,} pairs" for series in chart.series)
    return _svg(width, height, f"Histogram of {chart.x_label}. {total}.", drawn)


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
    """A faint line for each seed and a strong one with markers for the mean of each arm."""
    height, left, right, top, bottom = 280, 46, 14, 14, 42
    points = [(x, y) for arm in chart.arms for run in arm.runs for x, y in zip(run.samples, run.values, strict=True)]
    points = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)] or [(0.0, 0.0), (1.0, 1.0)]
    low, high = min(y for _, y in points), max(y for _, y in points)
    room = (high - low) * 0.05 or 0.05
    floor = 0.0 if 0 <= low < (high - low) * 0.5 else low - room
    x = Axis(min(x for x, _ in points), max(x for x, _ in points), left, width - right)
    y = Axis(floor, high + room, height - bottom, top)
    drawn = [_grid(x, y, chart.x_label, chart.y_label, width, height, bottom)]
    for place, arm in enumerate(chart.arms):
        colour, dash = f"s{place % COLOURS + 1}", DASHES[place % len(DASHES)]
        drawn += [element("path", d=_path(x, y, run.samples, run.values), class_=f"seed {colour}") for run in arm.runs]
        xs, ys = mean_curve([(run.samples, run.values) for run in arm.runs])
        drawn.append(element("path", d=_path(x, y, xs, ys), class_=f"line {colour}", stroke_dasharray=dash))
        every = max(1, -(-len(xs) // MARKERS))
        marked = [(a, b) for a, b in zip(xs, ys, strict=True) if math.isfinite(b)][::every]
        drawn += [marker(place, x.at(a), y.at(b)) for a, b in marked]
    names = ", ".join(arm.name for arm in chart.arms)
    return _svg(width, height, f"{chart.y_label} against {chart.x_label} for {names}. The numbers follow.", drawn)


def forest(chart: Forest, width: int) -> Html:
    """One line for each metric: its interval, its value, and whether that is better, worse or neither."""
    narrow = width < 500
    step, top, bottom = (50, 8, 40) if narrow else (34, 8, 40)
    left, right = (10, width - 10) if narrow else (230, width - 190)
    height = top + step * len(chart.differences) + bottom
    ends = [end for difference in chart.differences for end in (difference.low, difference.high, difference.value)]
    ends = [end for end in ends if math.isfinite(end)] or [-1.0, 1.0]
    low, high = min(0.0, *ends), max(0.0, *ends)
    room = (high - low) * 0.06 or 1.0
    x = Axis(low - room, high + room, left, right)
    drawn: list[Html] = []
    floor = height - bottom
    for tick in ticks(x.low, x.high, 4 if narrow else 6):
        drawn.append(element("line", x1=x.at(tick), x2=x.at(tick), y1=top, y2=floor, class_="grid"))
        drawn.append(element("text", tick_text(tick), x=x.at(tick), y=floor + 16, text_anchor="middle"))
    drawn.append(element("line", x1=x.at(0), x2=x.at(0), y1=top, y2=floor, class_="zero"))
    drawn.append(element("text", f"difference, {chart.unit}", x=(left + right) / 2, y=height - 6, text_anchor="middle"))
    for place, difference in enumerate(chart.differences):
        tone = difference_tone(difference)
        y = top + step * place + (34 if narrow else step / 2)
        words = y - 16 if narrow else y + 4
        value = interval_text(difference, chart.digits)
        drawn.append(
            element(
                "text", shorten(difference.metric, 22 if narrow else 32), x=0 if narrow else 4, y=words, class_="strong"
            )
        )
        drawn.append(
            element("text", value, x=width - (0 if narrow else 4), y=words, text_anchor="end", class_=f"value {tone}")
        )
        if all(math.isfinite(end) for end in (difference.low, difference.high, difference.value)):
            drawn.append(
                element(
                    "line", x1=x.at(difference.low), x2=x.at(difference.high), y1=y, y2=y, class_=f"interval {tone}"
                )
            )
            drawn.append(_tone_marker(tone, difference.value, x.at(difference.value), y))
    return _svg(
        width, height, f"Differences with intervals for {len(chart.differences)} metrics. The numbers follow.", drawn
    )


def difference_tone(difference: Difference) -> Tone:
    """ "good" or "bad" where the interval excludes 0, "unsure" where it does not."""
    if difference.low > 0 or difference.high < 0:
        return "good" if (difference.low > 0) == difference.higher_is_better else "bad"
    return "unsure"


def interval_text(difference: Difference, digits: int) -> str:
    """+2.1 [0.9, 3.4]"""
    low, high = number(float(difference.low), digits), number(float(difference.high), digits)
    return f"{number(float(difference.value), digits, signed=True)} [{low}, {high}]"


def marker(place: int, x: float, y: float) -> Html:
    """The mark of arm number `place`: circle, square, triangle, diamond, triangle down, ring."""
    class_ = f"mark s{place % COLOURS + 1}"
    shape = place % COLOURS
    if shape in (0, 5):
        return element("circle", cx=x, cy=y, r=3.2 if shape == 0 else 3.6, class_=class_ + (" ring" if shape else ""))
    corners = {
        1: ((-3, -3), (3, -3), (3, 3), (-3, 3)),
        2: ((0, -4), (3.8, 3), (-3.8, 3)),
        3: ((0, -4.2), (4.2, 0), (0, 4.2), (-4.2, 0)),
        4: ((0, 4), (3.8, -3), (-3.8, -3)),
    }[shape]
    return element("path", d=_polygon(x, y, corners), class_=class_)


def key(place: int, *, line: bool) -> Html:
    """The sample that stands for a series or an arm in a legend."""
    colour, dash = f"s{place % COLOURS + 1}", DASHES[place % len(DASHES)]
    drawn = [] if line else [element("path", d="M1 2H27V12H1Z", class_=f"area {colour}")]
    drawn.append(
        element("path", d="M1 7H27" if line else "M1 12V2H27V12", class_=f"line {colour}", stroke_dasharray=dash)
    )
    if line:
        drawn.append(marker(place, 14, 7))
    return element("svg", *drawn, class_="key", viewBox="0 0 28 14", width=28, height=14, aria_hidden="true")


def _tone_marker(tone: Tone, value: float, x: float, y: float) -> Html:
    if tone == "unsure":
        return element("circle", cx=x, cy=y, r=4.5, class_=f"mark {tone} ring")
    up = ((0, -6), (6, 5), (-6, 5))
    return element("path", d=_polygon(x, y, up if tone == "good" else [(a, -b) for a, b in up]), class_=f"mark {tone}")


def _polygon(x: float, y: float, corners: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x + a:.1f} {y + b:.1f}" for a, b in corners) + "Z"


def _path(x: Axis, y: Axis, xs: Sequence[float], ys: Sequence[float]) -> str:
    points = [(a, b) for a, b in zip(xs, ys, strict=True) if math.isfinite(a) and math.isfinite(b)]
    return "M" + "L".join(f"{x.at(a):.1f} {y.at(b):.1f}" for a, b in points) if points else "M0 0"


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


def _grid(x: Axis, y: Axis, x_label: str, y_label: str, width: int, height: int, bottom: int) -> Html:
    floor = height - bottom
    lines: list[Html] = []
    for tick in ticks(y.low, y.high, 4):
        lines.append(element("line", x1=x.start, x2=x.end, y1=y.at(tick), y2=y.at(tick), class_="grid"))
        lines.append(element("text", tick_text(tick), x=x.start - 6, y=y.at(tick) + 4, text_anchor="end"))
    for tick in ticks(x.low, x.high, 4 if width < 500 else 8):
        lines.append(element("line", x1=x.at(tick), x2=x.at(tick), y1=floor, y2=floor + 4, class_="tick"))
        lines.append(element("text", tick_text(tick), x=x.at(tick), y=floor + 17, text_anchor="middle"))
    lines.append(element("line", x1=x.start, x2=x.end, y1=floor, y2=floor, class_="tick"))
    lines.append(element("text", shorten(x_label, 40), x=(x.start + x.end) / 2, y=height - 6, text_anchor="middle"))
    middle = (y.start + y.end) / 2
    lines.append(
        element(
            "text", shorten(y_label, 30), x=10, y=middle, text_anchor="middle", transform=f"rotate(-90 10 {middle:.0f})"
        )
    )
    return join(*lines)


def _svg(width: int, height: float, words: str, drawn: Iterable[Html]) -> Html:
    return element(
        "svg",
        *drawn,
        class_="chart wide" if width >= 500 else "chart narrow",
        viewBox=f"0 0 {width} {height:.0f}",
        role="img",
        aria_label=words,
    )
