"""A chart as an SVG file of its own, for a paper, a slide or a README.

    figure("Filtered against raw", drawn_forest(chart, WIDE), legend=(("tone", "good", "better"),))   -> bytes

It asks for nothing outside, carries its colours and fonts, has a title and a description for the ear, and paints its
own ground: light, or dark where it is shown on a dark screen. Colours are written out, since some programs that turn
SVG into PDF know no variables.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from vlcorpus.report.drawing import Drawing, fit, key, tone_marker
from vlcorpus.report.markup import Html, element
from vlcorpus.report.style import CHART_RULES, palette

Legend = Sequence[tuple[str | int, str]]
"""(tone, words), or (number of the series, its name)"""

MARGIN = 14
TONES: Legend = (("good", "better"), ("bad", "worse"), ("unsure", "no difference shown"))


def figure(title: str, drawing: Drawing, legend: Legend = ()) -> bytes:
    """The file: title, legend, chart, one below the other."""
    drawn: list[Html] = [element("text", fit(title, 90), x=0, y=14, class_="title")]
    top = 34
    if legend:
        marks, top = _legend(legend, drawing.width, top)
        drawn += marks
    chart = element("g", *drawing.drawn, transform=f"translate(0 {top})")
    width, height = drawing.width + 2 * MARGIN, round(top + drawing.height + 2 * MARGIN)
    whole = element(
        "svg",
        element("title", fit(title, 200), id="title"),
        element("desc", fit(drawing.words, 600), id="desc"),
        element("style", Html(style())),
        element("rect", width=width, height=height, class_="ground"),
        element("g", *drawn, chart, transform=f"translate({MARGIN} {MARGIN})"),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_labelledby="title desc",
    )
    return (whole + "\n").encode("utf-8")


def _legend(legend: Legend, width: int, top: int) -> tuple[list[Html], int]:
    """Marks and names in lines of at most `width`, and where the chart may begin."""
    made: list[Html] = []
    x, y = 0, top
    for mark, words in legend:
        words = fit(words, 40)
        room = 44 + 7 * sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in words)
        if x and x + room > width:
            x, y = 0, y + 20
        sample = key(mark, line=True) if isinstance(mark, int) else tone_marker(mark, 14, 7)
        made.append(element("g", sample, transform=f"translate({x} {y - 11})"))
        made.append(element("text", words, x=x + 34, y=y))
        x += room
    return made, y + 16


def style() -> str:
    """The chart's rules in plain colours, light and dark."""
    own = CHART_RULES + "svg text.title{font-size:15px;font-weight:650;fill:var(--ink)}.ground{fill:var(--paper)}"
    rules = own.replace("\n", "")
    light, dark = (_plain(rules, palette(is_dark)) for is_dark in (False, True))
    return light + f"@media screen and (prefers-color-scheme:dark){{{dark}}}"


def _plain(rules: str, colours: dict[str, str]) -> str:
    return re.sub(r"var\((--[\w-]+)\)", lambda found: colours[found[1]], rules)


def file_name(text: str, taken: Sequence[str] = ()) -> str:
    """A name for a file, of letters, digits and dashes; another one where it is taken."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9]+", "-", plain).strip("-").lower()[:48] or "arm"
    place = 2
    made = name
    while made in taken:
        made, place = f"{name}-{place}", place + 1
    return made
