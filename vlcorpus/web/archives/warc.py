"""The HTML pages of a WARC file: .warc, .warc.gz, .warc.zst, .warc.lz4.

    for stored in pages(Path("CC-MAIN-0.warc.gz")):
        if stored.reason is None and not stored.site_file:
            page = extract(stored.body, url=stored.url, headers=stored.headers)

Each response record of HTML gives one WarcPage, in file order, its body free of transfer and content encodings and cut
at `max_bytes`. So does each answer for a robots.txt, tdmrep.json or ai.txt, of whatever type and status, marked as
`site_file`: what it says rules the pages that follow. Other answers give none. Damages are those of records.py: one
bad record costs one record, and gives a WarcPage with a reason.

Cost: 5,000 pages/s of 150 kB and a core. Memory: one record of at most MAX_BLOCK bytes. Not for: WAT (wat.py) and WET.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fastwarc.warc import WarcRecord, WarcRecordType

from vlcorpus.net.url import origin, requestable
from vlcorpus.web.archives.http_message import MAX_HEAD, BadMessage, Message, head, read
from vlcorpus.web.archives.records import BAD_WARC_RECORD, TRUNCATED_WARC, Stored, date, kind_of, records, target, whole

HTTP_ERROR = "http_error"
REASONS = (BAD_WARC_RECORD, TRUNCATED_WARC, HTTP_ERROR)
SITE_FILES = ("/robots.txt", "/.well-known/tdmrep.json", "/ai.txt")

MAX_BYTES = 5_000_000
MAX_BLOCK = 20_000_000

_HTML = re.compile(r"\s*(?:text/html|application/xhtml\+xml)\s*(?:;|$)", re.IGNORECASE)
_LOOKS_LIKE_HTML = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html)[\s>]", re.IGNORECASE)
_STEP = 1 << 20


@dataclass(frozen=True, slots=True)
class WarcPage:
    """url: WARC-Target-URI. headers: names lower-case. status: None where there is none. date: WARC-Date as written
    (ISO 8601, UTC). offset, length: of the record in the (compressed) file; where a record's place is not known, the
    offset of the one before it. reason: None or one of REASONS; then body is empty. kind: of the file: gzip, zstd, lz4
    or plain. site_file: the answer for one of SITE_FILES, which need not be HTML nor a success, without a reason.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    status: int | None
    date: str
    offset: int
    reason: str | None = None
    length: int | None = None
    kind: str = ""
    site_file: bool = False


class _Answer(NamedTuple):
    """block: of a response that may be wanted, else None. head: where `head` could read one."""

    url: str
    date: str
    block: bytes | None
    head: tuple[Message, int] | None
    site_file: bool


def pages(path: Path, *, max_bytes: int = MAX_BYTES, start: int = 0) -> Iterator[WarcPage]:
    """The pages of a WARC file, those from an offset on that is the end of a page that had a length. Raises
    SourceError, before the first page, for what is no WARC file."""
    return _pages(path, kind_of(path), max_bytes, start)


def _pages(path: Path, kind: str, max_bytes: int, start: int) -> Iterator[WarcPage]:
    for stored in records(path, kind, _answer, start=start):
        page = _page(stored, kind, max_bytes)
        if page is not None:
            yield page


def _answer(record: WarcRecord) -> _Answer:
    url = target(record)
    block, begun, wanted, site_file = None, None, False, False
    if record.record_type == WarcRecordType.response:
        site_file = _is_site_file(url)
        block, begun, wanted = _block(record, site_file)
    whole(record, len(block or b"") + record.reader.consume(), block)
    return _Answer(url, date(record), block if wanted else None, begun, site_file)


def _is_site_file(url: str) -> bool:
    if not url.endswith(SITE_FILES):
        return False
    clean, _ = requestable(url)
    return clean[len(origin(clean)) :] in SITE_FILES if clean else False


def _block(record: WarcRecord, wanted: bool) -> tuple[bytes, tuple[Message, int] | None, bool]:
    """(the bytes of a response, its head, whether it is wanted, as all HTML is); else only the beginning.

    One whose head is broken is wanted, as a row with a reason.
    """
    block = record.reader.read(MAX_HEAD)
    begun: tuple[Message, int] | None
    try:
        begun = head(block)
    except BadMessage:
        begun = None
    entire = wanted or (begun is not None and _is_html(begun[0].header("content-type"), block, begun[1]))
    if len(block) == MAX_HEAD and entire:
        parts = [block]
        room = MAX_BLOCK - len(block)
        while room > 0 and (part := record.reader.read(min(room, _STEP))):
            parts.append(part)
            room -= len(part)
        block = b"".join(parts)
    return block, begun, entire or begun is None


def _is_html(content_type: str | None, block: bytes, start: int) -> bool:
    if content_type:
        return _HTML.match(content_type) is not None
    return _LOOKS_LIKE_HTML.match(block[start : start + 1000]) is not None


def _page(stored: Stored[_Answer], kind: str, max_bytes: int) -> WarcPage | None:
    offset, length, answer, reason, lost_url, lost_date = stored
    if answer is None:
        return WarcPage(lost_url, (), b"", None, lost_date, offset, reason, length, kind)
    if answer.block is None:
        return None
    try:
        url, _ = requestable(answer.url)
        if answer.head is None or not url:
            raise BadMessage("no head, or no page URL")
        message = answer.head[0]
        reason = None if answer.site_file or 200 <= message.status <= 299 else HTTP_ERROR
        if reason is None:
            message = read(answer.block, max_bytes, answer.head)
    except BadMessage:
        return WarcPage(answer.url, (), b"", None, answer.date, offset, BAD_WARC_RECORD, length, kind)
    return WarcPage(
        url, message.headers, message.body, message.status, answer.date, offset, reason, length, kind, answer.site_file
    )
