"""Ranks: a row's place among all rows, from 0 (lowest) to 1 (highest), and scores fused by them.

    values  1  5  5  7        places 0, 1.5, 1.5, 3  of 3      ->  0, 0.5, 0.5, 1        equal values share their mean

    ranks = Ranks(all_values)                          what is kept of a column: its values, sorted
    ranks.of(values_of_a_shard)                        float64 (N,) in 0..1
    fused([ranks_a, ranks_b], (2, -1))                 mean place; a negative weight counts from the top

Scores of other scales can be added so, without a thought to their units; how far apart two values lie is lost. Exact:
the ranks are those of comparing every value with every other one.

Cost: 0.1 s for sorting 1M values and 0.2 s for finding their places; memory 4 bytes a value of a float32 column. Not
for values that are missing: leave them out of both.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Float64s = npt.NDArray[np.float64]


class Ranks:
    """Knows the places of all values of a column: (N,) numbers or bools, none of them nan, in any order."""

    def __init__(self, values: npt.NDArray[np.generic]) -> None:
        kept = values.astype(np.uint8) if values.dtype == np.bool_ else values.copy()
        kept.sort()
        self._sorted = kept

    def of(self, values: npt.NDArray[np.generic]) -> Float64s:
        """Mean place of each of these values among all, as a part of the greatest: float64 (N,). Where there is only
        one value, it has 0.5."""
        count = len(self._sorted)
        if count < 2:
            return np.full(len(values), 0.5)
        values = values.astype(self._sorted.dtype)
        # Sorted queries go through memory forwards, which is several times faster.
        distinct, back = np.unique(values, return_inverse=True)
        below = np.searchsorted(self._sorted, distinct, side="left")
        upto = np.searchsorted(self._sorted, distinct, side="right")
        places = np.divide(below + upto - 1, 2 * (count - 1))
        found: Float64s = np.take(places, back)
        return found


def fused(ranks: Sequence[Float64s], weights: Sequence[float]) -> Float64s:
    """Weighted mean of several ranks of the same rows, float64 (N,) in 0..1; of a negative weight the rank counts from
    the top down. Weights are not zero."""
    total = sum(abs(weight) for weight in weights)
    parts = [abs(weight) * (1 - rank if weight < 0 else rank) for rank, weight in zip(ranks, weights, strict=True)]
    mean: Float64s = np.sum(parts, axis=0) / total
    return mean
