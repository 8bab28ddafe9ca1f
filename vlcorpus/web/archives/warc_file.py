"""Writes WARC 1.1 files of what a fetcher got: the request and the answer, a gzip member each.

    warc = WarcFile(sink, about={"software": "vlcorpus", "robots": "obey"})
    offset, length = warc.add(response)          place of the response record in the file

An answer is stored as `http_block` gives it: status line and headers as sent, the body without the encodings in which
it came. Where those three headers no longer describe the body, Content-Length, Content-Encoding and Transfer-Encoding
become X-Archive-Orig-Content-Length and so on, and a Content-Length of the stored body is added; readers that undo
encodings then find none to undo. So warc.pages gives back the very body, and these headers.

    answer                                         record
    304                                            revisit (server-not-modified)
    a body that was cut at a limit                 response with WARC-Truncated: length
    an error, a redirect, a type not wanted        response without its body, WARC-Truncated: unspecified
    a 2xx whose body broke or timed out            none

The bytes depend on the answers alone; identifiers are hashes (uuid5) of URL, digest and date. Cost: 1.4 ms of CPU a
page of 157 kB, nearly all of it gzip. Not for: requests with bodies, and answers that must be kept byte
for byte as sent.
"""

from __future__ import annotations

import base64
import hashlib
import re
import tempfile
import time
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol, Self

from vlcorpus.net.response import Response

LEVEL = 4  # of gzip: two thirds of the time of 6 for 4% more bytes
MAX_HEAD = 65_000  # what readers take for headers at most, less some room

_FRAMING = ("content-length", "content-encoding", "transfer-encoding")
_ORIGINAL = b"X-Archive-Orig-"
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+\d{3}(?:[ \t][^\r\n]*)?")
_PROFILE = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
_NO_BODY = frozenset((204, 205, 304))
_SPOOL_BYTES = 32_000_000
# 2xx answers of which only the beginning, or nothing, was wanted.
_CUT = frozenset(("too_large", "not_html"))


class Sink(Protocol):
    def write(self, chunk: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Packed:
    """Records ready to be appended. start, length: of the response (or revisit) record within."""

    records: bytes
    start: int
    length: int


class WarcFile:
    """file: takes what is written. about: fields of a warcinfo record, which is written first; none without.

    created: its date, seconds since 1970; now, if not given. start: bytes that are in the file already.
    """

    def __init__(
        self,
        file: Sink,
        *,
        about: Mapping[str, str] | None = None,
        created: float | None = None,
        start: int = 0,
        level: int = LEVEL,
    ) -> None:
        self._file = file
        self._level = level
        self.size = start
        self._about: str | None = None
        if about:
            self._write_about(about, warc_date(time.time() if created is None else created))

    def add(self, response: Response) -> tuple[int, int] | None:
        """Store one answer. Returns (offset, length) of its record in the file; None for what is not stored."""
        packed = self.pack(response)
        return None if packed is None else self.append(packed)

    def pack(self, response: Response, block: bytes | None = None) -> Packed | None:
        """The records of one answer, compressed, for `append`; None for what is not stored.

        block: its http_block, where that is made already.
        """
        kind = _kind(response)
        if kind is None:
            return None
        url = response.final_url or response.url
        date = warc_date(response.asked_at)
        digest = payload_digest(response.body)
        identity = _identity(kind, url, digest, date)
        answer = {"WARC-Type": kind, "WARC-Record-ID": identity, "WARC-Date": date, "WARC-Target-URI": url}
        if self._about:
            answer["WARC-Warcinfo-ID"] = self._about
        if response.address:
            answer["WARC-IP-Address"] = response.address
        if kind == "revisit":
            answer["WARC-Profile"] = _PROFILE
            answer["WARC-Refers-To-Target-URI"] = url
        else:
            answer["WARC-Payload-Digest"] = f"sha1:{digest}"
        if cut := _truncated(response):
            answer["WARC-Truncated"] = cut
        answer["Content-Type"] = "application/http; msgtype=response"
        asked = {
            "WARC-Type": "request",
            "WARC-Record-ID": _identity("request", url, digest, date),
            "WARC-Date": date,
            "WARC-Target-URI": url,
            "WARC-Concurrent-To": identity,
            "Content-Type": "application/http; msgtype=request",
        }
        before = self._member(asked, response.request) if response.request else b""
        stored = self._member(answer, http_block(response) if block is None else block)
        return Packed(before + stored, len(before), len(stored))

    def append(self, packed: Packed, /) -> tuple[int, int]:
        """Returns (offset, length) of the response record in the file."""
        offset = self.size + packed.start
        self._write(packed.records)
        return offset, packed.length

    def _write_about(self, about: Mapping[str, str], date: str) -> None:
        fields = {"format": "WARC File Format 1.1", **about}
        block = "".join(f"{name}: {_one_line(value)}\r\n" for name, value in fields.items()).encode("utf-8", "replace")
        self._about = _identity("warcinfo", "", payload_digest(block), date)
        headers = {"WARC-Type": "warcinfo", "WARC-Record-ID": self._about, "WARC-Date": date}
        self._write(self._member({**headers, "Content-Type": "application/warc-fields"}, block))

    def _write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self.size += len(chunk)

    def _member(self, headers: Mapping[str, str], block: bytes) -> bytes:
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        packer = zlib.compressobj(self._level, zlib.DEFLATED, 31)
        start = packer.compress(f"WARC/1.1\r\n{head}Content-Length: {len(block)}\r\n\r\n".encode())
        return start + packer.compress(block) + packer.compress(b"\r\n\r\n") + packer.flush()


class Store(Protocol):
    """What a crawl asks of a WarcFile."""

    def pack(self, response: Response, block: bytes | None = None) -> Packed | None: ...

    def append(self, packed: Packed, /) -> tuple[int, int]: ...


class Shelf:
    """Records that are packed in one order and appended in another; large ones wait on the disk. A context manager.

    Nothing is kept without a store, and nothing is appended that is not asked for.
    """

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._spool = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115
        self._places: dict[str, tuple[int, int, int, int]] = {}
        self._end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._spool.close()

    def put(self, name: str, response: Response, block: bytes | None = None) -> None:
        """Pack one answer. block: its http_block, where that is made already."""
        packed = self._store.pack(response, block) if self._store is not None else None
        if packed is not None:
            self._spool.seek(self._end)
            self._spool.write(packed.records)
            self._places[name] = (self._end, len(packed.records), packed.start, packed.length)
            self._end += len(packed.records)

    def append(self, name: str) -> tuple[int, int] | None:
        """Store what was put under this name. Returns (offset, length) in the file; None if nothing was."""
        place = self._places.pop(name, None)
        if place is None or self._store is None:
            return None
        at, size, start, length = place
        self._spool.seek(at)
        return self._store.append(Packed(self._spool.read(size), start, length))

    def names(self) -> list[str]:
        """What was put and not yet appended, in the order of names."""
        return sorted(self._places)


def http_block(response: Response) -> bytes:
    """An answer as it is stored: what http_message.read takes apart again."""
    first, *lines = _lines(response)
    size = len(response.body)
    framing = [(name, value.lower()) for name, value in response.headers if name in _FRAMING]
    if any(each not in (("content-length", str(size)), ("content-encoding", "identity")) for each in framing):
        others = [line for line in lines if _name(line) not in _FRAMING]
        renamed = [_ORIGINAL + line if _name(line) in _FRAMING else line for line in lines]
        lines = renamed if sum(map(len, renamed)) + 2 * len(renamed) < MAX_HEAD else others
        lines.append(b"Content-Length: %d" % size)
    return b"\r\n".join([first, *lines, b"", response.body])


def payload_digest(body: bytes) -> str:
    """sha1 in base32, as WARC files write it after "sha1:"."""
    return base64.b32encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode("ascii")


def warc_date(seconds: float) -> str:
    """Seconds since 1970 as WARC-Date."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _kind(response: Response) -> str | None:
    """The type of the record that holds an answer; None where there is none."""
    status = response.status
    if status is None:
        return None
    if status == HTTPStatus.NOT_MODIFIED:
        return "revisit"
    is_whole = response.reason is None or (
        response.reason in _CUT and (response.body or response.reason != "too_large")
    )
    # 206 is an error here, but readers would take it for an answer.
    return "response" if is_whole or not 200 <= status <= 299 else None


def _truncated(response: Response) -> str | None:
    if response.reason == "too_large" and response.body:
        return "length"
    if response.reason is None or response.body or response.status in _NO_BODY:
        return None
    return None if response.header("content-length") == ["0"] else "unspecified"


def _lines(response: Response) -> list[bytes]:
    """Status line and headers, without line ends, as readers can take them apart again."""
    if response.head:
        # A folded line whose fold is lost would become a header of its own, so only what ends a line is taken off.
        lines = [line.rstrip(b"\r\n").replace(b"\r", b" ") for line in response.head.split(b"\n")]
        first, *rest = [line for line in lines if line]
    else:
        first = b""
        rest = [f"{name}: {_one_line(value)}".encode("utf-8", "replace") for name, value in response.headers]
    if not _STATUS.fullmatch(first):
        first = b"HTTP/1.1 %d " % (response.status or 0)
    return [first, *rest]


def _name(line: bytes) -> str:
    """The header's name as http_message reads it."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    name, colon, _ = text.partition(":")
    return name.strip().lower() if colon and text[:1] not in (" ", "\t") else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _identity(kind: str, url: str, digest: str, date: str) -> str:
    return f"<urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{kind} {url} {digest} {date}')}>"
