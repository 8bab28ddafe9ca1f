"""A stage whose words stand for others: the plan puts them in front of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.pipeline.test_run import do, kinds, total
from tests.pipeline.toys import Grow, Prune, Reap, Sow, walk
from vlcorpus.corpus import Corpus
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.spec import setting
from vlcorpus.stages.base import Stage, Tell, Work


@dataclass(frozen=True, kw_only=True)
class Feast(Stage):
    """Stands for the whole walk before it."""

    name = "feast"
    makes = "feasts"
    needs = ("harvest",)

    factor: int = setting(10, help="Factor.")

    def before(self, corpus: Corpus) -> tuple[Stage, ...]:
        (corpus.path.parent / "named").write_text(" ".join(corpus.layers("fields")))
        return tuple(walk(factor=self.factor))

    def open(self, corpus: Corpus) -> Work:
        def feast(unit: str, tell: Tell) -> None:
            with self.commit(corpus, unit) as commit:
                commit.write("eaten.txt", total(corpus).encode())
                commit.finish(seen=1, kept=1)

        return feast


@dataclass(frozen=True, kw_only=True)
class Plough(Stage):
    name = "plough"
    makes = "fields/north"
    creates = True

    def open(self, corpus: Corpus) -> Work:
        def plough(unit: str, tell: Tell) -> None:
            with self.commit(corpus, unit) as commit:
                commit.finish(seen=0, kept=0)

        return plough


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus.create(tmp_path / "c")


def test_what_it_stands_for_is_done_first(corpus: Corpus) -> None:
    plan = make_plan(corpus, [Feast()])
    assert [step.stage.name for step in plan.steps][-1] == "feast"
    assert [stage.name for stage in plan.added] == [stage.name for stage in walk()]
    assert not any(each.done for each in plan.outlook()) and not (corpus.path / "seeds").exists()
    events = kinds(do(corpus, [Feast()]))
    assert events["grow", "committed"] == 4 and events["feast", "committed"] == 1
    assert corpus.layer("feasts").path("eaten.txt").read_text() == "60"


def test_what_is_done_is_not_put_in_front_again(corpus: Corpus) -> None:
    do(corpus, [Feast()])
    assert [step.stage.name for step in make_plan(corpus, [Feast()]).steps] == ["feast"]
    assert not kinds(do(corpus, [Feast()]))["feast", "committed"]
    changed = kinds(do(corpus, [Feast(factor=2)]))
    assert changed["sow", "committed"] == 0 and changed["grow", "committed"] == 4 and changed["feast", "committed"] == 1


def test_what_the_plan_has_is_not_there_twice(corpus: Corpus) -> None:
    plan = make_plan(corpus, [*walk(), Feast()])
    assert [step.stage.name for step in plan.steps] == [*(stage.name for stage in walk()), "feast"]
    assert plan.added == ()
    do(corpus, [*walk(), Feast()])
    assert corpus.layer("feasts").path("eaten.txt").read_text() == "60"


def test_it_is_told_of_layers_that_earlier_steps_bring(tmp_path: Path) -> None:
    fresh = Corpus.foreseen(tmp_path / "new")
    make_plan(fresh, [Plough(), Feast()])
    assert (tmp_path / "named").read_text() == "north" and not fresh.path.exists()
    assert fresh.layers("fields") == ()


def test_its_own_errors_stop_the_plan(corpus: Corpus) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Picky(Feast):
        def before(self, corpus: Corpus) -> tuple[Stage, ...]:
            return (Reap(), Prune(), Grow(), Sow())  # nothing to reap yet

    with pytest.raises(Exception, match="reap needs"):
        make_plan(corpus, [Picky()])
