"""Whole files from servers that are busy, break off, or lie: real requests on loopback, waits that are only noted."""

from __future__ import annotations

import os
import random
import signal
import ssl
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import fsspec
import pytest

from tests.net.server import Exchange, LoopbackServer, reply
from vlcorpus.errors import SourceError
from vlcorpus.web.sources import remote
from vlcorpus.web.sources.naming import SourceFile
from vlcorpus.web.sources.resolve import Reach, spooled
from vlcorpus.web.sources.tries import Patience

MB = 1_048_576
BODY = random.Random(0).randbytes(5 * MB + 321)


@dataclass
class Served:
    """A file that a server gives as it should, but for what `plan` says of the next answers: a status, a number of
    bytes (1000 and more) after which the line breaks, or a function that answers."""

    body: bytes = BODY
    etag: str | None = '"v1"'
    plan: deque[int | tuple[int, str] | Callable[[Exchange], bool] | str] = field(default_factory=deque)

    def __call__(self, exchange: Exchange) -> bool:
        step = self.plan.popleft() if self.plan else None
        if callable(step):
            return step(exchange)
        if isinstance(step, tuple):
            return reply(exchange, b"busy", {"Retry-After": step[1]}, step[0])
        if isinstance(step, int) and step < 1000:
            return reply(exchange, b"busy", {}, step)
        headers = {"ETag": self.etag} if self.etag else {}
        asked = exchange.request.headers.get("range")
        start, end, status = 0, len(self.body), 200
        if asked is not None and exchange.request.headers.get("if-range", self.etag) == self.etag:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end, status = int(first), int(last) + 1 if last else end, 206
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(self.body)}"
        part = self.body[start:end]
        if not isinstance(step, int):
            return reply(exchange, part, headers, status)
        lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(part)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        exchange.write("\r\n".join([*lines, "", ""]).encode() + part[:step])
        return False


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        yield running


class Waits(list[float]):
    """Waits that were asked for, and did not happen."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def fetched(server: LoopbackServer, folder: Path, waits: Waits, url: str | None = None, **patience: object) -> bytes:
    reach = Reach(server.manners(), Patience(**patience), sleep=waits)  # type: ignore[arg-type]
    with spooled(SourceFile("a.warc.gz", url or server.url("/a.warc.gz"), "warc"), folder, network=reach) as path:
        return path.read_bytes()


def ranges(server: LoopbackServer) -> list[str | None]:
    return [request.headers.get("range") for request in server.requests]


def test_a_file_is_spooled_and_removed(server: LoopbackServer, tmp_path: Path) -> None:
    server.on("/a.warc.gz", Served())
    file = SourceFile("a.warc.gz", server.url("/a.warc.gz?key=secret"), "warc")
    with spooled(file, tmp_path / "new/spool", network=Reach(server.manners())) as path:
        assert path.read_bytes() == BODY
        assert path.parent == tmp_path / "new/spool"
        assert "secret" not in path.name
    assert list((tmp_path / "new").iterdir()) == []
    (request,) = server.requests
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"] == "vlcorpus-test/1.0"


def test_a_local_file_stays_where_it_is(server: LoopbackServer, tmp_path: Path) -> None:
    path = tmp_path / "a.warc"
    path.write_bytes(b"here")
    file = SourceFile("a.warc", str(path), "warc")
    with spooled(file, tmp_path / "spool", network=Reach(server.manners())) as found:
        assert found == path
    assert path.read_bytes() == b"here"
    assert not (tmp_path / "spool").exists()
    path.unlink()
    with pytest.raises(SourceError, match="does not exist"), spooled(file, tmp_path, network=Reach(server.manners())):
        pass


def test_what_is_in_the_folder_stays_and_what_was_left_there_goes(server: LoopbackServer, tmp_path: Path) -> None:
    server.on("/a.warc.gz", Served())
    other = tmp_path / "other"
    other.write_bytes(b"mine")
    file = SourceFile("a.warc.gz", server.url("/a.warc.gz"), "warc")
    with spooled(file, tmp_path, network=Reach(server.manners())) as path:
        left = path
    left.write_bytes(b"what a killed run left")
    with spooled(file, tmp_path, network=Reach(server.manners())) as path:
        assert path == left
        assert path.read_bytes() == BODY
    left.symlink_to(other)
    with spooled(file, tmp_path, network=Reach(server.manners())) as path:
        assert path.read_bytes() == BODY
    assert other.read_bytes() == b"mine"
    assert list(tmp_path.iterdir()) == [other]


def test_the_copy_goes_when_its_reader_fails(server: LoopbackServer, tmp_path: Path) -> None:
    server.on("/a.warc.gz", Served())
    file = SourceFile("a.warc.gz", server.url("/a.warc.gz"), "warc")
    with pytest.raises(KeyboardInterrupt), spooled(file, tmp_path / "spool", network=Reach(server.manners())):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [403, 408, 425, 429, 500, 502, 503, 504, 520])
def test_a_busy_server_is_asked_again(status: int, server: LoopbackServer, tmp_path: Path) -> None:
    served = Served(plan=deque([status] * 5))
    server.on("/a.warc.gz", served)
    waits = Waits()
    assert fetched(server, tmp_path, waits) == BODY
    assert len(server.requests) == 6
    assert len(waits) == 5
    for number, wait in enumerate(waits):
        assert 1.0 <= wait <= 1.0 + 2**number


def test_waits_are_drawn_by_seed_and_bounded(server: LoopbackServer, tmp_path: Path) -> None:
    drawn: list[Waits] = []
    for seed in (1, 1, 2):
        server.on("/a.warc.gz", Served(plan=deque([503] * 30)))
        drawn.append(Waits())
        reach = Reach(server.manners(seed=seed), Patience(tries=31, longest_seconds=16.0), sleep=drawn[-1])
        assert remote.read(server.url("/a.warc.gz"), len(BODY), reach) == BODY
    assert drawn[0] == drawn[1] != drawn[2]
    assert max(drawn[0]) <= 17.0
    assert max(drawn[0][10:]) > 10.0 > 4.0 > min(drawn[0][10:])


@pytest.mark.parametrize("status", [403, 429, 503])
def test_retry_after_is_obeyed(status: int, server: LoopbackServer, tmp_path: Path) -> None:
    server.on("/a.warc.gz", Served(plan=deque([(status, "77"), (status, "soon"), (status, "0")])))
    waits = Waits()
    assert fetched(server, tmp_path, waits) == BODY
    assert 77.0 <= waits[0] <= 78.0
    assert 1.0 <= waits[1] <= 3.0
    assert 1.0 <= waits[2] <= 5.0


def test_a_rest_that_is_too_long_is_not_waited_for(server: LoopbackServer, tmp_path: Path) -> None:
    server.on("/a.warc.gz", Served(plan=deque([(503, "86400")])))
    waits = Waits()
    with pytest.raises(SourceError, match="HTTP status 503, and asks for 86400 s of rest"):
        fetched(server, tmp_path / "spool", waits)
    assert waits == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "hint"), [(403, "fewer workers"), (503, "fewer workers"), (500, "later"), (429, "fewer workers")]
)
def test_it_is_given_up_in_the_end(status: int, hint: str, server: LoopbackServer, tmp_path: Path) -> None:
    server.on("/a.warc.gz", Served(plan=deque([status] * 9)))
    waits = Waits()
    url = server.url("/a.warc.gz?X-Amz-Signature=secret")
    with pytest.raises(SourceError) as raised:
        fetched(server, tmp_path, waits, url, tries=4)
    assert raised.value.message == f"{server.url('/a.warc.gz')} cannot be fetched: HTTP status {status} (4 tries)"
    assert hint in raised.value.hint
    assert len(server.requests) == 4
    assert len(waits) == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("path", "said"), [
    ("/status/404", "HTTP status 404"),
    ("/status/401", "HTTP status 401"),
    ("/status/410", "HTTP status 410"),
    ("/status/304", "HTTP status 304"),
    ("/status/204", "HTTP status 204"),
    ("/redirect/6", "too_many_redirects"),
    ("/redirect-to/302?file%3A///etc/passwd", "bad_scheme"),
    ("/redirect-to/302?http%3A//me%3Asecret%40127.0.0.1/", "bad_url"),
    ("/headers/90/60000", "header_flood"),
])  # fmt: skip
def test_what_is_not_asked_again(path: str, said: str, server: LoopbackServer, tmp_path: Path) -> None:
    waits = Waits()
    with pytest.raises(SourceError, match=f"cannot be fetched: {said}") as raised:
        fetched(server, tmp_path, waits, server.url(path))
    assert "secret" not in f"{raised.value.message} {raised.value.hint}"
    assert waits == []


@pytest.mark.parametrize(
    ("path", "tries"),
    [
        ("/close", 5),
        ("/raw?SSH-2.0-x%0D%0A", 3),
        ("/reset/half", 5),
        ("/short", 5),
        ("/short-chunks", 5),
        ("/reset/now", 5),
    ],
)
def test_broken_answers_are_given_up_too(path: str, tries: int, server: LoopbackServer, tmp_path: Path) -> None:
    waits = Waits()
    with pytest.raises(SourceError, match=rf"\({tries} tries\)"):
        fetched(server, tmp_path, waits, server.url(path), tries=5)
    assert list(tmp_path.iterdir()) == []


def test_redirects_are_followed_and_checked(server: LoopbackServer, tmp_path: Path) -> None:
    server.on("/b.warc.gz", Served(plan=deque([3 * MB])))
    server.put("/a.warc.gz", b"moved", {"Location": "/b.warc.gz"}, 302)
    assert fetched(server, tmp_path, Waits()) == BODY
    with LoopbackServer("127.0.0.2") as inner:
        secret = inner.put("/a.warc.gz", b"secret")
        server.put("/a.warc.gz", b"", {"Location": secret}, 307)
        reach = Reach(server.manners(allow_private=("127.0.0.1",), connect_to=()))
        with pytest.raises(SourceError, match="private_address") as raised:
            remote.read(server.url("/a.warc.gz"), 100, reach)
        assert "--allow-private" in raised.value.hint
        assert inner.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::1]", "0x7f.1"])
def test_addresses_that_are_not_public_are_refused(host: str, server: LoopbackServer) -> None:
    reach = Reach(server.manners(allow_private=(), connect_to=()), Patience(tries=1))
    with pytest.raises(SourceError, match=r"private_address|bad_url|connect_failure|dns_failure"):
        remote.read(f"http://{host}:{server.port}/a.warc.gz", 100, reach)
    assert server.connections == 0


def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=good.example"
    paths = ["-addext", "subjectAltName=DNS:good.example", "-keyout", f"{tmp_path}/key", "-out", f"{tmp_path}/cert"]
    subprocess.run([*command.split(), *paths], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with LoopbackServer(context=context) as secure:
        secure.put("/a.warc.gz", BODY)
        reach = Reach(secure.manners(), sleep=Waits())
        for name in ("good.example", "bad.example"):
            with pytest.raises(SourceError, match=r"tls_failure \(3 tries\)"):
                remote.read(f"https://{name}/a.warc.gz", len(BODY), reach)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
        assert remote.read("https://good.example/a.warc.gz", len(BODY), reach) == BODY
        with pytest.raises(SourceError, match="tls_failure"):
            remote.read("https://bad.example/a.warc.gz", len(BODY), reach)


def test_a_proxy_of_the_environment_is_not_used(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.on("/a.warc.gz", Served())
    with LoopbackServer() as proxy:
        for name in ("http_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        assert fetched(server, tmp_path, Waits()) == BODY
        assert proxy.connections == 0


def test_an_interrupt_is_met_while_a_server_is_silent(server: LoopbackServer, tmp_path: Path) -> None:
    """Ctrl-C ends a transfer that nothing comes from, and leaves nothing behind."""
    silent = threading.Event()

    def begin(exchange: Exchange) -> bool:
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1_000_000)
        silent.set()
        return not exchange.server.closing.wait(60)

    server.on("/a.warc.gz", begin)
    # Where the tests run in the background of a shell, interrupts are ignored from the start.
    asked = f"""
import signal
from pathlib import Path
from vlcorpus.net.response import Manners
from vlcorpus.web.sources.resolve import Reach, SourceFile, spooled
signal.signal(signal.SIGINT, signal.default_int_handler)
reach = Reach(Manners(user_agent="test", allow_private=("127.0.0.0/8",)))
with spooled(SourceFile("a", "{server.url("/a.warc.gz")}", "warc"), Path("{tmp_path}/spool"), network=reach):
    pass
"""
    running = subprocess.Popen([sys.executable, "-c", asked], stderr=subprocess.PIPE, text=True)
    assert silent.wait(30)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert said.splitlines()[-1] == "KeyboardInterrupt"
    assert list(tmp_path.iterdir()) == []


# --- going on where it broke ---


def test_a_broken_transfer_goes_on(server: LoopbackServer, tmp_path: Path) -> None:
    server.on("/a.warc.gz", Served(plan=deque([2 * MB, 503, MB, 1000])))
    waits = Waits()
    assert fetched(server, tmp_path, waits) == BODY
    sent = [None, f"bytes={2 * MB}-", f"bytes={2 * MB}-", f"bytes={3 * MB}-", f"bytes={3 * MB + 1000}-"]
    assert ranges(server) == sent
    assert {request.headers.get("if-range") for request in server.requests[1:]} == {'"v1"'}


def test_progress_makes_up_for_failures(server: LoopbackServer, tmp_path: Path) -> None:
    """Two tries, and a file that breaks after each megabyte."""
    server.on("/a.warc.gz", Served(plan=deque([MB] * 5)))
    assert fetched(server, tmp_path, Waits(), tries=2) == BODY
    server.on("/a.warc.gz", Served(plan=deque([MB, MB, 1000, 1000, 1000])))
    with pytest.raises(SourceError, match=r"truncated_body \(2 tries\)"):
        fetched(server, tmp_path, Waits(), tries=2)


def test_a_server_that_begins_again_makes_no_progress(server: LoopbackServer, tmp_path: Path) -> None:
    server.on("/a.warc.gz", Served(etag=None, plan=deque([2 * MB] * 99)))
    with pytest.raises(SourceError, match=r"\(5 tries\)"):
        fetched(server, tmp_path, Waits(), tries=5)
    assert ranges(server) == [None] * 5
    # Nor does one that breaks later each time, but could not go on.
    server.on("/a.warc.gz", Served(etag=None, plan=deque([MB, 2 * MB, 3 * MB, 4 * MB, 5 * MB])))
    with pytest.raises(SourceError, match=r"\(3 tries\)"):
        fetched(server, tmp_path, Waits(), tries=3)


@pytest.mark.parametrize("etag", [None, 'W/"v1"'])
def test_without_a_version_all_is_asked_for_again(etag: str | None, server: LoopbackServer, tmp_path: Path) -> None:
    server.on("/a.warc.gz", Served(etag=etag, plan=deque([2 * MB])))
    assert fetched(server, tmp_path, Waits()) == BODY
    assert ranges(server) == [None, None]


def test_a_file_that_changed_is_asked_for_again(server: LoopbackServer, tmp_path: Path) -> None:
    served = Served(plan=deque([2 * MB]))
    server.on("/a.warc.gz", served)
    other = BODY[::-1] + b"longer"

    class Changing(Waits):
        def __call__(self, seconds: float) -> None:
            served.body, served.etag = other, '"v2"'

    assert fetched(server, tmp_path, Changing()) == other


@pytest.mark.parametrize(
    "lie",
    [
        "bytes 0-99/5243201",
        f"bytes {2 * MB}-{2 * MB + 99}/7",
        f"bytes {2 * MB + 1}-{2 * MB + 100}/{len(BODY)}",
        "bytes */5",
        "bytes=x",
        "",
    ],
)
def test_a_part_that_was_not_asked_for_is_not_taken(lie: str, server: LoopbackServer, tmp_path: Path) -> None:
    def lying(exchange: Exchange) -> bool:
        return reply(exchange, b"!" * 100, {"Content-Range": lie, "ETag": '"v1"'} if lie else {}, 206)

    server.on("/a.warc.gz", Served(plan=deque([2 * MB, lying])))
    assert fetched(server, tmp_path, Waits()) == BODY


def test_a_part_of_the_right_size_from_the_wrong_place_is_not_taken(server: LoopbackServer, tmp_path: Path) -> None:
    def shifted(exchange: Exchange) -> bool:
        said = {"Content-Range": f"bytes 0-{len(BODY) - 2 * MB - 1}/{len(BODY)}", "ETag": '"v1"'}
        return reply(exchange, BODY[: len(BODY) - 2 * MB], said, 206)

    server.on("/a.warc.gz", Served(plan=deque([2 * MB, shifted])))
    assert fetched(server, tmp_path, Waits()) == BODY


def test_a_part_of_another_version_is_not_taken(server: LoopbackServer, tmp_path: Path) -> None:
    def other(exchange: Exchange) -> bool:
        said = {"Content-Range": f"bytes {2 * MB}-{len(BODY) - 1}/{len(BODY)}", "ETag": '"v2"'}
        return reply(exchange, b"!" * (len(BODY) - 2 * MB), said, 206)

    server.on("/a.warc.gz", Served(plan=deque([2 * MB, other])))
    assert fetched(server, tmp_path, Waits()) == BODY


@pytest.mark.parametrize("status", [206, 416])
def test_a_partial_answer_to_a_whole_question_is_none(status: int, server: LoopbackServer, tmp_path: Path) -> None:
    server.on("/a.warc.gz", Served(plan=deque([status])))
    assert fetched(server, tmp_path, Waits()) == BODY


def test_a_part_that_stops_short_is_completed(server: LoopbackServer, tmp_path: Path) -> None:
    """An answer may give less than all that was asked for, and be whole."""

    def some(exchange: Exchange) -> bool:
        said = {"Content-Range": f"bytes {MB}-{2 * MB - 1}/{len(BODY)}", "ETag": '"v1"'}
        return reply(exchange, BODY[MB : 2 * MB], said, 206)

    server.on("/a.warc.gz", Served(plan=deque([MB, some])))
    assert fetched(server, tmp_path, Waits()) == BODY


def test_any_breaks_give_the_same_bytes(server: LoopbackServer, tmp_path: Path) -> None:
    draw = random.Random(5)
    for _ in range(40):
        body = draw.randbytes(draw.choice([0, 1, 1000, 300_000]))
        plan: deque[object] = deque(
            draw.choice([403, 429, 500, 503, (503, "1"), draw.randrange(1000, 200_000), 206, 416]) for _ in range(8)
        )
        server.on("/a.warc.gz", Served(body, draw.choice(['"v"', None, 'W/"v"']), plan))  # type: ignore[arg-type]
        assert fetched(server, tmp_path, Waits()) == body
    assert list(tmp_path.iterdir()) == []


# --- bounds ---


@pytest.mark.parametrize("path", ["/endless", "/endless-chunks", "/huge"])
def test_what_does_not_end_is_too_large(path: str, server: LoopbackServer, tmp_path: Path) -> None:
    reach = Reach(server.manners(), sleep=Waits())
    file = SourceFile("x.warc", server.url(path), "warc")
    with pytest.raises(SourceError, match="too large"), spooled(file, tmp_path, network=reach, most=3_000_000):
        pass
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(SourceError, match="too large"):
        remote.read(server.url(path), 3_000_000, reach)


def test_a_file_that_does_not_fit_on_the_disk_is_refused_before_it_comes(
    server: LoopbackServer, tmp_path: Path
) -> None:
    def announcing(exchange: Exchange) -> bool:
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900000000000000000\r\n\r\n")
        return False

    server.on("/a.warc.gz", announcing)
    reach = Reach(server.manners(), sleep=Waits())
    file = SourceFile("x.warc", server.url("/a.warc.gz"), "warc")
    with pytest.raises(SourceError, match="free at"), spooled(file, tmp_path, network=reach, most=10**18):
        pass
    assert len(server.requests) == 1


def test_a_full_disk_is_said(server: LoopbackServer, tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        return
    from vlcorpus.web.sources.file_out import FileOut

    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(SourceError, match="cannot be stored: No space"):
        FileOut("https://example.org/a.warc", full, 100).write(b"x")


def test_a_server_that_never_answers_costs_the_total_time(server: LoopbackServer, tmp_path: Path) -> None:
    for path in ("/hang", "/drip/body", "/drip/head"):
        with pytest.raises(SourceError, match="timeout"):
            fetched(server, tmp_path, Waits(), server.url(path), total_seconds=0.2)


def test_content_encoding_is_not_undone(server: LoopbackServer, tmp_path: Path) -> None:
    """A .gz file is wanted as it lies there, though some servers call that an encoding."""
    for name in ("gzip", "unknown", "cut"):
        assert fetched(server, tmp_path, Waits(), server.url(f"/encoded/{name}"))[:2] == b"\x1f\x8b"


def test_an_empty_file(server: LoopbackServer, tmp_path: Path) -> None:
    server.on("/a.warc.gz", Served(b""))
    assert fetched(server, tmp_path, Waits()) == b""


# --- looking ---


def test_looking_tells_size_and_version(server: LoopbackServer) -> None:
    waits = Waits()
    reach = Reach(server.manners(), sleep=waits)
    server.on("/a.warc.gz", Served(plan=deque([503, 500])))
    assert remote.stat(server.url("/a.warc.gz"), reach) == remote.Stat(len(BODY), '"v1"')
    assert len(waits) == 2
    server.put("/plain", b"12345", {"Last-Modified": "Thu, 01 Jan 1970 00:01:40 GMT"})
    assert remote.stat(server.url("/plain"), reach) == remote.Stat(5, "Thu, 01 Jan 1970 00:01:40 GMT")
    server.put("/empty", b"", {"Content-Range": "bytes */0", "ETag": '"e"'}, 416)
    assert remote.stat(server.url("/empty"), reach) == remote.Stat(0, '"e"')
    assert remote.stat(server.url("/endless"), reach) == remote.Stat(None, "")
    with pytest.raises(SourceError, match="404"):
        remote.stat(server.url("/status/404"), reach)


# --- stores ---


def test_a_file_of_a_store(server: LoopbackServer, tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    store.pipe("/x/a.warc.gz", BODY)
    reach = Reach(server.manners(), sleep=Waits())
    with spooled(SourceFile("a", "memory://x/a.warc.gz", "warc"), tmp_path, network=reach) as path:
        assert path.read_bytes() == BODY
    assert list(tmp_path.iterdir()) == []
    assert remote.read("memory://x/a.warc.gz", len(BODY), reach) == BODY
    with pytest.raises(SourceError, match="too large"):
        remote.read("memory://x/a.warc.gz", len(BODY) - 1, reach)
    told = remote.stat("memory://x/a.warc.gz", reach)
    assert told.size == len(BODY)
    assert told.tag.startswith("created ")
    for missing in ("memory://x/b.warc.gz", "memory://x"):
        with pytest.raises(SourceError, match="cannot be fetched") as raised:
            remote.stat(missing, reach)
        assert "address" in raised.value.hint
    store.store.clear()


class Breaking(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """A store whose lines break: `plan` says after how many bytes, for each opening."""

    protocol = "breaking"
    cachable = False
    plan: deque[int]
    body = BODY
    error: type[Exception] = OSError

    def info(self, path: str, **settings: object) -> dict[str, object]:
        return {"name": path, "type": "file", "size": len(self.body), "ETag": "v1"}

    def _open(self, path: str, mode: str = "rb", block_size: int = 100_000, **settings: object) -> object:
        return BreakingFile(self, path, mode, block_size=100_000, size=len(self.body))


class BreakingFile(fsspec.spec.AbstractBufferedFile):  # type: ignore[misc]
    def _fetch_range(self, start: int, end: int) -> bytes:
        if Breaking.plan and end > Breaking.plan[0]:
            Breaking.plan.popleft()
            raise Breaking.error(f"{self.path} broke")
        return Breaking.body[start:end]


def test_a_store_that_breaks_is_asked_again(
    server: LoopbackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec.register_implementation("breaking", Breaking, clobber=True)
    Breaking.plan = deque([1000, 3 * MB, 4 * MB])
    waits = Waits()
    assert fetched(server, tmp_path, waits, "breaking://a.warc") == BODY
    assert len(waits) == 3
    assert list(tmp_path.iterdir()) == []
    Breaking.plan = deque([1000] * 99)
    with pytest.raises(SourceError, match=r"OSError: .* broke \(4 tries\)"):
        fetched(server, tmp_path, waits, "breaking://a.warc", tries=4)
    Breaking.plan = deque([1000] * 99)
    monkeypatch.setattr(Breaking, "error", PermissionError)
    with pytest.raises(SourceError, match="PermissionError") as raised:
        fetched(server, tmp_path, waits, "breaking://me:secret@store/a.warc")
    assert "credentials" in raised.value.hint
    assert "secret" not in raised.value.message
    assert len(Breaking.plan) == 98
