"""Live crawls of a site on loopback: order, robots.txt by the server's own log, traps, redirects, replay."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.net.server import Exchange, LoopbackServer, reply
from vlcorpus.errors import SourceError
from vlcorpus.net.fetch import Fetcher
from vlcorpus.net.optout import denied
from vlcorpus.net.robots import ROBOTS_LIMITS, Robots
from vlcorpus.web.frontier import Frontier
from vlcorpus.web.html import extract
from vlcorpus.web.live import ACCEPT, PAGE_LIMITS, Visit, refuse_other_types, visit_chunks

SITE = "http://site.test"
HTML = {"Content-Type": "text/html; charset=utf-8"}


def page(*links: str, head: str = "") -> bytes:
    return (head + '<img src="/a.jpg" alt="a cat">' + "".join(f'<a href="{link}">x</a>' for link in links)).encode()


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
def fetching(server: LoopbackServer, concurrency: int = 8) -> Iterator[tuple[Fetcher, Robots]]:
    manners = server.manners(concurrency=concurrency, per_host=concurrency, retries=0)
    with Fetcher(manners, ROBOTS_LIMITS) as asking:
        robots = Robots(asking.fetch, "vlcorpus")
        with Fetcher(manners, PAGE_LIMITS, ACCEPT, refuse_other_types, delay=robots.crawl_delay) as fetcher:
            yield fetcher, robots


def crawl(server: LoopbackServer, frontier: Frontier, *, chunk: int = 64, concurrency: int = 8) -> list[Visit]:
    with fetching(server, concurrency) as (fetcher, robots):
        chunks = visit_chunks(frontier, fetcher, robots, extract, chunk=chunk, refuse=denied)
        return [visit for visits in chunks for visit in visits]


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
    ("/target", 2, None),
    ("/from-noai", 2, None),
    ("/private/2", 2, "robots_denied"),
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


@pytest.mark.parametrize("chunk", [1, 3, 64])
@pytest.mark.parametrize("concurrency", [1, 16])
def test_the_order_depends_on_neither_chunk_nor_concurrency(chunk: int, concurrency: int) -> None:
    with site() as server:
        assert brief(crawl(server, Frontier([SITE]), chunk=chunk, concurrency=concurrency)) == EXPECTED


@pytest.mark.parametrize("after", [0, 1, 2, 5])
def test_a_replay_goes_on_where_the_crawl_stopped(after: int) -> None:
    with site() as server:
        whole = crawl(server, Frontier([SITE], max_pages=14), chunk=3)
        with fetching(server) as (fetcher, robots):
            chunks = visit_chunks(Frontier([SITE], max_pages=14), fetcher, robots, extract, chunk=3, refuse=denied)
            done = [visit for _ in range(after) for visit in next(chunks)]
        asked = len(server.requests)
        frontier = Frontier([SITE], max_pages=14)
        frontier.replay((visit.url, visit.depth, visit.links) for visit in done)
        rest = crawl(server, frontier, chunk=3)
        again = {path for path in server.paths()[asked:] if path != "/robots.txt"}
    assert done + rest == whole
    assert not again & {visit.url.removeprefix(SITE) for visit in done}


def test_visits_of_another_crawl_are_refused() -> None:
    frontier = Frontier([SITE])
    with pytest.raises(SourceError, match=r"found http://site\.test/b at depth 0, expected http://site\.test/"):
        frontier.replay([(f"{SITE}/b", 0, ())])


def test_an_endless_site_ends_at_the_cap() -> None:
    def endless(exchange: Exchange) -> bool:
        number = int(exchange.query or 0)
        return reply(exchange, page(*(f"/trap?{number * 10 + n}" for n in range(1, 11))), HTML)

    with LoopbackServer() as server:
        server.on("/trap", endless)
        frontier = Frontier([f"{SITE}/trap?0"], max_pages=100, max_queries=1_000_000)
        assert len(crawl(server, frontier)) == 100
        assert len(frontier) == 901
        assert len(set(server.paths())) == 101


def test_a_site_whose_robots_cannot_be_had_is_not_asked() -> None:
    with LoopbackServer() as server:
        server.put("/robots.txt", b"", status=503)
        assert brief(crawl(server, Frontier([SITE]))) == [("/", 0, "robots_unreachable")]
        assert set(server.paths()) == {"/robots.txt"}


def test_a_crawl_delay_is_kept() -> None:
    with LoopbackServer() as server:
        server.put("/robots.txt", b"User-agent: *\nCrawl-delay: 0.2\n")
        server.put("/", page("/1", "/2", "/3"), HTML)
        for name in ("/1", "/2", "/3"):
            server.put(name, page(), HTML)
        assert len(crawl(server, Frontier([SITE]), concurrency=16)) == 4
        times = [request.at for request in server.requests if request.path != "/robots.txt"]
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) > 0.15


def test_a_page_that_is_too_large_is_read_to_the_limit() -> None:
    with LoopbackServer() as server:
        server.put("/", page("/1") + b"x" * 6_000_000, HTML)
        visits = crawl(server, Frontier([SITE], max_depth=0))
    assert brief(visits) == [("/", 0, None)]
    assert visits[0].page is not None
    assert visits[0].page.seen == 1


def test_a_fetcher_that_follows_redirects_is_checked_afterwards() -> None:
    with site() as server, Fetcher(server.manners(retries=0)) as fetcher:
        robots = Robots(fetcher.fetch, "vlcorpus")
        server.put("/", page("/away", "/moved-in", "/moved"), HTML)
        server.put("/x", page(), HTML)
        frontier = Frontier([SITE])
        visits = [visit for visits in visit_chunks(frontier, fetcher, robots, extract) for visit in visits]
    reasons = [(visit.url.removeprefix(SITE), visit.reason) for visit in visits]
    assert reasons == [("/", None), ("/away", "off_host_redirect"), ("/moved-in", "robots_denied"), ("/moved", None)]
    assert visits[3].page is not None
    assert visits[3].page.url == f"{SITE}/target"
