"""Keeps markup from being deeper, and its tags from being richer, than a parser can bear.

    shallow("<div>" * 100_000 + "<img src=a>")        " " * 100_000 + "<img src=a>"

Every HTML parser looks through its open elements at many tags, and some markup (`<b id=1><b id=2>…`) is copied into
each following block: 100,000 unclosed tags cost 10 s, a million an hour or all memory. Browsers stop nesting at 512.
Here a page that may nest deeper than MAX_DEPTH loses all tags but those that carry what is looked for, which cannot
nest: images, links and metadata keep their places and words. Likewise each attribute is compared with those before
it: a tag with more than MAX_ATTRIBUTES loses them all.

Depth is estimated, never too low: a closing tag counts only if it closes the innermost open element, or one not far
from it without anything between that a parser would reopen. Cost: nothing for pages with fewer than FEW tags, else
about 0.4 microseconds a tag, and 0.2 ms for a page of more than SHORT characters.
"""

from __future__ import annotations

import re

MAX_DEPTH = 800
MAX_ATTRIBUTES = 1_000
FEW = 2_000
SHORT = 100_000

_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*)")
_KEPT = "img|image|source|meta|link|base|html|title|a"
_OTHER = re.compile(rf"</?(?!(?:{_KEPT})[\s/>])[A-Za-z][^>]*>", re.IGNORECASE)
# A tag to its end, quoted values taken whole as a parser does; possessive, so that no character is tried twice.
_WHOLE = re.compile(r"""<[A-Za-z](?>=\s*"[^"]*"|=\s*'[^']*'|[^>=]+|=)*+""")
_QUOTED = re.compile(r"""=\s*(?:"[^"]*"|'[^']*')""")
_BREAK = re.compile(r"[\s/]+")
# Never open, or closed by the next of their kind.
_FLAT = frozenset((
    "area", "base", "br", "col", "embed", "hr", "img", "image", "input", "link", "meta", "param", "source", "track",
    "wbr", "p", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead", "tfoot", "option", "optgroup", "colgroup",
    "rp", "rt", "html", "head", "body",
))  # fmt: skip
# Reopened in the next block if they are not closed themselves.
_REOPENED = frozenset((
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
))  # fmt: skip
# Closing tags do not reach across these.
_WALLS = frozenset((
    "applet", "caption", "marquee", "object", "table", "template", "svg", "math", "foreignobject", "button",
    "select",
))  # fmt: skip
_REACH = 4


def shallow(text: str) -> str:
    """`text` as it is, or without what would make it deeper than MAX_DEPTH or give a tag over MAX_ATTRIBUTES."""
    if len(text) > SHORT:
        text = _WHOLE.sub(_poorer, text)
    if text.count("<") - text.count("</") < FEW or not _is_deep(text):
        return text
    # With a ">" at the end, no tag is looked for twice.
    end = text.rfind(">") + 1
    return _OTHER.sub(" ", text[:end]) + text[end:]


def _poorer(tag: re.Match[str]) -> str:
    whole = tag.group()
    if len(whole) < 2 * MAX_ATTRIBUTES:
        return whole
    parts = _BREAK.split(_QUOTED.sub(" ", whole), MAX_ATTRIBUTES + 1)
    return parts[0] if len(parts) > MAX_ATTRIBUTES + 1 else whole


def _is_deep(text: str) -> bool:
    stack: list[str] = []
    for closing, name in _TAG.findall(text):
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
