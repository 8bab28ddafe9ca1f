"""The funnel: every step of every stage with its reasons, and what each predicate of the decision did."""

from __future__ import annotations

from collections import Counter

from ...corpus import Corpus
from ...io import table
from ...report import model
from ..base import ALL
from ..planted import Truth
from .shown import Shown


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


def pages(corpus: Corpus) -> Counter[str]:
    """Pages by what a crawl said of them."""
    found: Counter[str] = Counter()
    for source in corpus.layers("sources"):
        stats = corpus.layer(f"sources/{source}").stats(ALL)
        if stats is not None:
            found += Counter(stats.get("pages", {}))
    return found


def funnel(corpus: Corpus, decision: str | None, planted: Truth | None) -> model.Funnel:
    """What became of each pair; beside the planted truth, where a picture world has one."""
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
    if corpus.layer("shards").units():
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


def predicates(shown: Shown) -> model.Table:
    """One line for each predicate, in order: what it met and what it did, by itself and beside the others."""
    seen, kept = shown.seen, shown.kept
    rows: list[tuple[model.Cell, ...]] = []
    missing = (shown.stats or {}).get("missing")
    for number, (stored, step) in enumerate(zip(shown.predicates, shown.funnel, strict=True)):
        gain = f"+{100 * step.alone / kept:.1f} %" if kept and step.alone else "–" if not step.alone else "from none"
        rows.append(
            (
                shown.says(stored),
                step.entering,
                step.rejected,
                _percent(seen - step.marginal, seen),
                step.alone,
                gain,
                int(missing[number]) if missing else None,
            )
        )
    columns = (
        "predicate",
        "reach it",
        "it rejects",
        "pass by itself",
        "rejected by it alone",
        "without it",
        "no value",
    )
    texts = ("pass by itself", "without it")
    return model.Table(
        f"What each predicate of {shown.decision} did",
        tuple(model.Column(name, wide=name == "predicate", right=name in texts) for name in columns),
        tuple(rows),
        f"In their order, of {seen:,} rows. Pass by itself: of all rows, whatever else they fail. Rejected by it "
        f"alone: rows that pass everything else; without it, the {kept:,} kept would be so many more. "
        "No value: rows that lack what it asks for.",
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"
