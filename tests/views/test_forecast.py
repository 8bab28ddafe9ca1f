"""What is foretold of a download, beside what it came to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.shell import vlcorpus
from tests.images import drawn
from tests.net.server import LoopbackServer
from tests.stages.running import do, here, rows, write_list
from vlcorpus.corpus import Corpus
from vlcorpus.stages.download import Download
from vlcorpus.stages.import_ import Import
from vlcorpus.views.forecast import NOTHING, SAMPLE, SHARDS, Range, _mean, _share, forecast

COUNT = 60
SETTINGS = Download(allow_private=("127.0.0.0/8",), retries=0, obey_robots=False, site_files=False)


@pytest.fixture
def corpus(tmp_path: Path, server: LoopbackServer) -> Corpus:
    """Sixty images in three shards, a third of which is not to be had."""
    urls = []
    for number in range(COUNT):
        body = drawn.saved(drawn.photo(number, 60, 40), "JPEG")
        urls.append(server.url(f"/status/404?{number}") if number % 3 == 0 else server.put(f"/{number}.jpg", body))
    made = Corpus.create(tmp_path / "c", shard_rows=20)
    listed = [(url, f"picture {number}") for number, url in enumerate([*urls, urls[1]])]
    here(made, Import(source=write_list(tmp_path / "list.csv", listed)))
    return made


@pytest.fixture
def server() -> LoopbackServer:
    with LoopbackServer() as made:
        yield made  # type: ignore[misc]


def holds(found: Range | None, value: float) -> bool:
    return found is not None and found.low <= value <= found.high


def test_a_sample_foretells_the_whole(corpus: Corpus, server: LoopbackServer) -> None:
    before = forecast(corpus, SETTINGS)
    assert (before.rows, before.images, before.basis, before.successes) == (COUNT + 1, COUNT, NOTHING, None)
    assert server.paths() == []
    found = forecast(corpus, SETTINGS, sample=40, workers=2)
    assert len(server.paths()) == 40 == found.of and found.basis == SAMPLE
    assert corpus.layer("shards").units() == () and not corpus.layer("shards").folder.exists()
    do(corpus, [SETTINGS])
    stored = [row for row in rows(corpus, "shards") if row["key"] == row["image_key"]]
    assert holds(found.successes, len(stored)) and found.reasons.keys() == {"http_error"}
    assert holds(found.fetched, sum(row["original_bytes"] for row in stored))
    size = sum(path.stat().st_size for path in corpus.layer("shards").folder.glob("*.tar"))
    assert found.stored is not None and 0.6 * size < found.stored.middle < 1.6 * size
    again = forecast(corpus, SETTINGS, sample=40)
    assert (again.rows, again.images) == (0, 0) and len(server.paths()) == 40 + COUNT


def test_the_sample_of_all_is_exact(corpus: Corpus) -> None:
    found = forecast(corpus, SETTINGS, sample=1000)
    assert found.of == COUNT and found.successes is not None and round(found.successes.middle) == 40


def test_finished_shards_foretell_the_others(corpus: Corpus) -> None:
    do(corpus, [SETTINGS])
    layer = corpus.layer("shards")
    bodies = {unit: layer.stats(unit) for unit in layer.units()}
    layer.path("00002_stats.json").unlink()
    found = forecast(corpus, SETTINGS)
    assert found.basis == SHARDS and (found.rows, found.of) == (bodies["00002"]["seen"], COUNT + 1 - found.rows)  # type: ignore[index]
    assert found.successes is not None and found.seconds is not None
    kept = sum(stats["kept"] for unit, stats in bodies.items() if stats and unit != "00002")
    assert found.successes.middle == pytest.approx(found.rows * kept / found.of)


def test_intervals() -> None:
    assert _share(0, 10).low == 0.0 and _share(0, 10).high == pytest.approx(0.2775, abs=1e-3)
    assert _share(10, 10).high == 1.0 and _share(5, 10).middle == 0.5
    found = _mean([1.0, 2.0, 3.0, 4.0])
    assert found.middle == 2.5 and found.high - found.middle == pytest.approx(1.96 * (5 / 3) ** 0.5 / 2)


def test_the_command_line_shows_it(corpus: Corpus, tmp_path: Path) -> None:
    path = str(corpus.path)
    network = ("--allow-private", "127.0.0.0/8", "--no-obey-robots", "--no-site-files", "--retries", "0")
    told = vlcorpus("download", path, "--dry-run", *network, cwd=tmp_path)
    assert told.code == 0 and "images to fetch" in told.out and "--sample" in told.err
    sampled = vlcorpus("download", path, "--dry-run", "--sample", "30", "--json", *network, cwd=tmp_path)
    found = json.loads(sampled.out)
    assert found["forecast"]["of"] == 30 and found["plan"][0]["todo"] == 4
    refused = vlcorpus("download", path, "--sample", "30", cwd=tmp_path)
    assert refused.code == 2 and "belongs to --dry-run" in refused.err
