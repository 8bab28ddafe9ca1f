"""Cuts: where predicates over the whole corpus divide it.

    ready = Prepared([TopFraction("similarity", 0.3), TopRows("similarity", 1000)], Weights(), types)
    resolved = resolve(ready, read)          read(columns) gives every shard's rows, as often as it is asked

A top fraction and a random draw are of all rows that have a value. A cap and a number of rows are of the rows that pass
every predicate before them, in order; the sizes that soft caps weigh by are of the rows that are kept. Rows are read
two or three times for each of these, only the columns that matter, and memory does not grow with them (selection.py).

Each time is an `Ask`, which any number of others may answer, each of some shards: `resolve_by`. What they find is as
large as the counters (1 MB at most), or as the groups, of which there are no more than a million.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from vlcorpus.scores.decide import Missing, dtype_of, fails, judge, keys_of
from vlcorpus.scores.predicates import (
    Cap,
    Cut,
    Cuts,
    Predicate,
    RandomRows,
    Resolved,
    TopFraction,
    TopRows,
    cut_as_json,
    cut_from_json,
)
from vlcorpus.scores.prepared import Bools, Groups, Prepared, halves, uids_of
from vlcorpus.scores.selection import Ints, Scan, TopK, UInt64s, number

Read = Callable[[Sequence[str]], Iterable[pa.Table]]
Found = list[Any]


@dataclass(frozen=True)
class Ask:
    """One pass over all rows: what is to be found.

    `groups`: the names of these predicates' groups; `rows`: what `scans` look for, one for each of these predicates,
    among rows that pass the first `before` predicates by `cuts`; `sizes`: kept rows of the weights' groups. names: of
    the groups that are known, by predicate. columns: what is read.
    """

    what: Literal["groups", "rows", "sizes"]
    bits: tuple[int, ...]
    columns: tuple[str, ...]
    before: int | None = None
    cuts: tuple[Cuts, ...] = ()
    names: Mapping[int, Sequence[Any]] = field(default_factory=dict)
    scans: tuple[Scan, ...] = ()

    def as_arrays(self) -> list[npt.NDArray[Any]]:
        """For a file of arrays."""
        about = {
            "what": self.what, "bits": self.bits, "columns": self.columns, "before": self.before,
            "cuts": [cut_as_json(cut) for cut in self.cuts], "names": list(self.names.items()),
        }  # fmt: skip
        written = np.frombuffer(json.dumps(about).encode(), np.uint8)
        return [written, *(array for scan in self.scans for array in scan.arrays)]

    @classmethod
    def from_arrays(cls, arrays: Sequence[npt.NDArray[Any]]) -> Ask:
        about = json.loads(arrays[0].tobytes())
        scans = tuple(Scan.of(arrays[start : start + 3]) for start in range(1, len(arrays), 3))
        cuts = tuple(map(cut_from_json, about["cuts"]))
        names = {bit: own for bit, own in about["names"]}
        bits, columns = tuple(about["bits"]), tuple(about["columns"])
        return cls(about["what"], bits, columns, about["before"], cuts, names, scans)


Looked = Callable[[Ask], Iterable[Found]]


def look(ready: Prepared, ask: Ask, tables: Iterable[pa.Table], missing: Missing = "drop") -> Found:
    """What a pass finds in some of the rows: for each predicate of `ask`, names in the order in which they are met, or
    what `Scan.found` says; for sizes names and counts."""
    for bit, names in ask.names.items():
        if len(_groups(ready, bit)) != len(names):
            _groups(ready, bit).know(names)
    if ask.what == "groups":
        met = {bit: _groups(ready, bit).fresh() for bit in ask.bits}
        for rows in tables:
            for groups in met.values():
                groups.of(rows, new=True)
        return [groups.names for groups in met.values()]
    if ask.what == "sizes":
        return [_sizes(ready, ask, tables, missing)]
    scans = [replace(scan, bins=None, held=[]) for scan in ask.scans]
    for rows in tables:
        good = None if ask.before is None else _passing(ready, ask.cuts, range(ask.before), rows, missing)
        for bit, scan in zip(ask.bits, scans, strict=True):
            for keys, uids, own in _rows(ready, bit, rows, good):
                scan.see(keys, uids, own)
    return [scan.found for scan in scans]


def resolve(ready: Prepared, read: Read, missing: Missing = "drop") -> Resolved:
    """Find the cuts, from all rows of the corpus, in any order of shards.

    read: the rows of every shard, with `uid` and the columns asked for; it is called several times.
    """
    return resolve_by(ready, lambda ask: [look(ready, ask, read(ask.columns), missing)])


def resolve_by(ready: Prepared, looked: Looked) -> Resolved:
    """The same where others look: `looked` gives what `look` does for each part of the rows, in the order of the
    shards, which names the groups; nothing else hangs on it."""
    cuts: list[Cuts] = [None] * len(ready.predicates)
    free = [bit for bit, each in enumerate(ready.predicates) if _of_all(each)]
    for bit, cut in zip(free, _select(ready, free, looked, cuts), strict=True):
        cuts[bit] = cut
    for bit, each in enumerate(ready.predicates):
        if isinstance(each, TopRows | Cap):
            (cuts[bit],) = _select(ready, [bit], looked, cuts, before=bit)
    sizes: dict[Any, int] | None = None
    if ready.weight_groups is not None:
        sizes = {}
        for ((names, counts),) in looked(Ask("sizes", (), ready.columns, len(cuts), tuple(cuts))):
            for name, count in zip(names, counts, strict=True):
                sizes[name] = sizes.get(name, 0) + count
        ready.weight_groups.know(list(sizes))
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
    ready: Prepared, bits: Sequence[int], looked: Looked, cuts: Sequence[Cuts], before: int | None = None
) -> list[Cuts]:
    """The cuts of these predicates, found in the same passes, of the rows that pass the predicates before (None: of
    all)."""
    grouped = tuple(bit for bit in bits if ready.groups[bit] is not None)
    if grouped:  # how many groups there are must be known before anything is counted
        columns = dict.fromkeys(name for bit in grouped for name in _groups(ready, bit).columns)
        for found in looked(Ask("groups", grouped, tuple(columns))):
            for bit, names in zip(grouped, found, strict=True):
                _groups(ready, bit).know(names)
    extra = [name for number in range(before or 0) for name in ready.columns_of(number)]
    tops = {bit: TopK(_taken(ready.predicates[bit]), groups=_count(ready, bit)) for bit in bits}
    while unsettled := tuple(bit for bit in bits if not tops[bit].settled):
        columns = dict.fromkeys([*extra, *(name for bit in unsettled for name in ready.columns_of(bit))])
        names = {bit: _groups(ready, bit).names for bit in unsettled if ready.groups[bit] is not None}
        scans = tuple(tops[bit].scan for bit in unsettled)
        told = () if before is None else tuple(cuts[:before])
        for found in looked(Ask("rows", unsettled, tuple(columns), before, told, names, scans)):
            for bit, own in zip(unsettled, found, strict=True):
                tops[bit].add(own)
        for bit in unsettled:
            tops[bit].end_of_pass()
    return [_cuts(ready, bit, tops[bit]) for bit in bits]


def _groups(ready: Prepared, bit: int) -> Groups:
    found = ready.groups[bit]
    assert found is not None
    return found


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


def _sizes(ready: Prepared, ask: Ask, tables: Iterable[pa.Table], missing: Missing) -> tuple[list[Any], list[int]]:
    """Kept rows by group."""
    assert ready.weight_groups is not None
    groups = ready.weight_groups.fresh()
    counts = np.zeros(0, np.int64)
    for rows in tables:
        own, _ = groups.of(rows, new=True)
        good = _passing(ready, ask.cuts, range(len(ready.predicates)), rows, missing)
        found = np.bincount(own[good & (own >= 0)], minlength=len(groups))
        found[: len(counts)] += counts
        counts = found
    return groups.names, counts.tolist()
