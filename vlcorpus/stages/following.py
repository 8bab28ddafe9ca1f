"""Splits of all pairs, in parts of which none sees all: what is settled stays, and its group follows it.

    assign_all(stage, corpus, layer, "all", tell)

1. `uids`, of some shards each, and of old tables: uids of today's pairs, and of those that have a split, in files by
   the hash of the uid; `members` does the same with the rows of groups.parquet.
2. `meet`, of each hash: a uid's group and the split that it has. What is neither settled nor may follow is drawn.
3. `follow`, of each hash of a group: the split of the smallest settled uid is that of the others; else it is drawn.
4. `assign`, of some shards each: their tables, committed shard by shard.

A pair is called by its shard's number and its place there. Memory: a part of 262,144 rows (1/1,024 of the corpus where
that is more) 60 MB; a bucket of a million rows 200 MB; nothing that grows with the corpus in one place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from .. import spec
from ..corpus import Corpus, Layer
from ..errors import CorpusError
from ..io import table
from ..knn.equal import first_equal
from . import relay, samples
from .base import Tell, UnitCommit
from .relay import Relay, buckets_of, divided
from .sharing import share
from .split import NAMES

if TYPE_CHECKING:
    from .split import Split

Numbers = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Draws = Callable[[Iterable[bytes]], UInt64s]
_ROW = 32  # bits of a place in its shard
_OLD_TABLES = 256  # of shards that are gone, a part


@dataclass(frozen=True)
class Part:
    """What a part is told. run, number: of the files it reads and writes; shards: what it reads, the first of which has
    the number `first` (-1: old tables alone); old: places of their tables among all that are there, -1 for none.

    parts, groups, buckets: how many there are. stretch: rows of groups.parquet that one part reads. starts: number of
    the first shard of each stretch of shards; settled: whether any pair has a split already."""

    run: str
    number: int
    first: int = 0
    shards: tuple[str, ...] = ()
    old: tuple[int, ...] = ()
    buckets: int = 1
    parts: int = 1
    groups: int = 1
    stretch: int = 1
    starts: tuple[int, ...] = ()
    settled: bool = False
    inputs: Mapping[str, str] = field(default_factory=dict)


def assign_all(stage: Split, corpus: Corpus, layer: Layer, unit: str, tell: Tell) -> None:
    """Give every pair its split, through `stage`'s methods of the same names as the parts above, and commit all."""
    inputs = stage.inputs(corpus, unit)
    run = spec.fingerprint(stage, stage.name, stage.version, inputs)
    source, duplicates = corpus.layer("shards"), corpus.layer(f"duplicates/{stage.duplicates}")
    shards = source.units()
    parts = relay.stretches(source, shards)
    old = {name.removesuffix(".parquet"): place for place, name in enumerate(layer.names("*.parquet"))}
    gone = [shard for shard in old if shard not in set(shards)]
    rows = sum(int((source.stats(shard) or {}).get("kept", 0)) for shard in shards)
    members = table.count(duplicates.path("groups.parquet"), "duplicates")
    stretch = relay.part_rows(members)
    told = Part(
        run,
        0,
        buckets=relay.bucket_count(rows + members),
        parts=len(parts) + -(-len(gone) // _OLD_TABLES),
        groups=max(1, -(-members // stretch)),
        stretch=stretch,
        starts=tuple(first for first, _ in parts),
        settled=bool(old),
    )
    each = [
        replace(told, number=number, first=first, shards=own, old=tuple(old.get(shard, -1) for shard in own))
        for number, (first, own) in enumerate(parts)
    ]
    for start in range(0, len(gone), _OLD_TABLES):
        own = tuple(gone[start : start + _OLD_TABLES])
        each.append(replace(told, number=len(each), first=-1, shards=own, old=tuple(old[shard] for shard in own)))
    with relay.Relay(layer, run):
        list(share(stage, corpus, "uids", each))
        list(share(stage, corpus, "members", [replace(told, number=number) for number in range(told.groups)]))
        buckets = [replace(told, number=number) for number in range(told.buckets)]
        list(share(stage, corpus, "meet", buckets))
        if told.settled:
            list(share(stage, corpus, "follow", buckets))
        totals: Counter[str] = Counter()
        last = [replace(part, inputs=inputs) for part in each[: len(parts)]]
        with UnitCommit(stage, corpus, layer, unit, inputs) as whole:
            for counts in share(stage, corpus, "assign", last):
                totals += counts
                tell(totals.total(), totals.total())
            whole.finish(seen=totals.total(), kept=totals.total(), splits=dict(sorted(totals.items())))


def uids(corpus: Corpus, layer: Layer, part: Part) -> None:
    """Part 1, of shards."""
    wanted, settled = [np.zeros((0, 3), np.uint64)], [np.zeros((0, 4), np.uint64)]
    for number, (shard, old) in enumerate(zip(part.shards, part.old, strict=True), part.first):
        if old >= 0:
            settled.append(_settled(layer.path(f"{shard}.parquet"), old))
        if part.first >= 0:
            own = samples.words(samples.pairs(corpus, shard, ("uid",)).column("uid"))
            wanted.append(np.c_[own, np.arange(len(own), dtype=np.uint64) + np.uint64(number << _ROW)])
    files = Relay(layer, part.run)
    split = [_by_uid(np.concatenate(each), part.buckets) for each in (wanted, settled)]
    for bucket, arrays in enumerate(zip(*split, strict=True)):
        files.put(("uids", part.number, bucket), *arrays)


def _settled(path: Path, old: int) -> UInt64s:
    """uid, split and the table's own number of the pairs that have a split already: of a pair in several tables the
    last counts. A table under its final name is whole, even where a redo was interrupted."""
    rows = table.read(path, "splits")
    splits = rows.column("split").combine_chunks().dictionary_encode()
    known = [name in NAMES for name in splits.dictionary.to_pylist()]
    if not all(known):
        raise CorpusError(f"{path} has a split of another name", "run `vlcorpus verify` on the corpus")
    codes = np.array([*map(NAMES.index, splits.dictionary.to_pylist()), 0], np.uint64)
    found = np.full((len(rows), 4), old, np.uint64)
    found[:, :2] = samples.halves(rows.column("uid"))
    found[:, 2] = codes[splits.indices.to_numpy()]
    return found


def members(corpus: Corpus, layer: Layer, part: Part, name: str) -> None:
    """Part 1, of a stretch of groups.parquet."""
    low, high = part.number * part.stretch, (part.number + 1) * part.stretch
    found = [np.zeros((0, 4), np.uint64)]
    path = corpus.layer(f"duplicates/{name}").path("groups.parquet")
    for start, rows in table.pieces(
        path, "duplicates", only=["uid", "group"], wanted=lambda start, stop: start < high and stop > low
    ):
        own = rows.slice(max(0, low - start), max(0, high - max(low, start)))
        found.append(np.c_[samples.halves(own.column("uid")), samples.halves(own.column("group"))])
    files = Relay(layer, part.run)
    for bucket, array in enumerate(_by_uid(np.concatenate(found), part.buckets)):
        files.put(("members", part.number, bucket), array)


def meet(layer: Layer, part: Part, draws: Draws) -> None:
    """Part 2."""
    files = Relay(layer, part.run)
    wanted, settled = files.gathered([("uids", number, part.number) for number in range(part.parts)])
    (grouped,) = files.gathered([("members", number, part.number) for number in range(part.groups)])
    settled = settled[_last(settled[:, :2], settled[:, 3])]
    grouped = grouped[_last(grouped[:, :2], np.arange(len(grouped)))]
    # a pair's group is its own uid where it has no near ones
    group = _looked_up(wanted[:, :2], grouped[:, :2], grouped[:, 2:], wanted[:, :2])
    code = _looked_up(wanted[:, :2], settled[:, :2], settled[:, 2:3], np.full((len(wanted), 1), len(NAMES)))[:, 0]
    free = np.flatnonzero(code == len(NAMES))
    if not part.settled:
        code[free] = draws(_names(group[free]))
        free = free[:0]
    _answer(files, ("drawn", part.number), part, np.delete(np.c_[wanted[:, 2], code], free, axis=0))
    asking = np.c_[group[free], wanted[free, 2]]
    own = _looked_up(settled[:, :2], grouped[:, :2], grouped[:, 2:], settled[:, :2])
    known = np.c_[own, settled[:, :3]]
    split = [_by_uid(each, part.buckets) for each in (asking, known)]
    for bucket, arrays in enumerate(zip(*split, strict=True)):
        files.put(("follow", part.number, bucket), *arrays)


def follow(layer: Layer, part: Part, draws: Draws) -> None:
    """Part 3."""
    files = Relay(layer, part.run)
    asking, known = files.gathered([("follow", number, part.number) for number in range(part.buckets)])
    known = known[np.lexsort((known[:, 3], known[:, 2]))]  # of a group's the smallest uid first
    known = known[np.flatnonzero(first_equal(known[:, :2]) == np.arange(len(known)))]
    code = _looked_up(asking[:, :2], known[:, :2], known[:, 4:5], np.full((len(asking), 1), len(NAMES)))[:, 0]
    free = np.flatnonzero(code == len(NAMES))
    code[free] = draws(_names(asking[free, :2]))
    _answer(files, ("followed", part.number), part, np.c_[asking[:, 2], code])


def assign(stage: Split, corpus: Corpus, layer: Layer, part: Part) -> Counter[str]:
    """Part 4."""
    files = Relay(layer, part.run)
    stems = ("drawn", "followed") if part.settled else ("drawn",)
    (found,) = files.gathered([(stem, bucket, part.number) for stem in stems for bucket in range(part.buckets)])
    found = found[np.argsort(found[:, 0], kind="stable")]
    names = pa.array(NAMES)
    totals: Counter[str] = Counter()
    for number, shard in enumerate(part.shards, part.first):
        uids = samples.pairs(corpus, shard, ("uid",)).column("uid")
        low, high = np.searchsorted(found[:, 0], np.array([number << _ROW, number + 1 << _ROW], np.uint64))
        splits = names.take(pa.array(found[low:high, 1].astype(np.int8)))
        rows = {"uid": samples.whole(samples.words(uids)), "split": splits}
        with UnitCommit(stage, corpus, layer, shard, {**part.inputs, "shard": shard}) as commit:
            table.write(commit, f"{shard}.parquet", table.from_columns(rows, "splits"), "splits")
            commit.finish(seen=len(splits), kept=len(splits))
        totals += Counter(splits.to_pylist())
    return totals


def _names(groups: UInt64s) -> Iterator[bytes]:
    raw = groups.astype(">u8").tobytes()
    return (raw[start : start + 16] for start in range(0, len(raw), 16))


def _by_uid(rows: UInt64s, buckets: int) -> Sequence[UInt64s]:
    """Rows that begin with a uid, divided by its hash."""
    return divided(rows, buckets_of(rows[:, 1], buckets), buckets)


def _answer(files: Relay, name: tuple[str, int], part: Part, rows: UInt64s) -> None:
    """Hand places and splits on to whoever has the shards of these places."""
    edges = [start << _ROW for start in part.starts[1:]]
    which = np.searchsorted(np.array(edges, np.uint64), rows[:, 0], side="right")
    for number, own in enumerate(divided(rows, which, len(part.starts))):
        files.put((*name, number), own)


def _last(keys: UInt64s, order: npt.NDArray[np.integer]) -> Numbers:
    """Of rows with the same key the one that is last by `order`."""
    backwards = np.argsort(order, kind="stable")[::-1]
    first = first_equal(keys[backwards])
    return backwards[np.flatnonzero(first == np.arange(len(first)))]


def _looked_up(asked: UInt64s, keys: UInt64s, values: UInt64s, otherwise: UInt64s) -> UInt64s:
    """The value of each asked key (n, 2), `otherwise` where there is none. keys (m, 2): each once."""
    found = otherwise.astype(np.uint64)
    if not len(keys):
        return found
    first = first_equal(np.concatenate([keys, asked]))[len(keys) :]
    there = first < len(keys)
    found[there] = values[first[there]]
    return found
