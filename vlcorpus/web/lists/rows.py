"""URL lists: parquet, csv, tsv, txt and jsonl files, the text ones also as .gz, and folders of captioned images.

    for row in rows(Path("laion/part-00000.parquet")):
        row.url, row.text, row.reason            ("https://example.com/a.jpg", "a cat", None)

Every line (of parquet: every row) gives one ListRow, kept or rejected with one of REASONS, in the order of the file.
Columns are found by name in any case, as LAION (URL, TEXT), DataComp (url, text, uid) and img2dataset (url, caption)
write them. A txt file is one URL a line, commas and all. URLs stay as found: what can be repaired is repaired when they
are requested.

Cost: 3 to 4 microseconds a row; memory for one batch of rows. list_parts.py gives the same rows as tables, faster. Not
for: lists that lie behind a URL (download them first), Excel files, JSON arrays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from vlcorpus.errors import SourceError, UsageError
from vlcorpus.net.url import BAD_SCHEME, BAD_URL, requestable
from vlcorpus.web.folders.folder import IMAGE_SUFFIXES, FolderPair, folder_pairs
from vlcorpus.web.lists import values as list_values
from vlcorpus.web.lists.columns import Columns, find_columns, without_header
from vlcorpus.web.lists.files import FORMATS, format_of, open_parquet, open_text, parquet_rows
from vlcorpus.web.lists.lines import lines, readable, separated

__all__ = ["FORMATS", "REASONS", "FolderPair", "ListRow", "check", "folder_pairs", "list_files", "rows"]

EMPTY_URL = "empty_url"  # no URL, or a blank one
BAD_ROW = "bad_row"  # not a row of the format, or a value that is no text
TEXT_TOO_LONG = "text_too_long"  # more than MAX_TEXT characters; text is their beginning
BAD_ENCODING = "bad_encoding"  # not UTF-8; what could not be read is U+FFFD
REASONS = (EMPTY_URL, BAD_URL, BAD_SCHEME, BAD_ROW, TEXT_TOO_LONG, BAD_ENCODING)

MAX_TEXT = 10_000
MAX_URL = 8_192
DELIMITERS = {"csv": ",", "tsv": "\t"}
_MAX_FIELDS = 10_000
# What a row's values are, by column name; None where it is no row.
Values = dict[str, Any] | None
_PREVIEW = 100  # rows of jsonl whose keys are its columns
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:/")


@dataclass(frozen=True, slots=True)
class ListRow:
    """offset: number of the row in its file, from 0, a header not counted. url: as found. text: None where the list
    has none. uid: the list's own, as text. extra: the columns asked for by `keep`, under the names asked for.
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
    opened(path, format, url_column, text_column, keep)


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
    format, columns = opened(path, format, url_column, text_column, keep)
    return (list_row(offset, found, columns) for offset, found in enumerate(values(path, format, columns)))


def values(path: Path, format: str, columns: Columns, *, at: int = 0) -> Iterator[Values]:
    """What each row of an opened list holds by column name. at: byte of a line's start (text formats only)."""
    if format == "parquet":
        return iter(parquet_rows(path, columns.names))
    if format == "txt":
        return _plain_values(path)
    if format == "jsonl":
        return _json_values(path, columns.names)
    return _separated_values(path, columns, DELIMITERS[format], at)


def opened(
    path: Path, format: str | None, url_column: str | None, text_column: str | None, keep: tuple[str, ...]
) -> tuple[str, Columns]:
    """The format and the columns of a list; raises as `rows` does."""
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
    if format == "tsv" and not (url_column or text_column or keep):
        bare = without_header(names)
        if bare is not None:
            return format, bare
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


def _plain_values(path: Path) -> Iterator[Values]:
    with open_text(path) as file:
        for line in lines(file):
            yield None if line is None else {"url": line.rstrip("\r\n")}


def _separated_values(path: Path, columns: Columns, delimiter: str, at: int) -> Iterator[Values]:
    with open_text(path) as file:
        if not columns.headed:
            file.seek(at)
            yield from _bare_values(lines(file, first=at == 0), columns)
            return
        places, _ = header_places(file, columns, delimiter)
        file.seek(at)
        found = separated(lines(file, first=at == 0), delimiter)
        if at == 0:
            next(found, None)
        needed = {columns.url, columns.text}
        least = 1 + max(place for name, place in places if name in needed)
        for row in found:
            if row is None or not least <= len(row) <= _MAX_FIELDS:
                yield {} if row == [] else None
            else:
                yield {name: row[place] if place < len(row) else None for name, place in places}


def header_places(file: BinaryIO, columns: Columns, delimiter: str) -> tuple[list[tuple[str, int]], int]:
    """Where the wanted columns stand, and how many there are; reads the header from the file's beginning."""
    header = [name.strip() for name in next(separated(lines(file), delimiter), None) or []]
    return [(name, header.index(name)) for name in columns.names], len(header)


def _bare_values(found: Iterator[str | None], columns: Columns) -> Iterator[Values]:
    """Two fields a line, no quoting: a quote is a character as any other."""
    for line in found:
        fields = line.rstrip("\r\n").split("\t") if line is not None else []
        if len(fields) == 2:
            yield dict(zip(columns.names, fields, strict=True))
        else:
            yield {} if fields == [""] else None


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


def list_row(offset: int, values: Values, columns: Columns) -> ListRow:
    """A row, judged."""
    if values is None:
        return ListRow(offset, "", None, reason=BAD_ROW)
    url, text = values.get(columns.url), values.get(columns.text) if columns.text else None
    uid = values.get(columns.uid) if columns.uid else None
    if isinstance(text, int | float) and not isinstance(text, bool):
        text = str(text)  # a caption such as 1984
    extra = {asked: values.get(name) for asked, name in columns.keep}
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
    url = url if reason is None else url[:MAX_URL]
    return ListRow(offset, url, text, list_values.name(uid), extra, reason)
