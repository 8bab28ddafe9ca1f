"""Views: faiss reads the file itself, and nothing of the file changes."""

from __future__ import annotations

import gc
import hashlib
from pathlib import Path

import numpy as np
import pytest

from vlcorpus.knn import scan
from vlcorpus.knn.view import View


def unit(seed: int, n: int, d: int = 40) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


@pytest.mark.parametrize("dimension", [1, 7, 40, 512])
def test_finds_what_the_scan_finds(tmp_path: Path, dimension: int) -> None:
    path = tmp_path / "img_emb_0.npy"
    np.save(path, unit(0, 900, dimension))
    before = hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns
    rows = np.load(path, mmap_mode="r")
    view = View.of(rows)
    assert view is not None
    query = unit(1, 1, dimension)[0].astype(np.float32)
    mask = np.random.default_rng(2).random(900) < 0.3
    for allowed in (None, mask):
        scores, found = view.near(query, 50, allowed)
        exact, _ = scan.top([rows], query[None], 50, mask=allowed)
        assert np.abs(scores - exact[0]).max() < 1e-5 and len(set(found.tolist())) == 50
        assert allowed is None or allowed[found].all()
    assert (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) == before


def test_it_is_the_rows_own_memory() -> None:
    rows = unit(0, 100)
    view = View.of(rows)
    assert view is not None
    query = rows[3].astype(np.float32)
    assert view.near(query, 1)[1].tolist() == [3]
    rows[77], rows[3] = rows[3].copy(), 0
    assert view.near(query, 1)[1].tolist() == [77]


def test_the_rows_live_as_long_as_the_view() -> None:
    view = View.of(unit(0, 2000, 512))
    gc.collect()
    assert view is not None
    query = unit(0, 2000, 512)[5].astype(np.float32)
    assert view.near(query, 1)[1].tolist() == [5]


def test_part_of_a_file_is_as_good(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", unit(0, 100))
    part = np.load(tmp_path / "a.npy", mmap_mode="r")[40:]
    view = View.of(part)
    assert view is not None
    assert view.near(part[7].astype(np.float32), 1)[1].tolist() == [7]


def test_other_rows_are_no_view() -> None:
    rows = unit(0, 100)
    others = [rows.astype(np.float32), rows[::2], rows[:, ::2], np.asfortranarray(rows), rows[:0], rows[0]]
    others += [
        rows.astype(">f2"),
        np.frombuffer(b"\0" + rows.tobytes(), np.uint8)[1:].view(np.float16).reshape(100, 40),
    ]
    assert [View.of(each) for each in others] == [None] * len(others)


def test_fewer_rows_than_asked() -> None:
    view = View.of(unit(0, 5))
    assert view is not None
    query = unit(1, 1)[0].astype(np.float32)
    assert sorted(view.near(query, 9)[1].tolist()) == [0, 1, 2, 3, 4]
    assert len(view.near(query, 9, np.zeros(5, bool))[1]) == 0
