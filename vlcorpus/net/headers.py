"""The header lines of an answer, as pairs.

parsed([b"X-B: 1\\r\\n", b"x-a: 2\\r\\n", b" 3\\r\\n"])             (("x-b", "1"), ("x-a", "2 3"))
listed((("accept", "a, B"), ("accept", "c")), "accept")     ["a", "b", "c"]
"""

from __future__ import annotations

from collections.abc import Sequence

Headers = tuple[tuple[str, str], ...]


def parsed(lines: Sequence[bytes]) -> Headers:
    """(name in lower case, value) for each line, in their order; what has no colon is left out. Never raises."""
    pairs: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):  # a folded line goes on
            if pairs:
                pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]} {_text(line)}".strip())
            continue
        name, colon, value = line.partition(b":")
        if colon:
            pairs.append((_text(name).lower(), _text(value)))
    return tuple(pairs)


def first(headers: Headers, name: str) -> str | None:
    """The first value of a header, or None."""
    return next((value for key, value in headers if key == name), None)


def listed(headers: Headers, name: str) -> list[str]:
    """The members of a list that may be spread over several headers, in lower case."""
    values = ",".join(value for key, value in headers if key == name)
    return [one.strip().lower() for one in values.split(",") if one.strip()]


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip()
