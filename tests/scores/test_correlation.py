"""Rank correlation against the definition, pair of rows by pair of rows."""

from __future__ import annotations

import math
import random

import numpy as np

from vlcorpus.scores.correlation import ranks, spearman


def slow_rank(values: list[float], value: float) -> float:
    return sum(each < value for each in values) + (sum(each == value for each in values) + 1) / 2


def slow(one: list[float], other: list[float]) -> float:
    both = [(a, b) for a, b in zip(one, other, strict=True) if not math.isnan(a) and not math.isnan(b)]
    if len(both) < 2:
        return math.nan
    left, right = ([slow_rank([row[side] for row in both], row[side]) for row in both] for side in (0, 1))
    middles = sum(left) / len(left), sum(right) / len(right)
    top = sum((a - middles[0]) * (b - middles[1]) for a, b in zip(left, right, strict=True))
    sizes = sum((a - middles[0]) ** 2 for a in left) * sum((b - middles[1]) ** 2 for b in right)
    return top / math.sqrt(sizes) if sizes else math.nan


def test_every_two_columns_agree_with_the_slow_rule() -> None:
    chance = random.Random(3)
    columns = [
        [chance.choice([math.nan, float(chance.randrange(9))]) if case % 2 else chance.gauss(0, 1) for _ in range(60)]
        for case in range(6)
    ]
    columns += [[1.0] * 60, [math.nan] * 60, [math.nan] * 59 + [1.0]]
    found = spearman([np.array(column) for column in columns])
    for one, left in enumerate(columns):
        for other, right in enumerate(columns):
            there = sum(not math.isnan(a) and not math.isnan(b) for a, b in zip(left, right, strict=True))
            assert found.rows[one, other] == there
            np.testing.assert_allclose(found.values[one, other], slow(left, right), atol=1e-12)


def test_ranks_alone_count() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0, 50.0])
    found = spearman([x, np.exp(x), -(x**3), np.array([10.0, 20.0, 20.0, 20.0, 90.0])])
    assert found.values[0].tolist()[:3] == [1.0, 1.0, -1.0]
    assert round(found.values[0, 3], 3) == 0.894
    assert ranks(np.array([7, 5, 5, 1])).tolist() == [4.0, 2.5, 2.5, 1.0]


def test_infinite_is_missing() -> None:
    found = spearman([np.array([1.0, 2.0, np.inf]), np.array([1.0, 2.0, 3.0])])
    assert found.rows.tolist() == [[2, 2], [2, 3]] and found.values[0, 1] == 1.0
