"""The hits of a search as a file: a list that `download --from` and img2dataset read, or uids alone.

    write(Path("red.parquet"), hits)          uid, url, caption, similarity, key; also .jsonl and .csv
    write(Path("red.txt"), hits)              one uid a line

A file appears whole or not at all. In CSV a text that begins with = + - @ (or a tab or a line's end) gets a ' in front,
because spreadsheets would compute it.
"""

from __future__ import annotations

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError, nearest
from ..io.commit import TEMPORARY, explained

if TYPE_CHECKING:
    from .searching import Hit

COLUMNS = ("uid", "url", "caption", "similarity", "key")
_COMPUTED = ("=", "+", "-", "@", "\t", "\r", "\n")


def write(path: Path, hits: Sequence[Hit]) -> int:
    """Write the hits, without what is folded under them; how many were written. UsageError for an unknown ending, a
    folder, or uids of a folder that has none."""
    forms: dict[str, Callable[[Sequence[Hit]], bytes]] = {
        ".parquet": _parquet,
        ".jsonl": _jsonl,
        ".csv": _csv,
        ".txt": _uids,
    }
    form = forms.get(path.suffix.lower())
    if form is None:
        raise UsageError(f"{path.name} ends with none of {', '.join(forms)}", nearest(path.suffix.lower(), forms))
    if path.is_dir():
        raise UsageError(f"{path} is a folder", "name a file")
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", "make it, or name another")
    body = form(hits)
    with explained(path):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
        try:
            with open(handle, "wb") as file:
                file.write(body)
                os.fchmod(file.fileno(), 0o644)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    return len(hits)


def _parquet(hits: Sequence[Hit]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"similarity": pa.float32()}
    columns = [pa.array([getattr(each, name) for each in hits], types.get(name, pa.string())) for name in COLUMNS]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(dict(zip(COLUMNS, columns, strict=True))), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())


def _jsonl(hits: Sequence[Hit]) -> bytes:
    lines = (json.dumps({name: getattr(each, name) for name in COLUMNS}) for each in hits)
    return "".join(line + "\n" for line in lines).encode("ascii")


def _csv(hits: Sequence[Hit]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)  # a \r, too, stays in its cell
    writer.writerow(COLUMNS)
    for each in hits:
        writer.writerow([_cell(getattr(each, name)) for name in COLUMNS])
    return text.getvalue().encode("utf-8", "replace")


def _cell(value: object) -> object:
    return "'" + value if isinstance(value, str) and value.startswith(_COMPUTED) else value


def _uids(hits: Sequence[Hit]) -> bytes:
    if any(each.uid is None for each in hits):
        raise UsageError("these pairs have no uids", "write .parquet, .jsonl or .csv")
    return "".join(f"{each.uid}\n" for each in hits).encode()
