"""Which pages a live crawl asks for, and in which order: a pure function of its settings and of the visits so far.

    frontier = Frontier(["https://example.com/"], max_pages=1000)
    (due,) = frontier.take(64)                    Due(url="https://example.com/", depth=0, kind="seed")
    frontier.add(due, None, ["https://example.com/a?utm_source=x", "https://other.example/"])
    frontier.take(64)                             [Due(url="https://example.com/a", depth=1, kind="page")]

Breadth first, in document order, each URL once. A link is followed if it is in scope and no guard against endless sites
stops it; `stopped` counts those that were not, by guard. What visits led to is enough to know what follows: `replay`
brings a new Frontier to where a killed crawl stood.

    visit ended as      its links are                  at depth
    redirected          where it leads, of its kind    its own: a redirect is no link
    sitemap             pages                          its own: so 0
    sitemap_index       sitemaps                       its own
    anything else       pages                          one more

Seeds, and the sitemaps that they or robots.txt name, come before all other pages; then what sitemaps list; then what
pages link to. Sitemaps count in max_sitemaps and not in max_pages. `include` and `exclude` are Python's `re`, searched
for in URLs of at most `max_characters`: a pattern that backtracks without end is its writer's to avoid.

Scopes: "host" is the host of a seed, with or without www.; "domain" also the hosts below it; "prefix" the folder of a
seed. Cost: 5 microseconds and 300 bytes a link; 100,000 pages fit easily, the whole web does not.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from vlcorpus.errors import SourceError, UsageError
from vlcorpus.net.url import origin, requestable
from vlcorpus.web.live.tracking import untracked

OUT_OF_SCOPE = "out_of_scope"
EXCLUDED = "excluded"
TOO_DEEP = "too_deep"
TOO_LONG = "too_long"
PATH_TOO_DEEP = "path_too_deep"
REPEATED_SEGMENTS = "repeated_segments"
TOO_MANY_QUERIES = "too_many_queries"
TOO_MANY_OF_HOST = "too_many_of_host"
TOO_MANY_HOPS = "too_many_hops"
TOO_MANY_SITEMAPS = "too_many_sitemaps"
GUARDS = (
    OUT_OF_SCOPE, EXCLUDED, TOO_DEEP, TOO_LONG, PATH_TOO_DEEP, REPEATED_SEGMENTS, TOO_MANY_QUERIES, TOO_MANY_OF_HOST,
    TOO_MANY_HOPS, TOO_MANY_SITEMAPS,
)  # fmt: skip

SCOPES = ("host", "domain", "prefix")

# How a visit can end, as far as it decides on what its links are.
REDIRECTED = "redirected"
SITEMAP = "sitemap"
SITEMAP_INDEX = "sitemap_index"

# What a URL is asked for as.
SEED = "seed"  # given: a page, a sitemap or a feed, as its answer shows
ROBOTS = "robots"  # a robots.txt, for the sitemaps that it names
LIST = "list"  # a sitemap that an index or a robots.txt names
PAGE = "page"

MAX_INDEX_DEPTH = 2  # indexes above a sitemap
MAX_HOPS = 5
MAX_PATTERN = 1_000


class Due(NamedTuple):
    """A URL to ask for. depth: links followed from a seed. level: indexes above it. hops: redirects that led to it."""

    url: str
    depth: int
    kind: str = PAGE
    level: int = 0
    hops: int = 0


class Done(NamedTuple):
    """A visit of an earlier run. links: as `add` returned them. size: bytes of the body."""

    url: str
    depth: int
    reason: str | None
    links: Sequence[str]
    size: int = 0


class Frontier:
    """seeds: URLs of pages, sitemaps or feeds. use_sitemaps: also begin with the sitemaps that robots.txt names.

    max_pages: visits in all, refused ones included. max_pages_per_host: pages of one host that are followed to.
    max_bytes: nothing is taken once bodies have so many in all. max_depth: links followed from a seed. include,
    exclude: a link must match one of the former, if there are any, and none of the latter; seeds need not.
    strip_tracking: see tracking.py.
    max_characters: of a URL. max_segments: steps of a path. max_repeats: times that one step may stand in a path.
    max_queries: URLs that differ only after the "?". Raises UsageError for seeds that are no URLs and bad patterns.
    """

    def __init__(
        self,
        seeds: Sequence[str],
        *,
        use_sitemaps: bool = False,
        max_pages: int = 10_000,
        max_pages_per_host: int | None = None,
        max_bytes: int | None = None,
        max_depth: int = 32,
        scope: str = "host",
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        strip_tracking: bool = True,
        max_characters: int = 2_000,
        max_segments: int = 16,
        max_repeats: int = 3,
        max_queries: int = 200,
        max_sitemaps: int = 1_000,
    ) -> None:
        if scope not in SCOPES:
            raise UsageError(f"no crawl has the scope {scope!r}", f"scopes: {', '.join(SCOPES)}")
        if max_pages < 1 or max_depth < 0:
            raise UsageError("max_pages must be at least 1 and max_depth at least 0")
        self.max_pages = max_pages
        self.max_bytes = max_bytes
        self.max_depth = max_depth
        self.taken = 0
        self.bytes = 0
        self.stopped: Counter[str] = Counter()
        self._max_per_host = max_pages_per_host
        self._scope = scope
        self._include = [_compiled(pattern) for pattern in include]
        self._exclude = [_compiled(pattern) for pattern in exclude]
        self._strip = strip_tracking
        self._max_characters = max_characters
        self._max_segments = max_segments
        self._max_repeats = max_repeats
        self._max_queries = max_queries
        self._max_sitemaps = max_sitemaps
        self._sitemaps = 0
        # Sitemaps are found only by what stands in the first queue, so what comes after does not depend on chunks.
        self._first: deque[Due] = deque()
        self._listed: deque[Due] = deque()
        self._linked: deque[Due] = deque()
        self._seen: set[str] = set()
        self._queries: Counter[str] = Counter()
        self._per_host: Counter[str] = Counter()
        self._hosts: set[str] = set()
        self._folders: list[str] = []
        self._begin(seeds, use_sitemaps)

    def _begin(self, seeds: Sequence[str], use_sitemaps: bool) -> None:
        sites: dict[str, None] = {}
        for seed in seeds:
            url, reason = requestable(seed)
            if reason is not None:
                raise UsageError(f"{seed!r} cannot be crawled: {reason}", "seeds begin with http:// or https://")
            url = self._cleaned(url)
            authority, path, _ = _parts(url)
            self._hosts.add(authority)
            self._folders.append(authority + path[: path.rfind("/") + 1])
            sites[origin(url)] = None
            if url not in self._seen:
                self._seen.add(url)
                self._per_host[authority] += 1
                self._first.append(Due(url, 0, SEED))
        if use_sitemaps:
            self._first.extend(Due(f"{site}/robots.txt", 0, ROBOTS, -1) for site in sites)

    def __len__(self) -> int:
        """URLs found and not yet taken."""
        return len(self._first) + len(self._listed) + len(self._linked)

    @property
    def capped(self) -> str | None:
        """Which cap keeps `take` from giving more: "max_pages", "max_bytes", or None."""
        if self.taken >= self.max_pages:
            return "max_pages"
        return "max_bytes" if self.is_full else None

    @property
    def is_full(self) -> bool:
        """Whether the bodies have max_bytes in all."""
        return self.max_bytes is not None and self.bytes >= self.max_bytes

    def take(self, most: int) -> list[Due]:
        """The next URLs to visit, at most `most`; [] where the crawl ends."""
        queue = self._first or self._listed or self._linked
        batch: list[Due] = []
        while queue and len(batch) < most and self.capped is None:
            due = queue.popleft()
            self.taken += _counts(due)
            batch.append(due)
        return batch

    def put_back(self, unvisited: Sequence[Due]) -> None:
        """Undo `take` for the last of what it gave, in the same order."""
        self.taken -= sum(map(_counts, unvisited))
        for due in reversed(unvisited):
            queue = self._first if due.kind != PAGE else self._listed or self._linked
            queue.appendleft(due)

    def add(self, due: Due, reason: str | None, links: Iterable[str], size: int = 0) -> tuple[str, ...]:
        """Take in how a visit ended, its links in document order, and the bytes of its body.

        Returns the links that are in scope, new or not, each once, as they will be asked for. To be called in the order
        of `take`. A replay needs no other links than the returned.
        """
        self.bytes += size
        near: dict[str, None] = {}
        for found in links:
            link = self._cleaned(found)
            if reason == REDIRECTED and link == due.url:
                link = found  # some sites insist on their session identifier
            if link in near:
                continue
            following = self._following(due, reason, link)
            if not self.in_scope(link, following.kind):
                self.stopped[OUT_OF_SCOPE] += 1
                continue
            if len(link) > self._max_characters:
                self.stopped[TOO_LONG] += 1
                continue
            near[link] = None
            if link not in self._seen:
                self._follow(following, reason)
        return tuple(near)

    def replay(self, visits: Iterable[Done]) -> None:
        """Repeat the visits of an earlier crawl, in their order, without asking for them.

        Raises SourceError where they are not what this frontier would have visited.
        """
        for done in visits:
            taken = self.take(1)
            if not taken or taken[0][:2] != done[:2]:
                expected = f"{taken[0].url} at depth {taken[0].depth}" if taken else "no further page"
                raise SourceError(
                    f"the visits do not belong to this crawl: found {done.url} at depth {done.depth}, "
                    f"expected {expected}",
                    "begin a new crawl: its seeds, caps or scope are other ones",
                )
            self.add(taken[0], done.reason, done.links, done.size)

    def rest(self) -> Iterator[Due]:
        """What is still waiting; when `take` gives nothing more, what a cap left out."""
        return itertools.chain(self._first, self._listed, self._linked)

    def in_scope(self, url: str, kind: str = PAGE) -> bool:
        """Whether `url` may be asked for as `kind`. Of sitemaps the host decides, of pages in "prefix" the folder."""
        authority, path, _ = _parts(url)
        if self._scope == "prefix" and kind == PAGE:
            return any((authority + path).startswith(folder) for folder in self._folders)
        if authority in self._hosts:
            return True
        return self._scope == "domain" and any(authority.endswith("." + host) for host in self._hosts)

    def _cleaned(self, url: str) -> str:
        return untracked(url) if self._strip else url

    def _following(self, due: Due, reason: str | None, link: str) -> Due:
        if reason == REDIRECTED:
            return due._replace(url=link, hops=due.hops + 1)
        if reason == SITEMAP_INDEX:
            return Due(link, due.depth, LIST, due.level + 1)
        return Due(link, due.depth if reason == SITEMAP else due.depth + 1)

    def _follow(self, due: Due, reason: str | None) -> None:
        guard = self._guard(due, reason)
        if guard is not None:
            self.stopped[guard] += 1
            return
        self._seen.add(due.url)
        if due.kind != PAGE:
            self._first.append(due)
        elif reason == SITEMAP:
            self._listed.append(due)
        else:
            self._linked.append(due)

    def _guard(self, due: Due, reason: str | None) -> str | None:
        """Why a new URL in scope is not followed. The counters come last: they count what is followed."""
        if due.kind == LIST:
            if due.level > MAX_INDEX_DEPTH or self._sitemaps >= self._max_sitemaps:
                return TOO_MANY_SITEMAPS
            self._sitemaps += 1
            return None
        if due.hops:
            # The page counted where it was found; the guards against endless sites hold for where it leads.
            if due.hops > MAX_HOPS:
                return TOO_MANY_HOPS
            return self._shape(due.url) if due.kind == SEED else self._unwanted(due.url) or self._shape(due.url)
        if due.depth > self.max_depth:
            return TOO_DEEP
        return self._unwanted(due.url) or self._shape(due.url) or self._crowded(due.url)

    def _unwanted(self, url: str) -> str | None:
        if self._include and not any(pattern.search(url) for pattern in self._include):
            return EXCLUDED
        return EXCLUDED if any(pattern.search(url) for pattern in self._exclude) else None

    def _shape(self, url: str) -> str | None:
        steps = [step for step in _parts(url)[1].split("/") if step]
        if len(steps) > self._max_segments:
            return PATH_TOO_DEEP
        if len(steps) > self._max_repeats and max(Counter(steps).values()) > self._max_repeats:
            return REPEATED_SEGMENTS
        return None

    def _crowded(self, url: str) -> str | None:
        authority, path, query = _parts(url)
        if self._max_per_host is not None and self._per_host[authority] >= self._max_per_host:
            return TOO_MANY_OF_HOST
        if query:
            if self._queries[authority + path] >= self._max_queries:
                return TOO_MANY_QUERIES
            self._queries[authority + path] += 1
        self._per_host[authority] += 1
        return None


def _counts(due: Due) -> bool:
    """Whether a URL counts in max_pages."""
    return due.kind in (SEED, PAGE)


def _parts(url: str) -> tuple[str, str, str]:
    """(authority without www., path, query) of a normalised URL."""
    parts = urlsplit(url)
    return parts.netloc.removeprefix("www."), parts.path, parts.query


def _compiled(pattern: str) -> re.Pattern[str]:
    if len(pattern) > MAX_PATTERN:
        raise UsageError(f"the pattern {pattern[:60]!r}… is longer than {MAX_PATTERN} characters")
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"{pattern!r} is not a regular expression: {error}") from None
