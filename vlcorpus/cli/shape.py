"""Values made fit for a terminal or for JSON.

cell(b"\\x01" * 16)          "01010101…": bytes as hex, numbers short, texts cleaned and cut
shorten("long text", 6)      "long …", counting wide characters as two
"""

from __future__ import annotations

import datetime
import json
import os
import shutil
import sys
import unicodedata

from ..views.plain import plain
from . import output

__all__ = ["cell", "plain", "shorten", "when", "width"]

WIDE = 1_000_000


def width() -> int:
    """Columns of the terminal (or COLUMNS); a pipe has as many as it likes."""
    if "COLUMNS" in os.environ or sys.stdout.isatty():
        return max(40, shutil.get_terminal_size((100, 24)).columns)
    return WIDE


def shorten(text: object, most: int) -> str:
    """Cleaned text in at most `most` columns."""
    room, kept = most, list[str]()
    shown = output.clean(text, most=4 * most + 16)
    for place, character in enumerate(shown):
        room -= 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if room < 1 and place < len(shown) - 1:
            return "".join(kept) + "…"
        kept.append(character)
    return shown


def cell(value: object, most: int = WIDE) -> str:
    """A value of a table for people."""
    if value is None:
        return "null"
    if isinstance(value, bytes):
        shown = value[:32].hex()
        return shown if len(value) <= 32 else f"{shown}… ({len(value):,} bytes)"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, list | dict):
        return shorten(json.dumps(plain(value), ensure_ascii=False), most)
    return shorten(value, most)


def when(seconds: float) -> str:
    """Seconds since 1970 as a time for people, in UTC."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
