from __future__ import annotations

import numpy as np
import pytest
import torch

from vlcorpus.probe.augment import GROUPS, by_numpy, by_torch, draw


def _pictures(count: int, side: int = 24) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 3, side, side), dtype=np.uint8)


@pytest.mark.parametrize("kind", list(GROUPS))
@pytest.mark.parametrize("count", [1, 70, 600])
def test_both_ways_give_the_same_bytes(kind: str, count: int) -> None:
    image = _pictures(count)
    for seed in range(3):
        drawn = draw(kind, 24, np.random.default_rng(seed))
        found = by_numpy(image, drawn)
        assert found.dtype == np.uint8
        assert np.array_equal(found, by_torch(torch.from_numpy(image), drawn).numpy())
        assert not np.array_equal(found, image)


@pytest.mark.parametrize("kind", list(GROUPS))
def test_slices_of_processes_are_those_of_the_batch(kind: str) -> None:
    image, drawn = _pictures(30), draw(kind, 24, np.random.default_rng(1))
    whole = by_numpy(image, drawn)
    for rank in range(3):
        assert np.array_equal(by_numpy(image[rank::3], drawn, rank, 3), whole[rank::3])
        assert np.array_equal(by_torch(torch.from_numpy(image[rank::3]), drawn, rank, 3).numpy(), whole[rank::3])


def test_shifts_and_mirrors_move_pixels_and_make_none() -> None:
    image = np.arange(3 * 16 * 16, dtype=np.uint16).reshape(1, 3, 16, 16).astype(np.uint8).repeat(8, 0)
    drawn = draw("flip+shift", 16, np.random.default_rng(2))
    assert drawn is not None
    found = by_numpy(image, drawn)
    for number in range(8):
        wanted = image[number][:, drawn.rows.low_GS[number]][:, :, drawn.columns.low_GS[number]]
        assert np.array_equal(found[number], wanted)
    moved = np.array([drawn.rows.low_GS[:, 8] - 8])
    assert np.abs(moved).max() <= 2


def test_crops_are_bilinear() -> None:
    """Against the plain rule in floating point: within a rounding of each of the two passes."""
    image, side = _pictures(16), 24
    drawn = draw("crop+flip", side, np.random.default_rng(3))
    assert drawn is not None
    found = by_numpy(image, drawn)
    for number in range(16):
        passed = image[number].astype(float)
        for axis, lines in ((1, drawn.rows), (2, drawn.columns)):
            assert lines.high_GS is not None and lines.weight_GS is not None
            shape = (1, -1, 1) if axis == 1 else (1, 1, -1)
            weight = lines.weight_GS[number].reshape(shape) / 256
            passed = (
                passed.take(lines.low_GS[number], axis) * (1 - weight)
                + passed.take(lines.high_GS[number], axis) * weight
            )
        assert np.abs(passed - found[number]).max() <= 1.01
    covered = drawn.rows.high_GS.max(1) - drawn.rows.low_GS.min(1) + 1  # type: ignore[union-attr]
    assert (covered >= 0.75 * side).all()


def test_whole_crops_change_nothing() -> None:
    """The identity is among the draws' limits: a crop of everything gives every pixel back."""
    from vlcorpus.probe.augment import Drawn, _cropped

    axis = _cropped(np.full(16, 24.0), np.linspace(0, 0.99, 16), 24)
    image = _pictures(20)
    assert np.array_equal(by_numpy(image, Drawn(axis, axis)), image)


def test_views_differ_in_tone() -> None:
    grey = np.full((64, 3, 8, 8), 128, np.uint8)
    found = by_numpy(grey, draw("views", 8, np.random.default_rng(0)))
    assert len({int(each[0, 0, 0]) for each in found}) > 20
    assert draw("none", 8, np.random.default_rng(0)) is None
    assert by_numpy(grey, None) is grey
