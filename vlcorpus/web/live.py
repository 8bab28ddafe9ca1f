"""A live crawl: visits pages breadth first, and gives them in one order whatever answers first.

    with Fetcher(manners, PAGE_LIMITS, ACCEPT, refuse_other_types, delay=robots.crawl_delay) as fetcher:
        frontier = Frontier(["https://example.com/"], max_pages=1000)
        for visits in visit_chunks(frontier, fetcher, robots, extract):
            ...                                  # commit the chunk; its (url, depth, links) are what `replay` needs

Each page taken from the frontier gives one Visit, in the frontier's order, at any concurrency. robots.txt is asked
before a page is; what it denies is not requested. A redirect is a visit of its own (`redirected`), whose target is its
only link: so a target is checked against scope and robots.txt before it is requested, and is fetched once. That needs a
fetcher that follows none, which PAGE_LIMITS says; with another, targets are checked after they were fetched.

Cost: 1.5 ms of CPU a page of 150 kB. At most a chunk of pages is held. Not for: pages that need a browser.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from vlcorpus.net.fetch import Fetcher
from vlcorpus.net.optout import Evidence
from vlcorpus.net.response import REASONS as FETCH_REASONS
from vlcorpus.net.response import Limits, Response
from vlcorpus.net.robots import ROBOTS_DENIED, ROBOTS_UNREACHABLE
from vlcorpus.net.url import requestable
from vlcorpus.web.frontier import Frontier
from vlcorpus.web.html import MAX_BYTES, Page

__all__ = ["ACCEPT", "PAGE_LIMITS", "REASONS", "Frontier", "Visit", "refuse_other_types", "visit_chunks"]

NOT_HTML = "not_html"  # the answer is of another type
REDIRECTED = "redirected"  # to a page in scope, which is the visit's only link
OFF_HOST_REDIRECT = "off_host_redirect"  # to a page out of scope
OPTOUT = "optout"  # the page was refused by its opt-out evidence; its pairs are rejected for it
REASONS = (ROBOTS_DENIED, ROBOTS_UNREACHABLE, NOT_HTML, REDIRECTED, OFF_HOST_REDIRECT, OPTOUT, *FETCH_REASONS)

ACCEPT = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5"
PAGE_LIMITS = Limits(max_bytes=MAX_BYTES, keep_cut=True, max_redirects=0)

_HTML = re.compile(r"\s*(?:text/html|application/xhtml\+xml)\s*(?:;|$)", re.IGNORECASE)
_LOOKS_LIKE_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body)[\s>]", re.IGNORECASE)


class Rules(Protocol):
    """What is asked of vlcorpus.net.robots.Robots."""

    def verdict(self, url: str) -> str | None: ...


class Extract(Protocol):
    """What is asked of vlcorpus.web.html.extract."""

    def __call__(self, body: bytes, *, url: str, headers: Sequence[tuple[str, str]]) -> Page: ...


@dataclass(frozen=True, slots=True)
class Visit:
    """One page that the frontier gave.

    url: as the frontier gave it; page.url is that of the answer. status: None without an answer. reason: None or one
    of REASONS. page: None where no HTML came. links: those that are new and will be followed.
    """

    url: str
    depth: int
    status: int | None
    reason: str | None
    page: Page | None
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int | None
    reason: str | None
    page: Page | None = None
    links: tuple[str, ...] = ()


def refuse_other_types(headers: Sequence[tuple[str, str]]) -> str | None:
    """An `inspect_headers` for the Fetcher: bodies that are not HTML are not fetched."""
    said = next((value for name, value in headers if name == "content-type"), None)
    return NOT_HTML if said and not _HTML.match(said) else None


def visit_chunks(
    frontier: Frontier,
    fetcher: Fetcher,
    robots: Rules | None,
    extract: Extract,
    *,
    chunk: int = 64,
    refuse: Callable[[tuple[Evidence, ...]], str | None] | None = None,
) -> Iterator[tuple[Visit, ...]]:
    """Visit what the frontier gives, until it gives nothing, at most `chunk` pages at a time.

    robots: None to not ask. refuse: what decides on a page's opt-out evidence, as vlcorpus.net.optout.denied; None
    leaves that to the caller. Links of refused pages are followed all the same: they are about other pages.
    """
    while batch := frontier.take(chunk):
        answers = _answers([url for url, _ in batch], frontier, fetcher, robots, extract, refuse)
        visits: list[Visit] = []
        for (url, depth), answer in zip(batch, answers, strict=True):
            links = frontier.add(url, depth, answer.links)
            visits.append(Visit(url, depth, answer.status, answer.reason, answer.page, links))
        yield tuple(visits)


def _answers(
    urls: list[str],
    frontier: Frontier,
    fetcher: Fetcher,
    robots: Rules | None,
    extract: Extract,
    refuse: Callable[[tuple[Evidence, ...]], str | None] | None,
) -> list[_Answer]:
    """One for each URL, in their order."""
    found: dict[str, _Answer] = {}
    allowed: list[str] = []
    for url in urls:
        denied = robots.verdict(url) if robots is not None else None
        if denied is None:
            allowed.append(url)
        else:
            found[url] = _Answer(None, denied)
    for index, response in fetcher.fetch_all(allowed):
        answer = _moved(response, frontier, robots) or _read(response, extract)
        if answer.page is not None and refuse is not None and refuse(answer.page.optout) is not None:
            pairs = tuple(replace(pair, reason=OPTOUT) for pair in answer.page.pairs)
            answer = replace(answer, reason=OPTOUT, page=replace(answer.page, pairs=pairs))
        found[allowed[index]] = answer
    return [found[url] for url in urls]


def _moved(response: Response, frontier: Frontier, robots: Rules | None) -> _Answer | None:
    """The answer of a redirect: of one that was not followed, or of one that was and should not have been."""
    status = response.status
    if response.reason == "too_many_redirects" and status is not None and 300 <= status <= 399:
        places = response.header("location")
        target, reason = requestable(places[0], response.final_url) if places else ("", "bad_response")
        if reason is not None:
            return _Answer(status, reason)
        if not frontier.in_scope(target):
            return _Answer(status, OFF_HOST_REDIRECT)
        if target == response.final_url:
            return _Answer(status, response.reason)
        return _Answer(status, REDIRECTED, None, (target,))
    if response.reason is None and response.final_url not in ("", response.url):
        if not frontier.in_scope(response.final_url):
            return _Answer(status, OFF_HOST_REDIRECT)
        denied = robots.verdict(response.final_url) if robots is not None else None
        if denied is not None:
            return _Answer(status, denied)
    return None


def _read(response: Response, extract: Extract) -> _Answer:
    is_cut = response.reason == "too_large" and bool(response.body)
    if response.reason is not None and not is_cut:
        return _Answer(response.status, response.reason)
    said = response.header("content-type")
    if not (_HTML.match(said[0]) if said else _LOOKS_LIKE_HTML.match(response.body)):
        return _Answer(response.status, NOT_HTML)
    page = extract(response.body, url=response.final_url or response.url, headers=response.headers)
    return _Answer(response.status, None, page, page.links)
