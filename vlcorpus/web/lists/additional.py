"""Additional columns: what a person wants kept of a list beside each pair, as one JSON object a row.

    objects({"NSFW": pa.array(["UNSURE", None]), "punsafe": pa.array([0.25, nan])})
        pa.array(['{"NSFW":"UNSURE","punsafe":0.25}', '{"NSFW":null,"punsafe":null}']), 0

Keys stand in the order given, values as the list has them: text, numbers, booleans, lists and objects of these. What is
no number (NaN, infinity) is null, and what is not UTF-8 is U+FFFD. An object has at most MOST characters: a value
that would take it further is null, and counted. So what comes beside a pair never costs the pair.

Names that img2dataset's own columns have are refused (RESERVED, exactly as it does), and parquet columns that JSON has
no values for: bytes, dates, decimals, maps.

Cost: 0.1 microseconds a number or a plain text, 2 a text with quotes, a list or an object.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlcorpus.errors import UsageError
from vlcorpus.web.lists import values as list_values
from vlcorpus.web.lists.columns import Columns
from vlcorpus.web.lists.files import parquet_types
from vlcorpus.web.lists.lines import readable

MOST = 10_000
RESERVED = (
    "key",
    "caption",
    "url",
    "width",
    "height",
    "original_width",
    "original_height",
    "status",
    "error_message",
    "exif",
    "md5",
    "sha256",
    "sha512",
)
_NULL = "null"
_ESCAPED = r'["\\\x00-\x1f]'
Values: TypeAlias = "pa.Array | Sequence[Any]"


def check_names(names: Sequence[str]) -> None:
    """UsageError for names that an object cannot have."""
    for name in names:
        if name in RESERVED:
            raise UsageError(
                f"{name!r} is a column of every shard and no additional one", f"reserved: {', '.join(RESERVED)}"
            )
        if names.count(name) > 1:
            raise UsageError(f"the additional column {name!r} is named twice", "name it once")
    if len(_heads(names)) + len(names) * len(_NULL) + 1 > MOST:
        raise UsageError(f"the names of the additional columns have over {MOST} characters", "name fewer columns")


def check_types(path: Path, columns: Columns) -> None:
    """UsageError for columns of a parquet list whose values JSON does not have."""
    types = parquet_types(path)
    for _, name in columns.keep:
        if not is_json(types[name]):
            raise UsageError(
                f"column {name!r} of {path} holds {types[name]}, which JSON has no value for",
                "leave it away, or write it as text or numbers",
            )


def is_json(kind: pa.DataType) -> bool:
    """Whether JSON has a value for each of the type's."""
    if pa.types.is_dictionary(kind):
        return is_json(kind.value_type)
    if pa.types.is_struct(kind):
        return all(is_json(kind.field(place).type) for place in range(kind.num_fields))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return is_json(kind.value_type)
    plain = (pa.types.is_null, pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, list_values.is_string)
    return any(test(kind) for test in plain)


def objects(columns: Mapping[str, Values]) -> tuple[pa.Array, int]:
    """(objects as JSON text, number of values that were left out), a row for each of the columns' rows.

    columns: at least one, all of one length; arrays, or what json.loads gave.
    """
    names = list(columns)
    written = [_written(each) for each in columns.values()]
    written, lost = _within(written, len(_heads(names)) + 1)
    pieces: list[Any] = []
    for head, column in zip(_headed(names), written, strict=True):
        pieces += [head, column]
    return pc.binary_join_element_wise(*pieces, "}", ""), lost


def _headed(names: Sequence[str]) -> list[str]:
    """What stands before each value."""
    keys = [readable(json.dumps(name, ensure_ascii=False)) for name in names]
    return [f"{',' if place else '{'}{key}:" for place, key in enumerate(keys)]


def _heads(names: Sequence[str]) -> str:
    return "".join(_headed(names))


def _within(columns: list[pa.Array], others: int) -> tuple[list[pa.Array], int]:
    """The columns without the values that are too long. others: characters of an object beside its values."""
    sizes = [np.asarray(pc.utf8_length(each), np.int64) for each in columns]
    if not len(sizes[0]) or others + np.sum(sizes, axis=0).max() <= MOST:
        return columns, 0
    used = np.full(len(sizes[0]), others + len(columns) * len(_NULL))
    kept, lost = [], 0
    for column, size in zip(columns, sizes, strict=True):
        more = used + size - len(_NULL)
        fits = more <= MOST
        used = np.where(fits, more, used)
        kept.append(pc.if_else(pa.array(fits), column, _NULL))
        lost += int(len(fits) - fits.sum())
    return kept, lost


def _written(values: Values) -> pa.Array:
    """Each value as JSON text, "null" for none."""
    if not isinstance(values, pa.Array):
        return pa.array([_text(value) for value in values], pa.string())
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        found = values.cast(pa.string())
    elif pa.types.is_floating(kind):
        found = _numbers(values)
    elif list_values.is_string(kind):
        found = _strings(values)
    else:
        found = pa.array([_text(value) for value in _listed(values)], pa.string())
    return pc.fill_null(found, _NULL)


def _numbers(values: pa.Array) -> pa.Array:
    """The shortest text that gives the same number in the column's precision; it has a point or an exponent, so that
    one column's numbers are all of one kind."""
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    values = pc.if_else(pc.is_finite(values), values, pa.scalar(None, values.type))
    return pc.replace_substring_regex(values.cast(pa.string()), r"^(-?[0-9]+)$", r"\1.0")


def _strings(values: pa.Array) -> pa.Array:
    found = list_values.words(values)
    if found is None:  # not UTF-8
        return pa.array([_text(value) for value in list_values.listed(values)], pa.string())
    plain = pc.binary_join_element_wise('"', found, '"', "")
    escaped = pc.fill_null(pc.match_substring_regex(found, _ESCAPED), False)
    if not pc.any(escaped, min_count=0).as_py():
        return plain
    return pc.replace_with_mask(
        plain, escaped, pa.array([_text(value) for value in found.filter(escaped).to_pylist()], pa.string())
    )


def _listed(values: pa.Array) -> list[Any]:
    """Lists and objects as Python's; None for those that hold text that is none."""
    try:
        return list(values.to_pylist())
    except UnicodeDecodeError:
        return [_one(value) for value in values]


def _one(value: pa.Scalar) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return None


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "surrogateescape")
    try:
        return readable(_dumped(value))
    except ValueError:  # NaN is no number in JSON
        pass
    except RecursionError:
        return _NULL
    try:
        return readable(_dumped(_finite(value)))
    except (ValueError, RecursionError):  # whole numbers of thousands of digits
        return _NULL


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    """The value with None for each number that is none."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(each) for each in value]
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return value
