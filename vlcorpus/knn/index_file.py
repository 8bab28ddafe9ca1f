"""Index files: opening faiss's own format, also files that somebody else made.

    read(path, dimension=512, vectors=1_000_000)      memory-mapped: opening costs nothing, readers share the pages
    read(folder, ...)                                 populated.index beside the lists it was merged to on disk

faiss trusts the numbers in a file and allocates by them. So the head, and the heads nested in it, are checked first
against what the caller knows and against the size of the file; faiss is then told to read no vector longer than the
file; and what it made is checked to fit together. Still, open index files only of people you trust.

Read are flat indices, scalar and product codes, RaBitQ, IVF of these and HNSW of these, behind any linear transform:
what `vlcorpus.knn.quantised` and autofaiss write. Other kinds, ids that are not row numbers, and distances other than
the inner product are refused.
"""

from __future__ import annotations

import math
import struct
import threading
from pathlib import Path
from typing import Any, BinaryIO

import faiss as _faiss

from vlcorpus.errors import SourceError

faiss: Any = _faiss  # its own types leave out much of what it has

MERGED = "populated.index"
"""The index in a folder of lists on disk, as clip-retrieval's index_combiner names it."""
HEAD = struct.Struct("<4siqqqBi")
"""faiss's head: kind of index, dimensions, rows, two unused, trained, metric (faiss/impl/index_write.cpp)."""
INNER_PRODUCT = 0
FLAT = {b"IxFI", b"IxSQ", b"IxPq", b"Ixrq"}
LISTS = {b"IwFl", b"IwSq", b"IwPQ", b"IwPf", b"Iwrq"}
GRAPHS = {b"IHNf", b"IHNs", b"IHNp"}
TRANSFORMED = b"IxPT"
SCALAR_BYTES = (1, 0.5, 1, 0.5, 2, 1, 0.75, 2, 1)
"""Bytes of each number by type of scalar code (faiss/impl/ScalarQuantizer.h); fp16 is the fifth."""
EXTRA = 4096
"""More than any bytes that these kinds have besides their rows and what hangs on the dimension alone."""
MAX_DIMENSION = 65_536
MAX_TRANSFORMS = 4
_REBUILD = "build the index again"
_limits = threading.Lock()


def read(path: Path, *, dimension: int, vectors: int, mapped: bool = True) -> Any:
    """The index in a file, or in a folder with its lists on disk. Raises SourceError where it is not an inner-product
    index of that many vectors, or of a kind that is not read here.

    `mapped`: its pages are read as they are needed, and it cannot be added to; else all of it is read into memory.
    """
    file = path / MERGED if path.is_dir() else path
    size = _check(file, dimension, vectors)
    # Lists on disk are looked for in the file's own folder only, whatever path the file names.
    # Tables for distances of product codes in lists are made for L2 alone, and would be larger than the file.
    flags = faiss.IO_FLAG_ONDISK_SAME_DIR | faiss.IO_FLAG_READ_ONLY | faiss.IO_FLAG_SKIP_PRECOMPUTE_TABLE
    if mapped and not path.is_dir():
        flags |= faiss.IO_FLAG_MMAP_IFC
    with _limits:
        before = faiss.get_deserialization_vector_byte_limit(), faiss.get_deserialization_loop_limit()
        try:
            faiss.set_deserialization_vector_byte_limit(size + EXTRA)
            faiss.set_deserialization_loop_limit(size + EXTRA)
            index = faiss.read_index(str(file), flags)
        except (RuntimeError, MemoryError) as error:
            raise SourceError(f"{file} is not an index that faiss can read: {_last_line(error)}", _REBUILD) from error
        finally:
            faiss.set_deserialization_vector_byte_limit(before[0])
            faiss.set_deserialization_loop_limit(before[1])
    if not _fits(index, dimension, vectors):
        raise SourceError(f"the parts of {file} do not fit together", _REBUILD)
    return index


def _check(path: Path, dimension: int, vectors: int) -> int:
    """The file's size, after its heads were looked at: the outermost, and the one behind transforms."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            kind, d, total = _head(path, file)
            if (d, total) != (dimension, vectors):
                raise SourceError(f"{path} holds {total} vectors of {d}, not {vectors} of {dimension}", _REBUILD)
            behind = 0
            if kind == TRANSFORMED:
                behind, d = _past_transforms(path, file, dimension, size)
                kind, inner, total = _head(path, file)
                if (inner, total) != (d, vectors):
                    raise SourceError(f"{path} holds {total} vectors of {inner} behind a transform to {d}", _REBUILD)
            more = file.read(4)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", _REBUILD) from error
    if kind not in FLAT | LISTS | GRAPHS:
        raise SourceError(f"{path} is a kind of index that is not read here ({_printable(kind)})", _REBUILD)
    row_bytes = _row_bytes(kind, d, more)
    if size < total or (row_bytes is not None and not 0 <= size - behind - total * row_bytes <= EXTRA + 8 * d):
        raise SourceError(f"{path} has {size} bytes, which {total} vectors of {d} cannot be", _REBUILD)
    return size


def _row_bytes(kind: bytes, d: int, more: bytes) -> int | None:
    """Bytes of a row in kinds where they hang on the dimension and the next number of the file."""
    if kind == b"IxFI":
        return 4 * d
    if kind == b"Ixrq":
        return (d + 7) // 8 + 8
    if kind == b"IxSQ" and len(more) == 4:
        (scalar,) = struct.unpack("<i", more)
        return math.ceil(SCALAR_BYTES[scalar] * d) if 0 <= scalar < len(SCALAR_BYTES) else None
    return None


def _head(path: Path, file: BinaryIO) -> tuple[bytes, int, int]:
    head = file.read(HEAD.size)
    if len(head) < HEAD.size or not head[:2].isalnum():
        raise SourceError(f"{path} is not a faiss index", _REBUILD)
    kind, d, total, _, _, _, metric = HEAD.unpack(head)
    if not 0 < d <= MAX_DIMENSION or total < 0:
        raise SourceError(f"{path} is not a faiss index", _REBUILD)
    if metric != INNER_PRODUCT:
        name = "L2, Euclidean distance" if metric == 1 else f"metric {metric}"
        raise SourceError(
            f"{path} measures distance otherwise than by inner product ({name})",
            "build it again with metric_type='ip', autofaiss's default",
        )
    return kind, d, total


def _past_transforms(path: Path, file: BinaryIO, dimension: int, size: int) -> tuple[int, int]:
    """Read to the head of the index behind transforms: bytes read, and the dimensions that come out."""
    refused = SourceError(f"{path} transforms vectors in a way that is not read here", _REBUILD)

    def taken(form: str) -> tuple[Any, ...]:
        part = file.read(struct.calcsize(form))
        if len(part) < struct.calcsize(form):
            raise SourceError(f"{path} ends in its head", _REBUILD)
        return struct.unpack(form, part)

    def skip_vector(width: int) -> int:
        (count,) = taken("<Q")
        if count * width > size:
            raise SourceError(f"{path} names a vector longer than itself", _REBUILD)
        file.seek(count * width, 1)
        return int(count)

    d = dimension
    (chain,) = taken("<i")
    if not 0 <= chain <= MAX_TRANSFORMS:
        raise refused
    for _ in range(chain):
        (kind,) = taken("<4s")
        if kind in {b"PcAm", b"Pcam"}:
            taken("<f?i" if kind == b"PcAm" else "<ff?i")
            for width in (4, 4, 4):
                skip_vector(width)
        elif kind not in {b"LTra", b"rrot"}:
            raise refused
        (bias,) = taken("<?")
        cells, biases = skip_vector(4), skip_vector(4)
        d_in, d_out, _ = taken("<ii?")
        if d_in != d or not 0 < d_out <= MAX_DIMENSION or cells < d_in * d_out or (bias and biases < d_out):
            raise SourceError(f"the parts of {path} do not fit together", _REBUILD)
        d = d_out
    return file.tell(), d


def _fits(index: Any, dimension: int, vectors: int) -> bool:
    """Whether an index is as its head said, and the indices within it fit."""
    own = faiss.downcast_index(index)
    if (own.d, own.ntotal, own.metric_type) != (dimension, vectors, faiss.METRIC_INNER_PRODUCT):
        return False
    if isinstance(own, faiss.IndexPreTransform):
        last = own.chain.at(own.chain.size() - 1).d_out if own.chain.size() else dimension
        return _fits(own.index, last, vectors)
    if not own.is_trained and vectors:
        return False
    if isinstance(own, faiss.IndexIVF):
        lists = own.invlists
        if own.quantizer.d != dimension or own.quantizer.ntotal != own.nlist or lists is None:
            return False
        if lists.nlist != own.nlist or lists.compute_ntotal() != vectors:
            return False
    if isinstance(own, faiss.IndexHNSW):
        return own.hnsw.levels.size() == vectors and _fits(own.storage, dimension, vectors)
    if isinstance(own, faiss.IndexFlatCodes):
        return bool(own.codes.size() == vectors * own.code_size)
    return True


def _printable(kind: bytes) -> str:
    return kind.decode("ascii", "replace") if kind.isalnum() else kind.hex()


def _last_line(error: Exception) -> str:
    return str(error).strip().rsplit("Error: ", 1)[-1][:200]
