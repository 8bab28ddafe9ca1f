"""One curl handle, one hop: a request, its answer within bounds, and the reason if there is none.

Redirects are not followed by curl, so that each hop passes `requestable` and the address check again. No proxy, cookie,
password file, alternative service, or protocol but HTTP/1.1 over TCP or TLS is used, whatever the environment says.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import certifi
import pycurl

from vlcorpus.net.address import Network, refusal
from vlcorpus.net.inflate import ENCODINGS, Inflater
from vlcorpus.net.response import Limits, Manners
from vlcorpus.net.url import origin

Inspect = Callable[[Sequence[tuple[str, str]]], "str | None"]

# Reading a short error page to its end keeps the connection; a long one is not worth that.
_DRAIN_BYTES = 65_536

_REASONS = {
    pycurl.E_URL_MALFORMAT: "bad_url",
    pycurl.E_COULDNT_RESOLVE_HOST: "dns_failure",
    pycurl.E_COULDNT_CONNECT: "connect_failure",
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_PARTIAL_FILE: "truncated_body",
    pycurl.E_GOT_NOTHING: "connection_reset",
    pycurl.E_RECV_ERROR: "connection_reset",
    pycurl.E_SEND_ERROR: "connection_reset",
    pycurl.E_ABORTED_BY_CALLBACK: "connection_reset",  # by _on_send
    pycurl.E_SSL_CONNECT_ERROR: "tls_failure",
    pycurl.E_PEER_FAILED_VERIFICATION: "tls_failure",
    pycurl.E_SSL_CIPHER: "tls_failure",
    pycurl.E_SSL_CERTPROBLEM: "tls_failure",
    pycurl.E_SSL_ISSUER_ERROR: "tls_failure",
    pycurl.E_SSL_CACERT_BADFILE: "tls_failure",
    100: "header_flood",  # CURLE_TOO_LARGE, which pycurl does not name
}

# Two equal fetches give equal words: no "after 3 ms", "after 30001 milliseconds with 12 bytes received".
_TIMES = re.compile(r" after \d+ m(?:illi)?s(?:econds)?(?: with [^:]*)?")


def ca_file() -> str:
    """The certificates to trust: SSL_CERT_FILE, else the system's, else certifi's."""
    named = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    return named if named and os.path.exists(named) else certifi.where()


class Ledger(Protocol):
    """Who counts the bytes that wires hold."""

    def may_hold(self, wire: Wire) -> bool: ...

    def charge(self, wire: Wire, size: int) -> None: ...


class Wire:
    """A reusable handle. `load`, run `curl` in a multi handle, then read `outcome` and the public fields."""

    def __init__(
        self,
        manners: Manners,
        limits: Limits,
        allow: Sequence[Network],
        request_headers: Sequence[str],
        inspect: Inspect | None,
        ledger: Ledger,
    ) -> None:
        self._limits = limits
        self._allow = allow
        self._inspect = inspect
        self._ledger = ledger
        self.curl: Any = pycurl.Curl()
        self.status: int | None = None
        self.headers: tuple[tuple[str, str], ...] = ()
        self.head = b""
        self.size = 0
        self.crash: BaseException | None = None
        self._rest()
        set_option = self.curl.setopt
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
        self._user_agent = manners.user_agent
        self._once = False
        self._always = tuple(request_headers)
        self._sent: tuple[str, ...] = ()
        self._url = ""
        self._say(self._always)
        set_option(pycurl.CONNECTTIMEOUT_MS, max(1, int(limits.connect_seconds * 1000)))
        set_option(pycurl.LOW_SPEED_LIMIT, limits.min_bytes_per_second)
        set_option(pycurl.LOW_SPEED_TIME, limits.slow_seconds)
        set_option(pycurl.DNS_CACHE_TIMEOUT, 300)
        if manners.connect_to:
            set_option(pycurl.CONNECT_TO, list(manners.connect_to))
        set_option(pycurl.OPENSOCKETFUNCTION, self._open)
        set_option(pycurl.PREREQFUNCTION, self._on_send)
        set_option(pycurl.HEADERFUNCTION, self._on_header)
        set_option(pycurl.WRITEFUNCTION, self._on_body)

    def load(self, url: str, seconds: float, extra: tuple[str, ...] = (), once: bool = False) -> None:
        """Make ready for one hop: `url` as `requestable` gave it, to be done within `seconds`.

        extra: further request headers, "Name: value" each. once: do not let curl send the request again, as it does at
        once where a kept connection turns out to be dead; `sent_in_vain` tells of that.
        """
        self._rest()
        self._once = once
        self._url = url
        self._say(self._always + extra)
        self.curl.setopt(pycurl.URL, url)
        self.curl.setopt(pycurl.TIMEOUT_MS, max(1, int(seconds * 1000)))

    def request(self) -> bytes:
        """The request as it was sent."""
        authority = origin(self._url).partition("://")[2]
        path = self._url[len(origin(self._url)) :]
        lines = [f"GET {path} HTTP/1.1", f"Host: {authority}", f"User-Agent: {self._user_agent}", *self._sent, "", ""]
        return "\r\n".join(lines).encode("ascii", "replace")

    def address(self) -> str:
        """The address that answered, or "" where there was no connection."""
        return self.curl.getinfo(pycurl.PRIMARY_IP) or ""

    def since_answer(self) -> float:
        """Seconds between the first byte of the answer and the end of the transfer; 0 if there was none."""
        first = self.curl.getinfo(pycurl.STARTTRANSFER_TIME)
        return max(0.0, self.curl.getinfo(pycurl.TOTAL_TIME) - first) if first else 0.0

    def _say(self, headers: tuple[str, ...]) -> None:
        if headers != self._sent:
            self._sent = headers
            self.curl.setopt(pycurl.HTTPHEADER, list(headers))

    def _rest(self) -> None:
        self.status = None
        self.headers = ()
        self.head = b""
        self.size = 0
        self._chunks: list[bytes] = []
        self._lines: list[bytes] = []
        self._header_bytes = 0
        self._drained = 0
        self._inflater: Inflater | None = None
        self._answered = False
        self._wanted = False
        self._sent_once = False
        self.sent_in_vain = False
        self._refused: str | None = None
        self._stop: tuple[str, str] | None = None

    def take_body(self) -> bytes:
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        return body

    def drop_body(self) -> None:
        self._chunks = []

    def outcome(self, code: int, message: str) -> tuple[str | None, str]:
        """(None, "") if the answer is whole and in 200-299, else (reason, message); code: curl's, 0 for success."""
        if self._stop is not None:
            return self._stop
        if self._answered and not self._wanted:
            return "http_error", f"HTTP status {self.status}"
        if code == 0:
            if not self._answered:
                return "bad_response", "no final status"
            if self._inflater is not None and not self._inflater.whole:
                return "truncated_body", "the encoded body stops before its end"
            return None, ""
        if code == pycurl.E_COULDNT_CONNECT and self._refused is not None:
            return "private_address", f"{self._refused} is not a public address"
        reason = _REASONS.get(code, "bad_response")
        if code == pycurl.E_OPERATION_TIMEDOUT and self._answered and "too slow" in message:
            reason = "too_slow"
        elif code == pycurl.E_RECV_ERROR and "chunk" in message:
            reason = "bad_response"
        if reason == "bad_response":  # in which words curl says so depends on how the bytes came
            message = "not an answer as HTTP has it"
        return reason, _TIMES.sub("", message)

    def _open(self, purpose: int, address: Any) -> Any:
        family, kind, protocol, where = address
        if family not in (socket.AF_INET, socket.AF_INET6) or refusal(where[0], self._allow) is not None:
            self._refused = str(where[0])
            return pycurl.SOCKET_BAD
        try:
            return socket.socket(family, kind, protocol)
        except OSError:  # no IPv6 here, or no descriptors left
            return pycurl.SOCKET_BAD

    def _on_send(self, *addresses: object) -> int:
        """Called before each time that the request goes out."""
        if self._once and self._sent_once:
            self.sent_in_vain = True
            return int(pycurl.PREREQFUNC_ABORT)
        self._sent_once = True
        return int(pycurl.PREREQFUNC_OK)

    def _on_header(self, line: bytes) -> int | None:
        self._header_bytes += len(line)
        if self._header_bytes > self._limits.max_header_bytes:
            return self._halt("header_flood", f"more than {self._limits.max_header_bytes} bytes of headers")
        if self._answered:
            return None  # a trailer
        if line.rstrip(b"\r\n"):
            self._lines.append(line)
            return None
        try:
            return self._on_head()
        except BaseException as error:
            self.crash = error
            return self._halt("bad_response", "not inspected")

    def _on_head(self) -> int | None:
        lines, self._lines = self._lines, []
        try:
            status = int(lines[0].split(None, 2)[1])
        except (IndexError, ValueError):
            return self._halt("bad_response", "no status")
        if status < 200:
            return None
        if status > 999:
            return self._halt("bad_response", f"HTTP status {status}")
        self.status = status
        self.head = b"".join(lines)
        self.headers = _parsed(lines[1:])
        self._answered = True
        # 206 is the answer to a Range that was not asked for.
        self._wanted = 200 <= status < 300 and status != 206
        if not self._wanted:
            return None
        encoding = [one for one in _listed(self.headers, "content-encoding") if one != "identity"]
        transfer = [one for one in _listed(self.headers, "transfer-encoding") if one not in ("identity", "chunked")]
        if transfer or len(encoding) > 1 or not ENCODINGS.issuperset(encoding):
            return self._halt("bad_encoding", "content encoding " + ", ".join(encoding + transfer)[:200])
        self._inflater = Inflater(encoding[0]) if encoding else None
        length = next((value for name, value in self.headers if name == "content-length"), "")
        if self._limits.keep_cut:
            length = ""
        if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > self._limits.max_bytes):
            return self._halt("too_large", f"announces {length[:32]} bytes, more than {self._limits.max_bytes}")
        reason = self._inspect(self.headers) if self._inspect is not None else None
        return self._halt(reason, "refused by its headers") if reason is not None else None

    def _on_body(self, chunk: bytes) -> int | None:
        if not self._wanted:
            self._drained += len(chunk)
            return -1 if self._drained > _DRAIN_BYTES else None
        if not self._ledger.may_hold(self):
            return int(pycurl.WRITEFUNC_PAUSE)
        room = self._limits.max_bytes - self.size
        if self._inflater is not None:
            try:
                chunk = self._inflater.feed(chunk, room)
            except zlib.error as error:
                return self._halt("bad_encoding", str(error))
        is_cut = len(chunk) > room
        if is_cut and not self._limits.keep_cut:
            return self._too_large()
        chunk = chunk[:room]
        self.size += len(chunk)
        self._ledger.charge(self, len(chunk))
        self._chunks.append(chunk)
        return self._too_large() if is_cut else None

    def _too_large(self) -> int:
        return self._halt("too_large", f"more than {self._limits.max_bytes} bytes")

    def _halt(self, reason: str, message: str) -> int:
        self._stop = (reason, message)
        return -1


def _parsed(lines: Sequence[bytes]) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):  # a folded line goes on
            if pairs:
                pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]} {_text(line)}".strip())
            continue
        name, colon, value = line.partition(b":")
        if colon:
            pairs.append((_text(name).lower(), _text(value)))
    return tuple(pairs)


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip()


def _listed(headers: Sequence[tuple[str, str]], name: str) -> list[str]:
    values = ",".join(value for key, value in headers if key == name)
    return [one.strip().lower() for one in values.split(",") if one.strip()]
