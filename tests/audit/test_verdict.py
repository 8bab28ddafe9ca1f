from __future__ import annotations

import numpy as np
import pytest

from tests.audit import plainly
from vlcorpus.audit.estimate import Side, portion, share
from vlcorpus.audit.verdict import BAD, GOOD, NONE, UNSURE, Sample, by_stratum, curve, figures, reaching


def labelled(
    corpus: plainly.Corpus, n: int, **settings: int
) -> tuple[plainly.Corpus, Sample, np.ndarray, np.ndarray, list[float]]:
    frame, drawn = plainly.draw(corpus, n, **settings)  # type: ignore[arg-type]
    rows = plainly.rows_of(corpus, drawn)
    labels = np.where(corpus.good[rows], GOOD, BAD).astype(np.int8)
    return corpus, plainly.sample_of(frame, drawn), labels, rows, frame.thresholds.tolist()


def test_a_census_gives_the_truth_at_every_threshold() -> None:
    corpus, sample, labels, _, thresholds = labelled(plainly.world(400), 400)
    said = figures(sample, labels)
    good, keep = corpus.good, corpus.keep
    assert said.precision.value == pytest.approx(good[keep].mean())
    assert said.recall.value == pytest.approx((good & keep).sum() / good.sum())
    assert said.prevalence.value == pytest.approx(good.mean())
    assert said.bad_dropped.value == pytest.approx((~good & ~keep).sum() / (~good).sum())
    assert said.good_lost.value == pytest.approx((good & ~keep).sum())
    for point in curve(sample, labels):
        inside = corpus.free & (corpus.x >= thresholds[point.number])
        assert point.rows == inside.sum()
        if inside.any():
            assert point.precision.value == pytest.approx(good[inside].mean())
            assert point.precision.low == pytest.approx(point.precision.high)
        assert point.recall.value == pytest.approx((good & inside).sum() / good.sum())


def test_the_curve_is_a_plain_weighted_count() -> None:
    corpus, sample, labels, rows, thresholds = labelled(plainly.world(3_000), 300)
    stratum = sample.stratum
    population = sample.cells.sum(axis=(1, 2))
    for point in curve(sample, labels):
        threshold = thresholds[point.number]
        sides = []
        for on in (True, False):
            counts = []
            for number in range(len(population)):
                cells = sample.cells[number]
                there = sum(
                    int(cells[place, free])
                    for place in range(cells.shape[0])
                    for free in (0, 1)
                    if (bool(free) and place - 1 > point.number) == on
                )
                mine = [
                    row
                    for row in rows[stratum == number]
                    if bool(corpus.free[row] and corpus.x[row] >= threshold) == on
                ]
                if there:
                    counts.append((there, len(mine), sum(bool(corpus.good[row]) for row in mine)))
            sides.append(Side.of(*zip(*counts, strict=True)) if counts else Side.of([], [], []))
        assert point.precision == share(sides[0])
        assert point.recall == portion(*sides)
        assert point.labelled == sum(corpus.free[row] and corpus.x[row] >= threshold for row in rows)


def test_at_its_own_cut_the_curve_is_the_decision() -> None:
    _, sample, labels, _, thresholds = labelled(plainly.world(5_000), 400)
    said = figures(sample, labels)
    (point,) = [each for each in curve(sample, labels) if thresholds[each.number] == 0.5]
    assert (point.precision.value, point.precision.low, point.precision.high) == pytest.approx(
        (said.precision.value, said.precision.low, said.precision.high)
    )
    assert point.recall.value == pytest.approx(said.recall.value, abs=0.02)  # dropped strata are cut once more


def test_pairs_without_a_score_follow_the_decision_only_if_it_goes_by_the_score() -> None:
    corpus = plainly.world(400, missing=0.3)
    kept = plainly.Corpus(corpus.uid, corpus.keep | np.isnan(corpus.x), corpus.free, corpus.x, corpus.good)
    frame, drawn = plainly.draw(kept, 400)
    labels = np.where(kept.good[plainly.rows_of(kept, drawn)], GOOD, BAD).astype(np.int8)
    inside = corpus.free & (corpus.x >= frame.thresholds[3])
    for by_score, wanted in ((True, inside | np.isnan(corpus.x)), (False, inside)):
        point = curve(plainly.sample_of(frame, drawn, by_score=by_score), labels)[3]
        assert point.rows == wanted.sum()
        assert point.precision.value == pytest.approx(corpus.good[wanted].mean())


def test_unsure_pairs_are_left_out_and_bounded() -> None:
    _, sample, labels, _, _ = labelled(plainly.world(3_000), 300)
    doubtful = np.random.default_rng(5).random(len(labels)) < 0.1
    unsure = np.where(doubtful, UNSURE, labels).astype(np.int8)
    without = np.where(doubtful, NONE, labels).astype(np.int8)
    said, left = figures(sample, unsure), figures(sample, without)
    for name in ("precision", "recall", "prevalence", "bad_dropped", "good_kept", "good_lost"):
        one, other, whole = (getattr(each, name) for each in (said, left, figures(sample, labels)))
        assert (one.value, one.low, one.high) == (other.value, other.low, other.high)
        assert one.least < one.value < one.most
        assert one.least <= whole.value <= one.most
        assert whole.least == whole.most == whole.value
    assert sum(each.unsure for each in by_stratum(sample, unsure)) == doubtful.sum()
    assert sum(each.unlabelled for each in by_stratum(sample, without)) == doubtful.sum()


def test_who_stops_early_gets_wider_intervals() -> None:
    _, sample, labels, _, _ = labelled(plainly.world(5_000), 400)
    some = labels.copy()
    some[100:] = NONE
    whole, part = figures(sample, labels).precision, figures(sample, some).precision
    assert part.high - part.low > 1.5 * (whole.high - whole.low)
    assert figures(sample, np.full(len(labels), NONE, np.int8)).recall.value is None


def test_the_threshold_that_reaches_a_precision() -> None:
    _, sample, labels, _, thresholds = labelled(plainly.world(20_000), 2_000)
    points = curve(sample, labels)
    by_value, by_limit = reaching(points, 0.9)
    assert by_value is not None and by_limit is not None
    assert thresholds[by_value.number] <= thresholds[by_limit.number]
    assert by_limit.precision.low >= 0.9 > points[by_limit.number - 1].precision.low
    assert all(each.precision.value < 0.9 for each in points[: by_value.number])  # type: ignore[operator]
    assert reaching(points, 1.0)[1] is None
