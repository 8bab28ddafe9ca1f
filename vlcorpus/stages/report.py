"""report: what a corpus has to tell, as one HTML file that needs nothing else.

    vlcorpus report CORPUS --decision similarity-top-0.3
    vlcorpus report CORPUS --decision candidates-similarity-0.28       before anything is fetched
    vlcorpus report CORPUS --truth site/planted.jsonl        beside the truth of a picture world

reports/<name>.html: the funnel with every reason and what each predicate did, published rates beside ours, histograms
with their cuts and the pairs on both sides of each, rates by language and domain, how scores agree, how often a budget
would repeat a pair, learning curves, paired differences with intervals, and the commands that reproduce each step.

Reads the corpus twice and holds none of it: 12.8M candidates in about 40 s and 0.3 GB on one core.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..corpus import Corpus
from ..errors import SourceError
from ..spec import setting
from . import places
from .base import Stage, Tell, UnitCommit, Work

READ = ("embeddings", "scores", "decisions", "duplicates", "splits", "probes", "evaluations", "comparisons")
SCALES = (12_800_000, 128_000_000, 1_280_000_000, 12_800_000_000)
"""DataComp's budgets: small, medium, large, xlarge."""


@dataclass(frozen=True, kw_only=True)
class WriteReport(Stage):
    """Write an HTML report on the corpus: funnel, histograms, pictures, rates, curves, verdict."""

    name = "report"
    version = 2
    makes = "reports"

    decision: str | None = setting(
        None, help="Decision to show; the only one, or the only one by similarity, if not given."
    )
    suite: str | None = setting(None, help="Suite whose comparison is shown; the only one if not given.")
    headline: str | None = setting(None, help="Metric of the verdict, as colour_shape.top1; the first if not given.")
    arm: str | None = setting(None, help="Arm of the verdict; the first that is not the baseline if not given.")
    samples_seen: tuple[int, ...] = setting(
        SCALES, help="Training budgets to tell the repetitions of; DataComp's if not given.", unit="pairs", least=1
    )
    most_repeats: float = setting(
        10.0, help="Warn where a budget would repeat what is kept more often than this.", least=1
    )
    truth: str | None = setting(
        None, help="planted.jsonl of a picture world, to show beside the counts.", result=False, path=True
    )
    commands: tuple[str, ...] = setting((), help="Commands that reproduce the steps, as STEP: COMMAND.")
    report: str = setting("report", help="Name of the report.")

    def units(self, corpus: Corpus) -> Sequence[str]:
        return (self.report,)

    def wanted(self) -> tuple[str, ...]:
        names = ["candidates"]
        if self.decision is not None:
            names.append(f"decisions/{self.decision}")
        if self.suite is not None:
            names.append(f"comparisons/{self.suite}")
        return tuple(names)

    def uses(self) -> tuple[str, ...]:
        return ("shards", *READ)

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        found = {}
        for below in ("sources", *READ):
            for name in corpus.layers(below):
                found[f"{below}/{name}"] = corpus.layer(f"{below}/{name}").digest_all()
        return found | {name: corpus.layer(name).digest_all() for name in ("candidates", "shards")}

    def check(self, corpus: Corpus) -> None:
        if self.truth is not None and not places.here(self.truth, "--truth", places.A_FILE).is_file():
            raise SourceError(f"no file {self.truth}", "leave --truth away unless the corpus is of a picture world")

    def open(self, corpus: Corpus) -> Work:
        def write(unit: str, tell: Tell) -> None:
            from ..report.page import render
            from . import findings

            inputs = self.inputs(corpus, unit)
            about = findings.gather(
                corpus,
                decision=self.decision,
                suite=self.suite,
                headline=self.headline,
                arm=self.arm,
                truth=Path(self.truth) if self.truth else None,
                commands=self.commands,
                samples_seen=self.samples_seen,
                most_repeats=self.most_repeats,
            )
            with UnitCommit(self, corpus, self.layer(corpus), unit, inputs) as commit:
                commit.write(f"{unit}.html", render(about).encode("utf-8", "backslashreplace"))
                commit.finish(seen=1, kept=1)

        return write
