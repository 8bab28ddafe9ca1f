from __future__ import annotations

import math

import pytest

from vlcorpus.audit.binomial import at, below, limits


def tail_at_least(hits: int, trials: int, share: float) -> float:
    """The chance of so many hits or more, term by term."""
    return sum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(hits, trials + 1))


@pytest.mark.parametrize(("hits", "trials"), [(0, 1), (1, 1), (0, 20), (20, 20), (3, 17), (50, 100), (399, 400)])
def test_the_limits_leave_what_they_say_in_each_tail(hits: int, trials: int) -> None:
    low, high = limits(hits, trials)
    assert 0 <= low <= hits / trials <= high <= 1
    if hits:
        assert tail_at_least(hits, trials, low) == pytest.approx(0.025, abs=1e-9)
    else:
        assert low == 0
    if hits < trials:
        assert 1 - tail_at_least(hits + 1, trials, high) == pytest.approx(0.025, abs=1e-9)
    else:
        assert high == 1


def test_trials_need_not_be_whole() -> None:
    lows = [limits(0.9 * trials, trials)[0] for trials in (10, 10.5, 11, 31.4, 400)]
    assert lows == sorted(lows)
    assert limits(7.0, 20.0)[0] < limits(7.3, 20.0)[0] < limits(8.0, 20.0)[0]


def test_many_trials_are_nearly_normal_and_infinitely_many_leave_no_doubt() -> None:
    exact, near = at(0.3, 999_999.0), at(0.3, 1_000_001.0)
    assert near == pytest.approx(exact, abs=3e-6)
    assert at(0.3, math.inf) == (0.3, 0.3)
    assert at(1.0, 2e6)[0] > 1 - 3e-6


def test_the_beta_distribution_of_two_whole_numbers_is_a_binomial_tail() -> None:
    for a, b, x in ((1, 1, 0.4), (3, 5, 0.2), (40, 2, 0.97), (200, 300, 0.41)):
        assert below(x, a, b) == pytest.approx(tail_at_least(a, a + b - 1, x), rel=1e-9)
    assert (below(0, 2, 3), below(1, 2, 3)) == (0, 1)


@pytest.mark.parametrize(("hits", "trials"), [(-1, 4), (5, 4), (0, 0)])
def test_what_cannot_be_is_a_bug(hits: float, trials: float) -> None:
    with pytest.raises(ValueError, match="trials"):
        limits(hits, trials)
