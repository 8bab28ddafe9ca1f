"""Chance that hangs on a row's name alone: the same draw in any order of rows, at any number of workers.

    order(uids, seed=0)                rows in a random order, the same rows whatever order they came in
    order(uids, seed=0, stream=3)      another one, as independent as one wants

Cost: 0.1 s and 32 MB for 1M rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Uids = npt.NDArray[np.uint8]
UInt64s = npt.NDArray[np.uint64]


def draws(uids: Uids, seed: int, stream: int = 0) -> UInt64s:
    """A uniform 64-bit number for each uid, uint8 (N, 16): the SplitMix64 finaliser (Steele et al., OOPSLA 2014) over
    seed, stream and both halves of the uid."""
    high, low = halves(uids)
    start = _mixed(_mixed(np.full(1, seed % 2**64, np.uint64)) ^ np.uint64(stream + 1))
    return _mixed(_mixed(start ^ high) ^ low)


def order(uids: Uids, seed: int, stream: int = 0) -> npt.NDArray[np.int64]:
    """Row numbers in the order of their draws; of equal draws the smaller uid first."""
    drawn = draws(uids, seed, stream)
    found = np.argsort(drawn, kind="stable")
    if len(drawn) > 1 and (np.diff(drawn[found]) == 0).any():
        high, low = halves(uids)
        found = np.lexsort((low, high, drawn))
    return found


def halves(uids: Uids) -> tuple[UInt64s, UInt64s]:
    """uids as two numbers whose order, high half first, is the order of their bytes."""
    pairs = np.ascontiguousarray(uids, dtype=np.uint8).reshape(-1, 16).view(">u8").astype(np.uint64)
    return pairs[:, 0], pairs[:, 1]


def _mixed(x: UInt64s) -> UInt64s:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
