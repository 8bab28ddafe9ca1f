"""What a failure says: whether to try again, whether the host is ill, and how long it asks to be left alone.

is_transient("http_error", 503)                                   True
asked_wait((("retry-after", "120"),), now=0.0)                    120.0
"""

from __future__ import annotations

import email.utils
from collections.abc import Sequence

_TRANSIENT = frozenset(("timeout", "connection_reset", "truncated_body"))
_TRANSIENT_STATUS = frozenset((429, 500, 502, 503, 504))
_HOST_FAILURE = frozenset(("timeout", "too_slow", "connection_reset", "dns_failure", "connect_failure", "tls_failure"))
_HOST_FAILURE_STATUS = frozenset((429, 503))
_LONGEST = 365 * 86400.0


def is_transient(reason: str, status: int | None) -> bool:
    """Whether another attempt may well succeed."""
    return reason in _TRANSIENT or (reason == "http_error" and status in _TRANSIENT_STATUS)


def is_host_failure(reason: str | None, status: int | None) -> bool:
    """Whether the failure says something about the host and not about the URL."""
    return reason in _HOST_FAILURE or (reason == "http_error" and status in _HOST_FAILURE_STATUS)


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
