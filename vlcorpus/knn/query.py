"""The algebra of queries: what a person types, and the one vector that it comes to.

    parse('a red car')                                   (Term(1.0, "text", "a red car"),)
    parse('+"red car" -toy 0.5*uid:3f0c52')              red car 1.0, toy -1.0, the pair 3f0c52 0.5
    parse('image:photo.jpg -text:"a drawing"')           photo.jpg 1.0, a drawing -1.0
    combine([1.0, -1.0], vectors_TD)                     unit vector (D,) of their weighted sum

Words alone are one text, whatever stands in them: `a black-and-white dog`. A query is algebra where it begins with `+`
or `-`, a number and `*`, a text in quotes, or one of `uid:` `image:` `vector:` `upload:` `text:`. Each term is then

    [+ or -] [number *] ["text" | words | KIND:value | KIND:"value"]

A sign that is missing is `+`, a number that is missing is 1. Words reach to the next white space before a sign, a
number and `*`, a quote or a KIND; a value without quotes to the next white space. In quotes `\\"` is a quote and
`\\\\` a backslash. `written` gives the text that `parse` reads as the same terms.

Every vector counts as a unit vector, so that weights mean the same whatever the terms are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from vlcorpus.errors import UsageError, VlcorpusError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Kind = Literal["text", "uid", "image", "vector", "upload"]
KINDS: tuple[Kind, ...] = ("text", "uid", "image", "vector", "upload")
MOST_TERMS = 32
LONGEST = 10_000
MOST_WEIGHT = 1000.0
_LEAST_LENGTH = 1e-4  # of the sum, beside that of the weights: below it, what is left is rounding

_SIGN = re.compile(r"[+-]\s*")
_NUMBER = re.compile(r"(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*\*\s*")
_KIND = re.compile(rf"(?P<kind>{'|'.join(KINDS)}):")
_QUOTED = re.compile(r'"(?P<text>(?:[^"\\]|\\.)*)"', re.DOTALL)
_VALUE = re.compile(r"[^\s]+")
_ESCAPED = re.compile(r'\\(["\\])')
_BLANK = re.compile(r"\s*")


@dataclass(frozen=True)
class Term:
    """One part of a query. weight: not 0; kind: what `value` is: words, a uid, an image file, a .npy file, or the name
    under which a server keeps an uploaded picture."""

    weight: float
    kind: Kind
    value: str


def parse(text: str) -> tuple[Term, ...]:
    """The terms of a query, in order. UsageError, with the place, for what is none."""
    if len(text) > LONGEST:
        raise UsageError(f"the query has {len(text):,} characters, more than {LONGEST:,}", "ask for less at once")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise _wrong("not a character of Unicode", error.start) from None
    start = _after_blanks(text, 0)
    if start == len(text):
        raise UsageError("the query is empty", "say what to look for, as 'a red car'")
    if not _begins(text, start):
        return (Term(1.0, "text", " ".join(text.split())),)
    found: list[Term] = []
    while start < len(text):
        if len(found) == MOST_TERMS:
            raise _wrong(f"more than {MOST_TERMS} terms", start, "ask for less at once")
        term, start = _term(text, start)
        found.append(term)
    return tuple(found)


def written(terms: Sequence[Term]) -> str:
    """The text that `parse` reads as these terms."""
    return " ".join(_written(each) for each in terms)


def combine(weights: Sequence[float], vectors_TD: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """The weighted sum of unit vectors, itself a unit vector: float32 (D,).

    vectors_TD: a row for each weight; each is made a unit vector first. VlcorpusError where the terms cancel out or one
    has no direction.
    """
    import numpy as np

    rows_TD = np.asarray(vectors_TD, dtype=np.float64)
    if rows_TD.ndim != 2 or len(rows_TD) != len(weights) or not len(weights):
        raise ValueError(f"{len(weights)} weights and vectors of shape {rows_TD.shape}")
    lengths_T = np.linalg.norm(rows_TD, axis=1)
    if not np.isfinite(lengths_T).all() or not lengths_T.all():
        raise VlcorpusError("a part of the query has no direction, so nothing is near it", "ask with another query")
    given = np.asarray(weights, dtype=np.float64)
    total = float(np.abs(given).sum())
    whole = (given / lengths_T) @ rows_TD
    length = float(np.linalg.norm(whole))
    if not total or length <= _LEAST_LENGTH * total:
        raise VlcorpusError("the parts of the query cancel each other out", "change the weights or the terms")
    found: npt.NDArray[np.float32] = (whole / length).astype(np.float32)
    return found


def _wrong(what: str, at: int, hint: str = "") -> UsageError:
    return UsageError(f"{what} (character {at + 1} of the query)", hint or """as in '+"red car" -toy 0.5*uid:3f0c52'""")


def _after_blanks(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _begins(text: str, at: int) -> bool:
    """Whether a term that is more than words begins here."""
    return any(pattern.match(text, at) for pattern in (_SIGN, _NUMBER, _KIND)) or text[at] == '"'


def _term(text: str, at: int) -> tuple[Term, int]:
    """The term that begins at a place, and where the next one begins."""
    first, weight = at, 1.0
    sign = _SIGN.match(text, at)
    if sign is not None:
        weight, at = (-1.0 if sign[0][0] == "-" else 1.0), sign.end()
    number = _NUMBER.match(text, at)
    if number is not None:
        value = float(number["number"])
        if not math.isfinite(value) or not 0 < value <= MOST_WEIGHT:
            raise _wrong(f"a weight of {number['number']}", at, f"give one above 0, up to {MOST_WEIGHT:g}")
        weight, at = weight * value, number.end()
    if at == len(text):
        raise _wrong("a term is missing", first)
    if _SIGN.match(text, at) or _NUMBER.match(text, at):
        raise _wrong(f"{text[at]!r} stands where a term was expected", at)
    kind = _KIND.match(text, at)
    if kind is not None:
        at = kind.end()
    named: Kind = kind["kind"] if kind is not None else "text"  # type: ignore[assignment]
    value_text, end = _value(text, at, named)
    return Term(weight, named, value_text), _after_blanks(text, end)


def _value(text: str, at: int, kind: Kind) -> tuple[str, int]:
    """What a term says, and where it ends."""
    if text[at : at + 1] == '"':
        quoted = _QUOTED.match(text, at)
        if quoted is None:
            raise _wrong('a " is never closed', at)
        if quoted.end() < len(text) and not text[quoted.end()].isspace():
            raise _wrong(f"{text[quoted.end()]!r} stands right behind a text", quoted.end(), "put a space between them")
        value, end = _ESCAPED.sub(r"\1", quoted["text"]), quoted.end()
    elif kind == "text":
        end = _words_end(text, at)
        value = text[at:end]
    else:
        found = _VALUE.match(text, at)
        value, end = (found[0], found.end()) if found is not None else ("", at)
    value = " ".join(value.split()) if kind == "text" else value
    if not value.strip():
        raise _wrong(f"{kind}: without a value" if kind != "text" else "an empty text", at)
    if "\x00" in value:
        raise _wrong("a value with a zero character", at)
    return value, end


def _words_end(text: str, at: int) -> int:
    """Where words end: at white space before what begins another term, or at the end."""
    while at < len(text):
        if text[at].isspace():
            after = _after_blanks(text, at)
            if after == len(text) or _begins(text, after):
                return at
            at = after
        else:
            at += 1
    return at


def _written(term: Term) -> str:
    sign = "-" if term.weight < 0 else "+"
    number = "" if abs(term.weight) == 1 else f"{abs(term.weight)!r}*"
    kind = "" if term.kind == "text" else f"{term.kind}:"
    return sign + number + kind + '"' + term.value.replace("\\", "\\\\").replace('"', '\\"') + '"'
