"""Groups of pairs whose images are the same or nearly so, in parts of which none sees all rows.

    found = grouped(stage, corpus, layer, run, tell)      found.uids, found.groups, found.exact, of all members

1. `rows`, of some shards each: what their rows are called by (digest of the bytes, image, perceptual hash), the first
   row of each in files by the hash of that; the others are edges to it.
2. `bucket`, of each hash: the same over all shards. Of perceptual hashes only different ones are left; where they are
   too many for one place they go on by the value of each of radius + 1 bands, of which near ones share one
   (knn/hamming.py).
3. `near`, of some values of a band: edges that join the near ones.
4. The edges of all join their rows to groups, in one place: two row numbers an edge, of duplicates alone.
5. `named`, of some shards each: the uids of the members.

A row is called by its shard's number and its place there, in one number whose order is that of the corpus. What comes
out hangs on none of the numbers of parts and buckets. Memory beside the libraries': a part of 262,144 rows (1/1,024 of
the corpus where that is more) 100 MB; a bucket of a million rows 250 MB; joining, in one place, 150 bytes a member of a
group.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..corpus import Corpus, Layer
from ..knn.equal import first_equal
from ..knn.groups import groups
from ..knn.hamming import bands, tree
from . import samples
from .base import Tell
from .relay import Relay, bucket_count, buckets_of, divided, stretches
from .sharing import share

if TYPE_CHECKING:
    from .dedup import Dedup

Numbers = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
_DIGEST, _IMAGE, _HASH = 4, 2, 1  # numbers of a key
_ROW = 32  # bits of a place in its shard
_NO_EDGES: Numbers = np.zeros((0, 2), np.int64)


@dataclass(frozen=True)
class Part:
    """What a part is told. run, number: of the files it reads and writes; the rest as its kind needs it."""

    run: str
    number: int
    first: int = 0
    shards: tuple[str, ...] = ()
    buckets: int = 1
    parts: int = 1
    slots: int = 0
    band: int = -1


@dataclass(frozen=True)
class Grouped:
    """Members of groups, in the order of the corpus. uids, groups: uint64 (M, 2), big half first; a group is called by
    its smallest uid. exact: whether another has the same bytes. rows: of the corpus; sizes: members of each group."""

    uids: UInt64s
    groups: UInt64s
    exact: npt.NDArray[np.bool_]
    rows: int
    sizes: Numbers


def grouped(stage: Dedup, corpus: Corpus, layer: Layer, run: str, tell: Tell) -> Grouped:
    """All groups of the corpus, through `stage`'s methods of the same names as the parts above."""
    source = corpus.layer("shards")
    parts = stretches(source, source.units())
    with Relay(layer, run) as relay:
        buckets = bucket_count(sum(int((source.stats(shard) or {}).get("kept", 0)) for shard in source.units()))
        told = [Part(run, number, first, shards, buckets) for number, (first, shards) in enumerate(parts)]
        rows = hashes = 0
        for seen, different in share(stage, corpus, "rows", told):
            rows, hashes = rows + seen, hashes + different
            tell(rows, rows)
        edges = [relay.take(("edges-rows", number)) for number in range(len(parts))]
        slots = 0 if not stage.radius else bucket_count(hashes)
        banded = _bands(stage.radius, slots)
        told = [Part(run, number, parts=len(parts), slots=slots) for number in range(buckets)]
        list(share(stage, corpus, "bucket", told))
        edges += [relay.take(("edges-bucket", number)) for number in range(buckets)]
        places = itertools.product(range(len(banded)), range(slots))
        told = [Part(run, slot, buckets=buckets, slots=slots, band=band) for band, slot in places]
        list(share(stage, corpus, "near", told))
        close = [relay.take(("edges-near", each.band, each.number))[0] for each in told]
        same = np.concatenate([_NO_EDGES, *(each[0] for each in edges)])
        others = [*(each[1] for each in edges), *close]
        del edges, close
        return _joined(stage, corpus, relay, run, parts, rows, same, others)


def _joined(
    stage: Dedup,
    corpus: Corpus,
    relay: Relay,
    run: str,
    parts: Sequence[tuple[int, tuple[str, ...]]],
    rows: int,
    same: Numbers,
    others: Sequence[Numbers],
) -> Grouped:
    """The groups that the edges make. same: edges between rows of the same bytes."""
    pairs = np.concatenate([same, *others])
    members, numbers = np.unique(pairs, return_inverse=True)
    group_M = groups(len(members), numbers.reshape(-1, 2))
    del pairs, numbers
    exact = np.zeros(len(members), bool)
    exact[np.searchsorted(members, np.unique(same))] = True
    edges = np.searchsorted(members, [first << _ROW for first, _ in parts] or [0])
    edges = np.append(edges, len(members))
    told = []
    for number, (first, shards) in enumerate(parts):
        own = members[edges[number] : edges[number + 1]]
        if len(own):
            relay.put(("members", number), own)
            told.append(Part(run, number, first, shards))
    list(share(stage, corpus, "named", told))
    uids = np.concatenate([np.zeros((0, 2), np.uint64), *(relay.take(("uids", each.number))[0] for each in told)])
    order = np.lexsort((uids[:, 1], uids[:, 0], group_M))
    starts = np.flatnonzero(np.diff(group_M[order], prepend=-1))
    sizes = np.diff(np.append(starts, len(members)))
    smallest = np.empty_like(uids)
    smallest[order] = np.repeat(uids[order[starts]], sizes, axis=0)
    return Grouped(uids, smallest, exact, rows, sizes)


def rows(corpus: Corpus, layer: Layer, part: Part) -> tuple[int, int]:
    """Part 1. How many rows there are, and how many different perceptual hashes."""
    digests, images, hashes = [], [], []
    for number, shard in enumerate(part.shards, part.first):
        table = samples.pairs(corpus, shard, ("uid", "image_id", "sha256"))
        place = (np.arange(len(table)) + (number << _ROW)).astype(np.uint64)
        digest, there = samples.digests(table.column("sha256"))
        digests.append(np.c_[digest, place[there]])
        images.append(np.c_[samples.words(table.column("image_id")), place])
        column = samples.numbers(corpus, "scores/phash", shard, "score-phash", "phash", table.column("uid"))
        there = column.is_valid().to_numpy(zero_copy_only=False)
        hashes.append(np.c_[column.drop_null().to_numpy().astype(np.uint64), place[there]])
    relay = Relay(layer, part.run)
    seen = sum(map(len, images))
    found = [_first(each, width) for each, width in ((digests, _DIGEST), (images, _IMAGE), (hashes, _HASH))]
    split = [divided(left, buckets_of(left[:, 0], part.buckets), part.buckets) for left, _ in found]
    for bucket, own in enumerate(zip(*split, strict=True)):
        relay.put(("rows", part.number, bucket), *own)
    relay.put(("edges-rows", part.number), found[0][1], np.concatenate([found[1][1], found[2][1]]))
    return seen, len(found[2][0])


def bucket(corpus: Corpus, layer: Layer, part: Part, radius: int) -> None:
    """Part 2."""
    relay = Relay(layer, part.run)
    read = relay.gathered([("rows", number, part.number) for number in range(part.parts)])
    (_, same), (_, images), (left, equal) = (
        _first([each], width) for each, width in zip(read, (_DIGEST, _IMAGE, _HASH), strict=True)
    )
    relay.put(("edges-bucket", part.number), same, np.concatenate([images, equal]))
    for band, mask in enumerate(_bands(radius, part.slots)):
        for slot, own in enumerate(divided(left, buckets_of(left[:, 0] & mask, part.slots), part.slots)):
            relay.put(("hashes", band, slot, part.number), own)


def near(corpus: Corpus, layer: Layer, part: Part, radius: int) -> None:
    """Part 3."""
    relay = Relay(layer, part.run)
    (read,) = relay.gathered([("hashes", part.band, part.number, bucket) for bucket in range(part.buckets)])
    read = read[np.argsort(read[:, 1], kind="stable")]
    band = int(_bands(radius, part.slots)[part.band])
    places = read[:, 1].astype(np.int64)
    relay.put(("edges-near", part.band, part.number), places[tree(read[:, 0], radius, band=band)])


def named(corpus: Corpus, layer: Layer, part: Part) -> None:
    """Part 5."""
    relay = Relay(layer, part.run)
    (members,) = relay.take(("members", part.number))
    numbers = np.arange(part.first, part.first + len(part.shards) + 1) << _ROW
    edges = np.searchsorted(members, numbers)
    uids = [np.zeros((0, 2), np.uint64)]
    for number, (shard, low, high) in enumerate(zip(part.shards, edges, edges[1:], strict=False), part.first):
        if high > low:
            table = samples.pairs(corpus, shard, ("uid",))
            uids.append(samples.words(table.column("uid"))[members[low:high] - (number << _ROW)])
    relay.put(("uids", part.number), np.concatenate(uids))


def _bands(radius: int, slots: int) -> UInt64s:
    """The bands by which hashes are divided: none needs to be where all are looked at in one place."""
    if slots < 2:
        return np.zeros(slots, np.uint64)
    return bands(radius + 1)


def _first(rows: Sequence[UInt64s], width: int) -> tuple[UInt64s, Numbers]:
    """The first row of each key, and edges from it to the others. rows: keys of that width, and places behind them."""
    whole = np.concatenate([np.zeros((0, width + 1), np.uint64), *rows])
    first = first_equal(whole[:, :width])
    own = np.arange(len(whole))
    places = whole[:, width].astype(np.int64)
    again = first != own
    return whole[~again], np.stack([places[first[again]], places[again]], axis=1)
