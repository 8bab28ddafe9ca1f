from __future__ import annotations

import math

import numpy as np

from tests.images.drawn import photo, saved
from vlcorpus.images.decode import Decoded, decode
from vlcorpus.images.phash import distance, hashes, phash
from vlcorpus.images.resize import resize


def slow_coefficients(rgb: np.ndarray) -> list[float]:
    """The 8x8 low frequencies by the textbook: luma, mean of each cell of a 32x32 grid, four nested sums."""
    luma = np.rint(rgb @ np.array([0.299, 0.587, 0.114]))

    def weights(length: int) -> np.ndarray:
        """(32, length): how much of each pixel lies in each cell."""
        edges = np.linspace(0, length, 33)
        pixels = np.arange(length)
        low, high = np.maximum(edges[:-1, None], pixels), np.minimum(edges[1:, None], pixels + 1)
        return np.maximum(high - low, 0) * 32 / length

    cells = weights(luma.shape[0]) @ luma @ weights(luma.shape[1]).T
    found = []
    for u in range(8):
        for v in range(8):
            total = sum(
                cells[y, x] * math.cos(math.pi * u * (2 * y + 1) / 64) * math.cos(math.pi * v * (2 * x + 1) / 64)
                for y in range(32)
                for x in range(32)
            )
            found.append(total / 16 * (math.sqrt(0.5) if u == 0 else 1) * (math.sqrt(0.5) if v == 0 else 1))
    return found


def test_the_reference_agrees() -> None:
    for seed, (width, height) in enumerate([(160, 120), (64, 64), (333, 217), (100, 401)]):
        rgb = photo(seed, width, height)
        coefficients = slow_coefficients(rgb)
        median = float(np.median(coefficients[1:]))
        hashed = phash(rgb)
        clear = 0
        for position, coefficient in enumerate(coefficients):
            if abs(coefficient - median) > 0.5:  # luma is rounded to whole steps, here and there otherwise
                clear += 1
                assert (hashed >> (63 - position) & 1) == (coefficient > median)
        assert clear >= 50


def test_saving_again_and_halving_change_few_bits() -> None:
    changed = []
    for seed in range(20):
        rgb = photo(seed, 320, 240)
        worse = decode(saved(rgb, "JPEG", quality=40))
        assert isinstance(worse, Decoded)
        same = hashes([worse.rgb, resize(rgb, size=160), resize(worse.rgb, size=160)])
        changed.extend(distance(same, phash(rgb)))
    assert np.percentile(changed, 95) <= 3 and max(changed) <= 6


def test_unrelated_pictures_are_far_apart() -> None:
    found = hashes(photo(seed, 160, 120) for seed in range(60))
    assert found.dtype == np.uint64 and found.shape == (60,)
    between = distance(found[:, None], found[None])[np.triu_indices(60, 1)]
    assert between.min() >= 8 and 24 <= np.median(between) <= 36


def test_flat_and_tiny_pictures_are_steady() -> None:
    flats = hashes(np.full((side, side + 1, 3), value, np.uint8) for side, value in ((1, 90), (40, 91), (333, 250)))
    assert len(set(flats)) == 1
    assert phash(np.zeros((1, 1, 3), np.uint8)) == 0


def test_distance_counts_bits() -> None:
    assert distance(0, 2**64 - 1) == 64 and distance(5, 5) == 0
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 2**64, (2, 50), dtype=np.uint64)
    assert distance(a, b).tolist() == [(int(x) ^ int(y)).bit_count() for x, y in zip(a, b, strict=True)]
