"""A live crawl: visits pages breadth first, and gives them in one order whatever answers first.

    with Fetchers(manners, delay=1.0) as fetchers:
        files = SiteFiles("vlcorpus")
        robots = Robots(fetchers.robots.fetch, "vlcorpus", seen=files.learn)
        fetchers.crawl_delay = robots.crawl_delay
        crawl = LiveCrawl(Frontier(["https://example.com/"]), fetchers, robots, extract, sites=files, refuse=denied)
        while visits := crawl.visit(64, warc):
            ...                                 # commit the chunk; what `Visit.done` gives is what `replay` needs
        crawl.ended                             # None: all was visited; or which cap ended it

Each URL taken from the frontier gives one Visit, in the frontier's order, at any concurrency. robots.txt is asked
before a page is; what it denies is not requested. A redirect is a visit of its own (`redirected`), whose target is its
only link: so a target is checked against scope and robots.txt before it is requested, and is fetched once. Before the
first page of an origin its tdmrep.json and ai.txt are asked for too; that there are none, or that they cannot be had,
forbids nothing. Seeds may be sitemaps or feeds, as their answers show.

What is stored and what is extracted are one: a page is extracted from the very block that its WARC record holds.

`max_seconds` ends a crawl between two answers; the visits that were not given are asked for again when it is resumed.
All other caps are the frontier's, and the same on every run.

Cost: 3.5 ms of CPU a page of 157 kB, 1.4 of them for the WARC file (benchmarks/live_crawl.py). Memory: the pages of a
chunk, but for their bytes. A chunk ends when its last page has answered: a slow host holds the others up for so long.
Not for: pages that need a browser.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from vlcorpus.errors import UsageError
from vlcorpus.net.fetch import Fetcher
from vlcorpus.net.optout import Evidence
from vlcorpus.net.response import REASONS as FETCH_REASONS
from vlcorpus.net.response import Response
from vlcorpus.net.robots import MAX_ROBOTS_BYTES, ROBOTS_DENIED, ROBOTS_UNREACHABLE
from vlcorpus.net.url import origin, requestable
from vlcorpus.web.archives import http_message
from vlcorpus.web.archives.warc_file import Shelf, Store, http_block, payload_digest, warc_date
from vlcorpus.web.found import Origin, Page
from vlcorpus.web.live import sitemap
from vlcorpus.web.live.fetchers import NOT_HTML, Fetchers
from vlcorpus.web.live.frontier import PAGE, REDIRECTED, ROBOTS, SITEMAP, SITEMAP_INDEX, Done, Due, Frontier

__all__ = ["REASONS", "Done", "Earlier", "Fetchers", "Frontier", "LiveCrawl", "Visit"]

OFF_HOST_REDIRECT = "off_host_redirect"  # to a page out of scope
OPTOUT = "optout"  # the page was refused by its opt-out evidence; its pairs are rejected for it
NOT_MODIFIED = "not_modified"  # as the earlier crawl found it
REASONS = (
    ROBOTS_DENIED, ROBOTS_UNREACHABLE, NOT_HTML, REDIRECTED, OFF_HOST_REDIRECT, OPTOUT, NOT_MODIFIED, SITEMAP,
    SITEMAP_INDEX, *FETCH_REASONS,
)  # fmt: skip

MAX_SECONDS = "max_seconds"

_SITE_FILE_HOPS = 3
# As warc.pages tells them, so that a crawl's pages and its WARC file's are the same.
_HTML = re.compile(r"\s*(?:text/html|application/xhtml\+xml)\s*(?:;|$)", re.IGNORECASE)
_LOOKS_LIKE_HTML = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html)[\s>]", re.IGNORECASE)
_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{0,500}"')
_DATE = re.compile(r"[\x20-\x7e]{1,100}")


class Rules(Protocol):
    """What is asked of vlcorpus.net.robots.Robots."""

    def verdict(self, url: str) -> str | None: ...

    def prefetch(self, origins: Sequence[str], fetcher: Fetcher) -> None: ...

    def sitemaps(self, origin: str) -> tuple[str, ...]: ...


class Sites(Protocol):
    """What is asked of vlcorpus.net.sitefiles.SiteFiles."""

    def learn(self, url: str, status: int, body: bytes) -> None: ...

    def missing(self, origin: str) -> tuple[str, ...]: ...

    def evidence(self, url: str) -> tuple[Evidence, ...]: ...


class Extract(Protocol):
    """What is asked of vlcorpus.web.pages.html.extract."""

    def __call__(self, body: bytes, *, url: str, headers: Sequence[tuple[str, str]]) -> Page: ...


class Earlier(NamedTuple):
    """A page as an earlier crawl found it: what its server said of its version, and what it led to."""

    etag: str | None
    last_modified: str | None
    links: Sequence[str]
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """One URL that the frontier gave.

    url: as the frontier gave it; page.url is that of the answer. status: None without an answer. reason: None or one
    of REASONS. page: None where no HTML came. links: those in scope, new or not. size: bytes of the body. etag,
    last_modified, digest: of the answer, or of the earlier crawl where that still holds. offset, length: of its record.
    """

    url: str
    depth: int
    status: int | None
    reason: str | None
    page: Page | None
    links: tuple[str, ...]
    size: int = 0
    etag: str | None = None
    last_modified: str | None = None
    digest: str | None = None
    offset: int | None = None
    length: int | None = None
    fetched_at: datetime | None = None

    def done(self) -> Done:
        """What Frontier.replay needs."""
        return Done(self.url, self.depth, self.reason, self.links, self.size)

    def origin(self, file: str) -> Origin:
        """Where its pairs come from; file: name of the WARC file."""
        date = warc_date(self.fetched_at.timestamp()) if self.fetched_at is not None else ""
        return Origin("live", file, self.offset, self.length, date)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int | None
    reason: str | None
    page: Page | None = None
    links: Sequence[str] = ()
    size: int = 0
    etag: str | None = None
    last_modified: str | None = None
    digest: str | None = None
    asked_at: float = 0.0


class LiveCrawl:
    """One crawl, chunk by chunk.

    robots: None to not ask. extract: html.extract. sites: takes and judges the site files; None to not ask for them.
    refuse: what decides on a page's opt-out evidence, as vlcorpus.net.optout.denied; None leaves that to the caller.
    Links of refused pages are followed all the same: they are about other pages. earlier: what an earlier crawl knows
    of a page (of pages only: not of sitemaps); a page that has not changed is `not_modified`, and its links are the
    earlier ones. max_seconds: from the first visit on.

    ended: None, or, once `visit` gave nothing: "max_pages", "max_bytes", "max_seconds"; None if nothing is left.
    """

    def __init__(
        self,
        frontier: Frontier,
        fetchers: Fetchers,
        robots: Rules | None,
        extract: Extract,
        *,
        sites: Sites | None = None,
        refuse: Callable[[tuple[Evidence, ...]], str | None] | None = None,
        earlier: Callable[[str], Earlier | None] | None = None,
        max_seconds: float | None = None,
    ) -> None:
        if robots is None and any(due.kind == ROBOTS for due in frontier.rest()):
            raise UsageError("the sitemaps of robots.txt are wanted, but robots.txt is not to be asked")
        self.frontier = frontier
        self.ended: str | None = None
        self._fetchers = fetchers
        self._robots = robots
        self._extract = extract
        self._sites = sites
        self._refuse = refuse
        self._earlier = earlier
        self._max_seconds = max_seconds
        self._deadline: float | None = None

    def visit(self, most: int = 64, store: Store | None = None) -> tuple[Visit, ...]:
        """Visit what the frontier gives, at most `most` URLs; () where the crawl ends.

        store: takes the answers, as WarcFile does: those of site files first, then those of the visits, in order.
        """
        if self._deadline is None and self._max_seconds is not None:
            self._deadline = time.monotonic() + self._max_seconds
        batch = [] if self._is_late() else self.frontier.take(most)
        visits: list[Visit] = []
        if batch:
            with Shelf(store) as sites, Shelf(store) as pages:
                answers = self._answers(batch, sites, pages)
                for name in sites.names():
                    sites.append(name)
                for at, due in enumerate(batch):
                    answer = answers.get(due.url)
                    if answer is None or self.frontier.is_full:
                        self.frontier.put_back(batch[at:])
                        break
                    visits.append(self._visit(due, answer, pages))
        if not visits:
            waits = len(self.frontier) > 0
            self.ended = MAX_SECONDS if waits and self._is_late() else self.frontier.capped if waits else None
        return tuple(visits)

    def _visit(self, due: Due, answer: _Answer, shelf: Shelf) -> Visit:
        links = self.frontier.add(due, answer.reason, answer.links, answer.size)
        offset, length = shelf.append(due.url) or (None, None)
        return Visit(
            due.url,
            due.depth,
            answer.status,
            answer.reason,
            answer.page,
            links,
            answer.size,
            answer.etag,
            answer.last_modified,
            answer.digest,
            offset,
            length,
            datetime.fromtimestamp(int(answer.asked_at), UTC) if answer.asked_at else None,
        )

    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _answers(self, batch: Sequence[Due], site_shelf: Shelf, shelf: Shelf) -> dict[str, _Answer]:
        """By URL; those that there was no time for are missing. Answers with a response are put on the shelf."""
        found: dict[str, _Answer] = {}
        allowed: list[Due] = []
        if self._robots is not None:
            self._robots.prefetch([*dict.fromkeys(origin(due.url) for due in batch)], self._fetchers.robots)
        for due in batch:
            denied = self._robots.verdict(due.url) if self._robots is not None else None
            if due.kind == ROBOTS and self._robots is not None:
                reason = ROBOTS_UNREACHABLE if denied == ROBOTS_UNREACHABLE else SITEMAP_INDEX
                found[due.url] = _Answer(None, reason, links=self._robots.sitemaps(origin(due.url)))
            elif denied is not None:
                found[due.url] = _Answer(None, denied)
            else:
                allowed.append(due)
        if self._sites is not None:
            self._learn([*dict.fromkeys(origin(due.url) for due in allowed)], self._sites, site_shelf)
        known: dict[str, Earlier] = {}
        # A batch is of one sort: see Frontier.take.
        fetcher = self._fetchers.pages if batch[0].kind == PAGE else self._fetchers.lists
        asked = () if self._is_late() else [due.url for due in allowed]
        with closing(fetcher.fetch_all(asked, lambda url: self._conditions(url, known))) as answers:
            for index, response in answers:
                due = allowed[index]
                found[due.url] = self._answer(due, response, known.get(due.url), shelf)
                if self._is_late():
                    break
        for response in self._fetchers.robots.take_kept():
            site_shelf.put(response.url, response)
        return found

    def _learn(self, origins: Sequence[str], sites: Sites, shelf: Shelf) -> None:
        """Ask for the site files of origins that are new. Each hop of a redirect is asked of robots.txt, too."""
        wanted = {url: url for site in origins for url in sites.missing(site)}
        for _ in range(_SITE_FILE_HOPS):
            open_ = [(url, at) for url, at in wanted.items() if self._robots is None or not self._robots.verdict(at)]
            for url in wanted.keys() - {url for url, _ in open_}:
                sites.learn(url, 0, b"")
            wanted = {}
            for index, response in self._fetchers.lists.fetch_all([at for _, at in open_]):
                url = open_[index][0]
                response = _cut(response, MAX_ROBOTS_BYTES)
                shelf.put(response.url, response)
                target = _target(response)
                if target is not None and not target[1]:
                    wanted[url] = target[0]
                else:
                    is_whole = response.reason in (None, "http_error") or (response.reason == "too_large")
                    sites.learn(url, (response.status or 0) if is_whole else 0, response.body)
            if not wanted:
                break
        for url in wanted:
            sites.learn(url, 0, b"")

    def _conditions(self, url: str, known: dict[str, Earlier]) -> Mapping[str, str]:
        """Request headers by which a server may say that nothing has changed."""
        earlier = self._earlier(url) if self._earlier is not None else None
        headers: dict[str, str] = {}
        if earlier is not None and earlier.etag and _ETAG.fullmatch(earlier.etag):
            headers["If-None-Match"] = earlier.etag
        if earlier is not None and earlier.last_modified and _DATE.fullmatch(earlier.last_modified.strip()):
            headers["If-Modified-Since"] = earlier.last_modified.strip()
        if headers and earlier is not None:
            known[url] = earlier
        return headers

    def _answer(self, due: Due, response: Response, earlier: Earlier | None, shelf: Shelf) -> _Answer:
        is_list = due.kind != PAGE and response.reason in (None, "too_large")
        listed = sitemap.read(response.body, url=response.final_url) if is_list and response.body else None
        if listed is None or listed.kind is None:
            response = _cut(response, self._fetchers.max_bytes)
        block = http_block(response)
        shelf.put(due.url, response, block)
        base = _Answer(
            response.status,
            response.reason,
            size=len(response.body),
            etag=next(iter(response.header("etag")), None),
            last_modified=next(iter(response.header("last-modified")), None),
            digest=payload_digest(response.body) if response.body else None,
            asked_at=response.asked_at,
        )
        if response.status == 304 and earlier is not None:
            return replace(
                base,
                reason=NOT_MODIFIED,
                links=earlier.links,
                etag=base.etag or earlier.etag,
                last_modified=base.last_modified or earlier.last_modified,
                digest=earlier.digest,
            )
        target = _target(response)
        if target is not None:
            return self._moved(due, response, base, *target)
        if response.reason is not None and not (response.reason == "too_large" and response.body):
            return base
        if listed is not None and listed.kind is not None:
            reason = SITEMAP_INDEX if listed.kind == "index" else SITEMAP
            return replace(base, reason=reason, links=listed.pages or listed.sitemaps)
        return self._read(block, response, base)

    def _moved(self, due: Due, response: Response, base: _Answer, target: str, reason: str | None) -> _Answer:
        if reason is not None:
            return replace(base, reason=reason)
        if not self.frontier.in_scope(target, due.kind):
            return replace(base, reason=OFF_HOST_REDIRECT)
        return base if target == response.final_url else replace(base, reason=REDIRECTED, links=(target,))

    def _read(self, block: bytes, response: Response, base: _Answer) -> _Answer:
        """The page of a stored block: just what a reader of the WARC file makes of it."""
        try:
            message = http_message.read(block, self._fetchers.max_bytes)
        except http_message.BadMessage:
            return replace(base, reason="bad_response")
        said = message.header("content-type")
        if not (_HTML.match(said) if said else _LOOKS_LIKE_HTML.match(message.body[:1000])):
            return replace(base, reason=NOT_HTML)
        page = self._extract(message.body, url=response.final_url, headers=message.headers)
        reason = None
        if self._sites is not None and (more := self._sites.evidence(page.url)):
            page = replace(page, optout=page.optout + more)
        if self._refuse is not None and self._refuse(page.optout) is not None:
            reason = OPTOUT
            page = replace(page, pairs=tuple(pair._replace(reason=OPTOUT) for pair in page.pairs))
        return replace(base, reason=reason, page=page, links=page.links)


def visit_chunks(crawl: LiveCrawl, chunk: int = 64, store: Store | None = None) -> Iterator[tuple[Visit, ...]]:
    """All that a crawl visits, at most `chunk` URLs at a time."""
    while visits := crawl.visit(chunk, store):
        yield visits


def _target(response: Response) -> tuple[str, str | None] | None:
    """Where a redirect leads, as `requestable` gives it; None if the answer is none."""
    status = response.status
    if response.reason != "too_many_redirects" or status is None or not 300 <= status <= 399:
        return None
    places = response.header("location")
    return requestable(places[0], response.final_url) if places else ("", "bad_response")


def _cut(response: Response, most: int) -> Response:
    if len(response.body) <= most:
        return response
    return replace(response, body=response.body[:most], reason="too_large")
