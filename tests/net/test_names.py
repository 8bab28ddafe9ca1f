"""Look-ups of names, counted by a name server of our own; skipped where no network of one's own can be made."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.net.names import PUBLIC, isolate
from tests.net.server import LoopbackServer
from vlcorpus.net import names as naming
from vlcorpus.net.fetch import Fetcher, Limits
from vlcorpus.net.job import Batch, Job
from vlcorpus.net.lookups import AS_IS, Lookups
from vlcorpus.net.names import KEPT_SECONDS, UNRESOLVED_SECONDS, Names, look_up


class Book:
    """Looks names up in itself, and counts; those that begin with `slow` wait until `opened`."""

    def __init__(self, **addresses: str) -> None:
        self.asked: Counter[str] = Counter()
        self.most = 0
        self.opened = threading.Event()
        self._now = 0
        self._addresses = addresses
        self._lock = threading.Lock()

    def __call__(self, host: str) -> tuple[str, ...]:
        with self._lock:
            self.asked[host] += 1
            self._now += 1
            self.most = max(self.most, self._now)
        if host.startswith("slow"):
            self.opened.wait(30)
        with self._lock:
            self._now -= 1
        found = self._addresses.get(host.partition(".")[0].rstrip("0123456789"))
        return (found,) if found else ()


@contextmanager
def asked(names: Names, hosts: list[str]) -> Iterator[None]:
    """Ask for all of them, then, when the block is done, wait for all."""
    told = threading.Semaphore(0)
    for host in hosts:
        names.ask(host, lambda _: told.release())
    yield
    for _ in hosts:
        assert told.acquire(timeout=30)


def test_a_name_is_looked_up_once_for_all_who_ask_and_again_after_its_time() -> None:
    book = Book(slow="192.0.2.1")
    names = Names(book)
    now = time.monotonic()
    with asked(names, ["slow.example"] * 50 + ["none.example"] * 50):
        assert names.known("slow.example", now) is None
        book.opened.set()
    assert book.asked == {"slow.example": 1, "none.example": 1}
    assert names.known("slow.example", now + KEPT_SECONDS - 1) == ("192.0.2.1",)
    late = time.monotonic()
    assert names.known("slow.example", late + KEPT_SECONDS) is None
    assert names.known("none.example", now + UNRESOLVED_SECONDS - 1) == ()
    assert names.known("none.example", late + UNRESOLVED_SECONDS) is None


def test_so_many_look_ups_at_once_and_no_thread_stays() -> None:
    book = Book(slow="192.0.2.1")
    names = Names(book, threads=7)
    with asked(names, [f"slow{n}.example" for n in range(100)]):
        book.opened.set()
    assert len(book.asked) == 100 and book.most <= 7
    with asked(names, ["a.example"]):
        pass
    for thread in threading.enumerate():
        if thread.name == "vlcorpus-names":
            thread.join(30)
    assert not [thread for thread in threading.enumerate() if thread.name == "vlcorpus-names"]


def test_memory_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "_MOST_NAMES", 100)
    names = Names(Book())
    with asked(names, [f"{n}.example" for n in range(1000)]):
        pass
    assert len(names._known) <= 100


def test_the_system_is_asked() -> None:
    assert set(look_up("localhost")) & {"127.0.0.1", "::1"}
    assert look_up("no-such-host.invalid") == look_up("a" * 64 + ".example") == look_up("") == ()


def test_jobs_wait_for_names_and_not_for_ever() -> None:
    book = Book(slow="192.0.2.1")
    told: list[str] = []
    lookups = Lookups(Names(book), ("mirror.example:443:192.0.2.9:",), 30.0, told.append)
    for host in ("192.0.2.1", "[2001:db8::1]:8080", "mirror.example"):
        assert lookups.addresses(Job(Batch(), 0, "", f"https://{host}/"), 0.0) is AS_IS
    jobs = [Job(Batch(), n, "", f"https://slow{n // 2}.example/{n}") for n in range(4)]
    for n, job in enumerate(jobs):
        assert lookups.addresses(job, 0.0) is None
        lookups.hold(job, float(n))
    assert (lookups.next_due(10.0), lookups.next_due(31.0)) == (20.0, 0.0)
    assert lookups.overdue(29.9) == []
    assert lookups.overdue(30.0) == jobs[:2]
    assert lookups.addresses(jobs[0], 0.0) == ()
    assert lookups.found("slow1.example") == jobs[2:]
    assert lookups.next_due(0.0) is None
    assert lookups.found("slow1.example") == []
    book.opened.set()


def test_curl_is_told_once_for_each_origin_and_again_when_they_change() -> None:
    found = [("192.0.2.1",), ("192.0.2.2", "2001:db8::1")]
    names = Names(lambda host: found[0])
    lookups = Lookups(names, (), 30.0, lambda host: None)
    jobs = [Job(Batch(), 0, "", f"{where}/a") for where in ("https://a.example", "http://a.example")]
    with asked(names, ["a.example"]):
        pass
    now = time.monotonic()
    for job in jobs:
        assert lookups.addresses(job, now) == found[0]
        assert lookups.addresses(job, now) is AS_IS
    del names._known["a.example"], found[0]
    with asked(names, ["a.example"]):
        pass
    assert [lookups.addresses(job, now) for job in jobs] == [found[0]] * 2
    assert lookups.addresses(jobs[0], now) is AS_IS


def test_fetchers_that_share_names_look_each_up_once() -> None:
    book = Book(here="127.0.0.1", gone="")
    names = Names(book)
    with LoopbackServer() as server:
        urls = [server.url(f"/ok/{n}", f"{('here', 'gone')[n % 2]}{n % 10}.example") for n in range(200)]
        for _ in range(2):
            with Fetcher(server.manners(connect_to=(), retries=3), names=names) as fetcher:
                got = dict(fetcher.fetch_all(urls))
            assert [got[n].reason for n in range(200)] == [None, "dns_failure"] * 100
            assert got[0].address == "127.0.0.1"
    assert set(book.asked.values()) == {1} and len(book.asked) == 10


@pytest.mark.parametrize(
    ("addresses", "reason"),
    [
        (("::1",), None),
        (("::1", "127.0.0.9"), None),
        (("127.0.0.9", "::1"), None),
        (("fe80::1", "10.0.0.1"), "private_address"),
        (("fe80::1", "::1"), None),
        (("::ffff:10.0.0.1",), "private_address"),
    ],
)
def test_the_addresses_found_are_those_connected_to(addresses: tuple[str, ...], reason: str | None) -> None:
    with LoopbackServer("::1") as server:
        url = f"http://six.example:{server.port}/ok/1"
        with Fetcher(server.manners(connect_to=()), names=Names(lambda host: addresses)) as fetcher:
            response = fetcher.fetch(url)
    assert (response.reason, response.address) == (reason, "::1" if reason is None else "")


def test_a_look_up_that_never_ends_ends_with_the_time() -> None:
    book = Book(slow="127.0.0.1", here="127.0.0.1")
    with LoopbackServer() as server:
        urls = [server.url("/ok/1", f"slow{n}.example") for n in range(300)]
        urls += [server.url(f"/ok/{n}", "here.example") for n in range(50)]
        limits = Limits(total_seconds=1.0)
        with Fetcher(server.manners(connect_to=(), concurrency=8), limits, names=Names(book)) as fetcher:
            order = [(index, response.reason) for index, response in fetcher.fetch_all(urls[250:] + urls[:250])]
    assert {index for index, reason in order if reason is None} == set(range(50, 100))
    assert sum(reason == "dns_failure" for _, reason in order) == 300
    book.opened.set()


def test_a_name_that_does_not_exist_is_looked_up_once_for_a_thousand_urls() -> None:
    got = isolate("dead")
    assert got["reasons"] == {"dns_failure": 3000}
    assert got["asked"] == {f"dead{n}.example": 1 for n in range(3)}


def test_a_name_that_exists_is_looked_up_once_for_all_its_urls() -> None:
    got = isolate("alive")
    assert got["reasons"] == {"None": 1000}
    assert got["asked"] == {f"alive{n}.example": 1 for n in range(5)}


def test_a_name_server_that_is_silent_keeps_no_other_name_waiting() -> None:
    got = isolate("silent")
    assert set(got["silent"]) <= {"dns_failure", "timeout"}
    assert got["good"] == {"None": 400}
    assert got["good come first"]


def test_no_name_that_changes_its_address_reaches_a_private_one() -> None:
    got = isolate("rebinding")
    assert got["checked"] == got["again"] == {"None": 100}
    assert got["rebound"] == got["redirected"] == {"private_address": 100}
    assert set(got["both"]) <= {PUBLIC, ""}
    assert got["canary"] == 0
