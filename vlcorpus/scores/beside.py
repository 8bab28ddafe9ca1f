"""The rows nearest to a cut on either side of it, found while a corpus is read once.

    beside = Beside(24)
    beside.see(distance, passed, uids, shard)        of every shard, in any order
    beside.passed                                    Near rows, the nearest first: distance, then uid
    beside.failed

What a person should look at before moving a threshold. Memory: `most` rows a side. Cost: 10 ns a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Float64s = npt.NDArray[np.float64]
UInt64s = npt.NDArray[np.uint64]


@dataclass(frozen=True, order=True)
class Near:
    """distance: from the cut, at least 0; uid: its two halves; row: its number in its shard; value: the score."""

    distance: float
    high: int
    low: int
    shard: str
    row: int
    value: float


class Beside:
    """passed, failed: at most `most` rows each, nearest first; of rows as near the smallest uids."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.passed: list[Near] = []
        self.failed: list[Near] = []

    def see(
        self,
        distance: Float64s,
        passed: Bools,
        wanted: Bools,
        values: npt.NDArray[np.generic],
        uids: UInt64s,
        shard: str,
    ) -> None:
        """distance, passed, wanted, values: (N,); uids: (N, 2). Rows that are not wanted are left out."""
        for side, own in (("passed", wanted & passed), ("failed", wanted & ~passed)):
            before: list[Near] = getattr(self, side)
            places = np.flatnonzero(own)
            if len(before) == self._most:
                places = places[distance[places] <= before[-1].distance]
            if len(places) > self._most:
                limit = np.partition(distance[places], self._most - 1)[self._most - 1]
                places = places[distance[places] <= limit]
                order = np.lexsort((uids[places, 1], uids[places, 0], distance[places]))
                places = places[order[: self._most]]
            more = [
                Near(float(distance[row]), int(uids[row, 0]), int(uids[row, 1]), shard, int(row), float(values[row]))
                for row in places.tolist()
            ]
            setattr(self, side, sorted([*before, *more])[: self._most])
