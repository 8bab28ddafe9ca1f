"""The words of an expression.

    tokens('a >= 1.5')     name a at 1, operator >= at 3, number 1.5 at 6, end at 9

In texts, `\\"`, `\\'` and `\\\\` are a quote and a backslash; any other backslash stands for itself, as regular
expressions need it. Words of the language may be in any case.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from vlcorpus.errors import UsageError

LONGEST = 10_000
KEYWORDS = frozenset({"and", "or", "not", "in", "is", "null", "between", "true", "false"})

_MAX_DIGITS = 400
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![\w.]))
    | (?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)*)
    | (?P<quoted>`[^`]*`)
    | (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<operator><=|>=|==|!=|<(?!>)|>|[-+*/(),])
    | (?P<end>\Z)
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPED = re.compile(r"""\\(["'\\])""")
_NOT_OURS = {
    "=": "equal is written ==",
    "<>": "not equal is written !=",
    "&&": "and is written and",
    "||": "or is written or",
    "&": "and is written and",
    "|": "or is written or",
    "!": "not is written not",
    "%": "there is no remainder",
    '"': "a text ends with the quote it starts with",
    "'": "a text ends with the quote it starts with",
    "`": "a column's name ends with the ` it starts with",
    "[": "lists stand in parentheses: (1, 2)",
}


class Token(NamedTuple):
    """kind: keyword, name, text, number, operator, end. value: lower case of keywords, the name, the text's or
    number's value, the operator. at: its first character, from 1."""

    kind: str
    value: str | int | float
    at: int


def wrong(what: str, at: int, hint: str = "") -> UsageError:
    """The error of something at a character."""
    return UsageError(f"{what} (character {at} of the expression)", hint)


def tokens(text: str) -> list[Token]:
    """All of them, the last of kind "end". Raises UsageError."""
    if len(text) > LONGEST:
        raise UsageError(f"the expression has {len(text):,} characters, more than {LONGEST:,}", "divide it")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise wrong("not a character of Unicode", error.start + 1) from None
    found: list[Token] = []
    place = 0
    while True:
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise _unknown(text, place)
        place = match.end()
        token = _token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1)
        found.append(token)
        if token.kind == "end":
            return found


def _token(kind: str, written: str, at: int) -> Token:
    if kind == "name" and written.lower() in KEYWORDS:
        return Token("keyword", written.lower(), at)
    if kind == "quoted":
        return Token("name", written[1:-1], at)
    if kind == "text":
        return Token("text", _ESCAPED.sub(r"\1", written[1:-1]), at)
    if kind == "number":
        return Token("number", _number(written, at), at)
    return Token(kind, written, at)


def _number(written: str, at: int) -> int | float:
    if len(written) > _MAX_DIGITS:
        raise wrong("a number of too many digits", at)
    if written.isdigit():
        return int(written)
    value = float(written)
    if math.isinf(value):
        raise wrong(f"the number {written} is too large", at)
    return value


def _unknown(text: str, place: int) -> UsageError:
    place += len(text[place:]) - len(text[place:].lstrip())
    rest = text[place:]
    for start in sorted(_NOT_OURS, key=len, reverse=True):
        if rest.startswith(start):
            return wrong(f"{start} is not understood", place + 1, _NOT_OURS[start])
    word = re.match(r"[\w.]*", rest)
    return wrong(f"{(word and word[0]) or rest[0]!r} is not understood", place + 1)
