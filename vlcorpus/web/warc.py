"""The HTML pages of a WARC file: .warc, .warc.gz, .warc.zst, .warc.lz4.

    for stored in pages(Path("CC-MAIN-0.warc.gz")):
        if stored.reason is None:
            page = extract(stored.body, url=stored.url, headers=stored.headers)

Each response record of HTML gives one WarcPage, in file order, its body free of transfer and content encodings and cut
at `max_bytes`. Answers that are not HTML give none. A record that cannot be read gives one with reason
"bad_warc_record", and reading goes on at the next record that can be found; a file that ends inside a record gives a
last one with reason "truncated_warc". In files that are one compressed stream, which .gz should not be, nothing can be
found behind a damage, and what is left counts as one bad record.

Cost: 5,000 pages/s of 150 kB and a core. Memory: one record of at most MAX_BLOCK bytes. Not for: WAT and WET files.
"""

from __future__ import annotations

import mmap
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from vlcorpus.errors import SourceError
from vlcorpus.net.url import requestable
from vlcorpus.web.http_message import MAX_HEAD, BadMessage, head, read

BAD_WARC_RECORD = "bad_warc_record"
TRUNCATED_WARC = "truncated_warc"
HTTP_ERROR = "http_error"
REASONS = (BAD_WARC_RECORD, TRUNCATED_WARC, HTTP_ERROR)

MAX_BYTES = 5_000_000
MAX_BLOCK = 20_000_000

_GZIP, _ZSTD, _LZ4, _PLAIN = "gzip", "zstd", "lz4", "plain"
_MAGIC = ((b"\x1f\x8b\x08", _GZIP), (b"\x28\xb5\x2f\xfd", _ZSTD), (b"\x04\x22\x4d\x18", _LZ4), (b"WARC/", _PLAIN))
_HTML = re.compile(r"\s*(?:text/html|application/xhtml\+xml)\s*(?:;|$)", re.IGNORECASE)
_LOOKS_LIKE_HTML = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html)[\s>]", re.IGNORECASE)
_VERSION = re.compile(rb"WARC/[01]\.\d+\r?\n")
# A block that holds this has swallowed the next record: its length is wrong.
_SWALLOWED = re.compile(rb"\r\n\r\nWARC/1\.\d\r\n(?:WARC|Content)-")
_STEP = 1 << 20


@dataclass(frozen=True, slots=True)
class WarcPage:
    """url: WARC-Target-URI. headers: names lower-case. status: None where there is none. date: WARC-Date as written
    (ISO 8601, UTC). offset: of the record in the (compressed) file; where a record's place is not known, of the one
    before it. reason: None or one of REASONS; then body is empty.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    status: int | None
    date: str
    offset: int
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Stored:
    """A record. block: of a response that may be a page, else None."""

    offset: int
    url: str
    date: str
    block: bytes | None


@dataclass(frozen=True, slots=True)
class _Damage:
    """Where reading stopped. offset: None if only known to be behind the last record. short: the bytes ran out."""

    offset: int | None
    short: bool
    url: str = ""
    date: str = ""


def pages(path: Path, *, max_bytes: int = MAX_BYTES) -> Iterator[WarcPage]:
    """The pages of a WARC file. Raises SourceError, before the first page, for what is no WARC file."""
    return _pages(path, _kind(path), max_bytes)


def _kind(path: Path) -> str:
    hint = "give a .warc, .warc.gz, .warc.zst or .warc.lz4 file"
    try:
        with open(path, "rb") as file:
            start = file.read(4096)
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist", hint) from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", hint) from error
    if not start:
        raise SourceError(f"{path} is empty", hint)
    kind = next((kind for magic, kind in _MAGIC if start.startswith(magic)), None)
    if kind is None:
        raise SourceError(f"{path} is not a WARC file", hint)
    if kind == _GZIP and not _is_record(start):
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            if _next_record(whole, kind, 1) is None:
                raise SourceError(f"{path} is gzip, but not of a WARC file", hint)
    return kind


def _pages(path: Path, kind: str, max_bytes: int) -> Iterator[WarcPage]:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        at = last = 0
        unplaced = False
        while True:
            damage: _Damage | None = None
            for found in _records(file, at):
                if isinstance(found, _Damage):
                    damage = found
                    break
                if unplaced:
                    yield _lost(last, BAD_WARC_RECORD)
                    unplaced = False
                last = found.offset
                page = _page(found, max_bytes)
                if page is not None:
                    yield page
            if damage is None:
                cut = _cut_member(whole, last) if kind == _GZIP else None
                if cut is not None and cut > last:
                    yield _lost(cut, TRUNCATED_WARC)
                return
            place = last if damage.offset is None else damage.offset
            following = _next_record(whole, kind, place + 1)
            if following is None:
                is_cut = _is_cut(whole, kind, place, damage)
                yield _lost(place, TRUNCATED_WARC if is_cut else BAD_WARC_RECORD, damage)
                return
            unplaced = damage.offset is None
            if not unplaced:
                yield _lost(place, BAD_WARC_RECORD, damage)
                last = place
            at = following


def _records(file: BinaryIO, at: int) -> Iterator[_Stored | _Damage]:
    """The records from an offset on, up to the end or the first damage."""
    file.seek(at)
    any_seen = False
    try:
        for record in ArchiveIterator(file, parse_http=False):
            url = (record.headers.get("WARC-Target-URI") or "").strip("<> ")
            date = record.headers.get("WARC-Date") or ""
            length = record.headers.get("Content-Length") or ""
            block = _block(record) if record.record_type == WarcRecordType.response else None
            size = len(block or b"") + record.reader.consume()
            # Once the skipped part of a block is inside the reader, sizes tell whether the file held all of it.
            short = size < record.content_length
            known = length.isdecimal() and record.headers.get("WARC-Type") is not None
            if short or not known or (block is not None and _SWALLOWED.search(block)):
                yield _Damage(record.stream_pos, short, url, date)
                return
            any_seen = True
            yield _Stored(record.stream_pos, url, date, block)
    except (OSError, ValueError):
        yield _Damage(None if any_seen else at, False)


def _block(record: WarcRecord) -> bytes:
    """The bytes of a response; only the beginning if it is not of HTML."""
    block = record.reader.read(MAX_HEAD)
    try:
        message, start = head(block)
    except BadMessage:
        return block
    if len(block) == MAX_HEAD and _is_html(message.header("content-type"), block[start:]):
        parts = [block]
        room = MAX_BLOCK - len(block)
        while room > 0 and (part := record.reader.read(min(room, _STEP))):
            parts.append(part)
            room -= len(part)
        block = b"".join(parts)
    return block


def _is_html(content_type: str | None, body: bytes) -> bool:
    if content_type:
        return _HTML.match(content_type) is not None
    return _LOOKS_LIKE_HTML.match(body[:1000]) is not None


def _page(stored: _Stored, max_bytes: int) -> WarcPage | None:
    if stored.block is None:
        return None
    try:
        message, start = head(stored.block)
        if not _is_html(message.header("content-type"), stored.block[start:]):
            return None
        url, _ = requestable(stored.url)
        if not url:
            raise BadMessage("no page URL")
        if not 200 <= message.status <= 299:
            return WarcPage(url, message.headers, b"", message.status, stored.date, stored.offset, HTTP_ERROR)
        message = read(stored.block, max_bytes)
    except BadMessage:
        return WarcPage(stored.url, (), b"", None, stored.date, stored.offset, BAD_WARC_RECORD)
    return WarcPage(url, message.headers, message.body, message.status, stored.date, stored.offset)


def _lost(offset: int, reason: str, damage: _Damage | None = None) -> WarcPage:
    url, date = (damage.url, damage.date) if damage is not None else ("", "")
    return WarcPage(url, (), b"", None, date, offset, reason)


def _next_record(whole: mmap.mmap, kind: str, start: int) -> int | None:
    """The first place from `start` on where a record begins; None if there is none or it cannot be found."""
    token = {_GZIP: b"\x1f\x8b\x08", _PLAIN: b"WARC/"}.get(kind)
    if token is None:
        return None
    at = whole.find(token, start)
    while at >= 0:
        if kind == _GZIP:
            if _is_record(whole[at : at + 4096]):
                return at
        elif whole[at - 1 : at] == b"\n" and _VERSION.match(whole[at : at + 16]):
            return at
        at = whole.find(token, at + 1)
    return None


def _is_record(start: bytes) -> bool:
    """Whether a gzip stream that begins so holds a WARC record."""
    try:
        return _VERSION.match(zlib.decompressobj(31).decompress(start, 16)) is not None
    except zlib.error:
        return False


def _is_cut(whole: mmap.mmap, kind: str, place: int, damage: _Damage) -> bool:
    """Whether the file just ends, rather than being wrong at `place`."""
    if kind == _GZIP:
        return _cut_member(whole, place) is not None
    return damage.short or (kind == _PLAIN and whole.find(b"\r\n\r\n", place) < 0)


def _cut_member(whole: mmap.mmap, start: int) -> int | None:
    """Where the gzip member begins that the end of the file cuts off; None if all from `start` on are whole."""
    at = start
    while at < len(whole):
        stream = zlib.decompressobj(31)
        here = at
        while not stream.eof:
            chunk = whole[here : here + _STEP]
            if not chunk:
                return at
            here += len(chunk)
            try:
                # Only the end matters: what is made of it is dropped piece by piece.
                stream.decompress(chunk, _STEP)
                while stream.unconsumed_tail:
                    stream.decompress(stream.unconsumed_tail, _STEP)
            except zlib.error:
                return None
        at = here - len(stream.unused_data)
    return None
