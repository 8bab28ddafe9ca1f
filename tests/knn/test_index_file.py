"""Index files: they find what the exact scan finds, faiss opens them, and a wrong or damaged file is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import faiss
import numpy as np
import pytest

from vlcorpus.errors import SourceError
from vlcorpus.knn.index_file import build_index, index_bytes, read_index, recall, search, write_index
from vlcorpus.knn.scan import top


def unit(seed: int, n: int, d: int = 32) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize("kind", ["fp16", "flat"])
def test_finds_what_the_scan_finds(tmp_path: Path, kind: str) -> None:
    shards = [unit(0, 300), unit(1, 5000)]
    path = tmp_path / "image.index"
    assert write_index(path, shards, kind) == 5300
    index = read_index(path, dimension=32, rows=5300)
    queries = unit(2, 20).astype(np.float32)
    scores, rows = search(index, queries, 10)
    exact_scores, exact_rows = top(shards, queries, 10)
    assert recall(rows, exact_rows) == 1.0
    assert np.abs(scores - exact_scores).max() < 1e-6
    assert path.read_bytes() == index_bytes(build_index(shards, kind))
    assert faiss.read_index(str(path)).ntotal == 5300  # as other tools open it


def test_rows_without_direction_keep_their_place() -> None:
    x = unit(0, 10)
    x[3], x[4, 1] = 0, np.nan
    index = build_index([x])
    scores, rows = search(index, x[[9]].astype(np.float32), 10)
    assert rows[0, 0] == 9 and set(rows[0].tolist()) == set(range(10)) and np.isfinite(scores).all()


def test_an_index_of_another_kind_opens_too(tmp_path: Path) -> None:
    x = unit(0, 500).astype(np.float32)
    index = faiss.index_factory(32, "IVF8,Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(x)
    index.add(x)
    faiss.write_index(index, str(tmp_path / "image.index"))
    opened = read_index(tmp_path / "image.index", dimension=32, rows=500)
    rows = search(opened, x[:50], 10)[1]
    assert 0.1 < recall(rows, top([x], x[:50], 10)[1]) < 1.0


def test_recall_counts_rows_not_order() -> None:
    assert recall(np.array([[2, 1, 9], [4, -1, -1]]), np.array([[1, 2, 3], [4, -1, -1]])) == 0.75
    assert np.isnan(recall(np.zeros((0, 3), np.int64), np.zeros((0, 3), np.int64)))


def test_wrong_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "image.index"
    write_index(path, [unit(0, 100)])
    good = path.read_bytes()
    for dimension, rows in ((32, 99), (16, 100)):
        with pytest.raises(SourceError, match="holds 100 vectors of 32"):
            read_index(path, dimension=dimension, rows=rows)
    huge = good[:4] + struct.pack("<iq", 32, 2**50) + good[16:]
    euclid = good[:33] + struct.pack("<i", 1) + good[37:]
    for bad, rows in (
        (b"", 100),
        (good[:20], 100),
        (good[:-1000], 100),
        (good + b"x" * 9999, 100),
        (b"<html>" * 99, 100),
        (huge, 2**50),
        (euclid, 100),
    ):
        path.write_bytes(bad)
        with pytest.raises(SourceError):
            read_index(path, dimension=32, rows=rows)
    with pytest.raises(SourceError, match="cannot be read"):
        read_index(tmp_path / "none.index", dimension=32, rows=100)


def test_wrong_questions() -> None:
    index = build_index([unit(0, 5)])
    for queries in (np.ones((1, 31)), np.ones(32), np.full((1, 32), np.inf)):
        with pytest.raises(SourceError):
            search(index, queries, 1)
    with pytest.raises(SourceError, match="unknown kind"):
        build_index([unit(0, 5)], "hnsw")  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="do not agree"):
        build_index([unit(0, 5), unit(0, 5, 16)])
