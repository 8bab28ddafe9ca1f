"""The image-text pairs of a WAT file: .wat, .wat.gz, .wat.zst, .wat.lz4.

    for read in batches(Path("CC-MAIN-0.warc.wat.gz"), profile="full"):
        read.table       a row a pair, columns of schemas/extracted.json
        read.pages       a row a page: Visited("https://a.example/", 200, None, 31, "2026-...", 8123, 2210)
        read.rejected    Counter({"empty_alt": 12}): pairs that were counted and not stored

A WAT is Common Crawl's account of a WARC file: for each page its headers, its head, and the addresses of its links and
images with their alt texts, in JSON. It is a quarter of the WARC's size, and holds four fifths of the pairs.

    profile    rows                                                            rejected ones
    full       every <img> with alt or title, og:image, twitter:image          rows with a reason
    compat     those of cc2dataset 1.5.0, the very same                        counted
    laion      those of LAION-5B's worker, but for the URLs that it lost       counted

One bad record costs one record, and is a page with a reason; one bad link costs one link. Damages of the file are those
of records.py. Opt-out evidence comes with full and laion, for the caller to judge; cc2dataset knows none.

Cost: 320 MB of JSON a second and core for compat, 160 for full. Memory: `rows` rows, and of no more than MAX_GATHERED
bytes of JSON.
Not for: pages as they are (warc.py, pages), which have more: srcset, lazy images, figures, sizes, words around.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fastwarc.warc import WarcRecord, WarcRecordType

from vlcorpus.errors import SourceError, UsageError, nearest
from vlcorpus.web.archives.records import BAD_WARC_RECORD, date, kind_of, records, target, whole
from vlcorpus.web.archives.wat_full import Full
from vlcorpus.web.archives.wat_json import BadRecord, Found
from vlcorpus.web.archives.wat_profiles import Compat, Laion, Profile
from vlcorpus.web.archives.wat_rows import Rows

if TYPE_CHECKING:
    import pyarrow as pa

PROFILES = ("full", "compat", "laion")
MAX_BLOCK = 20_000_000
MAX_GATHERED = 400_000_000  # bytes of JSON whose rows are held at once

_NAME = re.compile(r".*\.wat(?:\.(?:gz|zst|lz4))?", re.IGNORECASE | re.DOTALL)
_LOOKED_AT = 20  # records, where the name says nothing


class Visited(NamedTuple):
    """A page, or a bad record. status: of the answer. reason: why it gave no rows. pairs: images looked at. date: when
    the page was fetched, as written. offset, length: of its record in the WAT file, as in records.Stored."""

    url: str
    status: int | None
    reason: str | None
    pairs: int
    date: str
    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class Read:
    """table: of schemas/extracted.json. rejected: pairs that are in no table, by reason. following: the offset at which
    the file goes on, None where that is not known."""

    table: pa.Table
    pages: list[Visited]
    rejected: Counter[str]
    following: int | None


class _Unread(NamedTuple):
    """A record whose JSON says nothing."""

    url: str
    date: str


def is_wat(path: Path) -> bool:
    """Whether a file is a WAT, by its name or its first records."""
    if _NAME.fullmatch(Path(path).name):
        return True
    try:
        kind = kind_of(path, called="WAT")
        return any(one.content is True for one in islice(records(path, kind, _is_json), _LOOKED_AT))
    except SourceError:
        return False


def _is_json(record: WarcRecord) -> bool:
    told = (record.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
    if record.record_type != WarcRecordType.metadata or told != "application/json":
        return False
    return b'"Envelope"' in record.reader.read(MAX_BLOCK)


def batches(
    path: Path,
    *,
    profile: str = "full",
    token: str = "vlcorpus",
    keep_relative: bool = True,
    evidence: bool = True,
    rows: int = 50_000,
    file: str | None = None,
    start: int = 0,
) -> Iterator[Read]:
    """The pairs of a WAT file, in file order, `rows` or a page more at a time.

    token: the name by which opt-outs may address this crawler. keep_relative: for laion. evidence: for compat, whether
    to look for opt-outs. file: the name for source_file, else the path's. start: `following` of an earlier batch, to go
    on behind it. Raises SourceError, before the first batch, for what is no WAT file, and UsageError.
    """
    if profile not in PROFILES:
        raise UsageError(f"no profile {profile!r}", nearest(profile, PROFILES))
    kind = kind_of(path, called="WAT")
    if not is_wat(path):
        raise SourceError(f"{path} is a WARC file, but not a WAT", "read it as WARC, or give a .warc.wat.gz file")
    gathered = Rows(file or path.name)
    taking: Profile
    if profile == "compat":
        taking = Compat(gathered, token, evidence=evidence)
    elif profile == "laion":
        taking = Laion(gathered, token, keep_relative=keep_relative)
    else:
        taking = Full(gathered, token)
    return _batches(path, kind, taking, rows, start)


def _batches(path: Path, kind: str, taking: Profile, rows: int, start: int) -> Iterator[Read]:
    decode = taking.read
    metadata = WarcRecordType.metadata
    gathered = 0

    def read(record: WarcRecord) -> Found[Any, Any] | _Unread | None:
        nonlocal gathered
        body = record.reader.read(MAX_BLOCK)
        gathered += len(body)
        if record.record_type == metadata and len(body) == record.content_length:
            try:
                # JSON that is whole needs no further look at the record.
                return decode(body)
            except BadRecord as bad:
                whole(record, len(body), body)
                return _Unread(bad.url or target(record), date(record))
        whole(record, len(body) + record.reader.consume(), body)
        return _Unread(target(record), date(record)) if record.record_type == metadata else None

    visited: list[Visited] = []
    unread = -1
    for offset, length, found, reason, url, when in records(path, kind, read, start=start):
        if found.__class__ is Found:
            pairs, reason = taking.add(found, offset, length)
            visited.append(Visited(found.url, found.status, reason, pairs, found.date, offset, length))
            if len(taking) >= rows or len(visited) >= rows or gathered > MAX_GATHERED:
                gathered = 0
                yield _read(taking, visited, None if length is None else offset + length)
                visited = []
        elif reason is not None:
            if offset == unread:  # what is left of a record whose JSON said nothing
                continue
            visited.append(Visited(url, None, reason, 0, when, offset, length))
        elif isinstance(found, _Unread):
            unread = offset
            visited.append(Visited(found.url, None, BAD_WARC_RECORD, 0, found.date, offset, length))
    if visited or len(taking):
        yield _read(taking, visited, path.stat().st_size)


def _read(taking: Profile, visited: list[Visited], following: int | None) -> Read:
    table = taking.flush()
    rejected = +taking.rejected
    taking.rejected.clear()
    return Read(table, visited, rejected, following)
