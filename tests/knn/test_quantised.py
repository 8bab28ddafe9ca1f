"""Indices: they list what is near, codes are faiss's own, the same shards give the same bytes."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from tests.knn.plain import index_bytes, recall
from vlcorpus.draws import mixed
from vlcorpus.errors import SourceError
from vlcorpus.knn import quantised, scan
from vlcorpus.knn.quantised import OpenIndex, append, build, efforts, rabitq_codes, read, search_parameters
from vlcorpus.knn.searcher import Searcher


def clustered(seed: int, n: int, d: int = 64, outliers: int = 0) -> np.ndarray:
    """Rows in clusters round a shared mean, as CLIP's are; `outliers`: dimensions of great variance."""
    draw = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((50, d))
    x = 0.6 + centres[draw.integers(0, 50, n)] + 0.8 * draw.standard_normal((n, d))
    x[:, :outliers] = 8 + 12 * draw.standard_normal((n, outliers))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


PARAMETERS = {"rabitq": {"depth": 40}, "ivf": {"depth": 40, "nprobe": 64}, "hnsw": {"depth": 1, "ef_search": 200}}


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    x = clustered(0, 5000)
    x[[3, 4000]] = 0
    x[7, 2] = np.nan
    return x


@pytest.mark.parametrize("kind", PARAMETERS)
def test_it_finds_what_is_near(rows: np.ndarray, kind: str, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    index = build([rows[:1000], rows[1000:]], kind, tell=lambda done, of: told.append((done, of)))
    assert (index.d, index.ntotal, index.metric_type) == (64, 5000, faiss.METRIC_INNER_PRODUCT)
    assert told[-1] == (5000, 5000) and told == sorted(told)
    path = tmp_path / "image.index"
    faiss.write_index(index, str(path))
    opened = read(path, dimension=64, vectors=5000)
    queries = clustered(1, 40).astype(np.float32)
    exact = scan.top([rows], queries, 10)[1]
    for one in (index, opened):
        searcher = Searcher([rows], OpenIndex(one, kind, PARAMETERS[kind]))
        answers = [searcher.top(query, 10) for query in queries]
        assert {answer.how for answer in answers} == {"index"}
        found = np.stack([answer.rows for answer in answers])
        assert recall(found, exact) > 0.97
    # As other tools open it, without any of our code.
    plain = faiss.read_index(str(path))
    assert recall(plain.search(queries, 400)[1], exact) > (0.97 if kind != "ivf" else 0.2)


def test_outlying_dimensions_do_no_harm() -> None:
    """Without the rotation, one bit of a dimension with most of the variance says next to nothing."""
    x, queries = clustered(0, 5000, outliers=2), clustered(1, 100, outliers=2).astype(np.float32)
    exact = scan.top([x], queries, 10)[1]
    bare = faiss.index_factory(64, "RaBitQ", faiss.METRIC_INNER_PRODUCT)
    bare.train(x.astype(np.float32))
    bare.add(x.astype(np.float32))
    turned = recall(build([x], "rabitq").search(queries, 50)[1], exact)
    assert turned > recall(bare.search(queries, 50)[1], exact) + 0.05


@pytest.mark.parametrize("dimension", [8, 30, 64, 512])
def test_codes_are_those_of_faiss(dimension: int) -> None:
    x = clustered(2, 3000, dimension).astype(np.float32)
    index = faiss.index_factory(dimension, "RaBitQ", faiss.METRIC_INNER_PRODUCT)
    index.train(x)
    centre = faiss.vector_to_array(index.center)
    x[5] = centre
    x[6] = 0
    index.add(x)
    theirs = faiss.vector_to_array(index.codes).reshape(3000, -1)
    ours = rabitq_codes(x, centre)
    width = -(-dimension // 8)
    np.testing.assert_array_equal(ours[:, :width], theirs[:, :width])
    mine, their = (codes[:, width:].copy().view(np.float32) for codes in (ours, theirs))
    rest = x.astype(np.float64) - centre
    true = (rest**2).sum(axis=1) - (x.astype(np.float64) ** 2).sum(axis=1)
    np.testing.assert_allclose(mine[:, 0], true, atol=1e-6)
    np.testing.assert_allclose(mine, their, rtol=1e-4, atol=1e-5)
    other = faiss.index_factory(dimension, "RaBitQ", faiss.METRIC_INNER_PRODUCT)
    other.train(x)
    other.add_sa_codes(ours)
    queries = clustered(3, 20, dimension).astype(np.float32)
    assert recall(other.search(queries, 50)[1], index.search(queries, 50)[1]) > 0.99


@pytest.mark.parametrize("kind", PARAMETERS)
def test_the_same_shards_give_the_same_bytes(rows: np.ndarray, kind: str, tmp_path: Path) -> None:
    for number, part in enumerate(np.array_split(rows, 3)):
        np.save(tmp_path / f"{number}.npy", part)
    mapped = [np.load(tmp_path / f"{number}.npy", mmap_mode="r") for number in range(3)]
    first = index_bytes(build(np.array_split(rows, 3), kind, seed=3))
    assert index_bytes(build(mapped, kind, seed=3)) == first
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    try:
        assert index_bytes(build(mapped, kind, seed=3)) == first
        assert faiss.omp_get_max_threads() == 2
    finally:
        faiss.omp_set_num_threads(threads)


@pytest.mark.parametrize("kind", PARAMETERS)
def test_appending(rows: np.ndarray, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "image.index"
    faiss.write_index(build([rows[:4000]], kind), str(path))
    index = read(path, dimension=64, vectors=4000, mapped=False)
    append(index, [rows[4000:4500], rows[4500:]])
    assert index.ntotal == 5000
    faiss.write_index(index, str(path))
    searcher = Searcher([rows], OpenIndex(read(path, dimension=64, vectors=5000), kind, PARAMETERS[kind]))
    late = [row for row in range(4001, 5000, 37)]
    assert [int(searcher.top(rows[row].astype(np.float32), 1).rows[0]) for row in late] == late
    if kind == "rabitq":
        # New rows get the codes they would have got: those of an index whose middle is the first rows'.
        codes = faiss.vector_to_array(quantised.core(index).codes)
        whole = build([rows[:4000]], kind)
        append(whole, [rows[4000:]])
        assert np.mean(faiss.vector_to_array(quantised.core(whole).codes) == codes) > 0.999


@pytest.mark.parametrize("kind", PARAMETERS)
def test_a_mapped_index_is_not_added_to(rows: np.ndarray, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "image.index"
    faiss.write_index(build([rows[:900]], kind), str(path))
    mapped = read(path, dimension=64, vectors=900)
    with pytest.raises(SourceError, match="memory-mapped"):
        append(mapped, [rows[900:]])
    with pytest.raises(SourceError, match="64 dimensions"):
        append(read(path, dimension=64, vectors=900, mapped=False), [rows[:, :32]])
    append(read(path, dimension=64, vectors=900, mapped=False), [])


@pytest.mark.parametrize("key", ["PCA48,IVF16,PQ16x4", "IVF16,Flat", "Flat", "PQ16x4", "SQ8", "RR64,RaBitQ", "HNSW16"])
def test_others_indices_grow_too(rows: np.ndarray, key: str) -> None:
    wide = np.nan_to_num(rows.astype(np.float32))
    index = faiss.index_factory(64, key, faiss.METRIC_INNER_PRODUCT)
    index.train(wide[:800])
    index.add(wide[:3000])
    append(index, [rows[3000:]])
    assert index.ntotal == 5000
    found = Searcher([rows], OpenIndex(index, "foreign", {"depth": 80, "nprobe": 16})).top(wide[4444], 1)
    assert found.rows.tolist() == [4444]


@pytest.mark.parametrize("kind", PARAMETERS)
@pytest.mark.parametrize("n", [0, 1, 30])
def test_few_rows(kind: str, n: int, tmp_path: Path) -> None:
    x = clustered(0, n)
    index = build([x], kind)
    path = tmp_path / "image.index"
    faiss.write_index(index, str(path))
    opened = read(path, dimension=64, vectors=n)
    searcher = Searcher([x], OpenIndex(opened, kind, {"depth": 1, "nprobe": 1000}))
    query = clustered(1, 1)[0].astype(np.float32)
    assert searcher.top(query, 40).rows.tolist() == Searcher([x]).top(query, 40).rows.tolist()


def test_rows_without_direction_only() -> None:
    x = np.zeros((50, 16), np.float16)
    x[3] = np.nan
    for kind in PARAMETERS:
        index = build([x], kind)
        assert index.ntotal == 50
        assert len(Searcher([x], OpenIndex(index, kind, {"depth": 2})).top(np.ones(16, np.float32), 3).rows) == 0


def test_efforts_and_parameters(rows: np.ndarray) -> None:
    ivf = build([rows], "ivf")
    assert quantised.core(ivf).nlist == 64 and efforts(ivf)[0] == {"nprobe": 2} and efforts(ivf)[-1] == {"nprobe": 64}
    more = [
        np.count_nonzero(ivf.search(rows[:1].astype("f4"), 5000, params=search_parameters(index, 5000))[1] >= 0)
        for index in (OpenIndex(ivf, "ivf", {"nprobe": nprobe}) for nprobe in (1, 8, 64, 10**9))
    ]
    assert more[0] < more[1] < more[2] == more[3] == 5000
    flat = build([rows], "rabitq")
    assert efforts(flat) == [{}] and quantised.depths(flat)[-1] == 160
    graph = build([rows[:500]], "hnsw")
    assert efforts(graph)[0] == {"ef_search": 16} and quantised.depths(graph) == (1, 2)
    assert search_parameters(OpenIndex(graph, "hnsw", {"ef_search": 16}), 100).efSearch == 100


def test_wrong_questions() -> None:
    with pytest.raises(SourceError, match="unknown kind"):
        build([clustered(0, 5)], "lsh")  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="do not agree"):
        build([clustered(0, 5), clustered(0, 5, 32)], "rabitq")
    with pytest.raises(SourceError, match="do not agree"):
        build([], "rabitq")
    assert build([clustered(0, 5)], "exact") is None


def test_rows_to_train_on_are_those_with_the_least_hashes() -> None:
    for rows, most, seed in ((0, 5, 0), (7, 5, 0), (7, 7, 1), (7, 9, 1), (700_000, 1_000, 2), (300_000, 0, 3)):
        hashes = mixed(mixed(np.full(1, seed, np.uint64)) ^ np.arange(rows, dtype=np.uint64))
        assert quantised.drawn_rows(rows, most, seed).tolist() == sorted(np.argsort(hashes)[:most].tolist())
    assert quantised.drawn_rows(9_000, 50, 1).tolist() != quantised.drawn_rows(9_000, 50, 2).tolist()
    spread = quantised.drawn_rows(1_000_000, 10_000, 0)
    assert abs(spread.mean() / 1_000_000 - 0.5) < 0.02
