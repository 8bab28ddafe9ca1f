"""Labels as a person wrote them: the page's file, or a sheet that was filled in.

    uid,label                                   good, bad or unsure (1, 2, 3 and g, b, u say the same), or nothing yet
    00c1e2…,good

    read_labels(path, uids)      -> int8 (N,), one for each uid: GOOD, BAD, UNSURE or NONE

Read strictly: a row that cannot be meant is an error that names its line. Other columns may stand beside these two;
commas, semicolons and tabs separate, as spreadsheets like it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vlcorpus.audit.verdict import BAD, GOOD, NONE, UNSURE, Labels
from vlcorpus.errors import SourceError

NAMES = {GOOD: "good", BAD: "bad", UNSURE: "unsure"}
_SAID = {"good": GOOD, "g": GOOD, "1": GOOD, "bad": BAD, "b": BAD, "2": BAD, "unsure": UNSURE, "u": UNSURE, "3": UNSURE}
_LARGEST = 256 * 1024 * 1024


def read_labels(path: Path, uids: Sequence[str]) -> Labels:
    """The labels of these uids (32 hex characters each), in their order. SourceError names the line that is wrong."""
    place = {uid: number for number, uid in enumerate(uids)}
    found = np.full(len(uids), NONE, dtype=np.int8)
    seen: dict[str, int] = {}
    lines = _lines(path)
    head = next(lines, None)
    if head is None:
        raise SourceError(f"{path} is empty", "export the labels from the page again")
    names = [name.strip().lower() for name in head[1]]
    for wanted in ("uid", "label"):
        if names.count(wanted) != 1:
            raise SourceError(f"{path} has no column {wanted!r} in its first line", "its first line is: uid,label")
    for line, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            raise SourceError(f"{path}, line {line}: {len(cells)} cells, and the first line has {len(names)}",
                              "mend the line")  # fmt: skip
        uid, said = (cells[names.index(name)].strip().lower() for name in ("uid", "label"))
        if uid not in place:
            raise SourceError(f"{path}, line {line}: {_shown(uid)} is no pair of this audit",
                              "give the labels of the same audit's page")  # fmt: skip
        if uid in seen:
            raise SourceError(f"{path}, lines {seen[uid]} and {line} are of the same pair {uid}", "remove one of them")
        if said and said not in _SAID:
            raise SourceError(f"{path}, line {line}: {_shown(said)} is no label", "write good, bad or unsure")
        seen[uid] = line
        found[place[uid]] = _SAID.get(said, NONE)
    if not np.any(found != NONE):
        raise SourceError(f"{path} has no labels yet", "label some pairs first")
    return found


def _shown(text: str) -> str:
    return repr(text[:40])


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of a file of labels."""
    try:
        if path.stat().st_size > _LARGEST:
            raise SourceError(f"{path} is too large for a file of labels", "name the file that the page exported")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}", "name the file that the page exported") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is no text in UTF-8", "save it as CSV in UTF-8") from error
    first = text.partition("\n")[0]
    separators = re.findall(r"[,;\t]", first)
    csv.field_size_limit(max(csv.field_size_limit(), 1 << 20))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separators[0] if separators else ",", strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SourceError(f"{path}, line {reader.line_num}: {error}", "save it as CSV again") from error
        yield reader.line_num, cells
