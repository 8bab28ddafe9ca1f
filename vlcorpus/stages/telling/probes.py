"""What the probes say: learning curves, paired differences, every metric, and the verdict."""

from __future__ import annotations

from typing import Any

from ...corpus import Corpus, read_json
from ...report import model
from ..base import ALL
from ..compare import Compare


def comparison_of(corpus: Corpus, suite: str | None) -> dict[str, Any] | None:
    """The comparison on a suite, or the only one; None where there is none, or an older vlcorpus wrote it."""
    known = corpus.layers("comparisons")
    name = suite if suite is not None else known[0] if len(known) == 1 else None
    stats = corpus.layer(f"comparisons/{name}").stats(ALL) if name is not None else None
    if stats is None or stats["stage_version"] < Compare.version:
        return None
    found: dict[str, Any] = read_json(corpus.layer(f"comparisons/{name}").path("comparison.json"))
    return found


def curves(corpus: Corpus, comparison: dict[str, Any] | None) -> list[model.Section]:
    if comparison:
        probes = {name: comparison["about"][name]["probe"] for name in (comparison["baseline"], *comparison["arms"])}
    else:
        probes = {name: name for name in corpus.layers("probes")[:6]}
    arms = []
    for name, probe in probes.items():
        layer = corpus.layer(f"probes/{probe}")
        runs = []
        for seed in layer.units():
            curve = read_json(layer.path(f"{seed}/metrics.json"))["curve"]
            samples = tuple(float(step["samples_seen"]) for step in curve)
            runs.append(model.Run(int(seed.removeprefix("seed-")), samples, tuple(step["loss"] for step in curve)))
        if runs:
            arms.append(model.Arm(name, tuple(runs)))
    if not arms:
        return []
    note = "Training loss. It says how hard the pairs are to tell apart, not how good the model is: noise stays high."
    return [model.Curves("Learning curves", tuple(arms), y_label="contrastive loss", note=note)]


def differences_of(comparison: dict[str, Any], headline: str | None) -> list[model.Section]:
    sections: list[model.Section] = []
    for arm in comparison["arms"]:
        own = [row for row in comparison["rows"] if row["arm"] == arm and row["lower"] is not None]
        shares = [row for row in own if not row["lower_is_better"]]
        points = [row for row in shares if headline is None or row["metric"] == headline or is_main(row["metric"])]
        differences = tuple(
            model.Difference(row["metric"], 100 * row["difference"], 100 * row["lower"], 100 * row["upper"])
            for row in sorted(points, key=lambda row: row["metric"] != headline)
        )
        if differences:
            title = f"{arm} against {comparison['baseline']}"
            note = f"Paired over {own[0]['seeds']} seeds, and pictures where a metric is their mean; "
            note += f"{100 * comparison['confidence']:g} % intervals, each for itself."
            sections.append(model.Forest(title, differences, note=note))
    names = [comparison["baseline"], *comparison["arms"]]
    metrics = list(dict.fromkeys(row["metric"] for row in comparison["rows"]))
    rows = []
    for metric in metrics:
        by_arm = {row["arm"]: row for row in comparison["rows"] if row["metric"] == metric}
        first = next(iter(by_arm.values()))
        worse = [arm for arm, row in by_arm.items() if row["regression"]]
        cells = [first["baseline_mean"], *(by_arm[arm]["mean"] for arm in comparison["arms"])]
        rows.append((metric, *cells, "worse: " + ", ".join(worse) if worse else None))
    columns = (model.Column("metric"), *(model.Column(name) for name in names), model.Column("regressions"))
    sections.append(model.Table("Every metric", columns, tuple(rows), "Means over seeds; regressions are shown too."))
    return sections


def is_main(metric: str) -> bool:
    """Whether a metric is one of the few shares that a first look needs."""
    return metric == "average" or metric.endswith((".top1", ".accuracy", "_r1", ".auc"))


def verdict(comparison: dict[str, Any] | None, headline: str | None, arm: str | None) -> model.Verdict:
    if comparison is None:
        return model.Verdict("No verdict yet: no probes were compared.")
    if headline in (None, comparison["headline"]) and arm is None:
        return model.Verdict(comparison["verdict"]["words"], comparison["verdict"]["tone"])
    chosen = arm or comparison["arms"][0]
    own = [row for row in comparison["rows"] if row["arm"] == chosen]
    row = next((row for row in own if row["metric"] == headline), own[0])
    sure = row["lower"] is not None and not row["lower"] <= 0 <= row["upper"]
    tone = "unsure" if not sure else "bad" if row["regression"] else "good"
    return model.Verdict(f"{row['metric']}: {row['verdict']}", tone)  # type: ignore[arg-type]
