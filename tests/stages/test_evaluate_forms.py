"""Suites that are folders or ship with vlcorpus, and models that are no probes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clip.drawn import tiny_directory
from tests.probe.drawn import CLASSES
from tests.probe.suites import array, drawn, write_classes, write_parquet, write_tars
from tests.stages.given import committed, given_corpus, run_here
from vlcorpus import assets, schema
from vlcorpus.corpus import Corpus
from vlcorpus.errors import SourceError
from vlcorpus.io import table
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.probe.suite import load_suite
from vlcorpus.stages.evaluate import Evaluate, described, measured, results
from vlcorpus.stages.suites import opened
from vlcorpus.stages.train_probe import TrainProbe


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    made = given_corpus(tmp_path_factory.mktemp("forms") / "c", 20)
    run_here(made, [TrainProbe(probe="raw", seeds=(0,), steps=1, batch_size=4)])
    return made


@pytest.fixture
def model(tmp_path: Path) -> str:
    tiny_directory(tmp_path / "tiny", seed=1)
    return f"local-dir:{tmp_path / 'tiny'}"


def test_a_folder_is_a_suite(corpus: Corpus, tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "some shapes", 20)
    stage = Evaluate(suite=str(folder))
    assert stage.suite_name() == "some-shapes"
    assert committed(run_here(corpus, [stage])) == ["evaluations/some-shapes/raw.seed-0"]
    assert results(corpus, "some-shapes", ("raw",))["raw"][0]["some-shapes.top1"] >= 0
    assert not committed(run_here(corpus, [stage]))
    (folder / "red_square" / "more.png").write_bytes(drawn(1)[0][0])
    assert committed(run_here(corpus, [stage])) == ["evaluations/some-shapes/raw.seed-0"]
    assert described(corpus, "some-shapes", "raw", 0)["pictures"] == {"some-shapes": 21}


def test_a_model_beside_a_probe(corpus: Corpus, tmp_path: Path, model: str) -> None:
    samples = [{"png": body, "cls": str(CLASSES.index(name)).encode()} for body, _, name in drawn(20)]
    folder = write_tars(tmp_path / "wds_both_test", samples, {"classnames.txt": "\n".join(CLASSES)})
    both = Evaluate(suite=str(folder), probes=("raw",), models=(model,))
    done = committed(run_here(corpus, [both]))
    assert len(done) == 2 and done[0] == "evaluations/wds_both_test/raw.seed-0"
    raw, slug = measured(corpus, "wds_both_test")
    assert (raw, done[1]) == ("raw", f"evaluations/wds_both_test/{slug}.seed-0") and slug.startswith("tiny.local.")
    assert set(results(corpus, "wds_both_test", (slug, raw))) == {slug, raw}
    assert described(corpus, "wds_both_test", slug, 0)["model"] == slug
    assert not committed(run_here(corpus, [both, Evaluate(suite=str(folder), models=(model,))]))
    tiny_directory(Path(model.removeprefix("local-dir:")).parent / "tiny2", seed=2)
    other = Evaluate(suite=str(folder), models=(f"{model}2",))
    assert committed(run_here(corpus, [other]))[0].startswith("evaluations/wds_both_test/tiny2.local.")


def test_a_model_needs_no_probe(tmp_path: Path, model: str) -> None:
    empty = given_corpus(tmp_path / "c", 4)
    folder = write_classes(tmp_path / "shapes", 12)
    assert len(committed(run_here(empty, [Evaluate(suite=str(folder), models=(model,))]))) == 1


def test_two_models_share_what_is_decoded_and_not_their_figures(corpus: Corpus, tmp_path: Path, model: str) -> None:
    """One after the other in one worker, and each alone: the same bytes."""
    folder = write_classes(tmp_path / "twice", 20)
    tiny_directory(tmp_path / "tiny2", seed=2)
    together = Evaluate(suite=str(folder), models=(model, f"local-dir:{tmp_path / 'tiny2'}"))
    run_here(corpus, [together])
    layer = corpus.layer("evaluations/twice")
    before = {unit: layer.digest(unit) for unit in layer.units()}
    assert len(set(before.values())) == 2
    for unit in before:
        layer.path(layer.marker(unit)).unlink()
    for one in together.models:
        run_here(corpus, [Evaluate(suite=str(folder), models=(one,))])
    assert {unit: layer.digest(unit) for unit in layer.units()} == before


def test_datacomp_over_what_is_there(corpus: Corpus, tmp_path: Path) -> None:
    root = tmp_path / "evalsets"
    shown = drawn(24)
    samples = [
        {"png": body, "cls": str(CLASSES.index(name)).encode(), "npy": array([at % 3, 1])}
        for at, (body, _, name) in enumerate(shown)
    ]
    lists = {"classnames.txt": "\n".join(CLASSES), "zeroshot_classification_templates.txt": "a {c}\n"}
    for name in ("cifar10", "vtab-pets", "wilds-iwildcam", "wilds-fmow", "dollar_street", "geode"):
        write_tars(root / f"wds_{name}_test", samples, lists)
    write_parquet(root / "flickr_1k_test_image_text_retrieval" / "test.parquet")
    stage = Evaluate(suite="datacomp", root=str(root), probes=("raw",))
    assert committed(run_here(corpus, [stage])) == ["evaluations/datacomp/raw.seed-0"]
    about = described(corpus, "datacomp", "raw", 0)
    assert about["main"] == {
        "cifar10": "acc1",
        "pets": "mean_per_class_recall",
        "flickr": "mean_recall@1",
        "iwildcam": "F1-macro_all",
        "fmow": "acc_worst_region",
        "dollar_street": "acc_top5_wg",
        "geode": "acc_wg",
    }
    mains = [about["metrics"][task][metric] for task, metric in about["main"].items()]
    assert about["average"]["value"] == pytest.approx(sum(mains) / 7)
    assert len(about["average"]["left_out"]) == 31 and "wds_mnist_test" in about["average"]["left_out"]["mnist"]
    assert about["averages"]["vtab"]["tasks"] == ["pets"] and len(about["averages"]["vtab"]["left_out"]) == 12
    assert about["averages"]["retrieval"]["tasks"] == ["flickr"]
    with pytest.raises(SourceError, match="none of the tasks"):
        load_suite(assets.folder("suites") / "datacomp.yaml", tmp_path / "c")


def test_the_suites_that_ship(tmp_path: Path) -> None:
    import yaml

    stored = yaml.safe_load((assets.folder("suites") / "datacomp.yaml").read_text())
    assert len(stored["tasks"]) == len({task["name"] for task in stored["tasks"]}) == 38
    assert [len(tasks) for tasks in stored["averages"].values()] == [6, 13, 3]
    counted = {task["main"] for task in stored["tasks"]}
    assert counted == {
        "acc1", "mean_per_class_recall", "mean_recall@1", "jaccard_score_10-12", "F1-macro_all", "acc_worst_region",
        "acc_top5_wg", "acc_wg",
    }  # fmt: skip
    assert {task["name"] for task in stored["tasks"] if task["main"] == "mean_per_class_recall"} == {
        "caltech101", "fgvc_aircraft", "flowers", "pets",
    }  # fmt: skip
    (tmp_path / "images" / "val").mkdir(parents=True)
    rows = ["file,count,colours,shapes,materials,sizes"]
    for number, (body, _, _) in enumerate(drawn(12)):
        (tmp_path / "images" / "val" / f"{number}.png").write_bytes(body)
        rows.append(f"images/val/{number}.png,{3 + number % 8},gray|red,cube,metal|rubber,large")
    (tmp_path / "clevr.csv").write_text("\n".join(rows) + "\n")
    clevr = load_suite(assets.folder("suites") / "clevr.yaml", tmp_path)
    assert [task.name for task in clevr.tasks] == ["count", "colour", "shape", "material", "size"]
    assert [task.name for task in clevr.tasks if task.weakness] == ["count", "material", "size"]
    assert clevr.tasks[1].rows[0] == ("images/val/0.png", "gray", "red")


def test_what_is_written_is_what_the_schemas_say(corpus: Corpus, tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "written", 20)
    run_here(corpus, [Evaluate(suite=str(folder))])
    layer = corpus.layer("evaluations/written")
    shown = table.read(layer.path("raw.seed-0/pictures.parquet"), "pictures")
    assert tuple(shown.column_names) == schema.table("pictures").names and len(shown) == 20
    asked = table.read(layer.path("raw.seed-0/answers.parquet"), "answers").to_pylist()
    assert {row["measure"] for row in asked} == {"top1", "top5", "nll"}
    stats = layer.stats("raw.seed-0")
    assert stats is not None and (stats["evaluator_version"], stats["device"]) == (2, "cpu")
    assert stats["average"]["tasks"] == ["written"]
    json.dumps(described(corpus, "written", "raw", 0), allow_nan=False)


def test_wrong_words(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        run_here(corpus, [Evaluate(suite="datacmop")])
    assert "datacomp" in caught.value.hint
    with pytest.raises(SourceError, match="no folder"):
        run_here(corpus, [Evaluate(suite="datacomp", root=str(tmp_path / "none"))])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no folders with pictures"):
        make_plan(corpus, [Evaluate(suite=str(tmp_path / "empty"))])  # before a model is loaded


def test_a_suite_is_read_once(tmp_path: Path) -> None:
    folder = write_classes(tmp_path / "shapes", 12)
    first = opened(str(folder))
    assert opened(str(folder))[0] is first[0]
    (folder / "blue_bar").mkdir(exist_ok=True)
    (folder / "blue_bar" / "new.png").write_bytes(drawn(1)[0][0])
    assert opened(str(folder))[1] != first[1]
