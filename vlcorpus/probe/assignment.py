"""Whom to give to whom: the one-to-one assignment with the greatest gain (Kuhn's problem), exactly.

    >>> assign(np.array([[5, 9], [4, 7]]))          # 5 + 7 = 12, and 9 + 4 = 13
    array([1, 0])

By shortest augmenting paths (Jonker and Volgenant, "A shortest augmenting path algorithm for dense and sparse linear
assignment problems", Computing 38, 1987): rows take what they want most where it is free, and each row that is left
looks for the shortest path of exchanges. Cost: O(n³) at worst; 1,000 x 1,000 takes 0.01 s where most rows want
different columns, and about 1 s where they do not. Not for more than a few thousand rows: the matrix is dense.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def assign(gain_RC: NDArray[Any]) -> NDArray[np.int64]:
    """The column of each row, int64 (R,), no two alike, such that the sum of gain[row, column] is the greatest.

    gain: (R, C) finite numbers, R at most C; exact for whole ones below 2**50. Of several best, it is always the same
    that is given. Raises ValueError for another shape, or a gain that is not finite.
    """
    gain = np.asarray(gain_RC, np.float64)
    if gain.ndim != 2 or gain.shape[0] > gain.shape[1]:
        raise ValueError(f"gains are (R, C) with R at most C, not {gain.shape}")
    if not np.isfinite(gain).all():
        raise ValueError("gains must be finite")
    rows, columns = gain.shape
    column_of, row_of = np.full(rows, -1, np.int64), np.full(columns, -1, np.int64)
    if not rows:
        return column_of
    cost = gain.max() - gain
    # Where every column is taken in the end, any prices will do; else those of the columns left over must be 0.
    price = cost.min(0) if rows == columns else np.zeros(columns)
    reduced = cost - price
    for row, cheapest in enumerate(reduced.min(1).tolist()):
        free = np.flatnonzero((reduced[row] == cheapest) & (row_of < 0))
        if len(free):
            column_of[row], row_of[free[0]] = free[0], row
    for row in np.flatnonzero(column_of < 0).tolist():
        _exchange(cost, price, column_of, row_of, row)
    return column_of


def _exchange(
    cost: NDArray[np.float64],
    price: NDArray[np.float64],
    column_of: NDArray[np.int64],
    row_of: NDArray[np.int64],
    row: int,
) -> None:
    """Gives `row` a column along the shortest path of exchanges to one that is free, and brings the prices up."""
    distance = cost[row] - price
    before = np.full(len(price), row, np.int64)
    open_ = distance.copy()  # inf once a column has been visited
    closed = np.zeros(len(price), bool)
    visited: list[int] = []
    while True:
        column = int(open_.argmin())
        shortest = float(distance[column])
        if row_of[column] < 0:
            break
        visited.append(column)
        open_[column], closed[column] = np.inf, True
        owner = int(row_of[column])
        through = cost[owner] - price
        through += shortest - through[column]
        nearer = (through < distance) & ~closed
        distance[nearer] = open_[nearer] = through[nearer]
        before[nearer] = owner
    price[visited] += distance[visited] - shortest
    while True:
        owner = int(before[column])
        row_of[column] = owner
        column_of[owner], column = column, int(column_of[owner])
        if owner == row:
            return
