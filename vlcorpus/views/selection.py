"""A choice of pairs that a person made by looking: some uids, or all that are near enough to a query.

    picked = of_uids(collection, ["0123456789abcdef0123456789abcdef", …])
    near = of_scores(scores_N, mask_N=mask_N, floor=0.28, most=100_000)      Selection(rows_M, similarity_M)
    for block in selected_files.written(collection, near, "jsonl"): …

Rows stand in corpus order, each once. What was taken down is in none: scores have no number there, and whoever writes a
selection out asks again. Cost: 12 bytes a row; 10 ns a row of the corpus for choosing by scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ..errors import UsageError, VlcorpusError
from .collection import Collection
from .corpus_collection import CorpusCollection

if TYPE_CHECKING:
    import pyarrow as pa

Float32s = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_NAMED = 5


@dataclass(frozen=True)
class Selection:
    """rows_M: numbers in the collection, ascending. similarity_M: of each to the query, None where there was none."""

    rows_M: Ints
    similarity_M: Float32s | None = None

    def __len__(self) -> int:
        return len(self.rows_M)

    @property
    def nbytes(self) -> int:
        return self.rows_M.nbytes + (self.similarity_M.nbytes if self.similarity_M is not None else 0)


def of_scores(
    scores_N: Float32s, *, mask_N: Bools | None = None, floor: float | None = None, most: int | None = None
) -> Selection:
    """Rows whose score is at least `floor`, of those that the mask has; NaN is of no row. most: the highest so many, of
    equal ones the first."""
    near_N = np.isfinite(scores_N)
    if floor is not None:
        near_N &= scores_N >= np.float32(floor)
    if mask_N is not None:
        near_N &= mask_N
    rows = np.flatnonzero(near_N)
    if most is not None and len(rows) > most:
        rows = np.sort(rows[np.argsort(-scores_N[rows], kind="stable")[:most]])
    return Selection(rows, scores_N[rows])


def of_mask(mask_N: Bools, *, removed_N: Bools | None = None, most: int | None = None) -> Selection:
    """The rows of a mask; the first so many."""
    rows = np.flatnonzero(mask_N if removed_N is None else mask_N & ~removed_N)
    return Selection(rows[:most])


def of_rows(collection: Collection, rows: Sequence[int]) -> Selection:
    """Rows by number. UsageError where one is none; those that were taken down are left out."""
    if len(rows) and not (min(rows) >= 0 and max(rows) < collection.rows):
        raise UsageError("there is no such row", f"rows are 0 to {collection.rows - 1}")
    found = np.unique(np.asarray(rows, np.int64))
    removed = collection.removed()
    return Selection(found if removed is None else found[~removed[found]])


def of_uids(collection: Collection, uids: Sequence[str]) -> Selection:
    """The rows of these uids. UsageError names those that are no uids, VlcorpusError those that have no row."""
    wanted = list(dict.fromkeys(uid.strip() for uid in uids))
    if isinstance(collection, CorpusCollection):
        found, lost = _of_corpus(collection, wanted)
    else:
        found, lost = _one_by_one(collection, wanted)
    if lost:
        more = f" and {len(lost) - _NAMED:,} more" if len(lost) > _NAMED else ""
        raise VlcorpusError(
            f"no embedding of {', '.join(uid[:64] for uid in lost[:_NAMED])}{more}", "choose pairs that a search finds"
        )
    return of_rows(collection, found)


def _of_corpus(collection: CorpusCollection, uids: Sequence[str]) -> tuple[list[int], list[str]]:
    """Rows of whole uids, shard by shard, and the uids that have none."""
    try:
        wanted = [bytes.fromhex(uid) for uid in uids]  # of_rows takes each once, however it was written
        if any(len(uid) != 16 for uid in wanted):
            raise ValueError
    except ValueError:
        raise UsageError("not all of these are uids", "a uid has 32 hex characters") from None
    import pyarrow as pa
    import pyarrow.compute as pc

    asked = pa.array(wanted, pa.binary(16))
    rows = np.full(len(wanted), -1, np.int64)
    for number, shard in enumerate(collection.shards):
        place = pc.index_in(asked, value_set=uids_of(collection, shard))
        here = np.flatnonzero(place.is_valid().to_numpy(zero_copy_only=False))
        if len(here):
            rows[here] = place.fill_null(0).to_numpy()[here] + collection.starts[number]
        if (rows >= 0).all():
            break
    return rows[rows >= 0].tolist(), [uids[number] for number in np.flatnonzero(rows < 0).tolist()]


def _one_by_one(collection: Collection, uids: Sequence[str]) -> tuple[list[int], list[str]]:
    found, lost = [], []
    for uid in uids:
        try:
            found.append(collection.row_of(uid))
        except UsageError:
            raise
        except VlcorpusError:
            lost.append(uid)
    return found, lost


def uids_of(collection: CorpusCollection, shard: str) -> pa.Array:
    """uids of the rows of a shard's embeddings, in order: binary16."""
    from ..io import table
    from ..stages.rows import binary

    path = collection.layer.path(f"metadata/metadata_{shard}.parquet")
    return binary(table.read(path, "embeddings-metadata", only=["uid"]).column("uid").combine_chunks())
