"""Spherical k-means: k directions that stand for all rows, and which one each row is nearest to.

    sample = train_order(uids, clusters=1000, seed=0)        numbers of at most 256 rows a cluster, drawn by uid
    trained = train(rows[sample], 1000)                      trained.centroids (1000, D) float32, of length one
    References(trained.centroids).nearest(rows)              number and cosine of every row (nearest.py)

Lloyd's algorithm on directions: the first k distinct rows of the sample begin; each row goes to the nearest centroid
(of equal ones the lower number); a centroid becomes the direction of the sum of its rows; a centroid that lost all rows
takes the row that is farthest from its own. It ends when no row moves, or after ITERATIONS rounds (20, as DataComp's
image_based_clustering.py; Gadre et al. 2023, arXiv 2304.14108, which clusters with 100,000 means). Rows are a random
sample in random order, so beginning with the first is beginning with random ones.

The same rows in the same order give the same bytes, at any number of threads: who is nearest is decided in fp64, and
sums are fp64 in the order of rows.

Cost: 20 rounds of (2 D k operations and 8 µs) for each row of the sample: on one core at D = 512 5 s for k = 100, 2 min
for 1,000, 50 min for 10,000 and a day for 100,000; give a device. Memory: the sample, at most 1 GB of fp16 rows of 512
numbers up to k = 25,000. Not for finding near-duplicates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from vlcorpus.draws import Uids, UInt64s, halves
from vlcorpus.errors import SourceError
from vlcorpus.scores.directions import Bools, Stored, unit_rows
from vlcorpus.scores.draws import draws, order
from vlcorpus.scores.nearest import References

ITERATIONS = 20
ROWS_EACH = 256
"""Rows of the sample a cluster; more change the centroids little (faiss's own bound)."""
LEAST_EACH = 39
"""As long as there are MOST_ROWS: fewer are too few to know a centroid by (faiss warns of it)."""
MOST_ROWS = 1_000_000
_STREAM = 1 << 32  # of the draws: none that batches of negCLIPLoss have
_CHUNK = 1_024

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Trained:
    """centroids: float32 (k, D) of length one. similarity: mean cosine of the sample's rows with theirs."""

    centroids: Float32s
    rows: int
    iterations: int
    similarity: float


def train_order(uids: Uids, good: Bools, *, clusters: int, seed: int) -> npt.NDArray[np.int64]:
    """Numbers of the rows to train on, in the order that `train` wants. uids: uint8 (N, 16); good: which may be."""
    rows = np.flatnonzero(good)
    return rows[order(uids[rows], seed, _STREAM)[: _most(clusters)]]


def drawn(uids: Uids, good: Bools, clusters: int, seed: int) -> tuple[UInt64s, npt.NDArray[np.int64]]:
    """The same of a part of the rows: (M, 3) what they are ordered by, and their numbers in the part (M,)."""
    rows = train_order(uids, good, clusters=clusters, seed=seed)
    return np.column_stack([draws(uids[rows], seed, _STREAM), *halves(uids[rows])]), rows


def first_drawn(keys: UInt64s, clusters: int) -> npt.NDArray[np.int64]:
    """Of the rows that `drawn` gives of all parts, one part behind the other: which are trained on, in their order."""
    return np.lexsort((keys[:, 2], keys[:, 1], keys[:, 0]))[: _most(clusters)]


def _most(clusters: int) -> int:
    return min(ROWS_EACH * clusters, max(MOST_ROWS, LEAST_EACH * clusters))


def train(rows_ND: Stored, clusters: int, *, iterations: int = ITERATIONS, device: str = "cpu") -> Trained:
    """Centroids of the rows, which must all have a direction. SourceError where fewer rows differ than k."""
    distinct = _first_distinct(rows_ND, clusters)
    if len(distinct) < clusters:
        raise SourceError(
            f"{clusters} clusters are wanted of {len(distinct)} different embeddings", "ask for fewer: --clusters"
        )
    centroids = unit_rows(rows_ND[distinct], torch.device("cpu"))[0].numpy()
    before: Int32s = np.full(len(rows_ND), -1, dtype=np.int32)
    done = 0
    while True:
        number_N, value_N = References(centroids, device=device).nearest(rows_ND)
        if done == iterations or np.array_equal(number_N, before):
            break
        centroids, before = _moved(rows_ND, number_N, value_N, centroids), number_N
        done += 1
    return Trained(centroids, len(rows_ND), done, float(value_N.mean(dtype=np.float64)))


def _first_distinct(rows_ND: Stored, count: int) -> npt.NDArray[np.int64]:
    """Numbers of the first `count` rows that equal none before them."""
    seen: set[bytes] = set()
    found = []
    for at in range(0, len(rows_ND), _CHUNK):
        for number, row in enumerate(np.ascontiguousarray(rows_ND[at : at + _CHUNK]), at):
            name = row.tobytes()
            if name not in seen:
                seen.add(name)
                found.append(number)
                if len(found) == count:
                    return np.array(found)
    return np.array(found, dtype=np.int64)


def _moved(rows_ND: Stored, number_N: Int32s, value_N: Float32s, centroids: Float32s) -> Float32s:
    """The centroids in the middle of their rows."""
    total = torch.zeros(centroids.shape, dtype=torch.float64)
    for at in range(0, len(rows_ND), _CHUNK):
        unit, _ = unit_rows(rows_ND[at : at + _CHUNK], torch.device("cpu"))
        total.index_add_(0, torch.from_numpy(number_N[at : at + _CHUNK].astype(np.int64)), unit.double())
    sums = total.numpy()
    counts = np.bincount(number_N, minlength=len(centroids))
    norms = np.sqrt(np.einsum("kd,kd->k", sums, sums))
    moved = np.where((norms > 1e-6)[:, None], sums / np.maximum(norms, 1e-6)[:, None], centroids)
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        farthest = np.argsort(value_N, kind="stable")[: len(empty)]
        moved[empty] = unit_rows(rows_ND[farthest], torch.device("cpu"))[0].numpy()
    return moved.astype(np.float32)
