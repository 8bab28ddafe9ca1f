"""Which pairs of a corpus are taken: by a decision, one keeper a duplicate group, and the split that they are in.

    chosen = Chosen(corpus, Choice(decision="similarity-0.28", duplicates="default", split="default"))
    for shard in chosen.shards():
        found = chosen.verdicts(shard)
        found.uids_N16[found.taken_N]            uids of the pairs that are taken
        found.left()                             Counter({"not_kept": 4_210, "other_keeper": 33})
    copies(found.weights_N, found.uids_N16, seed=0)      how often each is taken, by its weight

Rows are pairs with images; with listed=True those of the decision, and every candidate where there is none. A decision
over candidates has a row for each of them, of which those with an image are taken by their place. All of it is arrays:
0.1 microseconds a pair for a decision alone, whose tables are then the only ones that are read.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..corpus import Corpus, Layer
from ..errors import CorpusError
from ..io import subset, table
from ..scores.draws import draws
from .base import ALL
from .choice import Choice
from .takedowns import TAKEN_DOWN, refuse_stale, taken_down

NOT_KEPT, OTHER_KEEPER, NO_IMAGE, _ = REASONS = ("not_kept", "other_keeper", "no_image", TAKEN_DOWN)
WITH_IMAGES, CANDIDATES = "images", "candidates"
EVERY = "all"  # the split of what is in none
MOST_WEIGHT = 1_000_000
_STREAM = int.from_bytes(b"copies")  # of draws: another one than decisions draw by

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Verdicts:
    """Of the N pairs of one shard, in order. why_N: 0 of those that are taken, else the number of the reason in REASONS
    from 1. split_N: numbers in `splits`. weights_N float32: 0 and more, 1 without a decision."""

    rows: Rows
    uids_N16: npt.NDArray[np.uint8]
    why_N: npt.NDArray[np.int8]
    splits: tuple[str, ...]
    split_N: npt.NDArray[np.int32]
    weights_N: npt.NDArray[np.float32]

    @property
    def taken_N(self) -> Bools:
        taken: Bools = self.why_N == 0
        return taken

    def left(self) -> Counter[str]:
        """Pairs that are not taken, by reason."""
        counts = np.bincount(self.why_N, minlength=len(REASONS) + 1)[1:]
        return Counter({reason: int(count) for reason, count in zip(REASONS, counts, strict=True) if count})

    def of(self, split: str) -> Bools:
        """The pairs that are taken in a split."""
        if split not in self.splits:
            return np.zeros(len(self.why_N), bool)
        here: Bools = self.taken_N & (self.split_N == self.splits.index(split))
        return here


class Rows:
    """The pairs of one shard that a choice is about: those with images, or all candidates. Nothing is read before it is
    asked for."""

    def __init__(self, corpus: Corpus, shard: str, of: str) -> None:
        self.corpus, self.shard, self._of = corpus, shard, of

    @cached_property
    def every(self) -> pa.Array:
        """uids of all candidates of the shard."""
        path = self.corpus.layer("candidates").path(f"{self.shard}.parquet")
        return table.read(path, "candidates", only=["uid"]).column("uid").combine_chunks()

    @cached_property
    def pictured(self) -> Ints:
        """Row numbers of those that have an image; none where the shard has not been fetched."""
        layer = self.corpus.layer("shards")
        if layer.stats(self.shard) is None:
            return np.zeros(0, np.int64)
        states = table.read(layer.path(f"{self.shard}.parquet"), "shards", only=["status"]).column("status")
        if len(states) != len(self.every):
            raise CorpusError(
                f"shards/{self.shard} is not of the candidates of {self.shard}",
                f"run `vlcorpus verify {self.corpus.place}`",
            )
        return np.flatnonzero(pc.equal(states, "success").to_numpy())

    @cached_property
    def places(self) -> Ints:
        """Row numbers of these pairs in candidates/ and shards/."""
        return self.pictured if self._of == WITH_IMAGES else np.arange(len(self.every))

    @cached_property
    def uids(self) -> pa.Array:
        return self.every if self._of == CANDIDATES else self.every.take(pa.array(self.places))

    def of_candidates(self, names: list[str]) -> pa.Table:
        """Columns of candidates/, of these pairs."""
        path = self.corpus.layer("candidates").path(f"{self.shard}.parquet")
        return self.of_these(table.read(path, "candidates", only=names))

    def of_these(self, found: pa.Table) -> pa.Table:
        """These pairs of a table of all candidates."""
        return found if self._of == CANDIDATES else found.take(pa.array(self.places))

    def read(self, layer: str, name: str, columns: list[str], *, trusted: bool = False) -> pa.Table:
        """uid and columns of a layer's table, a row for each of these pairs. trusted: it is known to have just these.

        Rows of all candidates are reduced to these pairs; rows of pairs with images leave the others null. CorpusError
        where the layer lacks the shard, or has rows of neither.
        """
        place = self.corpus.layer(layer)
        if place.stats(self.shard) is None:
            raise CorpusError(f"{layer} has no shard {self.shard}", f"the corpus has grown: make {layer} again")
        found = table.read(place.path(f"{self.shard}.parquet"), name, only=["uid", *columns])
        if trusted:
            return found
        uids = found.column("uid").combine_chunks()
        if uids.equals(self.uids):
            return found
        if self._of == WITH_IMAGES and uids.equals(self.every):
            return self.of_these(found)
        if self._of == CANDIDATES and uids.equals(self.every.take(pa.array(self.pictured))):
            where = np.full(len(self.every), -1, np.int64)
            where[self.pictured] = np.arange(len(self.pictured))
            spread = found.take(pa.array(where, mask=where < 0))
            return spread.set_column(0, "uid", self.every)
        raise CorpusError(f"{layer} is not of the pairs of shard {self.shard}", f"the shard is new: make {layer} again")


class Chosen:
    """A choice, looked up: every pair gets a verdict and a split.

    The keeper of a duplicate group is its first kept pair in corpus order; groups know nothing of decisions. Pairs of
    one image are never each other's duplicates here: they are several captions of one picture. So shards are asked for
    once, in order. What is taken down is never taken and stands for no group, whatever a decision says of it;
    CorpusError where a takedown has not seen all pairs.
    """

    def __init__(self, corpus: Corpus, choice: Choice, *, listed: bool = False) -> None:
        refuse_stale(corpus)
        self._corpus = corpus
        self._choice = choice
        self.of = WITH_IMAGES
        if listed:
            self.of = CANDIDATES if choice.decision is None else decided_of(corpus, choice.decision)
        self._groups = _Groups(corpus, choice.duplicates) if choice.duplicates is not None else None
        self._trusted = choice.decision is not None and self._decided_now(choice.decision)

    def _decided_now(self, decision: str) -> bool:
        """Whether a decision says that it was made of just these rows as they are: its uids then need no comparison."""
        stats = _stats(self._corpus.layer(f"decisions/{decision}"))
        source = self._corpus.layer("shards" if self.of == WITH_IMAGES else "candidates")
        said = stats.get("inputs", {}).get(source.name)
        return self.of == decided_of(self._corpus, decision) and said is not None and said == source.digest_all()

    def shards(self) -> tuple[str, ...]:
        return self._corpus.layer("shards" if self.of == WITH_IMAGES else "candidates").units()

    def verdicts(self, shard: str) -> Verdicts:
        choice, rows = self._choice, Rows(self._corpus, shard, self.of)
        if choice.decision is None:
            uids, keep = subset.raw(rows.uids), np.ones(len(rows.uids), bool)
            weights = np.ones(len(uids), np.float32)
        else:
            layer = f"decisions/{choice.decision}"
            decided = rows.read(layer, "decisions", ["keep", "weight"], trusted=self._trusted)
            uids = subset.raw(decided.column("uid").combine_chunks())
            keep = decided.column("keep").to_numpy()
            weights = _weights(decided.column("weight").to_numpy(), layer, shard)
        why = np.where(keep, 0, 1 + REASONS.index(NOT_KEPT)).astype(np.int8)
        splits, split = (EVERY,), np.zeros(len(uids), np.int32)
        if choice.split is not None:
            found = rows.read(f"splits/{choice.split}", "splits", ["split"]).column("split").combine_chunks()
            coded = found.dictionary_encode()
            splits, split = tuple(coded.dictionary.to_pylist()), coded.indices.fill_null(0).to_numpy()
            why[keep & found.is_null().to_numpy(zero_copy_only=False)] = 1 + REASONS.index(NO_IMAGE)
        gone = taken_down(self._corpus, shard)
        if len(gone):
            own = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(uids), [None, pa.py_buffer(uids)])
            why[pc.is_in(own, value_set=gone).to_numpy(zero_copy_only=False)] = 1 + REASONS.index(TAKEN_DOWN)
        if self._groups is not None:
            images = subset.raw(rows.of_candidates(["image_id"]).column("image_id").combine_chunks())
            why[self._groups.others(uids, images, why == 0)] = 1 + REASONS.index(OTHER_KEEPER)
        return Verdicts(rows, uids, why, splits, split, weights)


class _Groups:
    """The groups of a table, and the image that stands for each of them so far."""

    def __init__(self, corpus: Corpus, name: str) -> None:
        layer = corpus.layer(f"duplicates/{name}")
        found = table.read(layer.path("groups.parquet"), "duplicates", only=["uid", "group"])
        high, low = subset.halves(subset.raw(found.column("uid").combine_chunks()))
        order = subset.order(high, low)
        self._high, self._low = high[order], low[order]
        groups = found.column("group").combine_chunks().dictionary_encode()
        self._group = groups.indices.to_numpy()[order]
        self._kept = np.zeros(len(groups.dictionary), bool)
        self._keepers = np.zeros((len(groups.dictionary), 2), np.uint64)

    def others(self, uids_N16: npt.NDArray[np.uint8], images_N16: npt.NDArray[np.uint8], kept_N: Bools) -> Ints:
        """Row numbers of kept pairs for which another image stands."""
        at = subset.find(self._high, self._low, *subset.halves(uids_N16))
        rows = np.flatnonzero(kept_N & (at >= 0))
        groups = self._group[at[rows]]
        images = np.stack(subset.halves(images_N16[rows]), axis=1)
        new, first = np.unique(groups, return_index=True)
        first, new = first[~self._kept[new]], new[~self._kept[new]]
        self._keepers[new], self._kept[new] = images[first], True
        others: Ints = rows[(self._keepers[groups] != images).any(axis=1)]
        return others


def copies(weights_N: npt.NDArray[np.float32], uids_N16: npt.NDArray[np.uint8], seed: int) -> Ints:
    """How often each pair is taken: the whole part of its weight, and once more with the probability of the rest.

    Chance hangs on seed and uid alone, so it is the same in any order, and a pair keeps its draw as the corpus grows.
    It is no part of the chance that decisions draw by.
    """
    if (weights_N == 1).all():
        return np.ones(len(weights_N), np.int64)
    weights = weights_N.astype(np.float64)
    whole = np.floor(weights)
    found: Ints = whole.astype(np.int64)
    some = np.flatnonzero(weights > whole)
    if len(some):
        drawn = (draws(uids_N16[some], seed, _STREAM) >> np.uint64(11)) * 2.0**-53
        found[some] += drawn < weights[some] - whole[some]
    return found


def decided_of(corpus: Corpus, decision: str) -> str:
    """What a decision was made over: images or candidates."""
    stats = _stats(corpus.layer(f"decisions/{decision}"))
    said = stats.get("of") or stats.get("settings", {}).get("of")
    return CANDIDATES if said == CANDIDATES else WITH_IMAGES


def _stats(layer: Layer) -> dict[str, Any]:
    """Stats of a decision as a whole. CorpusError where there is none."""
    stats = layer.stats(ALL)
    if stats is None:
        raise CorpusError(f"{layer.name} is not whole", "run the filter that makes it again")
    return stats


def _weights(weights_N: npt.NDArray[np.float32], layer: str, shard: str) -> npt.NDArray[np.float32]:
    """The weights, or CorpusError where one is no number of times."""
    if len(weights_N) and not (weights_N.min() >= 0 and weights_N.max() <= MOST_WEIGHT):  # NaN fails both
        raise CorpusError(
            f"{layer} has weights in shard {shard} that are not between 0 and {MOST_WEIGHT:,}",
            f"make {layer} again, or run `vlcorpus verify` on the corpus",
        )
    return weights_N
