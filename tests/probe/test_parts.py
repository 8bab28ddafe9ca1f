"""Shares of a corpus by seed, and what the spread of seeds that have them says of their mean."""

from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.probe import parts


def uids(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 16), dtype=np.uint8)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_a_round_of_seeds_shares_out_the_pairs(count: int) -> None:
    rows = uids(6_000)
    for turn in (0, 4):
        shares = [parts.taken(rows, turn * count + number, count) for number in range(count)]
        assert (np.sum(shares, axis=0) == 1).all()
        assert all(abs(share.mean() - 1 / count) < 0.03 for share in shares)


def test_the_next_round_deals_anew() -> None:
    first, second = (parts.taken(uids(6_000), seed, 2) for seed in (0, 2))
    assert abs((first == second).mean() - 0.5) < 0.03


def test_a_pair_falls_into_the_same_share_whatever_else_is_there() -> None:
    rows = uids(1_000)
    assert (parts.taken(rows, 3, 2)[::7] == parts.taken(rows[::7], 3, 2)).all()
    assert parts.taken(rows, 3, 1).all()


def test_names_stand_for_uids() -> None:
    rows = parts.named(["a", "b", "a", "\udcff"])
    assert rows.shape == (4, 16) and (rows[0] == rows[2]).all() and not (rows[0] == rows[1]).all()


def test_as_many_parts_as_seeds_only_where_shares_are_hardly_repeated() -> None:
    assert parts.best(pairs=51_200, samples_seen=10_240, seeds=6) == 6
    assert parts.best(pairs=4_000, samples_seen=10_240, seeds=6) == 2
    assert parts.best(pairs=10**9, samples_seen=10_240, seeds=1) == 1


def test_factors() -> None:
    assert parts.spread(1, range(5)) == pytest.approx(1 / 5)
    assert parts.spread(5, range(5)) == pytest.approx(1 / 5)
    assert parts.spread(2, range(6)) == pytest.approx(5 / 6)
    assert parts.spread(2, range(5)) > 4 / 5  # one seed's share is not made up for


@pytest.mark.parametrize("own, pairs", [(1.0, 0.0), (1.0, 0.5), (0.0, 1.0)])
@pytest.mark.parametrize("count, number", [(6, 6), (2, 6), (2, 5), (3, 6)])
def test_the_factor_bounds_the_variance_of_the_mean(own: float, pairs: float, count: int, number: int) -> None:
    """Arms whose value is a mean over their pairs, so that a share's luck is simulated and not assumed."""
    draw = np.random.default_rng(5)
    trials, size = 4_000, 120
    luck = draw.normal(0, np.sqrt(pairs * size), (trials, size))
    values = np.empty((trials, number))
    for seed in range(number):
        turn, share = divmod(seed, count)
        order = np.random.default_rng([9, turn]).permutation(size)
        values[:, seed] = luck[:, order % count == share].mean(1) + draw.normal(0, np.sqrt(own), trials)
    actual = values.mean(1).var()
    bound = parts.spread(count, range(number)) * values.var(1, ddof=1).mean()
    assert actual < 1.06 * bound
    if own == 0.0 or count == number:  # where nothing is given away
        assert actual > 0.9 * bound
