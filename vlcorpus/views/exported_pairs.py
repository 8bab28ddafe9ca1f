"""Whether the pairs of an export are those of its corpus, as the corpus says today.

    compare(ledger, corpus, pairs, {"train": [uids of a shard (N, 16), …]})     -> how many different pairs it holds

Each is there, kept by the decision, in the split of its folder, and as often in it as its weight says. Layers that the
corpus does not have, or not of a shard, judge nothing. Cost: 1 microsecond a pair, and 30 bytes of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..corpus import Corpus
from ..errors import VlcorpusError
from ..io import subset, table
from ..stages.export_lists import GIVEN
from ..stages.subsets import Rows, copies
from .finding import Ledger

_FIX = "write the export again: the same `vlcorpus export` command"
_UNKNOWN = -1
_SAID = {
    "unknown": "are not in the corpus",
    "dropped": "are not kept by {decision}",
    "moved": "are not in that split of {split}",
    "repeated": "are not in it as often as their weights say",
}
Uids = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Pairs:
    """What an export says of its pairs. of: which of the corpus's they may be. kind: of uids, own or given. repeated:
    whether weights repeat them."""

    name: str
    settings: Mapping[str, Any]
    of: str
    kind: str
    repeated: bool


class _Split:
    """The different uids of a split's folder, in order, and what the corpus says of each.

    times: as often as it stands there. wanted: as often as it should, where known. known, kept, here: whether a pair of
    that uid is in the corpus, may be kept, and may be in this split.
    """

    def __init__(self, uids: Uids) -> None:
        high, low = subset.halves(uids)
        order = subset.order(high, low)
        high, low = high[order], low[order]
        fresh = np.ones(len(high), bool)
        fresh[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        starts = np.flatnonzero(fresh)
        self.high, self.low = high[starts], low[starts]
        self.times = np.diff(starts, append=len(high))
        self.wanted = np.zeros(len(starts), np.int64)
        self.known, self.kept, self.here = (np.zeros(len(starts), bool) for _ in range(3))

    def wrong(self, what: str, kind: str) -> Bools:
        """Which are wrong in a way of _SAID. Of pairs that were given the same uid, the one that is taken may be the
        one that is wanted less."""
        if what == "unknown":
            return ~self.known
        if what != "repeated":
            return self.known & ~(self.kept if what == "dropped" else self.here)
        other: Bools = self.times > self.wanted if kind == GIVEN else self.times != self.wanted
        return self.kept & self.here & (self.wanted > 0) & other

    def first(self, which: Bools) -> str:
        place = int(np.flatnonzero(which)[0])
        return f"{int(self.high[place]):016x}{int(self.low[place]):016x}"


def compare(ledger: Ledger, corpus: Corpus, pairs: Pairs, listed: Mapping[str, Sequence[Uids]]) -> int:
    """Findings go to the ledger. Returns the number of different pairs."""
    splits = {name: _Split(np.concatenate(uids)) for name, uids in listed.items()}
    decided, divided = (
        f"{below}/{pairs.settings[name]}" if pairs.settings.get(name) else None
        for below, name in (("decisions", "decision"), ("splits", "split"))
    )
    for layer in (decided, divided):
        if layer is not None and not corpus.layer(layer).units():
            ledger.note(pairs.name, f"was made from {layer}, which the corpus does not have")
    for shard in corpus.layer("candidates").units():
        try:
            _see(corpus, pairs, shard, splits, decided, divided)
        except VlcorpusError:
            return sum(len(split.times) for split in splits.values())  # told when the corpus was checked
    for what in ("unknown", "dropped", "moved", "repeated"):
        found = [(split, split.wrong(what, pairs.kind)) for split in splits.values()]
        named = [split.first(which) for split, which in found if which.any()]
        if named:
            count = sum(int(which.sum()) for _, which in found)
            said = _SAID[what].format(decision=pairs.settings.get("decision"), split=pairs.settings.get("split"))
            ledger.wrong(pairs.name, f"{count} pairs {said}, first {named[0]}", _FIX)
    if pairs.kind != GIVEN:
        _twice(ledger, pairs.name, list(splits.values()))
    return sum(len(split.times) for split in splits.values())


def _twice(ledger: Ledger, name: str, splits: Sequence[_Split]) -> None:
    """Pairs in several splits."""
    for number, split in enumerate(splits):
        for other in splits[number + 1 :]:
            both = subset.find(split.high, split.low, other.high, other.low) >= 0
            if both.any():
                ledger.wrong(name, f"{int(both.sum())} pairs are in two splits, first {other.first(both)}", _FIX)


def _see(
    corpus: Corpus, pairs: Pairs, shard: str, splits: Mapping[str, _Split], decided: str | None, divided: str | None
) -> None:
    """What one shard says of the pairs."""
    rows = Rows(corpus, shard, pairs.of)
    own = subset.raw(rows.uids)
    names = own
    if pairs.kind == GIVEN:
        names, _ = subset.from_hex(rows.of_candidates(["given_uid"]).column("given_uid").combine_chunks())
    keep, times = _decided(corpus, decided, shard, own, pairs)
    folder = _folders(corpus, divided, shard, own)
    for name, split in splits.items():
        at = subset.find(split.high, split.low, *subset.halves(names))
        found = at >= 0
        here = found if folder is None else found & ((folder == name) | (folder == ""))
        split.known[at[found]] = True
        split.here[at[here]] = True
        split.kept[at[found & (keep != 0)]] = True
        counted = here & (keep != 0) & (times > 0)
        np.maximum.at(split.wanted, at[counted], times[counted])


def _decided(
    corpus: Corpus, layer: str | None, shard: str, own: Uids, pairs: Pairs
) -> tuple[npt.NDArray[np.int8], Ints]:
    """Whether each pair is kept (1, 0, _UNKNOWN), and how often it is taken (_UNKNOWN: nobody says)."""
    keep, times = np.full(len(own), _UNKNOWN, np.int8), np.full(len(own), _UNKNOWN, np.int64)
    if layer is None:
        return keep, np.ones(len(own), np.int64)
    if corpus.layer(layer).stats(shard) is None:
        return keep, times
    found = table.read(corpus.layer(layer).path(f"{shard}.parquet"), "decisions", only=["uid", "keep", "weight"])
    uids = subset.raw(found.column("uid").combine_chunks())
    weights = found.column("weight").to_numpy()
    taken = np.ones(len(uids), np.int64)
    if pairs.repeated and pairs.settings.get("repeat", False):  # exports of before there were weights say nothing
        taken = copies(np.nan_to_num(weights, posinf=0.0), uids, int(pairs.settings.get("seed", 0)))
    at = _places(uids, own)
    there = at >= 0
    keep[there] = found.column("keep").to_numpy()[at[there]]
    times[there] = taken[at[there]]
    return keep, times


def _folders(corpus: Corpus, layer: str | None, shard: str, own: Uids) -> npt.NDArray[Any] | None:
    """The split of each pair, "" where nobody says."""
    if layer is None or corpus.layer(layer).stats(shard) is None:
        return None
    found = table.read(corpus.layer(layer).path(f"{shard}.parquet"), "splits", only=["uid", "split"])
    at = _places(subset.raw(found.column("uid").combine_chunks()), own)
    said = np.array(["", *found.column("split").to_pylist()], object)
    return said[at + 1]


def _places(uids: Uids, wanted: Uids) -> Ints:
    """Row numbers of the wanted among uids; -1 where they are not there."""
    if len(uids) == len(wanted) and (uids == wanted).all():
        return np.arange(len(uids))
    high, low = subset.halves(uids)
    order = subset.order(high, low)
    found = subset.find(high[order], low[order], *subset.halves(wanted))
    return np.where(found >= 0, order[found], -1) if len(order) else found
