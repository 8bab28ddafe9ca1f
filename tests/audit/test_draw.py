from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.audit import plainly
from vlcorpus.audit.draw import _DRAW, allocate, hashed
from vlcorpus.audit.frame import Survey
from vlcorpus.errors import UsageError


def test_every_row_is_in_the_stratum_of_its_verdict_and_score() -> None:
    corpus = plainly.world(3_000)
    frame, drawn = plainly.draw(corpus, 200)
    stratum = frame.stratum(corpus.keep, corpus.x)
    for row in range(len(corpus.x)):
        kept, low, high = frame.bounds(int(stratum[row]))
        assert kept == corpus.keep[row]
        assert frame.scored(int(stratum[row])) == (not np.isnan(corpus.x[row]))
        assert np.isnan(corpus.x[row]) or (
            (low is None or low <= corpus.x[row]) and (high is None or corpus.x[row] < high)
        )
    assert drawn.rows.tolist() == np.bincount(stratum, minlength=frame.strata).tolist()
    scored = [int(rows) for number, rows in enumerate(drawn.rows) if frame.scored(number)]
    assert len(scored) == 10 and min(scored) > 0.5 * 3_000 / 10 * min(corpus.keep.mean(), 0.5)


def test_cells_count_the_population_at_every_threshold() -> None:
    corpus = plainly.world(2_000)
    frame, drawn = plainly.draw(corpus, 100)
    stratum = frame.stratum(corpus.keep, corpus.x)
    assert 0.5 in frame.thresholds and len(frame.thresholds) > 25
    counted: Counter[tuple[int, int, int]] = Counter()
    for row, x in enumerate(corpus.x):
        place = -1 if np.isnan(x) else sum(threshold <= x for threshold in frame.thresholds)
        counted[int(stratum[row]), place + 1, int(corpus.free[row])] += 1
    assert {tuple(map(int, cell)): int(drawn.cells[tuple(cell)]) for cell in np.argwhere(drawn.cells)} == counted


def test_the_smallest_hashes_of_each_stratum_are_drawn() -> None:
    corpus = plainly.world(1_000)
    frame, drawn = plainly.draw(corpus, 120, seed=7)
    stratum = frame.stratum(corpus.keep, corpus.x)
    wanted = set()
    for number in range(frame.strata):
        rows = np.flatnonzero(stratum == number).tolist()
        wanted |= plainly.smallest(corpus, rows, int(drawn.drawn[number]), 7 ^ _DRAW)
    assert set(plainly.rows_of(corpus, drawn).tolist()) == wanted
    assert len(wanted) == 120


def test_the_sample_is_the_same_in_any_order_of_shards_and_rows() -> None:
    corpus = plainly.world(4_000)
    _, one = plainly.draw(corpus, 150)
    rng = np.random.default_rng(3)
    for parts in (1, 7, 400):
        shards = np.array_split(rng.permutation(4_000), parts)
        _, other = plainly.draw(corpus, 150, shards=shards)
        for name in ("uid", "stratum", "place", "x", "free", "rows", "drawn", "cells"):
            assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=name == "x"), (name, parts)
        for uid, shard in zip(other.uid, other.shard, strict=True):
            row = int(np.flatnonzero((corpus.uid == uid).all(axis=1))[0])
            assert row in shards[shard]


def test_another_seed_draws_others_and_the_order_tells_nothing() -> None:
    corpus = plainly.world(4_000)
    (_, one), (_, other) = (plainly.draw(corpus, 400, seed=seed) for seed in (0, 1))
    assert len({uid.tobytes() for uid in one.uid} & {uid.tobytes() for uid in other.uid}) < 200
    kept = corpus.keep[plainly.rows_of(corpus, one)]
    assert 60 < kept[:200].sum() < 140 and 60 < kept[200:].sum() < 140
    # a decision drawn by the hash of the same seed stands in no order either
    by_hash = hashed(corpus.uid, 0)
    drawn = plainly.Corpus(corpus.uid, by_hash < np.median(by_hash), corpus.free, corpus.x, corpus.good)
    _, shown = plainly.draw(drawn, 400, cut=None)
    kept = drawn.keep[plainly.rows_of(drawn, shown)]
    assert 60 < kept[:200].sum() < 140


def test_more_are_drawn_near_the_cut() -> None:
    frame, drawn = plainly.draw(plainly.world(20_000, missing=0, others=0), 400)
    share = drawn.drawn / np.maximum(1, drawn.rows)
    kept, dropped = share[: frame.kept - 1], share[frame.kept : -1]
    assert (np.diff(kept) < 0).all() and (np.diff(dropped) > 0).all()
    assert kept[0] / kept[-1] == pytest.approx(2, rel=0.1)
    assert drawn.drawn[: frame.kept].sum() == 200


def test_little_is_held_of_many_rows() -> None:
    corpus = plainly.world(60_000)
    frame = Survey()
    frame.add(corpus.keep, corpus.x)
    from vlcorpus.audit.draw import Draw

    drawing = Draw(frame.frame(), most=50, seed=0)
    most = 0
    for rows in np.array_split(np.arange(60_000), 300):
        drawing.add(corpus.uid[rows], corpus.keep[rows], corpus.free[rows], corpus.x[rows], shard=0)
        most = max(most, len(drawing._held.uid))
    assert most <= 2 * 50 * 14 + 200


@pytest.mark.parametrize("seed", range(40))
def test_an_allocation_adds_up_and_keeps_to_its_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    strata = int(rng.integers(2, 14))
    rows = (rng.pareto(0.7, strata) * 20).astype(np.int64) + rng.integers(0, 3, strata)
    kept = np.arange(strata) < strata // 2
    worth = rng.uniform(1, 2, strata)
    least = int(np.minimum(rows, 2).sum())
    if not rows.sum():
        rows[0] = 5
    for n in {max(1, least), max(1, (least + int(rows.sum())) // 2), int(rows.sum())}:
        found = allocate(rows, kept, worth, n)
        assert found.sum() == n
        assert (found <= rows).all() and (found >= np.minimum(rows, 2)).all()
    assert (allocate(rows, kept, worth, int(rows.sum())) == rows).all()


@pytest.mark.parametrize(
    ("n", "words"), [(0, "cannot be looked at"), (-3, "cannot"), (11, "there are 10"), (3, "too few")]
)
def test_an_impossible_number_of_pairs_is_refused(n: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        allocate(np.array([5, 5]), np.array([True, False]), np.ones(2), n)


def test_a_decision_without_scores_has_two_strata() -> None:
    corpus = plainly.world(500)
    none = plainly.Corpus(corpus.uid, corpus.keep, corpus.free, np.full(500, np.nan), corpus.good)
    frame, drawn = plainly.draw(none, 60, cut=None)
    assert [int(each) for each in drawn.rows if each] == [int(none.keep.sum()), int((~none.keep).sum())]
    assert len(frame.thresholds) == 0


@pytest.mark.parametrize("values", [[0.25] * 50, [0.0, 1.0] * 25, [-1e30, 1e30] * 25, [5.0, 5.0, 1e-40] * 20])
def test_scores_of_few_values_give_no_empty_strata(values: list[float]) -> None:
    rng = np.random.default_rng(0)
    x = np.array(values)
    corpus = plainly.Corpus(
        rng.integers(0, 256, (len(x), 16), dtype=np.uint8), x >= 0.5, np.ones(len(x), bool), x, x > 0
    )
    _, drawn = plainly.draw(corpus, 20)
    assert drawn.drawn.sum() == 20


def test_thresholds_can_be_typed() -> None:
    rng = np.random.default_rng(0)
    for scale, offset in ((0.05, 0.25), (20, 400), (1e-6, 0), (3e7, 0)):
        survey = Survey()
        x = rng.normal(offset, scale, 5_000)
        survey.add(x > offset, x)
        frame = survey.frame(cut=None)
        assert max(len(f"{each:.6g}") for each in frame.thresholds) <= 10
        assert all(float(f"{each:.5g}") == pytest.approx(each, abs=scale / 1e3) for each in frame.thresholds)
        assert len(frame.thresholds) >= 30
