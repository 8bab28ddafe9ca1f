"""Numbers on paper."""

from __future__ import annotations

import math

import pytest

from vlcorpus.report.axes import Axis, mean_curve, number, share, tick_text, ticks


@pytest.mark.parametrize(
    ("low", "high", "about", "wanted"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-8, 46, 6, [0, 10, 20, 30, 40]),
        (0.13, 0.47, 4, [0.2, 0.3, 0.4]),
        (0, 10240, 4, [0, 5000, 10000]),
        (3, 3, 4, [3]),
        (math.nan, 1, 4, []),
    ],
)
def test_ticks(low: float, high: float, about: int, wanted: list[float]) -> None:
    assert ticks(low, high, about) == wanted


def test_written_numbers() -> None:
    assert [tick_text(v) for v in (0.25, -5, 20000, 1500000.0, 0)] == ["0.25", "−5", "20k", "1.5M", "0"]
    assert number(12345) == "12,345" and number(0.28149) == "0.281" and number(-6.44, 1, signed=True) == "−6.4"
    assert number(-0.004, 2) == "0.00" and number(-0.006, 2) == "−0.01" and number(-0.0, 1) == "0.0"
    assert number(2.1, 1, signed=True) == "+2.1" and number(float("nan")) == "n/a" and number(float("inf")) == "∞"
    assert share(1, 8) == "12.5 %" and share(0, 0) == "–"


def test_axis() -> None:
    assert Axis(0, 10, 100, 200).at(5) == 150 and Axis(0, 10, 200, 100).at(10) == 100 and Axis(3, 3, 7, 9).at(3) == 7


def test_mean_of_curves_with_other_points() -> None:
    xs, ys = mean_curve([((0, 10, 20), (0, 10, 20)), ((5, 15), (15, 25))])
    assert xs == [5, 10, 15] and ys == [10, 15, 20]
    assert mean_curve([]) == ([], []) and mean_curve([((), ())]) == ([], [])
