"""URL lists: parquet, csv, tsv, txt and jsonl files, the text ones also as .gz, and folders of captioned images.

    for row in rows(Path("laion/part-00000.parquet")):
        row.url, row.text, row.reason            ("https://example.com/a.jpg", "a cat", None)

Every line (of parquet: every row) gives one ListRow, kept or rejected with one of REASONS, in the order of the file.
Columns are found by name in any case, as LAION (URL, TEXT), DataComp (url, text, uid) and img2dataset (url, caption)
write them. A txt file is one URL a line, commas and all. URLs stay as found: what can be repaired is repaired when they
are requested.

Cost: 330,000 rows/s of csv, 380,000 of parquet, 270,000 of jsonl; memory for one batch of rows. Not for: lists that
lie behind a URL (download them first), Excel files, JSON arrays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlcorpus.errors import SourceError, UsageError
from vlcorpus.net.url import BAD_SCHEME, BAD_URL, requestable
from vlcorpus.web.columns import Columns, find_columns
from vlcorpus.web.folder import IMAGE_SUFFIXES, FolderPair, folder_pairs
from vlcorpus.web.lines import lines, readable, separated
from vlcorpus.web.list_files import FORMATS, format_of, open_parquet, open_text, parquet_rows

__all__ = ["FORMATS", "REASONS", "FolderPair", "ListRow", "check", "folder_pairs", "list_files", "rows"]

EMPTY_URL = "empty_url"  # no URL, or a blank one
BAD_ROW = "bad_row"  # not a row of the format, or a value that is no text
TEXT_TOO_LONG = "text_too_long"  # more than MAX_TEXT characters; text is their beginning
BAD_ENCODING = "bad_encoding"  # not UTF-8; what could not be read is U+FFFD
REASONS = (EMPTY_URL, BAD_URL, BAD_SCHEME, BAD_ROW, TEXT_TOO_LONG, BAD_ENCODING)

MAX_TEXT = 10_000
_MAX_URL = 8_192
_MAX_FIELDS = 10_000
_PREVIEW = 100  # rows of jsonl whose keys are its columns
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:/")


@dataclass(frozen=True, slots=True)
class ListRow:
    """offset: number of the row in its file, from 0, a header not counted. url: as found. text: None where the list
    has none. uid: the list's own, as text. extra: the columns asked for by `keep`.
    """

    offset: int
    url: str
    text: str | None
    uid: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    reason: str | None = None


def list_files(path: Path) -> list[Path]:
    """The lists in a folder, by name; none if there is an image in it, which makes it a captioned folder."""
    found: list[Path] = []
    for each in sorted(path.rglob("*")):
        if each.suffix.lower() in IMAGE_SUFFIXES:
            return []
        hidden = any(part.startswith((".", "_")) for part in each.relative_to(path).parts)
        if not hidden and format_of(each) is not None and each.is_file():
            found.append(each)
    return found


def check(
    path: Path,
    *,
    format: str | None = None,
    url_column: str | None = None,
    text_column: str | None = None,
    keep: tuple[str, ...] = (),
) -> None:
    """Raises what `rows` would raise before its first row."""
    _opened(path, format, url_column, text_column, keep)


def rows(
    path: Path,
    *,
    format: str | None = None,
    url_column: str | None = None,
    text_column: str | None = None,
    keep: tuple[str, ...] = (),
) -> Iterator[ListRow]:
    """The rows of a list.

    format: one of FORMATS; by the file's suffix where not given. url_column, text_column: found by name where not
    given; text_column="" is for lists without texts. keep: further columns to bring along.
    Raises SourceError for a file that is not there or not what it should be, and UsageError for columns that it has
    not, before the first row; and SourceError where a damage of parquet or gzip is met later.
    """
    format, columns = _opened(path, format, url_column, text_column, keep)
    values: Iterator[Values]
    if format == "parquet":
        values = iter(parquet_rows(path, columns.names))
    elif format == "txt":
        values = _plain_values(path)
    elif format == "jsonl":
        values = _json_values(path, columns.names)
    else:
        values = _separated_values(path, columns, "\t" if format == "tsv" else ",")
    return (_row(offset, value, columns) for offset, value in enumerate(values))


def _opened(
    path: Path, format: str | None, url_column: str | None, text_column: str | None, keep: tuple[str, ...]
) -> tuple[str, Columns]:
    if _SCHEME.match(str(path)):
        raise UsageError(f"{path} is a URL, not a list", "download the list first and give the file")
    if format is not None and format not in FORMATS:
        raise UsageError(f"no list has the format {format!r}", f"formats: {', '.join(FORMATS)}")
    if path.is_dir():
        raise SourceError(f"{path} is a folder, not a list", "give the list files inside it")
    try:
        if path.stat().st_size == 0:
            raise SourceError(f"{path} is empty", "give a list with at least one row")
    except FileNotFoundError:
        raise SourceError(f"{path} does not exist", f"give a list: {', '.join(FORMATS)}") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    format = format or format_of(path)
    if format is None:
        raise SourceError(
            f"{path}: {path.suffix or 'no suffix'} does not tell what it is", f"formats: {', '.join(FORMATS)}"
        )
    if format == "txt":
        if url_column or text_column or keep:
            raise UsageError(f"{path} is a txt list, which has no columns", "leave out the column names")
        with open_text(path):
            return format, Columns(("url",), "url", None, None, ())
    names, kinds = _names(path, format)
    return format, find_columns(path, names, kinds, url_column, text_column, keep)


def _names(path: Path, format: str) -> tuple[Sequence[str], dict[str, str]]:
    """The names of all columns, and what is in those that hold no text (parquet only)."""
    if format == "parquet":
        return open_parquet(path)
    with open_text(path) as file:
        if format == "jsonl":
            found: dict[str, None] = {}
            for _, line in zip(range(_PREVIEW), lines(file), strict=False):
                found |= dict.fromkeys(_object(line) or {})
            if not found:
                raise SourceError(f"{path} holds no JSON objects", 'one object a line: {"url": ..., "text": ...}')
            return tuple(found), {}
        header = next(separated(lines(file), "\t" if format == "tsv" else ","), None)
    if not header:
        raise SourceError(f"{path} has no line of column names", "begin it with a line such as url,caption")
    return [name.strip() for name in header[:_MAX_FIELDS]], {}


# What a row's values are, by column name; or the reason why they are not.
Values = dict[str, Any] | None


def _plain_values(path: Path) -> Iterator[Values]:
    with open_text(path) as file:
        for line in lines(file):
            yield None if line is None else {"url": line.rstrip("\r\n")}


def _separated_values(path: Path, columns: Columns, delimiter: str) -> Iterator[Values]:
    with open_text(path) as file:
        found = separated(lines(file), delimiter)
        header = [name.strip() for name in next(found, None) or []]
        places = [(name, header.index(name)) for name in columns.names]
        least = 1 + max(place for _, place in places if place >= 0)
        for row in found:
            if row is None or not least <= len(row) <= _MAX_FIELDS:
                yield {} if row == [] else None
            else:
                yield {name: row[place] for name, place in places}


def _json_values(path: Path, names: Sequence[str]) -> Iterator[Values]:
    with open_text(path) as file:
        for line in lines(file):
            values = {} if line is not None and not line.strip() else _object(line)
            yield None if values is None else {name: values.get(name) for name in names}


def _object(line: str | None) -> dict[str, Any] | None:
    try:
        found = json.loads(line) if line is not None else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _row(offset: int, values: Values, columns: Columns) -> ListRow:
    if values is None:
        return ListRow(offset, "", None, reason=BAD_ROW)
    url, text = values.get(columns.url), values.get(columns.text) if columns.text else None
    uid = values.get(columns.uid) if columns.uid else None
    if isinstance(text, int | float) and not isinstance(text, bool):
        text = str(text)  # a caption such as 1984
    extra = {name: values.get(name) for name in columns.keep}
    if not isinstance(url, str | None) or not isinstance(text, str | None):
        return ListRow(offset, "", None, reason=BAD_ROW, extra=extra)
    url = url or ""
    reason = None
    clear = readable(url), None if text is None else readable(text)
    if clear != (url, text):
        reason = BAD_ENCODING
        url, text = clear
    elif not url or url.isspace():
        reason = EMPTY_URL
    else:
        _, reason = requestable(url)
    if text is not None and len(text) > MAX_TEXT:
        reason, text = reason or TEXT_TOO_LONG, text[:MAX_TEXT]
    url = url if reason is None else url[:_MAX_URL]
    return ListRow(offset, url, text, None if uid in (None, "") else readable(str(uid)), extra, reason)
