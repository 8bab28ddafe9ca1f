from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.net.server import LoopbackServer
from vlcorpus.errors import UsageError
from vlcorpus.net.fetch import Fetcher
from vlcorpus.net.response import Response
from vlcorpus.net.robots import MAX_DELAY_SECONDS, MAX_ROBOTS_BYTES, MAX_SITEMAPS, ROBOTS_LIMITS, Robots
from vlcorpus.net.url import origin

SITE = "https://example.com"


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as started:
        yield started


def robots_of(text: str | bytes, token: str = "vlcorpus") -> Robots:
    body = text.encode() if isinstance(text, str) else text
    return Robots(lambda url: Response(url=url, final_url=url, status=200, body=body), token)


@pytest.mark.parametrize(
    ("text", "path", "verdict"),
    [
        ("", "/a", None),
        ("<html><title>404</title>", "/a", None),
        ("User-agent: *\nDisallow: /", "/a", "robots_denied"),
        ("\ufeffUser-agent: *\r\nDisallow: /", "/a", "robots_denied"),
        ("User-agent: *\rDisallow: /", "/a", "robots_denied"),
        ("User-agent: *\nDisallow: /", "/robots.txt", None),
        ("User-agent: *\nDisallow:", "/a", None),
        ("user-AGENT : vlcorpus # us\ndisAllow : /p # private", "/p/x", "robots_denied"),
        ("User-agent: VLCorpus/2.0\nDisallow: /p", "/p/x", "robots_denied"),
        ("User-agent: vlcorpusbot\nDisallow: /", "/a", None),
        ("User-agent: corpus\nDisallow: /", "/a", None),
        ("User-agent: vlcorpus\nDisallow:\n\nUser-agent: *\nDisallow: /", "/a", None),
        ("User-agent: vlcorpus\nDisallow: /p\n\nUser-agent: *\nDisallow: /", "/a", None),
        ("User-agent: other\nUser-agent: vlcorpus\nDisallow: /p", "/p", "robots_denied"),
        ("User-agent: other\nDisallow: /\nUser-agent: vlcorpus\nDisallow: /p", "/a", None),
        ("User-agent: other\nDisallow: /", "/a", None),
        ("Disallow: /", "/a", None),
        ("User-agent: *\nDisallow: /\nAllow: /img/", "/img/a.jpg", None),
        ("User-agent: *\nDisallow: /*.gif$", "/a/b.gif", "robots_denied"),
        ("User-agent: *\nDisallow: /*.gif$", "/a/b.gif?x", None),
        ("User-agent: *\nDisallow: /%C3%A9", "/%c3%a9", "robots_denied"),
        ("User-agent: *\nDisallow: /é", "/%C3%A9", "robots_denied"),
        ("User-agent: *\nDisallow: /a\nUser-agent: *\nDisallow: /b", "/b", "robots_denied"),
        ("User-agent: *\nSitemap: https://example.com/s.xml\nDisallow: /b", "/b", "robots_denied"),
        # Rules of other kinds end the list of agents, too.
        ("User-agent: *\nContent-Signal: ai-train=no\n\nUser-agent: vlcorpus\nDisallow: /b", "/b", "robots_denied"),
        ("User-agent: *\nContent-Usage: train-ai=n\n\nUser-agent: GPTBot\nDisallow: /", "/a", None),
        ("User-agent: vlcorpus\nContent-Usage: train-ai=n\n\nUser-agent: *\nDisallow: /", "/a", None),
        ("Content-Signal: ai-train=no\nUser-agent: *\nDisallow: /b", "/b", "robots_denied"),
    ],
)
def test_rules(text: str, path: str, verdict: str | None) -> None:
    assert robots_of(text).verdict(SITE + path) == verdict


@pytest.mark.parametrize(
    ("status", "reason", "verdict"),
    [
        (404, "http_error", None),
        (401, "http_error", None),
        (410, "http_error", None),
        (429, "http_error", "robots_unreachable"),
        (500, "http_error", "robots_unreachable"),
        (503, "http_error", "robots_unreachable"),
        (302, "http_error", "robots_unreachable"),
        (302, "too_many_redirects", None),
        (None, "timeout", "robots_unreachable"),
        (None, "dns_failure", "robots_unreachable"),
        (None, "private_address", "robots_unreachable"),
        (200, "truncated_body", "robots_unreachable"),
        (200, "too_large", "robots_unreachable"),
    ],
)
def test_no_robots_txt(status: int | None, reason: str, verdict: str | None) -> None:
    asked: list[str] = []

    def get(url: str) -> Response:
        asked.append(url)
        return Response(url=url, status=status, reason=reason)

    robots = Robots(get, "vlcorpus")
    assert [robots.verdict(f"{SITE}/a"), robots.verdict(f"{SITE}/b")] == [verdict] * 2
    assert asked == [f"{SITE}/robots.txt"]


def test_origins_are_asked_once_each_over_the_network(server: LoopbackServer) -> None:
    server.put("/robots.txt", b"User-agent: *\nDisallow: /no\nCrawl-delay: 2")
    sites = [server.url("", f"{name}.example") for name in "abcdef"]
    urls = [f"{site}/{path}" for site in sites for path in ("yes", "no")]
    with Fetcher(server.manners(), ROBOTS_LIMITS) as fetcher:
        robots = Robots(fetcher.fetch, "vlcorpus")
        assert robots.crawl_delay(sites[0]) is None
        robots.prefetch((origin(url) for url in urls[:8]), fetcher)
        assert len(server.requests) == 4
        assert [robots.verdict(url) for url in urls] == [None, "robots_denied"] * 6
        robots.prefetch(sites, fetcher)
    assert [robots.crawl_delay(site) for site in sites] == [2.0] * 6
    assert server.paths() == ["/robots.txt"] * 6


def test_redirects_are_followed(server: LoopbackServer) -> None:
    server.put("/robots.txt", b"", {"Location": "/elsewhere.txt"}, 301)
    server.put("/elsewhere.txt", b"User-agent: *\nDisallow: /")
    with Fetcher(server.manners(), ROBOTS_LIMITS) as fetcher:
        assert Robots(fetcher.fetch, "vlcorpus").verdict(server.url("/a")) == "robots_denied"


def test_the_first_500_kib_count(server: LoopbackServer) -> None:
    early = b"User-agent: *\nDisallow: /early\n"
    padding = b"# padding\n" * (MAX_ROBOTS_BYTES // 10)
    server.put("/robots.txt", early + padding + b"Disallow: /late\n")
    with Fetcher(server.manners(), ROBOTS_LIMITS) as fetcher:
        robots = Robots(fetcher.fetch, "vlcorpus")
        assert robots.verdict(server.url("/early")) == "robots_denied"
        assert robots.verdict(server.url("/late")) is None


def test_hostile_files_cost_little() -> None:
    many_agents = "".join(f"User-agent: a{n}\nUser-agent: vlcorpus{n}\n" for n in range(8000))
    robots = robots_of(many_agents + "User-agent: vlcorpus\n" + "".join(f"Disallow: /{n}\n" for n in range(15_000)))
    assert robots.verdict(f"{SITE}/14999x") == "robots_denied"
    stars = robots_of("User-agent: *\nDisallow: /" + "*a" * 200_000 + "*b\n")
    assert stars.verdict(f"{SITE}/" + "a" * 8000) is None
    assert robots_of(bytes(range(256)) * 1000).verdict(f"{SITE}/a") is None


@pytest.mark.parametrize(
    ("text", "delay"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("31", MAX_DELAY_SECONDS),
        ("1e9", MAX_DELAY_SECONDS),
        ("-1", None),
        ("nan", None),
        ("soon", None),
    ],
)
def test_crawl_delay_is_bounded(text: str, delay: float | None) -> None:
    robots = robots_of(f"User-agent: vlcorpus\nCrawl-delay: {text}")
    assert robots.verdict(f"{SITE}/a") is None
    assert robots.crawl_delay(SITE) == delay


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sitemap: https://example.com/a.xml", ["https://example.com/a.xml"]),
        ("User-agent: other\nDisallow: /\nsitemap : https://cdn.example/a.xml # ours", ["https://cdn.example/a.xml"]),
        ("Sitemap: /a.xml\nSitemap: b c.xml", ["https://example.com/a.xml", "https://example.com/b%20c.xml"]),
        ("Sitemap: /a.xml\nSitemap: https://EXAMPLE.com:443/a.xml", ["https://example.com/a.xml"]),
        ("Sitemap: ftp://example.com/a\nSitemap: http://u:p@x/\nSitemap:\nSitemap: javascript:1", []),
        ("Sitemap: //b.example/s\nUser-agent: *", ["https://b.example/s"]),
        ("", []),
    ],
)
def test_sitemaps(text: str, expected: list[str]) -> None:
    robots = robots_of(text)
    assert robots.sitemaps(SITE) == ()
    assert robots.verdict(f"{SITE}/a") is None
    assert robots.sitemaps(SITE) == tuple(expected)


def test_sitemaps_are_bounded() -> None:
    robots = robots_of("".join(f"Sitemap: /{n}.xml\n" for n in range(20_000)))
    assert robots.verdict(f"{SITE}/a") is None
    assert len(robots.sitemaps(SITE)) == MAX_SITEMAPS
    robots = robots_of("Sitemap: /" + "a" * 100_000)
    assert robots.verdict(f"{SITE}/a") is None
    assert robots.sitemaps(SITE) == ()


@pytest.mark.parametrize(
    ("status", "reason", "body", "expected"),
    [
        (200, None, b"User-agent: *", (200, b"User-agent: *")),
        (404, "http_error", b"", (404, b"")),
        (503, "http_error", b"", (503, b"")),
        (None, "timeout", b"", (0, b"")),
        (200, "truncated_body", b"", (0, b"")),
        (302, "too_many_redirects", b"", (0, b"")),
        (200, "too_large", b"a" * (MAX_ROBOTS_BYTES + 1), (200, b"a" * MAX_ROBOTS_BYTES)),
        (200, "too_large", b"", (0, b"")),
    ],
)
def test_each_answer_is_shown_once(
    status: int | None, reason: str | None, body: bytes, expected: tuple[int, bytes]
) -> None:
    shown: list[tuple[str, int, bytes]] = []

    def get(url: str) -> Response:
        return Response(url=url, final_url=f"{url}/moved", status=status, reason=reason, body=body)

    robots = Robots(get, "vlcorpus", seen=lambda *answer: shown.append(answer))
    for path in ("/a", "/b"):
        robots.verdict(SITE + path)
    assert shown == [(f"{SITE}/robots.txt", *expected)]


def test_prefetched_answers_are_shown_too(server: LoopbackServer) -> None:
    server.put("/robots.txt", b"Sitemap: /s.xml")
    shown: list[tuple[str, int, bytes]] = []
    sites = [server.url("", f"{name}.example") for name in "ab"]
    with Fetcher(server.manners(), ROBOTS_LIMITS) as fetcher:
        robots = Robots(fetcher.fetch, "vlcorpus", lambda *answer: shown.append(answer))
        robots.prefetch(sites, fetcher)
    assert sorted(shown) == [(f"{site}/robots.txt", 200, b"Sitemap: /s.xml") for site in sites]
    assert [robots.sitemaps(site) for site in sites] == [(f"{site}/s.xml",) for site in sites]


def test_a_token_that_no_file_can_name_is_refused() -> None:
    with pytest.raises(UsageError):
        robots_of("", token="vl corpus/1.0")
