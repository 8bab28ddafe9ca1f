from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.cli.shell import vlcorpus
from tests.corpora import do, small
from vlcorpus.cli import planning
from vlcorpus.corpus import Corpus
from vlcorpus.errors import UsageError, VlcorpusError
from vlcorpus.pipeline import recipe as recipes
from vlcorpus.pipeline.forecasting.measure import measure
from vlcorpus.stages.import_ import Import
from vlcorpus.world.server import Served

Run = Callable[..., tuple[str, str]]
RECIPE = """\
about: A short one.
stages:
  - import: {source: "{beside}/never.parquet"}
  - score: {score: text}
  - filter: {where: [text_length >= 12], decision: long}
  - export: {out: "{beside}/never", decision: long}
  - train-probe: {}
"""
JUDGES = "stages:\n  - score: {score: text}\n"


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def plan(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process: what it printed."""
    app = typer.Typer()
    app.command("plan")(planning.plan)

    def call(*words: object) -> tuple[str, str]:
        app([str(word) for word in words], standalone_mode=False)
        said = capsys.readouterr()
        return said.out, said.err

    return call


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, str], dict[str, str], Path]:
    """One plan as JSON; every file of the corpus and around it before and after; where its scratch is."""
    folder = tmp_path_factory.mktemp("plan")
    recipe, kept = folder / "short.yaml", folder / "scratch"
    recipe.write_text(RECIPE)
    before = digests(small().folder)
    words = ("plan", str(recipe), str(small().corpus.path), "--json", "--sample", "50", "--keep-scratch", str(kept))
    said = vlcorpus(*words, cwd=folder)
    assert said.code == 0, said
    return json.loads(said.out), before, digests(small().folder), kept


def test_nothing_of_the_corpus_is_touched(asked: Any) -> None:
    _, before, after, kept = asked
    assert before == after and before
    assert not (small().folder / "never").exists()
    assert (kept / "whole" / "out" / "never").is_dir()
    assert Corpus.open(kept / "tenth").layer("shards").units()


def test_what_is_measured(asked: Any) -> None:
    found = asked[0]
    assert found["sample"]["candidates"] >= 50 and found["sample"]["own_images"] and not found["sample"]["fetched"]
    assert found["left"] == ["train-probe"]
    rates = {each["label"]: each for each in found["rates"]}
    assert list(rates) == ["crawl", "download", "score text", "filter long", "export never"]
    for each in rates.values():
        assert each["per_row"] > 0 and each["why"] and each["bytes_row"] >= 0
        assert 0 <= each["kept"] <= each["seen"] <= each["sampled"] == found["sample"]["candidates"]
    assert rates["crawl"]["basis"] == rates["download"]["basis"] == "corpus"
    assert rates["score text"]["basis"] == "measured" and rates["score text"]["start"] > 0
    assert rates["score text"]["memory"] > 10**7
    assert rates["export never"]["seen"] >= rates["export never"]["kept"] > 0
    assert rates["filter long"]["reduction"] and not rates["score text"]["reduction"]


def test_the_share_that_is_kept_is_the_samples(asked: Any) -> None:
    """Counted by hand in the scratch corpus."""
    found, _, _, kept = asked
    corpus = Corpus.open(kept / "whole")
    stored = sum((corpus.layer("shards").stats(unit) or {})["kept"] for unit in corpus.layer("shards").units())
    decided = (corpus.layer("decisions/long").stats("all") or {})["kept"]
    sampled = found["sample"]["candidates"]
    (size,) = (each for each in found["projections"] if each["rows"] == 10**9)
    amounts = {each["name"]: each for each in size["amounts"]}
    assert amounts["stored pairs"]["value"] == pytest.approx(10**9 * stored / sampled)
    line = amounts["kept by filter long"]
    assert line["value"] == pytest.approx(10**9 * decided / sampled)
    assert line["low"] < line["value"] < line["high"]


def test_all_sizes_and_every_line_says_why(asked: Any) -> None:
    found = asked[0]
    assert [each["rows"] for each in found["projections"]] == [10**8, 10**9, 10**10]
    for size in found["projections"]:
        assert all(each["why"] and each["basis"] for each in size["amounts"])
        assert size["breaks"] and all(each["computed"] and each["remedy"] for each in size["breaks"])
        assert size["fleets"][0]["cost"] is None


def test_tables(plan: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "judges.yaml"
    recipe.write_text(JUDGES)
    out, err = plan(
        recipe, small().corpus.path, "--sample", 40, "--rows", "5.85B", "--rows", "1_000", "--machines", 3,
        "--machine", "cores=64,price=2.5,name=big", "--machine", "cores=8", "--rate", "score=2000",
    )  # fmt: skip
    assert "5,850,000,000 candidates\n" in out and "\n1,000 candidates\n" in out
    assert "breaks first: " in out and "  holds; next is " in out
    assert "machines (big)" in out and "2.5 an hour" in out and "no price given" in out
    assert "2,000 rows/s a core: your word" in out and "waiting included" in out
    assert "measured in " in out and "candidates of 4 of 4 shards" in out
    assert "measuring score (scores/text, whole of the sample)" in err


def test_the_sample_is_fetched_where_it_is_asked_for(tmp_path: Path) -> None:
    site = small().site
    listed = tmp_path / "list.csv"
    rows = [f"http://world.test/{path.relative_to(site.root)},a caption of it {number}"
            for number, path in enumerate(sorted(site.root.rglob("*.jpg"))[:30])]  # fmt: skip
    listed.write_text("url,text\n" + "\n".join(rows) + "\n")
    corpus = do(tmp_path / "corpus", [Import(source=str(listed))], shard_rows=20)
    with pytest.raises(UsageError, match="no images yet") as error:
        measure(corpus, _loaded(corpus, "0"), folder=tmp_path / "a", sample=25)
    assert "--fetch" in error.value.hint
    with Served(site.root) as served:
        found = measure(corpus, _loaded(corpus, served.connect_to[0]), folder=tmp_path / "b", sample=25, fetch=True)
    (fetched,) = (each for each in found.measured if each.stage == "download")
    assert found.fetched and fetched.basis == "measured" and fetched.kept > 0 and fetched.fetched_row > 100
    assert not corpus.layer("shards").there()


def _loaded(corpus: Corpus, where: str) -> Any:
    network = {"allow_private": ["127.0.0.0/8"], "connect_to": [where], "image_size": 64}
    file = corpus.path.parent / "download.yaml"
    file.write_text(f"stages:\n  - download: {json.dumps(network)}\n")
    return recipes.load(file, corpus=corpus.path).stages


def test_a_model_that_is_not_to_be_had(plan: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "embeds.yaml"
    recipe.write_text("stages:\n  - embed: {model: ./nowhere/at/all}\n")
    with pytest.raises(VlcorpusError) as error:
        plan(recipe, small().corpus.path, "--sample", 20)
    assert "--set embed.model=" in error.value.hint


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rows", "many"), "no number of rows"),
        (("--machine", "cores=none"), "cores"),
        (("--rate", "embed"), "STAGE=ROWS"),
        (("--rate", "embd=4"), "embd"),
        (("--rate", "embed=-4"), "-4"),
        (("--rate", "embed=4/tpu"), "STAGE=ROWS"),
        (("--keep-scratch", "."), "no new folder"),
        (("--keep-scratch", "s3://bucket/x"), "no new folder"),
    ],
)
def test_what_is_refused_before_any_work(plan: Run, words: tuple[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        plan("demo", small().corpus.path, *words)
    assert error.value.hint


def test_refused_at_a_shell(tmp_path: Path) -> None:
    vlcorpus("plan", "laion5", "birds", cwd=tmp_path).refused(1, "no corpus at birds")
