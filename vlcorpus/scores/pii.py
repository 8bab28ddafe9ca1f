"""Personal data in texts: which texts have any, and the texts without it.

    find(pa.array(["write to jo@mail.example.org", "a cat"]))["pii"]            [true, false]
    spans("call +49 30 1234567 or jo@mail.example.org")       [Found("phone", 5, 19), Found("email", 23, 42)]
    redact("call +49 30 1234567 or jo@mail.example.org")      "call <PHONE> or <EMAIL>"
    redacted(texts)                                           the same of a column, its other texts as they are

A column goes through loose RE2 patterns first, which are linear in the text; only what they let through, some
percent, is looked at text by text. So the columns say exactly what `spans` says. KINDS that are PERSONAL make up
`pii`; handles, web addresses and coordinates have columns of their own, for they are often a photographer's name, a
shop or a place.

Names of people and postal addresses are not looked for, nor what is spelled out ("jo at example dot org"). Cost: about
500,000 captions a second and core (docs/scores-text.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .pii_patterns import Span, coordinates, emails, handles, ibans, ips, urls
from .pii_phones import phones

PERSONAL = ("email", "phone", "ip", "iban")

_FINDERS: dict[str, Callable[[str], Iterator[Span]]] = {
    "email": emails,
    "phone": phones,
    "ip": ips,
    "iban": ibans,
    "handle": handles,
    "url": urls,
    "coordinates": coordinates,
}
KINDS = tuple(_FINDERS)
COLUMNS = (*(f"has_{kind}" for kind in KINDS), "pii")

# What each kind has at least: RE2's, linear. A text that does not match has none.
_MAY_HAVE = {
    "email": r"[^\s]@[\pL\pN]",
    "phone": r"\pN(?:[().\-/ \x{a0}\x{2010}-\x{2015}]{0,5}\pN){6}",
    "ip": r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f]{3,4}:[0-9A-Fa-f]{0,4}:",
    "iban": r"[A-Z]{2}[0-9]{2} ?[A-Z0-9] ?[A-Z0-9] ?[A-Z0-9] ?[A-Z0-9] ?[A-Z0-9]",
    "handle": r"@[\pL\pM_]",
    "url": r"(?i)https?://|www\.|\.(?:com|net|org|edu|gov|info|biz|co\.)",
    "coordinates": r"[0-9]\.[0-9]{3,15}[^\pL\pN]{0,3}[NSns]?[^\pL\pN]{1,4}[0-9]|[0-9]\x{b0} ?[0-9]",
}


class Found(NamedTuple):
    kind: str
    start: int
    end: int


def find(texts: pa.StringArray) -> dict[str, pa.BooleanArray]:
    """COLUMNS, one value a text, without nulls; a null text has nothing."""
    found = {f"has_{kind}": _has(texts, kind) for kind in KINDS}
    personal = found["has_email"]
    for kind in PERSONAL[1:]:
        personal = pc.or_(personal, found[f"has_{kind}"])
    return found | {"pii": personal}


def _has(texts: pa.StringArray, kind: str) -> pa.BooleanArray:
    may = pc.match_substring_regex(texts, _MAY_HAVE[kind]).fill_null(False).to_numpy(zero_copy_only=False)
    found = np.zeros(len(texts), np.bool_)
    places = np.flatnonzero(may)
    finder = _FINDERS[kind]
    looked = texts.take(pa.array(places)).to_pylist()
    found[places] = [next(finder(text), None) is not None for text in looked]
    return pa.array(found)


def spans(text: str, kinds: tuple[str, ...] = PERSONAL) -> list[Found]:
    """What of these kinds stands in the text, in its order; of what overlaps the first, then the longest."""
    found = (Found(kind, *span) for kind in kinds for span in _FINDERS[kind](text))
    kept: list[Found] = []
    for each in sorted(found, key=lambda each: (each.start, -each.end)):
        if not kept or each.start >= kept[-1].end:
            kept.append(each)
    return kept


def redact(text: str) -> str:
    """The text with <EMAIL>, <PHONE>, <IP> and <IBAN> in place of what it has of them."""
    parts, done = [], 0
    for each in spans(text):
        parts += [text[done : each.start], f"<{each.kind.upper()}>"]
        done = each.end
    return "".join([*parts, text[done:]]) if parts else text


def redacted(texts: pa.StringArray) -> pa.StringArray:
    """Each text redacted; null stays null."""
    marked = find_personal(texts)
    if not pc.any(marked).as_py():
        return texts
    changed = pa.array([redact(text) for text in texts.filter(marked).to_pylist()], pa.string())
    return pc.replace_with_mask(texts, marked, changed)


def find_personal(texts: pa.StringArray) -> pa.BooleanArray:
    """The column `pii` alone."""
    personal = _has(texts, PERSONAL[0])
    for kind in PERSONAL[1:]:
        personal = pc.or_(personal, _has(texts, kind))
    return personal
