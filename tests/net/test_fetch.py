from __future__ import annotations

import itertools
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.net.server import Exchange, LoopbackServer, reply
from vlcorpus.errors import UsageError
from vlcorpus.net.fetch import REASONS, Fetcher, LastAsked, Limits, Manners, Response
from vlcorpus.net.optout import refuse_opted_out

QUICK = Limits(max_bytes=1_000_000, total_seconds=4, slow_seconds=1, connect_seconds=5)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as started:
        yield started


OUTCOMES = [
    # path, status, reason, bytes of body
    ("/ok/1", 200, None, 4),
    ("/bytes/1000000", 200, None, 1_000_000),
    ("/bytes/1000001", 200, "too_large", 0),
    ("/bytes/0", 200, None, 0),
    ("/huge", 200, "too_large", 0),
    ("/endless", 200, "too_large", 0),
    ("/endless-chunks", 200, "too_large", 0),
    ("/bomb", 200, "too_large", 0),
    ("/status/204", 204, None, 0),
    ("/status/206", 206, "http_error", 0),
    ("/status/300", 300, "http_error", 0),
    ("/status/302", 302, "http_error", 0),
    ("/status/304", 304, "http_error", 0),
    ("/status/404", 404, "http_error", 0),
    ("/status/500", 500, "http_error", 0),
    ("/redirect/5", 200, None, 8),
    ("/redirect/6", 302, "too_many_redirects", 0),
    ("/redirect-to?file:///etc/passwd", 302, "bad_scheme", 0),
    ("/redirect-to?data:,x", 302, "bad_scheme", 0),
    ("/redirect-to?http://user:secret@example.com/", 302, "bad_url", 0),
    ("/redirect-to?http://10.0.0.1/", None, "private_address", 0),
    ("/long-redirect/9000", 302, "bad_url", 0),
    ("/drip/body", 200, "too_slow", 0),
    ("/drip/head", None, "timeout", 0),
    ("/hang", None, "timeout", 0),
    ("/short", 200, "truncated_body", 0),
    ("/short-chunks", 200, "truncated_body", 0),
    ("/bad-chunks", 200, "bad_response", 0),
    ("/trailers/3", 200, None, 5),
    ("/trailers/100", 200, "header_flood", 0),
    ("/headers/3/10", 200, None, 2),
    ("/headers/90/60000", None, "header_flood", 0),
    ("/headers/9000/10", None, "header_flood", 0),
    ("/interim/3", 200, None, 15),
    ("/interim/10000", None, "header_flood", 0),
    ("/encoded/gzip", 200, None, 13_000),
    ("/encoded/x-gzip", 200, None, 13_000),
    ("/encoded/deflate", 200, None, 13_000),
    ("/encoded/raw-deflate", 200, None, 13_000),
    ("/encoded/identity", 200, None, 13_000),
    ("/encoded/twice", 200, "bad_encoding", 0),
    ("/encoded/unknown", 200, "bad_encoding", 0),
    ("/encoded/broken", 200, "bad_encoding", 0),
    ("/encoded/none", 200, "bad_encoding", 0),
    ("/encoded/cut", 200, "truncated_body", 0),
    ("/reset/now", None, "connection_reset", 0),
    ("/reset/half", 200, "connection_reset", 0),
    ("/close", None, "connection_reset", 0),
    ("/raw?SSH-2.0-OpenSSH%0D%0A", None, "bad_response", 0),
    ("/raw?HTTP/1.1%20999999%20x%0D%0A%0D%0A", None, "bad_response", 0),
    ("/raw?HTTP/1.0%20200%20OK%0D%0A%0D%0Ahello", 200, None, 5),
    ("/raw?HTTP/1.1%20200%20OK%0D%0AX:%20a%0D%0A%20b%0D%0AContent-Length:%201%0D%0A%0D%0Ah", 200, None, 1),
    ("/raw?HTTP/1.1%20200%20OK%0D%0AContent-Length:%20-5%0D%0A%0D%0Ah", None, "bad_response", 0),
]


def test_every_kind_of_answer_has_its_reason(server: LoopbackServer) -> None:
    with Fetcher(server.manners(retries=0, per_host=64, connect_to=()), QUICK) as fetcher:
        got = dict(fetcher.fetch_all(server.url(path) for path, *_ in OUTCOMES))
    assert sorted(got) == list(range(len(OUTCOMES)))
    found = [(path, got[n].status, got[n].reason, len(got[n].body)) for n, (path, *_) in enumerate(OUTCOMES)]
    assert found == OUTCOMES
    assert {response.reason for response in got.values()} - {None} <= set(REASONS)
    assert all(response.message for response in got.values() if response.reason)
    assert all(got[n].url == server.url(path) for n, (path, *_) in enumerate(OUTCOMES))
    assert got[15].final_url == server.url("/ok/moved")


def test_proxies_of_the_environment_are_not_used(server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackServer() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        with Fetcher(server.manners(), QUICK) as fetcher:
            assert fetcher.fetch(server.url("/ok")).reason is None
            assert fetcher.fetch("http://10.0.0.1:81/") is not None
        assert proxy.connections == 0


def test_only_four_headers_are_sent_and_no_cookie_comes_back(server: LoopbackServer) -> None:
    server.put("/cookie", b"x", {"Set-Cookie": "a=b; Path=/"})
    manners = server.manners()
    with Fetcher(manners, QUICK, accept="image/*", encodings="identity") as fetcher:
        for _ in range(2):
            assert fetcher.fetch(server.url("/cookie")).header("Set-Cookie") == ["a=b; Path=/"]
    assert [request.headers for request in server.requests] == [
        {
            "host": f"127.0.0.1:{server.port}",
            "user-agent": "vlcorpus-test/1.0",
            "accept": "image/*",
            "accept-encoding": "identity",
        }
    ] * 2


def test_headers_for_a_url_go_with_each_attempt_and_not_where_it_redirects(server: LoopbackServer) -> None:
    urls = [server.url(path) for path in ("/again/503/1/", "/redirect/1", "/ok/plain")]
    with Fetcher(server.manners(concurrency=1), QUICK) as fetcher:
        got = fetcher.fetch_all(urls, lambda url: {} if "plain" in url else {"If-None-Match": f'"{url[-1]}"'})
        assert [response.reason for _, response in got] == [None] * 3
    sent = [(request.path, request.headers.get("if-none-match")) for request in server.requests]
    assert sorted(sent, key=lambda one: one[0]) == [
        ("/again/503/1/", '"/"'),
        ("/again/503/1/", '"/"'),
        ("/ok/moved", None),
        ("/ok/plain", None),
        ("/redirect/1", '"1"'),
    ]


@pytest.mark.parametrize(
    "headers", [{"X": "a\r\nEvil: 1"}, {"X\r\n": "a"}, {"Host": "b"}, {"cookie": "a=b"}, {"X": "é"}, {"X": " "}]
)
def test_headers_that_cannot_be_sent_are_refused(server: LoopbackServer, headers: dict[str, str]) -> None:
    with Fetcher(server.manners(), QUICK) as fetcher, pytest.raises(UsageError):
        list(fetcher.fetch_all([server.url("/ok")], lambda _: headers))
    assert server.requests == []


def test_headers_are_lower_case_in_order_and_of_the_last_hop(server: LoopbackServer) -> None:
    raw = "HTTP/1.1 200 OK\r\nX-B: 1\r\nx-a: \xe9\r\nX-B:2\r\nContent-Length: 0\r\n\r\n"
    server.put("/", b"", {"Location": f"/raw?{quote(raw, encoding='latin-1')}", "X-First": "1"}, 302)
    with Fetcher(server.manners(), QUICK) as fetcher:
        response = fetcher.fetch(server.url("/"))
    assert response.headers == (("x-b", "1"), ("x-a", "é"), ("x-b", "2"), ("content-length", "0"))
    assert response.header("X-B") == ["1", "2"]


def test_a_non_ascii_redirect_is_followed(server: LoopbackServer) -> None:
    server.put("/caf%C3%A9%20x", b"here")
    server.put("/", b"", {"Location": "/café x"}, 301)
    with Fetcher(server.manners(), QUICK) as fetcher:
        assert fetcher.fetch(server.url("/")).body == b"here"


def test_every_url_is_answered_once_in_any_mixture(server: LoopbackServer) -> None:
    source = random.Random(1)
    kinds = ("/ok/1", "/status/404", "/redirect/2", "/short", "/reset/now", "/encoded/gzip")
    urls = [
        source.choice(["", "file:///x", "http://u@h/", "\x00"]) if source.random() < 0.2 else server.url(path, name)
        for path in source.choices(kinds, k=300)
        for name in [source.choice(["a.example", "b.example", "c.example"])]
    ]
    with Fetcher(server.manners(concurrency=4, host_breaker=0), QUICK) as fetcher:
        got = [(index, response.url) for index, response in fetcher.fetch_all(iter(urls))]
    assert sorted(got) == list(enumerate(urls))


def test_hostile_bytes_are_answered_once_each(server: LoopbackServer) -> None:
    source = random.Random(2)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
    head += b"Content-Encoding: gzip\r\n\r\n5\r\nhello"
    answers = []
    for _ in range(150):
        mutated = bytearray(head)
        for _ in range(source.randrange(1, 12)):
            mutated[source.randrange(len(mutated))] = source.randrange(256)
        answers.append(bytes(mutated[: source.randrange(len(mutated))]))

    def answer(exchange: Exchange) -> bool:
        exchange.write(answers[int(exchange.query)])
        return False

    url = server.on("/fuzz", answer)
    with Fetcher(server.manners(retries=0, host_breaker=0, connect_to=()), QUICK) as fetcher:
        got = dict(fetcher.fetch_all(f"{url}?{n}" for n in range(len(answers))))
    assert sorted(got) == list(range(len(answers)))
    assert {response.reason for response in got.values()} <= {None, *REASONS}


def test_the_iterable_is_read_as_needed(server: LoopbackServer) -> None:
    taken = itertools.count()
    urls = (server.url(f"/ok/{next(taken)}") for _ in itertools.count())
    with Fetcher(server.manners(concurrency=2), QUICK) as fetcher:
        answers = fetcher.fetch_all(urls)
        assert len(list(itertools.islice(answers, 200))) == 200
        answers.close()  # type: ignore[attr-defined]
        assert next(taken) <= 200 + 2 * 16
        assert fetcher.fetch(server.url("/ok/after")).body == b"ok after"


def test_an_error_of_the_iterable_is_the_callers(server: LoopbackServer) -> None:
    def urls() -> Iterator[str]:
        yield server.url("/ok")
        raise KeyError("mine")

    with Fetcher(server.manners(), QUICK) as fetcher, pytest.raises(KeyError, match="mine"):
        list(fetcher.fetch_all(urls()))


def test_a_fetch_within_a_fetch_and_from_several_threads(server: LoopbackServer) -> None:
    limits = Limits(max_bytes=1_000_000, max_held_bytes=1000)
    with Fetcher(server.manners(concurrency=4), limits) as fetcher:
        for _, response in fetcher.fetch_all([server.url("/bytes/5000")] * 20):
            assert len(fetcher.fetch(server.url("/bytes/7000")).body) == 7000
            assert len(response.body) == 5000
        results: list[Response] = []
        threads = [
            threading.Thread(target=lambda: results.append(fetcher.fetch(server.url("/ok/1")))) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [response.body for response in results] == [b"ok 1"] * 8


def test_bodies_beyond_the_held_limit_wait_for_their_turn(server: LoopbackServer) -> None:
    limits = Limits(max_bytes=1_000_000, max_held_bytes=300_000)
    with Fetcher(server.manners(concurrency=16, per_host=16), limits) as fetcher:
        sizes = [len(response.body) for _, response in fetcher.fetch_all([server.url("/bytes/900000")] * 40)]
    assert sizes == [900_000] * 40


def test_connections_are_kept_and_limited_per_host(server: LoopbackServer) -> None:
    together = threading.Barrier(3)
    lock = threading.Lock()
    active: list[int] = [0]
    most: list[int] = [0]

    def meet(exchange: Exchange) -> bool:
        with lock:
            active[0] += 1
            most[0] = max(most[0], active[0])
        together.wait(10)
        with lock:
            active[0] -= 1
        return reply(exchange, b"met")

    url = server.on("/meet", meet)
    with Fetcher(server.manners(per_host=3), QUICK) as fetcher:
        bodies = [response.body for _, response in fetcher.fetch_all([url] * 30)]
    assert bodies == [b"met"] * 30
    assert (most[0], server.connections) == (3, 3)


@pytest.mark.parametrize(
    ("path", "retries", "requests", "reason"),
    [
        ("/again/503/1/", 1, 2, None),
        ("/again/429/2/0", 2, 3, None),
        ("/again/500/2/", 1, 2, "http_error"),
        ("/again/404/1/", 3, 1, "http_error"),
        ("/again/503/1/", 0, 1, "http_error"),
        ("/again/503/1/3600", 3, 1, "http_error"),
        ("/again/503/1/Fri%2C%2031%20Dec%209999%2023:59:59%20GMT", 3, 1, "http_error"),
        ("/again/503/1/Fri%2C%2031%20Dec%201999%2023:59:59%20GMT", 1, 2, None),
        ("/again/503/1/soon", 1, 2, None),
        ("/reset/now", 2, 3, "connection_reset"),
        ("/short", 1, 2, "truncated_body"),
        ("/encoded/twice", 2, 1, "bad_encoding"),
    ],
)
def test_what_may_pass_is_tried_again(
    server: LoopbackServer, path: str, retries: int, requests: int, reason: str | None
) -> None:
    with Fetcher(server.manners(retries=retries), QUICK) as fetcher:
        response = fetcher.fetch(server.url(path))
    assert (response.reason, server.paths().count(path)) == (reason, requests)


def test_retry_after_holds_the_whole_host_back(server: LoopbackServer) -> None:
    urls = [server.url("/again/429/1/1"), *(server.url(f"/ok/{n}") for n in range(5))]
    with Fetcher(server.manners(concurrency=1), QUICK) as fetcher:
        assert [response.reason for _, response in fetcher.fetch_all(urls)] == [None] * 6
    first, *others = server.requests
    assert len(others) == 6
    assert min(request.at for request in others) - first.at >= 1.0


def test_delay_spaces_the_requests_to_an_origin(server: LoopbackServer) -> None:
    asked: set[str] = set()

    def delay(origin: str) -> float:
        asked.add(origin)
        return 0.1

    with Fetcher(server.manners(), QUICK, delay=delay) as fetcher:
        assert len(list(fetcher.fetch_all([server.url("/ok/1")] * 4))) == 4
    times = sorted(request.at for request in server.requests)
    assert times[-1] - times[0] >= 0.25
    assert asked == {server.url("")}


def test_a_delay_is_kept_over_redirects_attempts_and_fetchers_that_share_it(server: LoopbackServer) -> None:
    last = LastAsked()
    paths = ["/again/503/1/", "/redirect/2", "/status/404", "/close", "/ok/1"]
    for _ in range(2):
        with Fetcher(server.manners(retries=1), QUICK, delay=lambda _: 0.05, last_asked=last) as fetcher:
            list(fetcher.fetch_all(server.url(path) for path in paths))
    times = [request.at for request in server.requests]
    assert len(times) >= 17, "and more where a kept connection was closed"
    # No tolerance: the delay runs from the first byte of an answer, or the end of an attempt without one.
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 0.05


def test_a_host_that_fails_again_and_again_is_left_alone(server: LoopbackServer) -> None:
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    urls = [f"http://127.0.0.1:{port}/{n}" for n in range(10)] + [server.url("/ok", "127.0.0.2")]
    manners = Manners(
        user_agent="t",
        allow_private=("127.0.0.0/8",),
        host_breaker=3,
        adaptive=False,
        concurrency=1,
        connect_to=("127.0.0.2::127.0.0.1:",),
    )
    with Fetcher(manners, QUICK) as fetcher:
        got = dict(fetcher.fetch_all(urls))
    assert [got[n].reason for n in range(10)] == ["connect_failure"] * 10
    assert sum(got[n].message.startswith("not asked") for n in range(10)) == 7
    assert got[10].reason is None


def test_slow_servers_do_not_keep_others_waiting(server: LoopbackServer) -> None:
    bad = [
        server.url(path, f"slow{n}.example")
        for n in range(10)
        for path in ("/drip/body", "/drip/head", "/hang", "/endless")
    ]
    good = [server.url(f"/ok/{n}", f"good{n % 7}.example") for n in range(400)]
    with Fetcher(server.manners(retries=0), QUICK) as fetcher:
        got = dict(fetcher.fetch_all(bad + good))
    assert {got[n].reason for n in range(len(bad))} == {"too_slow", "timeout", "too_large"}
    assert [got[n].reason for n in range(len(bad), len(bad + good))] == [None] * 400


def test_an_opt_out_ends_the_transfer_at_the_headers(server: LoopbackServer) -> None:
    inspect = refuse_opted_out("vlcorpus")
    values = ("noai", "otherbot: noai", "unavailable_after: 25 Jun 2027 15:00:00 PST, noai")
    with Fetcher(server.manners(), QUICK, inspect_headers=inspect) as fetcher:
        answers = [fetcher.fetch(server.url(f"/opted-out?X-Robots-Tag:{quote(value)}")) for value in values]
    assert [(one.reason, len(one.body)) for one in answers] == [("optout", 0), (None, 1_000_000), ("optout", 0)]
    assert answers[0].header("x-robots-tag") == ["noai"]


def test_a_bug_in_the_callers_function_comes_back_as_itself(server: LoopbackServer) -> None:
    def broken(headers: object) -> str | None:
        raise ZeroDivisionError

    with Fetcher(server.manners(), QUICK, inspect_headers=broken) as fetcher:
        with pytest.raises(RuntimeError) as caught:
            fetcher.fetch(server.url("/ok"))
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_cut_body_is_kept_when_asked_for(server: LoopbackServer) -> None:
    with Fetcher(server.manners(), Limits(max_bytes=1000, keep_cut=True)) as fetcher:
        got = [fetcher.fetch(server.url(path)) for path in ("/bytes/999", "/bytes/1001", "/endless", "/encoded/gzip")]
    assert [(one.reason, len(one.body)) for one in got] == [(None, 999)] + [("too_large", 1000)] * 3


def test_names_that_do_not_resolve_and_ports_that_do_not_answer() -> None:
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    manners = Manners(user_agent="t", allow_private=("127.0.0.0/8",), retries=0)
    with Fetcher(manners, QUICK) as fetcher:
        assert fetcher.fetch("http://no-such-host.invalid/").reason in ("dns_failure", "timeout")
        assert fetcher.fetch(f"http://127.0.0.1:{port}/").reason == "connect_failure"


def test_a_closed_fetcher_says_so(server: LoopbackServer) -> None:
    fetcher = Fetcher(server.manners(), QUICK)
    assert fetcher.fetch(server.url("/ok")).reason is None
    answers = fetcher.fetch_all([server.url("/ok"), server.url("/hang")])
    assert next(answers)[1].reason is None
    fetcher.close()
    fetcher.close()
    with pytest.raises(RuntimeError, match="stopped"):
        next(answers)
    with pytest.raises(RuntimeError, match="closed"):
        fetcher.fetch(server.url("/ok"))


def test_many_fetchers_leave_no_thread_and_no_descriptor(server: LoopbackServer) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        pytest.skip("needs /proc")

    def count() -> tuple[int, int]:
        threads = sum(thread.name == "vlcorpus-fetch" for thread in threading.enumerate())
        return threads, len(list(descriptors.iterdir()))

    with Fetcher(server.manners(), QUICK) as fetcher:
        fetcher.fetch(server.url("/ok"))
    before = count()
    for _ in range(50):
        with Fetcher(server.manners(), QUICK) as fetcher:
            fetcher.fetch(server.url("/ok"))
    after = count()
    assert after[0] == 0
    # The server's ends of the last connections may not be closed yet.
    assert after[1] - before[1] < 25


@pytest.mark.parametrize(
    "changes",
    [
        {"user_agent": "a\r\nX: y"},
        {"user_agent": ""},
        {"user_agent": "é"},
        {"allow_private": ("localhost",)},
        {"connect_to": ("example.com",)},
        {"concurrency": 0},
        {"per_host": 0},
    ],
)
def test_settings_that_cannot_be_are_refused(server: LoopbackServer, changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Fetcher(server.manners(**changes), QUICK)
