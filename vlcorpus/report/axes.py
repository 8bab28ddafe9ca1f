"""Numbers on paper: where the ticks go, how a number is written, where a value lies on the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

MINUS = "\u2212"


@dataclass(frozen=True)
class Axis:
    """A straight line from value `low` at page position `start` to `high` at `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        span = self.high - self.low
        return self.start if span == 0 else self.start + (value - self.low) / span * (self.end - self.start)


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round values in [low, high], some `about` of them, 1, 2 or 5 times a power of ten apart."""
    if not math.isfinite(low) or not math.isfinite(high) or high <= low:
        return [low] if math.isfinite(low) else []
    rough = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def tick_text(value: float) -> str:
    """A tick as short as can be: 0.25, −5, 20k, 1.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}".replace("-", MINUS)
    return f"{value:g}".replace("-", MINUS)


def number(value: float | int, digits: int = 3, *, signed: bool = False) -> str:
    """12,345 · 0.281 · +2.1 · −0.4 (with a true minus sign) · n/a for what is not a number."""
    if isinstance(value, float) and not math.isfinite(value):
        return "n/a" if math.isnan(value) else "∞" if value > 0 else f"{MINUS}∞"
    text = f"{value:,}" if isinstance(value, int) else f"{value:,.{digits}f}"
    if text.startswith("-") and not text.strip("-0.,"):
        text = text[1:]
    if signed and value > 0:
        text = "+" + text
    return text.replace("-", MINUS)


def share(part: int, whole: int) -> str:
    """12.3 %, or a dash where there is no whole."""
    return f"{100 * part / whole:.1f} %" if whole else "–"


def mean_curve(curves: Sequence[tuple[Sequence[float], Sequence[float]]]) -> tuple[list[float], list[float]]:
    """The mean of curves (xs ascending, ys) where all of them have a value, each straight between its points."""
    curves = [(xs, ys) for xs, ys in curves if len(xs)]
    if not curves:
        return [], []
    low, high = max(xs[0] for xs, _ in curves), min(xs[-1] for xs, _ in curves)
    places = sorted({x for xs, _ in curves for x in xs if low <= x <= high})
    return places, [sum(_between(xs, ys, x) for xs, ys in curves) / len(curves) for x in places]


def _between(xs: Sequence[float], ys: Sequence[float], x: float) -> float:
    for place in range(1, len(xs)):
        if x <= xs[place]:
            left, right = xs[place - 1], xs[place]
            part = 0.0 if right == left else (x - left) / (right - left)
            return ys[place - 1] + part * (ys[place] - ys[place - 1])
    return ys[-1]
