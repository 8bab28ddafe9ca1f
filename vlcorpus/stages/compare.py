"""compare: which corpus is better, and how sure that is.

    vlcorpus compare CORPUS all filtered --suite exam/suite.yaml         trains, measures and compares
    vlcorpus compare CORPUS exports/raw exports/clean ../other#clean --suite datacomp --baseline raw --recipe mini
    vlcorpus compare CORPUS raw filtered random --suite exam             probes that were measured already

An arm is a probe of the corpus, one of its decisions, `all`, an export or another corpus (stages.contest). What is
missing is trained and measured first, in the same plan: every arm sees the same number of samples, from the same
starts. Arms are compared seed by seed and picture by picture. comparisons/<name>/ holds comparison.json, tables and
figures for a paper and comparison.html; regressions are listed like gains.

Cost: arms x seeds trainings (see `train-probe`); the comparison itself takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..corpus import Corpus, Layer
from ..errors import UsageError, nearest
from ..spec import digest, setting
from . import contest, evaluate
from .base import ALL, Stage, Tell, UnitCommit, Work
from .evaluate import Evaluate

_TRAINING = "Training of arms that are no probes yet"
FILE = "comparison.json"


@dataclass(frozen=True, kw_only=True)
class Compare(Stage):
    """Say which of several corpora is better: decisions, exports, other corpora, or probes."""

    name = "compare"
    version = 2
    makes = "comparisons"

    arms: tuple[str, ...] = setting(
        (),
        help="What to compare: probes, decisions, `all`, exports, corpora or CORPUS#DECISION; all that was measured "
        "with the suite if none.",
        positional=True,
        result=False,  # what they come to is an input
        path=True,
    )
    suite: str | None = setting(
        None,
        help="Suite to measure with: a YAML file, a folder, the name of one that ships or was used; the only one used "
        "if not given.",
        result=False,
        path=True,
    )
    baseline: str | None = setting(
        None, help="Arm that the others are compared with; the first if not given.", result=False, path=True
    )
    headline: str | None = setting(
        None, help="Metric of the verdict, as task.measure; the average of the tasks' main ones if not given."
    )
    confidence: float = setting(0.95, help="Confidence of the intervals.", least=0.5, most=0.9999)
    named: str | None = setting(None, help="Name of the comparison; the suite's if not given.", result=False)
    random: bool = setting(
        True, help="Add a random subset as large as the largest decision that is compared with `all`.", result=False
    )
    control: bool = setting(
        False, help="Also train on mismatched captions: the tests must then be at chance.", result=False
    )
    contamination: bool | None = setting(
        None,
        help="Look for the suite's pictures among the pairs; if not said, where hashes are stored or pairs are few.",
        result=False,
    )
    root: str | None = setting(None, help="Folder with the suite's pictures and tables.", result=False, path=True)
    recipe: str | None = setting(
        None,
        help=f"How to train; as the probes among the arms, or {contest.DEFAULT_RECIPE}, if not given.",
        result=False,
        panel=_TRAINING,
    )
    seeds: tuple[int, ...] = setting(
        (0, 1, 2, 3, 4, 5), help="One probe a seed and arm.", least=0, result=False, panel=_TRAINING
    )
    parts: str = setting(
        "auto",
        help="Each seed trains on one of so many shares of its arm, so that the interval is not of these very pairs.",
        result=False,
        panel=_TRAINING,
    )
    duplicates: str | None = setting(
        None, help="Take one pair of each group of this grouping.", result=False, panel=_TRAINING
    )
    split: str | None = setting(None, help="Split layer whose `train` is taken.", result=False, panel=_TRAINING)
    captions: tuple[str, ...] = setting(
        (), help="Caption layers, as `train-probe` takes them.", result=False, panel=_TRAINING
    )
    architecture: str | None = setting(None, help="Towers, instead of the recipe's.", result=False, panel=_TRAINING)
    image_size: int | None = setting(
        None,
        help="Side of the pictures, instead of the recipe's.",
        unit="px",
        least=16,
        most=1024,
        result=False,
        panel=_TRAINING,
    )
    steps: int | None = setting(None, help="Steps, instead of the recipe's.", least=1, result=False, panel=_TRAINING)
    batch_size: int | None = setting(
        None, help="Pairs of a batch, instead of the recipe's.", least=2, most=65_536, result=False, panel=_TRAINING
    )
    device: str = setting("cpu", help="Where to train and measure: cpu, or cuda.", result=False)

    def made(self) -> str:
        name = self.named or (Evaluate(suite=self.suite).suite_name() if self.suite is not None else None)
        return "/".join(["comparisons", *([name] if name is not None else [])])

    def wanted(self) -> tuple[str, ...]:
        if self.suite is None:
            return ("evaluations",)
        return (f"evaluations/{Evaluate(suite=self.suite).suite_name()}",)

    def layer(self, corpus: Corpus) -> Layer:
        return corpus.layer(f"comparisons/{self.named or self.suite_name(corpus)}")

    def suite_name(self, corpus: Corpus) -> str:
        if self.suite is not None:
            return Evaluate(suite=self.suite).suite_name()
        return corpus.find("evaluations", None, flag="--suite", make=f"vlcorpus evaluate {corpus.place} SUITE")

    def before(self, corpus: Corpus) -> tuple[Stage, ...]:
        self._check_words()
        found = contest.field(self, corpus)
        self._refuse_others(corpus, found)
        return found.before

    def _check_words(self) -> None:
        from ..probe.recipes import RECIPES

        if self.parts != "auto" and not (self.parts.isdecimal() and 1 <= int(self.parts) <= len(self.seeds)):
            raise UsageError(
                f"'parts' is auto, or a number from 1 to that of the seeds; got {self.parts!r} (compare: parts)",
                "leave it away",
            )
        if self.recipe is not None and self.recipe not in RECIPES:
            raise UsageError(f"no recipe {self.recipe!r} (compare: recipe)", nearest(self.recipe, RECIPES))
        if not self.seeds:
            raise UsageError("'seeds' is empty (compare: seeds)", "name one at least; six tell more")

    def _refuse_others(self, corpus: Corpus, found: contest.Field) -> None:
        """UsageError where the name is that of a comparison of other arms."""
        stats = self.layer(corpus).stats(ALL)
        if stats is None or "arms" not in stats or not (self.arms or stats["settings"].get("arms")):
            return
        for what, before, now in (
            ("baseline", stats["baseline"], found.entries[0].name),
            ("arms", ", ".join(stats["arms"]), ", ".join(each.name for each in found.compared[1:])),
            ("suite", stats["suite"], found.suite),
        ):
            if before != now:
                layer = self.layer(corpus)
                raise UsageError(
                    f"{layer.name} exists with {what} {before}, not {now}",
                    f"choose another name, --named NAME, or remove {corpus.place}/{layer.name}",
                )

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        """What is compared, and what was measured of it; nothing of what is still to be."""
        found = contest.field(self, corpus)
        about = [[each.name, found.probes[each.name], each.control, each.source] for each in found.entries]
        inputs = {"compared": digest([found.suite, about, found.no_random, self.contamination])}
        measured, trained = corpus.layer(f"evaluations/{found.suite}"), corpus.layers("probes")
        for each in found.entries:
            probe = found.probes[each.name]
            layer = corpus.layer(f"probes/{probe}")
            for own in measured.units():
                name, _, seed = own.rpartition(".")
                if name == probe and each.counts(seed, self.seeds):
                    digests = [measured.digest(own)]
                    digests += [layer.digest(seed)] if probe in trained and layer.stats(seed) is not None else []
                    inputs[f"measured {own}"] = digest(digests)
        return inputs

    def told(self, corpus: Corpus) -> tuple[str, ...]:
        layer = self.layer(corpus)
        return (f"the comparison: {layer.path('comparison.html')}",) if layer.stats(ALL) is not None else ()

    def open(self, corpus: Corpus) -> Work:
        from ..report.contest import render
        from . import contest_told

        def judge(unit: str, tell: Tell) -> None:
            inputs, layer = self.inputs(corpus, unit), self.layer(corpus)
            found = contest.field(self, corpus)
            known = evaluate.measured(corpus, found.suite)
            for each in found.entries:
                if found.probes[each.name] not in known:
                    raise UsageError(
                        f"{found.probes[each.name]!r} was not measured with suite {found.suite}",
                        nearest(found.probes[each.name], known),
                    )
            told = contest_told.comparison(self, corpus, found)
            files = {FILE: (json.dumps(told, indent=1, allow_nan=False) + "\n").encode()}
            files |= render(told, contest_told.curves(self, corpus, found))
            with UnitCommit(self._kept(found), corpus, layer, unit, inputs) as commit:
                for name, payload in files.items():
                    commit.write(name, payload)
                _forget_others(layer, files)
                rows = len(told["rows"])
                compared = {name: told[name] for name in ("suite", "baseline", "arms", "headline", "verdict")}
                commit.finish(seen=rows, kept=rows, **compared)

        return judge

    def _kept(self, found: contest.Field) -> Compare:
        """The stage with its arms named so that they are found again from any folder."""
        if not self.arms:
            return self
        own = [each for each in found.entries if each.asked]
        return replace(self, arms=tuple(each.kept for each in own), baseline=own[0].kept)


def _forget_others(layer: Layer, files: Mapping[str, Any]) -> None:
    """Remove figures of an earlier comparison that this one does not have."""
    for name in layer.names("**/*"):
        if name not in files:
            layer.remove(name)
