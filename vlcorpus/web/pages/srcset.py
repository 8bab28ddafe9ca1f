"""The candidates of a srcset.

    candidates("a.jpg 1x, b.jpg 2x")                   [Candidate("a.jpg", None, 1.0), Candidate("b.jpg", None, 2.0)]
    candidates("s,1.jpg 300w, l,1.jpg 1200w")[1]       Candidate("l,1.jpg", 1200, 1.0)
    breakpoint_of("(min-width: 40em)")                 640: the screen from which on a <source> is meant

Parsed as the HTML standard does ("parse a srcset attribute"): a URL ends at white space, or at commas before it, so
that commas inside URLs stay. data: URLs and what holds braces or quotes (templates that a script would fill in) are no
candidates. At most MAX_CANDIDATES are looked at.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_CANDIDATES = 100
MAX_WIDTH = 100_000
MAX_SRCSET = 100_000

_MAX_URL = 8_192
_CANDIDATE = re.compile(r"[\s,]*+(\S++)")
_DESCRIPTOR = re.compile(r"(?<![\d.])(\d{1,9}(?:\.\d{0,6})?)([wx])")
_NO_URL = re.compile(r"[{}\"<>]|data:", re.IGNORECASE)
_LEAST = re.compile(r"(?:min-width\s*:|width\s*>=?)\s*(\d{1,6}(?:\.\d{1,6})?)\s*(px|r?em)?", re.IGNORECASE)
_MOST = re.compile(r"max-(?:device-)?width\s*:|width\s*<", re.IGNORECASE)
_EM = 16


class Candidate(NamedTuple):
    """url: as written. width: of the image in pixels, if declared, else its pixels per pixel of the layout."""

    url: str
    width: int | None
    density: float = 1.0


def candidates(srcset: str) -> list[Candidate]:
    """In the order written, of its first MAX_SRCSET characters."""
    found = _usual(srcset) if len(srcset) <= _MAX_URL else None
    return found if found is not None else _candidates(srcset[:MAX_SRCSET])


def _usual(srcset: str) -> list[Candidate] | None:
    """The same of what nearly all are: URLs with one size each, or one without."""
    if "{" in srcset or "}" in srcset or '"' in srcset or "<" in srcset or ">" in srcset or "data:" in srcset.lower():
        return None
    words = srcset.split(None, 2 * MAX_CANDIDATES)
    if len(words) == 1:
        return [Candidate(words[0], None)] if words[0][0] != "," and words[0][-1] != "," else None
    if len(words) % 2:
        return None
    if words and words[-1][-1] != ",":
        words[-1] += ","
    found = []
    for url, size in zip(words[::2], words[1::2], strict=True):
        number, kind = size[:-2], size[-2:]
        if url[0] == "," or url[-1] == "," or len(number) > 6 or not (number.isascii() and number.isdigit()):
            return None
        if kind == "w,":
            width = int(number)
            found.append(Candidate(url, width if 1 <= width <= MAX_WIDTH else None))
        elif kind == "x,":
            found.append(Candidate(url, None, float(number)))
        else:
            return None
    return found


def _candidates(srcset: str) -> list[Candidate]:
    """The same, one at a time."""
    found: list[Candidate] = []
    odd = _NO_URL.search(srcset) is not None
    at = 0
    for _ in range(MAX_CANDIDATES):
        match = _CANDIDATE.match(srcset, at)
        if match is None:
            break
        url, at = match[1], match.end()
        bare = url.rstrip(",") if url[-1] == "," else url
        width, density = None, 1.0
        if bare == url:
            end = srcset.find(",", at)
            end = len(srcset) if end < 0 else end
            size = _DESCRIPTOR.search(srcset, at, min(end, at + 1_000))
            at = end + 1
            if size is not None and size[2] == "x":
                density = float(size[1])
            elif size is not None:
                width = _width(size[1])
        if bare and len(bare) <= _MAX_URL and not (odd and _NO_URL.search(bare)):
            found.append(Candidate(bare, width, density))
    return found


def _width(size: str) -> int | None:
    width = int(float(size))
    return width if 1 <= width <= MAX_WIDTH else None


def breakpoint_of(media: str) -> int:
    """Least width in pixels of the screens that a media query is for; -1 if it is only for small ones, 0 if for all."""
    media = media[:1_000]
    least = _LEAST.search(media)
    if least is not None:
        return int(float(least[1]) * (1 if (least[2] or "px").lower() == "px" else _EM))
    return -1 if _MOST.search(media) else 0
