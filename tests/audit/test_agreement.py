from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.audit.agreement import agreed, agreement, differing
from vlcorpus.audit.verdict import BAD, GOOD, NONE, UNSURE


def pair(counts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Two people's labels with these counts: rows good, bad, unsure of the first, columns of the second."""
    order = (GOOD, BAD, UNSURE)
    rows = [(one, other) for i, one in enumerate(order) for j, other in enumerate(order) for _ in range(counts[i][j])]
    first, second = zip(*rows, strict=True)
    return np.array(first, np.int8), np.array(second, np.int8)


def test_kappa_of_a_known_table() -> None:
    """20, 5, 10, 15: agreement 0.7, by chance 0.5, kappa 0.4, by hand."""
    found = agreement(*pair([[20, 5, 0], [10, 15, 0], [0, 0, 0]]))
    assert found.raw.value == pytest.approx(0.7)
    assert found.kappa.value == pytest.approx(0.4)
    assert found.kappa.low == pytest.approx(0.1, abs=0.06) and found.kappa.high == pytest.approx(0.65, abs=0.06)


def test_kappa_is_as_a_bootstrap_has_it() -> None:
    first, second = pair([[150, 20, 0], [30, 200, 0], [0, 0, 0]])
    found = agreement(first, second).kappa
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(400):
        rows = rng.integers(0, len(first), len(first))
        one, other = first[rows] == GOOD, second[rows] == GOOD
        same = (one == other).mean()
        chance = one.mean() * other.mean() + (1 - one.mean()) * (1 - other.mean())
        drawn.append((same - chance) / (1 - chance))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))), abs=0.03)


def test_unsure_and_missing_labels_do_not_count_and_are_told() -> None:
    first, second = pair([[10, 1, 2], [0, 9, 0], [3, 0, 4]])
    first, second = np.append(first, [NONE, GOOD]).astype(np.int8), np.append(second, [GOOD, NONE]).astype(np.int8)
    found = agreement(first, second)
    assert (found.both, found.sure, found.raw.value) == (29, 20, 0.95)
    assert found.counts == ((10, 1, 2), (0, 9, 0), (3, 0, 4))
    assert len(differing(first, second)) == 6
    both = agreed(first, second)
    assert [(both == each).sum() for each in (GOOD, BAD, UNSURE, NONE)] == [10, 9, 4 + 6, 2]


def test_agreeing_in_all_is_no_certainty_and_one_kind_has_no_kappa() -> None:
    found = agreement(*pair([[20, 0, 0], [0, 20, 0], [0, 0, 0]]))
    assert found.kappa.value == 1 and found.kappa.high == 1 and 0.7 < found.kappa.low < 0.95
    one = agreement(*pair([[20, 0, 0], [0, 0, 0], [0, 0, 0]]))
    assert one.raw.value == 1 and one.kappa.value is None
    nothing = agreement(np.array([NONE, UNSURE], np.int8), np.array([GOOD, GOOD], np.int8))
    assert (nothing.both, nothing.sure, nothing.raw.value, nothing.kappa.value) == (1, 0, None, None)
