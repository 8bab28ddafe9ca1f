"""Exact search: the k best rows for each query, by reading every row.

    shards  [ (2, 2) fp16 [[1, 0], [0, 1]], (1, 2) fp16 [[1, 0]] ]        rows 0, 1 | 2
    query   (1, 0), k = 2     ->  scores (1.0, 1.0), rows (0, 2)          ties: the smaller row first

Shards are (n, D) arrays, best memory-mapped .npy files; rows are numbered through them in order. A matrix product in
fp32 finds the rows that can be among the best; their scores are then computed anew in fp64 and rounded to fp32, so
that equal rows have equal scores wherever they stand, and chunk sizes and BLAS cannot change the answer.
Rows that are zero or not finite have no direction and are never returned.

Cost: 0.2 s for one query over 1M rows of 512 numbers on one core (page cache warm), 15 ms for each further query;
memory 12 MiB. This is the plain way that others are measured against; `vlcorpus.knn.searcher` gives the same answers
three times faster, and with an index much faster.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vlcorpus.errors import SourceError

from . import products
from .products import Float32s, Shards

CHUNK = 1024
QUERIES = 256


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
    queries_QD = checked(shards, queries, mask)
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    best_scores = np.full((len(queries_QD), k), -np.inf, dtype=np.float32)
    best_rows = np.full((len(queries_QD), k), -1, dtype=np.int64)
    norm_Q = np.linalg.norm(queries_QD.astype(np.float64), axis=1)
    for start, block_ND in products.blocks(shards, chunk):
        usable, norms = products.directions(block_ND)
        if mask is not None:
            usable &= mask[start : start + len(block_ND)]
        if not usable.any():
            continue
        # Both the product and the fp32 score it is compared with are rounded; a row within this much may still belong.
        slack_Q = 2 * norm_Q * products.slack(block_ND.shape[1], 1.0, float(norms.max()))
        for low in range(0, len(queries_QD), QUERIES):
            part = slice(low, low + QUERIES)
            scores_QN = queries_QD[part] @ block_ND.T
            if not usable.all():
                scores_QN[:, ~usable] = -np.inf
            bar_Q = _bar(scores_QN, best_scores[part, -1], floor, k) - slack_Q[part]
            near_QN = scores_QN >= np.nextafter(bar_Q.astype(np.float32), np.float32(-np.inf))[:, None]
            for query in np.flatnonzero(near_QN.any(axis=1)):
                rows = np.flatnonzero(near_QN[query] & usable)
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


def scores(shards: Shards, query_D: npt.ArrayLike, *, chunk: int = CHUNK) -> Float32s:
    """The inner product of every row with one query (D,): float32 (N,), the numbers that `top` gives.

    NaN for rows that are zero or not finite. Raises SourceError as `top` does. Cost at 512 dimensions: 0.3 µs a row.
    """
    query = checked(shards, np.asarray(query_D)[None, :])[0]
    found = np.empty(sum(map(len, shards)), dtype=np.float32)
    for start, block_ND in products.blocks(shards, chunk):
        usable, norms = products.directions(block_ND)
        part = products.every(block_ND, norms, query)
        part[~usable] = np.nan
        found[start : start + len(part)] = part
    return found


def checked(shards: Shards, queries: npt.ArrayLike, mask: npt.NDArray[np.bool_] | None = None) -> Float32s:
    """The queries as float32 (Q, D). Raises SourceError where they, the shards and the mask do not fit together."""
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


def _bar(scores_QN: Float32s, worst_Q: Float32s, floor: float | None, k: int) -> npt.NDArray[np.float64]:
    """The score below which a row cannot be among the k best so far, give or take rounding: float64 (Q,)."""
    bar = worst_Q.astype(np.float64)
    if k < scores_QN.shape[1] and not np.isfinite(worst_Q).all():
        bar = np.maximum(bar, np.partition(scores_QN, -k, axis=1)[:, -k])
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
    found = products.exact(block_ND[rows], query_D)
    if floor is not None:
        rows, found = rows[found >= floor], found[found >= floor]
    held = rows_K >= 0
    scores = np.concatenate([scores_K[held], found])
    numbers = np.concatenate([rows_K[held], start + rows])
    order = np.lexsort((numbers, -scores))[: len(rows_K)]
    scores_K[: len(order)], rows_K[: len(order)] = scores[order], numbers[order]
