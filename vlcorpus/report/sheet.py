"""Rows as a CSV file that a spreadsheet opens without running anything.

    sheet(("arm", "mean"), [("=1+1", 0.5)])   -> b"arm,mean\\r\\n'=1+1,0.5\\r\\n"

Numbers are written in full and stay numbers; what is not a finite number is an empty cell. A text that a spreadsheet
would take for a formula gets an apostrophe before it, and what would hide or reorder it is written out.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from vlcorpus.report.markup import shown

FORMULA = "=+-@＝＋－＠"


def sheet(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """The file's bytes, UTF-8, in RFC 4180's form."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return out.getvalue().encode("utf-8")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else ""
    words = shown(str(value))
    return "'" + words if words.lstrip()[:1] and words.lstrip()[0] in FORMULA else words
