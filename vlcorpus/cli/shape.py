"""Values made fit for a terminal or for JSON.

cell(b"\\x01" * 16)          "01010101…": bytes as hex, numbers short, texts cleaned and cut
shorten("long text", 6)      "long …", counting wide characters as two
plain(dataclass)             what json.dumps takes: no bytes, no NaN, no paths
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import math
import os
import shutil
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from . import output

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


def plain(value: Any) -> Any:
    """`value` as JSON values: dataclasses as objects, bytes as hex, what is not finite as null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value) if each.repr}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(each) for each in value]
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def when(seconds: float) -> str:
    """Seconds since 1970 as a time for people, in UTC."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
