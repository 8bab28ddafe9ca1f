"""The funnel against loops over rows."""

from __future__ import annotations

import numpy as np

from vlcorpus.scores.funnel import FunnelStep, add_counts, count_masks, funnel


def naive(masks: list[int], n: int) -> list[FunnelStep]:
    steps = []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        steps.append(
            FunnelStep(
                predicate=i,
                entering=sum(not any(m >> j & 1 for j in range(i)) for m in masks),
                rejected=sum(not any(m >> j & 1 for j in range(i)) and bool(m >> i & 1) for m in masks),
                marginal=sum(m >> i & 1 for m in masks),
                alone=sum(bool(m >> i & 1) and not any(m >> j & 1 for j in others) for m in masks),
                kept_without=sum(not any(m >> j & 1 for j in others) for m in masks),
            )
        )
    return steps


def test_equals_loops_and_adds_up() -> None:
    rng = np.random.default_rng(0)
    fails = rng.random((700, 6)) < [0.1, 0.3, 0.05, 0.5, 0.0, 0.2]
    masks = (fails << np.arange(6)).sum(1).astype(np.uint64)
    steps = funnel(masks, 6)
    assert steps == naive(masks.tolist(), 6)
    assert sum(step.rejected for step in steps) + int((masks == 0).sum()) == 700
    shards = [count_masks(part) for part in np.array_split(masks, 5)]
    together, counts = add_counts(shards)
    assert funnel(together, 6, counts) == steps


def test_the_last_bit_and_nothing() -> None:
    masks = np.array([2**63, 0], np.uint64)
    assert funnel(masks, 64)[63].alone == 1
    assert [step.entering for step in funnel(np.zeros(0, np.uint64), 2)] == [0, 0]
    assert add_counts([])[0].shape == (0,)
