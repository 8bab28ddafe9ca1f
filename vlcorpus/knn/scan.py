"""Exact search: the k best rows for each query, by reading every row.

    shards  [ (2, 2) fp16 [[1, 0], [0, 1]], (1, 2) fp16 [[1, 0]] ]        rows 0, 1 | 2
    query   (1, 0), k = 2     ->  scores (1.0, 1.0), rows (0, 2)          ties: the smaller row first

Shards are (n, D) arrays, best memory-mapped .npy files; rows are numbered through them in order. A matrix product in
fp32 finds the rows that can be among the best; their scores are then computed anew in fp64 and rounded to fp32, so
that equal rows have equal scores wherever they stand, and chunk sizes and BLAS cannot change the answer.
Rows that are zero or not finite have no direction and are never returned.

Cost: 0.16 s for one query over 1M rows of 512 numbers on one core (page cache warm), 15 ms for each further query;
memory 12 MiB. Above some 10M rows for each core an approximate index pays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch

from vlcorpus.errors import SourceError

CHUNK = 4096
QUERIES = 256

Float32s = npt.NDArray[np.float32]
Shards = Sequence[npt.NDArray[np.floating]]


def top(
    shards: Shards,
    queries: npt.ArrayLike,
    k: int,
    *,
    mask: npt.NDArray[np.bool_] | None = None,
    floor: float | None = None,
    chunk: int = CHUNK,
) -> tuple[Float32s, npt.NDArray[np.int64]]:
    """The `k` rows of greatest inner product with each query: scores float32 (Q, k) descending, rows int64 (Q, k).

    `queries` is float32 (Q, D); unit rows make the product a cosine. `mask` is bool over all rows: False is never
    returned. `floor`: no score below it. Where fewer than k rows qualify, the rest is row -1 with score -inf.
    Raises SourceError where dimensions differ or a query is zero or not finite.
    """
    queries_QD = _checked(shards, queries, mask)
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    best_scores = np.full((len(queries_QD), k), -np.inf, dtype=np.float32)
    best_rows = np.full((len(queries_QD), k), -1, dtype=np.int64)
    norm_Q = np.linalg.norm(queries_QD.astype(np.float64), axis=1)
    for start, block_ND in _chunks(shards, chunk):
        usable, longest = _directions(block_ND)
        if mask is not None:
            usable &= mask[start : start + len(block_ND)]
        if not usable.any():
            continue
        # Both the product and the fp32 score it is compared with are rounded; a row within this much may still belong.
        slack_Q = 4 * (block_ND.shape[1] + 4) * np.finfo(np.float32).eps * norm_Q * longest
        for low in range(0, len(queries_QD), QUERIES):
            part = slice(low, low + QUERIES)
            scores_NQ = block_ND @ queries_QD[part].T
            scores_NQ[~usable] = -np.inf
            bar_Q = _bar(scores_NQ, best_scores[part, -1], floor, k) - slack_Q[part]
            for query in np.flatnonzero((scores_NQ >= bar_Q).any(axis=0)):
                rows = np.flatnonzero((scores_NQ[:, query] >= bar_Q[query]) & usable)
                _merge(
                    best_scores[low + query],
                    best_rows[low + query],
                    block_ND,
                    rows,
                    start,
                    queries_QD[low + query],
                    floor,
                )
    return best_scores, best_rows


def histogram(
    shards: Shards,
    query: npt.ArrayLike,
    bins: int | npt.ArrayLike = 200,
    *,
    mask: npt.NDArray[np.bool_] | None = None,
    chunk: int = CHUNK,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """How many rows have which inner product with one query (D,): counts int64 (B,), edges float64 (B + 1,).

    `bins` is a number of equal bins on [-1, 1], or the edges. Scores beyond the outer edges count in the outer bins;
    rows that are zero, not finite or masked are not counted.
    """
    query_1D = _checked(shards, np.asarray(query)[None, :], mask)
    edges = np.linspace(-1.0, 1.0, bins + 1) if isinstance(bins, int) else np.asarray(bins, dtype=np.float64)
    counts = np.zeros(len(edges) - 1, dtype=np.int64)
    for start, block_ND in _chunks(shards, chunk):
        usable, _ = _directions(block_ND)
        if mask is not None:
            usable &= mask[start : start + len(block_ND)]
        scores = np.clip((block_ND @ query_1D[0])[usable], edges[0], edges[-1])
        counts += np.histogram(scores, bins=edges)[0]
    return counts, edges


def _checked(shards: Shards, queries: npt.ArrayLike, mask: npt.NDArray[np.bool_] | None) -> Float32s:
    queries_QD = np.ascontiguousarray(queries, dtype=np.float32)
    if queries_QD.ndim != 2:
        raise SourceError(f"queries must be (Q, D), not {queries_QD.shape}")
    for shard in shards:
        if shard.dtype not in (np.float16, np.float32):
            raise SourceError(f"a shard holds {shard.dtype}, not float16 or float32")
        if shard.ndim != 2 or shard.shape[1] != queries_QD.shape[1]:
            raise SourceError(
                f"the queries have {queries_QD.shape[1]} dimensions and a shard is {shard.shape}",
                "encode the queries with the model that made the embeddings",
            )
    if not np.isfinite(queries_QD).all() or not np.any(queries_QD, axis=1).all():
        raise SourceError("a query is zero or not finite, so nothing is near it")
    if mask is not None and (mask.dtype != np.bool_ or mask.shape != (sum(map(len, shards)),)):
        raise SourceError(f"the mask is {mask.dtype} {mask.shape}, not bool with one entry for each row")
    return queries_QD


def _chunks(shards: Shards, chunk: int) -> Iterator[tuple[int, Float32s]]:
    """The rows in fp32, `chunk` at a time, each block over the one before it: use a block before taking the next."""
    start = 0
    for shard in shards:
        # torch widens fp16 ten times faster than numpy, and wants memory that it may write to: a memory map is not.
        stored = np.empty((min(chunk, len(shard)), *shard.shape[1:]), dtype=shard.dtype)
        block = np.empty(stored.shape, dtype=np.float32)
        narrow, wide = torch.from_numpy(stored), torch.from_numpy(block)
        for low in range(0, len(shard), chunk):
            rows = min(chunk, len(shard) - low)
            np.copyto(stored[:rows], shard[low : low + rows])
            wide[:rows].copy_(narrow[:rows])
            yield start + low, block[:rows]
        start += len(shard)


def _directions(block_ND: Float32s) -> tuple[npt.NDArray[np.bool_], float]:
    """Which rows have a direction, and the greatest norm among them. Other rows are zeroed in place."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("nd,nd->n", block_ND, block_ND)
    usable = np.isfinite(squares) & (squares > 0)
    if not usable.all():
        block_ND[~usable] = 0
    return usable, float(np.sqrt(squares[usable].max(initial=0)))


def _bar(scores_NQ: Float32s, worst_Q: Float32s, floor: float | None, k: int) -> npt.NDArray[np.float64]:
    """The score below which a row cannot be among the k best so far, give or take rounding: float64 (Q,)."""
    bar = worst_Q.astype(np.float64)
    if k < len(scores_NQ) and not np.isfinite(worst_Q).all():
        bar = np.maximum(bar, np.partition(scores_NQ, -k, axis=0)[-k])
    return bar if floor is None else np.maximum(bar, floor)


def _merge(
    scores_K: Float32s,
    rows_K: npt.NDArray[np.int64],
    block_ND: Float32s,
    rows: npt.NDArray[np.int64],
    start: int,
    query_D: Float32s,
    floor: float | None,
) -> None:
    """Score `rows` of the block exactly and keep the best k of them and the ones so far, in place."""
    exact = np.einsum("nd,d->n", block_ND[rows], query_D, dtype=np.float64).astype(np.float32)
    if floor is not None:
        rows, exact = rows[exact >= floor], exact[exact >= floor]
    held = rows_K >= 0
    scores = np.concatenate([scores_K[held], exact])
    numbers = np.concatenate([rows_K[held], start + rows])
    order = np.lexsort((numbers, -scores))[: len(rows_K)]
    scores_K[: len(order)], rows_K[: len(order)] = scores[order], numbers[order]
