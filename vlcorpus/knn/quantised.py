"""Indices: short codes of rows that find a shortlist, which the stored rows then score exactly.

    index = build(shards, "rabitq")                one bit a number: 72 bytes a row of 512
    faiss.write_index(index, "image.index")        a file that faiss itself opens
    index = read(path, dimension=512, vectors=1_000_000)
    append(index, new_shards)                      needs read(..., mapped=False)

| kind | what it is | build | bytes a row | when |
|---|---|---|---|---|
| exact | no index: every stored row is read | 0 | 0 | up to some 200,000 rows a core |
| rabitq | every row's code is read | 4 µs | 72 | to a million rows a core |
| ivf | rows in lists, codes of the lists near a query | 55 µs | 85 | above |
| hnsw | a graph of fp16 rows | 200 µs | 1,300 | least latency, where memory and building do not count |

Costs are of 512 dimensions on one core. Ids are row numbers. Codes are RaBitQ's (Gao and Long, arXiv 2405.12497) as
faiss keeps and searches them, of vectors that are turned first (`knn.rotation`). A row that is zero or not finite is
coded as zeros, so that row numbers hold. Everything drawn is drawn by seed, and one thread builds, so the same shards
give the same bytes. An index of somebody else's, IVF with PQ codes of an OPQ rotation say, is opened and searched by
`read` too.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import faiss as _faiss
import numpy as np
import numpy.typing as npt

from vlcorpus.draws import mixed
from vlcorpus.errors import SourceError

from . import products, rotation
from .index_file import read as read  # of this module's contract: whoever builds can read
from .products import Float32s, Shards

faiss: Any = _faiss  # its own types leave out much of what it has

Kind = Literal["exact", "rabitq", "ivf", "hnsw"]
KINDS: tuple[Kind, ...] = get_args(Kind)

SAMPLE = 4096
"""Rows that the middle of flat codes is taken from."""
LISTS = 4
"""Lists for each square root of the rows, rounded down to a power of two."""
A_LIST = 40
"""Rows drawn for training, for each list."""
ROUNDS = 10
BLOCK = 2048
DEPTHS = (1, 2, 5, 10, 20, 30, 40, 60, 80, 120, 160)


@dataclass(frozen=True)
class OpenIndex:
    """An index ready to be asked.

    `parameters`: `depth` (rows of the shortlist for each row wanted), `nprobe`, `ef_search`, as far as the kind has
    them. `row_of_id`: int64 (ntotal,), the row of each id, -1 where it is gone; None where they are the same number.
    """

    index: Any
    kind: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    row_of_id: npt.NDArray[np.int64] | None = None


def build(shards: Shards, kind: Kind, *, seed: int = 0, tell: Callable[[int, int], None] | None = None) -> Any:
    """faiss's index of all rows, in order; None for `exact`. `tell(rows done, rows)` hears how far it is."""
    if kind not in KINDS:
        raise SourceError(f"unknown kind of index {kind!r}", "known: " + ", ".join(KINDS))
    dimensions = {shard.shape[1:] for shard in shards}
    if len(dimensions) != 1 or any(shard.ndim != 2 for shard in shards):
        raise SourceError(f"the embeddings' shapes do not agree: {sorted(dimensions)}")
    if kind == "exact":
        return None
    with one_thread():
        index = _empty(shards, kind, seed)
        _add(index, shards, tell)
    return index


def append(index: Any, shards: Shards, *, tell: Callable[[int, int], None] | None = None) -> None:
    """Add rows behind the ones that are there. What was trained stays. SourceError for an index that is memory-mapped,
    which cannot grow: read it with `mapped=False`."""
    if any(shard.ndim != 2 or shard.shape[1] != index.d for shard in shards):
        raise SourceError(f"the index has {index.d} dimensions, and the new rows have others", "build the index again")
    if not _owned(index):
        raise SourceError("an index that is memory-mapped cannot be added to", "read it with mapped=False")
    with one_thread():
        _add(index, shards, tell)


def search_parameters(index: OpenIndex, k: int) -> Any:
    """faiss's own object for a search of k rows with the index's parameters."""
    given, inner = index.parameters, core(index.index)
    found = None
    if isinstance(inner, faiss.IndexIVF):
        own = faiss.IVFRaBitQSearchParameters if isinstance(inner, faiss.IndexIVFRaBitQ) else faiss.SearchParametersIVF
        found = own(nprobe=max(1, min(given.get("nprobe", inner.nprobe), inner.nlist)))
    elif isinstance(inner, faiss.IndexHNSW):
        found = faiss.SearchParametersHNSW(efSearch=max(k, given.get("ef_search", inner.hnsw.efSearch)))
    if found is None or not isinstance(_outer(index.index), faiss.IndexPreTransform):
        return found
    return faiss.SearchParametersPreTransform(index_params=found)


def efforts(index: Any) -> list[dict[str, int]]:
    """What can be set for a search beside the depth, least first: nprobe for lists, ef_search for graphs."""
    inner = core(index)
    if isinstance(inner, faiss.IndexIVF):
        return [{"nprobe": 1 << power} for power in range(1, int(inner.nlist).bit_length())] or [{"nprobe": 1}]
    if isinstance(inner, faiss.IndexHNSW):
        return [{"ef_search": 1 << power} for power in range(4, 12)]
    return [{}]


def depths(index: Any) -> tuple[int, ...]:
    """What depths make sense, ascending: none but the first where the index holds rows as they are."""
    inner = core(index)
    if isinstance(inner, faiss.IndexHNSW):
        inner = core(inner.storage)
    exact = (faiss.IndexFlat, faiss.IndexIVFFlat)
    codes = getattr(inner, "sq", None)
    if isinstance(inner, exact) or (codes is not None and codes.qtype == faiss.ScalarQuantizer.QT_fp16):
        return DEPTHS[:2]
    return DEPTHS[:4] if isinstance(_outer(index), faiss.IndexHNSW) else DEPTHS


def core(index: Any) -> Any:
    """The index behind a transform, as faiss's own class."""
    outer = _outer(index)
    return faiss.downcast_index(outer.index) if isinstance(outer, faiss.IndexPreTransform) else outer


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """faiss with one thread, so that sums come out the same."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _outer(index: Any) -> Any:
    return faiss.downcast_index(index)


def _empty(shards: Shards, kind: Kind, seed: int) -> Any:
    """A trained index without rows."""
    dimension = int(shards[0].shape[1])
    if kind == "hnsw":
        return faiss.index_factory(dimension, "HNSW32_SQfp16", faiss.METRIC_INNER_PRODUCT)
    rows = sum(map(len, shards))
    if kind == "rabitq":
        inner = faiss.index_factory(dimension, "RaBitQ", faiss.METRIC_INNER_PRODUCT)
        sample = _sample(shards, SAMPLE, seed)
    else:
        lists = 1 << max(0, int(LISTS * rows**0.5).bit_length() - 1) if rows else 1
        while lists > 1 and A_LIST * lists > rows:
            lists //= 2
        inner = faiss.index_factory(dimension, f"IVF{lists},RaBitQ", faiss.METRIC_INNER_PRODUCT)
        sample = _sample(shards, A_LIST * lists, seed)
        inner.cp.niter, inner.cp.seed = ROUNDS, seed % 2**31
        inner.cp.min_points_per_centroid = 1
    inner.train(rotation.rotated(sample) if len(sample) else np.zeros((1, dimension), np.float32))
    turn = faiss.LinearTransform(dimension, dimension)
    faiss.copy_array_to_vector(rotation.matrix(dimension).reshape(-1), turn.A)
    turn.is_trained = True
    turn.set_is_orthonormal()
    index = faiss.IndexPreTransform(turn, inner)
    index.is_trained = True
    return index


def _sample(shards: Shards, most: int, seed: int) -> Float32s:
    """Up to `most` different rows that have a direction, drawn from all by the hash of their numbers: float32 (M, D).
    No other row is read."""
    starts = np.cumsum([0, *map(len, shards)])
    rows = drawn_rows(int(starts[-1]), most, seed)
    edges = np.searchsorted(rows, starts)
    parts = [np.zeros((0, shards[0].shape[1]), np.float32)]
    for shard, start, low, high in zip(shards, starts, edges, edges[1:], strict=False):
        if high > low:
            parts.append(products.widened(np.asarray(shard).take(rows[low:high] - start, axis=0)))
    found = np.concatenate(parts)
    usable, _ = products.directions(found)
    return found[usable]


def drawn_rows(rows: int, most: int, seed: int) -> npt.NDArray[np.int64]:
    """`most` different numbers from 0 to below `rows` (all, where there are fewer), ascending: those with the least
    hashes. Memory: some arrays of `most` numbers, however many rows there are."""
    start = mixed(np.full(1, seed % 2**64, np.uint64))
    held, chances = np.zeros(0, np.int64), np.zeros(0, np.uint64)
    step = max(1 << 18, most)
    for low in range(0, rows if most else 0, step):
        new = np.arange(low, min(low + step, rows))
        held, chances = np.append(held, new), np.append(chances, mixed(start ^ new.astype(np.uint64)))
        if len(held) > most:  # no two are equal: the hash of a number is a number of its own
            least = np.argpartition(chances, most - 1)[:most]
            held, chances = held[least], chances[least]
    held.sort()
    return held


def _add(index: Any, shards: Shards, tell: Callable[[int, int], None] | None) -> None:
    total = sum(map(len, shards))
    outer, inner = _outer(index), core(index)
    turned = isinstance(outer, faiss.IndexPreTransform) and _is_own_rotation(outer)
    for start, block_ND in products.blocks(shards, BLOCK):
        products.directions(block_ND)
        if not turned:
            index.add(block_ND)
        else:
            rows = rotation.rotated(block_ND)
            if isinstance(inner, faiss.IndexRaBitQ):
                inner.add_sa_codes(rabitq_codes(rows, faiss.vector_to_array(inner.center)))
            else:
                inner.add(rows)
            outer.ntotal = inner.ntotal
        if tell is not None:
            tell(start + len(block_ND), total)


def rabitq_codes(rows_ND: Float32s, center_D: Float32s) -> npt.NDArray[np.uint8]:
    """The codes of faiss's flat RaBitQ by inner product, eight times faster than its own loop: uint8 (N, D / 8 + 8).

    A bit for each number, whether it lies above the middle; then, for r = row - middle, two fp32: |r|² - |row|² and
    |r|² √D / |r|₁. The bits are faiss's own; its factors sum up in another order and are less exact in the last digits.
    """
    n, d = rows_ND.shape
    width = -(-d // 8)
    codes = np.empty((n, width + 8), dtype=np.uint8)
    step = products.BLOCK
    for low in range(0, n, step):
        rows = rows_ND[low : low + step]
        rest = rows - center_D
        codes[low : low + step, :width] = np.packbits(rest > 0, axis=1, bitorder="little")
        squares = np.einsum("nd,nd->n", rest, rest)
        factors = np.empty((len(rows), 2), dtype=np.float32)
        factors[:, 0] = squares - np.einsum("nd,nd->n", rows, rows)
        spread = np.abs(rest, out=rest).sum(axis=1)
        factors[:, 1] = squares * np.float32(d**0.5) / np.maximum(spread, np.finfo(np.float32).tiny)
        codes[low : low + step, width:] = factors.view(np.uint8)
    return codes


def _is_own_rotation(outer: Any) -> bool:
    if outer.chain.size() != 1:
        return False
    turn = faiss.downcast_VectorTransform(outer.chain.at(0))
    if not isinstance(turn, faiss.LinearTransform) or turn.have_bias or turn.d_in != turn.d_out:
        return False
    return np.allclose(faiss.vector_to_array(turn.A), rotation.matrix(turn.d_in).reshape(-1), atol=1e-5)


def _owned(index: Any) -> bool:
    """Whether faiss may grow it: growing memory that is mapped ends the process."""
    inner = core(index)
    if isinstance(inner, faiss.IndexIVF):
        lists = faiss.downcast_InvertedLists(inner.invlists)
        if not isinstance(lists, faiss.ArrayInvertedLists):
            return False
        filled = (number for number in range(lists.nlist) if lists.list_size(number))
        return all(lists.codes.at(number).is_owned for number in itertools.islice(filled, 1))
    if isinstance(inner, faiss.IndexHNSW):
        return bool(inner.hnsw.neighbors.is_owned) and _owned(inner.storage)
    codes = getattr(inner, "codes", None)
    return bool(getattr(codes, "is_owned", True))
