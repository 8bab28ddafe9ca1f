from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.toys import Grow, Sow
from vlcorpus.corpus import Corpus
from vlcorpus.pipeline.executor import Done, Failed, Task
from vlcorpus.pipeline.forecasting.meter import Cost, Meter
from vlcorpus.pipeline.plan import Plan, Step
from vlcorpus.pipeline.run import run
from vlcorpus.spec import setting
from vlcorpus.stages.base import Stage, Tell, Work
from vlcorpus.stages.sharing import share


@dataclass(frozen=True, kw_only=True)
class Adds(Stage):
    """A reduction that adds numbers up, some of it in parts."""

    name = "adds"
    makes = "sums"

    parts: int = setting(3, help="Parts.")

    def open(self, corpus: Corpus) -> Work:
        def add(unit: str, tell: Tell) -> None:
            found = sum(share(self, corpus, "part", list(range(self.parts))))
            with self.commit(corpus, unit) as commit:
                commit.finish(seen=found, kept=found)

        return add

    def part(self, corpus: Corpus, number: int) -> int:
        return sum(range(300_000)) // sum(range(300_000))


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus.create(tmp_path / "toys")


def metered(corpus: Corpus, *stages: Stage) -> list[Cost]:
    with Meter() as meter:
        for stage in stages:
            list(run(Plan(corpus, (Step(stage),)), meter))
        return meter.costs


def test_units_are_done_and_committed_as_by_any_executor(corpus: Corpus) -> None:
    costs = metered(corpus, Sow(count=3), Grow())
    assert [each.unit for each in costs] == ["all", "00000", "00001", "00002"]
    assert corpus.layer("plants").units() == ("00000", "00001", "00002")
    assert corpus.layer("plants").path("00002.txt").read_text() == "20"
    assert all(each.start > 0 and each.wall > 0 and each.memory > 10**7 for each in costs)
    assert [each.start for each in costs] == sorted(
        each.start for each in costs
    )  # what went before is not a unit's own
    assert not any(each.device or each.shared for each in costs)


def test_what_could_be_shared_out_is_told_apart(corpus: Corpus) -> None:
    (cost,) = metered(corpus, Adds())
    assert (corpus.layer("sums").stats("all") or {})["seen"] == 3
    assert 0 < cost.shared <= cost.processor
    (alone,) = metered(corpus, Adds(parts=1))
    assert alone.shared == 0.0  # one part is nobody else's


@pytest.mark.parametrize(
    ("stage", "words", "traced"),
    [(Grow(fail_at="00001"), "stony ground", False), (Grow(bug_at="00001"), "ZeroDivisionError", True)],
)
def test_failures_are_results(corpus: Corpus, stage: Stage, words: str, traced: bool) -> None:
    metered(corpus, Sow(count=3))
    found = results(corpus, stage, ["00000", "00001", "00002"])
    assert [type(each) for each in found] == [Done, Failed, Done]
    assert words in found[1].error.message and bool(found[1].trace) is traced


def test_a_worker_that_dies_is_an_error_and_no_hang(corpus: Corpus) -> None:
    metered(corpus, Sow(count=2))
    found = results(corpus, Grow(die_at="00000", deaths=9), ["00000", "00001"])
    assert [type(each) for each in found] == [Failed]
    assert "died" in found[0].error.message and "--sample" in found[0].error.hint


def results(corpus: Corpus, stage: Stage, units: Sequence[str]) -> list[Any]:
    with Meter() as meter:
        for unit in units:
            meter.submit(Task(stage, corpus, unit))
        return list(meter.results())
