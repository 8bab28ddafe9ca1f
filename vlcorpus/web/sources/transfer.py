"""One answer over http or https, its body handed on piece by piece: for files that do not fit into memory.

    with Transfer(manners, connect_seconds=10, slow_seconds=60, total_seconds=43_200) as transfer:
        answer = transfer.get(url, ["Range: bytes=100-"], lambda status, headers: file.write if status == 206 else None)

As net.wire has it, and for the same reasons: no proxy, cookie, password file or protocol but HTTP/1.1, redirects are
followed here so that each hop passes `requestable`, and the address of each connection must be public or allowed. Other
than there, bodies are not decoded (a .gz file is kept as it lies on the server, whatever Content-Encoding says) and
partial answers are taken, so that a broken transfer can go on where it broke.

Cost: about 1 s of CPU a GB, with the writing, and 1 MB of memory. Not for: many small answers (net.fetch).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import pycurl

from vlcorpus.io import attempt
from vlcorpus.net.address import networks, refusal
from vlcorpus.net.response import Manners
from vlcorpus.net.url import requestable
from vlcorpus.net.verdict import reason_of
from vlcorpus.net.wire import ca_file

Headers = Sequence[tuple[str, str]]
Write = Callable[[bytes], object]
Begin = Callable[[int, Headers], "Write | None"]

MAX_REDIRECTS = 5
MAX_HEADER_BYTES = 65_536
_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_BUFFER = 524_288
_MIN_BYTES_PER_SECOND = 1_024


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The last hop's. status: None if it did not answer. reason: None if the answer came to its end or `begin` did not
    want its body, else a reason as of net.response; a status says nothing about it."""

    url: str
    status: int | None
    headers: Headers
    reason: str | None


class Transfer:
    """A connection that is kept between calls. For one thread; after a fork, make a new one.

    total_seconds: of one call's every hop. slow_seconds: how long less than 1 kB/s may come.
    """

    def __init__(self, manners: Manners, *, connect_seconds: float, slow_seconds: int, total_seconds: float) -> None:
        self._allow = networks(manners.allow_private)
        self._multi: Any = pycurl.CurlMulti()
        self._curl: Any = pycurl.Curl()
        set_option = self._curl.setopt
        protocols = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS
        set_option(pycurl.PROTOCOLS, protocols)
        set_option(pycurl.REDIR_PROTOCOLS, protocols)
        set_option(pycurl.FOLLOWLOCATION, 0)
        set_option(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        set_option(pycurl.PROXY, "")
        set_option(pycurl.NOPROXY, "*")
        set_option(pycurl.NETRC, 0)
        set_option(pycurl.NOSIGNAL, 1)
        set_option(pycurl.PATH_AS_IS, 1)
        set_option(pycurl.CAINFO, ca_file())
        set_option(pycurl.USERAGENT, manners.user_agent)
        set_option(pycurl.BUFFERSIZE, _BUFFER)
        set_option(pycurl.CONNECTTIMEOUT_MS, max(1, int(connect_seconds * 1000)))
        set_option(pycurl.LOW_SPEED_LIMIT, _MIN_BYTES_PER_SECOND)
        set_option(pycurl.LOW_SPEED_TIME, slow_seconds)
        set_option(pycurl.TIMEOUT_MS, max(1, int(total_seconds * 1000)))
        if manners.connect_to:
            set_option(pycurl.CONNECT_TO, list(manners.connect_to))
        set_option(pycurl.OPENSOCKETFUNCTION, self._open)
        set_option(pycurl.HEADERFUNCTION, self._on_header)
        set_option(pycurl.WRITEFUNCTION, self._on_body)

    def __enter__(self) -> Transfer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._curl.close()
        self._multi.close()

    def get(self, url: str, headers: Sequence[str], begin: Begin) -> Answer:
        """Ask, follow redirects, and write the body of the last hop to what `begin` returns; None ends it there.

        url: as `requestable` gave it. What `begin` and its writer raise is raised here.
        """
        self._curl.setopt(pycurl.HTTPHEADER, ["Accept: */*", "Accept-Encoding: identity", *headers])
        for _ in range(MAX_REDIRECTS + 1):
            reason = self._hop(url, begin)
            where = next((value for name, value in self._headers if name == "location"), None)
            if reason is None and self._status in _REDIRECTS and where is not None:
                following, reason = requestable(where, url)
                if reason is None:
                    url = following
                    continue
            return Answer(url=url, status=self._status, headers=self._headers, reason=reason)
        return Answer(url=url, status=self._status, headers=self._headers, reason="too_many_redirects")

    def _hop(self, url: str, begin: Begin) -> str | None:
        self._status: int | None = None
        self._headers: Headers = ()
        self._lines: list[bytes] = []
        self._header_bytes = 0
        self._begin = begin
        self._write: Write | None = None
        self._stop: str | None = None
        self._ended = False
        self._refused = False
        self._crash: BaseException | None = None
        self._curl.setopt(pycurl.URL, url)
        code = self._perform()
        if self._crash is not None:
            raise self._crash
        if self._stop is not None or self._ended:
            return self._stop
        if code == 0:
            return None if self._status is not None else "bad_response"
        if code == pycurl.E_COULDNT_CONNECT and self._refused:
            return "private_address"
        return reason_of(code, "", answered=False)[0]

    def _perform(self) -> int:
        """In a multi handle, because curl's own loop would hold back a Ctrl-C until the server sends something."""
        self._multi.add_handle(self._curl)
        try:
            while True:
                attempt.end_if_asked()
                self._multi.perform()
                _, done, failed = self._multi.info_read()
                if done or failed:
                    return int(failed[0][1]) if failed else 0
                due = self._multi.timeout()  # ms until curl wants to look at its clocks, -1 for never
                if self._multi.select(min(1.0, due / 1000) if due >= 0 else 1.0) < 0:  # no socket to wait for yet
                    time.sleep(0.01)
        finally:
            self._multi.remove_handle(self._curl)

    def _open(self, purpose: int, address: Any) -> Any:
        family, kind, protocol, where = address
        if family not in (socket.AF_INET, socket.AF_INET6) or refusal(where[0], self._allow) is not None:
            self._refused = True
            return pycurl.SOCKET_BAD
        try:
            return socket.socket(family, kind, protocol)
        except OSError:  # no IPv6 here, or no descriptors left
            return pycurl.SOCKET_BAD

    def _on_header(self, line: bytes) -> int | None:
        self._header_bytes += len(line)
        if self._header_bytes > MAX_HEADER_BYTES:
            self._stop = "header_flood"
            return -1
        if self._status is not None:
            return None  # a trailer
        if line.rstrip(b"\r\n"):
            self._lines.append(line)
            return None
        lines, self._lines = self._lines, []
        try:
            status = int(lines[0].split(None, 2)[1])
        except (IndexError, ValueError):
            self._stop = "bad_response"
            return -1
        if status < 200:
            return None
        self._status = status
        self._headers = _parsed(lines[1:])
        if status in _REDIRECTS:
            self._ended = True
            return None
        try:
            self._write = self._begin(status, self._headers)
        except BaseException as error:
            self._crash = error
            return -1
        if self._write is None:
            self._ended = True
        return None

    def _on_body(self, chunk: bytes) -> int | None:
        if self._write is None:
            return -1  # the connection is worth less than the body that nobody wants
        try:
            self._write(chunk)
        except BaseException as error:
            self._crash = error
            return -1
        return None


def _parsed(lines: Sequence[bytes]) -> Headers:
    pairs = [line.decode("latin-1").partition(":") for line in lines]
    return tuple((name.strip().lower(), value.strip()) for name, colon, value in pairs if colon)
