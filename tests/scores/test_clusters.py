"""Clusters: as Lloyd's algorithm has it, as good as faiss's, and the same bytes in any order of rows."""

from __future__ import annotations

import faiss
import numpy as np
import numpy.typing as npt
import pytest
import torch

from tests.scores.vectors import rows, uids, unit
from vlcorpus.errors import SourceError
from vlcorpus.scores.clusters import train, train_order
from vlcorpus.scores.nearest import References


def blobs(
    seed: int, count: int = 600, centres: int = 6, d: int = 24
) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.int64]]:
    """Rows around some directions, and which one each is around."""
    random = np.random.default_rng(seed)
    own = random.integers(0, centres, count)
    x = rows(seed + 1, centres, d).astype(np.float64)[own] + 0.1 * random.standard_normal((count, d))
    return unit(x).astype(np.float16), own


def slow(own: npt.NDArray[np.float16], k: int, iterations: int) -> npt.NDArray[np.float64]:
    """Lloyd's algorithm in float64, where no cluster gets empty."""
    x = unit(own)
    centroids = x[:k]
    for _ in range(iterations):
        number = (x @ centroids.T).argmax(1)
        sums = np.array([x[number == each].sum(0) for each in range(k)])
        centroids = unit(sums)
    return centroids


def test_equals_lloyd_in_float64() -> None:
    own = rows(0, 400, 16)
    for iterations in (0, 1, 5):
        got = train(own, 5, iterations=iterations)
        assert got.centroids.dtype == np.float32 and got.iterations <= iterations
        assert np.abs(got.centroids - slow(own, 5, iterations)).max() < 1e-5


def test_finds_what_is_there() -> None:
    own, centre = blobs(0)
    ordered = train_order(uids(0, 600), np.ones(600, bool), clusters=6, seed=3)
    number, value = References(train(own[ordered], 6).centroids).nearest(own)
    for each in range(6):
        assert len(set(number[centre == each].tolist())) <= 2
    assert value.mean() > 0.8


def test_is_as_good_as_faiss() -> None:
    own = rows(5, 3000, 32, around=1)
    wide = unit(own).astype(np.float32)
    threads = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(1)
        other = faiss.Kmeans(32, 20, niter=20, spherical=True, seed=1, max_points_per_centroid=1000)
        other.train(wide)
    finally:
        faiss.omp_set_num_threads(threads)
    theirs = References(other.centroids).nearest(own)[1].mean()
    got = train(own, 20)
    assert got.similarity == pytest.approx(float(References(got.centroids).nearest(own)[1].mean()), abs=1e-6)
    assert got.similarity > theirs - 0.005


def test_shards_and_threads_change_no_bit() -> None:
    own, names = rows(0, 900, 48), uids(0, 900)
    before = torch.get_num_threads()
    made = set()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            for seed in (0, 1):
                shuffled = np.random.default_rng(seed).permutation(900)
                ordered = train_order(names[shuffled], np.ones(900, bool), clusters=7, seed=2)
                made.add(train(own[shuffled][ordered], 7).centroids.tobytes())
    finally:
        torch.set_num_threads(before)
    assert len(made) == 1
    other = train_order(names, np.ones(900, bool), clusters=7, seed=3)
    assert train(own[other], 7).centroids.tobytes() not in made, "another seed is another sample"


def test_the_sample_is_bounded_and_of_good_rows() -> None:
    good = np.arange(3000) % 2 == 0
    found = train_order(uids(0, 3000), good, clusters=4, seed=0)
    assert len(found) == 1024 and good[found].all() and len(set(found.tolist())) == 1024


def test_copies_do_not_begin_two_clusters() -> None:
    own = np.concatenate([np.repeat(rows(0, 1), 50, axis=0), rows(1, 4)])
    got = train(own, 5)
    number, value = References(got.centroids).nearest(own)
    assert len(set(number.tolist())) == 5 and value.min() > 1 - 1e-6
    with pytest.raises(SourceError, match="6 clusters are wanted of 5 different"):
        train(own, 6)


def test_a_cluster_that_lost_its_rows_begins_anew() -> None:
    # Two centroids begin in one bunch, and a sum of opposite rows is no direction.
    own = np.array([[1, 0], [0.99, 0.1], [0, 1], [0, -1], [-1, 0], [0.5, 0.5]], np.float16)
    for k in range(1, 7):
        got = train(own, k)
        assert np.isfinite(got.centroids).all()
        assert np.linalg.norm(got.centroids, axis=1) == pytest.approx(np.ones(k), abs=1e-6)
