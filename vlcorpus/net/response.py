"""What a fetch may cost, how it behaves towards servers, and what comes back.

    Response(url="https://example.com/a.jpg", final_url="https://example.com/a.jpg", status=404, headers=(),
             body=b"", reason="http_error", message="HTTP status 404")

A fetch never raises for a URL: `reason` is None when `body` is whole, and otherwise one of REASONS or what the caller's
`inspect_headers` returned.
"""

from __future__ import annotations

from dataclasses import dataclass, field

REASONS = (
    "bad_url",  # not a URL that may be requested, here or after a redirect
    "bad_scheme",  # neither http nor https
    "private_address",  # the address is not public
    "dns_failure",  # the host's name does not resolve
    "connect_failure",  # nothing answers at the address
    "tls_failure",  # no TLS, or a certificate that does not hold
    "timeout",  # not done within the total time, or no answer within the connection or slow time
    "too_slow",  # a body below the minimum rate
    "too_large",  # more bytes than allowed, counted after decoding
    "too_many_redirects",
    "header_flood",  # more header bytes than allowed
    "truncated_body",  # shorter than announced
    "bad_encoding",  # an unknown, doubled or broken Content-Encoding
    "bad_response",  # not HTTP as the standard has it
    "connection_reset",  # closed before the answer was whole
    "http_error",  # a status outside 200-299; see Response.status
)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one URL may cost. Times are seconds, sizes are bytes."""

    max_bytes: int = 20_000_000  # of the body, after decoding
    keep_cut: bool = False  # give the first max_bytes of a larger body, with reason too_large
    total_seconds: float = 30.0  # one attempt with all its redirects, first to last byte
    connect_seconds: float = 10.0  # name resolution, connection and TLS of one hop
    min_bytes_per_second: int = 512  # over slow_seconds, and at least about six
    slow_seconds: int = 10
    max_redirects: int = 5
    max_header_bytes: int = 65_536  # of one hop, with interim answers and trailers
    max_held_bytes: int = 256_000_000  # of one fetch_all's bodies in flight or not yet taken, give or take one


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How a fetcher behaves towards servers.

    retries: further attempts after a transient failure (timeout, connection_reset, truncated_body, and the statuses
        429, 500, 502, 503 and 504), after `backoff_seconds`, doubled each time, times 0.5 to 1.5 by hash of `seed` and
        URL.
    per_host: requests at once to one host; adaptive: fewer while they fail for load (429, 503, timeouts, refused or
        broken connections), halved each time, down to one, and slowly more again while they do not.
    max_wait_seconds: the longest Retry-After that is waited for. Where a server asks for longer, no URL of its host is
        requested before that (a day at most): they are answered with the same status, at once.
    host_breaker: after so many failures of a host in a row (no connection, no answer in time, 429, 503; each counts
        for more while fewer are made at once), its further URLs are answered with the last of these failures and
        without a request for `host_rest_seconds`, and then it is tried with one; 0 is never.
    allow_private: networks that may be connected to though they are not public, e.g. "127.0.0.0/8".
    connect_to: curl's --connect-to, "host:port:address:port" with empty parts for any: for mirrors and tests. The
        address connected to is checked all the same.
    """

    user_agent: str
    concurrency: int = 64
    per_host: int = 8
    adaptive: bool = True
    retries: int = 1
    backoff_seconds: float = 1.0
    max_wait_seconds: float = 30.0
    host_breaker: int = 50
    host_rest_seconds: float = 60.0
    seed: int = 0
    allow_private: tuple[str, ...] = ()
    connect_to: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Response:
    """The one answer to one URL.

    url: as given. final_url: the last one requested, "" if none was.
    status, headers: of the last hop, None and () if it did not answer; names are lower-case, in the order sent.
    body: decoded; whole if reason is None, else empty (but see Limits.keep_cut).

    For archives, of the last hop: head: status line and headers as sent, without the empty line; b"" if there was no
    answer. request: what was sent. address: connected to, "" if none. asked_at: seconds since 1970, 0 if not asked.
    """

    url: str
    final_url: str = ""
    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    reason: str | None = None
    message: str = ""
    head: bytes = field(default=b"", compare=False, repr=False)
    request: bytes = field(default=b"", compare=False, repr=False)
    address: str = field(default="", compare=False)
    asked_at: float = field(default=0.0, compare=False)

    def header(self, name: str) -> list[str]:
        """All values of a header, in the order sent; `name` in any case."""
        name = name.lower()
        return [value for key, value in self.headers if key == name]
