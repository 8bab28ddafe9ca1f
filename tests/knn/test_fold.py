from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.knn import fold as folding
from vlcorpus.knn.fold import fold


def plainly(vectors: np.ndarray, nearness: float, groups: np.ndarray | None) -> list[int]:
    """The top of each hit's stack, hit by hit."""
    rows = vectors.astype(np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    tops: list[int] = []
    for hit in range(len(rows)):
        grouped = [top for before, top in enumerate(tops) if groups is not None and groups[before] == groups[hit] >= 0]
        near = [
            top
            for before, top in enumerate(tops)
            if top == before and rows[hit] @ rows[top] / lengths[hit] / lengths[top] >= nearness
        ]
        tops.append([*grouped[:1], *near[:1], hit][0])
    return tops


def clustered(rng: np.random.Generator, rows: int, spread: float) -> np.ndarray:
    centres = rng.standard_normal((max(1, rows // 6), 16))
    return centres[rng.integers(0, len(centres), rows)] + spread * rng.standard_normal((rows, 16))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("stored", [True, False], ids=["with-groups", "without"])
def test_equals_the_rule_hit_by_hit(seed: int, stored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "_BLOCK", 7)  # many blocks of few hits
    rng = np.random.default_rng(seed)
    vectors = clustered(rng, 90, 0.15 + 0.05 * seed).astype(np.float32)
    groups = rng.integers(-8, 8, 90) if stored else None
    found = fold(vectors, nearness=0.94, groups=groups)
    assert found.dtype == np.int64
    assert found.tolist() == plainly(vectors, 0.94, groups)
    assert 1 < len(set(found.tolist())) < 90


def test_stacks_are_named_by_their_best_hit_and_lengths_do_not_count() -> None:
    a, b = np.eye(4)[0], np.eye(4)[1]
    assert fold([a, b, 5 * a, 0.1 * b, a + 3 * b]).tolist() == [0, 1, 0, 1, 1]
    assert fold([a, b, a + b, b], nearness=0.7).tolist() == [0, 1, 0, 1]  # a + b is near both, and joins them not
    assert fold([a, b, a + b, b], nearness=0.72).tolist() == [0, 1, 2, 1]


def test_rows_without_direction_are_alone_unless_a_group_says_so() -> None:
    zero, bad = np.zeros(4), np.full(4, np.nan)
    assert fold([zero, bad, zero, bad], nearness=-1).tolist() == [0, 1, 2, 3]
    assert fold([zero, bad, zero, bad], groups=np.array([4, -1, 4, -1])).tolist() == [0, 1, 0, 3]


def test_the_vectors_given_are_left_as_they_are() -> None:
    rows = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
    before = rows.copy()
    fold(rows)
    assert np.array_equal(rows, before)


def test_nothing_and_one() -> None:
    assert fold(np.empty((0, 8), np.float32)).tolist() == []
    assert fold(np.empty((0, 8), np.float32), groups=np.empty(0, np.int64)).tolist() == []
    assert fold(np.ones((1, 8), np.float32)).tolist() == [0]
    with pytest.raises(ValueError, match="groups"):
        fold(np.ones((2, 8)), groups=np.array([1]))


def test_what_comes_behind_changes_no_stack() -> None:
    rng = np.random.default_rng(3)
    vectors, groups = clustered(rng, 700, 0.3), rng.integers(-40, 40, 700)
    whole = fold(vectors, groups=groups)
    for hits in (1, 10, 255, 256, 257, 600):
        assert fold(vectors[:hits], groups=groups[:hits]).tolist() == whole[:hits].tolist()


def test_thousands_of_equal_hits_are_one_stack() -> None:
    assert not fold(np.ones((5000, 4), np.float32)).any()
