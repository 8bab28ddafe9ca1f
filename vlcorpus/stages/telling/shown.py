"""The decision that a report shows, and the rows that it was made of with what was decided of each.

    shown = Shown.of(corpus, "similarity-top-0.3")
    for rows in shown.rows(("similarity", "language")):
        rows.table, rows.keep, rows.fail_mask          of one shard, row by row

Without a decision the rows are those of the images (of the candidates, where nothing was fetched), and all are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ... import expression
from ...corpus import Corpus
from ...errors import CorpusError, UsageError
from ...io import table
from ..base import ALL
from ..columns import Catalogue, catalogue

if TYPE_CHECKING:
    import pyarrow as pa

    from ...scores.funnel import FunnelStep

Bools = npt.NDArray[np.bool_]
UInt64s = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Rows:
    """N rows of one shard: table (`uid` and the columns asked for), keep bool (N,), fail_mask uint64 (N,)."""

    shard: str
    table: pa.Table
    keep: Bools
    fail_mask: UInt64s


@dataclass(frozen=True)
class Shown:
    """stats: the decision's all_stats.json, None without a decision."""

    corpus: Corpus
    decision: str | None
    stats: Mapping[str, Any] | None
    known: Catalogue

    @classmethod
    def of(cls, corpus: Corpus, decision: str | None) -> Shown:
        """UsageError where there is no such decision."""
        stats = None
        if decision is not None:
            stats = corpus.layer(f"decisions/{decision}").stats(ALL)
            if stats is None:
                there = ", ".join(decisions(corpus))
                raise UsageError(f"no decision {decision!r} in {corpus.place}", f"there are: {there}" if there else "")
        kind = str(stats.get("of", "images")) if stats else "images" if corpus.layer("shards").units() else "candidates"
        return cls(corpus, decision, stats, catalogue(corpus, kind))

    @property
    def predicates(self) -> Sequence[Mapping[str, Any]]:
        return self.stats["predicates"] if self.stats else ()

    @cached_property
    def shards(self) -> tuple[str, ...]:
        """The shards that were decided on; those that came later are not told of."""
        if self.decision is None:
            return self.known.shards()
        return self.corpus.layer(f"decisions/{self.decision}").units()

    @cached_property
    def seen(self) -> int:
        """How many rows there are to read."""
        if self.stats is not None:
            return int(self.stats["seen"])
        layer = self.corpus.layer("candidates" if self.known.of == "candidates" else "shards")
        return sum(int((layer.stats(unit) or {}).get("kept", 0)) for unit in layer.units())

    @property
    def kept(self) -> int:
        return int(self.stats["kept"]) if self.stats else self.seen

    @property
    def weight(self) -> float:
        """How many pairs one pass over the decision takes."""
        return float(self.stats.get("weight", self.kept)) if self.stats else float(self.kept)

    def rows(self, names: Sequence[str]) -> Iterator[Rows]:
        """Every shard with these columns. CorpusError where the decision is of other rows than there are now."""
        from ...scores.prepared import uids_of

        for shard in self.shards:
            found = self.known.read(shard, names)
            if self.decision is None:
                yield Rows(shard, found, np.ones(len(found), bool), np.zeros(len(found), np.uint64))
                continue
            path = self.corpus.layer(f"decisions/{self.decision}").path(f"{shard}.parquet")
            decided = table.read(path, "decisions", only=["uid", "keep", "fail_mask"])
            if not uids_of(decided).equals(uids_of(found)):
                raise CorpusError(
                    f"decisions/{self.decision} is not of the pairs of shard {shard}",
                    "they have changed since: decide again, then report",
                )
            keep = decided.column("keep").to_numpy()
            yield Rows(shard, found, keep, decided.column("fail_mask").to_numpy())

    def says(self, predicate: Mapping[str, Any]) -> str:
        """A predicate in words."""
        from ...scores.predicates import Resolved

        return str(predicate.get("says") or Resolved.from_json([predicate]).predicates[0])

    def columns(self, predicate: Mapping[str, Any]) -> tuple[str, ...]:
        """The columns that a predicate reads."""
        if "columns" in predicate:
            return tuple(predicate["columns"])
        texts = [predicate.get(name) for name in ("expression", "column", "by")]
        return tuple(dict.fromkeys(name for text in texts if text is not None for name in expression.names(text)))

    @cached_property
    def funnel(self) -> list[FunnelStep]:
        """What each predicate did, from how many rows have each fail mask."""
        from ...scores.funnel import funnel

        masks = self._masks()
        order = sorted(masks)
        counts = np.array([masks[mask] for mask in order], np.int64)
        return funnel(np.array(order, np.uint64), len(self.predicates), counts)

    def _masks(self) -> Mapping[int, int]:
        assert self.stats is not None
        if "masks" in self.stats:
            return {int(mask): int(rows) for mask, rows in self.stats["masks"]}
        from ...scores.funnel import count_masks

        found: Counter[int] = Counter()
        layer = self.corpus.layer(f"decisions/{self.decision}")
        for shard in layer.units():  # earlier versions did not count them
            column = table.read(layer.path(f"{shard}.parquet"), "decisions", only=["fail_mask"]).column("fail_mask")
            masks, rows = count_masks(column.to_numpy())
            found.update(dict(zip(masks.tolist(), rows.tolist(), strict=True)))
        return found


def decisions(corpus: Corpus) -> tuple[str, ...]:
    """The decisions that are whole."""
    names = corpus.layers("decisions")
    return tuple(name for name in names if corpus.layer(f"decisions/{name}").stats(ALL) is not None)


def default_decision(corpus: Corpus) -> str | None:
    """The only decision, or the only one by similarity."""
    known = decisions(corpus)
    by_similarity = [name for name in known if name.startswith("similarity")]
    return known[0] if len(known) == 1 else by_similarity[0] if len(by_similarity) == 1 else None
