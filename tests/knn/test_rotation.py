"""The rotation keeps lengths and products, and spreads what one dimension holds."""

from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.knn.rotation import matrix, rotated


@pytest.mark.parametrize("dimension", [1, 2, 7, 48, 512, 768])
def test_it_is_orthogonal_and_linear(dimension: int) -> None:
    rows = np.random.default_rng(0).standard_normal((20, dimension)).astype(np.float32)
    turned = rotated(rows)
    assert turned.shape == rows.shape and turned.dtype == np.float32
    np.testing.assert_allclose(turned @ turned.T, rows @ rows.T, atol=2e-4 * dimension**0.5)
    np.testing.assert_allclose(turned, rows @ matrix(dimension).T, atol=1e-5 * dimension**0.5)
    np.testing.assert_allclose(matrix(dimension) @ matrix(dimension).T, np.eye(dimension), atol=1e-5)


def test_it_is_the_same_each_time_and_in_any_block() -> None:
    rows = np.random.default_rng(0).standard_normal((64, 512)).astype(np.float32)
    np.testing.assert_allclose(np.concatenate([rotated(rows[:5]), rotated(rows[5:])]), rotated(rows), atol=1e-6)


def test_every_dimension_is_spread_over_all() -> None:
    """No number of the matrix is far greater than those of a random rotation: 5 sigma of 512 x 512 is 0.22."""
    turn = matrix(512)
    assert np.abs(turn).max() < 0.4
    assert 0.9 / 512 < (turn**2).mean() < 1.1 / 512
    assert (turn**4).mean() * 512**2 < 3.8  # kurtosis: 3 for normal numbers
