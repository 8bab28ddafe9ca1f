from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from vlcorpus.errors import SourceError
from vlcorpus.probe.compare import compare
from vlcorpus.probe.swept import ORACLE, RANDOM, Point, sweep
from vlcorpus.report import swept as report

SEEDS = (0, 1, 2, 3)
TRUE = {0.1: 0.52, 0.2: 0.60, 0.3: 0.605, 0.5: 0.5, 1.0: 0.4}


def point(keep: float | None, by: str = "similarity", recipe: str = "nano v2", pairs: int = 6000) -> Point:
    own = round(pairs * (keep or 0.25))
    seen = 10_240 if recipe == "nano v2" else 76_800
    return Point(
        arm=f"{by}-{keep}-{recipe}",
        by=by,
        keep=keep,
        recipe=recipe,
        pairs=own,
        samples_seen=seen,
        repetitions=seen / own,
        threshold=None if keep is None else 1 - keep,
    )


def measured(points: list[Point], true: dict[Any, float], noise: float = 0.004, seed: int = 0) -> dict[str, Any]:
    """By arm and seed: a metric that lies where it should but for a part of each seed and a little luck."""
    draw = np.random.default_rng(seed)
    shared = {each: float(draw.normal(0, 0.02)) for each in SEEDS}
    return {
        each.arm: {
            number: {
                "t.top1": true[each.keep] + shared[number] + float(draw.normal(0, noise)),
                "t.nll": 2 - true[each.keep],
            }
            for number in SEEDS
        }
        for each in points
    }


def test_the_curve_and_its_best_point() -> None:
    points = [point(keep) for keep in TRUE]
    results = measured(points, TRUE)
    found = sweep(points, results, metric="t.top1", suite="exam")
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert [each["keep"] for each in found["points"]] == list(TRUE)
    assert (found["baseline"], found["suite"], found["seeds"]) == (4, "exam", list(SEEDS))
    assert found["points"][found["best"]]["keep"] in (0.2, 0.3)
    base = results[points[4].arm]
    for each, one in zip(found["points"], points, strict=True):
        own = results[one.arm]
        assert each["values"] == {str(seed): own[seed]["t.top1"] for seed in SEEDS}
        change = [own[seed]["t.top1"] - base[seed]["t.top1"] for seed in SEEDS]
        assert each["difference"] == pytest.approx(sum(change) / 4)
        assert each["difference_lower"] <= each["difference"] <= each["difference_upper"]
        assert each["lower"] < each["mean"] < each["upper"]
    assert found["points"][4]["difference"] == found["points"][4]["difference_lower"] == 0
    told = found["recipes"]["nano v2"]
    apart = {found["points"][place]["keep"] for place in told["told_apart"]}
    assert apart == {0.1, 0.5, 1.0}, "0.2 and 0.3 are alike; the others are not"
    assert "against keeping all 6,000 pairs" in found["verdict"] and "not told apart from 0." in found["verdict"]
    assert found["metrics"]["t.top1"][0] == [found["points"][0][name] for name in ("mean", "lower", "upper")]


def test_differences_are_those_of_compare() -> None:
    points = [point(keep) for keep in TRUE]
    results = measured(points, TRUE)
    rows = {row.arm: row for row in compare(results, points[4].arm, ["t.top1"]).rows}
    for each, one in zip(sweep(points, results, metric="t.top1")["points"][:4], points[:4], strict=True):
        row = rows[one.arm]
        ends = (each["difference"], each["difference_lower"], each["difference_upper"])
        assert ends == pytest.approx((row.difference, row.lower, row.upper))


def test_over_pictures_too_where_there_are_values() -> None:
    points = [point(keep) for keep in (0.3, 1.0)]
    draw = np.random.default_rng(0)
    hits = {
        each.arm: {n: {"t.top1": (draw.random(50) < TRUE[each.keep]).astype(float)} for n in SEEDS} for each in points
    }
    results = {arm: {n: {"t.top1": float(by["t.top1"].mean())} for n, by in own.items()} for arm, own in hits.items()}
    over = sweep(points, results, metric="t.top1", answers=hits)["points"][0]
    alone = sweep(points, results, metric="t.top1")["points"][0]
    assert (over["over"], alone["over"]) == ("seeds and pictures", "seeds")
    assert over["difference"] == pytest.approx(alone["difference"])


def test_nothing_is_claimed_of_noise() -> None:
    """Points that do not differ: one sweep in twenty may say that its best is better, and no more (Holm)."""
    points = [point(keep) for keep in TRUE]
    same = dict.fromkeys(TRUE, 0.5)
    claims = 0
    for seed in range(200):
        found = sweep(points, measured(points, same, 0.02, seed), metric="t.top1")
        claims += found["baseline"] in found["recipes"]["nano v2"]["told_apart"]
    assert claims <= 10


def test_as_many_at_random() -> None:
    points = [point(0.3), point(1.0), point(0.3, RANDOM), point(None, ORACLE)]
    true = {0.3: 0.6, 1.0: 0.4, None: 0.9}
    results = measured(points, true)
    for seed in SEEDS:
        results[points[2].arm][seed]["t.top1"] -= 0.25
    found = sweep(points, results, metric="t.top1")
    assert found["best"] == 0, "an oracle is no share that can be kept"
    assert "against as many pairs at random" in found["verdict"] and "which is not told apart" not in found["verdict"]
    assert [each["by"] for each in found["points"]] == ["similarity", "similarity", "random", "oracle"]
    assert found["points"][3]["keep"] is None and found["points"][3]["difference"] > 0.4
    for seed in SEEDS:
        results[points[2].arm][seed]["t.top1"] = results[points[0].arm][seed]["t.top1"] + 0.01 * (-1) ** seed
    found = sweep(points, results, metric="t.top1")
    assert "at random, which is not told apart" in found["verdict"]


def test_a_curve_for_each_recipe() -> None:
    points = [point(keep, recipe=recipe) for recipe in ("nano v2", "micro v2") for keep in (0.1, 1.0)]
    true = {"nano v2": {0.1: 0.6, 1.0: 0.4}, "micro v2": {0.1: 0.5, 1.0: 0.7}}
    results = {each.arm: measured([each], true[each.recipe])[each.arm] for each in points}
    found = sweep(points, results, metric="t.top1")
    assert {recipe: (each["baseline"], each["best"]) for recipe, each in found["recipes"].items()} == {
        "nano v2": (1, 0),
        "micro v2": (3, 3),
    }
    assert (found["baseline"], found["best"]) == (3, 3), "that of the longest training"
    assert "keep 0.1 by similarity (nano v2)" in found["verdict"]
    assert "keeping all (micro v2) came out best, surely better than 0.1" in found["verdict"]
    assert found["points"][0]["difference"] == pytest.approx(0.2, abs=0.01)


def test_lower_is_better() -> None:
    points = [point(keep) for keep in TRUE]
    found = sweep(points, measured(points, TRUE), metric="t.nll")
    assert found["lower_is_better"] and found["points"][found["best"]]["keep"] == 0.3
    assert found["recipes"]["nano v2"]["told_apart"] and "-0.205" in found["verdict"]


def test_one_seed_claims_nothing() -> None:
    points = [point(keep) for keep in TRUE]
    results = {arm: {0: own[0]} for arm, own in measured(points, TRUE).items()}
    found = sweep(points, results, metric="t.top1")
    assert "in one seed: run two more at least" in found["verdict"] and not found["recipes"]["nano v2"]["told_apart"]
    assert found["points"][0]["lower"] is None and found["points"][0]["difference_lower"] is None


def test_pairs_that_are_seen_too_often_are_told() -> None:
    points = [point(keep) for keep in TRUE]
    checks = sweep(points, measured(points, TRUE), metric="t.top1")["checks"]
    assert [each["state"] for each in checks] == ["warning", "good", "good", "good", "good"]
    assert checks[0]["figures"]["repetitions_longer"] == pytest.approx(10 * 10_240 / 600)
    assert "with 10 times the samples it would be 34" in checks[3]["words"]


def test_figures_that_cannot_be_swept() -> None:
    points = [point(keep) for keep in TRUE]
    results = measured(points, TRUE)
    with pytest.raises(SourceError, match="no points"):
        sweep([], {}, metric="t.top1")
    with pytest.raises(SourceError, match="keeps everything"):
        sweep(points[:3], results, metric="t.top1")
    with pytest.raises(SourceError, match=r"not measured in 't\.top2'") as caught:
        sweep(points, results, metric="t.top2")
    assert caught.value.hint == "did you mean 't.top1'?"
    with pytest.raises(SourceError, match="was not measured"):
        sweep(points, {points[0].arm: results[points[0].arm]}, metric="t.top1")
    results[points[2].arm][1]["t.top1"] = float("nan")
    with pytest.raises(SourceError, match="is not a number"):
        sweep(points, results, metric="t.top1")
    results[points[2].arm] = {9: results[points[2].arm][0]}
    with pytest.raises(SourceError, match="no seed in common"):
        sweep(points, results, metric="t.top1")


def test_it_can_be_drawn() -> None:
    points = [point(0.3), point(1.0), point(0.3, RANDOM), point(None, ORACLE)]
    found = sweep(points, measured(points, {0.3: 0.6, 1.0: 0.4, None: 0.9}), metric="t.top1")
    files = report.render(found)
    assert found["verdict"].encode() in files["sweep.html"] and b"<svg" in files["figures/sweep.svg"]
