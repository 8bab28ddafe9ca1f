"""Lines with the bands of their intervals, as a metric over the share that is kept.

    drawn_bands(Bands("Accuracy", bands, "pairs kept, %", "top-1, %"), WIDE).inline()

Each line has a colour, a dash and a mark of its own; faint dots are single runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from vlcorpus.report.axes import Axis, number, tick_text, ticks
from vlcorpus.report.drawing import Drawing, colour, dash, grid, marker, path
from vlcorpus.report.markup import Html, element
from vlcorpus.report.measured import Band, Bands, Point

APART = 30  # units between two ticks of x, at least


def drawn_bands(chart: Bands, width: int) -> Drawing:
    """Bands first, then levels, then lines, then marks: nothing that matters is covered."""
    height = 170 if chart.small else 320
    left, right, top, bottom = 46, 18, 18, 42
    points = [point for band in chart.bands for point in band.points]
    levels = [band.level for band in chart.bands if band.level is not None]
    ends = [end for point in points for end in (point.low, point.mean, point.high, *point.runs) if end is not None]
    ends = [end for end in (*ends, *levels) if math.isfinite(end)] or [0.0, 1.0]
    low, high = min(ends), max(ends)
    room = (high - low) * 0.08 or 0.05
    floor = 0.0 if 0 <= low < (high - low) * 0.5 else low - room
    places = sorted({_scaled(chart, point.x) for point in points}) or [0.0, 1.0]
    air = (places[-1] - places[0]) * 0.03 or 0.5
    x = Axis(places[0] - air, places[-1] + air, left, width - right)
    y = Axis(floor, high + room, height - bottom, top)
    label = "" if chart.small else chart.y_label
    drawn = [grid(x, y, chart.x_label, label, width, height, bottom, _ticks(chart, x, points))]
    drawn += [_area(chart, band, x, y, place) for place, band in enumerate(chart.bands)]
    for place, band in enumerate(chart.bands):
        if band.level is not None and math.isfinite(band.level):
            here = y.at(band.level)
            drawn.append(element("line", x1=x.start, x2=x.end, y1=here, y2=here, class_=f"level {colour(place)}"))
    for place, band in enumerate(chart.bands):
        drawn += _line(chart, band, x, y, place)
    if chart.level_name and levels and not chart.small:
        drawn.append(_level_name(chart, levels, x, y))
    drawn += _best(chart, x, y)
    names = ", ".join(band.name for band in chart.bands)
    return Drawing(
        width, height, f"{chart.y_label} against {chart.x_label} for {names}. The numbers follow.", (*drawn,)
    )


def _scaled(chart: Bands, value: float) -> float:
    return math.log10(value) if chart.logarithmic and value > 0 else value


def _ticks(chart: Bands, x: Axis, points: Sequence[Point]) -> list[tuple[float, str]]:
    """The values of x that were tried, where they are few and apart; else round ones."""
    tried = sorted({point.x for point in points}, reverse=True)
    if not chart.logarithmic and len(tried) > 12:
        return [(tick, tick_text(tick)) for tick in ticks(x.low, x.high, 6)]
    kept: list[tuple[float, str]] = []
    for value in tried:
        here = _scaled(chart, value)
        if not kept or abs(x.at(kept[-1][0]) - x.at(here)) >= APART:
            kept.append((here, tick_text(float(f"{value:.3g}"))))
    return kept


def _area(chart: Bands, band: Band, x: Axis, y: Axis, place: int) -> Html:
    there = [p for p in band.points if p.low is not None and p.high is not None]
    outline = [(_scaled(chart, p.x), p.high) for p in there] + [(_scaled(chart, p.x), p.low) for p in reversed(there)]
    corners = [f"{x.at(a):.1f} {y.at(b):.1f}" for a, b in outline if b is not None]
    return element("path", d="M" + "L".join(corners) + "Z" if corners else "M0 0", class_=f"area {colour(place)}")


def _line(chart: Bands, band: Band, x: Axis, y: Axis, place: int) -> list[Html]:
    xs = [_scaled(chart, point.x) for point in band.points]
    ys = [point.mean for point in band.points]
    own = colour(place)
    drawn = [element("path", d=path(x, y, xs, ys), class_=f"line {own}", stroke_dasharray=dash(place))]
    for at, point in zip(xs, band.points, strict=True):
        for run in point.runs if not chart.small else ():
            drawn.append(element("circle", cx=x.at(at), cy=y.at(run), r=1.8, class_=f"run {own}"))
        drawn.append(marker(place, x.at(at), y.at(point.mean)))
    return drawn


def _level_name(chart: Bands, levels: Sequence[float], x: Axis, y: Axis) -> Html:
    words = chart.level_name + (f" {number(float(levels[0]), chart.digits)}" if len(set(levels)) == 1 else "")
    return element("text", words, x=x.start + 4, y=y.at(levels[0]) - 6, class_="strong")


def _best(chart: Bands, x: Axis, y: Axis) -> list[Html]:
    drawn = []
    for band, place in chart.best:
        point = chart.bands[band].points[place]
        here, there = x.at(_scaled(chart, point.x)), y.at(point.mean)
        drawn.append(element("circle", cx=here, cy=there, r=8, class_="best"))
        if not chart.small:
            late = here > (x.start + x.end) / 2
            words = f"best {number(float(point.mean), chart.digits)}"
            side = {"x": here + (-13 if late else 13), "y": there - 9, "text_anchor": "end" if late else "start"}
            drawn.append(element("text", words, class_="strong", **side))
    return drawn
