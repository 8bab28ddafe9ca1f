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
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.stages.compare import Compare
from vlcorpus.stages.evaluate import results
from vlcorpus.stages.train_probe import TrainProbe


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Corpus:  # noqa: F811
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Corpus.open(tmp_path / "c")


def comparison(corpus: Corpus) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((corpus.path / "comparisons" / "exam" / "comparison.json").read_text())
    return found


def test_every_metric_against_the_baseline(corpus: Corpus) -> None:
    run_here(corpus, [Compare(baseline="raw")])
    found = comparison(corpus)
    assert (found["suite"], found["baseline"], found["arms"], found["confidence"]) == (
        "exam",
        "raw",
        ["other.arm"],
        0.95,
    )
    values = results(corpus, "exam", ("raw", "other.arm"))
    assert {row["metric"] for row in found["rows"]} == set(values["raw"][0])
    for row in found["rows"]:
        change = [values["other.arm"][seed][row["metric"]] - values["raw"][seed][row["metric"]] for seed in (0, 1)]
        assert row["difference"] == pytest.approx(sum(change) / 2)
        assert row["lower"] <= row["difference"] <= row["upper"] and row["seeds"] == 2
        assert {"verdict", "regression", "lower_is_better"} <= row.keys()


def test_the_first_probe_is_the_baseline(corpus: Corpus) -> None:
    run_here(corpus, [Compare(probes=("raw", "other.arm"))])
    assert comparison(corpus)["baseline"] == "raw"
    run_here(corpus, [Compare(probes=("other.arm", "raw"), suite="exam")])
    assert comparison(corpus)["baseline"] == "other.arm"


def test_one_seed_gives_no_interval(corpus: Corpus) -> None:
    for arm in ("raw", "other.arm"):
        corpus.layer("evaluations/exam").path(f"{arm}.seed-1_stats.json").unlink()
    run_here(corpus, [Compare(baseline="raw")])
    for row in comparison(corpus)["rows"]:
        assert row["lower"] is row["upper"] is None and "in one seed: run two more at least" in row["verdict"]


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


def test_wrong_words(corpus: Corpus) -> None:
    with pytest.raises(UsageError, match="'rwa' was not measured with suite exam") as caught:
        run_here(corpus, [Compare(probes=("rwa", "other.arm"))])
    assert caught.value.hint == "did you mean 'raw'?"
    with pytest.raises(UsageError, match="'x' was not measured"):
        run_here(corpus, [Compare(baseline="x")])
    with pytest.raises(SourceError, match="one arm only"):
        run_here(corpus, [Compare(probes=("raw",))])
    with pytest.raises(UsageError, match="needs evaluations/exma"):
        run_here(corpus, [Compare(suite="exma")])
    shutil.rmtree(corpus.path / "evaluations")
    with pytest.raises(UsageError, match="needs evaluations"):
        run_here(corpus, [Compare()])
