"""The same sample as a sheet: sample.csv, whose column `label` is filled in, and a folder of pictures.

    sheet([Shown("00c1e2…", "a dog on a lawn", "en", jpeg)])     -> "number,uid,picture,words,language,label\\r\\n1,…"

Words that a spreadsheet would take for a formula have an apostrophe before them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from vlcorpus.audit.page import Shown

COLUMNS = ("number", "uid", "picture", "words", "language", "label")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def picture_name(number: int, total: int) -> str:
    """images/0001.jpg: the picture of the pair with this number, from 1."""
    return f"images/{number:0{max(4, len(str(total)))}d}.jpg"


def sheet(pairs: Sequence[Shown]) -> str:
    """The text of sample.csv; write it as UTF-8 with a mark, so that spreadsheets read it as such."""
    out = io.StringIO(newline="")
    rows = csv.writer(out)
    rows.writerow(COLUMNS)
    for number, pair in enumerate(pairs, start=1):
        name = picture_name(number, len(pairs)) if pair.picture else ""
        rows.writerow([number, pair.uid, name, _plain(pair.words), _plain(pair.language or ""), ""])
    return out.getvalue()


def _plain(text: str) -> str:
    return "'" + text if text.startswith(_FORMULA) else text
