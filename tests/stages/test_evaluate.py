from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.stages.given import committed, given_corpus, run_here
from tests.stages.running import contents, do
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, SourceError, UsageError
from vlcorpus.io import table
from vlcorpus.stages.evaluate import Evaluate, answers, described, measured, pictures, results
from vlcorpus.stages.train_probe import TrainProbe
from vlcorpus.world.exam import write_exam


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    write_exam(folder / "exam", 40, 3, limit=20)
    write_exam(folder / "small" / "exam", 24, 4, limit=10)
    corpus = given_corpus(folder / "c", 20)
    stages = [TrainProbe(probe=name, seeds=(0, 1), steps=1, batch_size=4) for name in ("raw", "other.arm")]
    run_here(corpus, [*stages, Evaluate(suite=str(folder / "exam" / "suite.yaml"))])
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def suite(folder: Path) -> Evaluate:
    return Evaluate(suite=str(folder / "exam" / "suite.yaml"))


def test_every_probe_and_seed_is_measured(folder: Path) -> None:
    corpus = Corpus.open(folder / "c")
    layer = corpus.layer("evaluations/exam")
    assert layer.units() == ("other.arm.seed-0", "other.arm.seed-1", "raw.seed-0", "raw.seed-1")
    assert measured(corpus, "exam") == ("other.arm", "raw")
    found = results(corpus, "exam", ("other.arm", "raw"))
    assert {arm: set(seeds) for arm, seeds in found.items()} == {"other.arm": {0, 1}, "raw": {0, 1}}
    for unit in layer.units():
        about = json.loads(layer.path(f"{unit}/metrics.json").read_text())
        arm, _, seed = unit.rpartition(".seed-")
        flat = {f"{task}.{name}": value for task, by in about["metrics"].items() for name, value in by.items()}
        assert found[arm][int(seed)] == flat
        assert 0 <= flat["colour_shape.top1"] <= 1 and about["unreadable"] == []
        answers = table.read(layer.path(f"{unit}/answers.parquet"), "answers").to_pylist()
        own = [row["value"] for row in answers if (row["task"], row["measure"]) == ("colour_shape", "top1")]
        assert len(own) == 40 and sum(own) / 40 == pytest.approx(flat["colour_shape.top1"])


def test_the_answers_of_every_picture(folder: Path) -> None:
    corpus = Corpus.open(folder / "c")
    flat = results(corpus, "exam", ("raw", "other.arm"))
    found = answers(corpus, "exam", ("raw", "other.arm"))
    assert found.keys() == flat.keys() and found["raw"].keys() == {0, 1}
    for arm, seeds in found.items():
        for seed, by_metric in seeds.items():
            assert {"colour_shape.nll", "retrieval.text_to_image_r1", "attribute_swap.accuracy"} <= by_metric.keys()
            for metric, value_N in by_metric.items():
                assert value_N.dtype == np.float64
                assert value_N.mean() == pytest.approx(flat[arm][seed][metric], rel=1e-6)
    shown = pictures(corpus, "exam", "raw", 1)
    colours = [row for row in shown if row["task"] == "colour"]
    assert [row["sample"] for row in colours] == list(range(40))
    right = np.array([row["label"] == row["guess"] for row in colours])
    assert (right >= (found["raw"][1]["colour.top1"] == 1)).all()
    assert {row["label"] for row in shown if row["task"] == "retrieval"} == {None}
    about = described(corpus, "exam", "raw", 1)
    assert about["main"]["retrieval"] == "text_to_image_r1"
    mains = [flat["raw"][1][f"{task}.{metric}"] for task, metric in about["main"].items()]
    assert about["average"] == {"value": pytest.approx(np.mean(mains)), "tasks": list(about["main"]), "left_out": {}}
    assert about["clip_benchmark"]["retrieval"]["mean_recall@1"] >= 0


def test_it_is_done_once(folder: Path) -> None:
    corpus = Corpus.open(folder / "c")
    assert not committed(run_here(corpus, [suite(folder)]))
    exam = folder / "exam" / "colour.csv"
    exam.write_text(exam.read_text().replace("images/00001.jpg,", "images/00002.jpg,"))
    assert len(committed(run_here(corpus, [suite(folder)]))) == 4


def test_changed_pictures_are_measured_again(folder: Path) -> None:
    corpus = Corpus.open(folder / "c")
    shown = folder / "exam" / "images"
    (shown / "00003.jpg").write_bytes((shown / "00004.jpg").read_bytes())
    assert len(committed(run_here(corpus, [suite(folder)]))) == 4
    assert not committed(run_here(corpus, [suite(folder)]))


def test_workers_do_not_change_a_byte(folder: Path) -> None:
    corpus = Corpus.open(folder / "c")
    before = contents(corpus, "evaluations")
    shutil.rmtree(corpus.path / "evaluations")
    do(corpus, [suite(folder)], workers=2)
    assert contents(corpus, "evaluations") == before


def test_one_probe_of_several(folder: Path) -> None:
    corpus = Corpus.open(folder / "c")
    other = Evaluate(suite=str(folder / "small" / "exam" / "suite.yaml"), probes=("raw",))
    shutil.rmtree(corpus.path / "evaluations")
    assert committed(run_here(corpus, [other])) == ["evaluations/exam/raw.seed-0", "evaluations/exam/raw.seed-1"]


def test_figures_that_must_not_be_compared(folder: Path) -> None:
    corpus = Corpus.open(folder / "c")
    small = Evaluate(suite=str(folder / "small" / "exam" / "suite.yaml"), probes=("raw",))
    run_here(corpus, [small])
    with pytest.raises(CorpusError, match="measured with different suites"):
        results(corpus, "exam", ("raw", "other.arm"))
    results(corpus, "exam", ("raw",))
    run_here(corpus, [suite(folder)])
    run_here(corpus, [TrainProbe(probe="raw", seeds=(0,), steps=2, batch_size=4)])
    with pytest.raises(CorpusError, match="probe raw was trained again"):
        results(corpus, "exam", ("raw",))


def test_wrong_words(folder: Path) -> None:
    corpus = Corpus.open(folder / "c")
    with pytest.raises(SourceError, match="no suite at"):
        run_here(corpus, [Evaluate(suite=str(folder / "none.yaml"))])
    with pytest.raises(UsageError, match="needs probes/rwa"):
        run_here(corpus, [Evaluate(suite=suite(folder).suite, probes=("rwa",))])
