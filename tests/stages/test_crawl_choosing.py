"""What a crawl keeps: profiles, terms, expressions, languages, opt-outs, caps, earlier crawls; every row is counted."""

from __future__ import annotations

import gzip
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.net.server import Exchange, LoopbackServer, reply
from tests.stages.running import contents, do, done, rows
from tests.web import wats
from vlcorpus.cli import running
from vlcorpus.cli.machines import Machines
from vlcorpus.corpus import Corpus
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.io import table
from vlcorpus.stages.crawl import Crawl

BIRDS = """<html lang=en><title>Birds</title><link rel=license href=https://creativecommons.org/licenses/by/4.0/>
<img src=kite.jpg alt="A red kite over the green hills of Wales" width=640 height=480>
<img src=/robin.jpg alt="The robin sits on a fence post in winter" width=100 height=80>
<img src=milan.jpg alt="Ein Rotmilan kreist langsam über dem herbstlichen Wald" width=640 height=480>
<img src=kite.jpg alt="Another text for the same kite picture" width=640 height=480>
<img src=img.jpg alt="IMG_2034" width=640><img src=none.jpg><img src=logo.svg alt="our logo">"""
CATS = '<meta name=robots content=noai><img src=http://b.test/cat.jpg alt="A cat asleep on the warm windowsill">'
LINK = "<a href=/x><img src=http://b.test/x.jpg alt='A small boat on the lake at dawn'></a>"


def warc(path: Path, *pages: tuple[str, str], kind: str = "text/html") -> str:
    """Pages as a WARC file; robots.txt and its like are text."""
    records = []
    for url, body in pages:
        said = "text/plain" if url.endswith(".txt") else "application/json" if url.endswith(".json") else kind
        block = f"HTTP/1.1 200 OK\r\nContent-Type: {said}; charset=utf-8\r\n\r\n{body}".encode()
        head = f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: {url}\r\nWARC-Date: 2026-01-02T03:04:05Z\r\n"
        head += f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(block)}\r\n\r\n"
        records.append(gzip.compress(head.encode() + block + b"\r\n\r\n", mtime=0))
    path.write_bytes(b"".join(records))
    return str(path)


def crawl(path: Path, *sources: str, **settings: Any) -> tuple[Corpus, Crawl]:
    corpus = Corpus.create(path)
    stage = Crawl(sources=sources, **settings)
    do(corpus, [stage])
    return corpus, stage


def whole(corpus: Corpus, stage: Crawl) -> dict[str, Any]:
    stats = stage.layer(corpus).stats("all")
    assert stats is not None and stats["seen"] == stats["kept"] + sum(stats["rejected"].values())
    return stats


def texts(corpus: Corpus) -> list[str]:
    return [row["alt_text"] for row in rows(corpus, "candidates")]


@pytest.fixture
def birds(tmp_path: Path) -> str:
    return warc(tmp_path / "birds.warc.gz", ("http://a.test/b/", BIRDS))


def test_everything_is_a_row(birds: str, tmp_path: Path) -> None:
    corpus, stage = crawl(tmp_path / "c", birds)
    kept = rows(corpus, "candidates")
    assert [row["image_id"] for row in kept[:2]] == [kept[0]["image_id"]] * 2, "rows of one image stand together"
    assert len(kept) == 5
    refused = Counter(row["reason"] for row in rows(corpus, "candidates-rejected"))
    assert refused == {"empty_alt": 1, "svg": 1} == whole(corpus, stage)["rejected"]
    first = kept[0]
    assert first["url"] == "http://a.test/b/kite.jpg" and (first["width"], first["height"]) == (640, 480)
    assert (first["text_source"], first["image_source"], first["source_kind"]) == ("alt", "src", "warc")
    assert (first["source_file"], first["record_offset"]) == ("birds.warc.gz", 0)
    assert first["record_length"] == Path(birds).stat().st_size
    assert (first["licence"], first["licence_scope"]) == ("https://creativecommons.org/licenses/by/4.0/", "link")
    assert first["found_at"].isoformat() == "2026-01-02T03:04:05+00:00"
    splits = {row["url"].rpartition("/")[2]: (row["language"], row["language_split"]) for row in kept}
    assert splits["kite.jpg"] == ("en", "en") and splits["milan.jpg"] == ("de", "multi")
    assert splits["img.jpg"][1] == "nolang"
    assert {row["page_language"] for row in kept} == {"en"}


def test_terms_choose_and_the_rest_is_counted(birds: str, tmp_path: Path) -> None:
    (tmp_path / "terms.txt").write_text("red kite\nROBIN\n# milan\n")
    corpus, stage = crawl(tmp_path / "c", birds, match=str(tmp_path / "terms.txt"))
    assert [text.split()[1] for text in texts(corpus)] == ["red", "robin"]
    assert rows(corpus, "candidates-rejected") == []
    stats = whole(corpus, stage)
    assert stats["rejected"] == {"empty_alt": 1, "svg": 1, "not_matched": 3} == stats["dropped"]
    (tmp_path / "terms.txt").write_text("robin\n")
    assert stage.located().layer(corpus).name != stage.layer(corpus).name, "other terms are another crawl"


def test_an_expression_chooses(birds: str, tmp_path: Path) -> None:
    corpus, stage = crawl(tmp_path / "c", birds, where='width >= 256 and language == "en" and licence_scope == "link"')
    assert len(texts(corpus)) == 2 and all("kite" in text for text in texts(corpus))
    assert whole(corpus, stage)["rejected"] == {"empty_alt": 1, "svg": 1, "not_wanted": 3}


@pytest.mark.parametrize("language", ["cld3", "fasttext", "none"])
def test_other_identifiers(birds: str, tmp_path: Path, language: str) -> None:
    corpus, _ = crawl(tmp_path / "c", birds, language=language)
    found = {row["language"] for row in rows(corpus, "candidates")}
    assert found == {None} if language == "none" else {"en", "de"} <= found


def test_opt_outs_drop_or_are_tagged(tmp_path: Path) -> None:
    robots = "User-agent: GPTBot\nDisallow: /\n\nUser-agent: *\nContent-Signal: ai-train=no\nAllow: /\n"
    tdm = '[{"location": "/private/*", "tdm-reservation": 1}]'
    path = warc(
        tmp_path / "a.warc.gz",
        ("http://a.test/cats", CATS),
        ("http://r.test/robots.txt", robots),
        ("http://r.test/x", LINK),
        ("http://t.test/.well-known/tdmrep.json", tdm),
        ("http://t.test/private/x", LINK),
        ("http://t.test/public", LINK.replace("x.jpg", "y.jpg")),
        ("http://b.test/ai.txt", "User-Agent: *\nDisallow: *.png\n"),
        ("http://o.test/", '<img src=http://b.test/a.png alt="one two"><img src=http://b.test/a.gif alt="three four">'),
    )
    corpus, stage = crawl(tmp_path / "drop", path)
    assert [row["url"] for row in rows(corpus, "candidates")] == ["http://b.test/y.jpg", "http://b.test/a.gif"]
    assert whole(corpus, stage)["rejected"] == {"optout": 4}
    said = {row["page_url"]: row["optout"] for row in rows(corpus, "candidates-rejected")}
    assert said["http://a.test/cats"] == ["noai|robots|noai"]
    assert {each.partition("|")[0] for each in said["http://r.test/x"]} == {"ai-token", "ai-train=no"}
    assert said["http://t.test/private/x"][0].startswith("tdm-reservation|tdmrep.json")
    assert said["http://o.test/"][0].startswith("ai-txt|image:")
    tagged, stage = crawl(tmp_path / "tag", path, optout="tag")
    assert whole(tagged, stage)["rejected"] == {"duplicate_pair": 1}  # the boat stands on two pages
    kept = {row["page_url"]: row["optout"] for row in rows(tagged, "candidates")}
    assert kept["http://a.test/cats"] == ["noai|robots|noai"] and kept["http://t.test/public"] is None
    asked = {
        page["url"]: page["reason"] for page in table.rows(stage.layer(tagged).path("pages/00000.parquet"), "pages")
    }
    assert set(asked.values()) == {None} and len(asked) == 5


def test_caps_and_earlier_corpora(birds: str, tmp_path: Path) -> None:
    corpus, stage = crawl(tmp_path / "c", birds, max_texts_per_image=1)
    assert whole(corpus, stage)["rejected"] == {"empty_alt": 1, "svg": 1, "too_many_texts": 1}
    more = warc(tmp_path / "more.warc.gz", ("http://a.test/b/", BIRDS), ("http://c.test/", LINK))
    other, stage = crawl(tmp_path / "other", more, against=(str(tmp_path / "c"),))
    assert len(texts(other)) == 2
    assert whole(other, stage)["rejected"] == {"empty_alt": 1, "svg": 1, "in_earlier_corpus": 4}


def test_wat_files_by_profile(tmp_path: Path) -> None:
    page = '<img src=a.jpg alt="A red kite over the hills"><img src=b.jpg alt="hi"><img src=c.gif alt="the cat">'
    path = wats.write(tmp_path / "a.wat.gz", wats.crawled([("http://a.test/x/", [], page)]))
    counts = {}
    for profile in ("full", "laion", "compat"):
        corpus, stage = crawl(tmp_path / profile, str(path), profile=profile)
        counts[profile] = [row["url"].rpartition("/")[2] for row in rows(corpus, "candidates")]
        stats = whole(corpus, stage)
        assert stats["seen"] == 3 and stats["pages"] == {"visited": 1}
        row = rows(corpus, "candidates")[0]
        assert (row["source_kind"], row["warc_file"], row["page_url"]) == ("wat", wats.WARC, "http://a.test/x/")
        words, url = row["alt_text"], row["url"]
        given = {"compat": words + url, "laion": url + words}.get(profile)
        assert row["given_uid"] == (hashlib.md5(given.encode()).hexdigest() if given else None)
    assert counts == {"full": ["a.jpg", "b.jpg", "c.gif"], "laion": ["a.jpg"], "compat": ["a.jpg", "b.jpg", "c.gif"]}
    lost, stage = crawl(tmp_path / "lost", str(path), profile="laion", keep_relative=False)
    assert texts(lost) == [] and whole(lost, stage)["seen"] == 3


def test_files_of_a_common_crawl(tmp_path: Path) -> None:
    names = [f"crawl-data/CC-MAIN-2024-22/segments/1/wat/{number}.warc.wat.gz" for number in range(9)]
    with LoopbackServer() as server:
        server.put("/crawl-data/CC-MAIN-2024-22/wat.paths.gz", gzip.compress("\n".join(names).encode()))
        for number, name in enumerate(names):
            page = f'<img src=http://i.test/{number}.jpg alt="picture of the day, number {number}">'
            made = wats.write(tmp_path / f"{number}.wat.gz", wats.crawled([("http://a.test/", [], page)]))
            server.put(f"/{name}", made.read_bytes())
        network = {"base_url": server.url(""), "allow_private": ("127.0.0.0/8",)}
        corpus, stage = crawl(tmp_path / "c", "cc:CC-MAIN-2024-22", files=3, seed=5, **network)
        kept = rows(corpus, "candidates")
        assert len(kept) == 3 == len({row["source_file"] for row in kept}) and {
            row["source_file"] for row in kept
        } < set(names)
        asked = Counter(server.paths())
        again = do(corpus, [Crawl(sources=stage.sources, files=3, seed=5, **network)])
        assert done(again, "unchanged") == ["candidates/all"] and done(again) == []
        assert Counter(server.paths()) - asked == {"/crawl-data/CC-MAIN-2024-22/wat.paths.gz": 1}
        other, _ = crawl(tmp_path / "other", "cc:CC-MAIN-2024-22", files=3, seed=6, **network)
        assert {row["source_file"] for row in rows(other, "candidates")} != {row["source_file"] for row in kept}
        parallel = Corpus.create(tmp_path / "parallel")
        do(parallel, [Crawl(sources=stage.sources, files=3, seed=5, **network)], workers=2)
        assert contents(parallel, "candidates") == contents(corpus, "candidates")
    assert not list(corpus.path.rglob("*spool*"))


SITE = {
    "/": '<img src=/1.jpg alt="the first picture of all"><a href=/a>a</a><a href=/b>b</a>',
    "/a": '<img src=/2.jpg alt="the second picture of all">',
    "/b": '<img src=/3.jpg alt="the third picture of all"><a href=/c>c</a>',
    "/c": '<img src=/4.jpg alt="the fourth picture of all">',
}


def live(server: LoopbackServer) -> dict[str, Any]:
    return {"contact": "me@example.org", "delay": 0.0, "chunk": 1, "allow_private": ("127.0.0.0/8",)}


def test_a_later_crawl_asks_for_changes_only(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        site = dict(SITE)

        def answer(exchange: Exchange) -> bool:
            body = site[exchange.request.path].encode()
            headers = {"Content-Type": "text/html", "ETag": f'"{hashlib.md5(body).hexdigest()}"'}
            same = exchange.request.headers.get("if-none-match") == headers["ETag"]
            return reply(exchange, b"" if same else body, headers, 304 if same else 200)

        for path in SITE:
            server.on(path, answer)
        corpus, first = crawl(tmp_path / "c", server.url("/"), **live(server))
        assert len(texts(corpus)) == 4
        site["/b"] = SITE["/b"].replace("third", "new")
        name = first.source
        stage = Crawl(sources=(server.url("/"),), earlier=name, **live(server))
        do(corpus, [stage])
        assert len(texts(corpus)) == 5 and "the new picture of all" in texts(corpus)
        again = whole(corpus, stage)
        assert again["pages"] == {"not_modified": 3, "visited": 1}
        with pytest.raises(UsageError, match="no earlier crawl 'crawl-x'"):
            do(corpus, [Crawl(sources=(server.url("/"),), earlier="crawl-x", **live(server))])


def test_a_crawl_that_ran_out_of_time_goes_on(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        for path, body in SITE.items():
            server.put(path, body.encode(), {"Content-Type": "text/html"})
        network = live(server)
        corpus, stage = crawl(tmp_path / "c", server.url("/"), max_seconds=0, **network)
        assert whole(corpus, stage)["ended"] == "max_seconds" and texts(corpus) == []
        assert [request.path for request in server.requests if request.path in SITE] == []
        do(corpus, [Crawl(sources=stage.sources, **network)])
        assert len(texts(corpus)) == 4 and whole(corpus, stage)["ended"] is None
        assert done(do(corpus, [Crawl(sources=stage.sources, **network)]), "unchanged") == ["candidates/all"]


@pytest.mark.parametrize("contact", [None, "me", "@", "example.org", "a@b"])
def test_a_live_crawl_without_an_address_to_write_to_does_not_begin(tmp_path: Path, contact: str | None) -> None:
    with LoopbackServer() as server:
        settings = live(server) | {"contact": contact}
        with pytest.raises(UsageError, match="a live crawl needs a contact") as raised:
            running.do(
                tmp_path / "c",
                [Crawl(sources=(server.url("/"),), **settings)],
                machines=Machines(workers=1),
                dry_run=False,
                as_json=False,
            )
        assert "--contact" in raised.value.hint and server.requests == [] and not (tmp_path / "c").exists()


def test_what_cannot_be_chosen_is_refused_first(birds: str, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    wrong: list[tuple[type[Exception], str, dict[str, Any]]] = [
        (UsageError, "alt_txet", {"where": "length(alt_txet) > 5"}),
        (SourceError, "empty.txt", {"match": str(tmp_path / "empty.txt")}),
        (SourceError, "nowhere", {"match": str(tmp_path / "nowhere")}),
        (UsageError, "profile laion is for WAT files", {"profile": "laion"}),
        (Exception, "no corpus at", {"against": (str(tmp_path / "nowhere"),)}),
    ]
    for kind, words, settings in wrong:
        with pytest.raises(kind, match=words):
            running.do(
                tmp_path / "c",
                [Crawl(sources=(birds,), **settings)],
                machines=Machines(workers=1),
                dry_run=False,
                as_json=False,
            )
        assert not (tmp_path / "c").exists(), settings
    with pytest.raises(UsageError, match="90,000 files"):
        running.do(
            tmp_path / "c",
            [Crawl(sources=("cc:CC-MAIN-2024-22",), files=None)],
            machines=Machines(workers=1),
            dry_run=False,
            as_json=False,
        )


def test_what_was_fetched_need_not_be_kept(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        for path, body in SITE.items():
            server.put(path, body.encode(), {"Content-Type": "text/html"})
        kept, stage = crawl(tmp_path / "kept", server.url("/"), **live(server))
        assert len(list(stage.layer(kept).path("warc").iterdir())) == 4
        bare, stage = crawl(tmp_path / "bare", server.url("/"), store=False, **live(server))
        assert not stage.layer(bare).path("warc").exists()
        assert texts(bare) == texts(kept)
        assert {row["record_offset"] for row in rows(bare, "candidates")} == {None}
