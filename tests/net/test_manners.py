"""How a fetcher behaves towards hosts that are full, ill or dead: counted in the log of a real server."""

from __future__ import annotations

import email.utils
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.net.server import Exchange, LoopbackServer, reply
from vlcorpus.net.fetch import Fetcher, Limits

QUICK = Limits(max_bytes=1_000_000, total_seconds=10, slow_seconds=1, connect_seconds=5)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as started:
        yield started


class Crowd:
    """An endpoint that serves `capacity` requests at once, each for 5 ms, and answers `status` to those above."""

    def __init__(self, capacity: int, status: int = 429) -> None:
        self.capacity = capacity
        self.status = status
        self.refused = 0
        self.most = 0
        self._now = 0
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> bool:
        with self._lock:
            self._now += 1
            is_welcome = self._now <= self.capacity
            self.refused += not is_welcome
            self.most = max(self.most, self._now)
        exchange.server.closing.wait(0.005)
        with self._lock:
            self._now -= 1
        return reply(exchange, b"in" if is_welcome else b"full", status=200 if is_welcome else self.status)


@pytest.mark.parametrize(("capacity", "status"), [(1, 429), (4, 429), (4, 503)])
def test_a_host_that_bears_few_requests_at_once_gets_few(server: LoopbackServer, capacity: int, status: int) -> None:
    few, many = Crowd(capacity, status), Crowd(100)
    server.on("/few", few)
    server.on("/many", many)
    urls = [server.url(f"/few?{n}", "few.example") for n in range(300)]
    urls += [server.url(f"/many?{n}", "many.example") for n in range(300)]
    with Fetcher(server.manners(per_host=16, retries=5, host_breaker=200), QUICK) as fetcher:
        got = dict(fetcher.fetch_all(urls))
    assert Counter(response.body for response in got.values()) == {b"in": 600}
    # 16, 8, 4 and 2 at once on the way down, and then one too many for every ten full shares that went well.
    assert 0 < few.refused <= 32 + 300 / 10
    assert few.most <= 16 and capacity < many.most <= 16


def test_a_fixed_number_at_once_is_kept_if_wanted(server: LoopbackServer) -> None:
    crowd = Crowd(2)
    url = server.on("/few", crowd)
    manners = server.manners(per_host=8, retries=0, host_breaker=0, adaptive=False)
    with Fetcher(manners, QUICK) as fetcher:
        list(fetcher.fetch_all(f"{url}?{n}" for n in range(200)))
    assert crowd.refused > 100


class Closed:
    """The first `at_once` requests, when all of them are here, are told to come back `header`; the others are served.

    said: time.time() when the last was told. came: when each of the others came, by time.time().
    """

    def __init__(self, at_once: int, status: int, header: str) -> None:
        self.said = 0.0
        self.came: list[float] = []
        self._here = threading.Barrier(at_once)
        self._left = at_once
        self._status = status
        self._header = header
        self._lock = threading.Lock()

    def __call__(self, exchange: Exchange) -> bool:
        came = time.time()
        with self._lock:
            is_early = self._left > 0
            self._left -= 1
            if not is_early:
                self.came.append(came)
        if not is_early:
            return reply(exchange, b"open")
        self._here.wait(10)
        if exchange.request.path.endswith("?0"):
            self.said = time.time()
        header = email.utils.formatdate(time.time() + 2, usegmt=True) if self._header == "date" else self._header
        return reply(exchange, b"", {"Retry-After": header}, self._status)


@pytest.mark.parametrize(("status", "header"), [(429, "1"), (503, "1"), (429, "date")])
def test_no_request_reaches_a_host_before_its_retry_after(server: LoopbackServer, status: int, header: str) -> None:
    closed = Closed(8, status, header)
    url = server.on("/closed", closed)
    others = [server.url(f"/ok/{n}", f"other{n % 5}.example") for n in range(200)]
    with Fetcher(server.manners(per_host=8, adaptive=False), QUICK) as fetcher:
        order = [index for index, response in fetcher.fetch_all([f"{url}?{n}" for n in range(50)] + others)]
    assert len(closed.came) == 50, "eight came twice"
    due = int(closed.said + 2) if header == "date" else closed.said + 1
    assert min(closed.came) >= due
    assert set(order[:200]) == set(range(50, 250)), "others were not kept waiting"


def test_a_host_that_asks_for_hours_is_asked_nothing_more(server: LoopbackServer) -> None:
    closed = Closed(4, 429, "3600")
    url = server.on("/closed", closed)
    with Fetcher(server.manners(per_host=4, retries=3), QUICK) as fetcher:
        got = dict(fetcher.fetch_all([f"{url}?{n}" for n in range(100)]))
        later = fetcher.fetch(f"{url}?later")
        elsewhere = fetcher.fetch(server.url("/ok/1", "other.example"))
    assert {(response.reason, response.status) for response in [*got.values(), later]} == {("http_error", 429)}
    assert sorted(path for path in server.paths() if path.startswith("/closed")) == [f"/closed?{n}" for n in range(4)]
    assert sum(response.message.startswith("not asked") for response in got.values()) == 96
    assert elsewhere.reason is None


def test_ten_thousand_urls_of_a_dead_host_cost_a_few_requests_and_keep_nobody_waiting(server: LoopbackServer) -> None:
    dead = socket.create_server(("127.0.0.1", 0))
    port = dead.getsockname()[1]
    dead.close()
    urls = [f"http://127.0.0.3:{port}/{n}" for n in range(10_000)]
    good = [server.url(f"/ok/{n}", "good.example") for n in range(100)]
    manners = server.manners(connect_to=(f"good.example::127.0.0.1:{server.port}",), host_rest_seconds=600)
    with Fetcher(manners, QUICK) as fetcher:
        got = dict(fetcher.fetch_all([*urls[:500], *good, *urls[500:]]))
        worst = fetcher.hosts()
    assert Counter(response.reason for response in got.values()) == {"connect_failure": 10_000, None: 100}
    assert sum(not response.message.startswith("not asked") for response in got.values() if response.reason) <= 50 + 8
    assert worst == [("127.0.0.3", Counter({"connect_failure": 10_000}))]


def test_after_its_rest_a_host_is_tried_with_one_request_at_a_time(server: LoopbackServer) -> None:
    crowd = Crowd(0, 503)
    url = server.on("/ill", crowd)
    manners = server.manners(
        per_host=4, retries=0, adaptive=False, host_breaker=5, host_rest_seconds=0, backoff_seconds=0
    )
    with Fetcher(manners, QUICK) as fetcher:
        assert len(list(fetcher.fetch_all(f"{url}?{n}" for n in range(8)))) == 8
        crowd.most = 0
        assert {response.status for _, response in fetcher.fetch_all(f"{url}?{n}" for n in range(12))} == {503}
        assert (crowd.refused, crowd.most) == (20, 1)
        crowd.capacity = 100
        assert {response.status for _, response in fetcher.fetch_all(f"{url}?{n}" for n in range(40))} == {200}
        assert 1 < crowd.most <= 4


def test_hosts_tells_where_most_failed_and_why(server: LoopbackServer) -> None:
    urls = [server.url("/status/404", "a.example")] * 3 + [server.url("/close", "b.example")] * 2
    urls += [server.url("/status/403", "a.example"), server.url("/ok/1", "c.example"), "file:///x", "http://10.0.0.1/"]
    with Fetcher(server.manners(retries=1), QUICK) as fetcher:
        assert fetcher.hosts() == []
        list(fetcher.fetch_all(urls))
        assert fetcher.hosts(2) == [
            ("a.example", Counter({"http_error 404": 3, "http_error 403": 1})),
            ("b.example", Counter({"connection_reset": 2})),
        ]


def test_descriptors_do_not_grow_with_requests(server: LoopbackServer) -> None:

    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("needs /proc")
    kinds = ("/ok/1", "/close", "/status/404", "/reset/now", "/short", "/redirect/1", "/encoded/twice", "/bytes/100000")
    urls = [server.url(kinds[n % 8], f"host{n % 37}.example") for n in range(2000)]
    seen: list[int] = []
    with Fetcher(server.manners(concurrency=8, retries=0, host_breaker=0), QUICK) as fetcher:
        for answered, _ in enumerate(fetcher.fetch_all(urls), 1):
            if answered % 100 == 0:
                seen.append(len(list(descriptors.iterdir())))
    # Both ends of each connection are here: 16 kept ones at most, and those that the server has not closed yet.
    assert max(seen[10:]) <= max(seen[:10]) + 16
