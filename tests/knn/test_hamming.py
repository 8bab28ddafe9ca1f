"""Near hashes: every pair that brute force finds, and no other."""

from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.knn.groups import groups
from vlcorpus.knn.hamming import MAX_RADIUS, bands, near, tree


def brute(hashes: np.ndarray, radius: int) -> np.ndarray:
    close = np.bitwise_count(hashes[:, None] ^ hashes[None, :]) <= radius
    return np.argwhere(np.triu(close, 1))


def planted(seed: int, n: int = 400) -> np.ndarray:
    """Random hashes, near copies of them at 0 to 12 flipped bits, and a crowd that shares most of its bits."""
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 2**64, n, dtype=np.uint64)
    copies = rng.choice(base, n)
    for row, flips in enumerate(rng.integers(0, 13, n)):
        for bit in rng.choice(64, flips, replace=False):
            copies[row] ^= np.uint64(1 << int(bit))
    crowd = rng.integers(0, 2**12, n // 4, dtype=np.uint64)
    return rng.permutation(np.concatenate([base, copies, crowd]))


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 4, 6, 8, 10, 12])
def test_every_pair_of_brute_force(radius: int) -> None:
    hashes = planted(radius)
    expected = brute(hashes, radius)
    assert np.array_equal(near(hashes, radius, every=True), expected)
    pairs = near(hashes, radius)
    assert np.array_equal(groups(len(hashes), pairs), groups(len(hashes), expected))
    assert (np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]) <= radius).all()


def test_many_copies_make_a_star_not_a_square() -> None:
    hashes = np.r_[np.full(20_000, 7, np.uint64), np.full(10_000, 6, np.uint64)]
    pairs = near(hashes, 3)
    assert len(pairs) == 20_000 - 1 + 10_000 - 1 + 1
    assert not groups(len(hashes), pairs).any()


def test_edges() -> None:
    assert near(np.zeros(0, np.uint64), 3).shape == (0, 2) and near(np.zeros(1, np.uint64), 3).shape == (0, 2)
    assert near(np.array([0, 2**64 - 1], np.uint64), MAX_RADIUS).shape == (0, 2)
    assert near(np.array([2**63, 0], np.uint64), 1).tolist() == [[0, 1]]
    with pytest.raises(ValueError, match="radius"):
        near(np.zeros(2, np.uint64), MAX_RADIUS + 1)


@pytest.mark.parametrize("radius", [0, 1, 3, 6, 12])
def test_a_tree_for_each_band_joins_what_every_pair_joins(radius: int) -> None:
    hashes = np.unique(planted(radius, 100))
    whole = groups(len(hashes), brute(hashes, radius))
    assert np.array_equal(groups(len(hashes), tree(hashes, radius)), whole)
    found = [np.zeros((0, 2), np.int64)]
    for band in bands(radius + 1):
        values, part = np.unique(hashes & band, return_inverse=True)
        edges = tree(hashes, radius, band=int(band))
        assert len(edges) < len(hashes) and (part[edges[:, 0]] == part[edges[:, 1]]).all()
        for number in range(len(values)):  # apart, and together with others, the same
            rows = np.flatnonzero(part == number)
            found.append(rows[tree(hashes[rows], radius)])
        assert np.array_equal(
            groups(len(hashes), edges),
            groups(len(hashes), brute_within(hashes, radius, band)),
        )
    assert np.array_equal(groups(len(hashes), np.concatenate(found)), whole)


def brute_within(hashes: np.ndarray, radius: int, band: np.uint64) -> np.ndarray:
    pairs = brute(hashes, radius)
    return pairs[((hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]) & band) == 0]


def test_a_crowd_of_near_hashes_makes_a_tree() -> None:
    """1,024 hashes that are all near each other: 500,000 pairs, joined on the way."""
    hashes = np.arange(1 << 10, dtype=np.uint64)
    edges = tree(hashes, 12)
    assert edges.tolist() == [[0, row] for row in range(1, 1 << 10)]


def test_bands_share_the_bits_out() -> None:
    for count in range(1, MAX_RADIUS + 2):
        masks = [int(mask) for mask in bands(count)]
        assert sum(masks) == 2**64 - 1 and len(masks) == count
        assert max(map(int.bit_count, masks)) - min(map(int.bit_count, masks)) <= 1
