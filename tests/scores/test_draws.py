"""Draws hang on uid, seed and stream, and on nothing else."""

from __future__ import annotations

import numpy as np

from tests.scores.vectors import uids
from vlcorpus.scores.draws import draws, order


def test_the_order_of_rows_changes_nothing() -> None:
    own = uids(0)
    there = own[order(own, 7)]
    for seed in range(3):
        shuffled = own[np.random.default_rng(seed).permutation(len(own))]
        assert np.array_equal(shuffled[order(shuffled, 7)], there)


def test_seeds_and_streams_are_other_orders() -> None:
    own = uids(0, 2000)
    places = [np.argsort(order(own, seed, stream)) for seed in (0, 1) for stream in (0, 1)]
    for one in range(4):
        for other in range(one):
            assert abs(np.corrcoef(places[one], places[other])[0, 1]) < 0.1


def test_draws_are_uniform() -> None:
    found = draws(uids(1, 64_000), 0) / 2**64
    counts = np.histogram(found, bins=64, range=(0, 1))[0]
    assert abs(counts - 1000).max() < 150


def test_no_rows_and_equal_uids() -> None:
    assert len(order(np.zeros((0, 16), np.uint8), 0)) == 0
    assert order(np.zeros((3, 16), np.uint8), 0).tolist() == [0, 1, 2]
