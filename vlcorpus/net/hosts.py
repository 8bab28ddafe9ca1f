"""What a fetcher remembers of hosts that failed: the last failure, and how often and why.

    hosts = Hosts()
    hosts.failed("full.example", "http_error", 503)     the host as such
    hosts.last("full.example")                          ("http_error", 503)
    hosts.count("full.example", "http_error", 503)      for each URL that ends so
    hosts.worst(10)                                     [("full.example", Counter({"http_error 503": 1}))]

One thread tells it of failures; `worst` may be called from any.

Cost: a microsecond a failure; at most about 10 MB, whatever hosts there are: the eldest are forgotten, and of the
counts those of the hosts that failed least.
"""

from __future__ import annotations

import heapq
import threading
from collections import Counter

# More hosts than this, and half of them are forgotten.
_MOST_HOSTS = 10_000


class Hosts:
    def __init__(self, most: int = _MOST_HOSTS) -> None:
        self._most = most
        self._last: dict[str, tuple[str, int | None]] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._lock = threading.Lock()

    def failed(self, host: str, reason: str, status: int | None) -> None:
        """The host failed as such."""
        self._last.pop(host, None)  # so that the eldest come first
        self._last[host] = reason, status
        if len(self._last) > self._most:
            for eldest in list(self._last)[: self._most // 2]:
                del self._last[eldest]

    def last(self, host: str) -> tuple[str, int | None]:
        """(reason, status) of its last failure."""
        return self._last.get(host, ("connect_failure", None))

    def count(self, host: str, reason: str, status: int | None) -> None:
        """One more URL of the host ended with this failure."""
        name = f"http_error {status}" if reason == "http_error" else reason
        with self._lock:
            counter = self._counts.get(host)
            if counter is None:
                if len(self._counts) >= self._most:
                    kept = sorted(self._counts.items(), key=lambda one: -one[1].total())[: self._most // 2]
                    self._counts = dict(kept)
                counter = self._counts[host] = Counter()
            counter[name] += 1

    def worst(self, most: int) -> list[tuple[str, Counter[str]]]:
        """The hosts of which most URLs failed, most first, then by name: copies, one count a reason."""
        with self._lock:
            first = heapq.nsmallest(most, self._counts.items(), key=lambda one: (-one[1].total(), one[0]))
            return [(host, counter.copy()) for host, counter in first]
