"""A real HTTP server on loopback that answers well or badly, for the tests of every room.

    with LoopbackServer() as server:
        server.put("/a.jpg", jpeg, {"Content-Type": "image/jpeg"})
        fetcher = Fetcher(server.manners(), Limits())
        fetcher.fetch(server.url("/a.jpg"))
        server.requests            [Request(method="GET", path="/a.jpg", headers=..., at=...)]
        server.connections         1
        server.resumed             0: TLS sessions that were resumed

Built-in paths (see `_ENDPOINTS`): /ok /status/404 /redirect/3 /redirect-to?URL /endless /drip /short ... A path that
was `put` wins over a built-in one. Raw sockets and threads, TCP_NODELAY, keep-alive; no sleeping but in /drip and
/hang, which end when the client goes or the server closes.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import unquote

from vlcorpus.net.fetch import Manners

Write = Callable[[bytes], None]


@dataclass(frozen=True)
class Request:
    """at: time.monotonic() when it was read whole. port: the client's."""

    method: str
    path: str
    headers: dict[str, str]
    at: float
    port: int


@dataclass
class Exchange:
    """What an endpoint gets. It writes raw bytes and returns whether the connection may be kept."""

    request: Request
    query: str
    write: Write
    server: LoopbackServer
    socket: socket.socket
    argument: str = ""


@dataclass
class _Stored:
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200


class LoopbackServer:
    """A context manager; threads end with it. address: any of loopback, e.g. 127.0.0.2. context: for TLS."""

    def __init__(self, address: str = "127.0.0.1", context: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.resumed = 0
        self.closing = threading.Event()
        self._stored: dict[str, _Stored] = {}
        self._endpoints: dict[str, Callable[[Exchange], bool]] = {}
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind((address, 0))
        self._listener.listen(512)
        self.address = address
        self.context = context
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> LoopbackServer:
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        # A blocked accept() is not woken by close() on Linux.
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        with self._lock:
            for one in self._sockets:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self._thread.join(5)

    def put(self, path: str, body: bytes, headers: Mapping[str, str] | None = None, status: int = 200) -> str:
        """Serve `body` at `path` from now on; the URL. Content-Length is added."""
        self._stored[path] = _Stored(body, dict(headers or {}), status)
        return self.url(path)

    def on(self, path: str, endpoint: Callable[[Exchange], bool]) -> str:
        """Have `endpoint` answer at `path` (without its query); the URL."""
        self._endpoints[path] = endpoint
        return self.url(path)

    def url(self, path: str = "/", host: str | None = None) -> str:
        """An absolute URL; `host` other than the server's address needs `connect_to`, which `manners` gives."""
        name = host or (f"[{self.address}]" if ":" in self.address else self.address)
        return f"http://{name}:{self.port}{path}"

    def manners(self, **changes: object) -> Manners:
        """Manners that reach this server under any host name, and wait hardly at all between attempts."""
        inner = f"[{self.address}]" if ":" in self.address else self.address
        settings: dict[str, object] = {
            "user_agent": "vlcorpus-test/1.0",
            "allow_private": ("127.0.0.0/8", "::1"),
            "connect_to": (f"::{inner}:{self.port}",),
            "backoff_seconds": 0.01,
        }
        return Manners(**{**settings, **changes})  # type: ignore[arg-type]

    def paths(self) -> list[str]:
        with self._lock:
            return [request.path for request in self.requests]

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                client, where = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                self._sockets.add(client)
            threading.Thread(target=self._serve, args=(client, where[1]), daemon=True).start()

    def _serve(self, client: socket.socket, port: int) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.context is not None:
                client = self.context.wrap_socket(client, server_side=True)
                with self._lock:
                    self.resumed += bool(client.session_reused)
            with client, client.makefile("rb", buffering=65536) as reader:
                while not self.closing.is_set():
                    line = reader.readline(65536)
                    if not line.strip():
                        return
                    method, path, _ = line.decode("latin-1").split(" ", 2)
                    headers = {}
                    while (line := reader.readline(65536)).strip():
                        name, _, value = line.decode("latin-1").partition(":")
                        headers[name.strip().lower()] = value.strip()
                    request = Request(method, path, headers, time.monotonic(), port)
                    with self._lock:
                        self.requests.append(request)
                    if not self._answer(Exchange(request, "", client.sendall, self, client)):
                        return
        except (OSError, ValueError):
            pass  # the client left, or spoke something else
        finally:
            with self._lock:
                self._sockets.discard(client)

    def _answer(self, exchange: Exchange) -> bool:
        stored = self._stored.get(exchange.request.path)
        if stored is not None:
            return reply(exchange, stored.body, stored.headers, stored.status)
        path, _, exchange.query = exchange.request.path.partition("?")
        if path in self._endpoints:
            return self._endpoints[path](exchange)
        name, _, exchange.argument = path[1:].partition("/")
        endpoint = _ENDPOINTS.get(name)
        if endpoint is None:
            return reply(exchange, b"not found\n", {}, 404)
        return endpoint(exchange)


def reply(exchange: Exchange, body: bytes, headers: Mapping[str, str] | None = None, status: int = 200) -> bool:
    """A whole, correct answer in one write."""
    lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    exchange.write("\r\n".join([*lines, "", ""]).encode("utf-8") + body)
    return True


def _ok(exchange: Exchange) -> bool:
    return reply(exchange, b"ok " + exchange.argument.encode(), {"Content-Type": "text/plain"})


def _bytes(exchange: Exchange) -> bool:
    return reply(exchange, b"x" * int(exchange.argument), {"Content-Type": "application/octet-stream"})


def _status(exchange: Exchange) -> bool:
    return reply(exchange, b"status\n", {}, int(exchange.argument))


def _again(exchange: Exchange) -> bool:
    """/again/503/2/1: that status with Retry-After of 1 second for the first 2 requests of this path, then 200."""
    status, times, after = exchange.argument.split("/")
    seen = sum(path == exchange.request.path for path in exchange.server.paths())
    if seen > int(times):
        return reply(exchange, b"at last")
    return reply(exchange, b"", {"Retry-After": unquote(after)} if after else {}, int(status))


def _redirect(exchange: Exchange) -> bool:
    """/redirect/3: three redirects, then /ok."""
    left = int(exchange.argument)
    return reply(exchange, b"moved", {"Location": f"/redirect/{left - 1}" if left > 1 else "/ok/moved"}, 302)


def _redirect_to(exchange: Exchange) -> bool:
    """/redirect-to/307?file%3A///etc/passwd"""
    return reply(exchange, b"", {"Location": unquote(exchange.query)}, int(exchange.argument or 302))


def _long_redirect(exchange: Exchange) -> bool:
    """/long-redirect/9000: to a path so long."""
    return reply(exchange, b"", {"Location": "/" + "x" * int(exchange.argument)}, 302)


def _endless(exchange: Exchange) -> bool:
    """No length, no end."""
    exchange.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n")
    block = b"\xff" * 65536
    while not exchange.server.closing.is_set():
        exchange.write(block)
    return False


def _endless_chunks(exchange: Exchange) -> bool:
    exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    block = b"10000\r\n" + b"\xff" * 65536 + b"\r\n"
    while not exchange.server.closing.is_set():
        exchange.write(block)
    return False


def _huge(exchange: Exchange) -> bool:
    """Announces 10 GB."""
    exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
    exchange.server.closing.wait(10)
    return False


def _drip(exchange: Exchange) -> bool:
    """A byte every 50 ms: /drip/body, /drip/head."""
    exchange.write(b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if exchange.argument == "body" else b"X-Drip: "))
    while not exchange.server.closing.wait(0.05):
        exchange.write(b"x")
    return False


def _hang(exchange: Exchange) -> bool:
    exchange.server.closing.wait(60)
    return False


def _short(exchange: Exchange) -> bool:
    """Half of what is announced."""
    exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
    return False


def _short_chunks(exchange: Exchange) -> bool:
    exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    return False


def _bad_chunks(exchange: Exchange) -> bool:
    exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzzzz\r\nworld\r\n0\r\n\r\n")
    return False


def _trailers(exchange: Exchange) -> bool:
    """/trailers/100: so many trailer fields after a chunked body."""
    exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n")
    exchange.write(b"".join(b"X-T%d: %s\r\n" % (n, b"y" * 1000) for n in range(int(exchange.argument))) + b"\r\n")
    return True


def _encoded(exchange: Exchange) -> bool:
    """/encoded/gzip, asked or not; also deflate, raw-deflate, twice, unknown, cut, broken, none."""
    plain = b"encoded body " * 1000
    packed = gzip.compress(plain, mtime=0)
    raw = zlib.compressobj(wbits=-15)
    bodies = {
        "gzip": ("gzip", packed),
        "x-gzip": ("x-gzip", packed),
        "deflate": ("deflate", zlib.compress(plain)),
        "raw-deflate": ("deflate", raw.compress(plain) + raw.flush()),
        "identity": ("identity", plain),
        "twice": ("gzip, gzip", gzip.compress(packed, mtime=0)),
        "unknown": ("sdch", packed),
        "cut": ("gzip", packed[: len(packed) // 2]),
        "broken": ("gzip", packed[:20] + b"\0" * 50 + packed[20:]),
        "none": ("gzip", plain),
    }
    encoding, body = bodies[exchange.argument]
    return reply(exchange, body, {"Content-Encoding": encoding, "Content-Type": "text/plain"})


def _bomb(exchange: Exchange) -> bool:
    """100 MiB of zeros in 100 kB of gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = b"".join(packer.compress(b"\0" * 1_048_576) for _ in range(100)) + packer.flush()
    return reply(exchange, packed, {"Content-Encoding": "gzip"})


def _headers(exchange: Exchange) -> bool:
    """/headers/90/60000: so many headers of so many bytes."""
    count, size = map(int, exchange.argument.split("/"))
    exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n")
    for number in range(count):
        exchange.write(b"X-%d: %s\r\n" % (number, b"y" * size))
    exchange.write(b"\r\nok")
    return True


def _interim(exchange: Exchange) -> bool:
    """/interim/3: so many 1xx answers before the real one."""
    for _ in range(int(exchange.argument)):
        exchange.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    return reply(exchange, b"after the hints")


def _opted_out(exchange: Exchange) -> bool:
    """/opted-out?X-Robots-Tag: noai -- any header, then 1 MB."""
    name, _, value = unquote(exchange.query).partition(":")
    return reply(exchange, b"x" * 1_000_000, {name: value.strip(), "Content-Type": "image/jpeg"})


def _reset(exchange: Exchange) -> bool:
    """/reset/now before a byte, /reset/half in the body: a TCP RST."""
    if exchange.argument == "half":
        exchange.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
    exchange.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.socket.close()
    return False


def _close(exchange: Exchange) -> bool:
    """Nothing at all."""
    return False


def _raw(exchange: Exchange) -> bool:
    """/raw?SSH-2.0-x%0D%0A: those bytes, then the end."""
    exchange.write(unquote(exchange.query, "latin-1").encode("latin-1"))
    return False


_ENDPOINTS: dict[str, Callable[[Exchange], bool]] = {
    "ok": _ok,
    "bytes": _bytes,
    "status": _status,
    "again": _again,
    "redirect": _redirect,
    "redirect-to": _redirect_to,
    "long-redirect": _long_redirect,
    "endless": _endless,
    "endless-chunks": _endless_chunks,
    "huge": _huge,
    "drip": _drip,
    "hang": _hang,
    "short": _short,
    "short-chunks": _short_chunks,
    "bad-chunks": _bad_chunks,
    "trailers": _trailers,
    "encoded": _encoded,
    "bomb": _bomb,
    "headers": _headers,
    "interim": _interim,
    "opted-out": _opted_out,
    "reset": _reset,
    "close": _close,
    "raw": _raw,
}
