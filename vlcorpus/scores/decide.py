"""Decisions: which rows are kept, and which predicates every other row fails.

    rows        uid, similarity [0.31, 0.12, null, 0.28], width [640, 640, 640, 90]
    predicates  AtLeast("similarity", 0.28), Where("width >= 200")
    keep        [True, False, False, False]
    fail_mask   [0b00, 0b01, 0b01, 0b10]     bit i: predicate i failed
    first_fail  [-1, 0, 0, 1]

Two steps, because some predicates need every row of the corpus: `resolve` (resolve.py) turns them into cuts, once;
`decide` then judges any shard on its own, in any order. A cut can be stored (`Resolved.as_json`) and used again when
the corpus has grown. A row without a value (null, NaN) fails the predicate unless the caller says otherwise; it is
counted either way. Numbers are compared in the precision of their column: a stored float32 0.7 is at least 0.7.

Cost: 10 ns for each row and predicate of numbers; texts cost what their functions do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vlcorpus.errors import CorpusError
from vlcorpus.scores.predicates import Cap, Cut, Cuts, Drawn, RandomRows, Resolved
from vlcorpus.scores.prepared import Bools, Groups, Prepared, draws, halves, truths, uids_of
from vlcorpus.scores.selection import Ints, UInt64s, ordered

Missing = Literal["drop", "keep", "error"]
_NARROW = 12
DRAWN, CAPPED = 1, 2
"""Streams of chance: the draws of a decision do not hang on each other, though they share its seed."""


@dataclass(frozen=True)
class Decision:
    """keep bool (N,), fail_mask uint64 (N,), first_fail int32 (N,) (-1: none), weight float32 (N,) (0 where dropped).

    missing int64 (P,): rows without a value, for each predicate; failed int64 (P,): rows that fail it, whatever else
    they fail; first_missing int64 (P,): those of its first failures that have no value.
    """

    keep: Bools
    fail_mask: npt.NDArray[np.uint64]
    first_fail: npt.NDArray[np.int32]
    weight: npt.NDArray[np.float32]
    missing: Ints
    failed: Ints
    first_missing: Ints


def decide(ready: Prepared, resolved: Resolved, rows: pa.Table, missing: Missing = "drop") -> Decision:
    """Judge N rows, which have `uid` and the columns of `ready`.

    `missing` says what a row without a value is: "drop" fails the predicate, "keep" passes it, "error" raises
    CorpusError.
    """
    n, count = len(rows), len(ready.predicates)
    fail_mask = np.zeros(n, np.uint64)
    first_fail = np.full(n, -1, np.int32)
    absent, failures, first_missing = (np.zeros(count, np.int64) for _ in range(3))
    undecided = np.ones(n, bool)
    for bit in range(count):
        passed, there = judge(ready, resolved.cuts[bit], bit, rows)
        failed = fails(passed, there, missing)
        if there is not None:
            absent[bit] = n - np.count_nonzero(there)
            if missing == "error" and absent[bit]:
                raise CorpusError(
                    f"{absent[bit]} of {n} rows have no value for: {ready.predicates[bit]}",
                    "score the corpus, or say what becomes of such rows: --missing drop, or keep",
                )
        failures[bit] = np.count_nonzero(failed)
        if failures[bit]:
            fail_mask |= failed.astype(np.uint64) << np.uint64(bit)
            first = failed & undecided
            first_fail[first] = bit
            undecided &= ~failed
            if there is not None:
                first_missing[bit] = np.count_nonzero(first & ~there)
    weight = np.where(undecided, _weights(ready, resolved, rows), np.float32(0))
    return Decision(undecided, fail_mask, first_fail, weight, absent, failures, first_missing)


def fails(passed: Bools, there: Bools | None, missing: Missing) -> Bools:
    """Which rows fail, where some have no value."""
    if there is None:
        return ~passed
    return there & ~passed if missing == "keep" else ~passed | ~there


def judge(ready: Prepared, cut: Cuts, number: int, rows: pa.Table) -> tuple[Bools, Bools | None]:
    """Which rows pass one predicate, and which have a value at all (None: all)."""
    condition, predicate = ready.conditions[number], ready.predicates[number]
    if condition is not None:
        return truths(condition.answers(rows))
    uids = uids_of(rows)
    if isinstance(predicate, RandomRows) and predicate.fraction is not None:
        last = math.ceil(Fraction(str(predicate.fraction)) * 2**64) - 1
        drawn = draws(halves(uids), predicate.seed)
        return (drawn <= np.uint64(last)) if last >= 0 else np.zeros(len(rows), bool), None
    if isinstance(predicate, Drawn):
        numbers = ready.numbers[number]
        assert numbers is not None
        values, there = numbers.of(rows)
        chance = draws(halves(uids), predicate.seed, DRAWN) / 2.0**64
        return chance < values, there
    keys, there = keys_of(ready, number, rows)
    groups = ready.groups[number]
    limits = _Limits.of(cut, groups, dtype_of(ready, number))  # which numbers the groups that have a cut
    own, grouped = groups.of(rows) if groups is not None else (None, None)
    there = grouped if there is None else there if grouped is None else there & grouped
    return _above(keys, own, uids, limits), there


def keys_of(ready: Prepared, number: int, rows: pa.Table) -> tuple[UInt64s, Bools | None]:
    """The keys that a predicate's rows are selected by, the highest first, and which rows have one (None: all)."""
    numbers, predicate = ready.numbers[number], ready.predicates[number]
    if numbers is not None:
        values, there = numbers.of(rows)
        return ordered(values), there
    assert isinstance(predicate, RandomRows | Cap)
    stream = CAPPED if isinstance(predicate, Cap) else None
    return ~draws(halves(uids_of(rows)), predicate.seed, stream), None


def dtype_of(ready: Prepared, number: int) -> np.dtype[np.generic]:
    """The type of the values behind those keys."""
    numbers = ready.numbers[number]
    return np.dtype(np.uint64) if numbers is None else numbers.dtype


@dataclass(frozen=True)
class _Limits:
    """Cuts as arrays (G + 1,), the last one of rows without a known group: nothing of them is kept."""

    some: Bools
    keys: UInt64s
    uids: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, cut: Cuts, groups: Groups | None, dtype: np.dtype[np.generic]) -> _Limits:
        if cut is None:
            raise ValueError("this predicate has no cut: resolve it first")
        if isinstance(cut, Cut):
            listed: list[Cut] = [cut]
        else:
            assert groups is not None
            groups.know(list(cut))
            listed = [cut.get(name, Cut(None)) for name in groups.names]
        thresholds = np.array([0 if each.threshold is None else each.threshold for each in listed], dtype)
        uids = [(2**64 - 1, 2**64 - 1) if each.uid is None else _pair(each.uid) for each in listed]
        return cls(
            np.array([*(each.threshold is not None for each in listed), False]),
            np.append(ordered(thresholds), np.uint64(0)),
            np.array([*uids, (0, 0)], np.uint64).reshape(-1, 2),
        )


def _pair(uid: str) -> tuple[int, int]:
    return int(uid[:16], 16), int(uid[16:], 16)


def _above(keys: UInt64s, groups: Ints | None, uids: pa.Array, limits: _Limits) -> Bools:
    if groups is None:
        if not limits.some[0]:
            return np.zeros(len(keys), bool)
        above: Bools = keys > limits.keys[0]
        tied = np.flatnonzero(keys == limits.keys[0])
        last = limits.uids[np.zeros(len(tied), np.int64)]
    else:
        limit = limits.keys[groups]
        above = (keys > limit) & limits.some[groups]
        tied = np.flatnonzero((keys == limit) & limits.some[groups])
        last = limits.uids[groups[tied]]
    if len(tied):
        own = halves(uids, tied)
        above[tied] = (own[:, 0] < last[:, 0]) | ((own[:, 0] == last[:, 0]) & (own[:, 1] <= last[:, 1]))
    return above


def _weights(ready: Prepared, resolved: Resolved, rows: pa.Table) -> npt.NDArray[np.float32]:
    weight = np.ones(len(rows), np.float32)
    if ready.weight is not None:
        values, there = ready.weight.of(rows)
        numbers = np.maximum(values.astype(np.float32), np.float32(0))
        weight *= numbers if there is None else np.where(there, numbers, np.float32(0))
    if ready.weight_groups is not None and resolved.sizes is not None:
        own, there = group_sizes(ready.weight_groups, resolved, rows)
        cap = np.float64(resolved.weights.soft_cap or 0)
        share = np.minimum(1.0, cap / np.maximum(own, 1)).astype(np.float32)
        weight *= share if there is None else np.where(there, share, np.float32(1))
    return weight


def group_sizes(groups: Groups, resolved: Resolved, rows: pa.Table) -> tuple[Ints, Bools | None]:
    """How many kept rows the group of each row has, and which rows have a group."""
    sizes = resolved.sizes or {}
    groups.know(list(sizes))
    own, there = groups.of(rows)
    table = np.array([*(sizes.get(name, 0) for name in groups.names), 0], np.int64)
    return table[own], there


def count_masks(fail_mask: npt.NDArray[np.uint64], predicates: int) -> dict[int, int]:
    """How many rows have each fail mask, ascending."""
    if predicates <= _NARROW:
        counts = np.bincount(fail_mask.astype(np.int64), minlength=1)
        return {int(mask): int(counts[mask]) for mask in np.flatnonzero(counts)}
    masks, numbers = np.unique(fail_mask, return_counts=True)
    return dict(zip(masks.tolist(), numbers.tolist(), strict=True))
