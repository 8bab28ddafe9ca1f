"""What arms stand for, and that what is missing is trained, measured and compared in one plan."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.stages.given import committed, given_corpus, run_here
from vlcorpus.corpus import Corpus
from vlcorpus.errors import UsageError
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.stages import contest, contest_arm
from vlcorpus.stages.compare import Compare
from vlcorpus.stages.evaluate import Evaluate
from vlcorpus.stages.export import Export
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.train_probe import TrainProbe
from vlcorpus.world.exam import write_exam

DOGS = Filter(where=('contains(alt_text, "dog") or contains(alt_text, "cat")',), decision="pets")
MOST = Filter(where=('not contains(alt_text, "dog")',), decision="most")
QUICK: dict[str, Any] = {"seeds": (0, 1), "steps": 1, "batch_size": 4, "recipe": "nano", "contamination": False}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of 40 pairs with two decisions, an export of one, another corpus, and a suite."""
    folder = tmp_path_factory.mktemp("contest")
    write_exam(folder / "exam", 24, 3, limit=10)
    corpus = given_corpus(folder / "c", 40)
    run_here(corpus, [DOGS, MOST, Export(out=str(folder / "exports" / "pets"), decision="pets")])
    other = given_corpus(folder / "other", 16)
    run_here(other, [DOGS])
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def corpus(folder: Path) -> Corpus:
    return Corpus.open(folder / "c")


def compared(folder: Path, *arms: str, **more: Any) -> Compare:
    return Compare(arms=arms, suite=str(folder / "exam" / "suite.yaml"), **(QUICK | more))


def told(corpus: Corpus, name: str = "exam") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((corpus.path / "comparisons" / name / "comparison.json").read_text())
    return found


def test_decisions_are_trained_measured_and_compared(folder: Path, corpus: Corpus) -> None:
    stage = compared(folder, "all", "pets", parts="1", control=True)
    names = ["all.nano", "pets.nano", "random-like-pets-0.nano", "all-mismatched.nano"]
    plan = make_plan(corpus, [stage])
    assert [step.stage.made() for step in plan.steps] == [
        "decisions/random-like-pets-0", *(f"probes/{name}" for name in names), "evaluations/exam", "comparisons/exam"
    ]  # fmt: skip
    assert not (corpus.path / "probes").exists(), "a plan writes nothing"
    assert {each.todo for each in plan.outlook() if each.stage == "train-probe"} == {2}, "a unit a seed, also foreseen"
    made = committed(run_here(corpus, [stage]))
    assert sorted(made) == sorted(
        [
            "decisions/random-like-pets-0/all",
            *(f"probes/{name}/seed-{seed}" for name in names for seed in (0, 1)),
            *(f"evaluations/exam/{name}.seed-{seed}" for name in names for seed in (0, 1)),
            "comparisons/exam/all",
        ]
    )
    found = told(corpus)
    assert (found["baseline"], found["arms"]) == ("all", ["pets", "random"]), "the mismatched arm competes with none"
    about = found["about"]
    assert [(arm, each["control"]) for arm, each in about.items()] == [
        ("all", "none"), ("pets", "none"), ("random", "random"), ("all-mismatched", "mismatched")
    ]  # fmt: skip
    assert {each["samples_seen"] for each in about.values()} == {4}
    assert about["all"]["pairs"] == 40 and about["pets"]["pairs"] == about["random"]["pairs"] == 10
    assert about["random"]["source"] == "as many random pairs as pets"
    states = {check["check"]: check["state"] for check in found["checks"]}
    assert states["shuffled captions"] in ("good", "failed") and states["same training"] == "good"
    assert "random subset" not in states
    assert not committed(run_here(corpus, [stage])), "all of it is done"
    assert [step.stage.name for step in make_plan(corpus, [stage]).steps] == ["compare"]


def test_more_seeds_are_added_to_those_there(folder: Path, corpus: Corpus) -> None:
    stage = compared(folder, "all", "pets", random=False, parts="1")
    run_here(corpus, [stage])
    made = committed(run_here(corpus, [replace(stage, seeds=(0, 1, 2))]))
    assert sorted(made) == [
        "comparisons/exam/all",
        "evaluations/exam/all.nano.seed-2",
        "evaluations/exam/pets.nano.seed-2",
        "probes/all.nano/seed-2",
        "probes/pets.nano/seed-2",
    ]
    assert all(row["seeds"] == 3 for row in told(corpus)["rows"])
    run_here(corpus, [stage])
    assert all(row["seeds"] == 2 for row in told(corpus)["rows"]), "of arms that are trained here, those asked for"


def test_exports_and_other_corpora(folder: Path, corpus: Corpus) -> None:
    other = str(folder / "other")
    arms = ("all", str(folder / "exports" / "pets"), other, f"{other}#pets")
    run_here(corpus, [compared(folder, *arms, parts="1")])
    found = told(corpus)
    assert found["arms"] == ["pets", "other", "other-pets"]
    assert {arm: each["pairs"] for arm, each in found["about"].items()} == {
        "all": 40, "pets": 10, "other": 16, "other-pets": 4
    }  # fmt: skip
    (check,) = [check for check in found["checks"] if check["check"] == "random subset"]
    assert check["state"] == "not done"


def test_decisions_and_exports_of_earlier_steps(folder: Path) -> None:
    """In a recipe the corpus may not have been begun when the plan is made."""
    fresh = Corpus.foreseen(folder / "new")
    stage = compared(folder, "all", "kept")
    kept = replace(MOST, decision="kept")
    corpus = given_corpus(folder / "new", 16)
    plan = make_plan(fresh, [kept, stage])
    assert [step.stage.name for step in plan.steps] == [
        "filter", "filter", "train-probe", "train-probe", "train-probe", "evaluate", "compare"
    ]  # fmt: skip
    trained = [step.stage for step in plan.steps if isinstance(step.stage, TrainProbe)]
    assert {each.parts for each in trained} == {2}, "halves, while sizes are not known"
    run_here(corpus, [kept, stage])
    assert told(corpus)["arms"] == ["kept", "random"]
    assert not committed(run_here(corpus, [kept, stage])), "now sizes are known, and shares stay as they were"


def test_probes_of_earlier_steps(folder: Path, corpus: Corpus) -> None:
    """As recipes were written before: probes by name, a suite by name."""
    training = [TrainProbe(probe=name, seeds=(0, 1), steps=1, batch_size=4) for name in ("raw", "pets")]
    measured = Evaluate(suite=str(folder / "exam" / "suite.yaml"), probes=("raw", "pets"))
    stage = Compare(arms=("raw", "pets"), suite="exam", baseline="raw", contamination=False)
    plan = make_plan(corpus, [*training, measured, stage])
    assert [step.stage.name for step in plan.steps] == ["train-probe", "train-probe", "evaluate", "compare"]
    run_here(corpus, [*training, measured, stage])
    assert told(corpus)["about"]["pets"]["probe"] == "pets", "a probe goes before a decision of its name"


def test_a_probe_and_a_decision_of_one_name(folder: Path, corpus: Corpus) -> None:
    run_here(corpus, [TrainProbe(probe="pets", seeds=(0, 1), steps=1, batch_size=4)])
    assert contest_arm.entry(corpus, "pets").pairs is None
    assert contest_arm.entry(corpus, "probes/pets").pairs is None
    for text in ("decisions/pets", str(corpus.path / "decisions" / "pets")):
        found = contest_arm.entry(corpus, text)
        assert found.pairs is not None and (found.name, found.pairs["decision"]) == ("pets", "pets")
    assert contest_arm.entry(corpus, str(corpus.path)) == contest.entry(corpus, "all")
    with pytest.raises(UsageError, match="two arms are called pets: probe pets and decision pets"):
        make_plan(corpus, [compared(folder, "all", "pets", "decisions/pets")])


def test_namesakes_are_refused(folder: Path, corpus: Corpus) -> None:
    export = str(folder / "exports" / "pets")
    with pytest.raises(UsageError, match="two arms are called pets: decision pets and export pets") as caught:
        make_plan(corpus, [compared(folder, "all", "pets", export)])
    assert "a name of its own" in (caught.value.hint or "")
    run_here(corpus, [compared(folder, "all", "pets", random=False, parts="1")])
    with pytest.raises(UsageError, match=r"probes/pets\.nano was trained with (on|decision) ") as caught:
        make_plan(corpus, [compared(folder, "all", export, named="exports", parts="1")])
    assert "remove" in (caught.value.hint or "")


def test_the_random_subset_is_of_the_largest_decision(folder: Path, corpus: Corpus) -> None:
    found = contest.field(compared(folder, "all", "pets", "most"), corpus)
    assert found.entries[-1].source == "as many random pairs as most" and found.no_random is None
    assert contest.field(compared(folder, "all", "pets", random=False), corpus).before[0].name == "train-probe"
    found = contest.field(compared(folder, "most", "pets"), corpus)
    assert [each.name for each in found.entries] == ["most", "pets"] and "where the baseline is `all`" in (
        found.no_random or ""
    )
    run_here(corpus, [Filter(random_like="pets", decision="drawn")])
    found = contest.field(compared(folder, "all", "pets", "drawn"), corpus)
    assert [(each.name, each.control) for each in found.entries] == [
        ("all", "none"), ("pets", "none"), ("drawn", "random")
    ], "there is one already"  # fmt: skip


def test_shares_suit_the_smallest_arm(folder: Path, corpus: Corpus) -> None:
    def parts(**more: Any) -> set[int]:
        found = contest.field(compared(folder, "all", "pets", random=False, **more), corpus)
        return {each.parts for each in found.before if isinstance(each, TrainProbe)}

    assert parts(steps=1, batch_size=4) == {2}, "8 samples in all, of 10 pairs: as many as seeds"
    assert parts(seeds=(0, 1, 2, 3), steps=1, batch_size=4) == {4}
    assert parts(seeds=(0, 1, 2, 3), steps=10, batch_size=4) == {2}
    assert parts(seeds=(0,)) == {1}
    assert parts(seeds=(0, 1, 2), parts="3") == {3}


def test_arms_are_named_from_anywhere(folder: Path, corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of the same name where one stands does not change what an arm is."""
    (folder / "here" / "all").mkdir(parents=True)
    (folder / "here" / "pets").mkdir()
    monkeypatch.chdir(folder / "here")
    found = contest.field(compared(folder, "all", "pets"), corpus)
    assert [each.source for each in found.entries[:2]] == ["every pair with an image", "decision pets"]
    run_here(corpus, [compared(folder, "all", "pets", random=False)])
    stats = corpus.layer("comparisons/exam").stats("all")
    assert stats is not None and stats["settings"]["arms"] == [".", "./decisions/pets"]


def test_what_cannot_be_an_arm(folder: Path, corpus: Corpus) -> None:
    for text, words in (
        ("most-of", "no arm 'most-of'"),
        ("decisions/mine", "no arm 'decisions/mine'"),
        (f"{folder / 'other'}#most", "no decision most in"),
        (str(folder / "nowhere" / "train"), "needs the folder"),
    ):
        with pytest.raises(UsageError, match=words):
            make_plan(corpus, [compared(folder, "all", text)])
    run_here(corpus, [compared(folder, "all", "pets", random=False)])
    shutil.rmtree(folder / "exam")
    again = Compare(arms=("all", "most"), suite="exam", named="more", **(QUICK | {"random": False}))
    with pytest.raises(UsageError, match="was not measured with suite exam") as caught:
        make_plan(corpus, [again])
    assert caught.value.hint == "name the suite's file: --suite PATH"
