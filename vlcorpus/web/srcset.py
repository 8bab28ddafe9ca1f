"""The largest candidate of a srcset.

    largest(["a.jpg 1x, b.jpg 2x"])                          "b.jpg"
    largest(["s,1.jpg 300w, l,1.jpg 1200w", "m.webp 600w"])   "l,1.jpg"

Parsed as the HTML standard does ("parse a srcset attribute"): a URL ends at white space, or at commas before it, so
that commas inside URLs stay. Widths win over densities; the first of equals wins. At most MAX_CANDIDATES are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

MAX_CANDIDATES = 100

_CANDIDATE = re.compile(r"[\s,]*+(\S+)")
_DESCRIPTOR = re.compile(r"(\d{1,9}(?:\.\d{0,6})?)([wx])")


def largest(srcsets: Iterable[str]) -> str | None:
    """The URL, as written, of the widest candidate of all; None if there is none."""
    best: tuple[float, float] = (-1.0, -1.0)
    found: str | None = None
    for srcset in srcsets:
        for url, size in _candidates(srcset):
            if size > best:
                best, found = size, url
    return found


def _candidates(srcset: str) -> Iterator[tuple[str, tuple[float, float]]]:
    at = 0
    for _ in range(MAX_CANDIDATES):
        match = _CANDIDATE.match(srcset, at)
        if match is None:
            return
        url, at = match.group(1), match.end()
        bare = url.rstrip(",")
        if bare != url:
            yield bare, (0.0, 1.0)
            continue
        end = srcset.find(",", at)
        end = len(srcset) if end < 0 else end
        size = _DESCRIPTOR.search(srcset, at, end)
        if size is None:
            yield url, (0.0, 1.0)
        elif size.group(2) == "w":
            yield url, (float(size.group(1)), 0.0)
        else:
            yield url, (0.0, float(size.group(1)))
        at = end + 1
