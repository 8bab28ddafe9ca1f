from __future__ import annotations

from vlcorpus.probe.compare import Comparison, compare
from vlcorpus.probe.verdict import verdict

RAW = [0.30, 0.31, 0.29, 0.30]
KEPT = [0.50, 0.52, 0.49, 0.51]
RANDOM = [0.29, 0.32, 0.30, 0.31]


def _compared(**arms: list[float]) -> Comparison:
    runs = {arm: {seed: {"t.top1": value} for seed, value in enumerate(values)} for arm, values in arms.items()}
    return compare(runs, next(iter(arms)))


def test_better_than_the_baseline_and_than_a_random_subset() -> None:
    found = verdict(_compared(raw=RAW, kept=KEPT, random=RANDOM), {"random": "random"})
    assert found.tone == "good"
    assert found.words.startswith(
        "t.top1: kept better than raw by 20.5 points [19.6, 21.4], 4/4 seeds; and than random by"
    )


def test_choosing_may_be_no_better_than_having_less() -> None:
    found = verdict(_compared(raw=RAW, kept=KEPT, random=[0.51, 0.50, 0.49, 0.52]), {"random": "random"})
    assert "better than raw" in found.words and "; not told from random, a random subset of equal size" in found.words


def test_worse_and_not_told() -> None:
    found = verdict(_compared(raw=KEPT, kept=RAW))
    assert found.tone == "bad" and "kept worse than raw by 20.5 points" in found.words
    found = verdict(_compared(raw=RAW, kept=RANDOM))
    assert found.tone == "unsure" and "no difference shown between kept and raw" in found.words


def test_an_interval_without_zero_is_no_verdict_among_many_arms() -> None:
    near = [0.31, 0.322, 0.303, 0.318]
    alone = verdict(_compared(raw=RAW, near=near))
    assert alone.tone == "good"
    several = {f"a{k}": [value + k % 3 / 500 for value in RANDOM] for k in range(12)}
    many = verdict(_compared(raw=RAW, near=near, **several))
    assert many.tone == "unsure"
    assert "near +1.3 points against raw [" in many.words
    assert "not told apart once all 91 pairs of arms are tested" in many.words


def test_what_it_holds_for() -> None:
    comparison = _compared(raw=RAW, kept=KEPT)
    assert "of these very pairs" in verdict(comparison, repetitions=19.2).words
    assert "of these very pairs" not in verdict(comparison, repetitions=19.2, parts=2).words
    assert "of these very pairs" not in verdict(comparison, repetitions=3).words


def test_one_seed() -> None:
    found = verdict(_compared(raw=[0.3], kept=[0.5]), repetitions=20)
    assert found.words == "t.top1: kept +20.0 points against raw in one seed: run two more at least."
    assert found.tone == "unsure"


def test_failed_checks_take_it_back() -> None:
    found = verdict(_compared(raw=RAW, kept=KEPT), failed=("the harness leaks",))
    assert found.tone == "unsure" and found.words.endswith("But the figures cannot be trusted: the harness leaks.")


def test_regressions_beside_the_headline_are_said() -> None:
    runs = {
        arm: {seed: {"t.top1": hit, "count.top1": count - seed / 1000} for seed, hit in enumerate(hits)}
        for arm, hits, count in (("raw", RAW, 0.96), ("kept", KEPT, 0.90))
    }
    runs["kept"] = {seed: run | {"count.top1": run["count.top1"] + seed / 990} for seed, run in runs["kept"].items()}
    found = verdict(compare(runs, "raw", headline="t.top1"))
    assert found.tone == "good" and "Worse, corrected for all 2 rows: count.top1." in found.words
