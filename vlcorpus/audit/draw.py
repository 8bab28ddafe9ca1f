"""Which rows are drawn: in each stratum those with the smallest hashes of uid and seed, the same in any order.

    draw = Draw(frame, most=400, seed=0)
    for number, shard in enumerate(...): draw.add(uids, keep, free, x, shard=number)        second pass
    drawn = draw.end(400)

One pass over the rows; what is held is at most `most` rows a stratum, and how many rows there are of each kind. How
many are drawn of a stratum is settled at the end: half of them kept rows and half dropped ones, within either side by
the number of rows and their nearness to the cut, two at least.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlcorpus.audit.frame import Bools, Floats, Frame, Ints
from vlcorpus.draws import drawn, halves
from vlcorpus.errors import UsageError

LEAST = 2
"""Rows drawn of a stratum, where it has as many."""
_DRAW, _ORDER = 0x5F3A_91C7_2D48_E06B, 0xA7C1_3E90_5B86_F42D
"""Keep the draw and the order in which it is shown apart from each other, and from decisions drawn by that seed."""

Uids = NDArray[np.uint8]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Drawn:
    """N rows in the order in which they are shown. uid uint8 (N, 16); shard, stratum, place int64 (N,); x float64 (N,);
    free bool (N,): nothing but the score's threshold can drop the row. rows and drawn (H,): the population and the
    sample of each stratum. cells (H, T + 2, 2): rows of the population by stratum, place + 1 and free."""

    uid: Uids
    shard: Ints
    stratum: Ints
    place: Ints
    x: Floats
    free: Bools
    rows: Ints
    drawn: Ints
    cells: Ints


class Draw:
    """Collects the rows with the smallest hashes of each stratum."""

    def __init__(self, frame: Frame, *, most: int, seed: int) -> None:
        self._frame, self._most, self._seed = frame, most, seed
        self._cells = np.zeros((frame.strata, len(frame.thresholds) + 2, 2), dtype=np.int64)
        self._limits = np.full(frame.strata, np.iinfo(np.uint64).max, dtype=np.uint64)
        self._held = _Held(*(np.zeros((0, 16) if name == "uid" else 0, kind) for name, kind in _KINDS.items()))

    def add(self, uids: Uids, keep: Bools, free: Bools, x: Floats, *, shard: int) -> None:
        """Rows of one shard: uids (N, 16), the others (N,)."""
        stratum, place = self._frame.stratum(keep, x), self._frame.place(x)
        shape = self._cells.shape
        flat = np.ravel_multi_index((stratum, place + 1, free.astype(np.int64)), shape)
        self._cells += np.bincount(flat, minlength=self._cells.size).reshape(shape)
        hashes = hashed(uids, self._seed ^ _DRAW)
        near = np.flatnonzero(hashes <= self._limits[stratum])
        shards = np.full(len(near), shard, dtype=np.int64)
        new = _Held(uids[near], hashes[near], shards, stratum[near], place[near], x[near], free[near])
        self._held = self._held.with_(new)
        if len(self._held.uid) > 2 * self._most * self._frame.strata:
            self._trim(np.full(self._frame.strata, self._most, dtype=np.int64))

    def _trim(self, most: Ints) -> None:
        """Keep the smallest hashes of each stratum; of equal ones the smaller uids."""
        held = self._held
        high, low = halves(held.uid)
        order = np.lexsort((low, high, held.hash, held.stratum))
        stratum = held.stratum[order]
        first = np.searchsorted(stratum, np.arange(self._frame.strata))
        rank = np.arange(len(stratum)) - first[stratum]
        self._held = held.take(order[rank < most[stratum]])
        for number in np.flatnonzero(np.bincount(self._held.stratum, minlength=self._frame.strata) >= self._most):
            self._limits[number] = self._held.hash[self._held.stratum == number].max()

    def end(self, n: int, *, cut: bool) -> Drawn:
        """The sample of n rows. cut: whether the decision goes by the score. UsageError where n is none or too many."""
        rows = self._cells.sum(axis=(1, 2))
        sizes = allocate(rows, np.arange(self._frame.strata) < self._frame.kept, self._frame.nearness(cut=cut), n)
        self._trim(sizes)
        held = self._held
        order = np.argsort(hashed(held.uid, self._seed ^ _ORDER), kind="stable")
        shown = held.take(order)
        return Drawn(shown.uid, shown.shard, shown.stratum, shown.place, shown.x, shown.free, rows, sizes, self._cells)


_KINDS = {
    "uid": np.uint8,
    "hash": np.uint64,
    "shard": np.int64,
    "stratum": np.int64,
    "place": np.int64,
    "x": np.float64,
    "free": np.bool_,
}


@dataclass(frozen=True)
class _Held:
    uid: Uids
    hash: Hashes
    shard: Ints
    stratum: Ints
    place: Ints
    x: Floats
    free: Bools

    def with_(self, other: _Held) -> _Held:
        return _Held(*(np.concatenate([getattr(self, name), getattr(other, name)]) for name in _KINDS))

    def take(self, places: Ints) -> _Held:
        return _Held(*(getattr(self, name)[places] for name in _KINDS))


def allocate(rows: Ints, kept: Bools, worth: Floats, n: int) -> Ints:
    """How many rows to draw of each stratum, (H,) adding up to n. rows, kept, worth: (H,).

    Half of n on either side, or all of a side that has fewer; within it in proportion to rows times worth, two or all
    at least, and never more than there are.
    """
    total = int(rows.sum())
    if n < 1:
        raise UsageError(f"{n} pairs cannot be looked at", "-n 100 or more says something")
    if n > total:
        raise UsageError(f"{n} pairs are wanted and there are {total}", f"-n {total} is all of them")
    least = np.minimum(rows, LEAST)
    if n < int(least.sum()):
        raise UsageError(
            f"{n} pairs are too few for {np.count_nonzero(rows)} strata of two",
            f"-n {int(least.sum())} or more, or fewer --strata",
        )
    sides = {True: int(rows[kept].sum()), False: int(rows[~kept].sum())}
    first = min(max((n + 1) // 2, n - sides[False], int(least[kept].sum())), sides[True], n - int(least[~kept].sum()))
    found = np.zeros(len(rows), dtype=np.int64)
    for side, share in ((kept, first), (~kept, n - first)):
        found[side] = _within(rows[side], least[side], (rows * worth)[side], share)
    return found


def _within(rows: Ints, least: Ints, weight: Floats, n: int) -> Ints:
    """n in proportion to weight, between least and rows: one after the other to the one that lacks most of its due."""
    found = least.copy()
    fixed = np.zeros(len(rows), dtype=bool)
    due = least.astype(np.float64)
    # Give what is left in proportion; who would get less than its least, or more than it has, is settled first.
    while not fixed.all():
        left = n - due[fixed].sum()
        scale = weight[~fixed].sum()
        wanted = np.where(fixed, due, weight * (left / scale if scale else 0))
        low, high = ~fixed & (wanted < least), ~fixed & (wanted > rows)
        if not low.any() and not high.any():
            due = wanted
            break
        settled = high if (wanted - rows)[high].sum() > (least - wanted)[low].sum() else low
        due = np.where(settled, np.where(settled & high, rows, least), due)
        fixed |= settled
    found = np.clip(np.floor(due + 1e-9).astype(np.int64), least, rows)
    for place in np.lexsort((np.arange(len(rows)), found - due)):
        if found.sum() >= n:
            break
        found[place] += found[place] < rows[place]
    return found


def hashed(uids: Uids, seed: int) -> Hashes:
    """A uniform 64-bit number for each uid and seed."""
    return drawn(*halves(uids), seed)
