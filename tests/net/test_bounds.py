"""What hostile servers may cost: bytes counted where they are sent, memory where they are taken, and who waits."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.net.dripping import DrippingServer
from tests.net.server import Exchange, LoopbackServer
from vlcorpus.net.fetch import Fetcher, Limits

ROOT = Path(__file__).resolve().parents[2]
QUICK = Limits(max_bytes=1_000_000, total_seconds=4, slow_seconds=1, connect_seconds=4)
MANY = 300_000_000
# What the two ends of a loopback connection hold between them at most: Linux, tcp_wmem and tcp_rmem.
BUFFERS = 4_194_304 + 6_291_456 + 65_536


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as started:
        yield started


class Stream:
    """Sends a head and then a block as often as it takes to make 300 MB; counts what the client let it send."""

    def __init__(self, head: bytes, block: bytes) -> None:
        self.sent = 0
        self._head = b"HTTP/1.1 200 OK\r\n" + head + b"\r\n"
        self._block = block * (65_536 // len(block) + 1)

    def __call__(self, exchange: Exchange) -> bool:
        exchange.write(self._head)
        while self.sent < MANY and not exchange.server.closing.is_set():
            exchange.write(self._block)
            self.sent += len(self._block)
        return False


EMPTY_MEMBER = gzip.compress(b"", mtime=0)
STORED_BLOCK = b"\x00\x00\x00\xff\xff"  # of deflate: nothing, and not the last

STREAMS = {
    "no length": (b"", b"\xff"),
    "a length": (b"Content-Length: 300000000\r\n", b"\xff"),
    "chunks": (b"Transfer-Encoding: chunked\r\n", b"1000\r\n" + b"\xff" * 4096 + b"\r\n"),
    "small chunks": (b"Transfer-Encoding: chunked\r\n", b"1\r\n\xff\r\n"),
    "empty gzip members": (b"Content-Encoding: gzip\r\n", EMPTY_MEMBER),
    "empty deflate blocks": (b"Content-Encoding: deflate\r\n", STORED_BLOCK),
    "an error page": (b"Content-Length: 300000000\r\n", b"\xff"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_body_of_300_mb_is_read_to_the_limit_and_a_buffer(server: LoopbackServer, name: str) -> None:
    head, block = STREAMS[name]
    stream = Stream(head, block)
    if name == "an error page":
        stream._head = stream._head.replace(b"200 OK", b"404 Not Found")
    url = server.on("/stream", stream)
    with Fetcher(server.manners(retries=0, concurrency=1), QUICK) as fetcher:
        response = fetcher.fetch(url)
        assert fetcher.fetch(server.url("/ok/1")).reason is None
    assert response.reason == ("http_error" if name == "an error page" else "too_large")
    assert response.body == b""
    # Small chunks are four bytes on the wire for one of the body.
    per_byte = 6 if name == "small chunks" else 1
    assert stream.sent <= (QUICK.max_bytes + 1_048_576) * per_byte + BUFFERS


def test_bytes_that_belong_to_no_body_end_with_the_time(server: LoopbackServer) -> None:
    stream = Stream(b"Transfer-Encoding: chunked\r\n\r\n5;", b"x")
    limits = Limits(max_bytes=1_000_000, total_seconds=1, slow_seconds=1)
    with Fetcher(server.manners(retries=0), limits) as fetcher:
        response = fetcher.fetch(server.on("/extension", stream))
    assert response.reason in ("timeout", "too_slow", "bad_response", "connection_reset")


def _packed(wbits: int, millions: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join(packer.compress(bytes(1_000_000)) for _ in range(millions)) + packer.flush()


GZIP, ZLIB, RAW = 31, 15, -15


def test_no_bomb_is_unpacked_and_no_other_encoding_is_tried(server: LoopbackServer) -> None:
    bomb = _packed(GZIP, 100)
    small = zlib.compress(zlib.compress(bytes(100_000), 9), 9)
    cases = {
        "gzip": (bomb, "too_large"),
        "x-gzip": (bomb, "too_large"),
        "GZip ": (bomb, "too_large"),
        "deflate": (_packed(ZLIB, 100), "too_large"),
        " deflate": (_packed(RAW, 100), "too_large"),
        "gzip, gzip": (gzip.compress(bomb), "bad_encoding"),
        "deflate, deflate": (small, "bad_encoding"),
        "identity, gzip, gzip": (gzip.compress(bomb), "bad_encoding"),
        "br": (b"\x8b\x02\x80hello\x03", "bad_encoding"),
        "zstd": (b"\x28\xb5\x2f\xfd\x04\x00\x29\x00\x00hello", "bad_encoding"),
        "compress": (b"\x1f\x9d\x90", "bad_encoding"),
        "aws-chunked": (b"x", "bad_encoding"),
        "gzip,identity": (bomb, "too_large"),
    }
    urls = [
        server.put(f"/{number}", body, {"Content-Encoding": name})
        for number, (name, (body, _)) in enumerate(cases.items())
    ]
    with Fetcher(server.manners(retries=0), QUICK) as fetcher:
        got = dict(fetcher.fetch_all(urls))
    assert {name: got[n].reason for n, name in enumerate(cases)} == {
        name: reason for name, (_, reason) in cases.items()
    }
    assert all(response.body == b"" for response in got.values())


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
# (what the server sends before it closes, reasons it may have; None is success)
SCRIPTS: list[tuple[bytes, set[str | None]]] = [
    (OK + b"X: " + b"y" * 200_000 + b"\r\n\r\n", {"header_flood"}),
    (OK + b"X" * 200_000, {"header_flood"}),
    (OK + b"X: y\r\n" * 50_000 + b"\r\n", {"header_flood"}),
    (OK + b"X: y\r\n" + b" z\r\n" * 50_000 + b"\r\n", {"header_flood"}),
    (b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000, {"header_flood"}),
    ((b"HTTP/1.1 103 Early Hints\r\nLink: <" + b"x" * 60_000 + b">\r\n\r\n") * 20, {"header_flood"}),
    (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n" + b"x" * 1000,
        {"bad_response", "connection_reset"},
    ),
    (b"HTTP/1.1 200 " + b"x" * 200_000, {"header_flood"}),
    (b"HTTP/1.1 302 Found\r\nLocation: /" + b"x" * 200_000 + b"\r\n\r\n", {"header_flood"}),
    (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /" + b"x" * 9000 + b"\r\n\r\n", {"bad_url"}),
    (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: \x00\x01\r\n\r\n", {"bad_url", "bad_response"}),
    (CHUNKED + b"-1\r\n", {"bad_response"}),
    (CHUNKED + b"fffffffffffffffff\r\nx", {"bad_response"}),
    (CHUNKED + b"7fffffffffffffff\r\nx", {"truncated_body"}),
    (CHUNKED + b"5\r\nhelloworld", {"bad_response", "truncated_body"}),
    (CHUNKED + b"5\r\nhello\r\n0\r\n" + b"T: t\r\n" * 50_000, {"header_flood"}),
    (CHUNKED + b"0" * 100_000, {"bad_response"}),
    (OK + b"Content-Length: 99999999999999999999999999\r\n\r\nx", {"bad_response", "too_large"}),
    (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", {"bad_response", "truncated_body"}),
    (OK + b"Content-Length: 5, 6\r\n\r\nhello", {"bad_response"}),
    (OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", {None}),
    (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", {"bad_encoding", "bad_response"}),
    (b"HTTP/9.9 200 OK\r\n\r\nx", {"bad_response"}),
    (b"<html>not HTTP at all</html>", {"bad_response"}),
    (b"\x16\x03\x01\x02\x00\x01\x00", {"bad_response"}),
    (b"\x00" * 100_000, {"bad_response", "header_flood"}),
]


def test_raw_nonsense_is_bounded_and_one_answer_each(server: LoopbackServer) -> None:
    def answer(exchange: Exchange) -> bool:
        exchange.write(SCRIPTS[int(exchange.query)][0])
        return False

    url = server.on("/script", answer)
    with Fetcher(server.manners(retries=0, host_breaker=0, connect_to=()), QUICK) as fetcher:
        got = dict(fetcher.fetch_all(f"{url}?{n}" for n in range(len(SCRIPTS))))
        assert fetcher.fetch(server.url("/ok/1")).reason is None
    found = {n: got[n].reason for n in range(len(SCRIPTS)) if got[n].reason not in SCRIPTS[n][1]}
    assert found == {}


def test_150_dripping_connections_keep_no_good_one_waiting(server: LoopbackServer) -> None:
    slow = [server.url(f"/drip/{what}?{n}", f"slow{n}.example") for what in ("head", "body") for n in range(50)]
    with DrippingServer(b"\x16\x03\x03\x40\x00\x02") as dripping:
        slow += [f"https://tls{n}.example/" for n in range(50)]
        good = [server.url(f"/ok/{n}", f"good{n % 20}.example") for n in range(1000)]
        reach = (f":443:127.0.0.1:{dripping.port}", f":{server.port}:127.0.0.1:{server.port}")
        with Fetcher(server.manners(retries=0, concurrency=200, connect_to=reach), QUICK) as fetcher:
            order = list(fetcher.fetch_all(slow + good))
    reasons = {index: response.reason for index, response in order}
    assert Counter(reasons[n] for n in range(150)) == {"timeout": 100, "too_slow": 50}
    assert {reasons[n] for n in range(150, 1150)} == {None}
    assert {index for index, _ in order[:1000]} == set(range(150, 1150)), "the good ones end first"
    assert dripping.connections == 50


MEASURE = """
import json, resource, sys
from vlcorpus.net.fetch import Fetcher, Limits, Manners
limits = Limits(max_bytes=20_000_000, total_seconds=20)
with Fetcher(Manners(user_agent="t", allow_private=("127.0.0.0/8",), retries=0, host_breaker=0), limits) as fetcher:
    fetcher.fetch(sys.argv[1])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reasons = [response.reason for _, response in fetcher.fetch_all(sys.argv[2:])]
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sys.stdout.write(json.dumps([reasons, (after - before) * (1 if sys.platform == "darwin" else 1024)]))
"""


def test_memory_stays_below_the_bodies_that_may_be_held(server: LoopbackServer) -> None:
    paths = ["/bomb", "/endless", "/endless-chunks", "/headers/9000/1000", "/interim/10000", "/drip/head"]
    urls = [server.url("/ok/1"), *(server.url(path) for path in paths[:5] * 2)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *urls], cwd=ROOT, capture_output=True, check=True, timeout=120
    )
    reasons, grown = json.loads(done.stdout)
    assert Counter(reasons) == {"too_large": 6, "header_flood": 4}
    assert grown < 2 * 20_000_000 * 6
