"""Tries until a remote file is there: what a failed try says, and how long to wait before the next.

    persist("https://example.org/a.warc.gz", download, Patience(), seed=0, sleep=time.sleep)

The wait grows with each failure in a row and is drawn at random (exponential back-off with full jitter: AWS
Architecture Blog, "Exponential Backoff And Jitter", 2015); it is at least a second, which is what Common Crawl asks
for, and what Retry-After says. Failures are counted since the last megabyte that came, so that a file of a gigabyte may
break more often than a small one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from vlcorpus.errors import SourceError
from vlcorpus.io.places import shown

_STEP = 1_048_576  # bytes that make up for earlier failures
# What no server has answered yet is more likely a wrong address than a passing failure.
_TRIES_UNANSWERED = 3


@dataclass(frozen=True, kw_only=True)
class Patience:
    """tries: in a row without progress. Waits between them: least_seconds, and at random up to first_seconds, doubled
    each time, at most longest_seconds. longest_asked: the longest Retry-After that is waited for. connect_seconds,
    slow_seconds (of less than 1 kB/s): of one try. total_seconds: after which no other try begins and none goes on."""

    tries: int = 10
    least_seconds: float = 1.0
    first_seconds: float = 1.0
    longest_seconds: float = 120.0
    longest_asked: float = 900.0
    connect_seconds: float = 20.0
    slow_seconds: int = 60
    total_seconds: float = 43_200.0


@dataclass(frozen=True, slots=True)
class Stat:
    """size: bytes, None if not told. tag: what changes with the content, "" if there is nothing of the kind."""

    size: int | None
    tag: str


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a try did not bring all. wait: what Retry-After says. lasting: another try would end the same way."""

    said: str
    hint: str = ""
    wait: float | None = None
    lasting: bool = False
    unanswered: bool = False


class Attempts(Protocol):
    """What is tried; `at`: bytes that are there and need not be asked for again."""

    @property
    def at(self) -> int: ...

    def attempt(self) -> Failure | None: ...


def persist(location: str, work: Attempts, patience: Patience, *, seed: int, sleep: Callable[[float], None]) -> None:
    """Try until `work` is done. SourceError, naming the address without its secrets, when it is given up."""
    failures = reached = 0
    started = time.monotonic()
    while (failure := work.attempt()) is not None:
        if work.at >= reached + _STEP:
            reached, failures = work.at, 0
        failures += 1
        most = min(patience.tries, _TRIES_UNANSWERED) if failure.unanswered and not reached else patience.tries
        what = f"{shown(location)} cannot be fetched: {failure.said}"
        if failure.lasting:
            raise SourceError(what, failure.hint)
        if failures >= most or time.monotonic() - started > patience.total_seconds:
            raise SourceError(f"{what} ({failures} {'try' if failures == 1 else 'tries'})", failure.hint)
        if failure.wait is not None and failure.wait > patience.longest_asked:
            raise SourceError(f"{what}, and asks for {failure.wait:.0f} s of rest", "try again after that time")
        longest = min(patience.longest_seconds, patience.first_seconds * 2.0 ** (failures - 1))
        drawn = longest * _chance(seed, location, failures)
        sleep(max(patience.least_seconds, failure.wait or 0.0) + drawn)


def _chance(seed: int, location: str, attempt: int) -> float:
    """A number in [0, 1) that is the same wherever and whenever it is asked for."""
    digest = hashlib.blake2b(f"{seed}|{attempt}|{location}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56
