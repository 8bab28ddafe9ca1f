"""Images from the web: what robots.txt allows, fetched within bounds.

    images = Images(stage)
    for number, fetched in images.fetch({0: "https://example.com/a.jpg", 3: "https://example.com/b.jpg"}): ...

Each number comes once, in any order. It may be used from several threads: they share connections, the limits of a host
and what its files said (allowed.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..net.names import Names
from ..net.optout import evidence
from .allowed import Allowed, Verdict
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
        free: dict[int, Verdict] = {}
        for number, verdict in self._allowed(urls):
            if verdict.reason is None:
                free[number] = verdict
            else:
                yield number, Fetched(reason=verdict.reason, optout=written(verdict.said))
        numbers = list(free)
        for place, answer in self._fetcher.fetch_all(urls[number] for number in numbers):
            number = numbers[place]
            verdict = free[number]
            if answer.reason is None and answer.final_url != urls[number]:
                verdict = next(self._allowed({number: answer.final_url}))[1]
            yield number, _fetched(answer, verdict)


def _fetched(answer: Response, verdict: Verdict) -> Fetched:
    reason = answer.reason or verdict.reason

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
        optout=written((*verdict.said, *evidence(answer.headers, TOKEN))),
    )
