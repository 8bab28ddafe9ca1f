from __future__ import annotations

import itertools

import numpy as np
import pytest

from vlcorpus.probe.assignment import assign


def best(gain: np.ndarray) -> float:
    rows, columns = gain.shape
    return max(
        sum(gain[row, each[row]] for row in range(rows)) for each in itertools.permutations(range(columns), rows)
    )


def test_the_example() -> None:
    assert assign(np.array([[5, 9], [4, 7]])).tolist() == [1, 0]


@pytest.mark.parametrize("highest", [2, 3, 9, 1000])
def test_it_finds_what_trying_everything_finds(highest: int) -> None:
    draw = np.random.default_rng(highest)
    for _ in range(60):
        rows = int(draw.integers(1, 6))
        gain = draw.integers(-highest, highest, (rows, rows + int(draw.integers(0, 3))))
        columns = assign(gain)
        assert len(set(columns.tolist())) == rows
        assert gain[np.arange(rows), columns].sum() == best(gain)


def test_numbers_that_are_not_whole() -> None:
    draw = np.random.default_rng(0)
    for _ in range(40):
        gain = draw.normal(size=(5, 5))
        assert gain[np.arange(5), assign(gain)].sum() == pytest.approx(best(gain), abs=1e-12)


def test_a_hidden_order_of_a_thousand_is_found() -> None:
    draw = np.random.default_rng(0)
    order = draw.permutation(1000)
    gain = draw.integers(0, 50, (1000, 1000))
    gain[np.arange(1000), order] += 100
    assert (assign(gain) == order).all()


def test_nothing_and_what_is_no_assignment() -> None:
    assert assign(np.zeros((0, 0))).tolist() == []
    assert sorted(assign(np.zeros((4, 4))).tolist()) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="R at most C"):
        assign(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="finite"):
        assign(np.array([[np.nan]]))
