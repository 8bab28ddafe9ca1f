"""Ranks: the mean places that comparing all with all gives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from vlcorpus.scores.ranks import Ranks, fused


def slow(values: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    """Mean place, by counting: scipy.stats.rankdata's `average`, less one, over the greatest."""
    listed = values.tolist()
    below = np.array([sum(other < one for other in listed) for one in listed])
    equal = np.array([sum(other == one for other in listed) for one in listed])
    return (below + (equal - 1) / 2) / (len(listed) - 1)


@pytest.mark.parametrize("kind", ["float32", "float64", "int32", "int64", "uint64", "bool"])
def test_equal_counting(kind: str) -> None:
    random = np.random.default_rng(0)
    for spread in (2, 30, 10_000):
        values = random.integers(0, spread, 300).astype(kind)
        ranks = Ranks(values)
        assert np.allclose(ranks.of(values), slow(values), atol=1e-15)
        assert np.array_equal(np.concatenate([ranks.of(values[:7]), ranks.of(values[7:])]), ranks.of(values))


def test_the_example_of_the_module_and_the_ends() -> None:
    values = np.array([5, 1, 7, 5], np.float32)
    assert Ranks(values).of(values).tolist() == [0.5, 0, 1, 0.5]
    endless = np.array([np.inf, -np.inf, 0.0, -0.0], np.float32)
    assert Ranks(endless).of(endless).tolist() == [1, 0, 0.5, 0.5]
    assert Ranks(values[:1]).of(values[:1]).tolist() == [0.5]
    assert Ranks(values[:0]).of(values[:0]).tolist() == []


def test_large_whole_numbers_are_told_apart() -> None:
    values = np.array([2**63 - 1, 2**63 - 2, 2**53], np.int64)
    assert Ranks(values).of(values).tolist() == [1, 0.5, 0]


def test_given_values_are_not_touched() -> None:
    values = np.array([3, 1, 2], np.float32)
    Ranks(values)
    assert values.tolist() == [3, 1, 2]


def test_fused() -> None:
    one, other = np.array([0, 0.5, 1]), np.array([1, 0.5, 0])
    assert fused([one, other], (1, 1)).tolist() == [0.5, 0.5, 0.5]
    assert fused([one, other], (3, 1)).tolist() == [0.25, 0.5, 0.75]
    assert fused([one, other], (1, -1)).tolist() == [0, 0.5, 1]
