"""What a corpus has to tell, gathered from its layers as sections of a report.

    gather(corpus, decision="similarity-top-0.3")       -> vlcorpus.report.model.Report

Only what is there is told: a corpus without probes gets no curves, one without images no pictures. With the truth of a
picture world, planted counts stand beside what was found. Each subject has a file in telling/. The corpus is read
twice, shard by shard (telling/survey.py); nothing is held for every row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..corpus import Corpus
from ..errors import CorpusError
from ..io import table
from ..report import model
from ..scores.histogram import BINS
from .base import ALL, software
from .planted import Truth
from .telling import beside, budgets, choices, pictures, probes, rates, scores, steps
from .telling.cuts import Cut, cuts_of, deciding
from .telling.probes import is_main
from .telling.shown import Shown, default_decision
from .telling.steps import pages, totals
from .telling.survey import SAMPLE, Survey, survey

__all__ = ["gather", "is_main", "pages", "scored", "totals"]

LIBRARIES = ("torch", "open_clip_torch", "pyarrow", "pillow", "duckdb", "faiss-cpu", "numpy")


def gather(
    corpus: Corpus,
    *,
    decision: str | None = None,
    suite: str | None = None,
    headline: str | None = None,
    arm: str | None = None,
    truth: Path | None = None,
    commands: Sequence[str] = (),
    samples_seen: Sequence[int] = tuple(budgets.SCALES),
    most_repeats: float = budgets.MOST,
    sample: int = SAMPLE,
) -> model.Report:
    """The report of a corpus as it stands. sample: rows that correlations are taken of.

    CorpusError where there are no pairs, or the decision is of other rows than there are now; UsageError where there is
    no such decision.
    """
    if not corpus.layer("candidates").units():
        raise CorpusError(
            f"there are no pairs in {corpus.place}", "import or crawl some first: `vlcorpus status CORPUS`"
        )
    shown = Shown.of(corpus, decision or default_decision(corpus))
    planted = Truth.read(corpus, truth) if truth is not None else None
    comparison = probes.comparison_of(corpus, suite)
    sections: list[model.Section] = [steps.funnel(corpus, shown.decision, planted)]
    if shown.predicates:
        sections.append(steps.predicates(shown))
    read = _read(shown, sample)
    sections += read.beside
    if planted is not None and shown.decision is not None:
        sections.append(planted.kinds_by_verdict(shown.decision))
    sections += _scores(corpus, shown, read, planted)
    sections += rates.sections(shown, read.found)
    sections += scores.correlations(shown, scores.numeric(shown), read.found.sample, read.found.keep)
    sections += choices.sections(corpus, shown.decision)
    notices: tuple[str, ...] = ()
    if shown.decision is not None:
        repeated = budgets.repetitions(shown, samples_seen, most_repeats)
        sections.append(repeated.section)
        notices = (repeated.notice,) if repeated.notice else ()
    sections += probes.curves(corpus, comparison)
    if comparison is not None:
        sections += probes.differences_of(comparison, headline)
    if commands:
        listed = (model.Command(*_step(text)) for text in commands)
        sections.append(model.Commands("Reproduce each step", tuple(listed)))
    sections.append(_provenance(corpus))
    return model.Report(
        title=corpus.name,
        subtitle="What each step did to this corpus, and what that did to a model trained on it.",
        verdict=probes.verdict(comparison, headline, arm),
        notices=notices,
        summary=_summary(corpus, shown, planted),
        sections=tuple(sections),
    )


class _Read:
    """What was counted, and the published rates beside it."""

    def __init__(self, cuts: tuple[Cut, ...], found: Survey, sections: list[model.Section]) -> None:
        self.cuts = cuts
        self.found = found
        self.beside = sections


def _read(shown: Shown, sample: int) -> _Read:
    cuts = cuts_of(shown)
    asked = beside.Asked(shown)
    groups = [cut.by for cut in cuts if cut.by is not None]
    found = survey(
        shown,
        cuts,
        numbers=scores.drawn(shown, cuts),
        texts=tuple(dict.fromkeys([*rates.texts(shown), *_texts(shown, groups)])),
        sampled=(*scores.numeric(shown), *asked.columns),
        pictured=deciding(shown, cuts, pictures.MOST_CUTS),
        size=sample,
    )
    return _Read(cuts, found, asked.sections(found.sample, found.keep))


def _texts(shown: Shown, groups: Sequence[str]) -> list[str]:
    """Those groups that are named by texts."""
    from .. import expression
    from ..expression.kinds import Kind

    kinds = {text: expression.compile_value(text, shown.known.types).kind for text in groups}
    return [text for text, kind in kinds.items() if kind is Kind.TEXT]


def _scores(corpus: Corpus, shown: Shown, read: _Read, planted: Truth | None) -> list[model.Section]:
    """Histograms, with that of a picture world by what was planted, and the pictures at the cuts."""
    sections: list[model.Section] = []
    of_truth = planted is not None and shown.decision is not None and scores.SIMILARITY in read.found.bins
    if of_truth:
        assert planted is not None and shown.decision is not None
        sections += _by_truth(corpus, shown.decision, planted, read.cuts)
    sections += scores.histograms(shown, read.found, read.cuts, but=(scores.SIMILARITY,) if of_truth else ())
    return sections + pictures.pictures(shown, read.found, read.cuts)


def scored(corpus: Corpus, decision: str) -> Iterator[tuple[str, bytes, float, bool]]:
    """(shard, uid, similarity, kept) of every pair that has a similarity, for a picture world's few."""
    scored_by, decisions = corpus.layer("scores/similarity"), corpus.layer(f"decisions/{decision}")
    for shard in decisions.units():
        similarity = table.read(scored_by.path(f"{shard}.parquet"), "score-similarity")
        decided = table.read(decisions.path(f"{shard}.parquet"), "decisions", only=["uid", "keep"])
        columns = (similarity.column("uid"), similarity.column("similarity"), decided.column("keep"))
        for uid, value, keep in zip(*(column.to_pylist() for column in columns), strict=True):
            if value is not None:
                yield shard, uid, value, keep


def _by_truth(corpus: Corpus, decision: str, planted: Truth, cuts: Sequence[Cut]) -> list[model.Section]:
    """The similarity of true captions and of noise."""
    rows = list(scored(corpus, decision))
    if not rows:
        return []
    values = np.array([row[2] for row in rows])
    edges = np.linspace(values.min(), max(values.max(), values.min() + 1e-6), BINS + 1)
    good = np.array([planted.is_true(uid) for _, uid, _, _ in rows])
    parts = [("true captions", values[good]), ("noise", values[~good])]
    series = tuple(model.Series(name, tuple(map(int, np.histogram(part, edges)[0]))) for name, part in parts)
    marks = tuple(
        model.Mark(cut.threshold, cut.keeps)
        for cut in cuts
        if cut.column == scores.SIMILARITY and cut.threshold is not None
    )
    note = f"AUC of true captions against noise, over fetched pairs: {planted.auc(rows):.4f}."
    return [model.Histogram("Similarity", tuple(map(float, edges)), series, marks, note=note)]


def _summary(corpus: Corpus, shown: Shown, planted: Truth | None) -> tuple[model.Fact, ...]:
    seen, kept, _ = totals(corpus, "candidates")
    facts = [model.Fact("pairs seen", f"{seen:,}"), model.Fact("candidates", f"{kept:,}", f"of {seen:,}")]
    if corpus.layer("shards").units():
        seen, kept, _ = totals(corpus, "shards")
        facts.append(model.Fact("with image", f"{kept:,}", f"of {seen:,}"))
    if shown.decision is not None:
        facts.append(model.Fact("kept", f"{shown.kept:,}", f"of {shown.seen:,}"))
    if planted is not None and shown.decision is not None and corpus.layer("scores/similarity").units():
        rows = list(scored(corpus, shown.decision))
        facts.append(model.Fact("filter AUC", f"{planted.auc(rows):.4f}", "true captions against noise"))
    return tuple(facts)


def _step(text: str) -> tuple[str, str]:
    step, _, command = text.partition(":")
    return (step.strip(), command.strip()) if command else ("step", text)


def _provenance(corpus: Corpus) -> model.Provenance:
    facts = [(name, version) for name, version in software(LIBRARIES).items()]
    for below in ("embeddings", "scores", "decisions", "splits", "duplicates"):
        for name in corpus.layers(below):
            layer = corpus.layer(f"{below}/{name}")
            unit = ALL if layer.stats(ALL) else next(iter(layer.units()), None)
            stats = layer.stats(unit) if unit else None
            if stats is not None:
                given = {key: value for key, value in stats["settings"].items() if value not in (None, [], "", False)}
                facts.append((f"{below}/{name}", json.dumps(given, ensure_ascii=False)))
    return model.Provenance("Provenance", tuple(facts))
