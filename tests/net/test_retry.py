from __future__ import annotations

import pytest

from vlcorpus.net.response import REASONS
from vlcorpus.net.retry import asked_wait, is_host_failure, is_transient


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("9" * 400, 365 * 86400.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 40.0),
        ("Thu, 01 Jan 1970 00:00:10 GMT", 0.0),
        ("Thursday, 01-Jan-70 00:01:40 GMT", 40.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 365 * 86400.0),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
        ("Thu, 99 Jan 1970 00:00:10 GMT", None),
        ("Mon, 01 Jan 0000000000000000000000 99:99:99", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert asked_wait((("date", "x"), ("retry-after", value)), now=60.0) == seconds


def test_without_the_header_nothing_is_asked() -> None:
    assert asked_wait((), now=0.0) is None


def test_what_is_tried_again() -> None:
    assert [one for one in REASONS if is_transient(one, 200)] == ["timeout", "truncated_body", "connection_reset"]
    assert [n for n in range(100, 600) if is_transient("http_error", n)] == [429, 500, 502, 503, 504]


def test_what_speaks_against_the_host() -> None:
    assert not is_host_failure(None, 200)
    assert not is_host_failure("optout", 200)
    assert not is_host_failure("http_error", 404)
    assert is_host_failure("http_error", 429)
    assert is_host_failure("timeout", None)
