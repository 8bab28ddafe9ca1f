"""Nearest: as in float64, ties to the lower number, whatever the blocks."""

from __future__ import annotations

import numpy as np
import pytest

from tests.scores.vectors import rows, unit
from vlcorpus.errors import SourceError
from vlcorpus.scores.nearest import References


@pytest.mark.parametrize("count", [1, 3, 60])
def test_equals_float64(count: int) -> None:
    own = rows(0)
    references = rows(1, count).astype(np.float32) * np.linspace(0.4, 1, count, dtype=np.float32)[:, None]
    products = unit(own) @ references.astype(np.float64).T
    number, value = References(references).nearest(own)
    assert number.dtype == np.int32 and value.dtype == np.float32
    assert np.array_equal(number, products.argmax(1))
    assert np.abs(value - products.max(1)).max() < 1e-7


def test_blocks_and_chunks_change_no_bit() -> None:
    own = rows(0, 500)
    references = np.concatenate([rows(1, 40), rows(1, 40), own[:30]])
    number, value = References(references).nearest(own)
    for block in (1, 7, 64):
        for chunk in (1, 33, 4096):
            again = References(references, block=block).nearest(own, chunk=chunk)
            assert np.array_equal(again[0], number) and again[1].tobytes() == value.tobytes()


def test_of_equal_references_the_lower_number() -> None:
    one = rows(1, 1)
    references = np.repeat(one, 300, axis=0)
    references[:5] = -one
    for block in (3, 4096):
        assert References(references, block=block).nearest(np.repeat(one, 7, axis=0))[0].tolist() == [5] * 7


def test_the_product_is_with_the_reference_as_it_is() -> None:
    number, value = References(np.array([[1, 0], [0, 1], [0, 2]], np.float16)).nearest(
        np.array([[3, 0], [0, 5], [0, 0], [np.nan, 0], [np.inf, 0]], np.float16)
    )
    assert number.tolist() == [0, 2, -1, -1, -1]
    assert value[:2].tolist() == [1, 2] and np.isnan(value[2:]).all()


def test_references_without_direction_are_nobodys() -> None:
    references = np.array([[0, 0], [np.nan, 1], [-1, 0], [np.inf, 0]], np.float32)
    number, value = References(references).nearest(np.array([[1, 0]], np.float16))
    assert number.tolist() == [2] and value.tolist() == [-1]
    with pytest.raises(SourceError, match="no reference has a direction"):
        References(references[:2])
    with pytest.raises(SourceError, match="not one vector"):
        References(references[:0])


def test_numbers_at_the_ends_of_their_type() -> None:
    own = np.array([[65504, 65504], [6e-8, 0]], np.float16)
    references = np.array([[1e30, 1e30], [1e-30, 0]], np.float32)
    assert References(references).nearest(own)[0].tolist() == [0, 0]
    assert References(references[1:]).nearest(own)[1].tolist() == pytest.approx([2**-0.5 * 1e-30, 1e-30])
    wide = np.array([[1e300, 0.0], [0.0, 1.0]])
    assert References(wide).nearest(np.array([[1, 0], [0, 1]], np.float16))[0].tolist() == [1, 1]


def test_no_rows_and_other_dimensions() -> None:
    references = References(rows(1, 5))
    assert references.nearest(rows(0, 0))[0].shape == (0,)
    with pytest.raises(SourceError, match="not vectors of one model"):
        references.nearest(rows(0, 5, 36))
