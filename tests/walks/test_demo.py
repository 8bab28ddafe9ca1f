"""A small demo through the real command: about 1,500 pairs, two seeds, an untouched machine's honesty."""

from __future__ import annotations

import html
import json
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import chromium
from vlcorpus.cli.demo import Demo, commands
from vlcorpus.corpus import Corpus
from vlcorpus.io import table
from vlcorpus.stages import findings
from vlcorpus.stages.planted import Truth
from vlcorpus.world.planted import read_planted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "vlcorpus", "demo", "demo", "--pairs", "1500", "--seeds", "2"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (place / "stdout").write_text(done.stdout)
    yield place / "demo"


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Corpus:
    return Corpus.open(folder / "pictures")


@pytest.fixture(scope="module")
def truth(corpus: Corpus, folder: Path) -> Truth:
    return Truth.read(corpus, folder / "world" / "site" / "planted.jsonl")


def test_the_filter_tells_true_captions_from_noise(corpus: Corpus, truth: Truth) -> None:
    assert truth.auc(list(findings.scored(corpus, "filtered"))) >= 0.95


def test_the_filtered_arm_is_ahead(corpus: Corpus) -> None:
    rows = json.loads(corpus.layer("comparisons/exam").path("comparison.json").read_text())["rows"]
    row = next(row for row in rows if (row["metric"], row["arm"]) == ("colour_shape.top1", "filtered"))
    assert row["difference"] > 0 and row["seeds_won"] == row["seeds"] == 2


def test_size_is_not_mistaken_for_quality(corpus: Corpus) -> None:
    rows = json.loads(corpus.layer("comparisons/exam").path("comparison.json").read_text())["rows"]
    means = {row["arm"]: row["mean"] for row in rows if row["metric"] == "colour_shape.top1"}
    assert means["filtered"] > means["random"]


def test_no_row_is_lost_anywhere(corpus: Corpus, folder: Path) -> None:
    """Seen by the crawl == planted on pages that may be read; from there each layer begins where the last ended."""
    planted = [pair for pair in read_planted(folder / "world/site/planted.jsonl") if pair.fault != "robots_denied"]
    seen, kept, rejected = findings.totals(corpus, "candidates")
    assert seen == len(planted) == kept + rejected.total()
    fetched, with_image, failed = findings.totals(corpus, "shards")
    assert fetched == kept == with_image + failed.total()
    for layer in (*(f"embeddings/{name}" for name in corpus.layers("embeddings")), "scores/similarity", "scores/phash"):
        assert findings.totals(corpus, layer)[:2] == (with_image, with_image)
    for name in corpus.layers("decisions"):
        decided, passed, refused = findings.totals(corpus, f"decisions/{name}")
        assert decided == with_image == passed + refused.total()
    for arm in ("raw", "filtered", "random"):
        stats = corpus.layer(f"out:{folder / 'exports' / arm}").stats("all")
        assert stats is not None and stats["seen"] == with_image == stats["kept"] + sum(stats["rejected"].values())


def test_structural_faults_are_found_exactly_as_planted(corpus: Corpus, truth: Truth) -> None:
    pages = findings.pages(corpus)
    assert dict(pages) == truth.pages()
    for stage, layer in (("crawl", "candidates"), ("download", "shards")):
        _, kept, rejected = findings.totals(corpus, layer)
        assert dict(rejected) == truth.expected(stage)
        assert kept == truth.kept(stage)
    exact = Counter(
        row["kind"] for row in table.rows(corpus.layer("duplicates/default").path("groups.parquet"), "duplicates")
    )
    assert exact["exact"] == truth.duplicates()["exact"]


def test_the_same_samples_are_seen_by_every_arm(corpus: Corpus) -> None:
    seen = {
        corpus.layer(f"probes/{arm}").stats(seed)["samples_seen"]  # type: ignore[index]
        for arm in ("raw", "filtered", "random")
        for seed in ("seed-0", "seed-1")
    }
    assert len(seen) == 1


def test_the_table_and_the_report_are_told(folder: Path) -> None:
    said = (folder.parent / "stdout").read_text()
    assert re.search(r"^filter AUC, true captions against noise: 0\.9", said, re.MULTILINE)
    assert re.search(r"^colour_shape\.top1 +filtered", said, re.MULTILINE)
    assert said.splitlines()[-1] == "report: demo/pictures/reports/report.html"
    page = (folder / "pictures/reports/report.html").read_text()
    for words in (
        "What became of each pair",
        "On both sides of the threshold",
        "Learning curves",
        "Reproduce each step",
    ):
        assert words in page


def test_the_report_stands_alone_in_a_browser(folder: Path) -> None:
    """Opened in Chromium: nothing is asked for but the file itself, and nothing is complained about."""
    asked: list[str] = []
    complaints: list[str] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.goto((folder / "pictures/reports/report.html").as_uri())
        width = page.evaluate("document.documentElement.scrollWidth")
        loaded = page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert complaints == [] and loaded
    assert width <= 390, "the page must not overflow a small screen"


def test_the_same_command_again_does_nothing(folder: Path) -> None:
    command = [sys.executable, "-m", "vlcorpus", "demo", "demo", "--pairs", "1500", "--seeds", "2"]
    again = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert again.stdout == (folder.parent / "stdout").read_text()
    assert " kept" not in again.stderr and "unchanged" in again.stderr


def test_the_reports_commands_reproduce_each_step(folder: Path) -> None:
    """Typed by hand, each is the very step that the recipe did: there is nothing left to do for it."""
    walk = Demo(folder=Path("demo"), pairs=1500, seeds=2, seed=1, workers=None)
    page = (folder / "pictures/reports/report.html").read_text()
    for command in (line.partition(": ")[2] for line in commands(walk)):
        assert html.escape(command.split(" --")[0], quote=False) in page
        if command.startswith("vlcorpus"):
            words = shlex.split(command.replace("PORT", "1"))
            done = subprocess.run(
                [sys.executable, "-m", *words], cwd=folder.parent, capture_output=True, text=True, check=True
            )
            assert "unchanged" in done.stderr and " kept" not in done.stderr, (command, done.stderr)


def test_the_demos_corpus_is_sound(folder: Path) -> None:
    for command in ("verify", "status"):
        line = [sys.executable, "-m", "vlcorpus", command, "demo/pictures", "--json"]
        done = subprocess.run(line, cwd=folder.parent, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stdout)
