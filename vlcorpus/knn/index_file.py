"""Index files: embeddings in faiss's own format, so that clip-retrieval, autofaiss and faiss itself can open them.

    index/<model>/image.index      row r of the corpus's image embeddings is id r
    index/<model>/text.index       the same for the texts

    write_index(path, shards)  ->  read_index(path, dimension=512, rows=100_000)  ->  search(index, queries, 10)

"fp16" keeps the stored fp16 rows as they are (faiss IndexScalarQuantizer, QT_fp16); "flat" widens them to fp32. Both
look at every row. A file is memory-mapped, so opening one costs nothing and several readers share its pages.
Cost at 512 dimensions, one core: writing 5 µs a row, searching 35 ns a row, 1 KiB of file a row. Building holds the
whole index in memory.

faiss trusts the numbers in a file's head and allocates by them, so `read_index` first checks them against what the
caller knows and against the size of the file. Still, read index files only of people you trust.
`vlcorpus.knn.scan` gives the same answers with masks, floors and ties decided; these files serve other tools and speed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import faiss
import numpy as np
import numpy.typing as npt

from vlcorpus.errors import SourceError

IMAGE_INDEX = "image.index"
TEXT_INDEX = "text.index"

Kind = Literal["fp16", "flat"]
FACTORY: dict[Kind, str] = {"fp16": "SQfp16", "flat": "Flat"}

CHUNK = 4096
HEAD = struct.Struct("<4siqqqBi")
"""faiss's head: kind of index, dimensions, rows, two unused, trained, metric (faiss/impl/index_write.cpp)."""
INNER_PRODUCT = 0
ROW_BYTES = {b"IxFI": 4, b"IxSQ": 2}
"""Bytes of each number in the kinds written here."""
EXTRA = 4096
"""More than any bytes that these kinds have besides their rows."""
MAX_DIMENSION = 65536


def build_index(shards: Sequence[npt.NDArray[np.floating]], kind: Kind = "fp16") -> Any:
    """A faiss index of all rows, in order; ids are row numbers. Shards are (n, D) float16 or float32.

    A row that is zero or not finite is stored as zeros, so that row numbers hold; its product with any query is 0.
    """
    if kind not in FACTORY:
        raise SourceError(f"unknown kind of index {kind!r}", "known: " + ", ".join(FACTORY))
    dimensions = {shard.shape[1] for shard in shards if shard.ndim == 2}
    if len(dimensions) != 1 or any(shard.ndim != 2 for shard in shards):
        raise SourceError(f"the embeddings' shapes do not agree: {sorted({shard.shape[1:] for shard in shards})}")
    index = faiss.index_factory(dimensions.pop(), FACTORY[kind], faiss.METRIC_INNER_PRODUCT)
    faiss.omp_set_num_threads(1)
    for shard in shards:
        for low in range(0, len(shard), CHUNK):
            block = np.array(shard[low : low + CHUNK], dtype=np.float32, order="C")
            block[~np.isfinite(block).all(axis=1)] = 0
            index.add(block)
    return index


def index_bytes(index: Any) -> bytes:
    """The index as the bytes of a faiss file. Holds the index twice: for a large one use `write_index`."""
    serialized: npt.NDArray[np.uint8] = faiss.serialize_index(index)
    return serialized.tobytes()


def write_index(path: Path, shards: Sequence[npt.NDArray[np.floating]], kind: Kind = "fp16") -> int:
    """Build an index and write it to `path`, a temporary file for the caller to commit. Returns the number of rows."""
    index = build_index(shards, kind)
    faiss.write_index(index, str(path))
    return int(index.ntotal)


def read_index(path: Path, *, dimension: int, rows: int) -> Any:
    """Open a faiss file, memory-mapped, and check that it is an inner-product index of `rows` vectors of `dimension`.

    Kinds written here are checked against their exact size; other kinds (IVF, HNSW: autofaiss writes them) at least for
    their head. Raises SourceError for anything else.
    """
    _check_head(path, dimension, rows)
    try:
        index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
    except RuntimeError as error:
        raise SourceError(f"{path} is not an index that faiss can read: {_last_line(error)}", _REBUILD) from error
    if (index.d, index.ntotal, index.metric_type) != (dimension, rows, faiss.METRIC_INNER_PRODUCT):
        raise SourceError(f"{path} holds {index.ntotal} vectors of {index.d}, not {rows} of {dimension}", _REBUILD)
    return index


def search(
    index: Any, queries: npt.ArrayLike, k: int, *, threads: int = 1
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The k best ids for each query (Q, D): scores float32 (Q, k) descending, rows int64 (Q, k), -1 where none is left.

    `threads` is set for the whole of faiss in this Python: faiss would otherwise take every core.
    """
    queries_QD = np.ascontiguousarray(queries, dtype=np.float32)
    if queries_QD.ndim != 2 or queries_QD.shape[1] != index.d:
        raise SourceError(
            f"queries are {queries_QD.shape} and the index has {index.d} dimensions",
            "encode the queries with the model that made the index",
        )
    if not np.isfinite(queries_QD).all():
        raise SourceError("a query is not finite, so nothing is near it")
    faiss.omp_set_num_threads(threads)
    scores, rows = index.search(queries_QD, k)
    return scores, rows


def recall(found_QK: npt.NDArray[np.int64], exact_QK: npt.NDArray[np.int64]) -> float:
    """The share of the exact rows that were found, over all queries, whatever their order; nan where there are none.

    Rows of equal score are not interchangeable here: corpora full of copies read a little low. -1 counts for nothing.
    """
    hits = wanted = 0
    for found, exact in zip(found_QK.tolist(), exact_QK.tolist(), strict=True):
        rows = {row for row in exact if row >= 0}
        wanted += len(rows)
        hits += len(rows.intersection(found))
    return hits / wanted if wanted else float("nan")


_REBUILD = "build the index again"


def _check_head(path: Path, dimension: int, rows: int) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(HEAD.size)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", _REBUILD) from error
    if len(head) < HEAD.size or not head[:2].isalnum():
        raise SourceError(f"{path} is not a faiss index", _REBUILD)
    kind, d, total, _, _, _, metric = HEAD.unpack(head)
    if not 0 < d <= MAX_DIMENSION or total < 0:
        raise SourceError(f"{path} is not a faiss index", _REBUILD)
    if metric != INNER_PRODUCT:
        raise SourceError(f"{path} measures distance otherwise than by inner product (metric {metric})", _REBUILD)
    if (d, total) != (dimension, rows):
        raise SourceError(f"{path} holds {total} vectors of {d}, not {rows} of {dimension}", _REBUILD)
    if kind in ROW_BYTES and not 0 <= size - total * d * ROW_BYTES[kind] <= EXTRA + 8 * d:
        raise SourceError(f"{path} has {size} bytes, which {total} vectors of {d} cannot be", _REBUILD)


def _last_line(error: RuntimeError) -> str:
    return str(error).strip().rsplit("Error: ", 1)[-1][:200]
