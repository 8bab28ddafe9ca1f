"""compare: which corpus is better, and how sure that is.

    vlcorpus compare CORPUS raw filtered random --suite exam --baseline raw

Arms are compared seed by seed. comparisons/<suite>/<baseline>/comparison.json holds every metric with its paired
difference and interval; regressions are listed like gains.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ..corpus import Corpus, Layer
from ..errors import UsageError, nearest
from ..spec import setting
from . import evaluate
from .base import Stage, Tell, UnitCommit, Work


@dataclass(frozen=True, kw_only=True)
class Compare(Stage):
    """Compare probes that were measured with the same suite."""

    name = "compare"
    makes = "comparisons"

    probes: tuple[str, ...] = setting((), help="Probes to compare; all that were measured if none.", positional=True)
    suite: str | None = setting(None, help="Suite they were measured with; the only one if not given.")
    baseline: str | None = setting(None, help="Probe that the others are compared with; the first if not given.")
    confidence: float = setting(0.95, help="Confidence of the intervals.", least=0.5, most=0.9999)

    def made(self) -> str:
        return "/".join(["comparisons", *([Path(self.suite).stem] if self.suite else [])])

    def wanted(self) -> tuple[str, ...]:
        return (f"evaluations/{self.suite}" if self.suite else "evaluations",)

    def layer(self, corpus: Corpus) -> Layer:
        return corpus.layer(f"comparisons/{self.suite_name(corpus)}")

    def suite_name(self, corpus: Corpus) -> str:
        return corpus.find(
            "evaluations", self.suite, flag="--suite", make=f"vlcorpus evaluate {corpus.path} SUITE.yaml"
        )

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        layer = corpus.layer(f"evaluations/{self.suite_name(corpus)}")
        return {layer.name: layer.digest_all()}

    def open(self, corpus: Corpus) -> Work:
        from ..probe.compare import compare

        def judge(unit: str, tell: Tell) -> None:
            suite = self.suite_name(corpus)
            known = evaluate.measured(corpus, suite)
            arms = self.probes or known
            baseline = self.baseline or arms[0]
            ordered = tuple(dict.fromkeys([baseline, *arms]))
            for arm in ordered:
                if arm not in known:
                    raise UsageError(f"probe {arm!r} was not measured with suite {suite}", nearest(arm, known))
            results = evaluate.results(corpus, suite, ordered)
            made = compare({arm: results[arm] for arm in ordered}, baseline, confidence=self.confidence)
            rows = [
                asdict(row) | {"verdict": row.verdict, "regression": row.regression, "improvement": row.improvement}
                for row in made.rows
            ]
            about = {"suite": suite, "baseline": baseline, "arms": list(made.arms), "confidence": made.confidence}
            with UnitCommit(self, corpus, self.layer(corpus), unit, self.inputs(corpus, unit)) as commit:
                text = json.dumps(about | {"rows": rows}, indent=1)
                commit.write("comparison.json", (text + "\n").encode())
                commit.finish(seen=len(rows), kept=len(rows))

        return judge
