"""One curl handle, one hop: a request, its answer within bounds, and the reason if there is none.

Redirects are not followed by curl, so that each hop passes `requestable` and the address check again. No proxy, cookie,
password file, alternative service, or protocol but HTTP/1.1 over TCP or TLS is used, whatever the environment says.
"""

from __future__ import annotations

import os
import socket
import ssl
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import certifi
import pycurl

from vlcorpus.net.address import Network, refusal
from vlcorpus.net.budget import Budget
from vlcorpus.net.headers import Headers, first, listed, parsed
from vlcorpus.net.inflate import ENCODINGS, Inflater
from vlcorpus.net.names import KEPT_SECONDS
from vlcorpus.net.response import Limits, Manners, Response
from vlcorpus.net.url import origin, target
from vlcorpus.net.verdict import reason_of

Inspect = Callable[[Sequence[tuple[str, str]]], "str | None"]

# Reading a short error page to its end keeps the connection; a long one is not worth that.
_DRAIN_BYTES = 65_536
# What an encoding may add to bytes that it cannot make smaller: zlib about 1 in 3,000, and a header.
_PACKING_BYTES = 1_048_576


def ca_file() -> str:
    """The certificates to trust: SSL_CERT_FILE, else the system's, else certifi's."""
    named = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    return named if named and os.path.exists(named) else certifi.where()


class Wire:
    """A reusable handle. `load`, run `curl` in a multi handle, then read `outcome` and the public fields.

    budget: asked before bytes are taken. on_send: told each time the request goes out, which is when the host's name
    has resolved and it is connected to.
    """

    def __init__(
        self,
        manners: Manners,
        limits: Limits,
        allow: Sequence[Network],
        request_headers: Sequence[str],
        inspect: Inspect | None,
        budget: Budget[Wire],
        on_send: Callable[[Wire], None],
    ) -> None:
        self._limits = limits
        self._allow = allow
        self._inspect = inspect
        self._budget = budget
        self._tell = on_send
        self.curl: Any = pycurl.Curl()
        self.status: int | None = None
        self.headers: Headers = ()
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
        # Longer than Names keeps an address, of whom curl has them.
        set_option(pycurl.DNS_CACHE_TIMEOUT, int(2 * KEPT_SECONDS))
        if manners.connect_to:
            set_option(pycurl.CONNECT_TO, list(manners.connect_to))
        set_option(pycurl.OPENSOCKETFUNCTION, self._open)
        set_option(pycurl.PREREQFUNCTION, self._on_send)
        set_option(pycurl.HEADERFUNCTION, self._on_header)
        set_option(pycurl.WRITEFUNCTION, self._on_body)

    def load(
        self,
        url: str,
        seconds: float,
        extra: tuple[str, ...] = (),
        once: bool = False,
        addresses: Sequence[str] = (),
    ) -> None:
        """Make ready for one hop: `url` as `requestable` gave it, to be done within `seconds`.

        addresses: of its host, none if curl is to know or find out. extra: further request headers, "Name: value" each.
        once: do not let curl send the request again, as it does at once where a kept connection turns out to be dead;
        `sent_in_vain` tells of that.
        """
        self._rest()
        self._once = once
        self._url = url
        self._say(self._always + extra)
        self.curl.setopt(pycurl.URL, url)
        self.curl.setopt(pycurl.TIMEOUT_MS, max(1, int(seconds * 1000)))
        if addresses:  # all handles of a multi handle know them then; with the plus, curl forgets them in its time
            self.curl.setopt(pycurl.RESOLVE, [f"+{target(url)}:{','.join(addresses)}"])

    def since_answer(self) -> float:
        """Seconds between the first byte of the answer and the end of the transfer; 0 if there was none."""
        first = self.curl.getinfo(pycurl.STARTTRANSFER_TIME)
        return max(0.0, self.curl.getinfo(pycurl.TOTAL_TIME) - first) if first else 0.0

    def _request(self) -> bytes:
        authority = origin(self._url).partition("://")[2]
        path = self._url[len(origin(self._url)) :]
        lines = [f"GET {path} HTTP/1.1", f"Host: {authority}", f"User-Agent: {self._user_agent}", *self._sent, "", ""]
        return "\r\n".join(lines).encode("ascii", "replace")

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
        self._received = 0
        self._inflater: Inflater | None = None
        self._answered = False
        self._wanted = False
        self._sent_once = False
        self.sent_in_vain = False
        self._refused: str | None = None
        self._stop: tuple[str, str] | None = None

    def drop_body(self) -> None:
        self._chunks = []

    def response(self, found: str, asked_at: float, reason: str | None, message: str) -> Response:
        """The answer of this hop to the URL as found; the body is taken with it."""
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks = []
        return Response(
            url=found,
            final_url=self._url,
            status=self.status,
            headers=self.headers,
            body=body,
            reason=reason,
            message=message,
            head=self.head,
            request=self._request(),
            address=self.curl.getinfo(pycurl.PRIMARY_IP) or "",
            asked_at=asked_at,
        )

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
        return reason_of(code, message, self._answered)

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
        self._tell(self)
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
        self.headers = parsed(lines[1:])
        self._answered = True
        # 206 is the answer to a Range that was not asked for.
        self._wanted = 200 <= status < 300 and status != 206
        if not self._wanted:
            return None
        encoding = [one for one in listed(self.headers, "content-encoding") if one != "identity"]
        transfer = [one for one in listed(self.headers, "transfer-encoding") if one not in ("identity", "chunked")]
        if transfer or len(encoding) > 1 or not ENCODINGS.issuperset(encoding):
            return self._halt("bad_encoding", "content encoding " + ", ".join(encoding + transfer)[:200])
        self._inflater = Inflater(encoding[0]) if encoding else None
        length = first(self.headers, "content-length") or ""
        if self._limits.keep_cut:
            length = ""
        if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > self._limits.max_bytes):
            return self._halt("too_large", f"announces {length[:32]} bytes, more than {self._limits.max_bytes}")
        reason = self._inspect(self.headers) if self._inspect is not None else None
        return self._halt(reason, "refused by its headers") if reason is not None else None

    def _on_body(self, chunk: bytes) -> int | None:
        if not self._wanted:
            self._received += len(chunk)
            return -1 if self._received > _DRAIN_BYTES else None
        if not self._budget.may_hold(self):
            return int(pycurl.WRITEFUNC_PAUSE)
        self._received += len(chunk)
        room = self._limits.max_bytes - self.size
        if self._inflater is not None:
            # Bytes may come without end and decode to none.
            if self._received > self._limits.max_bytes + _PACKING_BYTES:
                return self._too_large()
            try:
                chunk = self._inflater.feed(chunk, room)
            except zlib.error as error:
                return self._halt("bad_encoding", str(error))
        is_cut = len(chunk) > room
        if is_cut and not self._limits.keep_cut:
            return self._too_large()
        chunk = chunk[:room]
        self.size += len(chunk)
        self._budget.charge(self, len(chunk))
        self._chunks.append(chunk)
        return self._too_large() if is_cut else None

    def _too_large(self) -> int:
        return self._halt("too_large", f"more than {self._limits.max_bytes} bytes")

    def _halt(self, reason: str, message: str) -> int:
        self._stop = (reason, message)
        return -1
