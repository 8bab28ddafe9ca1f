"""sweep: how much of a corpus to keep, by one score: a curve.

    vlcorpus sweep CORPUS --suite exam/suite.yaml --keep 0.1 --keep 0.3 --random
    vlcorpus sweep CORPUS --suite exam/suite.yaml --recipes nano --recipes micro --by aesthetic

It stands for a filter, a training and a measuring for every share, recipe and seed, which the plan does first, in
parallel and resumably, and draws the curve. sweeps/<name>/sweep.json says of every share how it compares with keeping
all, which is best and whether that is sure; sweep.html shows it.

Cost: shares x recipes x seeds trainings; twice that with --random. Not for comparing different filters: compare.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..corpus import Corpus, read_json
from ..errors import UsageError
from ..spec import setting
from . import evaluate, suites, sweep_points
from .base import ALL, Stage, Tell, UnitCommit, Work
from .evaluate import Evaluate

AVERAGE = "average"
_PANEL = "Training, instead of the recipe's"


@dataclass(frozen=True, kw_only=True)
class Sweep(Stage):
    """Train and measure at several shares of the pairs, by one score, and draw the curve."""

    name = "sweep"
    makes = "sweeps"

    suite: str = setting(
        help="Suite to measure with: a YAML file, the name of one that ships, or a folder.", result=False, path=True
    )
    keep: tuple[float, ...] = setting(
        (0.1, 0.2, 0.3, 0.5),
        help="Share of the pairs to keep; repeat it. All is always measured, too.",
        least=0,
        most=1,
    )
    by: str = setting("similarity", help="The score: a column's name, or an expression that gives a number.")
    recipes: tuple[str, ...] = setting(("nano",), help="How to train; repeat it for a curve each.")
    seeds: tuple[int, ...] = setting((0, 1, 2), help="Seeds of each point.", least=0)
    random: bool = setting(
        False, help="At every share also as many pairs drawn at random: quality apart from quantity."
    )
    oracle: str | None = setting(None, help="A decision to train on besides: what would be best, where that is known.")
    metric: str | None = setting(
        None, help="What the curve shows, as task.metric; the average of the suite's main metrics if not given."
    )
    confidence: float = setting(0.95, help="Confidence of the intervals.", least=0.5, most=0.9999)
    sweep: str | None = setting(None, help="Name of the sweep; made of suite and score if not given.")
    model: str | None = setting(None, help="Whose similarity; the scored one if not given.", result=False, path=True)
    duplicates: str | None = setting(None, help="Train on one pair of each group of this grouping.")
    split: str | None = setting(None, help="Split layer whose `train` is trained on.")
    captions: tuple[str, ...] = setting((), help="Caption layers to train on, as for train-probe.")
    architecture: str | None = setting(None, help="Towers.", panel=_PANEL)
    steps: int | None = setting(None, help="Steps.", least=1, panel=_PANEL)
    batch_size: int | None = setting(None, help="Pairs of a batch.", least=2, most=65_536, panel=_PANEL)
    root: str | None = setting(None, help="Folder with the suite's pictures and tables.", result=False, path=True)
    device: str = setting("cpu", help="Where to train and measure: cpu, or cuda.", result=False)

    def sweep_name(self) -> str:
        return self.sweep or f"{self.suite_name()}-{sweep_points.score_name(self.by)}"

    def suite_name(self) -> str:
        return Evaluate(suite=self.suite).suite_name()

    def made(self) -> str:
        return f"sweeps/{self.sweep_name()}"

    def wanted(self) -> tuple[str, ...]:
        return (f"evaluations/{self.suite_name()}",)

    def before(self, corpus: Corpus) -> tuple[Stage, ...]:
        self.check(corpus)  # before anything of it is
        return sweep_points.stages(self)

    def check(self, corpus: Corpus) -> None:
        if not min(self.keep, default=1) > 0:
            raise UsageError("nothing can be learned of nothing (sweep: keep)", "keep more than 0")
        if not self.seeds or not self.recipes:
            raise UsageError("a sweep needs a seed and a recipe", "leave --seeds and --recipes away, or name one")
        tasks = [task.name for task in suites.opened(self.suite, self.root)[0].tasks]
        if self.metric not in (None, AVERAGE) and str(self.metric).rpartition(".")[0] not in tasks:
            raise UsageError(
                f"metric {self.metric!r} is of no task of the suite (sweep: metric)",
                f"say it as TASK.METRIC, as {tasks[0]}.top1; tasks are: {', '.join(tasks)}",
            )
        if self.oracle is not None and self.oracle not in corpus.layers("decisions"):
            raise UsageError(
                f"no decision {self.oracle} in {corpus.place} (sweep: oracle)",
                f"there are: {', '.join(corpus.layers('decisions')) or 'none'}",
            )

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        """What was measured, of the sweep's own probes; nothing for what is still to be."""
        layer = corpus.layer(f"evaluations/{self.suite_name()}")
        found = {}
        for arm in sweep_points.arms(self):
            for seed in self.seeds:
                own = f"{arm.probe}.seed-{seed}"
                found[f"measured/{own}"] = layer.digest(own) if layer.stats(own) is not None else ""
        return found

    def told(self, corpus: Corpus) -> tuple[str, ...]:
        layer = self.layer(corpus)
        if layer.stats(ALL) is None:
            return ()
        found: Mapping[str, Any] = read_json(layer.path("sweep.json"))
        return (str(found["verdict"]), f"the curve: {layer.path('sweep.html')}")

    def open(self, corpus: Corpus) -> Work:
        from ..probe.swept import sweep
        from ..report.swept import render

        def draw(unit: str, tell: Tell) -> None:
            inputs = self.inputs(corpus, unit)
            arms = sweep_points.arms(self)
            results = self._results(corpus, [arm.probe for arm in arms])
            metric = self.metric or AVERAGE
            made = sweep(
                sweep_points.points(corpus, arms, self.seeds),
                results,
                metric=metric,
                confidence=self.confidence,
                answers=self._answers(corpus, list(results), metric),
                suite=self.suite_name(),
            )
            with UnitCommit(self, corpus, self.layer(corpus), unit, inputs) as commit:
                commit.write("sweep.json", (json.dumps(made, indent=1, allow_nan=False) + "\n").encode())
                for name, payload in render(made).items():
                    commit.write(name, payload)
                commit.finish(seen=len(arms), kept=len(arms), verdict=made["verdict"])

        return draw

    def _results(self, corpus: Corpus, probes: list[str]) -> dict[str, dict[int, dict[str, float]]]:
        """As `evaluate.results`, of the sweep's own seeds, with the average of the main metrics."""
        suite = self.suite_name()
        found = evaluate.results(corpus, suite, probes)
        made: dict[str, dict[int, dict[str, float]]] = {}
        for probe in probes:
            own = {seed: values for seed, values in found.get(probe, {}).items() if seed in self.seeds}
            for seed, values in own.items():
                average = evaluate.described(corpus, suite, probe, seed)["average"]["value"]
                own[seed] = values | ({AVERAGE: float(average)} if average is not None else {})
            made[probe] = own
        return made

    def _answers(self, corpus: Corpus, probes: list[str], metric: str) -> dict[str, Any] | None:
        """One value a picture, of the metric alone; None where it is no mean of such values."""
        if metric == AVERAGE:
            return None
        made: dict[str, Any] = {}
        for probe in probes:
            found = evaluate.answers(corpus, self.suite_name(), [probe])[probe]
            made[probe] = {seed: {metric: each[metric]} for seed, each in found.items() if metric in each}
        return made
