"""/.well-known/tdmrep.json: which paths of a site are reserved from text and data mining (W3C TDMRep, 2024).

    rules = read(b'[{"location": "/img/*.jpg", "tdm-reservation": 0}, {"location": "/", "tdm-reservation": 1}]')
    first(rules, "/img/a.jpg")          Rule(location="/img/*.jpg", is_reserved=False, policy=None, ...)
    first(rules, "/a.html").is_reserved                True

The first rule in the file that matches is the one that counts. Read beyond the report: "1", true and the like for 1
and 0, and one rule without the brackets. A rule with any other reservation says nothing, as one that is not there.
Nothing in a file raises; the first MAX_RULES count.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from vlcorpus.net.paths import Pattern, pattern

MAX_BYTES = 512_000
MAX_RULES = 1000
MAX_CHARACTERS = 2000

_RESERVED = {"1": True, "0": False, "true": True, "false": False}


class Rule(NamedTuple):
    """location, policy: as found."""

    location: str
    pattern: Pattern
    is_reserved: bool
    policy: str | None


def read(body: bytes) -> tuple[Rule, ...]:
    """The rules that say something; none of what is no such file, or longer than MAX_BYTES."""
    if len(body) > MAX_BYTES:
        return ()
    try:
        found = json.loads(body.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError):  # no JSON, no text, or too deep
        return ()
    listed = [found] if isinstance(found, dict) else found if isinstance(found, list) else []
    return tuple(rule for each in listed[:MAX_RULES] if (rule := _rule(each)) is not None)


def first(rules: Sequence[Rule], path: str) -> Rule | None:
    """path: as `paths.comparable` gave it."""
    return next((rule for rule in rules if rule.pattern.matches(path)), None)


def _rule(found: object) -> Rule | None:
    if not isinstance(found, dict):
        return None
    location, policy = _words(found.get("location")), _words(found.get("tdm-policy"))
    said = found.get("tdm-reservation")
    is_reserved = _RESERVED.get(str(said).strip().lower()) if isinstance(said, (str, int)) else None
    if location is None or is_reserved is None:
        return None
    matched = pattern(location if location.startswith(("/", "*")) else f"/{location}")
    return None if matched is None else Rule(location, matched, is_reserved, policy)


def _words(found: object) -> str | None:
    """A text that can be written, without the lone surrogates that JSON can name."""
    if not isinstance(found, str) or len(found) > MAX_CHARACTERS:
        return None
    return found.strip().encode("utf-8", "replace").decode("utf-8") or None
