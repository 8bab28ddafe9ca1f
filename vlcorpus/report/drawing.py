"""What charts are drawn with: axes with their grid, marks that differ in shape, dashes, and a drawing of a given size.

    Drawing(760, 280, "Loss against samples seen", (grid(...), element("path", ...))).inline()   -> an <svg> for a page

Colours come from a style sheet by class (`s1`, `good`, ...), the page's or the file's own, so that dark mode and print
need no second drawing; arms and verdicts also differ in dash and marker, never in colour alone. Text is 12 units high.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vlcorpus.report.axes import Axis, tick_text, ticks
from vlcorpus.report.markup import Html, element, join, shown

WIDE, NARROW, SMALL = 760, 340, 250
COLOURS = 6
DASHES = (None, "6 3", "2 3", "8 3 2 3", "10 4", "1 3")


@dataclass(frozen=True)
class Drawing:
    """What is drawn in a box of `width` by `height`, and the words that stand for it."""

    width: int
    height: float
    words: str
    drawn: tuple[Html, ...]

    def inline(self) -> Html:
        return element(
            "svg",
            *self.drawn,
            class_="chart wide" if self.width >= 500 else "chart narrow",
            viewBox=f"0 0 {self.width} {self.height:.0f}",
            role="img",
            aria_label=self.words,
        )


def fit(text: str, cells: int) -> str:
    """At most `cells` columns of text: of what hides or reorders it written out, where wide letters take two."""
    text = shown(text)
    widths = [2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text]
    if sum(widths) <= cells:
        return text
    room, kept = cells - 1, 0
    while kept < len(text) and widths[kept] <= room:
        room -= widths[kept]
        kept += 1
    return text[:kept] + "…"


def colour(place: int) -> str:
    """Class of series number `place`."""
    return f"s{place % COLOURS + 1}"


def dash(place: int) -> str | None:
    """Series that share a colour have other dashes."""
    return DASHES[(place + place // COLOURS) % len(DASHES)]


def marker(place: int, x: float, y: float) -> Html:
    """The mark of arm number `place`: circle, square, triangle, diamond, triangle down, ring."""
    class_ = f"mark {colour(place)}"
    shape = (place + place // COLOURS) % COLOURS
    if shape in (0, 5):
        return element("circle", cx=x, cy=y, r=3.2 if shape == 0 else 3.6, class_=class_ + (" ring" if shape else ""))
    corners = {
        1: ((-3, -3), (3, -3), (3, 3), (-3, 3)),
        2: ((0, -4), (3.8, 3), (-3.8, 3)),
        3: ((0, -4.2), (4.2, 0), (0, 4.2), (-4.2, 0)),
        4: ((0, 4), (3.8, -3), (-3.8, -3)),
    }[shape]
    return element("path", d=polygon(x, y, corners), class_=class_)


def key(place: int, *, line: bool) -> Html:
    """The sample that stands for a series or an arm in a legend."""
    own = colour(place)
    drawn = [] if line else [element("path", d="M1 2H27V12H1Z", class_=f"area {own}")]
    drawn.append(
        element("path", d="M1 7H27" if line else "M1 12V2H27V12", class_=f"line {own}", stroke_dasharray=dash(place))
    )
    if line:
        drawn.append(marker(place, 14, 7))
    return element("svg", *drawn, class_="key", viewBox="0 0 28 14", width=28, height=14, aria_hidden="true")


def tone_marker(tone: str, x: float, y: float) -> Html:
    """A triangle up for "good", down for "bad", a ring for "unsure"."""
    if tone == "unsure":
        return element("circle", cx=x, cy=y, r=4.5, class_=f"mark {tone} ring")
    up = ((0, -6), (6, 5), (-6, 5))
    return element("path", d=polygon(x, y, up if tone == "good" else [(a, -b) for a, b in up]), class_=f"mark {tone}")


def polygon(x: float, y: float, corners: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x + a:.1f} {y + b:.1f}" for a, b in corners) + "Z"


def path(x: Axis, y: Axis, xs: Sequence[float], ys: Sequence[float]) -> str:
    points = [(a, b) for a, b in zip(xs, ys, strict=True) if math.isfinite(a) and math.isfinite(b)]
    return "M" + "L".join(f"{x.at(a):.1f} {y.at(b):.1f}" for a, b in points) if points else "M0 0"


def grid(
    x: Axis,
    y: Axis,
    x_label: str,
    y_label: str,
    width: int,
    height: int,
    bottom: int,
    x_ticks: Sequence[tuple[float, str]] | None = None,
) -> Html:
    """Lines at round values of y, ticks of x (round ones unless given), and what the axes are."""
    floor = height - bottom
    along = ticks(x.low, x.high, 4 if width < 500 else 8)
    lines: list[Html] = []
    for tick in ticks(y.low, y.high, 4):
        lines.append(element("line", x1=x.start, x2=x.end, y1=y.at(tick), y2=y.at(tick), class_="grid"))
        lines.append(element("text", tick_text(tick), x=x.start - 6, y=y.at(tick) + 4, text_anchor="end"))
    for tick, words in x_ticks if x_ticks is not None else [(tick, tick_text(tick)) for tick in along]:
        lines.append(element("line", x1=x.at(tick), x2=x.at(tick), y1=floor, y2=floor + 4, class_="tick"))
        lines.append(element("text", words, x=x.at(tick), y=floor + 17, text_anchor="middle"))
    lines.append(element("line", x1=x.start, x2=x.end, y1=floor, y2=floor, class_="tick"))
    lines.append(element("text", fit(x_label, 40), x=(x.start + x.end) / 2, y=height - 6, text_anchor="middle"))
    middle = (y.start + y.end) / 2
    lines.append(
        element(
            "text", fit(y_label, 30), x=10, y=middle, text_anchor="middle", transform=f"rotate(-90 10 {middle:.0f})"
        )
    )
    return join(*lines)
