from __future__ import annotations

import math

import numpy as np
import pytest

from vlcorpus.probe import parts
from vlcorpus.probe.crossed import OVER_BOTH, OVER_SEEDS, over_both, over_seeds
from vlcorpus.probe.student import quantile

RUNS = 500


def _simulated(seeds: int, pictures: int, of_seed: float, of_picture: float, of_rest: float) -> np.ndarray:
    """(RUNS, n, N) differences whose true mean is 0."""
    generator = np.random.default_rng([seeds, pictures, int(100 * of_seed), int(100 * of_picture)])
    draw = generator.normal
    return (
        of_seed * draw(size=(RUNS, seeds, 1))
        + of_picture * draw(size=(RUNS, 1, pictures))
        + of_rest * draw(size=(RUNS, seeds, pictures))
    )


def test_the_mean_squares_of_a_crossed_design() -> None:
    change = np.random.default_rng(0).normal(size=(4, 30)) + np.arange(4)[:, None] / 3
    found = over_both(change)
    seeds, pictures = change.mean(1), change.mean(0)
    rest = sum((change[s, p] - seeds[s] - pictures[p] + change.mean()) ** 2 for s in range(4) for p in range(30)) / 87
    of_seeds, of_pictures = seeds.var(ddof=1) / 4, pictures.var(ddof=1) / 30
    both = of_seeds + of_pictures - rest / 120
    assert found.over == OVER_BOTH and found.mean == pytest.approx(change.mean())
    (first, first_freedom), (second, freedom) = found.bounds
    assert (first, first_freedom) == (pytest.approx(math.sqrt(of_seeds)), 3)
    assert second == pytest.approx(math.sqrt(max(both, of_seeds, of_pictures)))
    assert freedom == pytest.approx(second**4 / (of_seeds**2 / 3 + of_pictures**2 / 29))


@pytest.mark.parametrize("seeds", [2, 3, 6])
@pytest.mark.parametrize(
    ("of_seed", "of_picture", "of_rest"), [(0, 0, 1), (0.3, 0, 1), (0.1, 1, 1), (0.06, 1, 0.2), (1, 1, 1)]
)
def test_false_alarms_are_one_in_twenty_at_most(seeds: int, of_seed: float, of_picture: float, of_rest: float) -> None:
    runs = _simulated(seeds, 60, of_seed, of_picture, of_rest)
    alarms = sum((over_both(change).p or 1) < 0.05 for change in runs)
    assert alarms <= 25 + 3.1 * math.sqrt(RUNS * 0.05 * 0.95)


def test_the_interval_holds_the_truth_and_is_not_wasteful() -> None:
    runs = _simulated(6, 60, 0.15, 0.8, 0.6)
    found = [over_both(change + 0.2) for change in runs]
    held = sum(abs(each.mean - 0.2) <= (each.half(0.95) or 0) for each in found) / RUNS
    assert 0.92 <= held <= 0.98


def test_pictures_alone_or_seeds_alone_would_be_wrong() -> None:
    """What the crossing is for: the same differences, judged by one of the two."""
    by_seed = _simulated(4, 60, 0.5, 0, 1)
    by_pictures = [over_seeds(change.mean(0)).p or 1 for change in by_seed]  # each picture as if it were a seed
    assert np.mean(np.array(by_pictures) < 0.05) > 0.3
    by_picture = _simulated(6, 60, 0.05, 1, 0.2)
    assert np.mean([(over_seeds(change.mean(1)).p or 1) < 0.05 for change in by_picture]) > 0.3
    assert np.mean([(over_both(change).p or 1) < 0.05 for change in by_picture]) < 0.08


def test_never_narrower_than_students_over_the_seeds() -> None:
    for change in _simulated(3, 20, 0.3, 0.3, 0.5)[:100]:
        both, alone = over_both(change), over_seeds(change.mean(1))
        assert (both.half(0.95) or 0) >= (alone.half(0.95) or 0) - 1e-12
        assert (both.p or 0) >= (alone.p or 0) - 1e-12


def test_the_interval_and_the_p_value_agree() -> None:
    for change in _simulated(4, 20, 0.3, 0.3, 0.5)[:100] + 0.25:
        found = over_both(change)
        assert found.p is not None
        assert abs(found.mean) == pytest.approx(found.half(1 - found.p), rel=1e-6)


def test_shares_of_the_pairs_widen_it() -> None:
    change = _simulated(6, 50, 0.3, 0, 0.1)[0]
    whole, halves = over_both(change), over_both(change, factor=parts.spread(2, range(6)))
    assert halves.bounds[0][0] == pytest.approx(whole.bounds[0][0] * math.sqrt(6 * parts.spread(2, range(6))))
    assert (halves.half(0.95) or 0) > 1.5 * (whole.half(0.95) or 0)


def test_texts_of_one_picture_count_as_one() -> None:
    change = np.repeat(_simulated(6, 40, 0, 1, 0.1)[0], 5, axis=1)
    found = over_both(change, pictures=40)
    assert found.bounds[1][0] > 2 * over_both(change).bounds[1][0]


def test_few_pictures_that_agree_prove_little() -> None:
    assert (over_both(np.full((6, 2), -1.0)).p or 0) > 0.05
    assert (over_both(np.full((6, 40), -1.0)).p or 0) < 1e-6


def test_one_seed_says_nothing() -> None:
    found = over_both(np.ones((1, 5)))
    assert (found.mean, found.over, found.p, found.half(0.95), found.detectable(0.95)) == (
        1, OVER_SEEDS, None, None, None
    )  # fmt: skip


def test_nothing_differs() -> None:
    for found in (over_both(np.zeros((3, 4))), over_seeds([0.0, 0.0])):
        assert (found.mean, found.half(0.95), found.p) == (0, 0, 1)


def test_students_over_seeds() -> None:
    change = np.array([0.25, 0.24, 0.26])
    found = over_seeds(change)
    error = change.std(ddof=1) / math.sqrt(3)
    assert found.half(0.95) == pytest.approx(quantile(0.975, 2) * error)
    assert found.detectable(0.95) == pytest.approx((quantile(0.975, 2) + quantile(0.8, 2)) * error)
