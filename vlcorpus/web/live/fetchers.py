"""The fetchers of a live crawl: one for robots.txt, one for what lists pages, one for pages, and one delay for all.

    with Fetchers(manners, delay=1.0) as fetchers:
        files = SiteFiles("vlcorpus")
        robots = Robots(fetchers.robots.fetch, "vlcorpus", seen=files.learn)
        fetchers.crawl_delay = robots.crawl_delay

Between two requests to a host, whichever of the three sends them, lie at least `delay` seconds and at least its
Crawl-delay; a host with a delay has one request under way at most, over one connection a fetcher. Without any delay
Manners.per_host counts. The delay runs from the first byte of an answer, so that the host sees it whole whatever the
way to it takes. Hosts that share an address are not known to.

Cost: three threads. Not for: two crawls of the same hosts at once, which know nothing of each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Self

from vlcorpus.net.fetch import Fetcher
from vlcorpus.net.names import Names
from vlcorpus.net.pace import LastAsked
from vlcorpus.net.response import Limits, Manners, Response
from vlcorpus.net.robots import ROBOTS_LIMITS
from vlcorpus.web.archives.warc import MAX_BYTES
from vlcorpus.web.live import sitemap

NOT_HTML = "not_html"  # the answer is of another type

DELAY = 1.0
ACCEPT = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5"
LIST_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,text/xml;q=0.9,*/*;q=0.5"
MAX_HEADER_BYTES = 60_000  # so that all of them fit into a record
PAGE_LIMITS = Limits(max_bytes=MAX_BYTES, keep_cut=True, max_redirects=0, max_header_bytes=MAX_HEADER_BYTES)
LIST_LIMITS = replace(PAGE_LIMITS, max_bytes=sitemap.MAX_BYTES, total_seconds=60.0)

_HTML = re.compile(r"\s*(?:text/html|application/xhtml\+xml)\s*(?:;|$)", re.IGNORECASE)
# Sitemaps, feeds and site files are served as nearly anything but these.
_NO_LIST = re.compile(r"\s*(?:image|video|audio|font|model|multipart)/|\s*application/(?:pdf|zip|wasm)", re.IGNORECASE)


class Fetchers:
    """manners, limits: of pages; redirects are never followed. delay: least seconds between two requests to a host.

    crawl_delay: what an origin asks for, as Robots.crawl_delay; to be set once there are Robots. Raises UsageError as
    Fetcher does.
    """

    def __init__(self, manners: Manners, *, delay: float = DELAY, limits: Limits = PAGE_LIMITS) -> None:
        self.delay = delay
        self.crawl_delay: Callable[[str], float | None] | None = None
        self.max_bytes = limits.max_bytes
        limits = replace(limits, keep_cut=True, max_redirects=0, max_header_bytes=MAX_HEADER_BYTES)
        robots = replace(ROBOTS_LIMITS, max_header_bytes=MAX_HEADER_BYTES)
        last, names = LastAsked(), Names()
        with ExitStack() as opened:
            self.robots = opened.enter_context(Keeping(manners, robots, delay=self.gap, last_asked=last, names=names))
            self.lists = opened.enter_context(
                Fetcher(
                    manners, LIST_LIMITS, LIST_ACCEPT, refuse_no_lists, delay=self.gap, last_asked=last, names=names
                )
            )
            self.pages = opened.enter_context(
                Fetcher(manners, limits, ACCEPT, refuse_other_types, delay=self.gap, last_asked=last, names=names)
            )
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        self._opened.close()

    def gap(self, origin: str) -> float:
        """Least seconds between two requests to `https://example.com`."""
        asked = self.crawl_delay(origin) if self.crawl_delay is not None else None
        return max(self.delay, asked or 0.0)


class Keeping(Fetcher):
    """Keeps what it got until that is taken, since who asks for robots.txt passes on no more than its rules."""

    def __init__(
        self, manners: Manners, limits: Limits, *, delay: Callable[[str], float], last_asked: LastAsked, names: Names
    ) -> None:
        super().__init__(manners, limits, delay=delay, last_asked=last_asked, names=names)
        self._kept: list[Response] = []

    def fetch_all(
        self, urls: Iterable[str], headers: Callable[[str], Mapping[str, str]] | None = None
    ) -> Generator[tuple[int, Response], None, None]:
        for index, response in super().fetch_all(urls, headers):
            self._kept.append(response)
            yield index, response

    def take_kept(self) -> list[Response]:
        kept, self._kept = self._kept, []
        return kept


def refuse_other_types(headers: Sequence[tuple[str, str]]) -> str | None:
    """An `inspect_headers` for a Fetcher: bodies that are not HTML are not fetched."""
    said = next((value for name, value in headers if name == "content-type"), None)
    return NOT_HTML if said and not _HTML.match(said) else None


def refuse_no_lists(headers: Sequence[tuple[str, str]]) -> str | None:
    """Bodies that are neither pages nor sitemaps, feeds or site files are not fetched."""
    said = next((value for name, value in headers if name == "content-type"), None)
    return NOT_HTML if said and _NO_LIST.match(said) else None
