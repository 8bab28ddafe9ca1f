"""The k highest of any number of rows, exactly, in memory that does not grow with them.

    top = TopK(count=lambda n: n // 10)
    while not top.settled:
        for shard in shards:
            top.see(keys, uids, None)          # keys (N,) in the scores' order, how to get uids, groups (N,) or None
        top.end_of_pass()
    top.cut(0)                                 # (key, uid high, uid low) of the last row that is taken

Rows are seen several times, each time in any order. A pass counts by the next bits of the key (radix selection); as
soon as the rows that may still be the last one are few, one more pass collects and sorts them. Equal keys go by uid,
the smaller first; where more share a key than can be collected, the same counting goes on over the uid's bits. With
groups, each has its own count. Cost: 15 ns a row and pass; two passes for 32-bit keys as a rule; at most 128 MB.

A pass may be made in parts, elsewhere and in any order:

    scan = Scan.of(top.scan.arrays)            what a pass looks for: small but for groups, of which each takes 25 bytes
    scan.see(keys, uids, None)
    top.add(scan.found)                        two arrays: counters that are not 0, or what was collected
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

UInt64s = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Uids = Callable[[Ints], UInt64s]
"""Places (n,) to uids (n, 2): two numbers whose order, the first one first, is that of the 16 bytes."""

COLLECTED = 1 << 17
"""Rows that are collected and sorted at once: 4 MB, some 16 MB while they are sorted."""
BINS = 1 << 21
"""Counters of one pass."""
MOST_GROUPS = 1 << 20
_WORD = 64


@dataclass
class Scan:
    """What one pass looks for, and what it has seen of it. word: whose bits are counted, 0 of the key, 1 and 2 of the
    uid's halves, turned round; shift: how many of them are not decided yet; first: nothing is decided."""

    bits: int
    word: int
    shift: int
    first: bool
    collecting: bool
    open: npt.NDArray[np.bool_]
    """Groups whose last row is not known yet."""
    done: UInt64s
    """(G, 3): bits already decided, right-aligned in each word."""
    bins: Ints | None = None
    held: list[tuple[Ints, UInt64s]] = field(default_factory=list)

    @property
    def arrays(self) -> list[npt.NDArray[Any]]:
        """What is looked for, to be given to `of` elsewhere."""
        return [np.array([self.bits, self.word, self.shift, self.first, self.collecting]), self.open, self.done]

    @classmethod
    def of(cls, arrays: Sequence[npt.NDArray[Any]]) -> Self:
        numbers, open_groups, done = arrays
        bits, word, shift, first, collecting = numbers.tolist()
        return cls(bits, word, shift, bool(first), bool(collecting), open_groups, done)

    def see(self, keys: UInt64s, uids: Uids, groups: Ints | None) -> None:
        """Some rows: keys (N,) uint64 whose order is that of the scores; uids gives those of some places."""
        if self.first:
            word = keys
        else:
            there, halves = self._candidates(keys, uids, groups)
            groups = None if groups is None else groups[there]
            if self.collecting:
                halves = uids(there) if halves is None else halves
                own = np.zeros(len(there), np.int64) if groups is None else groups
                self.held.append((own, np.column_stack([keys[there], ~halves])))
                return
            word = keys[there] if halves is None else ~halves[:, self.word - 1]
        low = np.uint64(self.shift - self.bits)
        place = ((word >> low) & np.uint64((1 << self.bits) - 1)).astype(np.int64)
        if groups is not None:
            place += groups << self.bits
        size = len(self.open) << self.bits
        counted = np.bincount(place, minlength=size)
        self.bins = counted if self.bins is None else np.add(self.bins, counted, out=self.bins)

    def _candidates(self, keys: UInt64s, uids: Uids, groups: Ints | None) -> tuple[Ints, UInt64s | None]:
        """Places of the rows that may still be a group's last one; with their uids where these were looked at."""
        wanted = self.done if groups is None else self.done[groups]
        there = np.full(len(keys), self.open[0]) if groups is None else self.open[groups]
        there &= (keys >> np.uint64(self.shift if self.word == 0 else 0)) == wanted[:, 0]
        places = np.flatnonzero(there)
        if self.word == 0:
            return places, None
        halves = uids(places)
        wanted = wanted if groups is None else wanted[places]
        same = np.ones(len(places), bool)
        for word in range(1, self.word + 1):
            shift = self.shift if word == self.word else 0
            if shift < _WORD:
                same &= (~halves[:, word - 1] >> np.uint64(shift)) == wanted[:, word]
        return places[same], halves[same]

    @property
    def found(self) -> tuple[Ints, UInt64s]:
        """What was seen: groups (n,) and words (n, 3) of what was collected; else counters that are not 0, and what
        they have counted."""
        if self.collecting:
            groups = [np.zeros(0, np.int64), *(each for each, _ in self.held)]
            return np.concatenate(groups), np.concatenate(
                [np.zeros((0, 3), np.uint64), *(each for _, each in self.held)]
            )
        if self.bins is None:
            return np.zeros(0, np.int64), np.zeros(0, np.uint64)
        places = np.flatnonzero(self.bins)
        return places, self.bins[places].astype(np.uint64)


class TopK:
    """count: how many of a group of n rows are taken (0 to n). groups: how many there are; row groups are 0 to that."""

    def __init__(self, count: Callable[[Ints], Ints], *, groups: int = 1) -> None:
        self._count = count
        self._groups = groups
        self.sizes: Ints = np.zeros(groups, np.int64)
        self._left: Ints = np.zeros(groups, np.int64)  # still to be taken among those that agree with what is decided
        self._cuts = np.zeros((groups, 3), np.uint64)
        self._some = np.zeros(groups, bool)
        bits = next((bits for bits in (16, 8) if groups << bits <= BINS), 4)
        self.scan = Scan(bits, 0, _WORD, True, False, np.ones(groups, bool), np.zeros((groups, 3), np.uint64))
        self.settled = groups == 0

    def see(self, keys: UInt64s, uids: Uids, groups: Ints | None) -> None:
        """Some rows, as of `Scan.see`."""
        self.scan.see(keys, uids, groups)

    def add(self, found: tuple[Ints, UInt64s]) -> None:
        """What a part of this pass has found, as of `Scan.found`."""
        scan, (places, counts) = self.scan, found
        if scan.collecting:
            scan.held.append((places, counts))
            return
        if scan.bins is None:
            scan.bins = np.zeros(self._groups << scan.bits, np.int64)
        scan.bins[places] += counts.astype(np.int64)

    def end_of_pass(self) -> None:
        """Every row has been seen once more."""
        scan = self.scan
        if scan.collecting:
            self._finish()
            return
        counted = np.zeros(self._groups << scan.bits, np.int64) if scan.bins is None else scan.bins
        bins, scan.bins = counted.reshape(self._groups, -1), None
        if scan.first:
            self.sizes = bins.sum(1)
            self._left = np.minimum(self._count(self.sizes), self.sizes)
            self._some = self._left > 0
            scan.open, scan.first = self._some.copy(), False
        above = np.cumsum(bins[:, ::-1], axis=1)
        # The first bin, from the highest, with which enough are taken.
        place = np.argmax(above >= self._left[:, None], axis=1)
        rows = np.arange(self._groups)
        inside = bins[:, ::-1][rows, place]
        self._left = self._left - (above[rows, place] - inside)
        chosen = (bins.shape[1] - 1 - place).astype(np.uint64)
        scan.done[:, scan.word] = (scan.done[:, scan.word] << np.uint64(scan.bits)) | chosen
        scan.shift -= scan.bits
        remaining = int(inside[scan.open].sum())
        if not remaining:
            self.settled = True
            return
        if scan.shift == 0 and scan.word < 2:
            scan.word, scan.shift = scan.word + 1, _WORD
        scan.collecting = remaining <= COLLECTED or (scan.shift == 0 and scan.word == 2)

    def _finish(self) -> None:
        group, words = self.scan.found
        self.scan.held = []
        order = np.lexsort((~words[:, 2], ~words[:, 1], ~words[:, 0], group))
        group, words = group[order], words[order]
        starts = np.searchsorted(group, np.arange(self._groups))
        last = starts[self.scan.open] + self._left[self.scan.open] - 1
        self._cuts[self.scan.open] = words[last]
        self.settled = True

    def cut(self, group: int = 0) -> tuple[int, int, int] | None:
        """The last row that is taken, as (key, uid high, uid low); None where none is."""
        if not self._some[group]:
            return None
        key, high, low = (int(each) for each in self._cuts[group])
        return key, high ^ (2**64 - 1), low ^ (2**64 - 1)


def ordered(values: npt.NDArray[Any]) -> UInt64s:
    """Numbers (float32, float64, any integer) as uint64 of the same order; -0.0 is 0.0. No NaN."""
    if values.dtype == np.float32:
        bits = (values + np.float32(0)).view(np.uint32)
        flip = np.where(bits >> np.uint32(31), np.uint32(0xFFFFFFFF), np.uint32(0x80000000))
        short: UInt64s = (bits ^ flip).astype(np.uint64)
        return short << np.uint64(32)
    if values.dtype.kind == "f":
        long = (values.astype(np.float64) + 0.0).view(np.uint64)
        return long ^ np.where(long >> np.uint64(63), np.uint64(2**64 - 1), np.uint64(2**63))
    if values.dtype.kind == "u":
        return values.astype(np.uint64)
    return values.astype(np.int64).view(np.uint64) ^ np.uint64(2**63)


def number(key: int, dtype: np.dtype[np.generic]) -> float | int:
    """The number that `ordered` turned into a key."""
    if dtype == np.float32:
        bits = np.uint32(key >> 32)
        plain = bits ^ np.uint32(0x80000000) if bits >> np.uint32(31) else ~bits
        return float(np.array(plain, np.uint32).view(np.float32))
    if dtype.kind == "f":
        long = np.uint64(key)
        return float((long ^ np.uint64(2**63) if key >> 63 else ~long).view(np.float64))
    return key if dtype.kind == "u" else int((np.uint64(key) ^ np.uint64(2**63)).view(np.int64))
