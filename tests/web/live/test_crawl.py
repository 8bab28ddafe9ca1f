"""Live crawls of a site on loopback: order, robots.txt by the server's own log, traps, redirects, replay, WARC."""

from __future__ import annotations

import gzip
import io
import itertools
import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.net.server import Exchange, LoopbackServer, reply
from vlcorpus.errors import UsageError
from vlcorpus.net.optout import denied
from vlcorpus.net.response import Manners
from vlcorpus.net.robots import Robots
from vlcorpus.net.sitefiles import SiteFiles
from vlcorpus.net.url import origin
from vlcorpus.web.archives import warc
from vlcorpus.web.archives.warc_file import WarcFile, payload_digest
from vlcorpus.web.live.crawl import REASONS, Earlier, Fetchers, LiveCrawl, Visit, visit_chunks
from vlcorpus.web.live.frontier import Frontier
from vlcorpus.web.pages.html import extract

SITE = "http://site.test"
HTML = {"Content-Type": "text/html; charset=utf-8"}
XML = {"Content-Type": "application/xml"}


def page(*links: str, head: str = "") -> bytes:
    shown = '<img src="/a.jpg" alt="a cat">'
    return (f"<!doctype html>{head}{shown}" + "".join(f'<a href="{link}">x</a>' for link in links)).encode()


def urlset(*pages: str) -> bytes:
    return f"<urlset>{''.join(f'<url><loc>{one}</loc></url>' for one in pages)}</urlset>".encode()


@contextmanager
def site() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        server.put("/robots.txt", b"User-agent: *\nDisallow: /private/\n")
        server.put(
            "/", page("/b", "/a", "/private/1", "/file.pdf", "/gone", "/moved", "/away", "/noai", "/moved-in"), HTML
        )
        server.put("/a", page("/a1", "/b", "http://other.test/"), HTML)
        server.put("/b", page("/b1", "/b2"), HTML)
        for name in ("/a1", "/b1", "/b2", "/target", "/from-noai"):
            server.put(name, page("/"), HTML)
        server.put("/private/1", page(), HTML)
        server.put("/private/2", page(), HTML)
        server.put("/file.pdf", b"%PDF", {"Content-Type": "application/pdf"})
        server.put("/moved", b"", {"Location": "/target"}, 301)
        server.put("/away", b"", {"Location": "http://other.test/x"}, 302)
        server.put("/moved-in", b"", {"Location": "/private/2"}, 302)
        server.put("/noai", page("/from-noai", head='<meta name="robots" content="noai">'), HTML)
        yield server


@contextmanager
def crawling(
    server: LoopbackServer,
    frontier: Frontier,
    *,
    delay: float = 0.0,
    site_files: bool = False,
    manners: Manners | None = None,
    **settings: Any,
) -> Iterator[LiveCrawl]:
    manners = manners or server.manners(concurrency=8, per_host=8, retries=0)
    with Fetchers(manners, delay=delay) as fetchers:
        files = SiteFiles("vlcorpus")
        robots = Robots(fetchers.robots.fetch, "vlcorpus", seen=files.learn)
        fetchers.crawl_delay = robots.crawl_delay
        sites = files if site_files else None
        yield LiveCrawl(frontier, fetchers, robots, extract, sites=sites, refuse=denied, **settings)


def crawl(server: LoopbackServer, frontier: Frontier, *, chunk: int = 64, store: Any = None, **how: Any) -> list[Visit]:
    with crawling(server, frontier, **how) as made:
        return [visit for visits in visit_chunks(made, chunk, store) for visit in visits]


def brief(visits: list[Visit]) -> list[tuple[str, int, str | None]]:
    return [(visit.url.removeprefix(SITE), visit.depth, visit.reason) for visit in visits]


EXPECTED = [
    ("/", 0, None),
    ("/b", 1, None),
    ("/a", 1, None),
    ("/private/1", 1, "robots_denied"),
    ("/file.pdf", 1, "not_html"),
    ("/gone", 1, "http_error"),
    ("/moved", 1, "redirected"),
    ("/away", 1, "off_host_redirect"),
    ("/noai", 1, "optout"),
    ("/moved-in", 1, "redirected"),
    ("/b1", 2, None),
    ("/b2", 2, None),
    ("/a1", 2, None),
    ("/target", 1, None),
    ("/from-noai", 2, None),
    ("/private/2", 1, "robots_denied"),
]


def test_breadth_first_with_a_reason_for_each_page_without_pairs() -> None:
    with site() as server:
        assert brief(crawl(server, Frontier([SITE]))) == EXPECTED
        asked = server.paths()
    assert [path for path in asked if path.startswith("/private") or path == "/x"] == []
    assert sorted(asked) == sorted(set(asked)), "each page once"
    assert "vlcorpus-test/1.0" in {request.headers["user-agent"] for request in server.requests}


def test_pairs_of_a_page_that_opts_out_are_rejected_for_it() -> None:
    with site() as server:
        visits = {visit.url: visit for visit in crawl(server, Frontier([SITE]))}
    noai = visits[f"{SITE}/noai"]
    assert noai.page is not None
    assert [pair.reason for pair in noai.page.pairs] == ["optout"]
    assert noai.page.seen == 1
    assert noai.links == (f"{SITE}/from-noai",)


def test_a_visit_says_what_a_table_of_pages_holds() -> None:
    with LoopbackServer() as server:
        server.put("/", page("/a", "/"), {**HTML, "ETag": '"1"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"})
        (visit, _) = crawl(server, Frontier([SITE]), store=WarcFile(io.BytesIO()))
    assert (visit.etag, visit.last_modified) == ('"1"', "Mon, 01 Jan 2024 00:00:00 GMT")
    assert (visit.digest, visit.size) == (payload_digest(page("/a", "/")), len(page("/a", "/")))
    assert visit.links == (f"{SITE}/a", f"{SITE}/"), "all in scope, so that an unchanged page can give them again"
    assert visit.offset is not None and visit.length is not None and visit.fetched_at is not None
    assert visit.origin("x.warc.gz")[:4] == ("live", "x.warc.gz", visit.offset, visit.length)
    assert visit.origin("x.warc.gz").date.endswith("Z")


@pytest.mark.parametrize("chunk", [1, 3, 64])
@pytest.mark.parametrize("concurrency", [1, 16])
def test_the_order_depends_on_neither_chunk_nor_concurrency(chunk: int, concurrency: int) -> None:
    with site() as server:
        manners = server.manners(concurrency=concurrency, per_host=concurrency, retries=0)
        assert brief(crawl(server, Frontier([SITE]), chunk=chunk, manners=manners)) == EXPECTED


def same(visits: list[Visit]) -> list[object]:
    """Without when they were made."""
    return [(visit.done(), visit.status, visit.page, visit.digest) for visit in visits]


@pytest.mark.parametrize("after", [0, 1, 2, 5])
def test_a_replay_goes_on_where_the_crawl_stopped(after: int) -> None:
    with site() as server:
        whole = crawl(server, Frontier([SITE], max_pages=14), chunk=3)
        with crawling(server, Frontier([SITE], max_pages=14)) as first:
            done = [visit for _ in range(after) for visit in first.visit(3)]
        asked = len(server.requests)
        frontier = Frontier([SITE], max_pages=14)
        frontier.replay(visit.done() for visit in done)
        rest = crawl(server, frontier, chunk=3)
        again = {path for path in server.paths()[asked:] if path != "/robots.txt"}
    assert same(done + rest) == same(whole)
    assert not again & {visit.url.removeprefix(SITE) for visit in done}


def test_an_endless_site_ends_at_the_cap() -> None:
    def endless(exchange: Exchange) -> bool:
        number = int(exchange.query or 0)
        return reply(exchange, page(*(f"/trap?{number * 10 + n}" for n in range(1, 11))), HTML)

    with LoopbackServer() as server:
        server.on("/trap", endless)
        frontier = Frontier([f"{SITE}/trap?0"], max_pages=100, max_queries=1_000_000)
        with crawling(server, frontier) as made:
            assert sum(map(len, visit_chunks(made))) == 100
            assert made.ended == "max_pages"
        assert len(frontier) == 901
        assert len(set(server.paths())) == 101


def test_a_site_whose_robots_cannot_be_had_is_not_asked() -> None:
    with LoopbackServer() as server:
        server.put("/robots.txt", b"", status=503)
        frontier = Frontier([SITE], use_sitemaps=True)
        visits = crawl(server, frontier, site_files=True)
        assert brief(visits) == [("/", 0, "robots_unreachable"), ("/robots.txt", 0, "robots_unreachable")]
        assert set(server.paths()) == {"/robots.txt"}


def test_a_page_that_is_too_large_is_read_to_the_limit() -> None:
    with LoopbackServer() as server:
        server.put("/", page("/1") + b"x" * 6_000_000, HTML)
        server.put("/1", page() + b"x" * 6_000_000, HTML)
        visits = crawl(server, Frontier([SITE]))
    assert brief(visits) == [("/", 0, None), ("/1", 1, None)]
    for visit in visits:
        assert visit.page is not None
        assert (visit.page.seen, visit.size) == (1, 5_000_000)


# --- manners, by the log of the server ---


def gaps(server: LoopbackServer) -> list[float]:
    times = [request.at for request in server.requests]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


@pytest.mark.parametrize(("delay", "asked", "least"), [(0.1, None, 0.1), (0.0, 0.15, 0.15), (0.12, 0.05, 0.12)])
def test_no_two_requests_to_a_host_are_nearer_than_the_delay(delay: float, asked: float | None, least: float) -> None:
    """No tolerance: the delay runs from the first byte of an answer, so the server had read the request by then."""
    with LoopbackServer() as server:
        server.put("/robots.txt", f"User-agent: *\nCrawl-delay: {asked}\n".encode() if asked else b"")
        server.put("/", page("/1", "/2", "/moved", "/gone"), HTML)
        server.put("/moved", b"", {"Location": "/3"}, 301)
        for name in ("/1", "/2", "/3"):
            server.put(name, page(), HTML)
        manners = server.manners(concurrency=16, per_host=16, retries=0)
        assert len(crawl(server, Frontier([SITE]), delay=delay, manners=manners, site_files=True)) == 6
        assert len(server.requests) == 3 + 6
        # What robots.txt asks for is known only once it is there.
        assert min(gaps(server)) >= least


def generated(server: LoopbackServer, seed: int) -> list[str]:
    """A site of pages that link to each other, to denied pages, and to redirects into them; its denied paths."""
    rng = random.Random(seed)
    denied_paths = [f"/no/{n}" for n in range(30)] + [f"/x{n}.secret" for n in range(30)] + ["/cgi?q=1", "/ai-private"]
    server.put("/robots.txt", b"User-agent: *\nDisallow: /no/\nDisallow: /*.secret$\nDisallow: /cgi?\nDisallow: /ai-\n")
    allowed = [f"/p{n}" for n in range(40)] + [f"/x{n}.secret.html" for n in range(10)] + ["/nothing"]
    moved = {f"/go{n}": rng.choice(denied_paths) for n in range(20)}
    for path in denied_paths:
        server.put(path, page(*rng.choices(allowed, k=3)), HTML)
    for path, target in moved.items():
        server.put(path, b"", {"Location": f"{SITE}{target}"}, rng.choice([301, 302, 303, 307, 308]))
    for path in ["/", *allowed]:
        server.put(path, page(*rng.choices([*allowed, *denied_paths, *moved], k=12)), HTML)
    server.put("/ai.txt", b"", {"Location": "/ai-private"}, 302)
    server.put("/.well-known/tdmrep.json", b"", {"Location": "/no/1"}, 301)
    return denied_paths


@pytest.mark.parametrize("seed", range(3))
def test_nothing_that_robots_denies_is_ever_requested(seed: int) -> None:
    with LoopbackServer() as server, LoopbackServer("127.0.0.2") as broken:
        forbidden = generated(server, seed)
        server.put("/sitemap.xml", urlset(*(f"{SITE}{path}" for path in forbidden)), XML)
        broken.put("/robots.txt", b"", status=500)
        where = ("site.test:80:127.0.0.1:" + str(server.port), "ill.test:80:127.0.0.2:" + str(broken.port))
        manners = server.manners(retries=0, connect_to=where)
        frontier = Frontier([SITE, f"{SITE}/sitemap.xml", "http://ill.test/", "http://ill.test/x"])
        visits = crawl(server, frontier, manners=manners, site_files=True)
        asked = set(server.paths())
        assert set(broken.paths()) == {"/robots.txt"}
    assert asked & set(forbidden) == set()
    assert {"/ai.txt", "/.well-known/tdmrep.json"} <= asked
    reasons = {visit.url.removeprefix(SITE): visit.reason for visit in visits}
    assert {reasons[path] for path in forbidden} == {"robots_denied"}
    assert {reasons[url] for url in ("http://ill.test/", "http://ill.test/x")} == {"robots_unreachable"}
    assert sum(reason == "redirected" for reason in reasons.values()) > 5
    assert set(reasons.values()) - {None} <= set(REASONS)


def test_retry_after_is_obeyed() -> None:
    with LoopbackServer() as server:
        server.put("/", page("/again/429/1/1", "/2"), HTML)
        server.put("/2", page(), HTML)
        visits = crawl(server, Frontier([SITE]), manners=server.manners(concurrency=1, retries=1))
        assert [visit.status for visit in visits] == [200, 200, 200]
        refused, *after = [request.at for request in server.requests if request.path not in ("/", "/robots.txt")]
    assert len(after) == 2
    assert min(after) - refused >= 1.0


# --- site files ---


def test_site_files_are_asked_for_once_and_count_as_evidence() -> None:
    with LoopbackServer() as server:
        server.put("/robots.txt", b"User-agent: *\nDisallow: /ai.txt\n")
        server.put("/.well-known/tdmrep.json", b'[{"location": "/kept/*", "tdm-reservation": 1}]')
        server.put("/", page("/kept/1", "/free"), HTML)
        server.put("/kept/1", page(), HTML)
        server.put("/free", page(), HTML)
        visits = crawl(server, Frontier([SITE]), site_files=True, chunk=1)
        asked = server.paths()
    assert brief(visits) == [("/", 0, None), ("/kept/1", 1, "optout"), ("/free", 1, None)]
    assert asked == ["/robots.txt", "/.well-known/tdmrep.json", "/", "/kept/1", "/free"]
    assert visits[1].page is not None
    assert visits[1].page.pairs[0].reason == "optout"


@pytest.mark.parametrize("path", ["/status/500", "/close", "/bytes/9000000", "/redirect/9", "/ok/<html>"])
def test_site_files_that_cannot_be_had_forbid_nothing(path: str) -> None:
    with LoopbackServer() as server:
        for name in ("/ai.txt", "/.well-known/tdmrep.json"):
            server.put(name, b"", {"Location": path}, 302)
        server.put("/", page(), HTML)
        assert brief(crawl(server, Frontier([SITE]), site_files=True)) == [("/", 0, None)]


# --- sitemaps and feeds ---


def test_sitemaps_of_robots_txt_and_their_indexes() -> None:
    with LoopbackServer() as server:
        server.put("/robots.txt", f"Sitemap: {SITE}/index.xml\nSitemap: http://other.test/s.xml\n".encode())
        index = "".join(f"<sitemap><loc>{SITE}/{name}</loc></sitemap>" for name in ("a.xml.gz", "b.txt", "gone.xml"))
        server.put("/index.xml", f"<sitemapindex>{index}</sitemapindex>".encode(), XML)
        server.put("/a.xml.gz", gzip.compress(urlset(f"{SITE}/1?utm_source=s", f"{SITE}/2", "http://other.test/1")))
        server.put("/b.txt", f"{SITE}/3\n{SITE}/1\n".encode(), {"Content-Type": "text/plain"})
        server.put("/", page("/4", "/2"), HTML)
        for name in ("/1", "/2", "/3", "/4"):
            server.put(name, page(), HTML)
        frontier = Frontier([SITE], use_sitemaps=True)
        visits = crawl(server, frontier, chunk=2, store=WarcFile(io.BytesIO()))
        asked = server.paths()
    assert brief(visits) == [
        ("/", 0, None),
        ("/robots.txt", 0, "sitemap_index"),
        ("/index.xml", 0, "sitemap_index"),
        ("/a.xml.gz", 0, "sitemap"),
        ("/b.txt", 0, "sitemap"),
        ("/gone.xml", 0, "http_error"),
        ("/1", 0, None),
        ("/3", 0, None),
        ("/4", 1, None),
        ("/2", 1, None),
    ]
    assert asked.count("/robots.txt") == 1
    assert [visit.url for visit in visits if visit.offset is None] == [f"{SITE}/robots.txt"], "stored as a site file"
    again = Frontier([SITE], use_sitemaps=True)
    again.replay(visit.done() for visit in visits)
    assert again.take(1) == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (urlset(f"{SITE}/1"), HTML),
        (b"<rss><channel><item><link>/1</link></item></channel></rss>", {"Content-Type": "application/rss+xml"}),
        (b"<feed><entry><link href='/1'/></entry></feed>", {}),
        (f"{SITE}/1".encode(), {"Content-Type": "text/plain"}),
    ],
)
def test_a_seed_is_what_its_answer_is(body: bytes, headers: dict[str, str]) -> None:
    with LoopbackServer() as server:
        server.put("/list", body, headers)
        server.put("/moved", b"", {"Location": "/list"}, 301)
        server.put("/1", page(), HTML)
        visits = crawl(server, Frontier([f"{SITE}/moved"], max_depth=0))
    assert brief(visits) == [("/moved", 0, "redirected"), ("/list", 0, "sitemap"), ("/1", 0, None)]


def test_what_only_links_to_a_sitemap_does_not_read_it() -> None:
    with LoopbackServer() as server:
        server.put("/", page("/sitemap.xml"), HTML)
        server.put("/sitemap.xml", urlset(f"{SITE}/1"), XML)
        assert brief(crawl(server, Frontier([SITE]))) == [("/", 0, None), ("/sitemap.xml", 1, "not_html")]


def test_sitemaps_of_robots_txt_need_robots_txt() -> None:
    frontier = Frontier([SITE], use_sitemaps=True)
    with LoopbackServer() as server, Fetchers(server.manners()) as fetchers, pytest.raises(UsageError, match="robots"):
        LiveCrawl(frontier, fetchers, None, extract)


# --- caps ---


def test_max_bytes_ends_at_the_same_page_in_any_chunk() -> None:
    with site() as server:
        size = len(page())
        found = []
        for chunk in (1, 3, 64):
            sink = io.BytesIO()
            with crawling(server, Frontier([SITE], max_bytes=size * 9)) as made:
                visits = [visit for some in visit_chunks(made, chunk, WarcFile(sink)) for visit in some]
            assert made.ended == "max_bytes"
            found.append(brief(visits))
            stored = [one for one in warc_pages(sink) if one.reason is None]
            assert [one.url for one in stored] == [one.url for one in visits if one.page is not None]
    assert found[0] == found[1] == found[2] == EXPECTED[: len(found[0])]
    assert 3 <= len(found[0]) < len(EXPECTED)


def test_a_crawl_out_of_time_says_so_and_goes_on_later() -> None:
    with site() as server:
        whole = crawl(server, Frontier([SITE]))
        done: list[Visit] = []
        for _ in range(1_000):
            frontier = Frontier([SITE])
            frontier.replay(visit.done() for visit in done)
            with crawling(server, frontier, max_seconds=0.02) as made:
                done += [visit for visits in visit_chunks(made, 4) for visit in visits]
            if made.ended is None:
                break
            assert made.ended == "max_seconds"
        assert same(done) == same(whole)
        with crawling(server, Frontier([SITE]), max_seconds=0) as made:
            before = len(server.requests)
            assert (made.visit(), made.ended, len(server.requests)) == ((), "max_seconds", before)


# --- asking again ---


def versioned(server: LoopbackServer, path: str, version: str, body: bytes) -> None:
    def endpoint(exchange: Exchange) -> bool:
        if exchange.request.headers.get("if-none-match") == f'"{version}"':
            exchange.write(f'HTTP/1.1 304 Same\r\nETag: "{version}"\r\n\r\n'.encode())
            return True
        return reply(exchange, body, {**HTML, "ETag": f'"{version}"', "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"})

    server.on(path, endpoint)


def test_only_what_changed_is_fetched_again_and_links_are_followed_all_the_same() -> None:
    with LoopbackServer() as server:
        for path, links in {"/": ("/a", "/b"), "/a": ("/a1", "/b"), "/b": ("/b1", "/"), "/a1": (), "/b1": ()}.items():
            versioned(server, path, "1", page(*links))
        first = crawl(server, Frontier([SITE]))
        earlier = {one.url: Earlier(one.etag, one.last_modified, one.links, one.digest) for one in first}
        versioned(server, "/b", "2", page("/b2"))
        server.put("/b2", page(), HTML)
        sink = io.BytesIO()
        second = crawl(server, Frontier([SITE]), earlier=earlier.get, store=WarcFile(sink))
        asked = {request.path: request.headers for request in server.requests[-6:]}
    assert brief(second) == [
        ("/", 0, "not_modified"),
        ("/a", 1, "not_modified"),
        ("/b", 1, None),
        ("/a1", 2, "not_modified"),
        ("/b2", 2, None),
    ]
    assert asked["/a"]["if-none-match"] == '"1"'
    assert asked["/a"]["if-modified-since"] == "Mon, 01 Jan 2024 00:00:00 GMT"
    assert "if-none-match" not in asked["/b2"]
    same_as_before = [(one.links, one.etag, one.last_modified, one.digest) for one in first[:2]]
    assert [(one.links, one.etag, one.last_modified, one.digest) for one in second[:2]] == same_as_before
    assert all(one.offset is not None for one in second)
    assert [one.url for one in warc_pages(sink)] == [f"{SITE}/b", f"{SITE}/b2"]


def test_an_earlier_version_that_no_header_can_hold_is_not_sent() -> None:
    with LoopbackServer() as server:
        server.put("/", page(), HTML)
        odd = Earlier('"\x00\r\nX-Evil: 1"', "Mon\r\nX-Evil: 1", ())
        assert brief(crawl(server, Frontier([SITE]), earlier=lambda _: odd)) == [("/", 0, None)]
        assert not {"x-evil", "if-none-match", "if-modified-since"} & set(server.requests[-1].headers)


def test_a_304_that_was_not_asked_for_is_an_error() -> None:
    with LoopbackServer() as server:
        server.put("/", b"", status=304)
        assert brief(crawl(server, Frontier([SITE]))) == [("/", 0, "http_error")]


# --- the WARC file ---


def warc_pages(sink: io.BytesIO) -> list[warc.WarcPage]:
    with tempfile.NamedTemporaryFile(suffix=".warc.gz") as file:
        file.write(sink.getvalue())
        file.flush()
        return [stored for stored in warc.pages(Path(file.name)) if not stored.site_file]


def encoded(exchange: Exchange) -> bool:
    return reply(exchange, gzip.compress(page("/a"), mtime=0), {**HTML, "Content-Encoding": "gzip"})


def test_the_warc_file_gives_the_pairs_that_the_crawl_gave() -> None:
    with site() as server:
        latin = "<meta charset=iso-8859-1><img src=/é.jpg alt='ein Käfer'>".encode("latin-1")
        server.put("/b1", latin, {"Content-Type": "text/html"})
        server.put("/b2", b"  <!DOCTYPE html><img src=b.jpg alt='no type'><a href=/odd>x</a>")
        server.put("/odd", b"<head><img src=b.jpg alt='no type, and it does not look like HTML'>")
        server.on("/a1", encoded)
        server.put("/target", page() + b"<!--" + b"x" * 5_000_000 + b"--><img src=c.jpg alt='behind the cut'>", HTML)
        sink = io.BytesIO()
        file = WarcFile(sink, about={"software": "vlcorpus"})
        visits = crawl(server, Frontier([SITE]), store=file, site_files=True, chunk=5)
    stored = warc_pages(sink)
    read = [(one, extract(one.body, url=one.url, headers=one.headers)) for one in stored if one.reason is None]
    fetched = [visit for visit in visits if visit.page is not None]
    assert len(fetched) >= 9
    assert [found for _, found in read] == [
        visit.page if visit.reason is None else found for visit, (_, found) in zip(fetched, read, strict=True)
    ]
    assert [(one.url, one.offset, one.status) for one, _ in read] == [
        (visit.url, visit.offset, visit.status) for visit in fetched
    ]
    assert [payload_digest(one.body) for one, _ in read] == [visit.digest for visit in fetched]
    for visit in visits:
        if visit.offset is not None and visit.length is not None:
            record = gzip.decompress(sink.getvalue()[visit.offset : visit.offset + visit.length])
            assert f"WARC-Target-URI: {visit.url}\r\n".encode() in record
    targets = [line for line in decompressed(sink).split(b"\r\n") if line.startswith(b"WARC-Target-URI")]
    for path in ("/robots.txt", "/ai.txt", "/.well-known/tdmrep.json"):
        assert targets.count(f"WARC-Target-URI: {SITE}{path}".encode()) == 2, "request and response"
    denied_urls = {visit.url for visit in visits if visit.status is None}
    assert not {line.partition(b" ")[2].decode() for line in targets} & denied_urls
    assert {origin(visit.url) for visit in visits} == {SITE}


def decompressed(sink: io.BytesIO) -> bytes:
    return gzip.decompress(sink.getvalue())


def test_the_warc_file_is_in_the_order_of_visits_at_any_concurrency() -> None:
    with site() as server:
        orders = []
        for concurrency in (1, 16):
            sink = io.BytesIO()
            manners = server.manners(concurrency=concurrency, per_host=concurrency, retries=0)
            crawl(server, Frontier([SITE]), store=WarcFile(sink), manners=manners, site_files=True)
            lines = decompressed(sink).split(b"\r\n")
            orders.append([line for line in lines if line.startswith((b"WARC-Type", b"WARC-Target-URI"))])
    assert orders[0] == orders[1]
