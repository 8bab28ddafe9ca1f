"""How often the 95 % intervals hold the truth, over simulated audits with a fixed seed."""

from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.audit.agreement import agreement
from vlcorpus.audit.draw import allocate
from vlcorpus.audit.estimate import Side, overall, portion, share
from vlcorpus.audit.frame import Survey
from vlcorpus.audit.verdict import BAD, GOOD

AUDITS = 400
ENOUGH = 0.92

# name: rows, share kept, how steeply good pairs lie above which score, labels
WORLDS = {
    "half kept, half good": (20_000, 0.5, 2.0, 0.0, 100),
    "few labels": (20_000, 0.3, 2.0, 0.5, 40),
    "nearly all kept are good": (20_000, 0.1, 3.0, 0.0, 400),
    "good pairs are rare": (20_000, 0.05, 3.0, 2.2, 400),
    "the score says nothing": (20_000, 0.3, 0.0, 0.0, 100),
    "most of a small corpus is labelled": (500, 0.3, 2.0, 0.5, 347),
    "a score without a fault": (20_000, 0.3, 60.0, 0.4, 100),
}


@pytest.mark.parametrize("world", WORLDS, ids=list(WORLDS))
def test_intervals_hold_the_truth(world: str) -> None:
    rows, kept_share, steep, middle, n = WORLDS[world]
    rng = np.random.default_rng(1)
    x = rng.normal(size=rows)
    good = rng.random(rows) < 1 / (1 + np.exp(-steep * (x - middle)))
    keep = x >= np.quantile(x, 1 - kept_share)
    survey = Survey()
    survey.add(keep, x)
    frame = survey.frame()
    stratum = frame.stratum(keep, x)
    places = [np.flatnonzero(stratum == number) for number in range(frame.strata)]
    population = np.array([len(each) for each in places])
    kept = np.arange(frame.strata) < frame.kept
    sizes = allocate(population, kept, frame.nearness(cut=True), n)
    wanted = (good[keep].mean(), good[keep].sum() / good.sum(), good.mean())
    held = np.zeros(3)
    for _ in range(AUDITS):
        drawn = [rng.choice(each, size, replace=False) for each, size in zip(places, sizes, strict=True)]
        found = np.array([good[each].sum() for each in drawn])
        inside, outside = (Side.of(population[on], sizes[on], found[on]) for on in (kept, ~kept))
        said = (share(inside), portion(inside, outside), overall(inside, outside))
        held += [each.low - 1e-9 <= value <= each.high + 1e-9 for each, value in zip(said, wanted, strict=True)]
    assert (held / AUDITS >= ENOUGH).all(), dict(zip(("precision", "recall", "prevalence"), held / AUDITS, strict=True))


@pytest.mark.parametrize(("right", "good", "n"), [(0.95, 0.5, 400), (0.8, 0.3, 60), (0.99, 0.9, 200), (0.6, 0.5, 100)])
def test_the_interval_of_kappa_holds_the_truth(right: float, good: float, n: int) -> None:
    """Two people who are each right so often, of pairs of which a share is good."""
    rng = np.random.default_rng(2)
    same, one = right**2 + (1 - right) ** 2, good * right + (1 - good) * (1 - right)
    chance = one**2 + (1 - one) ** 2
    kappa = (same - chance) / (1 - chance)
    held = 0
    for _ in range(AUDITS):
        truth = rng.random(n) < good
        first, second = (np.where(truth == (rng.random(n) < right), GOOD, BAD).astype(np.int8) for _ in range(2))
        found = agreement(first, second).kappa
        held += found.low <= kappa <= found.high
    assert held / AUDITS >= ENOUGH
