"""Cuts: where predicates over the whole corpus divide it.

    ready = Prepared([TopFraction("similarity", 0.3), TopRows("similarity", 1000)], Weights(), types)
    resolved = resolve(ready, read)          read(columns) gives every shard's rows, as often as it is asked

A top fraction and a random draw are of all rows that have a value. A cap and a number of rows are of the rows that pass
every predicate before them, in order; the sizes that soft caps weigh by are of the rows that are kept. Rows are read
two or three times for each of these, only the columns that matter, and memory does not grow with them (selection.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction

import numpy as np
import pyarrow as pa

from vlcorpus.scores.decide import Missing, dtype_of, fails, judge, keys_of
from vlcorpus.scores.predicates import Cap, Cut, Cuts, Predicate, RandomRows, Resolved, TopFraction, TopRows
from vlcorpus.scores.prepared import Bools, Prepared, halves, uids_of
from vlcorpus.scores.selection import Ints, TopK, UInt64s, number

Read = Callable[[Sequence[str]], Iterable[pa.Table]]


def resolve(ready: Prepared, read: Read, missing: Missing = "drop") -> Resolved:
    """Find the cuts, from all rows of the corpus, in any order of shards.

    read: the rows of every shard, with `uid` and the columns asked for; it is called several times.
    """
    cuts: list[Cuts] = [None] * len(ready.predicates)
    free = [bit for bit, each in enumerate(ready.predicates) if _of_all(each)]
    for bit, cut in zip(free, _select(ready, free, read, lambda rows: None), strict=True):
        cuts[bit] = cut
    for bit, each in enumerate(ready.predicates):
        if isinstance(each, TopRows | Cap):
            before = range(bit)

            def passing(rows: pa.Table, before: range = before) -> Bools | None:
                return _passing(ready, cuts, before, rows, missing)

            extra = [name for number in before for name in ready.columns_of(number)]
            (cuts[bit],) = _select(ready, [bit], read, passing, extra)
    sizes = _sizes(ready, cuts, read, missing) if ready.weight_groups is not None else None
    return Resolved(ready.predicates, tuple(cuts), ready.weights, sizes)


def _of_all(predicate: Predicate) -> bool:
    return isinstance(predicate, TopFraction) or (isinstance(predicate, RandomRows) and predicate.rows is not None)


def _passing(ready: Prepared, cuts: Sequence[Cuts], bits: Iterable[int], rows: pa.Table, missing: Missing) -> Bools:
    good = np.ones(len(rows), bool)
    for bit in bits:
        passed, there = judge(ready, cuts[bit], bit, rows)
        good &= ~fails(passed, there, "drop" if missing == "error" else missing)
    return good


def _select(
    ready: Prepared,
    bits: Sequence[int],
    read: Read,
    wanted: Callable[[pa.Table], Bools | None],
    extra: Sequence[str] = (),
) -> list[Cuts]:
    """The cuts of these predicates, found in the same passes, of the rows that are wanted (None: all)."""
    grouped = [bit for bit in bits if ready.groups[bit] is not None]
    if grouped:  # how many groups there are must be known before anything is counted
        columns = dict.fromkeys(name for bit in grouped for name in (ready.groups[bit] or ready).columns)
        for rows in read(tuple(columns)):
            for bit in grouped:
                groups = ready.groups[bit]
                assert groups is not None
                groups.of(rows, new=True)
    tops = {bit: TopK(_taken(ready.predicates[bit]), groups=_count(ready, bit)) for bit in bits}
    while unsettled := [bit for bit in bits if not tops[bit].settled]:
        columns = dict.fromkeys([*extra, *(name for bit in unsettled for name in ready.columns_of(bit))])
        for rows in read(tuple(columns)):
            good = wanted(rows)
            for bit in unsettled:
                for keys, uids, own in _rows(ready, bit, rows, good):
                    tops[bit].see(keys, uids, own)
        for bit in unsettled:
            tops[bit].end_of_pass()
    return [_cuts(ready, bit, tops[bit]) for bit in bits]


def _count(ready: Prepared, bit: int) -> int:
    groups = ready.groups[bit]
    return 1 if groups is None else len(groups)


def _rows(
    ready: Prepared, bit: int, rows: pa.Table, good: Bools | None
) -> Iterator[tuple[UInt64s, Callable[[Ints], UInt64s], Ints | None]]:
    """Keys, uids and groups of the rows that a predicate chooses among."""
    keys, there = keys_of(ready, bit, rows)
    groups = ready.groups[bit]
    own = None
    if groups is not None:
        own, grouped = groups.of(rows)
        there = grouped if there is None else there if grouped is None else there & grouped
    there = good if there is None else there if good is None else there & good
    uids = uids_of(rows)
    if there is None or there.all():
        yield keys, lambda places: halves(uids, places), own
        return
    kept = np.flatnonzero(there)
    yield keys[kept], lambda places: halves(uids, kept[places]), None if own is None else own[kept]


def _taken(predicate: Predicate) -> Callable[[Ints], Ints]:
    """How many of a group of n rows are taken."""
    if isinstance(predicate, TopFraction):
        fraction, exact = predicate.fraction, Fraction(str(predicate.fraction))
        if predicate.ties == "keep":  # the row that DataComp takes the threshold from, in its own arithmetic
            return lambda sizes: np.minimum((sizes * fraction).astype(np.int64) + 1, sizes)
        return lambda sizes: np.array([math.floor(exact * size) for size in sizes.tolist()], np.int64)
    rows = predicate.rows if isinstance(predicate, TopRows | Cap | RandomRows) else None
    assert rows is not None
    return lambda sizes: np.minimum(sizes, rows)


def _cuts(ready: Prepared, bit: int, top: TopK) -> Cuts:
    predicate, groups, dtype = ready.predicates[bit], ready.groups[bit], dtype_of(ready, bit)
    keep = isinstance(predicate, TopFraction) and predicate.ties == "keep"

    def cut(group: int) -> Cut:
        found = top.cut(group)
        if found is None:
            return Cut(None)
        key, high, low = found
        return Cut(number(key, dtype), None if keep else f"{high:016x}{low:016x}")

    if groups is None:
        return cut(0)
    return {name: cut(place) for place, name in enumerate(groups.names)}


def _sizes(ready: Prepared, cuts: Sequence[Cuts], read: Read, missing: Missing) -> dict[object, int]:
    """Kept rows by group."""
    groups = ready.weight_groups
    assert groups is not None
    counts = np.zeros(0, np.int64)
    for rows in read(ready.columns):
        own, _ = groups.of(rows, new=True)
        good = _passing(ready, cuts, range(len(ready.predicates)), rows, missing)
        found = np.bincount(own[good & (own >= 0)], minlength=len(groups))
        found[: len(counts)] += counts
        counts = found
    return dict(zip(groups.names, counts.tolist(), strict=True))
