"""faiss used plainly, to compare with."""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import numpy as np


def build_index(shards: Sequence[np.ndarray], key: str = "SQfp16") -> faiss.Index:
    """An inner-product index of all rows, in order; ids are row numbers. Rows that are not finite are zeros."""
    rows = np.concatenate(shards).astype(np.float32)
    rows[~np.isfinite(rows).all(axis=1)] = 0
    index = faiss.index_factory(rows.shape[1], key, faiss.METRIC_INNER_PRODUCT)
    index.train(rows)
    index.add(rows)
    return index


def index_bytes(index: faiss.Index) -> bytes:
    """The index as the bytes of a faiss file."""
    return faiss.serialize_index(index).tobytes()


def search(index: faiss.Index, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    return index.search(np.ascontiguousarray(queries, dtype=np.float32), k)


def recall(found_QK: np.ndarray, exact_QK: np.ndarray) -> float:
    """The share of the exact rows that were found, over all queries, whatever their order; -1 counts for nothing."""
    pairs = zip(found_QK.tolist(), exact_QK.tolist(), strict=True)
    return sum(len((set(exact) - {-1}) & set(found)) for found, exact in pairs) / int(np.count_nonzero(exact_QK >= 0))
