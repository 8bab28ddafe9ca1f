"""Rows and kept rows of each value of a column of texts (languages, domains), of however many values.

    counts = Counts()
    counts.look(texts, keep) of every shard      how large each of 2^20 buckets of values is, and the values themselves
    counts.settled                               whether there were few enough of them: all are counted
    counts.see(texts, keep) of every shard       otherwise a second pass: the values in large buckets
    counts.most(20)                              [Rate("example.com", rows=81_231, kept=20_114), ...]

A web corpus may have millions of domains and needs the largest few. A value cannot have more rows than its bucket, so
all values with more rows than the largest bucket left out (`exact_above`) are counted, and exactly. Memory: 8 MiB, and
300,000 names at the most in the first pass, those of 20,000 buckets in the second.

Intervals are Wilson's (Journal of the American Statistical Association 22, 1927): the share that is kept, were these
rows a draw from such rows.

Cost: 0.5 us for every different value of a shard; little for its rows.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BUCKETS = 1 << 20
CHOSEN = 20_000
NAMES = 300_000
NORMAL = 1.959964
"""Of 95 %"""

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Rate:
    """name None: the rows without a value."""

    name: str | None
    rows: int
    kept: int

    @property
    def share(self) -> float:
        return self.kept / self.rows if self.rows else math.nan

    def interval(self) -> tuple[float, float]:
        return wilson(self.kept, self.rows)


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share; 0 and 1 of no rows."""
    if not rows:
        return 0.0, 1.0
    z2 = NORMAL**2
    middle = (hits + z2 / 2) / (rows + z2)
    half = NORMAL / (rows + z2) * math.sqrt(hits * (rows - hits) / rows + z2 / 4)
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    return low, 1.0 if hits == rows else min(1.0, middle + half)


class Counts:
    """One pass, or two over the same rows, in any order. buckets: a power of two; names: how many different values one
    pass can count; chosen: how many buckets the second looks into."""

    def __init__(self, buckets: int = BUCKETS, chosen: int = CHOSEN, names: int = NAMES) -> None:
        self._mask = buckets - 1
        self._sizes = np.zeros(buckets, np.int64)
        self._chosen = chosen
        self._most_names = names
        self._wanted: Bools | None = None
        self._names: dict[str, list[int]] = {}
        self._missing = [0, 0]
        self.settled = True
        self.exact_above = 0

    def look(self, texts: pa.Array, keep: Bools) -> None:
        """texts: strings, null where there is none; keep: (N,)."""
        names, rows, kept, missing = _counted(texts, keep)
        np.add.at(self._sizes, self._buckets(names), rows)
        self._missing = [before + more for before, more in zip(self._missing, missing, strict=True)]
        if self.settled:
            self._add(names, rows, kept, range(len(names)))
            if len(self._names) > self._most_names:
                self.settled, self._names = False, {}

    def see(self, texts: pa.Array, keep: Bools) -> None:
        """The same rows again; needed where `look` has not settled it."""
        if self._wanted is None:
            self._choose()
        assert self._wanted is not None
        names, rows, kept, _ = _counted(texts, keep)
        self._add(names, rows, kept, np.flatnonzero(self._wanted[self._buckets(names)]).tolist())

    def _add(
        self, names: list[str], rows: npt.NDArray[np.int64], kept: npt.NDArray[np.int64], places: Iterable[int]
    ) -> None:
        for place in places:
            known = self._names.setdefault(names[place], [0, 0])
            known[0] += int(rows[place])
            known[1] += int(kept[place])

    def _buckets(self, names: list[str]) -> npt.NDArray[np.int64]:
        return np.array([zlib.crc32(name.encode("utf-8", "replace")) & self._mask for name in names], np.int64)

    def _choose(self) -> None:
        filled = np.flatnonzero(self._sizes)
        order = filled[np.lexsort((filled, -self._sizes[filled]))]
        self._wanted = np.zeros(len(self._sizes), bool)
        self._wanted[order[: self._chosen]] = True
        if len(order) > self._chosen:
            self.exact_above = int(self._sizes[order[self._chosen]])

    @property
    def missing(self) -> Rate:
        return Rate(None, *self._missing)

    def all(self) -> list[Rate]:
        """Every value that was counted: most rows first, then by name."""
        found = [Rate(name, rows, kept) for name, (rows, kept) in self._names.items()]
        return sorted(found, key=lambda rate: (-rate.rows, rate.name or ""))

    def most(self, count: int) -> list[Rate]:
        return self.all()[:count]

    def losing(self, count: int, share: float) -> list[Rate]:
        """Values of which surely less than `share` is kept, those that most surely lose the most first: by the upper
        end of the interval."""
        found = [(rate.interval()[1], rate) for rate in self.all()]
        losers = [(upper, rate) for upper, rate in found if upper < share]
        return [rate for _, rate in sorted(losers, key=lambda each: (each[0], each[1].name or ""))[:count]]


def _counted(
    texts: pa.Array, keep: Bools
) -> tuple[list[str], npt.NDArray[np.int64], npt.NDArray[np.int64], tuple[int, int]]:
    """The different texts with their rows and kept rows, and those of the rows without one."""
    found = texts.dictionary_encode()
    names: list[str] = found.dictionary.to_pylist()
    size = len(names) + 1
    places = found.indices.fill_null(len(names)).to_numpy(zero_copy_only=False).astype(np.int64)
    rows = np.bincount(places, minlength=size)
    kept = np.bincount(places[keep], minlength=size)
    return names, rows[:-1], kept[:-1], (int(rows[-1]), int(kept[-1]))
