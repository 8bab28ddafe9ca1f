from __future__ import annotations

import pytest

from vlcorpus.net.response import REASONS, Manners
from vlcorpus.net.retry import Health, Sequel, asked_wait, backoff, health, is_transient, sequel


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


def test_what_speaks_against_the_host_and_for_fewer_requests() -> None:
    assert [health(None, 200), health("optout", 200), health("too_large", 200)] == [Health.WELL] * 3
    assert [n for n in range(100, 600) if health("http_error", n) is not Health.WELL] == [429, 503]
    assert [one for one in REASONS if health(one, None) is Health.ILL] == ["dns_failure", "tls_failure"]
    assert [one for one in REASONS if health(one, None) is Health.FULL] == [
        "connect_failure",
        "timeout",
        "too_slow",
        "connection_reset",
    ]


def test_waits_double_and_spread() -> None:
    waits = [[backoff(1.0, attempt=n, seed=0, url=f"https://example.com/{m}") for m in range(500)] for n in range(4)]
    for n, found in enumerate(waits):
        assert 0.5 * 2**n <= min(found) < 0.55 * 2**n and 1.45 * 2**n < max(found) < 1.5 * 2**n
    assert waits[0][7] == backoff(1.0, attempt=0, seed=0, url="https://example.com/7")
    assert waits[0][7] != backoff(1.0, attempt=0, seed=1, url="https://example.com/7")


@pytest.mark.parametrize(
    ("reason", "status", "after", "attempt", "expected"),
    [
        ("http_error", 404, "5", 0, Sequel(None)),
        ("http_error", 500, "5", 0, Sequel(0.0)),
        ("http_error", 500, "", 2, Sequel(None)),
        ("timeout", None, "", 1, Sequel(0.0)),
        ("dns_failure", None, "", 0, Sequel(None)),
        ("http_error", 429, "5", 0, Sequel(5.0, hold=5.0)),
        ("http_error", 503, "5", 2, Sequel(None, hold=5.0)),
        ("http_error", 503, "31", 0, Sequel(None, rest=31.0)),
        ("http_error", 429, "999999", 0, Sequel(None, rest=86_400.0)),
        ("timeout", 429, "5", 1, Sequel(5.0, hold=5.0)),
    ],
)
def test_what_follows_a_failure(reason: str, status: int | None, after: str, attempt: int, expected: Sequel) -> None:
    manners = Manners(user_agent="t", retries=2, backoff_seconds=0.0, max_wait_seconds=30.0)
    headers = (("retry-after", after),) if after else ()
    assert sequel(manners, reason, status, headers, attempt, "https://example.com/", 0.0) == expected


def test_without_a_word_from_the_server_the_host_is_held_as_long_as_the_url_waits() -> None:
    manners = Manners(user_agent="t", retries=2, backoff_seconds=8.0, max_wait_seconds=10.0)
    found = [sequel(manners, "http_error", 503, (), n, "https://example.com/", 0.0) for n in range(3)]
    waits = [backoff(8.0, attempt=n, seed=0, url="https://example.com/") for n in range(3)]
    assert [each.again_in for each in found] == [waits[0], waits[1], None]
    assert [each.hold for each in found] == [min(wait, 10.0) for wait in waits]
