from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.stages.given import committed, given_corpus, run_here, write_probe
from tests.stages.running import contents
from vlcorpus.corpus import Corpus
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.io import table
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.evaluate import described, results
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.score import Score
from vlcorpus.stages.sweep import Sweep
from vlcorpus.stages.sweep_points import arms, decision, score_name
from vlcorpus.views.freshness import Freshness
from vlcorpus.world.exam import write_exam

PAIRS = 24
SMALL = {"keep": (0.25, 0.5), "seeds": (0, 1), "steps": 1, "batch_size": 4, "random": True}


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 pairs with a similarity each but for one; nothing swept yet."""
    folder = tmp_path_factory.mktemp("sweep")
    write_exam(folder / "exam", 24, 3, limit=10)
    corpus = given_corpus(folder / "c", 14, 10)
    run_here(corpus, [Embed(model=write_probe(folder / "judge", broken="3")), Score(score="similarity")])
    return folder


@pytest.fixture(scope="module")
def swept(given: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swept")
    shutil.copytree(given, folder, dirs_exist_ok=True)
    run_here(Corpus.open(folder / "c"), [stage(folder)])
    return folder


@pytest.fixture
def corpus(swept: Path, tmp_path: Path) -> Corpus:
    shutil.copytree(swept, tmp_path, dirs_exist_ok=True)
    return Corpus.open(tmp_path / "c")


def stage(folder: Path, **more: Any) -> Sweep:
    return Sweep(suite=str(folder / "exam" / "suite.yaml"), **(SMALL | more))


def read(corpus: Corpus, name: str = "exam-similarity") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((corpus.path / "sweeps" / name / "sweep.json").read_text())
    return found


def kept(corpus: Corpus, name: str) -> set[bytes]:
    layer = corpus.layer(f"decisions/{name}")
    rows = [row for shard in layer.units() for row in table.rows(layer.path(f"{shard}.parquet"), "decisions")]
    return {row["uid"] for row in rows if row["keep"]}


def similarities(corpus: Corpus) -> list[float]:
    layer = corpus.layer("scores/similarity")
    rows = [row for shard in layer.units() for row in table.rows(layer.path(f"{shard}.parquet"), "score-similarity")]
    return [row["similarity"] for row in rows if row["similarity"] is not None]


def test_every_share_is_a_decision_a_probe_and_a_point(swept: Path) -> None:
    corpus = Corpus.open(swept / "c")
    found = read(corpus)
    assert (found["suite"], found["metric"], found["seeds"], found["baseline"]) == ("exam", "average", [0, 1], 2)
    assert [(each["by"], each["keep"], each["pairs"]) for each in found["points"]] == [
        ("similarity", 0.25, 5),
        ("similarity", 0.5, 11),
        ("similarity", 1.0, 23),
        ("random", 0.25, 5),
        ("random", 0.5, 11),
    ]
    scores = sorted(similarities(corpus), reverse=True)
    thresholds = [scores[4], scores[10], scores[22], None, None]
    assert [each["threshold"] for each in found["points"]] == thresholds
    strict, half, whole = (kept(corpus, f"sweep-similarity-{keep}") for keep in ("0.25", "0.5", "1"))
    assert strict < half < whole and len(whole) == PAIRS - 1
    drawn = kept(corpus, "sweep-similarity-0.25-random")
    assert len(drawn) == 5 and drawn != strict
    for point, arm in zip(found["points"], arms(stage(swept)), strict=True):
        assert (point["samples_seen"], point["repetitions"]) == (4, pytest.approx(4 / point["pairs"]))
        averages = {str(seed): described(corpus, "exam", arm.probe, seed)["average"]["value"] for seed in (0, 1)}
        assert point["values"] == pytest.approx(averages)
    top1 = results(corpus, "exam", ["sweep-similarity-0.5-nano"])["sweep-similarity-0.5-nano"]
    mean = (top1[0]["colour_shape.top1"] + top1[1]["colour_shape.top1"]) / 2
    assert found["metrics"]["colour_shape.top1"][1][0] == pytest.approx(mean)


def test_the_curve_is_drawn_beside_it(swept: Path) -> None:
    corpus = Corpus.open(swept / "c")
    layer = corpus.layer("sweeps/exam-similarity")
    assert {"sweep.json", "sweep.html", "sweep.csv", "sweep.tex", "figures/sweep.svg"} == {
        str(path.relative_to(layer.folder)) for path in layer.folder.rglob("*") if path.is_file()
    } - {"all_stats.json"}
    verdict = read(corpus)["verdict"]
    assert stage(swept).told(corpus)[0] == verdict and "(nano v" in verdict
    stats = layer.stats("all")
    assert stats is not None and stats["verdict"] == verdict and stats["seen"] == 5


def test_it_is_done_once_and_more_shares_train_only_what_is_new(corpus: Corpus) -> None:
    folder = corpus.path.parent
    before = contents(corpus, "sweeps")
    assert not committed(run_here(corpus, [stage(folder)]))
    stats = corpus.layer("sweeps/exam-similarity").stats("all")
    assert stats is not None and Freshness(corpus).of("all", stats) == "fresh"
    shutil.rmtree(corpus.path / "sweeps")
    assert committed(run_here(corpus, [stage(folder)])) == ["sweeps/exam-similarity/all"]
    assert contents(corpus, "sweeps") == before
    made = committed(run_here(corpus, [stage(folder, keep=(0.25, 0.5, 0.75), random=False)]))
    assert {each for each in made if each.startswith("probes/")} == {
        "probes/sweep-similarity-0.75-nano/seed-0",
        "probes/sweep-similarity-0.75-nano/seed-1",
    }
    assert [each["keep"] for each in read(corpus)["points"]] == [0.25, 0.5, 0.75, 1.0]


def test_one_metric_over_pictures_too_and_an_oracle(corpus: Corpus) -> None:
    folder = corpus.path.parent
    run_here(corpus, [Filter(where=("contains(alt_text, 'dog')",), decision="dogs")])
    own = stage(folder, metric="colour_shape.top1", oracle="dogs", sweep="mine", random=False)
    made = committed(run_here(corpus, [own]))
    assert {each for each in made if each.startswith("probes/")} == {
        f"probes/sweep-oracle-dogs-nano/seed-{seed}" for seed in (0, 1)
    }
    found = read(corpus, "mine")
    assert [each["by"] for each in found["points"]] == ["similarity"] * 3 + ["oracle"]
    oracle = found["points"][3]
    assert (oracle["keep"], oracle["threshold"], oracle["pairs"]) == (None, None, 3)
    assert {each["over"] for each in found["points"]} == {"seeds and pictures"}


def test_names_of_scores() -> None:
    assert decision(Sweep(suite="s.yaml"), 0.3) == "sweep-similarity-0.3"
    assert decision(Sweep(suite="s.yaml", by="aesthetic"), 1.0) == "sweep-aesthetic-1"
    one, other = score_name("similarity + 1"), score_name("similarity + 2")
    assert one != other and one.startswith("score-")
    names = [arm.probe for arm in arms(Sweep(suite="s.yaml", keep=(0.5,), recipes=("nano", "micro"), random=True))]
    assert names == [
        f"sweep-similarity-{each}-{recipe}" for recipe in ("nano", "micro") for each in ("0.5", "1", "0.5-random")
    ]


def test_wrong_words(given: Path, tmp_path: Path) -> None:
    shutil.copytree(given, tmp_path, dirs_exist_ok=True)
    corpus = Corpus.open(tmp_path / "c")
    with pytest.raises(SourceError, match="no suite at"):
        run_here(corpus, [stage(tmp_path / "nowhere")])
    with pytest.raises(UsageError, match="is of no task of the suite"):
        run_here(corpus, [stage(tmp_path, metric="top1")])
    with pytest.raises(UsageError, match="no decision best"):
        run_here(corpus, [stage(tmp_path, oracle="best")])
    with pytest.raises(UsageError, match="keep"):
        run_here(corpus, [stage(tmp_path, keep=(0.0,))])
    with pytest.raises(UsageError, match="huge"):
        run_here(corpus, [stage(tmp_path, recipes=("huge",))])
    with pytest.raises(UsageError, match="aesthetic"):
        run_here(corpus, [stage(tmp_path, by="aesthetic")])
    assert not corpus.layers("decisions") and not corpus.layers("probes"), "nothing was begun"
