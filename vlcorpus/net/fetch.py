"""Fetches many URLs at once, within bounds, from public addresses only, and never fails for a URL.

    manners = Manners(user_agent="vlcorpus/0.1 (+https://example.org/bot)")
    with Fetcher(manners, Limits(), accept="image/*", encodings="identity") as fetcher:
        for index, response in fetcher.fetch_all(urls):
            if response.reason is None:
                ...  # response.body is whole

Every URL gives exactly one Response, with `reason` None or one of REASONS (or what `inspect_headers` returned). Hosts
take turns; redirects are followed here, each hop being checked again; a server's Retry-After is obeyed; a host that
fails for load gets fewer requests at once, and a dead one none for a while; a name is looked up once.

The connections live in a thread of the fetcher's own, so that a consumer that takes its time (decoding, writing a
shard) does not let transfers time out. A Fetcher may be used from several threads. After a fork, make a new one.

Once the process is asked to end (io.attempt), nothing more is begun; what is under way has LAST_SECONDS, and is then
dropped: `fetch_all` gives what came and raises Stopped.

Cost: 0.1 ms of CPU a small request on loopback, 0.15 ms one of 109 kB, 0.8 ms one with a TLS connection of its own; one
thread, and up to 128 while names are looked up; at most Limits.max_held_bytes of bodies for each `fetch_all`. Not for:
pages that need a browser, uploads, logins (nothing is sent but Host, User-Agent, Accept, Accept-Encoding and what the
caller adds), or networks where the web is reached through a proxy: proxies are never used, because behind one the
address connected to cannot be checked.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import Self

from vlcorpus.errors import UsageError
from vlcorpus.io import attempt
from vlcorpus.net.address import networks
from vlcorpus.net.budget import Budget
from vlcorpus.net.job import Batch, Job
from vlcorpus.net.loop import Loop
from vlcorpus.net.names import Names
from vlcorpus.net.pace import LastAsked
from vlcorpus.net.response import REASONS, Limits, Manners, Response
from vlcorpus.net.url import requestable
from vlcorpus.net.wire import Inspect, Wire

__all__ = ["REASONS", "Fetcher", "LastAsked", "Limits", "Manners", "Names", "Response"]

# URLs taken from the iterable before their turn, per connection: so many hosts to choose from.
_LOOKAHEAD = 16
LAST_SECONDS = 3.0
_LOOK_SECONDS = 0.2  # how often a fetch that waits looks whether the process is asked to end
_NAME = re.compile(r"[A-Za-z0-9-]{1,100}")
# Headers that say whom is asked, or who asks, or how the answer ends, are not the caller's to set.
_OURS = frozenset(
    ("host", "user-agent", "connection", "content-length", "transfer-encoding", "cookie", "authorization")
)


class Fetcher:
    """A pool of connections. Use as a context manager, or call `close`.

    accept: the Accept header. encodings: the Accept-Encoding header; one layer of gzip or deflate is decoded even if it
        was not asked for, anything else is "bad_encoding".
    inspect_headers: sees the headers of each answer in 200-299; a returned reason ends the transfer there, before the
        body. It runs in the fetcher's thread and must be quick.
    delay: the seconds between two requests to an origin (`https://example.com`), None or 0 for none. A host with a
        delay is asked one request at a time, and the delay runs from the first byte of an answer to the next request.
        It runs in the fetcher's thread and must not fetch.
    last_asked: shared by fetchers that are used one after the other, so that the delay holds between their requests.
    names: shared by fetchers of the same hosts, so that each name is looked up once for all of them.
    Raises UsageError for settings that cannot be.
    """

    def __init__(
        self,
        manners: Manners,
        limits: Limits | None = None,
        accept: str = "*/*",
        inspect_headers: Inspect | None = None,
        *,
        encodings: str = "gzip, deflate",
        delay: Callable[[str], float | None] | None = None,
        last_asked: LastAsked | None = None,
        names: Names | None = None,
    ) -> None:
        limits = limits or Limits()
        _check(manners, accept, encodings)
        self._window = manners.concurrency * _LOOKAHEAD
        allow = networks(manners.allow_private)
        request_headers = [f"Accept: {accept}", f"Accept-Encoding: {encodings}"]

        def wire(budget: Budget[Wire], on_send: Callable[[Wire], None]) -> Wire:
            return Wire(manners, limits, allow, request_headers, inspect_headers, budget, on_send)

        self._loop = Loop(manners, limits, wire, delay, last_asked, names or Names())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop what is under way and close all connections; harmless when done twice."""
        self._loop.close()

    def hosts(self, most: int = 10) -> list[tuple[str, Counter[str]]]:
        """The hosts of which most URLs failed, and how often with which reason, most first: to show beside progress.

        A reason is one of REASONS, "http_error" with its status ("http_error 404"). Failed means answered so, after
        all attempts. Counted since the start, of 10,000 hosts at most; may be called from any thread, at about 1 ms.
        """
        return self._loop.hosts.worst(most)

    def fetch(self, url: str) -> Response:
        """The answer to one URL."""
        return next(response for _, response in self.fetch_all((url,)))

    def fetch_all(
        self, urls: Iterable[str], headers: Callable[[str], Mapping[str, str]] | None = None
    ) -> Generator[tuple[int, Response], None, None]:
        """(index into `urls`, answer) for each URL, in the order of completion.

        `urls` is read as needed, in the caller's thread, a bounded number ahead of the answers. Closing the iterator
        drops what is under way. headers: further request headers for a URL as given, e.g. If-None-Match; they are sent
        again with each attempt but not to where the URL redirects. Raises UsageError for headers that cannot be.
        """
        batch = Batch()
        source = enumerate(urls)
        outstanding = 0
        exhausted = stopped = False
        try:
            while True:
                while not exhausted and outstanding < self._window:
                    following = next(source, None)
                    stopped = following is not None and attempt.stopping.is_set()
                    if following is None or stopped:
                        exhausted = True
                        break
                    index, found = following
                    url, reason = requestable(found)
                    if reason is not None:
                        yield index, Response(url=found, reason=reason, message="not a URL that may be requested")
                        continue
                    extra = _lines(headers(found)) if headers is not None else ()
                    self._loop.submit(Job(batch, index, found, url, extra))
                    outstanding += 1
                if not outstanding:
                    if stopped:
                        raise attempt.Stopped
                    return
                index, response = self._next(batch)
                outstanding -= 1
                yield index, response
        finally:
            if outstanding:
                self._loop.cancel(batch)

    def _next(self, batch: Batch) -> tuple[int, Response]:
        """The next answer. Stopped where the process is asked to end and none is to come, or none came in time."""
        while True:
            now = time.monotonic()
            if attempt.stopping.is_set() and not batch.last:
                batch.until = now + LAST_SECONDS
                self._loop.begin_no_more(batch)
            if now >= batch.until:
                raise attempt.Stopped
            ready = self._loop.wait(batch, min(_LOOK_SECONDS, batch.until - now))
            if ready is not None:
                return ready
            if batch.over:
                raise attempt.Stopped


def _lines(headers: Mapping[str, str]) -> tuple[str, ...]:
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or name.lower() in _OURS:
            raise UsageError(f"the header {name!r} cannot be set")
        if not value.isascii() or not value.isprintable() or not value.strip():
            raise UsageError(f"{name} {value!r} cannot be sent in a header", "use printable ASCII characters")
    return tuple(f"{name}: {value}" for name, value in headers.items())


def _check(manners: Manners, accept: str, encodings: str) -> None:
    for name, text in (("user_agent", manners.user_agent), ("accept", accept), ("encodings", encodings)):
        if not text.isascii() or not text.isprintable() or not text.strip():
            raise UsageError(f"{name} {text!r} cannot be sent in a header", "use printable ASCII characters")
    if manners.concurrency < 1 or manners.per_host < 1:
        raise UsageError("concurrency and per_host must be at least 1")
    for rule in manners.connect_to:
        if rule.count(":") < 3 or not rule.isprintable():
            raise UsageError(
                f"connect_to {rule!r} is not host:port:address:port", "example: example.com:443:127.0.0.1:8443"
            )
