"""Whether a site's robots.txt lets us ask for a URL (RFC 9309; the rules are parsed and matched by Protego).

    with Fetcher(manners, ROBOTS_LIMITS) as fetcher:
        robots = Robots(fetcher.fetch, "vlcorpus")
        robots.prefetch({origin(url) for url in urls}, fetcher)      many at once; optional
        robots.verdict("https://example.com/private/a.jpg")          "robots_denied"

    answer to /robots.txt                            verdict
    2xx                                              by its rules, of which the first 500 KiB count
    4xx but 429; more than five redirects            None: all may be asked for
    429, 5xx, no answer, any other failure           "robots_unreachable": nothing may be asked for

Each origin (scheme, host, port) has its own rules, kept for the life of the object up to a bounded number. A redirect
can lead to another origin: ask `verdict(response.final_url)` too before a fetched body is used.

Cost: one request an origin; a verdict takes 5 microseconds and, on the largest robots.txt, milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from protego import Protego

from vlcorpus.errors import UsageError
from vlcorpus.net.fetch import Fetcher
from vlcorpus.net.response import Limits, Response
from vlcorpus.net.url import origin

ROBOTS_DENIED = "robots_denied"
ROBOTS_UNREACHABLE = "robots_unreachable"

MAX_ROBOTS_BYTES = 512_000  # RFC 9309, 2.5: at least 500 KiB
MAX_DELAY_SECONDS = 30.0
MAX_KEPT_BYTES = 100_000_000

ROBOTS_LIMITS = Limits(max_bytes=MAX_ROBOTS_BYTES, keep_cut=True, total_seconds=20.0)

_TOKEN = re.compile(r"[a-z_\-]+")
# What an origin without rules costs in the cache.
_BASE_BYTES = 500


@dataclass(frozen=True, slots=True)
class _Rules:
    """parsed: None where the same holds for all URLs, which `verdict` then says."""

    parsed: Protego | None
    verdict: str | None
    size: int


class Robots:
    """What each origin allows, asked once.

    fetcher_get: fetches one URL, best by a Fetcher with ROBOTS_LIMITS. user_agent_token: our name in robots.txt, of
    letters, `-` and `_` (RFC 9309, 2.2.1). Not for use from several threads at once.
    """

    def __init__(self, fetcher_get: Callable[[str], Response], user_agent_token: str) -> None:
        self._token = user_agent_token.lower()
        if not _TOKEN.fullmatch(self._token):
            raise UsageError(f"{user_agent_token!r} is not a robots.txt name", "use letters, - and _ only")
        self._get = fetcher_get
        self._rules: dict[str, _Rules] = {}
        self._size = 0

    def verdict(self, url: str) -> str | None:
        """None if `url` may be requested, else "robots_denied" or "robots_unreachable".

        url: as `requestable` gave it. Fetches /robots.txt of its origin if that was not done before.
        """
        site = origin(url)
        rules = self._rules.get(site)
        if rules is None:
            rules = self._keep(site, self._get(f"{site}/robots.txt"))
        if rules.parsed is None:
            return rules.verdict
        return None if rules.parsed.can_fetch(url, self._token) else ROBOTS_DENIED

    def prefetch(self, origins: Iterable[str], fetcher: Fetcher) -> None:
        """Fetch the robots.txt of all origins not yet known, concurrently."""
        missing = [site for site in dict.fromkeys(origins) if site not in self._rules]
        for index, response in fetcher.fetch_all(f"{site}/robots.txt" for site in missing):
            self._keep(missing[index], response)

    def crawl_delay(self, origin: str) -> float | None:
        """Seconds to leave between requests to `origin`, at most 30; None if not said or not known. Never fetches."""
        rules = self._rules.get(origin)
        if rules is None or rules.parsed is None:
            return None
        delay = rules.parsed.crawl_delay(self._token)
        return None if delay is None else min(delay, MAX_DELAY_SECONDS)

    def _keep(self, site: str, response: Response) -> _Rules:
        rules = _read(response, self._token)
        self._rules[site] = rules
        self._size += rules.size
        while self._size > MAX_KEPT_BYTES and len(self._rules) > 1:
            eldest = next(iter(self._rules))
            self._size -= self._rules.pop(eldest).size
        return rules


def _read(response: Response, token: str) -> _Rules:
    if response.reason is None or (response.reason == "too_large" and response.body):
        text = response.body[:MAX_ROBOTS_BYTES].decode("utf-8", "replace").removeprefix("\ufeff")
        ours = "\n".join(_ours(text, token))
        if not ours:
            return _Rules(None, None, _BASE_BYTES)
        return _Rules(Protego.parse(ours), None, _BASE_BYTES + 10 * len(ours))
    status = response.status or 0
    is_unavailable = response.reason == "http_error" and 400 <= status < 500 and status != 429
    if is_unavailable or response.reason == "too_many_redirects":
        return _Rules(None, None, _BASE_BYTES)
    return _Rules(None, ROBOTS_UNREACHABLE, _BASE_BYTES)


def _ours(text: str, token: str) -> Iterator[str]:
    """The lines of the groups for `token` and for `*`, their user agents reduced to these two.

    A file may name thousands of agents for thousands of rules, and a parser that keeps them all keeps millions.
    """
    agents: set[str] = set()
    in_rules = False
    for line in text.splitlines():
        field, _, value = line.partition("#")[0].partition(":")
        field = field.strip().lower()
        value = value.strip()
        if field in ("user-agent", "useragent", "user agent"):
            if in_rules:
                agents, in_rules = set(), False
            named = _TOKEN.match(value.lower())
            agent = "*" if value == "*" else token if named and named[0] == token else None
            if agent is not None and agent not in agents:
                agents.add(agent)
                yield f"User-agent: {agent}"
        elif field in ("allow", "disallow", "crawl-delay"):
            in_rules = True
            if agents:
                yield f"{field}: {value}"
