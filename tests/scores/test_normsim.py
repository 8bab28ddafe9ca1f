"""NormSim: equal to the formula in float64, in little memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.scores.vectors import rows, unit
from vlcorpus.errors import SourceError
from vlcorpus.scores.directions import Stored
from vlcorpus.scores.normsim import norm_2, norm_inf, squares


def test_equal_the_formulas() -> None:
    image, near = rows(0), rows(1, 150)
    cosines = unit(image) @ unit(near).T
    largest = norm_inf(image, [near])
    assert largest.dtype == np.float32 and np.abs(largest - cosines.max(1)).max() < 1e-7
    both = norm_2(image, squares([near], 37))
    assert both.dtype == np.float32 and np.abs(both - np.sqrt((cosines**2).sum(1))).max() < 1e-6


def test_how_it_is_cut_changes_no_bit() -> None:
    image, near = rows(0, 300), rows(1, 150)
    largest, total = norm_inf(image, [near]), squares([near], 37)
    for chunk in (1, 50, 1000):
        for near_chunk in (1, 32, 1000):
            parts = [near[:10], near[10:10], near[10:]]
            again = norm_inf(image, parts, chunk=chunk, near_chunk=near_chunk)
            assert again.tobytes() == largest.tobytes()
    assert (
        np.abs(norm_2(image, squares([near[:10], near[10:]], 37, chunk=7), chunk=9) - norm_2(image, total)).max() < 1e-6
    )


def test_the_same_image_is_one() -> None:
    image = rows(0)
    got = norm_inf(image, [image])
    assert got.max() <= 1 and got.min() > 1 - 1e-6


def test_lengths_do_not_count() -> None:
    image, near = rows(0), rows(1, 50)
    longer = near.astype(np.float32) * 20
    assert np.abs(norm_inf(image, [longer]) - norm_inf(image, [near])).max() < 1e-6
    assert np.abs(norm_2(image, squares([longer], 37)) - norm_2(image, squares([near], 37))).max() < 1e-5


def test_what_has_no_direction() -> None:
    image, near = rows(0), rows(1, 50)
    image[3], image[4, 2], image[5, 0] = 0, np.nan, np.inf
    hurt = np.concatenate([near, np.zeros_like(near[:2]), np.full_like(near[:2], np.nan)])
    for got, whole in (
        (norm_inf(image, [hurt]), norm_inf(image, [near])),
        (norm_2(image, squares([hurt], 37)), norm_2(image, squares([near], 37))),
    ):
        assert np.flatnonzero(np.isnan(got)).tolist() == [3, 4, 5]
        assert np.array_equal(got, whole, equal_nan=True)
    assert np.isnan(norm_inf(image, [np.zeros_like(near)])).all()


def test_near_vectors_are_read_block_by_block() -> None:
    class Many:
        """A million vectors that are never there at once."""

        def __init__(self) -> None:
            self.given = 0

        def __iter__(self) -> Iterator[Stored]:
            self.given += 1
            one = rows(1, 1000)
            for _ in range(100):
                yield one

    many = Many()
    assert np.array_equal(norm_inf(rows(0, 20), many, chunk=10), norm_inf(rows(0, 20), [rows(1, 1000)]))
    assert many.given == 2


def test_other_dimensions_are_refused() -> None:
    with pytest.raises(SourceError, match="not vectors of one model"):
        norm_inf(rows(0), [rows(1, 5, 36)])
    with pytest.raises(SourceError, match="not vectors of one model"):
        squares([rows(1, 5, 36)], 37)
