"""Histograms of columns that are read shard by shard: the range first, then counts in fixed bins.

    span = Span();  span.see(values) of every shard           least, greatest, how many
    edges = edges_for(span, sample, marks=[0.28])              61 edges, one of them at 0.28
    bins = Bins(edges, series=2);  bins.see(values, series)    of every shard
    bins.counts                                                int64 (2, 60)

Values beyond the edges count in the outermost bins (`below`, `above` say how many), so that one image of 30,000 pixels
does not squeeze all others into one bin. Memory does not grow with the rows. Cost: 12 ns a value for both passes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 60
TAIL = 0.001
"""Share of a sample that may lie beyond the edges on either side."""
MUCH = 2.0
"""How many times longer the whole range must be before its tails are left out."""

Numbers = npt.NDArray[np.generic]
Float64s = npt.NDArray[np.float64]


@dataclass
class Span:
    """The range of the finite values seen; whole: all of them whole numbers so far, by their type."""

    low: float = math.inf
    high: float = -math.inf
    rows: int = 0
    whole: bool = True

    def see(self, values: Numbers) -> None:
        """values: (N,) finite numbers."""
        if len(values):
            self.low, self.high = min(self.low, float(values.min())), max(self.high, float(values.max()))
            self.rows += len(values)
            self.whole = self.whole and bool(np.issubdtype(values.dtype, np.integer))


def edges_for(span: Span, sample: Float64s, marks: Sequence[float] = (), bins: int = BINS) -> Float64s:
    """Ascending edges, at most `bins` + 3, that hold the sample but for its tails, and the marks near it. One edge is
    at the first of these, so that no bin lies on both sides of it: give marks in the precision of the values. Whole
    numbers are in the middle of a bin.

    sample: some of the values, by which the tails are found; finite. A mark further away than the range is long is
    left out: it would squeeze the values into a few bins.
    """
    if not span.rows:
        return np.array([0.0, 1.0])
    low, high = span.low, span.high
    if len(sample):
        inner_low, inner_high = (float(each) for each in np.quantile(sample, [TAIL, 1 - TAIL]))
        if high - low > MUCH * (inner_high - inner_low) > 0:
            low, high = inner_low, inner_high
    reach = high - low
    if not math.isfinite(reach):
        return np.array([low, high])
    near = [mark for mark in marks if low - reach <= mark <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    if span.whole:
        return _whole_edges(low, high, near, bins)
    width = (high - low) / bins
    if width <= max(abs(low), abs(high), 1e-300) * 1e-12:  # one value, or as good as one
        return np.array([low, low + max(abs(low) * 1e-6, 1e-6)])
    start = low if not near else near[0] - math.ceil((near[0] - low) / width - 1e-9) * width
    count = math.ceil((high - start) / width - 1e-9)
    count += bool(near) and start + count * width <= near[0] + width / 2  # what equals it stands beyond it
    found: Float64s = start + width * np.arange(count + 1, dtype=np.float64)
    if near:
        found[round((near[0] - start) / width)] = near[0]
    return found


def _whole_edges(low: float, high: float, near: Sequence[float], bins: int) -> Float64s:
    """Edges half a step below whole numbers, a whole number of them in each bin."""
    width = max(1, math.ceil((math.floor(high) - math.floor(low) + 1) / bins))
    anchor = math.ceil(near[0]) if near else math.floor(low)
    start = anchor - math.ceil((anchor - math.floor(low)) / width) * width
    count = max(1, math.ceil((math.floor(high) - start + 1) / width))
    found: Float64s = start - 0.5 + width * np.arange(count + 1, dtype=np.float64)
    return found


class Bins:
    """counts: int64 (series, bins); below, above: of them, the values beyond the edges."""

    def __init__(self, edges: Float64s, series: int) -> None:
        self.edges = edges
        self.counts = np.zeros((series, len(edges) - 1), np.int64)
        self.below = self.above = 0

    def see(self, values: Numbers, series: npt.NDArray[np.generic]) -> None:
        """values: (N,) finite numbers; series: (N,) the number of each one's series, or bools."""
        if not len(values):
            return
        bins = self.counts.shape[1]
        # float64: a float32 that equals an edge must not fall into the bin below it
        place = np.searchsorted(self.edges, values.astype(np.float64), side="right") - 1
        self.below += int((place < 0).sum())
        self.above += int((values > self.edges[-1]).sum())
        place = np.clip(place, 0, bins - 1)
        flat = np.bincount(series.astype(np.int64) * bins + place, minlength=self.counts.size)
        self.counts += flat.reshape(self.counts.shape)
