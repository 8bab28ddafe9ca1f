"""The searcher against the plain scan: the same rows and the same numbers, bit for bit, with masks, floors, ties,
copies, broken rows and removals; and through an index the exact scores of what the index lists."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import faiss
import numpy as np
import pytest

from vlcorpus.errors import SourceError
from vlcorpus.knn import quantised, scan
from vlcorpus.knn.quantised import OpenIndex
from vlcorpus.knn.searcher import Searcher


def unit(seed: int, n: int, d: int = 40) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


def hostile(n: int = 3000) -> np.ndarray:
    """Copies far apart, rows that are zero or not finite, and rows of wild lengths."""
    x = unit(0, n)
    x[900:950] = x[100:150]
    x[500:600] = x[7]
    x[[3, 400, 2999]] = 0
    x[[5, 700], 1] = np.nan
    x[[8, 2000], 2] = np.inf
    x[1500:1700] = -np.inf
    x[1200] *= 5000
    x[1201] *= np.float16(1e-4)
    return x


def shards_of(x: np.ndarray, folder: Path, cuts: list[int]) -> list[np.ndarray]:
    shards = []
    for number, part in enumerate(np.split(x, cuts)):
        np.save(folder / f"{number}.npy", part)
        shards.append(np.load(folder / f"{number}.npy", mmap_mode="r"))
    return shards


def same(found, scores: np.ndarray, rows: np.ndarray) -> None:
    held = rows[0] >= 0
    assert found.rows.tolist() == rows[0][held].tolist()
    assert found.scores.tobytes() == scores[0][held].tobytes()
    assert found.scores.dtype == np.float32 and found.rows.dtype == np.int64


@pytest.mark.parametrize("k", [1, 10, 400, 3000])
@pytest.mark.parametrize("cuts", [[], [1, 1000, 1000], [1400, 1800]], ids=["one", "four", "three"])
def test_the_scan_equals_the_plain_one(tmp_path: Path, k: int, cuts: list[int]) -> None:
    x = hostile()
    shards = shards_of(x, tmp_path, cuts)
    draw = np.random.default_rng(1)
    masks = [None, *(draw.random(3000) < share for share in (0.6, 0.2, 0.015, 0.001)), np.zeros(3000, bool)]
    removed = draw.random(3000) < 0.1
    queries = np.concatenate([unit(2, 2), x[[7, 120]]]).astype(np.float32)
    for query in queries:
        for gone in (None, removed):
            searcher = Searcher(shards, removed=gone)
            for mask in masks:
                for floor in (None, 0.1):
                    allowed = mask if gone is None else ~gone if mask is None else mask & ~gone
                    found = searcher.top(query, k, mask=mask, floor=floor)
                    same(found, *scan.top(shards, query[None], k, mask=allowed, floor=floor))
                    assert found.how == "scan"


def test_a_page_full_of_copies_and_near_copies(tmp_path: Path) -> None:
    """More rows than the first list holds within rounding of each other: the list has to grow."""
    x = np.repeat(unit(3, 1, 512), 4000, axis=0)
    low = np.random.default_rng(4).integers(0, 512, 4000)
    x[np.arange(4000), low] = np.nextafter(x[np.arange(4000), low], np.float16(1))
    query = x[0].astype(np.float32)
    same(Searcher(shards_of(x, tmp_path, [3900])).top(query, 10), *scan.top([x], query[None], 10))


def test_rows_that_faiss_cannot_look_at(tmp_path: Path) -> None:
    x = hostile()
    query = unit(2, 1)[0].astype(np.float32)
    strided = [np.asfortranarray(x[:1000]), x[1000:].astype(np.float32)]
    same(Searcher(strided).top(query, 20), *scan.top([x], query[None], 20))


def test_scores_of_every_row(tmp_path: Path) -> None:
    x = hostile()
    shards = shards_of(x, tmp_path, [1700])
    removed = np.zeros(3000, bool)
    removed[[0, 1999]] = True
    searcher = Searcher(shards, removed=removed)
    query = unit(2, 1)[0].astype(np.float32)
    scores = searcher.scores(query)
    usable = np.isfinite(x).all(axis=1) & x.any(axis=1) & ~removed
    assert scores.dtype == np.float32 and (np.isnan(scores) == ~usable).all()
    found = searcher.top(query, 3000)
    assert len(found.rows) == usable.sum()
    np.testing.assert_array_equal(scores[found.rows], found.scores)


def test_vectors(tmp_path: Path) -> None:
    x = unit(0, 100)
    searcher = Searcher(shards_of(x, tmp_path, [30, 60]))
    rows = [99, 0, 30, 29, 30]
    np.testing.assert_array_equal(searcher.vectors(rows), x[rows].astype(np.float32))
    assert searcher.vectors([]).shape == (0, 40)
    for bad in ([100], [-1]):
        with pytest.raises(IndexError):
            searcher.vectors(bad)


def test_many_queries_at_once_are_the_scan_too() -> None:
    x = unit(0, 700)
    removed = np.arange(700) % 3 == 0
    scores, rows = Searcher([x], removed=removed).top_of_each(x[:9].astype(np.float32), 5)
    expected = scan.top([x], x[:9].astype(np.float32), 5, mask=~removed)
    np.testing.assert_array_equal(scores, expected[0])
    np.testing.assert_array_equal(rows, expected[1])


@pytest.fixture(scope="module")
def flat() -> tuple[np.ndarray, object]:
    x = unit(5, 6000, 64)
    x[[10, 20]] = 0
    x[30, 0] = np.nan
    return x, quantised.build([x[:4000], x[4000:]], "rabitq")


def test_the_index_lists_and_the_rows_score(flat) -> None:
    x, index = flat
    searcher = Searcher([x[:4000], x[4000:]], OpenIndex(index, "rabitq", {"depth": 40}))
    plain = Searcher([x])
    hits = 0
    for query in unit(6, 30, 64).astype(np.float32):
        found, exact = searcher.top(query, 10), plain.top(query, 10)
        assert found.how == "index" and exact.how == "scan"
        np.testing.assert_array_equal(found.scores, plain.scores(query)[found.rows])
        assert (np.diff(found.scores) <= 0).all() and len(found.rows) == 10
        hits += len(np.intersect1d(found.rows, exact.rows))
        over = searcher.top(query, 10, floor=float(found.scores[4]))
        assert over.rows.tolist() == found.rows[found.scores >= found.scores[4]].tolist()
        same(searcher.top(query, 10, exact=True), exact.scores[None], exact.rows[None])
        mask = x[:, 0] > 0
        assert searcher.top(query, 10, mask=mask).how == "scan"
        np.testing.assert_array_equal(searcher.top(query, 10, mask=mask).rows, plain.top(query, 10, mask=mask).rows)
    assert hits >= 280


def test_a_deep_question_reads_every_row(flat) -> None:
    x, index = flat
    searcher = Searcher([x], OpenIndex(index, "rabitq", {"depth": 40}))
    assert searcher.top(x[0].astype(np.float32), 200).how == "scan"
    assert searcher.deepest(10) == 150


def test_removed_rows_do_not_come_back_and_others_move_up(flat) -> None:
    x, index = flat
    query = x[100].astype(np.float32)
    removed = np.zeros(6000, bool)
    removed[Searcher([x]).top(query, 60).rows] = True
    searcher = Searcher([x], OpenIndex(index, "rabitq", {"depth": 1}), removed=removed)
    found = searcher.top(query, 10)
    assert found.how == "index" and len(found.rows) == 10 and not removed[found.rows].any()
    # Nearly all are gone: the list is lengthened, and in the end every row is read.
    removed[:] = True
    removed[[5, 77, 5000]] = False
    searcher = Searcher([x], OpenIndex(index, "rabitq", {"depth": 2}), removed=removed)
    assert sorted(searcher.top(query, 10).rows.tolist()) == [5, 77, 5000]
    assert len(Searcher([x], OpenIndex(index, "rabitq"), removed=np.ones(6000, bool)).top(query, 10).rows) == 0


def test_ids_may_be_other_numbers_than_rows(flat) -> None:
    """A shard that was made anew: its old ids are dead, its new rows have ids at the end."""
    x, index = flat
    row_of_id = np.concatenate([np.full(1000, -1), np.arange(1000, 4000) - 1000, np.arange(4000, 6000) - 1000])
    rows = x[1000:]
    searcher = Searcher([rows], OpenIndex(index, "rabitq", {"depth": 160}, row_of_id))
    for query in unit(7, 10, 64).astype(np.float32):
        found = searcher.top(query, 5)
        assert found.how == "index" and found.rows.tolist() == Searcher([rows]).top(query, 5).rows.tolist()


def test_the_shortlist_is_in_the_order_of_the_index(flat) -> None:
    x, index = flat
    removed = np.zeros(6000, bool)
    removed[::7] = True
    searcher = Searcher([x], OpenIndex(index, "rabitq"), removed=removed)
    query = unit(8, 1, 64)[0].astype(np.float32)
    scores, rows = searcher.shortlist(query, 100)
    ids = index.search(query[None], 100)[1][0]
    assert rows.tolist() == [int(each) for each in ids if not removed[each] and each not in (10, 20, 30)]
    np.testing.assert_array_equal(scores, Searcher([x]).scores(query)[rows])
    with pytest.raises(ValueError, match="no index"):
        Searcher([x]).shortlist(query, 10)


def test_an_index_of_other_rows_is_refused(flat) -> None:
    x, index = flat
    cases = [
        ([x[:5999]], None, "holds 6000 vectors and there are 5999"),
        ([x, x[:1]], None, "lacks 1 of 6001 rows"),
        ([unit(0, 6000, 32)], None, "64 dimensions and the rows 32"),
        ([x], np.arange(5999), "do not fit"),
        ([x], np.arange(6000) + 1, "do not fit"),
        ([x], np.zeros(6000, np.int64), "lacks 5999"),
    ]
    for shards, row_of_id, message in cases:
        with pytest.raises(SourceError, match=message):
            Searcher(shards, OpenIndex(index, "rabitq", {}, row_of_id))
    removed = np.zeros(6001, bool)
    removed[6000] = True
    Searcher([x, x[:1]], OpenIndex(index, "rabitq"), removed=removed)  # what is missing is not wanted


def test_a_strangers_ids_do_no_harm() -> None:
    """An IVF file may name any number as an id."""
    x = unit(9, 500)
    index = faiss.index_factory(40, "IVF4,Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(x.astype(np.float32))
    ids = np.arange(500)
    ids[::5] = [2**40, -7, 499, 500, 10**15] * 20
    index.add_with_ids(x.astype(np.float32), ids)
    searcher = Searcher([x], OpenIndex(index, "foreign", {"depth": 2, "nprobe": 4}))
    for query in unit(10, 10).astype(np.float32):
        found = searcher.top(query, 10)
        assert len(set(found.rows.tolist())) == 10
        np.testing.assert_array_equal(found.scores, searcher.scores(query)[found.rows])


def test_wrong_questions() -> None:
    x = unit(0, 9)
    searcher = Searcher([x])
    good = x[0].astype(np.float32)
    for query in (np.ones(39), np.ones((1, 40)), np.zeros(40), np.full(40, np.nan)):
        with pytest.raises(SourceError):
            searcher.top(query, 1)
        with pytest.raises(SourceError):
            searcher.scores(query)
    with pytest.raises(SourceError, match="mask"):
        searcher.top(good, 1, mask=np.ones(8, bool))
    with pytest.raises(SourceError, match="mask"):
        Searcher([x], removed=np.ones(8, bool))
    with pytest.raises(ValueError, match="at least 1"):
        searcher.top(good, 0)
    empty = Searcher([])
    assert (empty.rows, empty.dimension, len(empty.top(good, 3).rows), len(empty.scores(good))) == (0, 0, 0, 0)


def test_searching_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from vlcorpus.knn.searcher import Searcher\n"
        "from vlcorpus.knn import choose, quantised, tune\n"
        "x = np.eye(8, dtype=np.float16)\n"
        "assert Searcher([x]).top(np.ones(8, np.float32), 1).rows.tolist() == [0]\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
