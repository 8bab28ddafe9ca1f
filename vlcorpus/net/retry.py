"""What a failure says: whether to try again and when, how the host fares, and how long it asks to be left alone.

is_transient("http_error", 503)                                   True
health("http_error", 503)                                         Health.FULL
asked_wait((("retry-after", "120"),), now=0.0)                    120.0
backoff(1.0, attempt=2, seed=0, url="https://example.com/")       2.0 to 6.0, always the same
sequel(manners, "http_error", 503, (("retry-after", "20"),), ...)  Sequel(again_in=20.0, hold=20.0, rest=0.0)
"""

from __future__ import annotations

import email.utils
import enum
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from vlcorpus.net.response import Manners

_TRANSIENT = frozenset(("timeout", "connection_reset", "truncated_body"))
_TRANSIENT_STATUS = frozenset((429, 500, 502, 503, 504))
_FULL = frozenset(("timeout", "too_slow", "connection_reset", "connect_failure"))
_FULL_STATUS = frozenset((429, 503))
_ILL = frozenset(("dns_failure", "tls_failure"))
_LONGEST = 365 * 86400.0
_LONGEST_REST = 86400.0


class Health(enum.Enum):
    """How a host fares, by what became of one request."""

    WELL = enum.auto()  # it answered, if only with an error of this URL's
    FULL = enum.auto()  # it failed, and fewer requests at once may help
    ILL = enum.auto()  # it failed, and they will not


def is_transient(reason: str, status: int | None) -> bool:
    """Whether another attempt may well succeed."""
    return reason in _TRANSIENT or (reason == "http_error" and status in _TRANSIENT_STATUS)


def health(reason: str | None, status: int | None) -> Health:
    """What an answer or a failure says about the host, as against the URL."""
    if reason in _FULL or (reason == "http_error" and status in _FULL_STATUS):
        return Health.FULL
    return Health.ILL if reason in _ILL else Health.WELL


@dataclass(frozen=True, slots=True)
class Sequel:
    """What follows a failure, in seconds from now.

    again_in: until the next attempt of this URL, None if there is none. hold: for which the other URLs of the host
    wait. rest: for which the host is asked nothing, and its URLs do not wait for that.
    """

    again_in: float | None
    hold: float = 0.0
    rest: float = 0.0


def sequel(
    manners: Manners,
    reason: str,
    status: int | None,
    headers: Sequence[tuple[str, str]],
    attempt: int,
    url: str,
    now: float,
) -> Sequel:
    """attempt: counts from 0. url: what the attempt began with. now: time.time()."""
    wait = backoff(manners.backoff_seconds, attempt=attempt, seed=manners.seed, url=url)
    hold = 0.0
    if status in _FULL_STATUS:
        asked = asked_wait(headers, now)
        if asked is None:
            hold = min(wait, manners.max_wait_seconds)
        elif asked > manners.max_wait_seconds:
            return Sequel(None, rest=min(asked, _LONGEST_REST))
        else:
            hold, wait = asked, max(wait, asked)
    return Sequel(wait if is_transient(reason, status) and attempt < manners.retries else None, hold)


def asked_wait(headers: Sequence[tuple[str, str]], now: float) -> float | None:
    """Seconds that Retry-After asks for (RFC 9110, 10.2.3: seconds or a date), None if it does not.

    now: time.time(). Never negative; a year at most.
    """
    value = next((value for name, value in headers if name == "retry-after"), "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:12]), _LONGEST)
    try:
        due = email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(0.0, due - now), _LONGEST)


def backoff(first: float, *, attempt: int, seed: int, url: str) -> float:
    """Seconds to wait after the failure of an attempt: `first`, doubled each time, times 0.5 to 1.5.

    attempt: counts from 0. The factor is a hash of seed, attempt and URL: the same whenever it is asked for.
    """
    digest = hashlib.blake2b(f"{seed}|{attempt}|{url}".encode(), digest_size=7).digest()
    return first * float(1 << attempt) * (0.5 + int.from_bytes(digest, "big") / 2**56)
