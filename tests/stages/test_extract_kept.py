"""An extraction that ends after any piece goes on at the next record, to the same bytes."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stages.running import contents, quiet
from tests.web import wats
from vlcorpus.corpus import Corpus
from vlcorpus.io.attempt import Stopped
from vlcorpus.io.journal import PREFIX
from vlcorpus.stages import extract
from vlcorpus.stages.crawl import Crawl
from vlcorpus.stages.extract import Extract
from vlcorpus.web.archives import warc

PAGES, PAIRS = 12, 3
RESERVED = b'[{"location": "/", "tdm-reservation": 1}]'


def answer(url: str, body: bytes, kind: str = "text/html") -> bytes:
    block = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n".encode() + body
    head = (
        f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:uuid:{len(url):012d}>\r\nWARC-Target-URI: {url}\r\n"
    )
    head += f"WARC-Date: 2026-01-01T00:00:00Z\r\nContent-Type: application/http\r\nContent-Length: {len(block)}\r\n\r\n"
    return head.encode() + block + b"\r\n\r\n"


def write_warc(path: Path, packed: bool) -> str:
    """Pages of two hosts; in the middle one of these reserves its rights."""
    written = []
    for number in range(PAGES):
        host = "ab"[number % 2]
        images = "".join(f'<img src="/{number}-{each}.jpg" alt="picture {each} of {number}">' for each in range(PAIRS))
        written.append(answer(f"http://{host}.example/{number}", f"<html><p>{number}{images}</html>".encode()))
    site_file = answer("http://a.example/.well-known/tdmrep.json", RESERVED, "application/json")
    written.insert(PAGES // 2, site_file)
    written[4] = written[4].replace(b"Content-Length: ", b"Content-Length: x")  # one is damaged
    path.write_bytes(b"".join(gzip.compress(each, mtime=0) if packed else each for each in written))
    return str(path)


def write_wat(path: Path, packed: bool) -> str:
    pages = [
        wats.page(
            f"http://a.example/{number}",
            links=[wats.image(f"/{number}-{each}.jpg", f"a dog {each}") for each in range(PAIRS)],
        )
        for number in range(PAGES)
    ]
    return str(wats.write(path, map(wats.stored, pages)))


def opened(place: Path, source: str) -> tuple[Corpus, Extract]:
    corpus = Corpus.create(place, shard_rows=100)
    crawl = Crawl(sources=(source,)).located()
    stage = crawl.supplier(crawl.wanted()[0])
    assert isinstance(stage, Extract)
    return corpus, stage


def ending(after: int) -> Callable[..., None]:
    calls = 0

    def tell(*progress: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == after:
            raise Stopped

    return tell


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "WARC_ROWS", 2 * PAIRS)
    monkeypatch.setattr(extract, "WAT_ROWS", 2 * PAIRS)


@pytest.mark.parametrize(
    ("write", "name"), [(write_warc, "a.warc.gz"), (write_warc, "a.warc"), (write_wat, "a.wat.gz")]
)
def test_ended_after_each_piece(tmp_path: Path, write: Callable[[Path, bool], str], name: str) -> None:
    source = write(tmp_path / name, name.endswith(".gz"))
    corpus, stage = opened(tmp_path / "calm", source)
    pieces = 0

    def count(*progress: Any) -> None:
        nonlocal pieces
        pieces += 1

    stage.open(corpus)("00000", count)
    wanted, stats = contents(corpus, stage.made()), stage.layer(corpus).stats("00000")
    assert pieces >= 5 and stats is not None
    for after in range(1, pieces + 1):
        corpus, stage = opened(tmp_path / f"ended-{after}", source)
        with pytest.raises(Stopped):
            stage.open(corpus)("00000", ending(after))
        journal = stage.layer(corpus).folder / f"{PREFIX}00000"
        assert journal.is_file()
        stage.open(corpus)("00000", quiet)
        assert contents(corpus, stage.made()) == wanted and not journal.exists()
        found = stage.layer(corpus).stats("00000")
        assert found is not None
        assert all(found[key] == stats[key] for key in ("seen", "kept", "rejected", "dropped", "pages"))


def test_ended_after_every_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each run does one piece more, and no page is read twice."""
    source = write_warc(tmp_path / "a.warc.gz", True)
    calm, stage = opened(tmp_path / "calm", source)
    stage.open(calm)("00000", quiet)
    read: list[str] = []
    pages = warc.pages

    def logged(path: Path, **more: Any) -> Iterator[warc.WarcPage]:
        for page in pages(path, **more):
            read.append(page.url)
            yield page

    monkeypatch.setattr(warc, "pages", logged)
    corpus, stage = opened(tmp_path / "ended", source)
    for after in range(1, 100):
        try:
            stage.open(corpus)("00000", ending(after))
            break
        except Stopped:
            continue
    assert after > 4 and contents(corpus, stage.made()) == contents(calm, stage.made())
    assert len(read) == len(set(read)) == PAGES + 1
