from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.stages.given import run_here
from tests.stages.test_evaluate import made  # noqa: F401
from vlcorpus.cli.comparing import show
from vlcorpus.corpus import Corpus
from vlcorpus.stages.compare import Compare

STAGE = Compare(arms=("raw", "other.arm"), suite="exam", contamination=False)


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Corpus:  # noqa: F811
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    corpus = Corpus.open(tmp_path / "c")
    run_here(corpus, [STAGE])
    return corpus


def change(corpus: Corpus, **more: object) -> None:
    path = corpus.path / "comparisons" / "exam" / "comparison.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def test_the_verdict_then_the_figures(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    show(corpus, STAGE)
    said = capsys.readouterr()
    told = json.loads((corpus.path / "comparisons" / "exam" / "comparison.json").read_text())
    lines = said.out.splitlines()
    assert lines[0] == told["verdict"]["words"]
    assert lines[2].split()[:4] == ["metric", "arm", "raw", "arm's"] and "95 % interval" in lines[2]
    (average,) = [row for row in told["rows"] if row["metric"] == "average"]
    assert lines[3].split()[:4] == [
        "average",
        "other.arm",
        *(f"{100 * average[key]:.1f}" for key in ("baseline_mean", "mean")),
    ]
    assert "colour_shape.top1" in said.out and "colour.ece" not in said.out
    assert f"{len(told['rows']) - 8} other rows are in" in said.out
    assert said.err.splitlines()[-1] == "not checked: shuffled captions, contamination"


def test_what_got_worse_is_always_shown(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    path = corpus.path / "comparisons" / "exam" / "comparison.json"
    told = json.loads(path.read_text())
    for row in told["rows"]:
        if row["metric"] == "colour.ece":
            row |= {"regression": True, "p_holm": 0.0004, "difference": 0.1, "lower": 0.05, "upper": 0.15}
        if row["metric"] == "colour.top1":
            row |= {"improvement": True, "p_holm": 0.4}
    told["classes"][0] |= {"regression": True, "difference": -0.31}
    path.write_text(json.dumps(told))
    show(corpus, STAGE)
    said = capsys.readouterr().out
    (worse,) = [line for line in said.splitlines() if line.startswith("colour.ece")]
    assert worse.split()[-5:] == ["+0.100", "[0.050,", "0.150]", "<0.001", "worse"]
    assert [line.split()[-1] for line in said.splitlines() if line.startswith("colour.top1")] == ["better?"]
    assert f"classes that got worse: {told['classes'][0]['label']} (other.arm, -31.0)" in said


def test_json_is_all_of_it(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    show(corpus, STAGE, as_json=True)
    assert json.loads(capsys.readouterr().out) == json.loads(
        (corpus.path / "comparisons" / "exam" / "comparison.json").read_text()
    )


def test_places_and_failed_checks_are_told(corpus: Corpus, capsys: pytest.CaptureFixture[str]) -> None:
    places = [("b", 1, ["raw"]), ("raw", 2, [])]
    change(
        corpus,
        arms=["b", "c"],
        ranking=[{"arm": arm, "place": place, "mean": 0.0, "better_than": better} for arm, place, better in places],
        checks=[{"check": "label order", "arm": None, "state": "failed", "words": "the list\x1b is wrong"}],
    )
    show(corpus, STAGE)
    said = capsys.readouterr()
    assert "ranking on average: 1. b, 2. raw" in said.out
    assert said.err.strip() == "failed, label order: the list\\u001b is wrong"
