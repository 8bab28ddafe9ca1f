"""How the rows of a decision are divided before any is drawn: kept and dropped, and each by its score.

    survey = Survey()
    for shard in ...: survey.add(keep, x)             first pass: how many rows have which score
    frame = survey.frame(strata=10, cut=0.28)         edges, and the thresholds of the curve
    frame.stratum(keep, x), frame.place(x)            where a row belongs

x is the score such that more of it is nearer to being kept (the negative score where a decision keeps low ones), NaN
where a row has none. Kept and dropped rows have half of the strata each, at quantiles of their own; rows without a
score are a stratum of their own on either side. Thresholds are rounded to as many digits as their spread is worth, so
that a person can type them.

Cost: 4 MiB whatever the number of rows, since scores are counted in 2^18 cells of float32 (a 512th of a power of two
wide); 20 ns a row.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlcorpus.errors import UsageError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

STRATA = 10
STEPS = 20
"""Thresholds of the curve on either side of the cut, at equal shares of the rows."""
_BITS = 18
_CELLS = 1 << _BITS
_LEVELS = 200
"""Rounding leaves at least this many levels between the lowest and the highest threshold."""


@dataclass(frozen=True)
class Frame:
    """kept_edges and dropped_edges: where one stratum of a side ends and the next begins, ascending x; a row at an edge
    belongs above it. thresholds: ascending x, those of the curve, of which the edges are some."""

    kept_edges: Floats
    dropped_edges: Floats
    thresholds: Floats

    @property
    def kept(self) -> int:
        """Number of strata of kept rows; the last is that of rows without a score. They go before the dropped ones."""
        return len(self.kept_edges) + 2

    @property
    def strata(self) -> int:
        return self.kept + len(self.dropped_edges) + 2

    def stratum(self, keep: Bools, x: Floats) -> Ints:
        """The number of each row's stratum: kept from low to high x, kept without x, dropped likewise."""
        there = ~np.isnan(x)
        kept = np.where(there, np.searchsorted(self.kept_edges, x, side="right"), self.kept - 1)
        below = np.searchsorted(self.dropped_edges, x, side="right")
        dropped = self.kept + np.where(there, below, self.strata - self.kept - 1)
        return np.where(keep, kept, dropped).astype(np.int64)

    def place(self, x: Floats) -> Ints:
        """How many thresholds each row reaches; -1 where it has no score."""
        return np.where(np.isnan(x), -1, np.searchsorted(self.thresholds, x, side="right")).astype(np.int64)

    def bounds(self, stratum: int) -> tuple[bool, float | None, float | None]:
        """(kept, x from, x below) of a stratum; None where it has no end, and both where its rows have no score."""
        kept = stratum < self.kept
        edges = self.kept_edges if kept else self.dropped_edges
        number = stratum - (0 if kept else self.kept)
        if number > len(edges):
            return kept, None, None
        low = float(edges[number - 1]) if number else None
        return kept, low, float(edges[number]) if number < len(edges) else None

    def scored(self, stratum: int) -> bool:
        """Whether the rows of a stratum have a score."""
        return stratum not in (self.kept - 1, self.strata - 1)

    def nearness(self, *, cut: bool) -> Floats:
        """What a row of each stratum is worth beside another: 2 next to the cut, falling to 1 away from it, where the
        decision is made by the score (`cut`) and labels are expected to differ most there; 1 without a score."""
        found = np.ones(self.strata)
        if cut:
            found[: self.kept - 1] = np.linspace(2, 1, self.kept - 1) if self.kept > 2 else 1
            rest = self.strata - self.kept - 1
            found[self.kept : self.strata - 1] = np.linspace(1, 2, rest) if rest > 1 else 1
        return found


class Survey:
    """Counts rows by verdict and score, shard by shard, in any order."""

    def __init__(self) -> None:
        self._counts = np.zeros((2, _CELLS), dtype=np.int64)
        self.kept = self.dropped = 0

    @property
    def rows(self) -> int:
        return self.kept + self.dropped

    def add(self, keep: Bools, x: Floats) -> None:
        """keep (N,), x (N,): rows of the population."""
        self.kept += int(np.count_nonzero(keep))
        self.dropped += int(np.count_nonzero(~keep))
        there = ~np.isnan(x)
        for side in (0, 1):
            cells = _cell(x[there & (keep == bool(side))])
            self._counts[side] += np.bincount(cells, minlength=_CELLS)

    def frame(self, *, strata: int = STRATA, cut: float | None = None) -> Frame:
        """Edges for about so many strata of rows with a score, half on either side. UsageError below 2."""
        if strata < 2:
            raise UsageError(f"{strata} strata: kept and dropped are two", "--strata 2 or more")
        digits = self._digits(cut)
        edges = [self._quantiles(side, each, digits) for side, each in ((1, (strata + 1) // 2), (0, strata // 2))]
        curve = [self._quantiles(side, STEPS, digits) for side in (1, 0)]
        exact = [] if cut is None else [cut]
        return Frame(edges[0], edges[1], np.unique(np.concatenate([*edges, *curve, exact])))

    def _quantiles(self, side: int, parts: int, digits: int) -> Floats:
        """Rounded x at equal shares of a side's rows, ascending, each once; none at or below the lowest x."""
        sums = np.cumsum(self._counts[side])
        total = int(sums[-1])
        if not total:
            return np.zeros(0)
        wanted = [-(-total * part // parts) for part in range(1, parts)]
        values = np.round(_lowest(np.searchsorted(sums, wanted)), digits) + 0.0
        least = _lowest(np.searchsorted(sums, [1]))[0]
        return np.unique(values[values > least])

    def _digits(self, cut: float | None) -> int:
        """Decimals that leave enough levels between the tenth and the ninetieth of a hundred rows."""
        sums = np.cumsum(self._counts.sum(axis=0))
        total = int(sums[-1])
        if not total:
            return 0
        low, high = _lowest(np.searchsorted(sums, [-(-total // 10), -(-total * 9 // 10)]))
        spread = max(float(high - low), abs(float(high)) * 1e-6)
        return math.ceil(math.log10(_LEVELS / spread)) if spread > 0 else 0


def _cell(x: Floats) -> Ints:
    """Cells in the order of the numbers, from the first bits of float32."""
    bits = x.astype(np.float32).view(np.uint32)
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (ordered >> np.uint32(32 - _BITS)).astype(np.int64)


def _lowest(cells: NDArray[np.integer[Any]]) -> Floats:
    """The least number of a cell."""
    ordered = cells.astype(np.uint32) << np.uint32(32 - _BITS)
    bits = np.where(ordered >> 31, ordered ^ np.uint32(1 << 31), ~ordered).astype(np.uint32)
    return bits.view(np.float32).astype(np.float64)
