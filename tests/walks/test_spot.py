"""Machines that are taken away, by SIGTERM or without a word: what was done is not done again, and the bytes are the
same.

Runs are real processes. A gate (gate/sitecustomize.py) holds one inside a batch until it is asked to end, and logs each
batch, so that nothing here waits for a time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import stores
from tests.images import drawn
from tests.kill.harness import contents, differences
from tests.net.server import Exchange, LoopbackServer, reply
from tests.stages.given import given_corpus, write_probe
from tests.stages.running import here, write_list
from tests.stores import BUCKET, Bucket
from vlcorpus.corpus import Corpus
from vlcorpus.io.journal import PREFIX
from vlcorpus.stages.import_ import Import

GATE = Path(__file__).with_name("gate")
REPOSITORY = Path(__file__).resolve().parents[2]
TAKEN = 128 + signal.SIGTERM
LONGEST_SECONDS = 120
URL = f"s3://{BUCKET}/birds"
POLL_SECONDS = 0.01

PAIRS = 300
ENCODES = "vlcorpus.clip.encoder:Encoder.begin_images"
READS = "vlcorpus.clip.encoder:Encoder.begin_tokens"
UPDATES = "vlcorpus.probe.train:_Run._update"
TABLES = "vlcorpus.io.table:read"
PAGES = "vlcorpus.web.live.crawl:LiveCrawl._answer"
WRITES = "vlcorpus.stages.export_formats:write"


@dataclass
class Run:
    """A command under way. calls: so many of the gated function have begun."""

    process: subprocess.Popen[str]
    log: Path
    at: str

    @property
    def calls(self) -> int:
        return len(self.lines(self.at))

    def lines(self, at: str) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if line == at]

    def wait_for(self, calls: int) -> None:
        pause = threading.Event()
        while self.calls < calls:
            assert self.process.poll() is None, self.process.communicate()
            pause.wait(POLL_SECONDS)

    def end(self) -> int:
        """Wait for the end of all its processes; the exit code."""
        self.said = self.process.communicate(timeout=LONGEST_SECONDS)[1]
        return self.process.returncode

    def taken(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.end()


@contextmanager
def begun(place: Path, *words: object, at: str, hold: int = 0, **more: str) -> Iterator[Run]:
    """`vlcorpus WORDS` with one worker, held at the call."""
    log = place / "calls"
    log.unlink(missing_ok=True)
    own = {
        "VLSPOT_LOG": str(log),
        "VLSPOT_AT": f"{at},{ENCODES}" if at == READS else at,
        "VLSPOT_HOLD": str(hold),
        "OMP_NUM_THREADS": "1",
    }
    path = {"PYTHONPATH": f"{GATE}{os.pathsep}{REPOSITORY}"}
    command = [sys.executable, "-m", "vlcorpus", *map(str, words), "--workers", "1"]
    process = subprocess.Popen(
        command, env={**os.environ, **own, **path, **more}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    try:
        yield Run(process, log, at)
    finally:
        process.kill()
        process.wait()


def whole(place: Path, *words: object, at: str, **more: str) -> int:
    """Run to the end; how often the gated function was called."""
    with begun(place, *words, at=at, **more) as run:
        assert run.end() == 0, run.said
        return run.calls


def unfinished(home: Path) -> list[Path]:
    return [path for path in home.rglob(f"{PREFIX}*") if path.is_file()]


def same(home: Path, other: Path) -> None:
    found, wanted = (
        {name: digest for name, digest in contents(each).items() if not name.startswith("log/")}
        for each in (home, other)
    )
    assert differences(wanted, found) == []
    assert unfinished(home) == []


# --- embed


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_probe(tmp_path_factory.mktemp("model") / "probe")


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, model: str) -> tuple[Path, int]:
    """A corpus of one shard with embeddings that nothing disturbed, and in how many batches they were made."""
    place = tmp_path_factory.mktemp("calm")
    corpus = given_corpus(place / "corpus", PAIRS)
    return corpus.path, whole(place, "embed", corpus.path, "--model", model, "--batch-size", "32", at=ENCODES)


def embed(corpus: Path | str, model: str) -> tuple[object, ...]:
    return "embed", corpus, "--model", model, "--batch-size", "32"


def test_embed_that_is_taken_away_again_and_again(tmp_path: Path, model: str, calm: tuple[Path, int]) -> None:
    corpus = given_corpus(tmp_path / "corpus", PAIRS)
    words = embed(corpus.path, model)
    with begun(tmp_path, *words, at=ENCODES, hold=3) as run:
        run.wait_for(3)
        assert run.taken() == TAKEN, run.said
        assert run.calls == 3 and "the same command resumes" in run.said
    assert len(unfinished(corpus.path)) == 1
    with begun(tmp_path, *words, at=ENCODES, hold=3) as run:  # two are kept, the third is lost with the process
        run.wait_for(3)
        assert run.taken(signal.SIGKILL) == -signal.SIGKILL
    with begun(tmp_path, *words, at=READS, hold=1) as run:
        run.wait_for(1)
        assert run.taken() == TAKEN and len(run.lines(ENCODES)) == calm[1] - 5
    assert whole(tmp_path, *words, at=ENCODES) == 0
    same(corpus.path, calm[0])


# --- download


def image(number: int) -> bytes:
    return drawn.saved(drawn.photo(number, 60, 40), "JPEG")


def test_a_download_that_is_asked_to_end_keeps_what_came(tmp_path: Path) -> None:
    free, held = 12, 4
    may = threading.Event()

    def holding(exchange: Exchange) -> bool:
        while not may.is_set() and not exchange.server.closing.is_set():
            may.wait(0.05)
        return reply(exchange, image(int(exchange.request.path[6:-4])))

    with LoopbackServer() as server:
        urls = [server.put(f"/{number}.jpg", image(number)) for number in range(free)]
        urls += [server.on(f"/held/{number}.jpg", holding) for number in range(free, free + held)]
        urls += [server.put(f"/{number}.jpg", image(number)) for number in range(free + held, 2 * free + held)]
        listed = write_list(tmp_path / "list.csv", [(url, f"picture {n}") for n, url in enumerate(urls)])

        def download(path: Path) -> tuple[object, ...]:
            corpus = Corpus.create(path, shard_rows=100)
            here(corpus, Import(source=listed))
            words = "--no-obey-robots", "--no-site-files", "--allow-private", "127.0.0.0/8", "--timeout", 100
            return "download", path, *words, "--concurrency", 4, "--per-host", 4

        words = download(tmp_path / "c")
        with begun(tmp_path, *words, at="vlcorpus.stages.making:engine") as run:
            pause = threading.Event()
            while sum(path.startswith("/held") for path in server.paths()) < held:
                assert run.process.poll() is None, run.process.communicate()
                pause.wait(POLL_SECONDS)
            before = Counter(server.paths())
            assert run.taken() == TAKEN, run.said
        assert Counter(server.paths()) == before, "nothing more was asked for"
        may.set()
        assert whole(tmp_path, *words, at="vlcorpus.stages.making:engine") == 1
        asked = Counter(server.paths())
        again = {path for path, count in asked.items() if count > 1}
        assert len(asked) == len(urls) and again == {f"/held/{number}.jpg" for number in range(free, free + held)}
        whole(tmp_path, *download(tmp_path / "calm"), at="vlcorpus.stages.making:engine")
    same(tmp_path / "c" / "shards", tmp_path / "calm" / "shards")


# --- crawl


def test_a_live_crawl_that_is_asked_to_end_asks_for_one_chunk_again(tmp_path: Path) -> None:
    pages, chunk, slow = 9, 3, "/5.html"
    may = threading.Event()

    def page(number: int) -> bytes:
        links = "".join(f'<a href="/{each}.html">x</a>' for each in range(1, pages + 1)) if not number else ""
        return f'<html><body>{links}<img src="/{number}.jpg" alt="picture {number}"></body></html>'.encode()

    def holding(exchange: Exchange) -> bool:
        while not may.is_set() and not exchange.server.closing.is_set():
            may.wait(0.05)
        return reply(exchange, page(5), {"Content-Type": "text/html"})

    with LoopbackServer() as server:
        for number in set(range(pages + 1)) - {5}:
            server.put(f"/{number}.html", page(number), {"Content-Type": "text/html"})
        server.on(slow, holding)

        def crawl(path: Path) -> tuple[object, ...]:
            words = "--contact", "me@example.org", "--no-obey-robots", "--delay", 0, "--chunk", chunk
            return "crawl", path, server.url("/0.html"), *words, "--allow-private", "127.0.0.0/8", "--timeout", 100

        with begun(tmp_path, *crawl(tmp_path / "c"), at=PAGES) as run:
            run.wait_for(6)  # the first page, a chunk, and of the next one all but the slow page
            assert slow in server.paths() and run.taken() == TAKEN, run.said
        may.set()
        whole(tmp_path, *crawl(tmp_path / "c"), at=PAGES)
        asked = Counter(server.paths())
        whole(tmp_path, *crawl(tmp_path / "calm"), at=PAGES)
    again = [path for path, count in asked.items() if count > 1]
    assert len(asked) == pages + 1 and slow in again and len(again) == chunk and max(asked.values()) == 2
    same(tmp_path / "c", tmp_path / "calm")


# --- reductions and exports


def test_a_filter_that_is_asked_to_end_begins_no_further_shard(tmp_path: Path) -> None:
    corpus, calm = given_corpus(tmp_path / "c", *[6] * 8), given_corpus(tmp_path / "calm", *[6] * 8)
    words = "--where", "width >= 32 and height >= 32"
    reads = whole(tmp_path, "filter", calm.path, *words, at=TABLES)
    with begun(tmp_path, "filter", corpus.path, *words, at=TABLES, hold=3) as run:
        run.wait_for(3)
        assert run.taken() == TAKEN, run.said
        assert run.calls < reads
    whole(tmp_path, "filter", corpus.path, *words, at=TABLES)
    same(corpus.path, calm.path)


def test_an_export_that_is_asked_to_end_keeps_its_shards(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 10, 10)
    out, calm = tmp_path / "out", tmp_path / "calm"
    words = "export", corpus.path, out, "--shard-rows", 6
    assert whole(tmp_path, *words, at=WRITES) == 4
    out.rename(calm)
    with begun(tmp_path, *words, at=WRITES, hold=3) as run:
        run.wait_for(3)
        assert run.taken() == TAKEN, run.said
    assert whole(tmp_path, *words, at=WRITES) == 1, "the shard under way was written, too"
    same(out, calm)


# --- train-probe


def test_a_training_that_is_asked_to_end_does_no_step_again(tmp_path: Path) -> None:
    corpus, calm = given_corpus(tmp_path / "c", 24), given_corpus(tmp_path / "calm", 24)

    def train(path: Path) -> tuple[object, ...]:
        return "train-probe", path, "p", "--steps", 12, "--batch-size", 8, "--recipe", "nano"

    assert whole(tmp_path, *train(calm.path), at=UPDATES) == 12
    with begun(tmp_path, *train(corpus.path), at=UPDATES, hold=5) as run:
        run.wait_for(5)
        assert run.taken() == TAKEN, run.said
        assert run.calls == 5
    assert whole(tmp_path, *train(corpus.path), at=UPDATES) == 7
    weights = "probes/p/seed-0/weights.safetensors"
    assert (corpus.path / weights).read_bytes() == (calm.path / weights).read_bytes()
    assert unfinished(corpus.path) == []


# --- another machine


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bucket]:
    """An object store, as this process and all that it starts see it; each machine has a mirror of its own."""
    with stores.server() as endpoint:
        for name, value in {**stores.environment(endpoint), "VLCORPUS_MIRROR": str(tmp_path / "own")}.items():
            monkeypatch.setenv(name, value)
        yield Bucket(endpoint)


def kept(bucket: Bucket) -> list[str]:
    return [name for name in bucket.objects("birds/") if f"/{PREFIX}" in name]


def test_another_machine_goes_on_with_embed(tmp_path: Path, bucket: Bucket, model: str, calm: tuple[Path, int]) -> None:
    corpus = given_corpus(URL, PAIRS)
    one, two = ({"VLCORPUS_MIRROR": str(tmp_path / machine)} for machine in ("one", "two"))
    with begun(tmp_path, *embed(URL, model), at=ENCODES, hold=3, **one) as run:
        run.wait_for(3)
        assert run.taken() == TAKEN, run.said
    assert kept(bucket) != []
    assert whole(tmp_path, *embed(URL, model), at=ENCODES, **two) == calm[1] - 3
    assert kept(bucket) == []
    (layer,) = (calm[0] / "embeddings").iterdir()
    stored = bucket.objects(f"birds/embeddings/{layer.name}/")
    for path in layer.glob("*_emb/*.npy"):
        assert stored[f"birds/embeddings/{layer.name}/{path.relative_to(layer).as_posix()}"] == path.read_bytes()
    assert corpus.place == URL


def test_another_machine_goes_on_with_a_training(tmp_path: Path, bucket: Bucket) -> None:
    given_corpus(URL, 24)
    one, two, three = ({"VLCORPUS_MIRROR": str(tmp_path / machine)} for machine in ("one", "two", "three"))
    words = "--steps", 12, "--batch-size", 8, "--recipe", "nano"
    with begun(tmp_path, "train-probe", URL, "p", *words, at=UPDATES, hold=5, **one) as run:
        run.wait_for(5)
        assert run.taken() == TAKEN, run.said
    assert len(kept(bucket)) == 1
    assert whole(tmp_path, "train-probe", URL, "p", *words, at=UPDATES, **two) == 7
    assert kept(bucket) == []
    assert whole(tmp_path, "train-probe", URL, "calm", *words, at=UPDATES, **three) == 12
    stored = bucket.objects("birds/probes/")
    assert len({stored[f"birds/probes/{name}/seed-0/weights.safetensors"] for name in ("p", "calm")}) == 1
