"""Lists of files, one path or address a line, from strangers as from oneself.

    with opened(Path("wat.paths.gz")) as file:
        for number, line in lines(file, "wat.paths.gz"):
            ...                                     1, "crawl-data/CC-MAIN-2024-22/segments/…/….warc.wat.gz"

Blank lines and those that begin with # name nothing. A list is read whole or not at all: a line that is too long, holds
NULs or is not UTF-8, a list that is too large, or a broken gzip, ends it with a SourceError that names the line.

Cost: 1 microsecond a line. Not for: lists of images (lists.py).
"""

from __future__ import annotations

import contextlib
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from vlcorpus.errors import SourceError

MAX_LINE = 8_192  # bytes
MAX_LINES = 2_000_000
MAX_PACKED = 100_000_000  # bytes of a list that is fetched; Common Crawl's have 0.2 to 1 MB

_GZIP = b"\x1f\x8b"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@contextlib.contextmanager
def opened(source: Path | bytes, shown: str) -> Iterator[BinaryIO]:
    """The bytes of a list, unpacked if they are gzip. SourceError where they cannot be read, then or later."""
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            with gzip.open(raw) if packed else contextlib.nullcontext(raw) as file:
                yield cast(BinaryIO, file)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{shown} is damaged: {error}", "fetch it again") from error
    except OSError as error:
        raise SourceError(f"{shown} cannot be read: {error.strerror or error}", "give a file you may read") from error


def lines(file: BinaryIO, shown: str) -> Iterator[tuple[int, str]]:
    """(number from 1, text without white space around it) of each line that names something."""
    hint = "a list has one path or address a line"
    number = 0
    while raw := file.readline(MAX_LINE + 2):
        number += 1
        where = f"line {number} of {shown}"
        if number > MAX_LINES:
            raise SourceError(f"{shown} has more than {MAX_LINES:,} lines", "split it, or draw from it")
        if len(raw.rstrip(b"\r\n")) > MAX_LINE:
            raise SourceError(f"{where} has more than {MAX_LINE:,} bytes", hint)
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            raise SourceError(f"{where} is not UTF-8", hint) from None
        if _CONTROL.search(line):
            raise SourceError(f"{where} holds control characters", hint)
        if line and not line.startswith("#"):
            yield number, line
