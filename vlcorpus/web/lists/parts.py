"""Lists as columns: what `lists.rows` says row by row, as tables, three to four times as fast.

    for part in parts(Path("laion/part-00000.parquet"), opened(...), rows=65_536):
        part.pairs          columns of schemas/extracted.json, identities not yet filled in
        part.scores         columns of schemas/extracted-scores.json, row for row; None where the list has none

    spans(path, "parquet")                      [range(0, 4), range(4, 8)]: row groups that can be read on their own

A batch whose values are all text in UTF-8 is judged by Arrow: a URL that matches PLAIN can be requested; only the
others go through `requestable` one by one. Any other batch goes through the careful reader. Both give the same rows.

Cost: 0.7 microseconds a row of LAION's parquet, 0.7 of csv without quotes, 5 of csv with them and of
jsonl; memory for one part. Not for: what the columns mean (columns.py), identities.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlcorpus import schema
from vlcorpus.net.url import requestable
from vlcorpus.web.lists import additional
from vlcorpus.web.lists import values as list_values
from vlcorpus.web.lists.columns import Columns
from vlcorpus.web.lists.csv_files import Blocks
from vlcorpus.web.lists.files import batch_rows, open_text, parquet_batches, row_groups
from vlcorpus.web.lists.rows import (
    DELIMITERS,
    EMPTY_URL,
    MAX_TEXT,
    MAX_URL,
    TEXT_TOO_LONG,
    ListRow,
    Values,
    header_places,
    list_row,
    values,
)

PART_ROWS = 65_536
SPAN_ROWS = 1_000_000
_BATCH = 65_536
# URLs that `requestable` takes, whatever follows the host: no port, no user, no escapes, nothing to punycode, short
# enough to stay under its limit when each byte is quoted.
PLAIN = r"^[hH][tT][tT][pP][sS]?://([A-Za-z0-9_\-]{1,40}\.){1,5}[A-Za-z0-9_\-]{1,40}([/?#][^\x00-\x1f\x7f]*)?$"
_PLAIN_BYTES = 2_048


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one file, in order, as many in `scores` as in `pairs`. counts: what else was met, by name: of lists,
    `additional_too_long`, values of additional columns that were left out."""

    pairs: pa.Table
    scores: pa.Table | None
    counts: Mapping[str, int] = field(default_factory=dict)


def spans(path: Path, format: str, *, rows: int = SPAN_ROWS) -> list[range | None]:
    """What of a list can be read on its own: ranges of parquet row groups; [None], the whole file, for all others."""
    if format != "parquet":
        return [None]
    found: list[range | None] = []
    start = held = 0
    sizes = row_groups(path)
    for number, size in enumerate(sizes):
        if held and held + size > rows:
            found.append(range(start, number))
            start, held = number, 0
        held += size
    found.append(range(start, len(sizes)))
    return found


def first_row(path: Path, span: range | None) -> int:
    """Number of a span's first row in its file."""
    return sum(row_groups(path)[: span.start]) if span else 0


def parts(
    path: Path, format: str, columns: Columns, *, name: str, span: range | None = None, rows: int | None = None
) -> Iterator[Part]:
    """The rows of a list (as `lists.opened` described it), or of one of its spans, `rows` in each part but the last.

    rows: PART_ROWS where not given. name: what `source_file` says. Raises SourceError where a damage is met. Gives one
    empty part for no rows.
    """
    rows = rows or PART_ROWS
    held: list[Part] = []
    count = 0
    yielded = False
    for batch in _batches(path, format, columns, name, span):
        while count + len(batch.pairs) >= rows:
            wanted = rows - count
            yield _joined([*held, _sliced(batch, 0, wanted)])
            yielded = True
            held, count = [], 0
            batch = _sliced(batch, wanted, len(batch.pairs) - wanted)
        if len(batch.pairs):
            held.append(batch)
            count += len(batch.pairs)
    if held or not yielded:
        yield _joined(held) if held else _empty(columns)


def _batches(path: Path, format: str, columns: Columns, name: str, span: range | None) -> Iterator[Part]:
    start = first_row(path, span)
    if format == "parquet":
        groups = list(span) if span is not None else None
        for batch in parquet_batches(path, columns.names, size=_BATCH, groups=groups):
            yield part_of(batch, columns, name=name, first=start)
            start += len(batch)
        return
    at: int | None = 0
    if format in DELIMITERS:
        with open_text(path) as file:
            if columns.headed:
                places, width = header_places(file, columns, DELIMITERS[format])
                file.seek(0)
                header = file.readline()
                fast = b'"' not in header and b"\r" not in header.removesuffix(b"\r\n")
            else:
                places, width, fast = [(each, number) for number, each in enumerate(columns.names)], 2, True
            if fast:
                wanted = [place for _, place in places]
                blocks = Blocks(file, DELIMITERS[format], width=width, places=wanted, quoted=columns.headed)
                for arrays in blocks:
                    found = dict(zip(columns.names, arrays, strict=True))
                    made = judged(found, columns, name=name, first=start)
                    if made is None:
                        break
                    yield made
                    start += len(made.pairs)
                at = blocks.at
    if at is None:
        return
    given = values(path, format, columns, at=at if start else 0)
    while listed := [each for _, each in zip(range(_BATCH), given, strict=False)]:
        yield _careful(iter(listed), columns, name, start, None)
        start += len(listed)


def part_of(batch: pa.RecordBatch, columns: Columns, *, name: str, first: int) -> Part:
    """A batch of a parquet list as a part. first: number of its first row."""
    found = {each: batch.column(each) for each in columns.names}
    made = judged(found, columns, name=name, first=first)
    return _careful(batch_rows(batch, columns.names), columns, name, first, found) if made is None else made


def judged(found: Mapping[str, pa.Array], columns: Columns, *, name: str, first: int) -> Part | None:
    """Columns of a batch as a part; None where some text is none. first: number of its first row."""
    url = list_values.words(found[columns.url])
    text = list_values.words(found[columns.text]) if columns.text else pa.nulls(len(found[columns.url]), pa.string())
    if url is None or text is None:
        return None
    text = pc.fill_null(text, "")
    plain = pc.and_(pc.match_substring_regex(url, PLAIN), pc.less_equal(pc.binary_length(url), _PLAIN_BYTES))
    plain = pc.fill_null(plain, False)
    reason = pa.nulls(len(url), pa.string())
    if not pc.all(plain, min_count=0).as_py():
        others = pc.invert(plain)
        asked = url.filter(others).to_pylist()
        reasons = [_reason(each) for each in asked]
        cut = [each if why is None else (each or "")[:MAX_URL] for each, why in zip(asked, reasons, strict=True)]
        reason = pc.replace_with_mask(reason, others, pa.array(reasons, pa.string()))
        url = pc.replace_with_mask(url, others, pa.array(cut, pa.string()))
    most = pc.max(pc.binary_length(text)).as_py() or 0
    if most > MAX_TEXT:
        long = pc.greater(pc.utf8_length(text), MAX_TEXT)
        # A row with both has the reason of its URL.
        reason = pc.if_else(pc.and_(long, pc.is_null(reason)), TEXT_TOO_LONG, reason)
        text = pc.if_else(long, pc.utf8_slice_codeunits(text, 0, MAX_TEXT), text)
    kept = {asked: found[theirs] for asked, theirs in columns.keep}
    return _part(url, text, reason, found, columns, kept, name=name, first=first)


def _reason(url: str | None) -> str | None:
    if url is None or not url or url.isspace():
        return EMPTY_URL
    return requestable(url)[1]


def _careful(
    given: Iterator[Values], columns: Columns, name: str, first: int, found: Mapping[str, pa.Array] | None
) -> Part:
    """A batch by the careful reader. found: its columns, where there are any."""
    listed = list(given)
    rows: list[ListRow] = [list_row(first + number, each, columns) for number, each in enumerate(listed)]
    if found is None:
        kept: dict[str, additional.Values] = {
            asked: [row.get(theirs) if row else None for row in listed] for asked, theirs in columns.keep
        }
        wanted = {columns.uid, *columns.more.values(), *columns.scores.values()} - {None}
        found = {
            each: pa.array([_text(row.get(each)) if row else None for row in listed], pa.string())
            for each in wanted
            if each is not None
        }
    else:
        kept = {asked: found[theirs] for asked, theirs in columns.keep}
    url = pa.array([row.url for row in rows], pa.string())
    text = pa.array([row.text or "" for row in rows], pa.string())
    reason = pa.array([row.reason for row in rows], pa.string())
    return _part(url, text, reason, found, columns, kept, name=name, first=first)


def _text(value: Any) -> str | None:
    """A value of a text list as text; what is no single value is none."""
    if value is None or isinstance(value, bool | dict | list):
        return None
    try:
        return list_values.name(value)
    except ValueError:  # a whole number of thousands of digits
        return None


def _part(
    url: pa.Array,
    text: pa.Array,
    reason: pa.Array,
    found: Mapping[str, pa.Array],
    columns: Columns,
    kept: Mapping[str, additional.Values],
    *,
    name: str,
    first: int,
) -> Part:
    size = len(url)
    made: dict[str, pa.Array] = {
        "url": url,
        "alt_text": text,
        "reason": reason,
        "source_kind": pa.repeat(pa.scalar("list"), size),
        "source_file": pa.repeat(pa.scalar(name), size),
        "record_offset": pa.array(np.arange(first, first + size)),
    }
    if columns.uid is not None:
        made["given_uid"] = list_values.names(found[columns.uid])
    more = columns.more
    for side in ("width", "height"):
        if side in more:
            made[side] = list_values.pixels(found[more[side]])
    if "licence" in more:
        made["licence"] = list_values.tags(found[more["licence"]])
        here = pc.is_valid(made["licence"])
        made["licence_scope"] = pc.if_else(here, pa.scalar("list"), pa.scalar(None, pa.string()))
    if "language" in more:
        made["language"], made["language_split"] = list_values.languages(found[more["language"]])
    if "page_url" in more:
        made["page_url"] = list_values.links(found[more["page_url"]])
    lost = 0
    if kept:
        made["additional"], lost = additional.objects(kept)
    scores: dict[str, pa.Array] = {}
    for column, theirs in columns.scores.items():
        scores[column] = (list_values.tags if column == "nsfw" else list_values.numbers)(found[theirs])
    return Part(
        _table(made, "extracted", size),
        _table(scores, "extracted-scores", size) if scores else None,
        {"additional_too_long": lost} if lost else {},
    )


def _table(made: Mapping[str, pa.Array], name: str, size: int) -> pa.Table:
    wanted = schema.table(name).arrow()
    arrays = [made[each.name] if each.name in made else pa.nulls(size, each.type) for each in wanted]
    return pa.Table.from_arrays(arrays, schema=wanted)


def _sliced(part: Part, start: int, size: int) -> Part:
    scores = None if part.scores is None else part.scores.slice(start, size)
    return Part(part.pairs.slice(start, size), scores, part.counts if start == 0 else {})


def _joined(held: Sequence[Part]) -> Part:
    scores = [each.scores for each in held if each.scores is not None]
    return Part(
        pa.concat_tables([each.pairs for each in held]).combine_chunks(),
        pa.concat_tables(scores).combine_chunks() if scores else None,
        sum((Counter(each.counts) for each in held), Counter()),
    )


def _empty(columns: Columns) -> Part:
    return Part(_table({}, "extracted", 0), _table({}, "extracted-scores", 0) if columns.scores else None)
