"""Differences of many groups as bars to each side of 0: one in a table's cell, or all of them as a chart of its own.

    bar(change, span(changes))      -> an <svg> whose box is the whole span
    drawn_changes(changes, WIDE)    -> a Drawing with names, bars and numbers

Every bar of a table has the same span, so that they can be compared down the column.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from vlcorpus.report.axes import Axis, number, tick_text, ticks
from vlcorpus.report.drawing import Drawing, fit
from vlcorpus.report.markup import Html, element
from vlcorpus.report.measured import Change, Changes
from vlcorpus.report.model import Tone

Span = tuple[float, float]


def span(changes: Iterable[Change]) -> Span:
    """The least and the most that any bar or interval reaches; 0 lies between them."""
    ends = [end for one in changes for end in (one.difference, one.low, one.high) if end is not None]
    ends = [end for end in ends if math.isfinite(end)]
    low, high = min(0.0, *ends, 0.0), max(0.0, *ends, 0.0)
    return (low, high) if low < high else (-1.0, 1.0)


def tone(one: Change) -> Tone:
    """What is told apart from 0 has a colour."""
    if not one.marked or one.difference is None or one.difference == 0:
        return "unsure"
    return "good" if one.difference > 0 else "bad"


def bar(one: Change, reach: Span) -> Html:
    """A bar from 0 to the difference, and the interval of its end."""
    x = Axis(*reach, 0.0, 100.0)
    drawn = [element("line", x1=_part(x, 0), x2=_part(x, 0), y1=0, y2="100%", class_="nought")]
    if one.difference is not None:
        left, right = sorted((x.at(0), x.at(one.difference)))
        width = f"{max(right - left, 0.5):.1f}%"
        drawn.append(element("rect", x=f"{left:.1f}%", y="20%", width=width, height="60%", class_=f"fill {tone(one)}"))
    if one.low is not None and one.high is not None:
        ends = {"x1": _part(x, one.low), "x2": _part(x, one.high)}
        drawn.append(element("line", y1="50%", y2="50%", class_=f"reach {tone(one)}", **ends))
    return element("svg", *drawn, aria_hidden="true")


def _part(x: Axis, value: float) -> str:
    return f"{x.at(value):.1f}%"


def drawn_changes(chart: Changes, width: int) -> Drawing:
    """One line a group, those of `changes` first; a gap is said in words."""
    listed = [*chart.changes, *chart.last]
    reach = span(listed)
    room = (reach[1] - reach[0]) * 0.06
    step, top, bottom = 22, 8, 40
    left, right = 200, width - 170
    gap = step if chart.last else 0
    height = top + step * len(listed) + gap + bottom
    floor = height - bottom
    x = Axis(reach[0] - room, reach[1] + room, left, right)
    drawn: list[Html] = []
    for tick in ticks(x.low, x.high, 6):
        drawn.append(element("line", x1=x.at(tick), x2=x.at(tick), y1=top, y2=floor, class_="grid"))
        drawn.append(element("text", tick_text(tick), x=x.at(tick), y=floor + 16, text_anchor="middle"))
    drawn.append(element("line", x1=x.at(0), x2=x.at(0), y1=top, y2=floor, class_="zero"))
    label = fit(f"difference, {chart.unit}", 60)
    drawn.append(element("text", label, x=(left + right) / 2, y=height - 6, text_anchor="middle"))
    for place, one in enumerate(listed):
        y = top + step * (place + 0.5) + (gap if place >= len(chart.changes) else 0)
        drawn += _line(one, x, y, width)
    if chart.last:
        y = top + step * (len(chart.changes) + 0.5)
        drawn.append(element("text", fit(chart.gap, 90), x=width / 2, y=y + 4, text_anchor="middle"))
    words = f"{chart.title}: differences of {len(listed)} groups, in {chart.unit}."
    return Drawing(width, height, words, tuple(drawn))


def _line(one: Change, x: Axis, y: float, width: int) -> list[Html]:
    own = tone(one)
    drawn = [element("text", fit(one.name, 28), x=4, y=y + 4, class_="strong")]
    if one.difference is not None:
        start, end = sorted((x.at(0), x.at(one.difference)))
        size = {"width": max(end - start, 0.5), "height": 12}
        drawn.append(element("rect", x=start, y=y - 6, class_=f"fill {own}", **size))
    if one.low is not None and one.high is not None:
        drawn.append(element("line", x1=x.at(one.low), x2=x.at(one.high), y1=y, y2=y, class_=f"reach {own}"))
    words = interval(one.difference, one.low, one.high)
    drawn.append(element("text", words, x=width - 4, y=y + 4, text_anchor="end", class_=f"value {own}"))
    return drawn


def interval(value: float | None, low: float | None, high: float | None, digits: int = 1) -> str:
    """+2.1 [0.9, 3.4]; without the ends where there are none; a dash for nothing."""
    if value is None:
        return "–"
    words = number(float(value), digits, signed=True)
    if low is None or high is None:
        return words
    return f"{words} [{number(float(low), digits)}, {number(float(high), digits)}]"
