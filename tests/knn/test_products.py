"""Products: the same number for the same row, whatever block it is in, whichever way it is computed."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from vlcorpus.knn import products


def unit(seed: int, n: int, d: int) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


def test_widening_is_exact_for_every_half() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16).reshape(64, 1024)
    wide = products.widened(halves)
    assert wide.dtype == np.float32
    np.testing.assert_array_equal(wide, halves.astype(np.float32))
    out = np.empty((3, 1024), np.float32)
    assert products.widened(halves[5:8], out) is out
    np.testing.assert_array_equal(out, halves[5:8].astype(np.float32))


def test_widening_takes_what_is_not_in_one_piece() -> None:
    x = unit(0, 20, 16)
    np.testing.assert_array_equal(products.widened(x[::2, ::3]), x[::2, ::3].astype(np.float32))
    assert products.widened(np.zeros((0, 8), np.float16)).shape == (0, 8)
    np.testing.assert_array_equal(products.widened(x.astype(np.float32)), x)


@pytest.mark.parametrize("dimension", [1, 3, 40, 512, 769])
def test_exact_and_every_are_the_rounded_true_product(dimension: int) -> None:
    rows = unit(1, 300, dimension)
    rows[100:200] = rows[7]
    block = products.widened(rows)
    query = unit(2, 1, dimension)[0].astype(np.float32) * np.float32(1.1)
    _, norms = products.directions(block.copy())
    exact = products.exact(block, query)
    for low in range(0, 300, 37):
        np.testing.assert_array_equal(products.exact(block[low : low + 37], query), exact[low : low + 37])
    np.testing.assert_array_equal(products.every(block, norms, query), exact)
    assert len(set(exact[100:200].tolist())) == 1
    for row in range(0, 300, 29):
        true = sum(Fraction(float(a)) * Fraction(float(b)) for a, b in zip(block[row], query, strict=True))
        assert abs(float(exact[row]) - float(true)) <= abs(float(true)) * 2**-23 + 1e-15


def test_every_does_anew_what_could_be_rounded_either_way() -> None:
    """Products in the middle between two fp32 numbers, where the order of summing decides."""
    rng = np.random.default_rng(3)
    tail = rng.standard_normal((2000, 63)).astype(np.float16).astype(np.float32)
    query = np.concatenate([[1.0], np.full(63, 2.0**-30)]).astype(np.float32)
    block = np.concatenate([np.full((2000, 1), 1.0, np.float32), tail], axis=1)
    query[1] = np.float32(2.0**-24)
    block[:, 1] = 1
    _, norms = products.directions(block.copy())
    np.testing.assert_array_equal(products.every(block, norms, query), products.exact(block, query))


def test_directions() -> None:
    block = np.array([[3, 4], [0, 0], [np.nan, 1], [np.inf, 0], [3e38, 3e38]], np.float32)
    usable, norms = products.directions(block)
    assert usable.tolist() == [True, False, False, False, False]
    assert norms.tolist() == [5, 0, 0, 0, 0] and not block[1:].any()


@pytest.mark.parametrize("dimension", [4, 64, 700])
def test_slack_bounds_fp32_products_in_any_order(dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    block = products.widened((rng.standard_normal((500, dimension)) * 10 ** rng.uniform(-2, 2, (500, 1))).astype("f2"))
    query = rng.standard_normal(dimension).astype(np.float32)
    _, norms = products.directions(block)
    bound = [products.slack(dimension, float(np.linalg.norm(query)), float(norm) * 1.001) for norm in norms]
    exact = products.exact(block, query).astype(np.float64)
    one_by_one = np.add.accumulate(block * query, axis=1)[:, -1]
    for products_ in (block @ query, one_by_one, (block * query)[:, ::-1].sum(axis=1)):
        assert (np.abs(products_ - exact) <= bound).all()


def test_blocks_number_rows_through_shards() -> None:
    shards = [unit(4, 5, 8), np.zeros((0, 8), np.float16), unit(5, 3, 8)]
    seen = [(start, block.copy()) for start, block in products.blocks(shards, 2)]
    assert [(start, len(block)) for start, block in seen] == [(0, 2), (2, 2), (4, 1), (5, 2), (7, 1)]
    np.testing.assert_array_equal(np.concatenate([block for _, block in seen]), np.concatenate(shards))
