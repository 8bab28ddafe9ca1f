"""Path patterns as robots.txt has them (RFC 9309, 2.2.2 and 2.2.3); TDMRep and ai.txt took them over.

    path = comparable("https://example.com/a%7Eb/c.jpg?w=1")     "/a~b/c.jpg%3Fw=1"
    pattern("/a~b/*.jpg").matches(path)                          True: a pattern is a prefix, * any characters
    pattern("/*.jpg$").matches(path)                             False: $ is the end
    longest([(False, pattern("/")), (True, pattern("/a~b/"))], path)     (5, True): the longest decides, then Allow

An escape and its character are one, but for %2F, %25 and %2A, which are no separator, escape or star; so robots.py's
Protego compares, too. A pattern matches in time linear in the path. Cost: below a microsecond.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

MAX_CHARACTERS = 25_000  # a URL of 8,192 has no more, escaped

_PLAIN = re.compile(r"[A-Za-z0-9_.~/=*-]*")
# Escapes that stand for the character itself and not for its role.
_ROLES = re.compile(r"%(2f|25|2a)", re.IGNORECASE)
_ESCAPE = re.compile(r"(?:%[0-9A-Fa-f]{2})+")
_STARS = re.compile(r"\*+")


class Pattern(NamedTuple):
    """parts: what stands between the stars, in the spelling of `comparable`. length: of the pattern, characters."""

    parts: tuple[str, ...]
    at_end: bool
    length: int

    def matches(self, path: str) -> bool:
        """path: as `comparable` gave it."""
        first, *rest = self.parts
        if not path.startswith(first):
            return False
        if not rest:
            return not self.at_end or len(path) == len(first)
        at = len(first)
        last = rest.pop()
        for part in rest:
            found = path.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        if self.at_end:
            return len(path) - len(last) >= at and path.endswith(last)
        return path.find(last, at) >= 0

    @property
    def is_everything(self) -> bool:
        """Whether it matches any path."""
        return not self.at_end and self.parts[0] in ("", "/") and not any(self.parts[1:])


def pattern(text: str, *, fold: bool = False) -> Pattern | None:
    """None for an empty text, which matches nothing, and one longer than any URL. fold: for paths in lower case."""
    if len(text) > MAX_CHARACTERS:
        return None
    at_end = text.endswith("$")
    stem = _spelt(text[:-1] if at_end else text, "*")
    if not stem and not at_end:
        return None
    length = len(stem) + at_end
    stem = _STARS.sub("*", stem.lower() if fold else stem)
    return Pattern(tuple(stem.split("*")), at_end, length)


def comparable(url: str) -> str:
    """Path and query of a URL that `requestable` gave, in one spelling of its escapes."""
    start = url.find("://") + 3
    at = min((found for mark in "/?" if (found := url.find(mark, start)) >= 0), default=-1)
    path = url[at:].partition("#")[0] if at >= 0 else "/"
    return _spelt(path if path.startswith("/") else f"/{path}", "")


def longest(rules: Iterable[tuple[bool, Pattern]], path: str) -> tuple[int, bool]:
    """(length, whether it allows) of the rule that decides; (0, True) where none matches.

    rules: (whether it allows, its pattern). Of two as long, the one that allows decides.
    """
    found = (0, True)
    for allows, one in rules:
        # Compared first, as it is cheaper than a match.
        if (one.length, allows) > found and one.matches(path):
            found = (one.length, allows)
    return found


def _spelt(text: str, stars: str) -> str:
    """Every character that may stand for itself does, every other is escaped. stars: "*" where a star is a wildcard."""
    if _PLAIN.fullmatch(text) and (stars or "*" not in text):
        return text

    def unescaped(run: re.Match[str]) -> str:
        kept = _ROLES.sub(lambda role: f"%25{role[1].upper()}", run[0])
        return quote(unquote_to_bytes(kept), safe="/%=")

    pieces: list[str] = []
    at = 0
    for run in _ESCAPE.finditer(text):
        pieces += (quote(text[at : run.start()], safe=f"/%={stars}", errors="replace"), unescaped(run))
        at = run.end()
    pieces.append(quote(text[at:], safe=f"/%={stars}", errors="replace"))
    return "".join(pieces)
