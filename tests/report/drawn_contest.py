"""A comparison and a sweep with made-up numbers, to test and to look at.

python -m tests.report.drawn_contest OUT        writes all their files
"""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path
from typing import Any

COLOURS = ("red", "green", "blue", "yellow", "teal", "violet", "orange", "grey")
SHAPES = ("circle", "square", "star", "triangle", "ring", "cross", "heart", "arrow", "moon", "hexagon")

ARMS = {"filtered": 0.21, "random": -0.004, "mismatched": -0.17}
MEASURES: tuple[tuple[str, float, float | None], ...] = (
    ("top1", 0.23, 0.0125),
    ("top5", 0.52, 0.0625),
    ("mean_per_class_recall", 0.23, 0.0125),
    ("nll", 3.1, math.log(80)),
)
TASKS: tuple[tuple[str, tuple[tuple[str, float, float | None], ...]], ...] = (
    ("things", MEASURES),
    ("colour", MEASURES),
    ("retrieval", (("image_to_text_r1", 0.14, 0.001), ("text_to_image_r10", 0.43, 0.01), ("median_rank", 18.0, 500.0))),
    ("count", (("accuracy", 0.61, 0.333),)),
    ("attribute swaps", (("accuracy", 0.66, 0.5),)),
)


def comparison(
    text: str = "", arms: dict[str, float] | None = None, tasks: int = 0, classes: int = 0, seed: int = 3
) -> dict[str, Any]:
    """`text` is put into every string that strangers choose; tasks and classes: so many more."""
    rng = random.Random(seed)
    effects = {arm + text: effect for arm, effect in (arms or ARMS).items()}
    baseline = "raw" + text
    more = tuple((f"vtab/task_{place:02d}", MEASURES) for place in range(tasks))
    rows = [_row("average", "", "", arm, baseline, effect, 0.412, None, rng) for arm, effect in effects.items()]
    for task, measures in (*TASKS, *more):
        for measure, base, chance in measures:
            for arm, effect in effects.items():
                own = -0.3 * effect if task == "count" else effect
                rows.append(
                    _row(f"{task}{text}.{measure}", task + text, measure, arm, baseline, own, base, chance, rng)
                )
    labels = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]
    labels += [f"class {place}" for place in range(classes)]
    ordered = sorted(effects, key=lambda arm: -effects[arm])
    means = {row["arm"]: row["mean"] for row in rows if row["metric"] == f"things{text}.top1"}
    placed = [ordered[0], *sorted((baseline, *ordered[1:]), key=lambda arm: -effects.get(arm, 0.0))]
    return {
        "version": 2,
        "suite": "exam" + text,
        "suite_version": "3" + text,
        "evaluator_version": "2",
        "baseline": baseline,
        "arms": list(effects),
        "confidence": 0.95,
        "headline": f"things{text}.top1",
        "about": {
            arm: {
                "probe": arm,
                "source": f"decision {arm} of the corpus{text}",
                "pairs": pairs,
                "samples_seen": 128_000,
                "repetitions": 128_000 / pairs,
                "recipe": "micro v2" + text,
                "seeds": [0, 1, 2, 3, 4],
                "control": arm.removesuffix(text) if arm.removesuffix(text) in ("random", "mismatched") else "none",
                "loss": "clip",
                "architecture": "conv-micro",
            }
            for arm, pairs in zip((baseline, *effects), (20_000, *[6120] * len(effects)), strict=True)
        },
        "rows": rows,
        "ranking": [
            {
                "arm": arm,
                "place": 1 if not place else 2 if effects.get(arm, 0.0) > -0.05 else 4,
                "mean": means.get(arm, 0.23),
                "better_than": placed[1:] if not place else [] if effects.get(arm, 0.0) < -0.05 else placed[-1:],
            }
            for place, arm in enumerate(placed)
        ],
        "classes": [
            _label("things" + text, label + text, arm, effect, rng)
            for arm, effect in effects.items()
            for label in labels
        ],
        "averages": {
            "tasks": [task + text for task, _ in (*TASKS, *more)],
            "left_out": ["imagenet-a" + text, "winogavil"],
        },
        "checks": [
            {
                "check": "shuffled captions",
                "arm": None,
                "state": "good",
                "words": "at chance: 1.3 %" + text,
                "figures": {},
            },
            {
                "check": "repetition" + text,
                "arm": "filtered" + text,
                "state": "warning",
                "words": "filtered keeps 6,120 pairs: training on 128,000 samples saw each 20.9 times. Strict filters "
                "win short trainings and can lose long ones." + text,
                "figures": {"repetitions": 20.9},
            },
            {
                "check": "contamination",
                "arm": "raw" + text,
                "state": "good",
                "words": "none of 2,000 evaluation pictures is among the 20,000 pairs",
                "figures": {},
            },
            {
                "check": "label order",
                "arm": None,
                "state": "not done",
                "words": "guesses are not kept for this suite",
                "figures": {},
            },
        ],
        "verdict": {
            "words": "filtered is better than raw: things.top1 46.0 against 23.0 %, by 23.0 points [20.0, 25.9], in 5 "
            "of 5 seeds; random, of equal size, is not told apart from raw" + text,
            "tone": "good",
        },
        "software": {"vlcorpus": "0.9.0" + text, "torch": "2.14.0", "open_clip": "3.3.0"},
    }


def _row(
    metric: str,
    task: str,
    measure: str,
    arm: str,
    baseline: str,
    effect: float,
    base: float,
    chance: float | None,
    rng: random.Random,
) -> dict[str, Any]:
    lower_is_better = measure in ("nll", "median_rank")
    size = base * effect * (-2 if lower_is_better else 1) if lower_is_better else effect * rng.uniform(0.5, 1.1)
    difference = size + rng.gauss(0, 0.006) * base
    half = (0.02 + rng.random() * 0.02) * (base if lower_is_better else 1.0)
    apart = abs(difference) > half
    better = (difference > 0) != lower_is_better
    return {
        "metric": metric,
        "task": task or "average",
        "measure": measure or "average",
        "arm": arm,
        "baseline": baseline,
        "baseline_mean": base,
        "mean": base + difference,
        "difference": difference,
        "lower": difference - half,
        "upper": difference + half,
        "seeds": 5,
        "seeds_won": 5 if apart and better else 0 if apart else 3,
        "smallest_detectable": half * 1.4,
        "p": 0.0002 if apart else 0.31,
        "p_holm": 0.0006 if apart else 1.0,
        "chance": chance,
        "lower_is_better": lower_is_better,
        "over": "seeds" if measure in ("median_rank", "") else "seeds and pictures",
        "improvement": apart and better,
        "regression": apart and not better,
        "verdict": f"{arm} {'better' if better else 'worse'} than {baseline}",
    }


def _label(task: str, label: str, arm: str, effect: float, rng: random.Random) -> dict[str, Any]:
    base = rng.uniform(0.05, 0.7)
    recall = min(max(base + effect * rng.uniform(-0.4, 1.6), 0.0), 1.0)
    difference, half = recall - base, 0.08 + rng.random() * 0.08
    return {
        "task": task,
        "label": label,
        "arm": arm,
        "pictures": rng.randrange(15, 60),
        "baseline_recall": base,
        "recall": recall,
        "difference": difference,
        "lower": difference - half,
        "upper": difference + half,
        "regression": difference + half < 0,
    }


def curves(compared: dict[str, Any], steps: int = 500) -> dict[str, dict[int, list[tuple[int, float]]]]:
    """Losses that fall as such losses do, five seeds an arm."""
    made: dict[str, dict[int, list[tuple[int, float]]]] = {}
    for place, arm in enumerate((compared["baseline"], *compared["arms"])):
        floor = (3.6, 2.2, 3.7, 5.2)[place % 4] + 0.1 * (place // 4)
        made[arm] = {}
        for seed in range(5):
            rng = random.Random(100 * place + seed)
            made[arm][seed] = [
                (256 * step, floor + (5.54 - floor) * math.exp(-step / 140) + rng.gauss(0, 0.06))
                for step in range(1, steps + 1)
            ]
    return made


def sweep(text: str = "", recipes: tuple[str, ...] = ("nano v2", "micro v2")) -> dict[str, Any]:
    """Accuracy over the share that is kept: a hill, as in DataComp."""
    rng = random.Random(5)
    points: list[dict[str, Any]] = []
    for place, recipe in enumerate(recipes):
        for keep in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0):
            top, width = 0.3 + 0.1 * place, 0.55
            mean = 0.22 + 0.12 * place + 0.24 * math.exp(-((math.log(keep / top) / width) ** 2) / 2)
            values = {str(seed): mean + rng.gauss(0, 0.012) for seed in range(5)}
            mean = sum(values.values()) / 5
            base = 0.22 + 0.12 * place + 0.02
            points.append(
                {
                    "by": "similarity" + text,
                    "keep": keep,
                    "threshold": None if keep == 1.0 else 0.31 - 0.2 * keep,
                    "pairs": round(20_000 * keep),
                    "recipe": recipe + text,
                    "samples_seen": 40_000 * (place + 1),
                    "repetitions": 40_000 * (place + 1) / (20_000 * keep),
                    "values": values,
                    "mean": mean,
                    "lower": mean - 0.022,
                    "upper": mean + 0.022,
                    "difference": 0.0 if keep == 1.0 else mean - base,
                    "difference_lower": None if keep == 1.0 else mean - base - 0.02,
                    "difference_upper": None if keep == 1.0 else mean - base + 0.02,
                }
            )
    means = [point["mean"] for point in points]
    each = len(points) // len(recipes)
    told = {}
    for place, recipe in enumerate(recipes):
        own = range(each * place, each * (place + 1))
        best = max(own, key=lambda at: means[at])
        told[recipe + text] = {"baseline": own[-1], "best": best, "told_apart": [own[-1]], "p_holm": {}, "verdict": ""}
    return {
        "version": 1,
        "suite": "exam" + text,
        "metric": f"things{text}.top1",
        "confidence": 0.95,
        "seeds": [0, 1, 2, 3, 4],
        "points": points,
        "baseline": len(points) - 1,
        "best": means.index(max(means)),
        "recipes": told,
        "checks": [
            {
                "check": "repetition",
                "arm": "keep 0.05" + text,
                "state": "warning",
                "words": "1,000 pairs are seen 80 times",
                "figures": {},
            }
        ],
        "verdict": "Keep 50 % by similarity: things.top1 56.3 against 41.1 % of all pairs, by 20.3 points [18.3, 22.3]"
        + text,
        "metrics": {
            name + text: [[scale * mean, scale * (mean - 0.02), scale * (mean + 0.02)] for mean in means]
            for name, scale in (("things.top5", 1.4), ("retrieval.image_to_text_r1", 0.6), ("things.nll", 6.0))
        },
    }


def main(folder: Path) -> None:
    from vlcorpus.report import contest, swept

    many = {f"arm {place:02d}": 0.25 - 0.04 * place for place in range(12)}
    large = comparison(arms=many, tasks=35, classes=3000)
    told = comparison()
    for name, files in (
        ("usual", contest.render(told, curves(told))),
        ("large", contest.render(large, curves(large))),
        ("swept", swept.render(sweep())),
    ):
        for path, content in files.items():
            place = folder / name / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
