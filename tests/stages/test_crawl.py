"""A served picture world and WARC files become candidates: the planted truth, row by row, whatever happens between."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.stages.running import contents, do, done, rows
from vlcorpus import schema
from vlcorpus.cli import running
from vlcorpus.cli.machines import Machines
from vlcorpus.corpus import Corpus
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.io import table
from vlcorpus.stages.crawl import Crawl
from vlcorpus.world.planted import ORIGIN, Planted
from vlcorpus.world.server import Served
from vlcorpus.world.site import Site, WorldSettings, write_site

CONTACT = "http://world.test/contact"
LOOPBACK = ("127.0.0.0/8",)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    rates = {"empty_alt": 0.06, "inline_image": 0.03, "noai_page": 0.06, "robots_denied": 0.06}
    settings = WorldSettings(pairs=70, seed=3, pairs_per_page=8, side=32, **rates)  # type: ignore[arg-type]
    return write_site(tmp_path_factory.mktemp("world") / "w", settings)


@contextmanager
def served(site: Site, log: Path | None = None) -> Iterator[dict[str, Any]]:
    """The settings with which a crawl reaches the served site."""
    with Served(site.root, log=log) as server:
        yield {"allow_private": LOOPBACK, "connect_to": server.connect_to}


@pytest.fixture(scope="module")
def crawled(site: Site, tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Crawl, list[str]]:
    """The whole site, crawled once; with the server's log."""
    place = tmp_path_factory.mktemp("crawled")
    with served(site, place / "log") as network:
        corpus, stage = crawl(place / "c", [f"{ORIGIN}/"], **network)
    return corpus, stage, (place / "log").read_text().splitlines()


def crawl(path: Path, sources: list[str], *, shard_rows: int = 20, **more: Any) -> tuple[Corpus, Crawl]:
    corpus = Corpus.create(path, shard_rows=shard_rows)
    stage = Crawl(sources=tuple(sources), **{"chunk": 3, "contact": CONTACT, "delay": 0.0, **more})
    do(corpus, [stage])
    return corpus, stage


def pages(corpus: Corpus, stage: Crawl, parts: int | None = None) -> list[dict[str, Any]]:
    """Rows of the pages of the first so many parts, or of all."""
    layer = stage.layer(corpus)
    return [row for part in layer.units()[:parts] for row in table.rows(layer.path(f"pages/{part}.parquet"), "pages")]


def keyed(found: list[dict[str, Any]]) -> Counter[tuple[str, str, str]]:
    return Counter((row["page_url"], row["url"], row["alt_text"]) for row in found)


def planted(site: Site, *faults: str) -> list[Planted]:
    return [pair for pair in site.planted if pair.fault in faults]


def test_the_funnel_is_the_planted_truth(site: Site, crawled: tuple[Corpus, Crawl, list[str]]) -> None:
    corpus, stage, _ = crawled
    expected: dict[str, Counter[tuple[str, str, str]]] = {}
    for pair in site.planted:
        reason = pair.expected_reason if pair.expected_stage == "crawl" else "kept"
        if reason != "robots_denied":
            # Of a data: URL what it holds is left out.
            url = pair.url.partition(",")[0] + "," if reason == "inline_image" else pair.url
            expected.setdefault(reason, Counter())[pair.page_url, url, pair.alt_text] += 1
    found = {"kept": keyed(rows(corpus, "candidates"))}
    for row in rows(corpus, "candidates-rejected"):
        place = row["page_url"], row["url"], row["alt_text"]
        found.setdefault(row["reason"], Counter())[place] += 1
    assert found == expected
    assert set(found) - {"kept"} <= set(schema.reasons()["candidates"])
    whole = stage.layer(corpus).stats("all")
    assert whole is not None
    assert {"kept": whole["kept"], **whole["rejected"]} == {name: each.total() for name, each in expected.items()}


def test_every_page_is_listed_with_its_outcome(site: Site, crawled: tuple[Corpus, Crawl, list[str]]) -> None:
    corpus, stage, _ = crawled
    reasons = {"fetched": None, "noai": "optout", "missing": "http_error"}
    found = {row["url"]: (row["reason"], row["pairs"]) for row in pages(corpus, stage)}
    assert found == {
        page.url: (reasons.get(page.outcome, page.outcome), 0 if page.outcome == "robots_denied" else page.pairs)
        for page in site.pages
    }
    stats = stage.layer(corpus).stats("all")
    assert stats is not None
    assert stats["pages"] == Counter(reason or "visited" for reason, _ in found.values())
    assert {reason for reason, _ in found.values() if reason} <= set(schema.reasons()["pages"])


def test_what_robots_txt_denies_is_never_requested(site: Site, crawled: tuple[Corpus, Crawl, list[str]]) -> None:
    log = crawled[2]
    assert planted(site, "robots_denied")
    assert not [line for line in log if "/private/" in line or "/images/" in line]
    assert log.count("GET /robots.txt 200") == 1
    assert len(log) == len(set(log)), "each page is asked for once"


def test_pages_say_what_they_say(site: Site, crawled: tuple[Corpus, Crawl, list[str]]) -> None:
    licences = {page.url: page.licence or None for page in site.pages}
    for row in rows(crawled[0], "candidates"):
        assert row["licence"] == licences[row["page_url"]]
        assert row["page_title"].startswith("Pictures ") and row["optout"] is None


def test_tagged_pages_keep_their_pairs_and_the_evidence(
    site: Site, crawled: tuple[Corpus, Crawl, list[str]], tmp_path: Path
) -> None:
    with served(site) as network:
        corpus, _ = crawl(tmp_path / "c", [f"{ORIGIN}/"], optout="tag", **network)
    opted = {(pair.page_url, pair.url, pair.alt_text) for pair in planted(site, "noai_page")}
    found = {(row["page_url"], row["url"], row["alt_text"]): row["optout"] for row in rows(corpus, "candidates")}
    assert {place for place, evidence in found.items() if evidence} == opted
    assert all(evidence[0].split("|")[:2] in (["noai", "robots"], ["noimageai", "robots"])
               for place, evidence in found.items() if place in opted)  # fmt: skip
    assert set(found) - opted == set(keyed(rows(crawled[0], "candidates")))


@pytest.mark.parametrize("obey, reason", [(True, "robots_unreachable"), (False, "private_address")])
def test_private_addresses_are_refused_and_may_be_tried_again(
    site: Site, tmp_path: Path, obey: bool, reason: str
) -> None:
    log = tmp_path / "log"
    with served(site, log) as network:
        refused = {**network, "allow_private": ()}
        with pytest.raises(SourceError, match=f"no seed could be visited .*: {reason}") as raised:
            crawl(tmp_path / "c", [f"{ORIGIN}/"], obey_robots=obey, **refused)
        assert "--allow-private" in raised.value.hint
        assert not log.exists() or not log.read_text()
        corpus = Corpus.open(tmp_path / "c")
        assert not any(corpus.layer(f"sources/{name}").units() for name in corpus.layers("sources"))
        assert corpus.layer("candidates").units() == ()
        crawl(tmp_path / "c", [f"{ORIGIN}/"], obey_robots=obey, **network)
        assert rows(corpus, "candidates")


@pytest.mark.parametrize("keep", [0, 2])
def test_a_killed_crawl_asks_for_no_page_twice(
    site: Site, crawled: tuple[Corpus, Crawl, list[str]], tmp_path: Path, keep: int
) -> None:
    whole = contents(crawled[0], "candidates")
    log = tmp_path / "log"
    with served(site) as network:
        corpus, stage = crawl(tmp_path / "c", [f"{ORIGIN}/"], **network)
    layer = stage.layer(corpus)
    assert len(layer.units()) > keep + 1
    committed = [row["url"] for row in pages(corpus, stage, keep)]
    layer.path("all_stats.json").unlink()
    for part in layer.units()[keep:]:
        layer.path(f"{part}.json").unlink()
    for shard in corpus.layer("candidates").units():
        corpus.layer("candidates").path(f"{shard}.json").unlink()
    with served(site, log) as network:  # another port: where a mirror is does not matter
        assert done(do(corpus, [Crawl(sources=stage.sources, chunk=3, contact=CONTACT, delay=0.0, **network)])) == [
            "candidates/all"
        ]
    asked = {line.split()[1] for line in log.read_text().splitlines()}
    assert asked and not asked & {url.removeprefix(ORIGIN) for url in committed}
    assert contents(corpus, "candidates") == whole


def test_the_same_crawl_again_asks_for_nothing(
    site: Site, crawled: tuple[Corpus, Crawl, list[str]], tmp_path: Path
) -> None:
    corpus, stage, _ = crawled
    with served(site, tmp_path / "log") as network:
        assert done(
            do(corpus, [Crawl(sources=stage.sources, chunk=3, contact=CONTACT, delay=0.0, **network)]), "unchanged"
        ) == ["candidates/all"]
    assert not (tmp_path / "log").exists() or not (tmp_path / "log").read_text()


def test_concurrency_changes_nothing(site: Site, crawled: tuple[Corpus, Crawl, list[str]], tmp_path: Path) -> None:
    for concurrency, per_host in ((1, 1), (32, 32)):
        with served(site) as network:
            more = {"concurrency": concurrency, "per_host": per_host}
            corpus, stage = crawl(tmp_path / f"c{concurrency}", [f"{ORIGIN}/"], **more, **network)
        assert contents(corpus, "candidates") == contents(crawled[0], "candidates")
        assert stage.layer(corpus).digest_all() == crawled[1].layer(crawled[0]).digest_all()


def test_the_cap_on_pages_holds(site: Site, tmp_path: Path) -> None:
    with served(site, tmp_path / "log") as network:
        corpus, stage = crawl(tmp_path / "c", [f"{ORIGIN}/"], max_pages=4, **network)
    assert len(pages(corpus, stage)) == 4
    assert sum("/pages/" in line for line in (tmp_path / "log").read_text().splitlines()) <= 3


def test_large_pages_are_cut_at_max_bytes(site: Site, tmp_path: Path) -> None:
    with served(site) as network:
        corpus, stage = crawl(tmp_path / "c", [f"{ORIGIN}/"], max_pages=4, max_bytes=600, **network)
    first = pages(corpus, stage)[0]
    assert first["reason"] is None and 0 < len(first["links"]) < len(site.pages) - 1


def record(url: str, body: bytes) -> bytes:
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body
    head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2026-01-02T03:04:05Z\r\n"
    head += f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(block)}\r\n\r\n"
    return gzip.compress(head.encode() + block + b"\r\n\r\n", mtime=0)


def write_warc(path: Path, site: Site, urls: list[str]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    bodies = ((url, site.root / (url.removeprefix(f"{ORIGIN}/") or "index.html")) for url in urls)
    path.write_bytes(b"".join(record(url, file.read_bytes()) for url, file in bodies))
    return str(path)


def visited(crawled: tuple[Corpus, Crawl, list[str]]) -> list[str]:
    """Pages that gave pairs or opted out, in the order of the crawl."""
    return [row["url"] for row in pages(*crawled[:2]) if row["reason"] in (None, "optout")]


PLACE = ("source", "source_kind", "source_file", "record_offset", "record_length", "found_at")


def plain(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without where they were read."""
    return [{name: value for name, value in row.items() if name not in PLACE} for row in found]


def test_what_a_live_crawl_stored_gives_its_rows_again(
    crawled: tuple[Corpus, Crawl, list[str]], tmp_path: Path
) -> None:
    corpus, stage, log = crawled
    stored = stage.layer(corpus).path("warc")
    again, _ = crawl(tmp_path / "c", [str(stored / "*.warc.gz")])
    for name in ("candidates", "candidates-rejected"):
        found = rows(corpus, name)
        assert plain(rows(again, name)) == plain(found)
        for row in found[:10]:
            body = (stage.layer(corpus).folder.parent / row["source_file"]).read_bytes()[row["record_offset"] :]
            assert row["page_url"].encode() in gzip.decompress(body[: row["record_length"]])
    visited = [row for row in pages(corpus, stage) if row["reason"] != "robots_denied"]
    assert len(log) == len(visited) + 3, "robots.txt, tdmrep.json and ai.txt, and each page once"


def test_warc_files_give_what_the_live_pages_give(
    site: Site, crawled: tuple[Corpus, Crawl, list[str]], tmp_path: Path
) -> None:
    path = write_warc(tmp_path / "a.warc.gz", site, visited(crawled))
    corpus, stage = crawl(tmp_path / "c", [path])
    for name in ("candidates", "candidates-rejected"):
        assert plain(rows(corpus, name)) == plain(rows(crawled[0], name))
    first = pages(corpus, stage)[0]
    assert first["fetched_at"].isoformat() == "2026-01-02T03:04:05+00:00"


def test_warc_files_and_seeds_in_one_command(
    site: Site, crawled: tuple[Corpus, Crawl, list[str]], tmp_path: Path
) -> None:
    urls = visited(crawled)
    for name, some in (("one", urls[:5]), ("two", urls[5:9])):
        write_warc(tmp_path / name / "a.warc.gz", site, some)
    with served(site) as network:
        corpus, stage = crawl(tmp_path / "c", [str(tmp_path / "*" / "a.warc.gz"), f"{ORIGIN}/"], **network)
    assert [row["url"] for row in pages(corpus, stage)[:9]] == urls[:9]
    assert [row["url"] for row in pages(corpus, stage)[9:]] == [row["url"] for row in pages(*crawled[:2])]
    kept = keyed(rows(corpus, "candidates"))
    assert kept == keyed(rows(crawled[0], "candidates")) and max(kept.values()) == 1
    refused = Counter(row["reason"] for row in rows(corpus, "candidates-rejected"))
    assert refused["duplicate_pair"] == sum(
        pair.page_url in urls[:9] and pair.expected_stage != "crawl" for pair in site.planted
    )


@pytest.mark.parametrize("keep", range(5))
def test_a_killed_reading_of_warc_files_goes_on(
    site: Site, crawled: tuple[Corpus, Crawl, list[str]], tmp_path: Path, keep: int
) -> None:
    """Files of 4, 0, 4 and 1 pages, of which so many were done; then the same at two workers."""
    urls = visited(crawled)
    pieces = {"a": urls[:4], "c": urls[4:8], "d": urls[8:9]}
    files = [write_warc(tmp_path / f"{name}.warc.gz", site, some) for name, some in pieces.items()]
    empty = gzip.decompress(record(f"{ORIGIN}/x", b"")).replace(
        b"text/html; charset=utf-8", b"image/png; charset=utf-8"
    )
    (tmp_path / "b.warc").write_bytes(empty)
    files.insert(1, str(tmp_path / "b.warc"))
    stage = Crawl(sources=tuple(files))
    corpus = Corpus.create(tmp_path / "c", shard_rows=20)
    do(corpus, [stage])
    layer = stage.layer(corpus)
    assert layer.units() == ("00000", "00001", "00002", "00003")
    before, found, parts = contents(corpus, "candidates"), pages(corpus, stage), contents(corpus, layer.name)
    assert [row["url"] for row in found] == urls[:9]
    for part in layer.units()[keep:]:
        layer.path(f"{part}.json").unlink()
    layer.path("all_stats.json").unlink()
    events = do(corpus, [stage], workers=2)
    assert sorted(done(events)) == ["candidates/all", *(f"{layer.name}/{n:05d}" for n in range(keep, 4))]
    assert pages(corpus, stage) == found and contents(corpus, "candidates") == before
    assert contents(corpus, layer.name) == parts
    whole = layer.stats("all")
    assert whole is not None and sum(whole["pages"].values()) == 9


def test_equal_names_in_other_folders_are_told_apart(
    site: Site, crawled: tuple[Corpus, Crawl, list[str]], tmp_path: Path
) -> None:
    urls = visited(crawled)
    files = [write_warc(tmp_path / name / "a.warc.gz", site, [url]) for name, url in zip("xy", urls, strict=False)]
    stage = Crawl(sources=tuple(files))
    corpus = Corpus.create(tmp_path / "c")
    first = stage.layer(corpus).name
    write_warc(tmp_path / "x" / "a.warc.gz", site, urls[2:3])
    assert stage.located().layer(corpus).name != first


def test_damaged_warc_records_are_rows_of_pages(site: Site, tmp_path: Path) -> None:
    urls = [page.url for page in site.pages if page.outcome == "fetched"][:3]
    path = Path(write_warc(tmp_path / "a.warc.gz", site, urls))
    path.write_bytes(path.read_bytes()[:-40])
    corpus, stage = crawl(tmp_path / "c", [str(path)])
    assert [row["reason"] for row in pages(corpus, stage)] == [None, None, "truncated_warc"]
    assert len(rows(corpus, "candidates")) > 0


@pytest.mark.parametrize("date", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "tomorrow", ""])
def test_dates_that_are_none_are_null(tmp_path: Path, date: str) -> None:
    body = b"<img src=/a.jpg alt=cat>"
    stored = gzip.decompress(record("http://a.test/", body)).replace(b"2026-01-02T03:04:05Z", date.encode())
    (tmp_path / "a.warc").write_bytes(stored)
    corpus = Corpus.create(tmp_path / "c")
    stage = Crawl(sources=(str(tmp_path / "a.warc"),))
    do(corpus, [stage])
    assert [(row["reason"], row["fetched_at"]) for row in pages(corpus, stage)] == [(None, None)]


def test_what_cannot_be_crawled_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "no.warc.gz").write_bytes(b"not a WARC file")
    wrong: list[tuple[type[Exception], Crawl]] = [
        (SourceError, Crawl(sources=(str(tmp_path / "nowhere.warc.gz"),))),
        (SourceError, Crawl(sources=(str(tmp_path / "*.warc"),))),
        (SourceError, Crawl(sources=(str(tmp_path / "no.warc.gz"),))),
        (UsageError, Crawl(sources=("ftp://a.test/",))),
        (UsageError, Crawl(sources=("http://user:secret@a.test/",))),
        (UsageError, Crawl(sources=())),
        (UsageError, Crawl(sources=("http://a.test/",), contact="smörgås")),
        (UsageError, Crawl(sources=("http://a.test/",), allow_private=("localhost",))),
        (UsageError, Crawl(sources=("http://a.test/",), connect_to=("a.test",))),
    ]
    for expected, stage in wrong:
        with pytest.raises(expected):
            running.do(tmp_path / "c", [stage], machines=Machines(workers=1), dry_run=False, as_json=False)
        assert not (tmp_path / "c").exists(), stage
