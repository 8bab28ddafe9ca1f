"""An average over tasks as one value a picture, so that its interval can be paired over pictures too.

    >>> values = joined([(top1_nN, names_N), (recall_nM, names_M)])
    >>> values.mean(1)                                       # (n,): the average of the tasks' means, seed by seed
    array([0.41, 0.43, 0.40])

Each task counts the same, however many pictures it has; a picture that several tasks show is one value with its part of
each, so its luck is counted once. Values are spread around each seed's average as the pictures move it (the average's
linear influence), and have no meaning of their own.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def joined(tasks: Sequence[tuple[NDArray[np.float64], Sequence[Hashable]]]) -> NDArray[np.float64]:
    """(n, F) of F different pictures. tasks: values (n seeds, N of its samples) and the N names of their pictures."""
    place: dict[Hashable, int] = {}
    rows = [np.array([place.setdefault(name, len(place)) for name in names], np.int64) for _, names in tasks]
    seeds = len(tasks[0][0])
    found = np.zeros((seeds, len(place)))
    average_n = np.zeros(seeds)
    for (value_nN, _), row_N in zip(tasks, rows, strict=True):
        mean_n = value_nN.mean(1)
        average_n += mean_n / len(tasks)
        part_nN = (value_nN - mean_n[:, None]) * (len(place) / len(tasks) / value_nN.shape[1])
        for seed in range(seeds):
            found[seed] += np.bincount(row_N, part_nN[seed], len(place))
    return found + average_n[:, None]
