"""Groups against a plain flood fill."""

from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.knn.groups import groups, largest


def flood(n: int, pairs: np.ndarray) -> list[int]:
    near: dict[int, set[int]] = {row: set() for row in range(n)}
    for a, b in pairs.tolist():
        near[a].add(b)
        near[b].add(a)
    group = [-1] * n
    for row in range(n):
        todo = [row] if group[row] < 0 else []
        while todo:
            here = todo.pop()
            if group[here] < 0:
                group[here] = row
                todo.extend(near[here])
    return group


@pytest.mark.parametrize("seed", range(8))
def test_equals_flood_fill_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 200))
    pairs = rng.integers(0, n, (int(rng.integers(0, n)), 2))
    expected = flood(n, pairs)
    assert groups(n, pairs).tolist() == expected
    assert groups(n, rng.permutation(pairs)[:, ::-1]).tolist() == expected


def test_chains_stars_and_nothing() -> None:
    n = 3000
    order = np.random.default_rng(0).permutation(n)
    chain = np.stack([order[:-1], order[1:]], 1)
    assert not groups(n, chain).any() and largest(groups(n, chain)) == n
    assert not groups(n, np.stack([np.full(n, n - 1), np.arange(n)], 1)).any()
    assert groups(3, []).tolist() == [0, 1, 2] and groups(0, []).tolist() == [] and largest(groups(0, [])) == 0
    with pytest.raises(ValueError, match="outside"):
        groups(3, [(0, 3)])
