"""What kinds of values an expression knows.

kind_of("int32")                     Kind.INTEGER
kind_of("list<element: string>")     Kind.TEXTS
kind_of("binary16")                  Kind.OTHER, which can only be asked whether it is missing
"""

from __future__ import annotations

import enum
import re


class Kind(enum.Enum):
    """The value is how a person is told."""

    TRUTH = "yes or no"
    INTEGER = "a whole number"
    NUMBER = "a number"
    TEXT = "text"
    TEXTS = "a list of texts"
    TIME = "a time"
    OTHER = "of a type that can only be asked whether it is missing"


NUMERIC = (Kind.INTEGER, Kind.NUMBER)

_KINDS = (
    (r"bool(ean)?", Kind.TRUTH),
    (r"u?int(8|16|32)|int64", Kind.INTEGER),
    (r"uint64|half_?float|float|double|float(16|32|64)|decimal.*", Kind.NUMBER),
    (r"(large_)?(string|utf8)|string_view", Kind.TEXT),
    (r"(large_)?list<(\w+: )?(large_)?(string|utf8)( not null)?>", Kind.TEXTS),
    (r"timestamp.*|date(32|64).*", Kind.TIME),
)
# How many bits a float column has, where they are less than a double's.
_SHORT = {"float": 32, "float32": 32, "halffloat": 16, "half_float": 16, "float16": 16}


def kind_of(type_name: str) -> Kind:
    """type_name: as vlcorpus.schema or Arrow writes it."""
    dictionary = re.match(r"dictionary<values=([^,]*),", type_name)
    name = dictionary[1] if dictionary else type_name
    return next((kind for pattern, kind in _KINDS if re.fullmatch(pattern, name)), Kind.OTHER)


def bits_of(type_name: str) -> int | None:
    """16 or 32 for a column of short floats."""
    return _SHORT.get(type_name)
