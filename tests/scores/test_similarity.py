"""Cosine: equal to float64, whatever the chunk."""

from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.errors import SourceError
from vlcorpus.scores.similarity import cosine


def rows(seed: int, n: int = 203, d: int = 97) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


def test_equals_float64_and_does_not_depend_on_the_chunk() -> None:
    image, text = rows(0), rows(1)
    a, b = image.astype(np.float64), text.astype(np.float64)
    expected = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    got = cosine(image, text)
    assert got.dtype == np.float32 and np.abs(got - expected).max() < 1e-7
    for chunk in (1, 7, 64, 1000):
        assert np.array_equal(cosine(image, text, chunk=chunk), got)


def test_equal_rows_are_one_and_not_more() -> None:
    image = rows(2)
    got = cosine(image, image)
    assert got.max() <= 1.0 and got.min() > 1 - 1e-6


def test_rows_without_direction_are_nan() -> None:
    image, text = rows(0), rows(1)
    image[3], text[4], image[5, 2], text[6, 0] = 0, 0, np.nan, np.inf
    got = cosine(image, text)
    assert np.flatnonzero(np.isnan(got)).tolist() == [3, 4, 5, 6]


def test_no_rows_and_wrong_shapes() -> None:
    assert cosine(rows(0, 0), rows(1, 0)).shape == (0,)
    with pytest.raises(SourceError, match="differ in shape"):
        cosine(rows(0, 5), rows(1, 6))
