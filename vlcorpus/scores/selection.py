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
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


class TopK:
    """count: how many of a group of n rows are taken (0 to n). groups: how many there are; row groups are 0 to that."""

    def __init__(self, count: Callable[[Ints], Ints], *, groups: int = 1) -> None:
        self._count = count
        self._groups = groups
        self.sizes: Ints = np.zeros(groups, np.int64)
        self._left: Ints | None = None  # how many are still to be taken among those that agree with the prefix
        self._open = np.ones(groups, bool)  # groups whose last row is not known yet
        self._cuts = np.zeros((groups, 3), np.uint64)
        self._some = np.zeros(groups, bool)
        self._word = 0  # 0: the key, 1 and 2: the uid's halves, turned round
        self._shift = _WORD
        self._done = np.zeros((groups, 3), np.uint64)  # bits already decided, right-aligned in each word
        self._bits = next((bits for bits in (16, 8) if groups << bits <= BINS), 4)
        self._bins: Ints = np.zeros(groups << self._bits, np.int64)
        self._collecting = False
        self._held: list[tuple[Ints, UInt64s]] = []
        self.settled = groups == 0

    def see(self, keys: UInt64s, uids: Uids, groups: Ints | None) -> None:
        """Some rows: keys (N,) uint64 whose order is that of the scores; uids gives those of some places."""
        if self._left is None:
            word = keys
        else:
            there, halves = self._candidates(keys, uids, groups)
            groups = None if groups is None else groups[there]
            if self._collecting:
                halves = uids(there) if halves is None else halves
                own = np.zeros(len(there), np.int64) if groups is None else groups
                self._held.append((own, np.column_stack([keys[there], ~halves])))
                return
            word = keys[there] if halves is None else ~halves[:, self._word - 1]
        low = np.uint64(self._shift - self._bits)
        place = ((word >> low) & np.uint64((1 << self._bits) - 1)).astype(np.int64)
        if groups is not None:
            place += groups << self._bits
        self._bins += np.bincount(place, minlength=len(self._bins))

    def _candidates(self, keys: UInt64s, uids: Uids, groups: Ints | None) -> tuple[Ints, UInt64s | None]:
        """Places of the rows that may still be a group's last one; with their uids where these were looked at."""
        wanted = self._done if groups is None else self._done[groups]
        there = np.full(len(keys), self._open[0]) if groups is None else self._open[groups]
        there &= (keys >> np.uint64(self._shift if self._word == 0 else 0)) == wanted[:, 0]
        places = np.flatnonzero(there)
        if self._word == 0:
            return places, None
        halves = uids(places)
        wanted = wanted if groups is None else wanted[places]
        same = np.ones(len(places), bool)
        for word in range(1, self._word + 1):
            shift = self._shift if word == self._word else 0
            if shift < _WORD:
                same &= (~halves[:, word - 1] >> np.uint64(shift)) == wanted[:, word]
        return places[same], halves[same]

    def end_of_pass(self) -> None:
        """Every row has been seen once more."""
        if self._collecting:
            self._finish()
            return
        bins = self._bins.reshape(self._groups, -1)
        if self._left is None:
            self.sizes = bins.sum(1)
            self._left = np.minimum(self._count(self.sizes), self.sizes)
            self._some = self._left > 0
            self._open = self._some.copy()
        above = np.cumsum(bins[:, ::-1], axis=1)
        # The first bin, from the highest, with which enough are taken.
        place = np.argmax(above >= self._left[:, None], axis=1)
        rows = np.arange(self._groups)
        inside = bins[:, ::-1][rows, place]
        self._left = self._left - (above[rows, place] - inside)
        chosen = (bins.shape[1] - 1 - place).astype(np.uint64)
        self._done[:, self._word] = (self._done[:, self._word] << np.uint64(self._bits)) | chosen
        self._shift -= self._bits
        remaining = int(inside[self._open].sum())
        if not remaining:
            self.settled = True
            return
        if self._shift == 0 and self._word < 2:
            self._word, self._shift = self._word + 1, _WORD
        self._collecting = remaining <= COLLECTED or (self._shift == 0 and self._word == 2)
        self._bins = np.zeros(self._groups << self._bits, np.int64)

    def _finish(self) -> None:
        assert self._left is not None
        group = np.concatenate([each for each, _ in self._held])
        words = np.concatenate([each for _, each in self._held])
        self._held = []
        order = np.lexsort((~words[:, 2], ~words[:, 1], ~words[:, 0], group))
        group, words = group[order], words[order]
        starts = np.searchsorted(group, np.arange(self._groups))
        last = starts[self._open] + self._left[self._open] - 1
        self._cuts[self._open] = words[last]
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
