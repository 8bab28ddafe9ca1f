"""Keeps markup from being deeper, and its tags from being richer, than a parser can bear.

    shallow(b"<div>" * 100_000 + b"<img src=a>")        b" " * 100_000 + b"<img src=a>"

Every HTML parser looks through its open elements at many tags, and some markup (`<b id=1><b id=2>…`) is copied into
each following block: 100,000 unclosed tags cost 10 s, a million an hour or all memory. Browsers stop nesting at 512.
Here a page that may nest deeper than MAX_DEPTH loses all tags but those that carry what is looked for, which cannot
nest: images, links and metadata keep their places and words. Likewise each attribute is compared with those before
it: where a page may have more than MANY_ATTRIBUTES, a tag with more than MAX_ATTRIBUTES loses them all.

Depth is estimated, never too low: a closing tag counts only if it closes the innermost open element, or one not far
from it without anything between that a parser would reopen. It is not even estimated where the number of tags bounds
the work: fewer than FEW; or fewer than MANY, if those that may be copied, times those they may be copied into, are at
most MAX_COPIES. What stays costs a parser at most 0.2 s and 200 MB for its depth, 3 s for its attributes.

Cost: 0.02 ms for 150 kB; 0.6 ms for a megabyte, 2 ms with MANY_ATTRIBUTES.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Characters = npt.NDArray[np.uint8]

MAX_DEPTH = 800
MAX_ATTRIBUTES = 1_000
MAX_COPIES = 2_000_000
FEW = 2_800  # half of them copied into the other half are MAX_COPIES
MANY = 10_000
MANY_ATTRIBUTES = 50_000
SHORT = 200_000  # no more than MANY_ATTRIBUTES have different names

_TAG = re.compile(rb"<(/?)([A-Za-z][^\s/>]*)")
_KEPT = rb"img|image|source|meta|link|base|html|title|a"
_OTHER = re.compile(rb"</?(?!(?:" + _KEPT + rb")[\s/>])[A-Za-z][^>]*>", re.IGNORECASE)
# A tag to its end, quoted values taken whole as a parser does; possessive, so that no character is tried twice.
_WHOLE = re.compile(rb"""<[A-Za-z][^>=]*+(?>=(?:"[^"]*"|'[^']*'|\s*"[^"]*"|\s*'[^']*')?+[^>=]*+)*+""")
_QUOTED = re.compile(rb"""=\s*(?:"[^"]*"|'[^']*')""")
_BREAK = re.compile(rb"[\s/]+")
# Never open, or closed by the next of their kind.
_FLAT = frozenset((
    b"area", b"base", b"br", b"col", b"embed", b"hr", b"img", b"input", b"image", b"link", b"meta", b"param", b"source",
    b"track", b"wbr", b"p", b"li", b"dt", b"dd", b"tr", b"td", b"th", b"tbody", b"thead", b"tfoot", b"option",
    b"optgroup", b"colgroup", b"rp", b"rt", b"html", b"head", b"body",
))  # fmt: skip
# Reopened in the next block if they are not closed themselves. Of <a> only one is open at a time.
_REOPENED = frozenset((
    b"a", b"b", b"big", b"code", b"em", b"font", b"i", b"nobr", b"s", b"small", b"strike", b"strong", b"tt", b"u",
))  # fmt: skip
_COPIED = re.compile(rb"<(?=[bcefinstuBCEFINSTU])(?i:b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)[\s/>]")
# Closing tags do not reach across these.
_WALLS = frozenset((
    b"applet", b"caption", b"marquee", b"object", b"table", b"template", b"svg", b"math", b"foreignobject", b"button",
    b"select",
))  # fmt: skip
_REACH = 4
_PIECE = 262_144


def shallow(page: bytes) -> bytes:
    """A page in UTF-8, or without what would make it deeper than MAX_DEPTH or give a tag over MAX_ATTRIBUTES."""
    if len(page) > SHORT and _attributes(page) > MANY_ATTRIBUTES:
        opening = [tag for tag in _WHOLE.findall(page) if len(tag) >= 2 * MAX_ATTRIBUTES]
        if any(map(_is_rich, opening)):
            page = _WHOLE.sub(_poorer, page)
    tags = _tags(page)
    if tags < FEW or (tags < MANY and len(_COPIED.findall(page)) * tags <= MAX_COPIES) or not _is_deep(page):
        return page
    # With a ">" at the end, no tag is looked for twice.
    end = page.rfind(b">") + 1
    return _OTHER.sub(b" ", page[:end]) + page[end:]


def _attributes(page: bytes) -> int:
    """How many there are at most: each stands behind white space, a slash or a closing quote."""
    found = quotes = 0
    for part in _pieces(page):
        blank = (part == ord(" ")) | (part - ord("\t") <= ord("\r") - ord("\t"))  # below a tab is above all
        found += int(np.count_nonzero(blank[:-1] > blank[1:]) + 1 + np.count_nonzero(part == ord("/")))
        quotes += int(np.count_nonzero(part == ord('"')) + np.count_nonzero(part == ord("'")))
    return found + quotes // 2


def _tags(page: bytes) -> int:
    """How many open, at most."""
    characters = np.frombuffer(page, np.uint8)
    starts = characters == ord("<")
    tags = int(np.count_nonzero(starts))
    return tags if tags < FEW else tags - int(np.count_nonzero(starts[:-1] & (characters[1:] == ord("/"))))


def _pieces(page: bytes) -> Iterator[Characters]:
    """In pieces that stay in a processor's cache."""
    characters = np.frombuffer(page, np.uint8)
    for start in range(0, len(page), _PIECE):
        yield characters[start : start + _PIECE]


def _is_rich(tag: bytes) -> bool:
    return len(tag) >= 2 * MAX_ATTRIBUTES and len(_parts(tag)) > MAX_ATTRIBUTES + 1


def _poorer(tag: re.Match[bytes]) -> bytes:
    return _parts(tag[0])[0] if _is_rich(tag[0]) else tag[0]


def _parts(tag: bytes) -> list[bytes]:
    return _BREAK.split(_QUOTED.sub(b" ", tag), MAX_ATTRIBUTES + 1)


def _is_deep(page: bytes) -> bool:
    stack: list[bytes] = []
    for closing, name in _TAG.findall(page):
        name = name.lower()
        if name in _FLAT:
            continue
        if not closing:
            stack.append(name)
            if len(stack) > MAX_DEPTH:
                return True
        elif stack and stack[-1] == name:
            stack.pop()
        else:
            for back in range(2, min(_REACH, len(stack)) + 1):
                between = stack[1 - back]
                if between in _REOPENED or between in _WALLS:
                    break
                if stack[-back] == name:
                    del stack[-back:]
                    break
    return False
