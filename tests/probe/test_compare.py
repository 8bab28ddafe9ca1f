from __future__ import annotations

import math

import numpy as np
import pytest

from vlcorpus.errors import SourceError
from vlcorpus.probe.compare import compare
from vlcorpus.probe.crossed import over_both
from vlcorpus.probe.parts import spread
from vlcorpus.probe.student import quantile


def _runs(metric: str, values: list[float]) -> dict[int, dict[str, float]]:
    return {seed: {metric: value} for seed, value in enumerate(values)}


def test_the_interval_is_students() -> None:
    comparison = compare({"raw": _runs("top1", [0.30, 0.32, 0.31]), "kept": _runs("top1", [0.55, 0.56, 0.57])}, "raw")
    (row,) = comparison.rows
    change = np.array([0.25, 0.24, 0.26])
    error = change.std(ddof=1) / math.sqrt(3)
    assert row.difference == pytest.approx(0.25)
    assert (row.lower, row.upper) == (
        pytest.approx(0.25 - 4.302652730 * error),
        pytest.approx(0.25 + 4.302652730 * error),
    )
    assert row.smallest_detectable == pytest.approx((4.302652730 + 1.060660172) * error)
    assert (row.seeds, row.seeds_won, row.improvement, row.regression) == (3, 3, True, False)
    assert row.verdict == "kept better than raw by 25.0 points [22.5, 27.5], 3/3 seeds"


def test_no_difference_says_what_would_have_shown() -> None:
    (row,) = compare({"raw": _runs("top1", [0.30, 0.32, 0.31]), "kept": _runs("top1", [0.31, 0.31, 0.32])}, "raw").rows
    assert not row.improvement and not row.regression
    assert row.verdict == "no difference shown between kept and raw (+0.3 points, smallest detectable 3.6 points)"


def test_lower_is_better_for_nll() -> None:
    (row,) = compare(
        {"raw": _runs("shapes.nll", [1.90, 1.92, 1.91]), "kept": _runs("shapes.nll", [1.01, 1.02, 1.03])}, "raw"
    ).rows
    assert row.improvement
    assert row.seeds_won == 3
    assert row.verdict.startswith("kept better than raw by 0.890 [0.8")
    (row,) = compare(
        {"raw": _runs("shapes.nll", [1.01, 1.02, 1.03]), "kept": _runs("shapes.nll", [1.90, 1.92, 1.91])}, "raw"
    ).rows
    assert row.regression
    assert row.verdict.startswith("kept worse than raw by 0.890 [0.8")
    assert row.verdict.endswith("3/3 seeds")


def _answered(values: np.ndarray) -> dict[int, dict[str, np.ndarray]]:
    return {seed: {"t.top1": row} for seed, row in enumerate(values)}


def test_answers_pair_over_pictures_too() -> None:
    generator = np.random.default_rng(5)
    before, after = (generator.random((4, 50)) < chance for chance in (0.4, 0.6))
    runs = {arm: _runs("t.top1", list(hits.mean(1))) for arm, hits in (("raw", before), ("kept", after))}
    answers = {"raw": _answered(before.astype(float)), "kept": _answered(after.astype(float))}
    (row,) = compare(runs, "raw", answers=answers).rows
    wanted = over_both(after.astype(float) - before)
    assert row.over == "seeds and pictures" and row.p == wanted.p
    assert (row.difference, row.lower) == (
        pytest.approx(wanted.mean),
        pytest.approx(wanted.mean - (wanted.half(0.95) or 0)),
    )
    assert compare(runs, "raw").rows[0].over == "seeds", "without answers"
    some = {"raw": answers["raw"], "kept": {seed: answers["kept"][seed] for seed in range(3)}}
    assert compare(runs, "raw", answers=some).rows[0].over == "seeds", "of one seed they are missing"
    others = {arm: {seed: {"t.top1": 1 - row["t.top1"]} for seed, row in each.items()} for arm, each in answers.items()}
    assert compare(runs, "raw", answers=others).rows[0].over == "seeds", "their means are not the metric"
    per_picture = compare(runs, "raw", answers=answers, pictures={"t": 10}).rows[0]
    assert (per_picture.upper or 0) > (row.upper or 0), "five texts of one picture count as one"


def test_p_values_are_corrected_for_all_rows() -> None:
    generator = np.random.default_rng(6)
    every = {
        arm: {seed: {f"m{k}": generator.normal(k * (arm == "b") / 2, 1) for k in range(6)} for seed in range(5)}
        for arm in ("a", "b", "c")
    }
    rows = compare(every, "a").rows
    p = sorted(row.p or 0 for row in rows)
    assert len(p) == 12
    smallest = min(rows, key=lambda row: row.p or 0)
    assert smallest.p_holm == pytest.approx(min(1, 12 * p[0]))
    assert all((row.p_holm or 0) >= (row.p or 0) for row in rows)
    for row in rows:
        assert (row.p or 0) <= 0.05 if row.improvement or row.regression else (row.p or 0) > 0.05


def test_shares_of_the_pairs_widen_the_interval() -> None:
    runs = {"raw": _runs("m", [0.3, 0.32, 0.31, 0.33]), "kept": _runs("m", [0.5, 0.56, 0.53, 0.52])}
    whole, halves = (compare(runs, "raw", parts=parts).rows[0] for parts in (1, 2))
    change = np.array([0.2, 0.24, 0.22, 0.19])
    half = quantile(0.975, 3) * change.std(ddof=1) * math.sqrt(spread(2, range(4)))
    assert (halves.lower, halves.upper) == (pytest.approx(change.mean() - half), pytest.approx(change.mean() + half))
    assert (whole.upper or 0) < (halves.upper or 0)


def test_the_headline() -> None:
    runs = {
        arm: {seed: {"b.top1": 0.1 + step + seed / 100, "a.auc": 0.5, "average": 0.3} for seed in range(2)}
        for arm, step in (("raw", 0), ("kept", 0.1))
    }
    assert compare(runs, "raw").headline == "average" == compare(runs, "raw").rows[0].metric
    without = {arm: {s: {k: v for k, v in run.items() if k != "average"} for s, run in seeds.items()}
               for arm, seeds in runs.items()}  # fmt: skip
    assert compare(without, "raw", main={"b": "top1", "a": "auc"}).headline == "b.top1"
    assert compare(without, "raw").headline == "a.auc"
    assert compare(runs, "raw", headline="b.top1").headline == "b.top1"
    with pytest.raises(SourceError, match=r"b\.top2"):
        compare(runs, "raw", headline="b.top2")


def test_every_pair_is_ranked_on_the_headline() -> None:
    runs = {
        "raw": _runs("m", [0.30, 0.31, 0.29, 0.30]),
        "kept": _runs("m", [0.50, 0.52, 0.49, 0.51]),
        "random": _runs("m", [0.29, 0.32, 0.30, 0.30]),
    }
    found = compare(runs, "raw")
    assert [(place.arm, place.place, place.better_than) for place in found.ranking] == [
        ("kept", 1, ("random", "raw")),
        ("random", 2, ()),
        ("raw", 2, ()),
    ]
    assert (
        found.told_apart("kept", "raw") and found.told_apart("random", "kept") and not found.told_apart("raw", "random")
    )
    assert found.pairs["kept", "random"].difference == -found.pairs["random", "kept"].difference
    assert found.pairs["kept", "raw"].p_holm == pytest.approx(2 * (found.pairs["kept", "raw"].p or 0), rel=0.51)


def test_regressions_are_listed() -> None:
    before = {seed: {"count": 0.96 + seed / 1000, "top1": 0.3} for seed in range(3)}
    after = {seed: {"count": 0.92 + seed / 900, "top1": 0.5} for seed in range(3)}
    comparison = compare({"raw": before, "kept": after}, "raw")
    assert [row.metric for row in comparison.rows] == ["count", "top1"]
    assert [row.metric for row in comparison.regressions] == ["count"]
    assert compare({"raw": before, "kept": after}, "raw", ["top1"]).regressions == ()


def test_one_seed_gives_no_interval() -> None:
    (row,) = compare({"raw": _runs("top1", [0.3]), "kept": _runs("top1", [0.4])}, "raw").rows
    assert row.lower is None and row.upper is None
    assert not row.improvement and not row.regression
    assert row.verdict == "kept +10.0 points against raw in one seed: run two more at least"


def test_only_shared_seeds_count_and_equal_runs_do_not_differ() -> None:
    runs = _runs("top1", [0.3, 0.4, 0.5])
    (row,) = compare({"raw": runs, "kept": {seed: runs[seed] for seed in (1, 2)}}, "raw").rows
    assert row.seeds == 2
    assert (row.lower, row.upper) == (0, 0)
    assert not row.improvement and not row.regression


def test_every_arm_is_compared_with_the_baseline() -> None:
    runs = {name: _runs("top1", [0.1 * step, 0.1 * step + 0.01]) for step, name in enumerate(("a", "b", "c"), 1)}
    comparison = compare(runs, "b")
    assert comparison.arms == ("a", "c")
    assert [row.difference > 0 for row in comparison.rows] == [False, True]


def test_two_arms_that_do_not_differ_are_called_different_one_time_in_twenty() -> None:
    generator = np.random.default_rng(0)
    called = 0
    for _ in range(1000):
        first, second = generator.normal(0.5, 0.02, (2, 4))
        (row,) = compare({"a": _runs("m", list(first)), "b": _runs("m", list(second))}, "a").rows
        called += row.improvement or row.regression
    assert 30 <= called <= 70


@pytest.mark.parametrize(
    ("results", "baseline", "metrics", "message"),
    [
        ({"raw": _runs("m", [1.0]), "kept": _runs("m", [1.0])}, "row", None, "row"),
        ({"raw": _runs("m", [1.0])}, "raw", None, "one arm"),
        ({"raw": _runs("m", [1.0]), "kept": _runs("m", [1.0])}, "raw", ["top1"], "top1"),
        ({"raw": {0: {"m": 1.0}}, "kept": {1: {"m": 1.0}}}, "raw", None, "no seed in common"),
        ({"raw": _runs("m", [1.0]), "kept": _runs("m", [math.nan])}, "raw", None, "not a number"),
    ],
)
def test_what_cannot_be_compared(results: dict, baseline: str, metrics: list[str] | None, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        compare(results, baseline, metrics)
