"""What it costs to be ready to be taken away, and how soon a run ends that is.

    python benchmarks/spot.py journals            CPU seconds of embed and extract, and those in their journals
    python benchmarks/spot.py ends                seconds from SIGTERM to the end, by stage, and the batches done again

journals: stages in this process, the median of the rounds. The pictures are drawn, the model has learned nothing:
conv-nano is the fastest one, so that what the journal costs shows most. The WARC file has drawn pages with many images.

ends: the walks of tests/walks/test_spot.py: a run is held inside a batch until it is asked to end, and timed from the
signal to the exit of its last process. Batches done again are those that the second run did beside what was left.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.stages.given import given_corpus, write_probe
from tests.stages.running import quiet
from tests.walks import test_spot as spot
from vlcorpus.corpus import Corpus
from vlcorpus.io.blocks import Blocks
from vlcorpus.stages.base import Work
from vlcorpus.stages.crawl import Crawl
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.extract_kept import Kept

ROUNDS = 5
PICTURES, PAGES, IMAGES = 3_000, 1_500, 40


class Clock:
    """CPU seconds of this thread inside a function."""

    def __init__(self, holder: Any, name: str) -> None:
        self.seconds = 0.0
        original = getattr(holder, name)

        def timed(*given: Any) -> None:
            start = time.thread_time()
            original(*given)
            self.seconds += time.thread_time() - start

        setattr(holder, name, timed)


def told(name: str, clock: Clock, work: Work) -> None:
    """The median of the rounds, of one unit."""
    whole, inside = [], []
    for number in range(ROUNDS + 1):
        before, start = clock.seconds, time.process_time()
        work("00000", quiet)
        if number:  # the first is for warmth
            whole.append(time.process_time() - start)
            inside.append(clock.seconds - before)
    share = 100 * statistics.median(one / other for one, other in zip(inside, whole, strict=True))
    print(f"{name:24} {statistics.median(whole):8.2f} s {statistics.median(inside):8.4f} s {share:8.2f} %", flush=True)


def journals(place: Path) -> None:
    print(f"{'':24} {'in all':>10} {'journal':>10} {'share':>10}")
    corpus = given_corpus(place / "corpus", PICTURES)
    told("embed, conv-nano", Clock(Blocks, "add"), Embed(model=write_probe(place / "probe")).open(corpus))
    path = place / "a.warc.gz"
    path.write_bytes(b"".join(map(page, range(PAGES))))
    crawl = Crawl(sources=(str(path),)).located()
    crawled = Corpus.create(place / "crawled", shard_rows=100_000)
    extract: Any = crawl.supplier(crawl.wanted()[0])
    told("extract, WARC", Clock(Kept, "add"), extract.open(crawled))


def page(number: int) -> bytes:
    words = "the small red boat lies in the harbour of an old town by the sea "
    images = "".join(
        f'<p>{words * 3}<img src="/{number}-{each}.jpg" alt="{words}{each}" width="640" height="480"></p>'
        for each in range(IMAGES)
    )
    body = f"<html><title>Page {number}</title><body>{images}</body></html>".encode()
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{number:012d}>\r\n"
    head += f"WARC-Target-URI: http://a.example/{number}\r\nWARC-Date: 2026-01-01T00:00:00Z\r\n"
    head += f"Content-Type: application/http\r\nContent-Length: {len(block)}\r\n\r\n"
    return gzip.compress(head.encode() + block + b"\r\n\r\n", 6, mtime=0)


def ends(place: Path) -> None:
    model = write_probe(place / "probe")
    print(f"{'':24} {'to the end':>10} {'batches again':>14}")

    def taken(name: str, at: str, hold: int, make: Callable[[Path], tuple[object, ...]]) -> None:
        calm, own = place / name / "calm", place / name / "own"
        every = spot.whole(own.parent, *make(calm), at=at)
        with spot.begun(own.parent, *make(own), at=at, hold=hold) as run:
            run.wait_for(hold)
            start = time.monotonic()
            code = run.taken()
            seconds, before = time.monotonic() - start, run.calls
        assert code == spot.TAKEN, run.said
        again = spot.whole(own.parent, *make(own), at=at) + before - every
        print(f"{name:24} {seconds:8.2f} s {again:14}", flush=True)

    def embed(path: Path) -> tuple[object, ...]:
        return spot.embed(given_corpus(path, 600).path if not path.exists() else path, model)

    def train(path: Path) -> tuple[object, ...]:
        corpus = given_corpus(path, 24).path if not path.exists() else path
        return "train-probe", corpus, "p", "--steps", 40, "--batch-size", 8, "--recipe", "nano"

    def judge(path: Path) -> tuple[object, ...]:
        corpus = given_corpus(path, *[6] * 8).path if not path.exists() else path
        return "filter", corpus, "--where", "width >= 32"

    def export(path: Path) -> tuple[object, ...]:
        corpus = given_corpus(path, 20, 20).path if not path.exists() else path
        return "export", corpus, path.with_name(path.name + "-out"), "--shard-rows", 6

    taken("embed", spot.ENCODES, 4, embed)
    taken("train-probe", spot.UPDATES, 9, train)
    taken("filter", spot.TABLES, 3, judge)
    taken("export", spot.WRITES, 3, export)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("journals", "ends"))
    with tempfile.TemporaryDirectory() as folder:
        (journals if parser.parse_args().what == "journals" else ends)(Path(folder))


if __name__ == "__main__":
    main()
