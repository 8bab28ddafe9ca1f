"""Images from the web: what robots.txt allows, fetched within bounds.

    images = Images(stage)
    for number, fetched in images.fetch({0: "https://example.com/a.jpg", 3: "https://example.com/b.jpg"}): ...
    for number, reason in Allowed(stage).verdicts(urls): ...       robots.txt alone

Each number comes once, in any order. Both may be used from several threads: they share connections, the limits of a
host and what robots.txt said.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..net.names import Names
from ..net.optout import evidence
from ..net.url import origin
from .network import TOKEN, written
from .outcome import Fetched

if TYPE_CHECKING:
    from ..net.response import Response
    from .download import Download

ACCEPT = "image/avif,image/webp,image/png,image/jpeg,image/*;q=0.8,*/*;q=0.5"
MOST_KEPT = 200  # characters of a header


class Images:
    def __init__(self, stage: Download) -> None:
        names = Names()
        self._fetcher = stage.fetcher(accept=ACCEPT, encodings="identity", delay=stage.delay, names=names)
        self._allowed = Allowed(stage, names).verdicts

    def fetch(self, urls: dict[int, str]) -> Iterator[tuple[int, Fetched]]:
        """urls: by number, as `requestable` gave them."""
        free = []
        for number, reason in self._allowed(urls):
            if reason is None:
                free.append(number)
            else:
                yield number, Fetched(reason=reason)
        for place, answer in self._fetcher.fetch_all(urls[number] for number in free):
            number = free[place]
            reason = answer.reason
            if reason is None and answer.final_url != urls[number]:
                reason = next(self._allowed({number: answer.final_url}))[1]
            yield number, _fetched(answer, reason)


class Allowed:
    """What robots.txt of the images' hosts allows; each is asked for once."""

    def __init__(self, stage: Download, names: Names | None = None) -> None:
        self._robots = stage.robots(names)
        self._lock = threading.Lock()
        self._asked: dict[str, threading.Event] = {}

    def verdicts(self, urls: dict[int, str]) -> Iterator[tuple[int, str | None]]:
        """Numbers with the reason why robots.txt forbids them, or None."""
        if self._robots is None:
            yield from ((number, None) for number in urls)
            return
        robots, fetcher = self._robots
        origins = {origin(url) for url in urls.values()}
        with self._lock:
            mine = origins - self._asked.keys()
            self._asked |= {each: threading.Event() for each in mine}
        try:
            robots.prefetch(mine, fetcher)
        finally:
            for each in mine:
                self._asked[each].set()
        for each in origins - mine:  # another thread asks
            self._asked[each].wait()
        yield from ((number, robots.verdict(url)) for number, url in urls.items())


def _fetched(answer: Response, reason: str | None) -> Fetched:
    def header(name: str) -> str | None:
        found = answer.header(name)[-1:]
        return found[0][:MOST_KEPT] if found else None

    return Fetched(
        body=answer.body if reason is None else b"",
        reason=reason,
        message=answer.message,
        final_url=answer.final_url or None,
        http_status=answer.status,
        content_type=header("content-type"),
        etag=header("etag"),
        last_modified=header("last-modified"),
        optout=written(evidence(answer.headers, TOKEN)),
    )
