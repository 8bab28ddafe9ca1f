from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.stages.given import committed, run_here
from tests.stages.running import contents, do
from tests.stages.test_evaluate import made, suite  # noqa: F401
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, SourceError, UsageError
from vlcorpus.stages.compare import Compare
from vlcorpus.stages.evaluate import results
from vlcorpus.stages.telling import probes as telling
from vlcorpus.stages.train_probe import TrainProbe
from vlcorpus.views.freshness import Freshness

KEYS = {
    "version", "suite", "suite_version", "evaluator_version", "baseline", "arms", "confidence", "headline", "main",
    "parts", "about", "rows", "ranking", "classes", "averages", "checks", "software", "verdict",
}  # fmt: skip


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Corpus:  # noqa: F811
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Corpus.open(tmp_path / "c")


def comparison(corpus: Corpus, name: str = "exam") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((corpus.path / "comparisons" / name / "comparison.json").read_text())
    return found


def test_every_metric_against_the_baseline(corpus: Corpus) -> None:
    run_here(corpus, [Compare(baseline="raw")])
    found = comparison(corpus)
    assert found.keys() == KEYS
    assert (found["suite"], found["baseline"], found["arms"]) == ("exam", "raw", ["other.arm"])
    assert (found["confidence"], found["headline"], found["parts"]) == (0.95, "average", 1)
    values = results(corpus, "exam", ("raw", "other.arm"))
    tasks = found["averages"]["tasks"]
    for arm in values.values():
        for run in arm.values():
            run["average"] = sum(run[f"{task}.{found['main'][task]}"] for task in tasks) / len(tasks)
    assert {row["metric"] for row in found["rows"]} == set(values["raw"][0])
    for row in found["rows"]:
        change = [values["other.arm"][seed][row["metric"]] - values["raw"][seed][row["metric"]] for seed in (0, 1)]
        assert row["difference"] == pytest.approx(sum(change) / 2)
        assert row["lower"] <= row["difference"] <= row["upper"] and row["seeds"] == 2
        assert 0 <= row["p"] <= row["p_holm"] <= 1
        assert f"{row['task']}.{row['measure']}" == row["metric"] or row["metric"] == "average"
    over = {row["metric"]: row["over"] for row in found["rows"]}
    for metric in ("average", "colour.top1", "colour.nll", "retrieval.text_to_image_r10", "attribute_swap.accuracy"):
        assert over[metric] == "seeds and pictures"
    for metric in (
        "colour.mean_per_class_recall",
        "colour.ece",
        "retrieval.auc",
        "retrieval.image_to_text_median_rank",
    ):
        assert over[metric] == "seeds"
    assert found["about"]["raw"]["probe"] == "raw" and found["about"]["raw"]["samples_seen"] == 4
    assert {row["chance"] for row in found["rows"] if row["metric"] == "colour.top1"} == {0.125}


def test_classes_are_those_of_the_suite(corpus: Corpus) -> None:
    run_here(corpus, [Compare(baseline="raw")])
    found = comparison(corpus)
    values = results(corpus, "exam", ("raw", "other.arm"))
    own = [row for row in found["classes"] if row["task"] == "colour"]
    assert len(own) == len({row["label"] for row in own}) and sum(row["pictures"] for row in own) == 40
    for recall, arm in (("recall", "other.arm"), ("baseline_recall", "raw")):
        right = sum(row[recall] * row["pictures"] for row in own) / 40
        assert right == pytest.approx(sum(run["colour.top1"] for run in values[arm].values()) / 2)
    assert not {row["task"] for row in found["classes"]} & {"retrieval", "attribute_swap"}


def test_checks_say_what_was_looked_at(corpus: Corpus) -> None:
    run_here(corpus, [Compare(baseline="raw", contamination=False)])
    states = {(check["check"], check["arm"]): check["state"] for check in comparison(corpus)["checks"]}
    assert states["same training", None] == "good"
    assert states["repetition", "raw"] == states["repetition", "other.arm"] == "good"
    assert states["shuffled captions", None] == states["contamination", None] == "not done"
    assert sum(check == "label order" for check, _ in states) >= 1
    run_here(corpus, [Compare(baseline="raw", contamination=True)])
    found = [check for check in comparison(corpus)["checks"] if check["check"] == "contamination"]
    assert [(check["arm"], check["figures"]["pictures"]) for check in found] == [("raw", 240), ("other.arm", 240)]


def test_arms_that_were_trained_differently_are_told(corpus: Corpus) -> None:
    more = [TrainProbe(probe="longer", seeds=(0, 1), steps=2, batch_size=4), suite(corpus.path.parent)]
    run_here(corpus, [*more, Compare(arms=("raw", "longer"))])
    (check,) = [check for check in comparison(corpus)["checks"] if check["check"] == "same training"]
    assert check["state"] == "warning" and "samples seen: raw 4, longer 8" in check["words"]


def test_everything_is_written_to_be_read(corpus: Corpus) -> None:
    run_here(corpus, [Compare(baseline="raw")])
    folder = corpus.path / "comparisons" / "exam"
    for name in ("comparison.html", "comparison.csv", "comparison.tex", "methods.md"):
        assert folder.joinpath(name).stat().st_size, name
    assert list(folder.glob("figures/*.svg"))
    (folder / "figures" / "left.svg").write_text("of an earlier one")
    run_here(corpus, [Compare(baseline="raw", confidence=0.9)])
    assert not (folder / "figures" / "left.svg").exists()
    outputs = corpus.layer("comparisons/exam").stats("all")
    assert outputs is not None
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert written == {*outputs["outputs"], "all_stats.json"}


def test_the_first_probe_is_the_baseline(corpus: Corpus) -> None:
    run_here(corpus, [Compare(arms=("raw", "other.arm"))])
    assert comparison(corpus)["baseline"] == "raw"
    run_here(corpus, [Compare(arms=("other.arm", "raw"), suite="exam", named="turned")])
    assert comparison(corpus, "turned")["baseline"] == "other.arm"


def test_another_comparison_needs_another_name(corpus: Corpus) -> None:
    run_here(corpus, [Compare(arms=("raw", "other.arm"))])
    with pytest.raises(UsageError, match=r"comparisons/exam exists with baseline raw, not other\.arm") as caught:
        run_here(corpus, [Compare(arms=("other.arm", "raw"))])
    assert "--named" in (caught.value.hint or "")
    run_here(corpus, [Compare(arms=("raw", "other.arm"), confidence=0.9)])
    assert comparison(corpus)["confidence"] == 0.9, "the same arms may be compared anew"


def test_the_headline_may_be_chosen(corpus: Corpus) -> None:
    run_here(corpus, [Compare(baseline="raw", headline="colour.top1")])
    found = comparison(corpus)
    assert found["headline"] == "colour.top1" and found["verdict"]["words"].startswith("colour.top1: ")
    with pytest.raises(SourceError, match=r"metric 'colour\.top9'"):
        run_here(corpus, [Compare(baseline="raw", headline="colour.top9")])


def test_one_seed_gives_no_interval(corpus: Corpus) -> None:
    for arm in ("raw", "other.arm"):
        corpus.layer("evaluations/exam").path(f"{arm}.seed-1_stats.json").unlink()
    run_here(corpus, [Compare(baseline="raw")])
    found = comparison(corpus)
    for row in found["rows"]:
        assert row["lower"] is row["upper"] is row["p"] is None and "in one seed: run two more" in row["verdict"]
    assert found["verdict"]["tone"] == "unsure" and {place["place"] for place in found["ranking"]} == {1}


def test_it_is_done_once_and_follows_what_was_measured(corpus: Corpus) -> None:
    stage = Compare(baseline="raw")
    run_here(corpus, [stage])
    before = contents(corpus, "comparisons")
    assert not committed(run_here(corpus, [stage]))
    shutil.rmtree(corpus.path / "comparisons")
    do(corpus, [stage])
    assert contents(corpus, "comparisons") == before
    more = TrainProbe(probe="raw", seeds=(0, 1, 2), steps=1, batch_size=4)
    assert committed(run_here(corpus, [more, suite(corpus.path.parent), stage])) == [
        "probes/raw/seed-2",
        "evaluations/exam/raw.seed-2",
        "comparisons/all",
    ]
    assert all(row["seeds"] == 2 for row in comparison(corpus)["rows"]), "only seeds that both arms have"


def test_other_probes_of_the_suite_do_not_make_it_stale(corpus: Corpus) -> None:
    stage = Compare(arms=("raw", "other.arm"))
    run_here(corpus, [stage])
    stats = corpus.layer("comparisons/exam").stats("all")
    assert stats is not None and Freshness(corpus).of("all", stats) == "fresh"
    third = TrainProbe(probe="third", seeds=(0,), steps=1, batch_size=4)
    run_here(corpus, [third, suite(corpus.path.parent)])
    assert not committed(run_here(corpus, [stage]))
    assert Freshness(corpus).of("all", stats) == "fresh"


def test_a_corpus_that_moved_knows_its_comparison(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Compare(arms=("raw", "other.arm"))])
    moved = Corpus.open(Path(shutil.move(corpus.path, tmp_path / "elsewhere")))
    stats = moved.layer("comparisons/exam").stats("all")
    assert stats is not None and stats["settings"]["arms"] == ["./probes/raw", "./probes/other.arm"]
    assert Freshness(moved).of("all", stats) == "fresh"


def test_the_report_tells_its_verdict(corpus: Corpus) -> None:
    run_here(corpus, [Compare(baseline="raw")])
    found = telling.comparison_of(corpus, "exam")
    assert found is not None
    assert telling.verdict(found, None, None).words == found["verdict"]["words"]
    assert "colour.top1: " in telling.verdict(found, "colour.top1", "other.arm").words
    assert telling.curves(corpus, found) and telling.differences_of(found, "colour.top1")


def test_wrong_words(corpus: Corpus) -> None:
    with pytest.raises(UsageError, match="no arm 'rwa'") as caught:
        run_here(corpus, [Compare(arms=("rwa", "other.arm"))])
    assert caught.value.hint == "did you mean 'raw'?"
    with pytest.raises(UsageError, match="no arm 'x'"):
        run_here(corpus, [Compare(baseline="x")])
    with pytest.raises(SourceError, match="one arm only"):
        run_here(corpus, [Compare(arms=("raw",))])
    with pytest.raises(SourceError, match="no suite at exma"):
        run_here(corpus, [Compare(suite="exma")])
    with pytest.raises(UsageError, match="'parts' is auto, or a number from 1 to that of the seeds; got '7'"):
        run_here(corpus, [Compare(arms=("raw", "other.arm"), parts="7")])
    with pytest.raises(UsageError, match="no recipe 'nnao'"):
        run_here(corpus, [Compare(arms=("raw", "other.arm"), recipe="nnao")])
    shutil.rmtree(corpus.path / "evaluations")
    with pytest.raises(UsageError, match=r"nothing in .*evaluations"):
        run_here(corpus, [Compare()])


def test_what_was_trained_on_other_shares_is_not_compared(corpus: Corpus) -> None:
    halves = TrainProbe(probe="halves", seeds=(0, 1), parts=2, steps=1, batch_size=4)
    run_here(corpus, [halves, suite(corpus.path.parent)])
    with pytest.raises(CorpusError, match="shares of their pairs, raw in 1 and halves in 2"):
        run_here(corpus, [Compare(arms=("raw", "halves"))])
