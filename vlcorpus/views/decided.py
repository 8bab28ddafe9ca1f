"""All that a decision said of all rows, as arrays: what facets are counted from and pages are cut from.

    told = decided(corpus, "top")
    told.rules[0]                       Rule(says="similarity in the top 0.3", failed=4_620, first=4_620)
    told.fails_N, told.keep_N           uint64 and bool, a row each, in corpus order
    told.language.names[told.language.codes_N[17]]         "en"
    told.signature                      differs once the decision or what is read beside it has been made again

Rows are those of the decision's tables. The columns beside it come from today's candidates, shards and scores; of rows
that are no longer there they are "(none)".

Cost: 2.5 us a row, most of it for finding hosts; 21 bytes a row are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..corpus import Corpus
from ..errors import CorpusError
from ..expression import kernels
from ..expression.kinds import Kind
from ..io import table
from ..stages.columns import catalogue
from .browsing import Signature, signature
from .funnelling import stats_of
from .judging import says

NONE = "(none)"
"""What stands for no language, no host, and no reason of a download."""
LANGUAGES = ("detected_language", "candidates.language")
_LONGEST_NAME = 253

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Rule:
    """A predicate: rows that fail it, whatever else they fail, and rows that fail it first."""

    says: str
    failed: int
    first: int


@dataclass(frozen=True)
class Names:
    """A value a row: names[codes_N[row]]."""

    names: tuple[str, ...]
    codes_N: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Decided:
    """starts: number of each shard's first row, and of all rows at the end. status: why a row has no image, of a
    decision over candidates. seen, kept: as the decision's stats say."""

    decision: str
    of: str
    seen: int
    kept: int
    rules: tuple[Rule, ...]
    shards: tuple[str, ...]
    starts: tuple[int, ...]
    keep_N: Bools
    fails_N: UInt64s
    language: Names
    domain: Names
    status: Names
    signature: tuple[Signature, ...]


def signature_of(corpus: Corpus, decision: str) -> tuple[Signature, ...]:
    """What `Decided.signature` would be now."""
    layers = (f"decisions/{decision}", "candidates", "shards", "scores/language")
    return tuple(signature(corpus.layer(each)) for each in layers)


def decided(corpus: Corpus, decision: str) -> Decided:
    """Read a decision. CorpusError where it is not whole or its tables are damaged, UsageError where there is none."""
    stats = stats_of(corpus, decision)
    now = signature_of(corpus, decision)
    layer = corpus.layer(f"decisions/{decision}")
    of = "candidates" if stats.get("of") == "candidates" else "images"
    beside = _Beside(corpus, of)
    keeps, fails, sizes, columns = [], [], [], []
    shards = layer.units()
    for shard in shards:
        rows = table.read(layer.path(f"{shard}.parquet"), "decisions", only=["uid", "keep", "fail_mask"])
        keeps.append(rows.column("keep").to_numpy())
        fails.append(rows.column("fail_mask").to_numpy())
        sizes.append(len(rows))
        columns.append(beside.read(shard, rows.column("uid").combine_chunks()))
    mask = np.concatenate(fails) if fails else np.zeros(0, np.uint64)
    return Decided(
        decision=decision,
        of=of,
        seen=int(stats["seen"]),
        kept=int(stats["kept"]),
        rules=_rules(stats, mask),
        shards=shards,
        starts=(0, *np.cumsum(sizes, dtype=np.int64).tolist()),
        keep_N=np.concatenate(keeps) if keeps else np.zeros(0, bool),
        fails_N=mask,
        language=_names([each["language"] for each in columns]),
        domain=_names([each["domain"] for each in columns]),
        status=_names([each["status"] for each in columns]),
        signature=now,
    )


class _Beside:
    """Language, host and status of the rows of a decision."""

    def __init__(self, corpus: Corpus, of: str) -> None:
        self._corpus = corpus
        self._of = of
        self._known = catalogue(corpus, of)
        self.languages = [name for name in LANGUAGES if name in self._known]

    def read(self, shard: str, uids: pa.Array) -> dict[str, pa.Array]:
        rows = self._rows(shard)
        own = rows.column("uid").combine_chunks() if rows is not None else pa.array([], pa.binary(16))
        same = own.equals(uids)
        if not same:
            place = pc.index_in(uids, value_set=own)
            rows = rows.take(place) if rows is not None else None
        found = {
            "language": rows.column(rows.column_names[2]) if rows is not None else _nothing(uids),
            "domain": _hosts(rows.column("candidates.url")) if rows is not None else _nothing(uids),
            "status": _nothing(uids),
        }
        if same and self._of == "candidates":
            found["status"] = self._status(shard, uids)
        return {name: _coded(column) for name, column in found.items()}

    def _rows(self, shard: str) -> pa.Table | None:
        """uid, url and a language of a shard's rows today; None where they cannot be had."""
        for language in self.languages:
            try:
                return self._known.read(shard, ("candidates.url", language))
            except CorpusError:  # a score lacks the shard: the candidates' own language is next
                continue
        return None

    def _status(self, shard: str, uids: pa.Array) -> pa.Array:
        layer = self._corpus.layer("shards")
        if layer.stats(shard) is None:
            return _nothing(uids)
        rows = table.read(layer.path(f"{shard}.parquet"), "shards", only=["uid", "reason"])
        if len(rows) != len(uids):
            return _nothing(uids)
        return rows.column("reason")


def _nothing(uids: pa.Array) -> pa.Array:
    return pa.nulls(len(uids), pa.string())


def _hosts(urls: pa.ChunkedArray) -> pa.Array:
    """The host of each URL; "" where there is none."""
    return kernels.domain(kernels.load(urls.combine_chunks(), Kind.TEXT))


def _coded(column: Any) -> pa.DictionaryArray:
    """A dictionary of readable names that are not too long; nothing and "" are NONE."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    texts = pc.utf8_slice_codeunits(kernels.readable(whole), 0, _LONGEST_NAME)
    filled = pc.if_else(pc.equal(texts, ""), NONE, texts).fill_null(NONE)
    return filled.dictionary_encode()


def _names(parts: Sequence[pa.DictionaryArray]) -> Names:
    """The shards' dictionaries as one."""
    if not parts:
        return Names((), np.zeros(0, np.int32))
    joined = pa.chunked_array(parts).unify_dictionaries()
    names = tuple(joined.chunk(0).dictionary.to_pylist())
    return Names(names, np.concatenate([chunk.indices.to_numpy() for chunk in joined.chunks]).astype(np.int32))


def _rules(stats: Mapping[str, Any], fails_N: UInt64s) -> tuple[Rule, ...]:
    """From the counts of masks where the stats have them, else from the rows."""
    from ..scores.funnel import count_masks, funnel

    predicates = stats["predicates"]
    if "masks" in stats:
        masks = np.array([mask for mask, _ in stats["masks"]], np.uint64)
        counts = np.array([count for _, count in stats["masks"]], np.int64)
    else:
        masks, counts = count_masks(fails_N)
    steps = funnel(masks, len(predicates), counts)
    return tuple(Rule(says(each), step.marginal, step.rejected) for each, step in zip(predicates, steps, strict=True))
