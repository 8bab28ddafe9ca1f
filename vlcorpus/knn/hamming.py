"""Near hashes: every pair of 64-bit perceptual hashes within a Hamming radius, none missed.

    near([0b0000, 0b0001, 0b1111_1111, 0b0000], radius=1) -> [(0, 1), (0, 3)]      rows 0 and 3 are equal

How: split the 64 bits into b bands. Two hashes that differ in at most r bits agree on at least b - r whole bands, so
sorting by every choice of b - r bands puts each near pair side by side in some sort; the distance is then checked. b is
chosen for the number of hashes and the radius. Equal hashes are collapsed first: a logo with 10,000 copies is one hash.
Memory is a few arrays of N rows beyond the pairs found.

More hashes than fit at once are divided by `bands(radius + 1)`: two that are near agree on one of these bands at
least, so that rows with the same value of a band make a set of their own, and each near pair is in one of the sets.

    tree(hashes, 3, band=bands(4)[0])        of different hashes, those that agree on the first band: edges that join
                                             what hangs together, N - 1 at most, however many pairs are near

Cost on one core, uniform hashes: 100k at radius 3 in 0.03 s, 8 in 0.4 s, 12 in 4 s; 1M at radius 3 in 0.7 s. Cost
grows fast with the radius and with hashes that crowd together; beyond radius 8 or so compare embeddings instead. A
radius of 3 or 4 finds re-encodings and resizes; crops and flips need embeddings.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from .groups import groups

BITS = 64
MAX_RADIUS = 16

UInt64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]

_EVERYWHERE = np.uint64(0)
_NONE: Int64s = np.zeros((0, 2), np.int64)
_HELD = 4
"""Pairs for each row that `tree` holds before it joins them."""


def near(hashes: npt.ArrayLike, radius: int, *, every: bool = False) -> Int64s:
    """Pairs (i, j), i < j, sorted, of rows whose hashes differ in at most `radius` bits: int64 (M, 2).

    `hashes` is uint64 (N,). Equal hashes form a star round their first row, and only that first row is paired with
    rows of other hashes: enough for `groups`, and N copies cost N - 1 pairs, not N²/2. With `every`, all pairs are
    listed.
    """
    _check(radius)
    hashes_N = np.ascontiguousarray(hashes, dtype=np.uint64)
    order = np.argsort(hashes_N, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(hashes_N[order]) != 0]) if len(order) else np.zeros(0, np.int64)
    sizes = np.diff(np.r_[starts, len(order)])
    first = order[starts]
    close = np.concatenate([_NONE, *_near_distinct(hashes_N[first], radius)])
    if every:
        found = list(_expanded(order, starts, sizes, close))
    else:
        copies = np.ones(len(order), dtype=bool)
        copies[starts] = False
        found = [np.stack([np.repeat(first, sizes)[copies], order[copies]], axis=1), first[close]]
    pairs = np.concatenate([_NONE, *found])
    pairs.sort(axis=1)
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def tree(hashes: npt.ArrayLike, radius: int, *, band: int = 0) -> Int64s:
    """Edges (i, j), i < j, that join what hangs together through near pairs, each row to its group's first: int64
    (M, 2). `hashes` is uint64 (N,), no two equal; only pairs that agree on the bits of `band` count.

    Memory: some arrays of N rows, whatever the number of pairs.
    """
    _check(radius)
    hashes_N = np.ascontiguousarray(hashes, dtype=np.uint64)
    held, count = [_NONE], 0
    for pairs in _near_distinct(hashes_N, radius, np.uint64(band)):
        held.append(pairs)
        count += len(pairs)
        if count > _HELD * len(hashes_N):
            held = [_joined(len(hashes_N), held)]
            count = 0
    return _joined(len(hashes_N), held)


def bands(count: int) -> UInt64s:
    """Masks of `count` bands that share the 64 bits out as evenly as can be: uint64 (count,)."""
    return _bands(count, np.uint64(0))


def _check(radius: int) -> None:
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"radius {radius} is not in 0..{MAX_RADIUS}")


def _joined(n: int, pairs: list[Int64s]) -> Int64s:
    group_N = groups(n, np.concatenate(pairs))
    rows = np.flatnonzero(group_N != np.arange(n))
    return np.stack([group_N[rows], rows], axis=1)


def _near_distinct(values: UInt64s, radius: int, band: np.uint64 = _EVERYWHERE) -> Iterator[Int64s]:
    """All pairs of positions in `values` (no two equal) within `radius` that agree on `band`: int64 (M, 2) each time,
    each pair once."""
    if len(values) < 2 or radius == 0:
        return
    kinds = len(np.unique(values & band)) if band else 1
    free = BITS - int(np.bitwise_count(band))
    masks = _bands(_band_count(len(values), radius, free, math.log2(kinds)), band)
    for chosen in itertools.combinations(range(len(masks)), len(masks) - radius):
        mask = np.bitwise_or.reduce(masks[list(chosen)])
        # A pair that agrees on more bands than needed turns up in several sorts: it counts in the first one only.
        earlier = [masks[place] for place in range(chosen[-1]) if place not in chosen]
        keys = values & (mask | band)
        order = np.argsort(keys)
        for left, right in _side_by_side(keys[order]):
            difference = values[order[left]] ^ values[order[right]]
            hit = np.bitwise_count(difference) <= radius
            left, right, difference = left[hit], right[hit], difference[hit]
            for one in earlier:
                new = (difference & one) != 0
                left, right, difference = left[new], right[new], difference[new]
            if len(left):
                yield np.stack([order[left], order[right]], axis=1)


def _side_by_side(ordered: UInt64s) -> Iterator[tuple[Int64s, Int64s]]:
    """Every pair of positions with the same key in a sorted array, in steps of at most N pairs."""
    ends = np.flatnonzero(np.r_[np.diff(ordered) != 0, True]) + 1
    end_of = np.repeat(ends, np.diff(np.r_[0, ends]))
    left = np.arange(len(ordered), dtype=np.int64)
    for step in itertools.count(1):
        left = left[left + step < end_of[left]]
        if not len(left):
            return
        yield left, left + step


def _bands(count: int, without: np.uint64) -> UInt64s:
    """Masks of `count` bands that share out, as evenly as can be, the bits that `without` has not: uint64 (count,)."""
    bits = [1 << place for place in range(BITS) if not int(without) >> place & 1]
    edges = [len(bits) * band // count for band in range(count + 1)]
    return np.array([sum(bits[low:high]) for low, high in itertools.pairwise(edges)], dtype=np.uint64)


def _band_count(n: int, radius: int, free: int, known: float) -> int:
    """The number of bands with the least expected work: one sort for each choice, then the pairs that share a key.
    free: bits that are shared out; known: bits beside these that a key is sure to tell hashes apart by."""

    def work(bands: int) -> float:
        sorts = math.comb(bands, radius)
        key_bits = known + free * (bands - radius) / bands
        return sorts * (3000 + n * math.log2(n) + 2 * n * n / 2**key_bits)

    return min(range(radius + 1, radius + 6), key=work)


def _expanded(order: Int64s, starts: Int64s, sizes: Int64s, close: Int64s) -> Iterator[Int64s]:
    """Pairs of rows from pairs of distinct hashes, and from rows with equal hashes."""
    members = [order[start : start + size] for start, size in zip(starts, sizes, strict=True)]
    for rows in members:
        if len(rows) > 1:
            yield np.array(list(itertools.combinations(rows.tolist(), 2)), dtype=np.int64)
    for one, other in close.tolist():
        yield np.array(list(itertools.product(members[one].tolist(), members[other].tolist())), dtype=np.int64)
