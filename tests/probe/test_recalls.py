from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.probe.recalls import recalls


def _hits(seeds: int, chances: np.ndarray, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random((seeds, len(chances))) < chances).astype(float)


def test_each_class_by_hand() -> None:
    labels = ["cat", "dog", "cat", "dog", "cat"]
    before = np.array([[1, 1, 1, 0, 1], [1, 0, 1, 1, 0.0]])
    after = np.array([[0, 1, 1, 1, 0], [1, 1, 0, 1, 0.0]])
    found = recalls("pets", labels, {"raw": before, "kept": after}, "raw")
    assert [(each.task, each.label, each.arm, each.pictures) for each in found] == [
        ("pets", "cat", "kept", 3),
        ("pets", "dog", "kept", 2),
    ]
    assert (found[0].baseline_recall, found[0].recall) == (pytest.approx(5 / 6), pytest.approx(1 / 3))
    assert found[0].difference == pytest.approx(-0.5)
    for each in found:
        assert each.lower is not None and each.upper is not None
        assert each.lower <= each.difference <= each.upper and not each.regression


def test_what_got_worse_is_marked_and_nothing_else() -> None:
    labels = [f"c{place % 20:02d}" for place in range(20 * 40)]
    chance = np.full(800, 0.6)
    worse = np.where(np.array(labels) == "c07", 0.1, chance)
    better = np.where(np.array(labels) == "c03", 0.95, worse)
    found = recalls("t", labels, {"raw": _hits(6, chance, 0), "kept": _hits(6, better, 1)}, "raw")
    assert [each.label for each in found if each.regression] == ["c07"]


def test_luck_marks_hardly_any_class() -> None:
    """Holm within the task: of sixty tasks of twenty classes each, some three may have one."""
    labels = [f"c{place % 20:02d}" for place in range(20 * 12)]
    marked = 0
    for seed in range(60):
        hits = {"raw": _hits(3, np.full(240, 0.5), 2 * seed), "kept": _hits(3, np.full(240, 0.5), 2 * seed + 1)}
        marked += any(each.regression for each in recalls("t", labels, hits, "raw"))
    assert marked <= 8


def test_a_class_of_few_pictures_is_not_marked() -> None:
    labels = ["a"] * 5 + ["b"] * 1 + ["c"] * 60
    before, after = np.ones((6, 66)), np.ones((6, 66))
    after[:, :6] = 0
    found = recalls("t", labels, {"raw": before, "kept": after}, "raw")
    assert [each.difference for each in found] == [-1, -1, 0] and not any(each.regression for each in found)
    assert found[1].lower is None, "one picture has no interval"
    after[:, 6:] = 0
    found = recalls("t", labels, {"raw": before, "kept": after}, "raw")
    assert [each.label for each in found if each.regression] == ["c"]


def test_one_seed_has_no_interval() -> None:
    found = recalls("t", ["a", "a"], {"raw": np.ones((1, 2)), "kept": np.zeros((1, 2))}, "raw")
    assert (found[0].difference, found[0].lower, found[0].upper, found[0].regression) == (-1, None, None, False)
