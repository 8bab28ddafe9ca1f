"""What is computed, by pyarrow's kernels: arrays or scalars in, an array or scalar out.

Numbers are int64 or float64, times int64 microseconds since 1970 in UTC, texts string. A null in is a null out, NaN is
read as null, and arithmetic without a finite result (x / 0) gives null. Nothing here raises for what a column holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vlcorpus.errors import UsageError
from vlcorpus.expression.kinds import Kind, kind_of

Values = Any  # a pa.Array or pa.Scalar

TYPES = {  # of what is computed
    Kind.TRUTH: pa.bool_(),
    Kind.INTEGER: pa.int64(),
    Kind.NUMBER: pa.float64(),
    Kind.TEXT: pa.string(),
    Kind.TEXTS: pa.list_(pa.string()),
    Kind.TIME: pa.int64(),
    Kind.OTHER: pa.null(),
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_COMPARE = {
    "==": pc.equal,
    "!=": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_ARITHMETIC = {"+": pc.add, "-": pc.subtract, "*": pc.multiply, "/": pc.divide}

_ORIGIN = r"^(?:[A-Za-z][A-Za-z0-9+.\-]*:)?//[^/?#]*"
_HOST = r"^(?:[A-Za-z][A-Za-z0-9+.\-]*:)?//(?:[^/?#]*@)?(?P<part>\[[^\]/?#]*\]|[^/?#:]*)"
_EXTENSION = r"^(?:[^?#]*/)?[^?#/]*\.(?P<part>[A-Za-z0-9]{1,10})(?:[?#]|$)"


def load(column: pa.Array, kind: Kind) -> Values:
    """A column as its kind is computed with."""
    if isinstance(column, pa.DictionaryArray):
        column = column.dictionary_decode()
    if kind is Kind.OTHER:
        return column
    if pa.types.is_null(column.type):
        return column.cast(TYPES[kind])
    if kind is Kind.TIME:
        zone = column.type.tz if pa.types.is_timestamp(column.type) else None
        return column.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
    if kind is Kind.TEXT:
        large = pa.types.is_large_string(column.type)  # which may be too large for another type
        return readable(column if large else column.cast(TYPES[kind]))
    loaded = column.cast(TYPES[kind], safe=False)
    return pc.if_else(pc.is_nan(loaded), None, loaded) if kind is Kind.NUMBER else loaded


def fits(column: pa.Array, kind: Kind) -> bool:
    """Whether a column is of the kind; one of nulls only is of any."""
    return pa.types.is_null(column.type) or kind_of(str(column.type)) is kind


def readable(column: pa.Array) -> pa.Array:
    """With U+FFFD where a text is no UTF-8, on which some kernels give up."""
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        texts = [
            value.as_buffer().to_pybytes().decode("utf-8", "replace") if value.is_valid else None for value in column
        ]
        return pa.array(texts, pa.string())
    return column


def constant(value: bool | int | float | str, kind: Kind, bits: int | None = None) -> Values:
    """bits: of the float column that it is compared with, whose precision it then takes."""
    if kind is Kind.NUMBER:
        value = float(value)
        if bits is not None:
            with np.errstate(over="ignore"):
                value = float(np.float32(value) if bits == 32 else np.float16(value))
    return pa.scalar(value, TYPES[kind])


def microseconds(text: str) -> int:
    """A time as ISO 8601 writes it, UTC if it names no zone. Raises ValueError."""
    found = datetime.fromisoformat(text)
    return ((found if found.tzinfo else found.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


def number(values: Values) -> Values:
    return values.cast(pa.float64(), safe=False)


def compare(operator: str, left: Values, right: Values) -> Values:
    return _COMPARE[operator](left, right)


def arithmetic(operator: str, left: Values, right: Values) -> Values:
    """left, right: float64."""
    return _finite(_ARITHMETIC[operator](left, right))


def _finite(values: Values) -> Values:
    return pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))


def negative(values: Values) -> Values:
    return pc.negate(values)


def absolute(values: Values) -> Values:
    return pc.abs(values)


def least(*values: Values) -> Values:
    return pc.min_element_wise(*values, skip_nulls=False)


def greatest(*values: Values) -> Values:
    return pc.max_element_wise(*values, skip_nulls=False)


def first(*values: Values) -> Values:
    """The first of each row's values that is there."""
    return pc.coalesce(*values)


def every(values: Sequence[Values]) -> Values:
    found = values[0]
    for each in values[1:]:
        found = pc.and_kleene(found, each)
    return found


def some(values: Sequence[Values]) -> Values:
    found = values[0]
    for each in values[1:]:
        found = pc.or_kleene(found, each)
    return found


def invert(values: Values) -> Values:
    return pc.invert(values)


def missing(values: Values) -> Values:
    return pc.is_null(values)


def among(values: Values, constants: Sequence[Values]) -> Values:
    """Whether each value is one of the constants, which are of its type."""
    chosen = pa.array([each.as_py() for each in constants], values.type)
    if pa.types.is_floating(values.type):  # so that -0.0 is 0.0
        values, chosen = pc.add(values, 0.0), pc.add(chosen, 0.0)
    return pc.if_else(pc.is_valid(values), pc.is_in(values, value_set=chosen), None)


def length(values: Values) -> Values:
    return pc.utf8_length(values).cast(pa.int64())


def count(values: Values) -> Values:
    return pc.list_value_length(values).cast(pa.int64())


def words(values: Values) -> Values:
    """Parts between runs of white space."""
    trimmed = pc.utf8_trim_whitespace(values)
    parts = pc.list_value_length(pc.utf8_split_whitespace(trimmed)).cast(pa.int64())
    return pc.if_else(pc.equal(trimmed, ""), 0, parts)


def lower(values: Values) -> Values:
    return pc.utf8_lower(values)


def contains(values: Values, part: str) -> Values:
    return pc.match_substring(values, pattern=part)


def starts_with(values: Values, part: str) -> Values:
    return pc.starts_with(values, pattern=part)


def ends_with(values: Values, part: str) -> Values:
    return pc.ends_with(values, pattern=part)


def matches(values: Values, pattern: str) -> Values:
    return pc.match_substring_regex(values, pattern=pattern)


def check_pattern(pattern: str) -> None:
    """Raises UsageError for what RE2 cannot read."""
    try:
        matches(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        said = str(error).partition("expression: ")[2] or str(error)
        raise UsageError(f"no regular expression: {' '.join(said.split())}") from error


def has(values: pa.ListArray, part: str) -> Values:
    """Whether any text of each list contains the part."""
    hits = pc.fill_null(pc.match_substring(readable(pc.list_flatten(values).cast(pa.string())), pattern=part), False)
    found = np.zeros(len(values), bool)
    found[pc.list_parent_indices(values).to_numpy()[hits.to_numpy(zero_copy_only=False)]] = True
    return pc.if_else(pc.is_valid(values), pa.array(found), None)


def domain(values: Values) -> Values:
    """The host's name, lower case; "" where there is none."""
    return _part(values, _HOST)


def extension(values: Values) -> Values:
    """The ending of a path's last part, lower case; "" where there is none."""
    return _part(pc.replace_substring_regex(values, pattern=_ORIGIN, replacement=""), _EXTENSION)


def _part(values: Values, pattern: str) -> Values:
    found = pc.struct_field(pc.extract_regex(values, pattern=pattern), "part")
    return pc.if_else(pc.is_valid(values), pc.ascii_lower(pc.fill_null(found, "")), None)


def array(values: Values, rows: int) -> pa.Array:
    """A scalar as a column."""
    return pa.repeat(values, rows) if isinstance(values, pa.Scalar) else values
