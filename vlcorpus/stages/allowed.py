"""What the images' hosts allow: robots.txt, and the other files in which a site speaks of AI.

    allowed = Allowed(stage)
    for number, verdict in allowed.verdicts({0: "https://example.com/a.jpg"}):
        verdict.reason       None, "robots_denied", "robots_unreachable", "optout", or why no host was reached at all
        verdict.said         evidence, to stand beside that of the answer's headers

Each file of an origin is asked for once, also where several threads want it at the same time. What a site's files say
is held to be so without the image's own headers, which could overrule a tdmrep.json: an image is not fetched to see
whether it may be.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..io import attempt
from ..net.fetch import Fetcher
from ..net.optout import IMAGE, Evidence, denied
from ..net.robots import ROBOTS_LIMITS, ROBOTS_UNREACHABLE, Robots
from ..net.sitefiles import MAX_ORIGINS, PATHS, SiteFiles
from ..net.url import origin
from .network import TOKEN

if TYPE_CHECKING:
    from ..net.names import Names
    from ..net.response import Response
    from .download import Download


# Said of a host to which there was no way, rather than that its robots.txt could not be had.
_NO_WAY = frozenset(("private_address", "dns_failure", "connect_failure", "tls_failure"))


@dataclass(frozen=True)
class Verdict:
    reason: str | None = None
    said: tuple[Evidence, ...] = ()


class Allowed:
    """Usable from several threads."""

    def __init__(self, stage: Download, names: Names | None = None) -> None:
        self._drops = stage.optout == "drop"
        self._sites = SiteFiles(TOKEN) if stage.site_files else None
        self._paths: tuple[str, ...] = PATHS[:1] if stage.obey_robots else ()
        self._paths += PATHS[1:] if stage.site_files else ()
        self._fetcher = Fetcher(stage.manners(), ROBOTS_LIMITS, names=names)
        seen = self._sites.learn if self._sites is not None else None
        self._robots = Robots(self._fetcher.fetch, TOKEN, seen) if stage.obey_robots else None
        self._lock = threading.Lock()  # of all below, and of what robots and sites know
        self._known: dict[str, str | None] = {}  # origin -> why there was no way to it; the latest MAX_ORIGINS
        self._asking: dict[str, threading.Event] = {}

    def verdicts(self, urls: dict[int, str]) -> Iterator[tuple[int, Verdict]]:
        """urls: by number, as `requestable` gave them."""
        if not self._paths:
            yield from ((number, Verdict()) for number in urls)
            return
        self._ask({origin(url) for url in urls.values()})
        for number, url in urls.items():
            with self._lock:
                verdict = self._verdict(url)
            yield number, verdict

    def _verdict(self, url: str) -> Verdict:
        said: tuple[Evidence, ...] = ()
        if self._sites is not None and len(self._sites):
            found = self._sites.evidence(url, image=True)
            said = tuple(replace(each, source=each.source.removeprefix(IMAGE)) for each in found)
        reason = self._robots.verdict(url) if self._robots is not None else None
        if reason == ROBOTS_UNREACHABLE:
            reason = self._known.get(origin(url)) or reason
        if reason is None and self._drops and said:
            reason = denied(said)
        return Verdict(reason, said)

    def _ask(self, origins: set[str]) -> None:
        """Have the files of these origins, those that another thread asks for included."""
        with self._lock:
            mine = sorted(origins - self._known.keys() - self._asking.keys())
            others = [self._asking[each] for each in origins & self._asking.keys()]
            self._asking |= {each: threading.Event() for each in mine}
        try:
            self._fetch(mine)
        finally:
            with self._lock:
                for each in mine:
                    self._known.setdefault(each)
                    self._asking.pop(each).set()
                while len(self._known) > max(MAX_ORIGINS, len(origins)):
                    del self._known[next(iter(self._known))]
        for event in others:
            event.wait()
        attempt.end_if_asked()  # what another thread was at may not have been asked for

    def _fetch(self, origins: Iterable[str]) -> None:
        wanted = [(each, path) for each in origins for path in self._paths]
        for place, response in self._fetcher.fetch_all(site + path for site, path in wanted):
            site, path = wanted[place]
            with self._lock:
                if path == PATHS[0] and self._robots is not None:
                    self._robots.learn(site, response)
                    if response.reason in _NO_WAY:
                        self._known[site] = response.reason
                elif self._sites is not None:
                    self._sites.learn(site + path, _status(response), response.body)


def _status(response: Response) -> int:
    """0 where no whole answer came."""
    return (response.status or 0) if response.reason in (None, "http_error") else 0
