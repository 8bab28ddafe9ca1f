from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.probe.joined import joined


def test_its_means_are_the_averages_of_the_tasks() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.random((3, 10)), generator.random((3, 4))
    names = [f"{place}.jpg" for place in range(10)]
    found = joined([(first, names), (second, names[2:6])])
    assert found.shape == (3, 10)
    assert found.mean(1) == pytest.approx((first.mean(1) + second.mean(1)) / 2)


def test_its_spread_is_what_other_pictures_would_do() -> None:
    """Against drawing pictures anew: two tasks of their own pictures, and two that share them."""
    generator = np.random.default_rng(1)
    drawn = []
    shared = []
    for _ in range(2000):
        one, other, more = generator.normal(size=50), generator.normal(size=200), generator.normal(size=50)
        drawn.append((one.mean() + other.mean()) / 2)
        shared.append((one.mean() + (one + more).mean()) / 2)
    own = joined([(one[None], [f"a{k}" for k in range(50)]), (other[None], [f"b{k}" for k in range(200)])])
    assert own.std(ddof=1) / np.sqrt(own.shape[1]) == pytest.approx(np.std(drawn), rel=0.25)
    same = joined([(one[None], range(50)), ((one + more)[None], range(50))])
    assert same.shape == (1, 50)
    assert same.std(ddof=1) / np.sqrt(50) == pytest.approx(np.std(shared), rel=0.25)
