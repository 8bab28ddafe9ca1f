"""The scan against sorting every score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vlcorpus.errors import SourceError
from vlcorpus.knn.scan import top


def unit(seed: int, n: int, d: int = 40) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


def brute(vectors: np.ndarray, queries: np.ndarray, k: int, usable: np.ndarray, floor: float = -np.inf):
    for query in queries:
        scores = (vectors.astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
        rows = [r for r in np.lexsort((np.arange(len(vectors)), -scores)) if usable[r] and scores[r] >= floor][:k]
        yield [scores[r] for r in rows], rows


@pytest.fixture
def vectors() -> np.ndarray:
    """1000 rows with copies far apart, zero rows and rows that are not finite."""
    x = unit(0, 1000)
    x[900:950] = x[100:150]
    x[500:600] = x[7]
    x[[3, 400]] = 0
    x[[5, 700], 1] = np.nan
    x[8, 2] = np.inf
    return x


@pytest.mark.parametrize("chunk", [1, 37, 128, 5000])
@pytest.mark.parametrize("k", [1, 10, 300])
def test_equals_sorting(vectors: np.ndarray, tmp_path: Path, chunk: int, k: int) -> None:
    for name, part in (("a", vectors[:333]), ("b", vectors[333:334]), ("c", vectors[334:])):
        np.save(tmp_path / f"{name}.npy", part)
    shards = [np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "abc"]
    queries = np.concatenate([unit(1, 5), vectors[[7, 120]]]).astype(np.float32)
    usable = np.isfinite(vectors).all(1) & vectors.any(1)
    mask = np.random.default_rng(2).random(1000) < 0.6
    for eligible, floor in ((None, None), (mask, None), (mask, 0.1)):
        scores, rows = top(shards, queries, k, mask=eligible, floor=floor, chunk=chunk)
        allowed = usable if eligible is None else usable & eligible
        with np.errstate(invalid="ignore"):
            wanted = list(brute(vectors, queries, k, allowed, -np.inf if floor is None else floor))
        for query, (best, best_rows) in enumerate(wanted):
            held = len(best_rows)
            assert rows[query, :held].tolist() == best_rows
            assert scores[query, :held].tolist() == [float(s) for s in best]
            assert (rows[query, held:] == -1).all() and np.isneginf(scores[query, held:]).all()


def test_ties_by_smallest_row_over_many_copies() -> None:
    x = np.repeat(unit(3, 1), 500, axis=0)
    _, rows = top([x[:250], x[250:]], x[:1].astype(np.float32), 20, chunk=64)
    assert rows[0].tolist() == list(range(20))


def test_zero_rows_do_not_push_out_negative_scores() -> None:
    x = np.zeros((9, 2), np.float16)
    x[4] = [-1, 0]
    scores, rows = top([x], np.array([[1, 0]], np.float32), 3)
    assert rows.tolist() == [[4, -1, -1]] and scores[0, 0] == -1


def test_more_queries_than_one_block() -> None:
    x = unit(4, 50)
    _, rows = top([x], np.tile(x, (8, 1)).astype(np.float32), 1)
    assert rows[:, 0].tolist() == list(range(50)) * 8


def test_wrong_questions() -> None:
    x = unit(0, 4)
    for queries in (np.ones((1, 3)), np.zeros((1, 40)), np.full((1, 40), np.nan), np.ones(40)):
        with pytest.raises(SourceError):
            top([x], queries, 1)
    with pytest.raises(SourceError, match="mask"):
        top([x], np.ones((1, 40)), 1, mask=np.ones(3, bool))
    with pytest.raises(SourceError, match="int8"):
        top([x.astype(np.int8)], np.ones((1, 40)), 1)
    assert top([], np.ones((1, 40)), 2)[1].tolist() == [[-1, -1]]
