"""What a corpus has to tell, gathered from its layers as sections of a report.

    gather(corpus, decision="similarity-top-0.3")       -> vlcorpus.report.model.Report

Only what is there is told: a corpus without probes gets no curves. With the truth of a picture world, planted counts
stand beside what was found.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..corpus import Corpus, read_json
from ..io import table
from ..report import model
from .base import ALL, software
from .planted import Truth
from .samples import stored

PICTURES = 24
BINS = 60
LIBRARIES = ("torch", "open_clip_torch", "pyarrow", "pillow", "duckdb", "faiss-cpu", "numpy")


def gather(
    corpus: Corpus,
    *,
    decision: str | None,
    suite: str | None,
    headline: str | None,
    arm: str | None,
    truth: Path | None,
    commands: Sequence[str],
) -> model.Report:
    """The report of a corpus as it stands."""
    decision = decision or _scored_decision(corpus)
    planted = Truth.read(corpus, truth) if truth is not None else None
    comparison = _comparison(corpus, suite)
    sections: list[model.Section] = [_funnel(corpus, decision, planted)]
    if planted is not None and decision is not None:
        sections.append(planted.kinds_by_verdict(decision))
    if decision is not None and corpus.layer("scores/similarity").units():
        sections += _similarity(corpus, decision, planted)
    sections += _curves(corpus, comparison)
    if comparison is not None:
        sections += _differences(comparison, headline)
    if commands:
        listed = (model.Command(*_step(text)) for text in commands)
        sections.append(model.Commands("Reproduce each step", tuple(listed)))
    sections.append(_provenance(corpus))
    return model.Report(
        title=corpus.name,
        subtitle="What each step did to this corpus, and what that did to a model trained on it.",
        verdict=_verdict(comparison, headline, arm),
        summary=_summary(corpus, decision, planted),
        sections=tuple(sections),
    )


def _scored_decision(corpus: Corpus) -> str | None:
    names = [name for name in corpus.layers("decisions") if name.startswith("similarity")]
    return names[0] if len(names) == 1 else None


def _comparison(corpus: Corpus, suite: str | None) -> dict[str, Any] | None:
    known = corpus.layers("comparisons")
    name = suite if suite is not None else known[0] if len(known) == 1 else None
    if name is None or corpus.layer(f"comparisons/{name}").stats(ALL) is None:
        return None
    found: dict[str, Any] = read_json(corpus.layer(f"comparisons/{name}").path("comparison.json"))
    return found


def totals(corpus: Corpus, layer: str) -> tuple[int, int, Counter[str]]:
    """Rows seen, kept and rejected by reason, over all units of a layer."""
    place = corpus.layer(layer)
    seen = kept = 0
    rejected: Counter[str] = Counter()
    for unit in place.units():
        stats = place.stats(unit)
        assert stats is not None
        seen, kept = seen + stats["seen"], kept + stats["kept"]
        rejected += Counter(stats["rejected"])
    return seen, kept, rejected


def _funnel(corpus: Corpus, decision: str | None, planted: Truth | None) -> model.Funnel:
    steps: list[model.FunnelStep] = []

    def told(stage: str, step: str, rejected: Counter[str], kept: int) -> None:
        expected = planted.expected(stage) if planted else {}
        for reason in sorted(rejected.keys() | expected.keys()):
            steps.append(model.FunnelStep(stage, step, reason, rejected[reason], expected.get(reason)))
        steps.append(model.FunnelStep(stage, step, "kept", kept, planted.kept(stage) if planted else None, kept=True))

    visited = pages(corpus)
    if visited:
        expected = planted.pages() if planted else {}
        for reason in sorted(visited.keys() | expected.keys()):
            passed = reason == "visited"
            steps.append(model.FunnelStep("crawl", "pages", reason, visited[reason], expected.get(reason), kept=passed))
    _, kept, rejected = totals(corpus, "candidates")
    told("crawl" if visited else "import", "pairs", rejected, kept)
    _, kept, rejected = totals(corpus, "shards")
    told("download", "pairs", rejected, kept)
    for name in corpus.layers("duplicates"):
        kinds = _duplicates(corpus, name)
        expected = planted.duplicates() if planted else {}
        for kind in ("exact", "near", "alone"):
            steps.append(model.FunnelStep("dedup", name, kind, kinds[kind], expected.get(kind), kept=kind == "alone"))
    if decision is not None:
        _, kept, rejected = totals(corpus, f"decisions/{decision}")
        told("filter", decision, rejected, kept)
    return model.Funnel(
        "What became of each pair",
        tuple(steps),
        "Every row that came in is a row that went out, kept or with a reason."
        + (" The planted truth stands beside the count." if planted else ""),
    )


def _duplicates(corpus: Corpus, name: str) -> Counter[str]:
    """Pairs by what dedup said of them."""
    groups = table.read(corpus.layer(f"duplicates/{name}").path("groups.parquet"), "duplicates", only=["kind"])
    kinds = Counter(groups.column("kind").to_pylist())
    return kinds + Counter(alone=totals(corpus, "shards")[1] - kinds.total())


def pages(corpus: Corpus) -> Counter[str]:
    """Pages by what a crawl said of them."""
    found: Counter[str] = Counter()
    for source in corpus.layers("sources"):
        stats = corpus.layer(f"sources/{source}").stats(ALL)
        if stats is not None:
            found += Counter(stats.get("pages", {}))
    return found


def scored(corpus: Corpus, decision: str) -> Iterator[tuple[str, bytes, float, bool]]:
    """(shard, uid, similarity, kept) of every pair that has a similarity."""
    scores, decisions = corpus.layer("scores/similarity"), corpus.layer(f"decisions/{decision}")
    for shard in decisions.units():
        similarity = table.read(scores.path(f"{shard}.parquet"), "score-similarity")
        decided = table.read(decisions.path(f"{shard}.parquet"), "decisions", only=["uid", "keep"])
        columns = (similarity.column("uid"), similarity.column("similarity"), decided.column("keep"))
        for uid, value, keep in zip(*(column.to_pylist() for column in columns), strict=True):
            if value is not None:
                yield shard, uid, value, keep


def _similarity(corpus: Corpus, decision: str, planted: Truth | None) -> list[model.Section]:
    rows = list(scored(corpus, decision))
    if not rows:
        return []
    values = np.array([row[2] for row in rows])
    edges = np.linspace(values.min(), max(values.max(), values.min() + 1e-6), BINS + 1)
    threshold = _threshold(corpus, decision)
    if planted is not None:
        good = np.array([planted.is_true(uid) for _, uid, _, _ in rows])
        parts = [("true captions", values[good]), ("noise", values[~good])]
    else:
        parts = [("pairs", values)]
    series = tuple(model.Series(name, tuple(map(int, np.histogram(part, edges)[0]))) for name, part in parts)
    note = f"AUC of true captions against noise, over fetched pairs: {planted.auc(rows):.4f}." if planted else ""
    histogram = model.Histogram("Similarity", tuple(map(float, edges)), series, threshold, note=note)
    near = sorted(rows, key=lambda row: (abs(row[2] - threshold), row[1]) if threshold is not None else (0, row[1]))
    kept = [row for row in near if row[3]][:PICTURES]
    dropped = [row for row in near if not row[3]][:PICTURES]
    bodies = _thumbnails(corpus, [*kept, *dropped])
    shown, hidden = (tuple(bodies[uid] for _, uid, _, _ in side) for side in (kept, dropped))
    return [histogram, model.Pictures("On both sides of the threshold", shown, hidden)]


def _threshold(corpus: Corpus, decision: str) -> float | None:
    stats = corpus.layer(f"decisions/{decision}").stats(ALL)
    for predicate in stats["predicates"] if stats else ():
        if predicate.get("column") == "similarity":
            cut = predicate["cut"]
            return float(cut["threshold"]) if cut else float(predicate["threshold"])
    return None


def _thumbnails(corpus: Corpus, rows: Sequence[tuple[str, bytes, float, bool]]) -> dict[bytes, model.Picture]:
    from ..images.thumbnail import thumbnail

    wanted = {uid: value for _, uid, value, _ in rows}
    found = {}
    for shard in sorted({shard for shard, *_ in rows}):
        for pair in stored(corpus, shard):
            if pair.uid in wanted:
                found[pair.uid] = model.Picture(thumbnail(pair.body), pair.caption, wanted[pair.uid])
    return found


def _curves(corpus: Corpus, comparison: dict[str, Any] | None) -> list[model.Section]:
    names = [comparison["baseline"], *comparison["arms"]] if comparison else list(corpus.layers("probes"))[:6]
    arms = []
    for name in names:
        layer = corpus.layer(f"probes/{name}")
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


def _differences(comparison: dict[str, Any], headline: str | None) -> list[model.Section]:
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
            note = f"Paired over {own[0]['seeds']} seeds, {100 * comparison['confidence']:g} % intervals."
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
    return metric.endswith((".top1", ".accuracy", "_r1", ".auc"))


def _verdict(comparison: dict[str, Any] | None, headline: str | None, arm: str | None) -> model.Verdict:
    if comparison is None:
        return model.Verdict("No verdict yet: no probes were compared.")
    chosen = arm or comparison["arms"][0]
    own = [row for row in comparison["rows"] if row["arm"] == chosen]
    row = next((row for row in own if row["metric"] == headline), own[0])
    sure = row["lower"] is not None and not row["lower"] <= 0 <= row["upper"]
    tone = "unsure" if not sure else "bad" if row["regression"] else "good"
    return model.Verdict(f"{row['metric']}: {row['verdict']}", tone)  # type: ignore[arg-type]


def _summary(corpus: Corpus, decision: str | None, planted: Truth | None) -> tuple[model.Fact, ...]:
    seen, kept, _ = totals(corpus, "candidates")
    facts = [model.Fact("pairs seen", f"{seen:,}"), model.Fact("candidates", f"{kept:,}", f"of {seen:,}")]
    seen, kept, _ = totals(corpus, "shards")
    facts.append(model.Fact("with image", f"{kept:,}", f"of {seen:,}"))
    if decision is not None:
        seen, kept, _ = totals(corpus, f"decisions/{decision}")
        facts.append(model.Fact("kept", f"{kept:,}", f"of {seen:,}"))
    if planted is not None and decision is not None:
        rows = list(scored(corpus, decision))
        facts.append(model.Fact("filter AUC", f"{planted.auc(rows):.4f}", "true captions against noise"))
    return tuple(facts)


def _step(text: str) -> tuple[str, str]:
    step, _, command = text.partition(":")
    return (step.strip(), command.strip()) if command else ("step", text)


def _provenance(corpus: Corpus) -> model.Provenance:
    facts = [(name, version) for name, version in software(LIBRARIES).items()]
    for below in ("embeddings", "decisions", "splits", "duplicates"):
        for name in corpus.layers(below):
            layer = corpus.layer(f"{below}/{name}")
            unit = ALL if layer.stats(ALL) else next(iter(layer.units()), None)
            stats = layer.stats(unit) if unit else None
            if stats is not None:
                given = {key: value for key, value in stats["settings"].items() if value not in (None, [], "")}
                facts.append((f"{below}/{name}", json.dumps(given, ensure_ascii=False)))
    return model.Provenance("Provenance", tuple(facts))
