"""Whether a site's robots.txt lets us ask for a URL (RFC 9309; the rules are parsed and matched by Protego).

    with Fetcher(manners, ROBOTS_LIMITS) as fetcher:
        robots = Robots(fetcher.fetch, "vlcorpus")
        robots.prefetch({origin(url) for url in urls}, fetcher)      many at once; optional
        robots.verdict("https://example.com/private/a.jpg")          "robots_denied"
        robots.sitemaps("https://example.com")                       ("https://example.com/sitemap.xml",)
        robots.crawl_delay("https://example.com")                    2.0

    answer to /robots.txt                            verdict
    2xx                                              by its rules, of which the first 500 KiB count
    4xx but 429; more than five redirects            None: all may be asked for
    429, 5xx, no answer, any other failure           "robots_unreachable": nothing may be asked for

Each origin (scheme, host, port) has its own rules, kept for the life of the object up to a bounded number. A redirect
can lead to another origin: ask `verdict(response.final_url)` too before a fetched body is used. A Crawl-delay above
MAX_DELAY_SECONDS counts as MAX_DELAY_SECONDS, so that one line of a stranger's file cannot hold a crawl for ever.

Cost: one request an origin; a verdict takes 5 microseconds and, on the largest robots.txt, milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from protego import Protego

from vlcorpus.errors import UsageError
from vlcorpus.net import robotstxt
from vlcorpus.net.fetch import Fetcher
from vlcorpus.net.response import Limits, Response
from vlcorpus.net.url import origin, requestable

ROBOTS_DENIED = "robots_denied"
ROBOTS_UNREACHABLE = "robots_unreachable"

MAX_ROBOTS_BYTES = robotstxt.MAX_BYTES
MAX_DELAY_SECONDS = 30.0  # a longer Crawl-delay is taken for this
MAX_SITEMAPS = robotstxt.MAX_SITEMAPS
MAX_KEPT_BYTES = 100_000_000

ROBOTS_LIMITS = Limits(max_bytes=MAX_ROBOTS_BYTES, keep_cut=True, total_seconds=20.0)

_TOKEN = re.compile(r"[a-z_\-]+")
# What an origin without rules costs in the cache.
_BASE_BYTES = 500


@dataclass(frozen=True, slots=True)
class _Rules:
    """parsed: None where the same holds for all URLs, which `verdict` then says. size: in the cache, bytes."""

    parsed: Protego | None
    verdict: str | None
    size: int
    sitemaps: tuple[str, ...] = ()


class Robots:
    """What each origin allows, asked once.

    fetcher_get: fetches one URL, best by a Fetcher with ROBOTS_LIMITS. user_agent_token: our name in robots.txt, of
    letters, `-` and `_` (RFC 9309, 2.2.1). seen: called with URL, status and body of each answer to /robots.txt, as
    SiteFiles.learn wants them; status 0 where none came whole. Not for use from several threads at once.
    """

    def __init__(
        self,
        fetcher_get: Callable[[str], Response],
        user_agent_token: str,
        seen: Callable[[str, int, bytes], None] | None = None,
    ) -> None:
        self._token = user_agent_token.lower()
        if not _TOKEN.fullmatch(self._token):
            raise UsageError(f"{user_agent_token!r} is not a robots.txt name", "use letters, - and _ only")
        self._get = fetcher_get
        self._seen = seen
        self._rules: dict[str, _Rules] = {}
        self._size = 0

    def verdict(self, url: str) -> str | None:
        """None if `url` may be requested, else "robots_denied" or "robots_unreachable".

        url: as `requestable` gave it. Fetches /robots.txt of its origin if that was not done before.
        """
        site = origin(url)
        rules = self._rules.get(site)
        if rules is None:
            rules = self._read(site, self._get(f"{site}/robots.txt"))
        if rules.parsed is None:
            return rules.verdict
        return None if rules.parsed.can_fetch(url, self._token) else ROBOTS_DENIED

    def prefetch(self, origins: Iterable[str], fetcher: Fetcher) -> None:
        """Fetch the robots.txt of all origins not yet known, concurrently."""
        missing = [site for site in dict.fromkeys(origins) if site not in self._rules]
        for index, response in fetcher.fetch_all(f"{site}/robots.txt" for site in missing):
            self.learn(missing[index], response)

    def crawl_delay(self, origin: str) -> float | None:
        """Seconds to leave between requests to `origin`; None if not said or not known. Never fetches.

        At most MAX_DELAY_SECONDS, also where the file asks for more.
        """
        rules = self._rules.get(origin)
        if rules is None or rules.parsed is None:
            return None
        delay = rules.parsed.crawl_delay(self._token)
        return None if delay is None else min(delay, MAX_DELAY_SECONDS)

    def sitemaps(self, origin: str) -> tuple[str, ...]:
        """What the Sitemap lines of `origin` name, absolute, each once, at most 100; none if not known. Never fetches.

        They may lead to other origins: ask for their verdicts too.
        """
        rules = self._rules.get(origin)
        return () if rules is None else rules.sitemaps

    def learn(self, origin: str, response: Response) -> None:
        """What was answered to /robots.txt of an origin, where somebody else asked."""
        self._read(origin, response)

    def _read(self, site: str, response: Response) -> _Rules:
        if self._seen is not None:
            is_whole = response.reason in (None, "http_error") or (response.reason == "too_large" and response.body)
            status = (response.status or 0) if is_whole else 0
            self._seen(f"{site}/robots.txt", status, response.body[:MAX_ROBOTS_BYTES])
        rules = _read(response, site, self._token)
        self._rules[site] = rules
        self._size += rules.size
        while self._size > MAX_KEPT_BYTES and len(self._rules) > 1:
            eldest = next(iter(self._rules))
            self._size -= self._rules.pop(eldest).size
        return rules


def _read(response: Response, site: str, token: str) -> _Rules:
    if response.reason is None or (response.reason == "too_large" and response.body):
        groups, named = robotstxt.read(robotstxt.text(response.body), (token, "*"))
        found = (requestable(each, f"{site}/robots.txt")[0] for each in named)
        sitemaps = tuple(dict.fromkeys(each for each in found if each))
        size = _BASE_BYTES + sum(100 + len(each) for each in sitemaps)
        ours = "\n".join(_ours(groups))
        if not ours:
            return _Rules(None, None, size, sitemaps)
        return _Rules(Protego.parse(ours), None, size + 10 * len(ours), sitemaps)
    status = response.status or 0
    is_unavailable = response.reason == "http_error" and 400 <= status < 500 and status != 429
    if is_unavailable or response.reason == "too_many_redirects":
        return _Rules(None, None, _BASE_BYTES)
    return _Rules(None, ROBOTS_UNREACHABLE, _BASE_BYTES)


def _ours(groups: Iterable[robotstxt.Group]) -> Iterator[str]:
    """The groups, as lines that hold nothing else."""
    for group in groups:
        for agent in group.agents:
            yield f"User-agent: {agent}"
        # A group whose rules are all of other kinds ends here all the same.
        yield "Allow:"
        for field, value in group.rules:
            if field in ("allow", "disallow", "crawl-delay"):
                yield f"{field}: {value}"
