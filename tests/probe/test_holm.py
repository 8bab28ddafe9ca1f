from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.probe.holm import adjusted


def test_by_hand() -> None:
    assert adjusted([0.01, 0.04, 0.03, None]) == [
        pytest.approx(0.03),
        pytest.approx(0.06),
        pytest.approx(0.06),
        None,
    ]
    assert adjusted([0.9, 0.8]) == [1, 1]
    assert adjusted([]) == [] and adjusted([None]) == [None]


def test_it_rejects_what_holms_steps_reject() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        p = np.where(generator.random(8) < 0.5, generator.random(8), generator.random(8) / 50)
        steps = []
        for rank, place in enumerate(np.argsort(p)):
            if p[place] > 0.05 / (8 - rank):
                break
            steps.append(place)
        assert {place for place, each in enumerate(adjusted(list(p))) if each is not None and each <= 0.05} == {*steps}
