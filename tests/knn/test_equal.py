"""Equal keys, as a dict finds them."""

from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.knn.equal import first_equal


def slow(keys: np.ndarray) -> list[int]:
    seen: dict[bytes, int] = {}
    return [seen.setdefault(key.tobytes(), row) for row, key in enumerate(keys)]


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("kinds", [1, 2, 5, 2**62])
def test_first_equal(width: int, kinds: int) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        keys = rng.integers(0, kinds, (int(rng.integers(0, 60)), width), dtype=np.uint64)
        assert first_equal(keys).tolist() == slow(keys)


def test_keys_that_begin_alike_are_told_apart() -> None:
    assert first_equal([[7, 1], [7, 2], [7, 1], [9, 1], [7, 2]]).tolist() == [0, 1, 0, 3, 1]
