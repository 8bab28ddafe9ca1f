"""The only place that prints. Results go to stdout, everything else to stderr.

Text from the web is shown with control, ANSI and bidirectional characters made visible: `clean`.
"""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..errors import VlcorpusError

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def clean(text: object, *, most: int | None = None) -> str:
    """Text for a terminal: nothing that moves the cursor, colours, reorders or hides."""
    shown = _escaped(str(text), "\\u{:04x}".format)
    if most is not None and len(shown) > most:
        return shown[: most - 1] + "…"
    return shown


def _escaped(text: str, escape: Callable[[int], str]) -> str:
    if text.isprintable():
        return text
    return "".join(
        character if unicodedata.category(character) not in _HIDDEN else escape(ord(character)) for character in text
    )


def _lines(text: str) -> str:
    return "\n".join(clean(line) for line in text.split("\n"))


def say(text: str = "") -> None:
    """A line of the result, or several."""
    print(_lines(text), file=sys.stdout, flush=True)


def note(text: str) -> None:
    """A line beside the result, or several."""
    print(_lines(text), file=sys.stderr, flush=True)


def say_json(value: Any) -> None:
    """The result as JSON, one document; what a terminal would obey is written as \\uNNNN."""
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(value, indent=2, ensure_ascii=not unicode, default=str)
    print("\n".join(_escaped(line, _json_escape) for line in text.split("\n")), file=sys.stdout, flush=True)


def _json_escape(number: int) -> str:
    return json.dumps(chr(number), ensure_ascii=True)[1:-1] if number != 0x7F else "\\u007f"


def refuse(error: VlcorpusError) -> None:
    """`error: what (where)` and `hint: what to type`."""
    note(f"error: {clean(error.message)}")
    note(f"hint: {clean(error.hint or 'see `vlcorpus --help`')}")


def is_tty() -> bool:
    """Whether progress may redraw its line."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def redraw(text: str) -> None:
    """Put a line on the terminal in the place of the last one."""
    sys.stderr.write(f"\r\x1b[K{clean(text)}")
    sys.stderr.flush()


def table(heads: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Iterable[int] = ()) -> None:
    """A plain table on stdout; columns in `numbers` stand to the right."""
    right = set(numbers)
    cells = [[clean(cell) for cell in row] for row in rows]
    widths = [max(len(head), *(len(row[place]) for row in cells), 0) for place, head in enumerate(heads)]
    for row in [[clean(head) for head in heads], *cells]:
        aligned = [
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        say("  ".join(aligned).rstrip())


def count(number: int) -> str:
    """1234567 as 1,234,567."""
    return f"{number:,}"


def size(number: float) -> str:
    """Bytes for people."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
