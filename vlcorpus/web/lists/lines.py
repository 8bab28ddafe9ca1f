"""Lines and CSV rows of files that may be hostile: nothing is longer than it may be, and no line is lost.

    for line in lines(file):                     "a,b\\n", "c,d\\n", None for a line of more than MAX_LINE bytes
    for row in separated(lines(file), ","):      ["a", "b"], ["c", "d"], None for a line that is in no row

Bytes that are not UTF-8 become lone surrogates (`surrogateescape`), for the caller to see. A quote that is never closed
would take the rest of the file into its field: a row of more than MAX_ROW_LINES lines or MAX_LINE characters is given
up, its first line is the None, and reading goes on at its second. Cost: about 1 microsecond a line.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

MAX_LINE = 1_000_000
MAX_ROW_LINES = 200

# csv's own limit is one for the whole interpreter; fields up to it are read, rows with longer ones are given up.
_SKIP = 1 << 20


_LONE = re.compile("[\ud800-\udfff]")


def readable(text: str) -> str:
    """The text with U+FFFD for each lone surrogate: the same text if it is Unicode."""
    return text if text.isascii() else _LONE.sub("\ufffd", text)


def lines(file: BinaryIO, *, first: bool = True) -> Iterator[str | None]:
    """The lines of a binary file with their ends; None for each that is too long. first: whether the file is at its
    beginning, where a byte order mark is no part of the line."""
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = file.readline(_SKIP)
            yield None
        else:
            yield line.decode("utf-8-sig" if first else "utf-8", "surrogateescape")
        first = False


class _Unclosed(Exception):
    """A row is longer than it may be."""


class _Feed:
    """Hands lines to a csv reader, and can take them back."""

    def __init__(self, source: Iterator[str | None]) -> None:
        self._source = source
        self._returned: deque[str | None] = deque()
        self.row: list[str] = []
        self.ended = False

    def __iter__(self) -> _Feed:
        return self

    def __next__(self) -> str:
        if len(self.row) >= MAX_ROW_LINES or (len(self.row) > 1 and sum(map(len, self.row)) > MAX_LINE):
            raise _Unclosed
        try:
            line = self._returned.popleft() if self._returned else next(self._source)
        except StopIteration:
            self.ended = True
            raise
        if line is None:
            self._returned.appendleft(None)
            raise _Unclosed
        self.row.append(line)
        return line

    def give_up(self) -> None:
        """Drop the first line of the row under way and take back the others."""
        if self.row:
            self._returned.extendleft(reversed(self.row[1:]))
        else:
            self._returned.popleft()  # the line that was too long
        self.row = []
        self.ended = False


def separated(source: Iterator[str | None], delimiter: str) -> Iterator[list[str] | None]:
    """The rows of CSV lines, [] for an empty line, None for a line that cannot be in a row."""
    feed = _Feed(source)
    reader = csv.reader(feed, delimiter=delimiter)
    while True:
        try:
            row = next(reader)
            if len(feed.row) > 1 and feed.ended and not _is_closed(feed.row, delimiter):
                raise _Unclosed
        except StopIteration:
            return
        except (_Unclosed, csv.Error):
            feed.give_up()
            reader = csv.reader(feed, delimiter=delimiter)
            yield None
            continue
        feed.row = []
        yield row


def _is_closed(row: list[str], delimiter: str) -> bool:
    """Whether the quotes of the file's last row are closed."""
    try:
        return len(list(csv.reader(iter(row), delimiter=delimiter, strict=True))) == 1
    except csv.Error:
        return False
