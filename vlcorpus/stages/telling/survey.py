"""What is counted while the corpus is read: two passes, one shard at a time, in memory that does not grow with it.

    found = survey(shown, cuts)
    found.bins["similarity"]        kept and dropped pairs between edges
    found.near[0]                   the pairs nearest to the first cut
    found.counts["domain(url)"]     rows and kept rows of the largest domains
    found.sample                    at most 200,000 rows, drawn by uid: all columns that anything else asks for

First pass: the range of each column of numbers, the sample, how large groups are. Second pass: everything that needs
these. Cost: 12.8M candidates with 6 columns of numbers take 30 s on one core and 0.3 GB.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ... import expression
from ...scores.beside import Beside
from ...scores.histogram import Bins, Span, edges_for
from ...scores.prepared import Numbers, draws, halves, uids_of
from ...scores.rates import Counts
from .cuts import Cut
from .shown import Rows, Shown

if TYPE_CHECKING:
    import pyarrow as pa

    from ...expression.build import Value

SAMPLE = 200_000
SEED = 0x7265706F7274
"""Of the sample's draw; not that of any decision's."""
PICTURES = 24

Bools = npt.NDArray[np.bool_]
Float64s = npt.NDArray[np.float64]


@dataclass
class Survey:
    """bins, spans: by column or expression; series 0 of bins is what was dropped, 1 what was kept. near: by number of
    the cut. counts: by column or expression of texts. sample: uid and the columns asked for; keep: which rows
    of the sample are kept; rows, kept: of all."""

    bins: dict[str, Bins] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)
    near: dict[int, Beside] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)
    sample: pa.Table | None = None
    keep: Bools = field(default_factory=lambda: np.zeros(0, bool))
    rows: int = 0
    kept: int = 0

    @property
    def share(self) -> float:
        """Of all rows, those that are kept."""
        return self.kept / self.rows if self.rows else 0.0


def survey(
    shown: Shown,
    cuts: Sequence[Cut],
    *,
    numbers: Sequence[str] = (),
    texts: Sequence[str] = (),
    sampled: Sequence[str] = (),
    pictured: Sequence[int] = (),
    size: int = SAMPLE,
) -> Survey:
    """numbers: columns or expressions whose histogram is wanted, those of the cuts among them; texts: those whose
    values are counted; sampled: columns that the sample must have; pictured: numbers of the cuts whose sides are looked
    at; size: of the sample."""
    types = shown.known.types
    read = {text: Numbers(text, types, None) for text in dict.fromkeys([*numbers, *(cut.column for cut in cuts)])}
    named = {text: expression.compile_value(text, types) for text in dict.fromkeys(texts)}
    found = Survey(
        spans={text: Span() for text in read},
        counts={text: Counts() for text in named},
        near={number: Beside(PICTURES) for number in pictured},
    )
    grouping = [name for cut in cuts if cut.by is not None for name in expression.names(cut.by)]
    columns = [name for each in read.values() for name in each.columns]
    columns += [*grouping, *(name for each in named.values() for name in each.columns)]
    sample = _Sample(shown.seen, size)
    for rows in shown.rows(tuple(dict.fromkeys([*columns, *sampled]))):
        for text, own in read.items():
            values, there = _finite(own, rows.table)
            found.spans[text].see(values[there])
        for text, value in named.items():
            found.counts[text].look(value.values(rows.table), rows.keep)
        sample.see(rows)
        found.rows += len(rows.table)
        found.kept += int(rows.keep.sum())
    found.sample, found.keep = sample.end()
    found.bins = {text: Bins(_edges(own, found, cuts, text), 2) for text, own in read.items() if found.spans[text].rows}
    named = {text: value for text, value in named.items() if not found.counts[text].settled}
    again = [name for each in read.values() for name in each.columns]
    again += [name for value in named.values() for name in value.columns]
    for rows in shown.rows(tuple(dict.fromkeys([*again, *grouping]))):
        _count(found, rows, read, named, cuts, types)
    return found


def _edges(own: Numbers, found: Survey, cuts: Sequence[Cut], text: str) -> Float64s:
    assert found.sample is not None
    values, there = _finite(own, found.sample)
    marks = [
        float(own.dtype.type(cut.threshold)) if own.dtype == np.float32 else cut.threshold
        for cut in cuts
        if cut.column == text and cut.threshold is not None
    ]
    return edges_for(found.spans[text], values[there].astype(np.float64), marks)


def _count(
    found: Survey,
    rows: Rows,
    read: Mapping[str, Numbers],
    named: Mapping[str, Value],
    cuts: Sequence[Cut],
    types: Mapping[str, str],
) -> None:
    known = {}
    for text, own in read.items():
        known[text] = values, there = _finite(own, rows.table)
        if text in found.bins:
            found.bins[text].see(values[there], rows.keep[there])
    for text, value in named.items():
        found.counts[text].see(value.values(rows.table), rows.keep)
    uids = halves(uids_of(rows.table)) if found.near else np.zeros((0, 2), np.uint64)
    for number, beside in found.near.items():
        cut = cuts[number]
        values, there = known[cut.column]
        at = cut.thresholds(rows.table, types)
        distance = np.abs(values.astype(np.float64) - at)
        bit = np.uint64(1 << cut.predicate)
        passed = (rows.fail_mask & bit) == 0
        alone = (rows.fail_mask & ~bit) == 0  # its fate hangs on this predicate
        wanted = alone & there & ~np.isnan(distance) & (passed | _beyond(values, at, cut.keeps))
        beside.see(distance, passed, wanted, values, uids, rows.shard)


def _beyond(values: npt.NDArray[np.generic], at: float | Float64s, keeps: str) -> Bools:
    """Which values are on the side that is dropped, or at the cut: not beyond the other end of a `between`. A cut is
    compared in the precision of its column, as it was when it was decided."""
    limit = np.asarray(at, values.dtype) if values.dtype == np.float32 else np.asarray(at)
    beyond: Bools = values <= limit if keeps == "above" else values >= limit
    return beyond


def _finite(own: Numbers, rows: pa.Table) -> tuple[npt.NDArray[np.generic], Bools]:
    """Values (N,), and which of them are there and finite."""
    values, there = own.of(rows)
    good = np.isfinite(values)
    return values, good if there is None else good & there


class _Sample:
    """Rows with the smallest draws by uid: the same ones in any order of shards."""

    def __init__(self, expected: int, size: int) -> None:
        share = 1.0 if expected <= size else size / expected * (1 + 6 / size**0.5)
        self._limit = min(2**64 - 1, int(share * 2**64))
        self._size = size
        self._parts: list[pa.Table] = []
        self._draws: list[npt.NDArray[np.uint64]] = []
        self._keep: list[Bools] = []

    def see(self, rows: Rows) -> None:
        drawn = draws(halves(uids_of(rows.table)), SEED)
        places = np.flatnonzero(drawn <= np.uint64(self._limit))
        self._parts.append(rows.table.take(places))
        self._draws.append(drawn[places])
        self._keep.append(rows.keep[places])

    def end(self) -> tuple[pa.Table | None, Bools]:
        import pyarrow as pa

        if not self._parts:
            return None, np.zeros(0, bool)
        whole, drawn, keep = pa.concat_tables(self._parts), np.concatenate(self._draws), np.concatenate(self._keep)
        order = np.argsort(drawn, kind="stable")[: self._size]
        return whole.take(order).combine_chunks(), keep[order]
