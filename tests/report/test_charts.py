"""Charts: well-formed, with finite coordinates, and honest about better and worse."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from tests.report.sample import report
from vlcorpus.report import charts
from vlcorpus.report import model as m
from vlcorpus.report.drawing import COLOURS, DASHES, NARROW, WIDE, marker


def numbers(svg: str) -> list[str]:
    drawn = [
        text
        for name in ("d", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy")
        for text in re.findall(f' {name}="([^"]*)"', svg)
    ]
    return re.findall(r"[A-Za-z]{2,}|-?\d+\.?\d*", " ".join(drawn))


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_every_chart_of_the_sample_is_well_formed_and_inside_its_box(width: int) -> None:
    drawers = {m.Histogram: charts.histogram, m.Curves: charts.curves, m.Forest: charts.forest}
    seen = 0
    for section in report().sections:
        if type(section) in drawers:
            svg = drawers[type(section)](section, width)  # type: ignore[operator]
            root = ElementTree.fromstring(svg)
            assert root.get("role") == "img" and root.get("aria-label")
            height = float(root.get("viewBox", "").split()[3])
            assert all(-10 <= float(value) <= max(width, height) for value in numbers(svg))
            seen += 1
    assert seen == 3


@pytest.mark.parametrize(
    ("low", "high", "higher", "tone"),
    [
        (1, 2, True, "good"),
        (-2, -1, True, "bad"),
        (1, 2, False, "bad"),
        (-2, -1, False, "good"),
        (-1, 2, True, "unsure"),
        (0, 2, True, "unsure"),
    ],
)
def test_tone_follows_the_interval_and_which_way_is_better(low: float, high: float, higher: bool, tone: str) -> None:
    assert charts.difference_tone(m.Difference("x", (low + high) / 2, low, high, higher)) == tone


def test_better_and_worse_differ_in_shape_and_sign_not_colour_alone() -> None:
    svg = charts.forest(m.Forest("f", (m.Difference("up", 2, 1, 3), m.Difference("down", -2, -3, -1))), WIDE)
    assert "+2.0 [1.0, 3.0]" in svg and "−2.0 [−3.0, −1.0]" in svg
    shapes = [re.sub(r"[\d. -]+", "#", d) for d in re.findall(r'<path d="([^"]*)"', svg)]
    marks = re.findall(r'<path d="M[\d.]+ ([\d.]+)L[\d.]+ ([\d.]+)', svg)
    assert len(shapes) == 2
    assert float(marks[0][0]) < float(marks[0][1]) and float(marks[1][0]) > float(marks[1][1])


def test_arms_differ_in_dash_and_marker() -> None:
    assert len(set(DASHES)) == COLOURS
    assert len({str(marker(place, 0, 0)).split("class")[0] for place in range(6)}) == 6


def test_empty_and_odd_numbers_draw_something() -> None:
    nan = float("nan")
    for width in (WIDE, NARROW):
        for svg in (
            charts.histogram(m.Histogram("h", (0.0, 0.5, 1.0), (m.Series("s", (0, 0)),), (m.Mark(0.3),)), width),
            charts.histogram(
                m.Histogram("h", (0.0, 0.5, 1.0), (m.Series("s", (3, 0)),), (m.Mark(7.0), m.Mark(-7.0, "below"))), width
            ),
            charts.curves(m.Curves("c", ()), width),
            charts.curves(m.Curves("c", (m.Arm("a", (m.Run(0, (), ()), m.Run(1, (1.0,), (nan,)))),)), width),
            charts.curves(m.Curves("c", (m.Arm("a", (m.Run(1, (5.0,), (0.5,)),)),)), width),
            charts.forest(m.Forest("f", ()), width),
            charts.forest(m.Forest("f", (m.Difference("x", nan, nan, nan), m.Difference("y", 0, 0, 0))), width),
        ):
            ElementTree.fromstring(svg)
            assert not any(value.lower() in ("nan", "inf") for value in numbers(svg))
