"""Values of any parquet column as JSON values: short, plain, and never an error.

    plain(pa.scalar(b"\\x01\\xff"), 1000)           "01ff"
    plain(pa.scalar("a long text"), 6)             "a long… (11 bytes)"
    plain(pa.scalar([1.0, float("nan")]), 1000)    [1.0, None]

What is long is cut and says so; what Python cannot hold (a time in year 300,000, a text that is no UTF-8) is told as
well as it can be. Texts and bytes are looked at where Arrow has them and never copied whole. Cost: 1-2 us a value.
"""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa

ENTRIES = 64
"""Entries of a list, a map or a struct that are told."""
_DEPTH = 4
_REST = "…"


def plain(value: pa.Scalar, most: int) -> Any:
    """most: characters of a text (twice as many hex digits would be of bytes: half as many bytes are told)."""
    try:
        return _plain(value, most, _DEPTH)
    except (pa.ArrowException, ValueError, OverflowError, TypeError, LookupError, RecursionError):
        return f"(a value of type {_type(value.type)} that cannot be shown)"


def shorten(text: str, most: int) -> str:
    """A text of at most `most` characters and the mark that says how long it was."""
    return text if len(text) <= most else f"{text[:most]}{_REST} ({len(text):,} characters)"


def _plain(value: pa.Scalar, most: int, depth: int) -> Any:
    if isinstance(value, pa.ExtensionScalar | pa.DictionaryScalar):
        return None if value.value is None or not value.is_valid else _plain(value.value, most, depth)
    if not value.is_valid:
        return None
    kind = value.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _text(value.as_buffer(), most)
    if _is_bytes(kind):
        return _hex(value.as_buffer(), most)
    if pa.types.is_nested(kind):
        return _nested(value, most, depth)
    if pa.types.is_floating(kind):
        return _number(float(value.as_py()))
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return value.as_py()
    return _other(value)


def _text(held: pa.Buffer, most: int) -> str:
    text = held.slice(0, min(held.size, 4 * most + 4)).to_pybytes().decode("utf-8", "replace")
    return text if len(text) <= most else f"{text[:most]}{_REST} ({held.size:,} bytes)"


def _hex(held: pa.Buffer, most: int) -> str:
    kept = max(1, most // 2)
    shown = held.slice(0, min(held.size, kept)).to_pybytes().hex()
    return shown if held.size <= kept else f"{shown}{_REST} ({held.size:,} bytes)"


def _nested(value: pa.Scalar, most: int, depth: int) -> Any:
    if not depth:
        return _REST
    own = max(16, most // 4)  # an entry is shorter than a value of its own
    if isinstance(value, pa.StructScalar):
        fields = [value.type.field(place) for place in range(min(value.type.num_fields, ENTRIES))]
        told = {shorten(field.name, 100): _plain(value[place], own, depth - 1) for place, field in enumerate(fields)}
        return told | ({_REST: f"{value.type.num_fields} fields"} if value.type.num_fields > ENTRIES else {})
    if isinstance(value, pa.ListScalar):  # and maps, large and fixed-size lists
        entries = value.values
        found = [_plain(entries[place], own, depth - 1) for place in range(min(len(entries), ENTRIES))]
        return [*found, f"{_REST} ({len(entries):,} entries)"] if len(entries) > ENTRIES else found
    return str(value.type)


def _number(number: float) -> Any:
    """NaN is null; infinities have no number in JSON either, but are values."""
    return None if math.isnan(number) else number if math.isfinite(number) else ("inf" if number > 0 else "-inf")


def _other(value: pa.Scalar) -> str:
    """Times, spans, decimals: as ISO 8601 or Arrow writes them."""
    try:
        found = value.as_py()
        return found.isoformat() if hasattr(found, "isoformat") else str(found)
    except (ValueError, OverflowError):  # beyond the years that Python knows
        return str(value.cast(pa.string()).as_py())


def _is_bytes(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def _type(kind: pa.DataType) -> str:
    return shorten(str(kind), 60)
