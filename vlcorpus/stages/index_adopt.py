"""Taking over an index that somebody else built: autofaiss, faiss, clip-retrieval's combiner.

    found = checked({"image": Path("image.index")}, rows, shards, seed=0)
    found["image"].index, found["image"].files

It is refused unless it measures by inner product, has the dimension and the number of the stored rows, and drawn rows
of every shard find themselves in it: the order of rows is the only thing that joins ids and pairs. A folder is one
that `index_combiner` wrote: populated.index, and merged_index.ivfdata beside it. Files are copied as they are.
Index files are read by faiss, which trusts them: take them over only of people you trust.

Cost: reading the file once, and some 6,000 searches at most, and more where rows are not found.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..corpus import Layer
from ..errors import SourceError
from .base import ALL

if TYPE_CHECKING:
    from ..io.vectors import Vectors

ON_DISK = ("populated.index", "merged_index.ivfdata")
_AT_FIRST, _AT_MOST, _SHARDS = 6, 40, 1024  # rows of a shard that are looked for, shards
_NEAREST = 10


@dataclass(frozen=True)
class Adopted:
    """An index that fits. files: its file, or those of its folder; sha256: of them all."""

    index: Any
    path: Path
    sha256: str

    @property
    def files(self) -> tuple[Path, ...]:
        return files_of(self.path)


def files_of(path: Path) -> tuple[Path, ...]:
    """The files of an index: one, or those of a folder."""
    return tuple(path / name for name in ON_DISK if (path / name).is_file()) if path.is_dir() else (path,)


def digest(path: Path) -> str:
    """sha256 over the files of an index."""
    state = hashlib.sha256()
    for each in files_of(path):
        with open(each, "rb") as file:
            state.update(hashlib.file_digest(file, "sha256").digest())
    return state.hexdigest()


def is_adopted(layer: Layer, given: Mapping[str, Path]) -> bool:
    """Whether an index is already the one that is given."""
    said = (layer.stats(ALL) or {}).get("adopted", {})
    return all(path.exists() and said.get(side) == digest(path) for side, path in given.items())


def checked(
    given: Mapping[str, Path], rows: Mapping[str, Sequence[Vectors]], shards: Sequence[str], seed: int
) -> dict[str, Adopted]:
    """The indices that are given, opened. SourceError where one is not of these rows."""
    from ..knn import quantised

    found = {}
    for side, path in given.items():
        dimension, total = int(rows[side][0].shape[1]), sum(map(len, rows[side]))
        index = quantised.read(path, dimension=dimension, vectors=total)
        _find_themselves(index, path, rows[side], shards, seed)
        found[side] = Adopted(index, path, digest(path))
    return found


def _find_themselves(index: Any, path: Path, rows: Sequence[Vectors], shards: Sequence[str], seed: int) -> None:
    """SourceError unless most drawn rows of each shard are among their own nearest ids."""
    starts = np.cumsum([0, *map(len, rows)])
    k = int(max(1, min(_NEAREST, starts[-1] // 4)))
    draw = np.random.default_rng(seed)
    places = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _SHARDS)).astype(np.int64))
    for place in places.tolist():
        own = rows[place]
        order = draw.permutation(len(own))[:_AT_MOST]
        wide = own[np.sort(order)].astype(np.float32)
        good = np.sort(order)[np.isfinite(wide).all(axis=1) & wide.any(axis=1)]
        drawn = [int(row) for row in order if row in good]
        hits = tried = 0
        for row in drawn:
            # A few at first; where some of them are not found, enough to tell coarse codes from another order.
            if tried == _AT_FIRST and hits >= 0.75 * tried:
                break
            hits, tried = hits + _finds(index, rows, starts, place, row, k), tried + 1
        if hits < tried / 2:
            raise SourceError(
                f"{path} is not of these embeddings in this order: "
                f"of {tried} rows of shard {shards[place]} {hits} find themselves",
                "import the embeddings that it was built from, or build one: `vlcorpus index CORPUS`",
            )


def _finds(index: Any, rows: Sequence[Vectors], starts: npt.NDArray[np.int64], place: int, row: int, k: int) -> bool:
    """Whether a row, or one equal to it, is among its nearest ids."""
    own = rows[place][row]
    ids = _nearest(index, own.astype(np.float32)[None], k)
    if int(starts[place]) + row in ids:
        return True
    for each in ids:
        other = int(np.searchsorted(starts, each, side="right")) - 1
        if np.array_equal(rows[other][each - int(starts[other])], own):
            return True
    return False


def _nearest(index: Any, query_1D: npt.NDArray[np.float32], k: int) -> list[int]:
    import faiss

    faiss.omp_set_num_threads(1)
    inner = faiss.try_extract_index_ivf(index)
    if inner is not None:
        inner.nprobe = max(inner.nprobe, min(32, inner.nlist))
    _, ids = index.search(query_1D, k)
    return [int(each) for each in ids[0] if 0 <= each < index.ntotal]
