"""Equal keys: which rows say the same.

    first_equal([[7], [9], [7]]) -> [0, 1, 0]        the smallest row with the same key, for each row

A key is one or several 64-bit numbers (a perceptual hash, an image's name, a digest). Keys are sorted by their first
number and compared whole: no two different keys are taken for one. Cost: 0.1 microseconds a row. Not for keys that are
nearly the same: hamming.py.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

UInt64s = npt.NDArray[np.uint64]
Int64s = npt.NDArray[np.int64]


def first_equal(keys: npt.ArrayLike) -> Int64s:
    """The smallest row with the same key, for each row: int64 (N,). keys: uint64 (N, W)."""
    keys_NW = np.asarray(keys, dtype=np.uint64)
    order = np.argsort(keys_NW[:, 0], kind="stable")
    begins = _begins(keys_NW[order])
    alike = np.diff(keys_NW[order, 0]) == 0
    if (alike & begins[1:]).any():  # different keys with one first number
        order = np.lexsort(keys_NW.T[::-1])
        begins = _begins(keys_NW[order])
    starts = np.flatnonzero(begins)
    found = np.empty(len(order), np.int64)
    found[order] = np.repeat(order[starts], np.diff(np.r_[starts, len(order)]))
    return found


def _begins(ordered_NW: UInt64s) -> npt.NDArray[np.bool_]:
    """Which rows differ from the one before."""
    begins = np.ones(len(ordered_NW), dtype=bool)
    begins[1:] = (ordered_NW[1:] != ordered_NW[:-1]).any(axis=1)
    return begins
