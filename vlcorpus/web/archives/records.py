"""The records of WARC and WAT files, whatever is damaged: .gz, .zst, .lz4 or plain.

    for one in records(path, kind_of(path), read):
        one.offset, one.length          where it lies
        one.content                     what `read` made of the WarcRecord, where one.reason is None

`read` takes what it wants of a record, gives None if it wants nothing, and raises Damaged if that is not whole. The
WarcRecord is valid until it returns. A record that cannot be read gives one Stored with reason "bad_warc_record", and
reading goes on at the next record that can be found; a file that ends inside a record gives a last one with reason
"truncated_warc". In files that are one compressed stream, which .gz should not be, nothing can be found behind a
damage, what is left counts as one bad record, and lengths are not known.

Cost: 1 us a record beyond what FastWARC takes. Memory: what `read` makes of two records.
"""

from __future__ import annotations

import mmap
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Generic, NamedTuple, TypeVar

from fastwarc.warc import ArchiveIterator, WarcRecord

from vlcorpus.errors import SourceError

BAD_WARC_RECORD = "bad_warc_record"
TRUNCATED_WARC = "truncated_warc"

GZIP, ZSTD, LZ4, PLAIN = "gzip", "zstd", "lz4", "plain"
_MAGIC = ((b"\x1f\x8b\x08", GZIP), (b"\x28\xb5\x2f\xfd", ZSTD), (b"\x04\x22\x4d\x18", LZ4), (b"WARC/", PLAIN))
_VERSION = re.compile(rb"WARC/[01]\.\d+\r?\n")
# A block that holds this has swallowed the next record: its length is wrong.
_SWALLOWED = re.compile(rb"\r\n\r\nWARC/1\.\d\r\n(?:WARC|Content)-")
_STEP = 1 << 20

T = TypeVar("T")


class Damaged(Exception):
    """A record is not whole. short: the bytes ran out. url, date: of its own fields, if they could be read."""

    def __init__(self, short: bool, url: str = "", date: str = "") -> None:
        super().__init__("damaged record")
        self.short, self.url, self.date = short, url, date


class Stored(NamedTuple, Generic[T]):
    """A record, or a place where one was.

    offset: in the (compressed) file, bytes; where a record's place is not known, of the one before it. length: in that
    file, bytes; None where it is not known. content: None if there is a reason. url, date: of damaged ones, if known.
    """

    offset: int
    length: int | None
    content: T | None
    reason: str | None = None
    url: str = ""
    date: str = ""


@dataclass(frozen=True, slots=True)
class _Damage:
    """Where reading stopped. offset: None if only known to be behind the last record."""

    offset: int | None
    short: bool
    url: str = ""
    date: str = ""


def kind_of(path: Path, *, called: str = "WARC") -> str:
    """The file's compression: gzip, zstd, lz4 or plain. Raises SourceError for what holds no records."""
    suffix = called.lower()
    hint = f"give a .{suffix}, .{suffix}.gz, .{suffix}.zst or .{suffix}.lz4 file"
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
        raise SourceError(f"{path} is not a {called} file", hint)
    if kind == GZIP and not _is_record(start):
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            if _next_record(whole, kind, 1) is None:
                raise SourceError(f"{path} is gzip, but not of a {called} file", hint)
    return kind


def whole(record: WarcRecord, size: int, block: bytes | None) -> None:
    """Raises Damaged unless `size` bytes are all of the record, its fields are in order and `block` is its own.

    Once the skipped part of a block is inside the reader, sizes tell whether the file held all of it.
    """
    length = record.headers.get("Content-Length") or ""
    known = length.isdecimal() and record.headers.get("WARC-Type") is not None
    short = size < record.content_length
    if short or not known or (block is not None and _SWALLOWED.search(block)):
        raise Damaged(short, target(record), date(record))


def target(record: WarcRecord) -> str:
    return (record.headers.get("WARC-Target-URI") or "").strip("<> ")


def date(record: WarcRecord) -> str:
    return record.headers.get("WARC-Date") or ""


def records(path: Path, kind: str, read: Callable[[WarcRecord], T | None], *, start: int = 0) -> Iterator[Stored[T]]:
    """The records of which `read` makes something, in file order. kind: as `kind_of` told it. start: the offset of the
    record to begin at, which is the end of one that had a length."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        size = len(mapped)
        # The length of a record is known when the next one begins.
        held, content = -1, None
        for offset, made, damage in _found(file, mapped, kind, read, start):
            if content is not None:
                if held < offset < size:
                    yield Stored(held, offset - held, content)
                else:
                    yield Stored(held, _length(mapped, kind, held, offset), content)
            held, content = offset, made
            if damage is not None:
                yield Stored(offset, None, None, *damage)
        if content is not None:
            yield Stored(held, size - held if held < size else None, content)


# (reason, url, date) of a lost record.
_Lost = tuple[str, str, str]


def _length(mapped: mmap.mmap, kind: str, start: int, following: int) -> int | None:
    """Of a record before something unplaced, or in one compressed stream with others."""
    end = _member_end(mapped, start) if following == start and kind == GZIP and start < len(mapped) else None
    return None if end is None else end - start


def _found(
    file: BinaryIO, mapped: mmap.mmap, kind: str, read: Callable[[WarcRecord], T | None], start: int
) -> Iterator[tuple[int, T | None, _Lost | None]]:
    at = last = start
    unplaced = False
    while True:
        damage: _Damage | None = None
        for found in _undamaged(file, at, read):
            if isinstance(found, _Damage):
                damage = found
                break
            if unplaced:
                yield last, None, (BAD_WARC_RECORD, "", "")
                unplaced = False
            last = found[0]
            yield found
        if damage is None:
            cut = _cut_member(mapped, last) if kind == GZIP else None
            if cut is not None and cut > last:
                yield cut, None, (TRUNCATED_WARC, "", "")
            return
        place = last if damage.offset is None else damage.offset
        following = _next_record(mapped, kind, place + 1)
        if following is None:
            reason = TRUNCATED_WARC if _is_cut(mapped, kind, place, damage.short) else BAD_WARC_RECORD
            yield place, None, (reason, damage.url, damage.date)
            return
        unplaced = damage.offset is None
        if not unplaced:
            yield place, None, (BAD_WARC_RECORD, damage.url, damage.date)
            last = place
        at = following


def _undamaged(
    file: BinaryIO, at: int, read: Callable[[WarcRecord], T | None]
) -> Iterator[tuple[int, T | None, None] | _Damage]:
    """The records from an offset on, up to the end or the first damage."""
    file.seek(at)
    any_seen = False
    try:
        for record in ArchiveIterator(file, parse_http=False, inplace=True):
            try:
                content = read(record)
            except Damaged as damaged:
                yield _Damage(record.stream_pos, damaged.short, damaged.url, damaged.date)
                return
            any_seen = True
            yield record.stream_pos, content, None
    except (OSError, ValueError):
        yield _Damage(None if any_seen else at, False)


def _next_record(mapped: mmap.mmap, kind: str, start: int) -> int | None:
    """The first place from `start` on where a record begins; None if there is none or it cannot be found."""
    token = {GZIP: b"\x1f\x8b\x08", PLAIN: b"WARC/"}.get(kind)
    if token is None:
        return None
    at = mapped.find(token, start)
    while at >= 0:
        if kind == GZIP:
            if _is_record(mapped[at : at + 4096]):
                return at
        elif mapped[at - 1 : at] == b"\n" and _VERSION.match(mapped[at : at + 16]):
            return at
        at = mapped.find(token, at + 1)
    return None


def _is_record(start: bytes) -> bool:
    """Whether a gzip stream that begins so holds a WARC record."""
    try:
        return _VERSION.match(zlib.decompressobj(31).decompress(start, 16)) is not None
    except zlib.error:
        return False


def _is_cut(mapped: mmap.mmap, kind: str, place: int, short: bool) -> bool:
    """Whether the file just ends, rather than being wrong at `place`."""
    if kind == GZIP:
        return _cut_member(mapped, place) is not None
    return short or (kind == PLAIN and mapped.find(b"\r\n\r\n", place) < 0)


def _cut_member(mapped: mmap.mmap, start: int) -> int | None:
    """Where the gzip member begins that the end of the file cuts off; None if all from `start` on are whole."""
    at = start
    while at < len(mapped):
        end = _member_end(mapped, at)
        if end is None:
            return None
        if end > len(mapped):
            return at
        at = end
    return None


def _member_end(mapped: mmap.mmap, start: int) -> int | None:
    """Where the gzip member that begins at `start` ends; beyond the file if it is cut; None if it is broken."""
    stream = zlib.decompressobj(31)
    here = start
    while not stream.eof:
        chunk = mapped[here : here + _STEP]
        if not chunk:
            return len(mapped) + 1
        here += len(chunk)
        try:
            # Only the end matters: what is made of it is dropped piece by piece.
            stream.decompress(chunk, _STEP)
            while stream.unconsumed_tail:
                stream.decompress(stream.unconsumed_tail, _STEP)
        except zlib.error:
            return None
    return here - len(stream.unused_data)
