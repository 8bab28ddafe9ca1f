"""One URL on its way through a fetcher, and the batch it belongs to."""

from __future__ import annotations

import math
import queue
from dataclasses import dataclass, field

from vlcorpus.net.response import Limits, Response
from vlcorpus.net.url import host, requestable


@dataclass(eq=False)
class Batch:
    """The URLs of one fetch_all; the outbox takes (index, response), or None when the loop is gone.

    pending: jobs not yet answered. held: bytes of its bodies in flight or not yet taken.
    parked: jobs that wait for some of these to be taken. starved: whether any did, or a transfer does.
    last: whether no further job of it is begun. over: whether, then, nothing of it is under way any more; None follows
    the last answer in the outbox. until: when its answers are no longer waited for, by time.monotonic().
    """

    outbox: queue.SimpleQueue[tuple[int, Response] | None] = field(default_factory=queue.SimpleQueue)
    cancelled: bool = False
    pending: int = 0
    held: int = 0
    parked: list[Job] = field(default_factory=list)
    starved: bool = False
    last: bool = False
    over: bool = False
    until: float = math.inf


class Job:
    """found: as given. start_url: what is requested for it. url, host: of the hop now. extra: further request headers.

    attempt: counts from 0. hops: redirects followed in it. spent: its seconds so far. resent: whether its request was
    sent twice already because a kept connection was dead. started, asked_at: when its request began, by
    time.monotonic() and time.time().
    """

    __slots__ = (
        "asked_at", "attempt", "batch", "extra", "found", "hops", "host", "index", "resent", "spent", "start_url",
        "started", "url",
    )  # fmt: skip

    def __init__(self, batch: Batch, index: int, found: str, url: str, extra: tuple[str, ...] = ()) -> None:
        self.batch = batch
        self.extra = extra
        self.index = index
        self.found = found
        self.start_url = url
        self.attempt = 0
        self.rewind()

    def rewind(self) -> None:
        """Begin another attempt, at the first URL."""
        self.go_to(self.start_url)
        self.hops = 0
        self.resent = False
        self.spent = 0.0
        self.started = 0.0
        self.asked_at = 0.0

    def go_to(self, url: str) -> None:
        self.url = url
        self.host = host(url)

    def follow(self, where: str, limits: Limits) -> tuple[str, str] | None:
        """Go to where a Location header leads; (reason, message) where that may not be."""
        url, reason = requestable(where, self.url)
        if reason is not None:
            return reason, "redirected to a URL that may not be requested"
        if self.hops >= limits.max_redirects:
            return "too_many_redirects", f"more than {limits.max_redirects} redirects"
        if self.spent >= limits.total_seconds:
            return "timeout", f"redirected for more than {limits.total_seconds} seconds"
        self.hops += 1
        self.go_to(url)
        return None
