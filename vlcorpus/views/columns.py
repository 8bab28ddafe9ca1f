"""What is in a column: nulls, range, mean, how many values and which are common. Batch by batch, bounded memory.

tally = Tally(pa.field("similarity", pa.float32()))
tally.add(batch.column("similarity"))
tally.column(None)       Column(name="similarity", type="float", rows=…, nulls=…, least=…, most=…, mean=…, …)
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from .. import schema

MOST_DISTINCT = 100_000
COMMON = 5
_LONGEST = 4_096  # characters or bytes of a value that is counted


@dataclass(frozen=True)
class Column:
    """type: Arrow's words. distinct: None above 100,000 values, or where values are not compared (lists, long texts);
    least, most, mean: of numbers and times, not of NaN; common: most frequent values with their counts, where some
    value stands twice. shortest, longest: characters of texts, bytes of binary values, entries of lists."""

    name: str
    type: str
    unit: str | None
    meaning: str
    nullable: bool
    rows: int
    nulls: int
    nan: int
    least: Any
    most: Any
    mean: float | None
    shortest: int | None
    longest: int | None
    distinct: int | None
    common: tuple[tuple[Any, int], ...]


class Tally:
    """Collects one column."""

    def __init__(self, field: pa.Field) -> None:
        self._field = field
        kind = field.type
        self._floating = pa.types.is_floating(kind)
        self._number = pa.types.is_integer(kind) or self._floating
        self._ordered = self._number or pa.types.is_temporal(kind)
        self._text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        self._bytes = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
        self._list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        self._values: Counter[Any] | None = (
            Counter() if self._ordered or self._text or self._bytes or pa.types.is_boolean(kind) else None
        )
        self._rows = self._nulls = self._nan = 0
        self._least: Any = None
        self._most: Any = None
        self._sum = 0.0
        self._shortest: int | None = None
        self._longest: int | None = None

    def add(self, part: pa.Array) -> None:
        """Take in a batch's values."""
        self._rows += len(part)
        self._nulls += part.null_count
        part = part.drop_null()
        if self._floating:
            nan = pc.is_nan(part)
            self._nan += pc.sum(nan).as_py() or 0
            part = part.filter(pc.invert(nan))
        if not len(part):
            return
        if self._ordered:
            ends = pc.min_max(part)
            self._least = _lesser(self._least, ends["min"].as_py())
            self._most = _greater(self._most, ends["max"].as_py())
        if self._number:
            self._sum += float(pc.sum(pc.cast(part, pa.float64(), safe=False)).as_py())
        if self._text or self._bytes or self._list:
            measure = pc.utf8_length if self._text else pc.binary_length if self._bytes else pc.list_value_length
            lengths = pc.min_max(measure(part))
            self._shortest = _lesser(self._shortest, lengths["min"].as_py())
            self._longest = _greater(self._longest, lengths["max"].as_py())
        if self._values is not None and (self._longest or 0) > _LONGEST:
            self._values = None
        if self._values is not None:
            counts = pc.value_counts(part)
            for value, number in zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True):
                self._values[value] += number
            if len(self._values) > MOST_DISTINCT:
                self._values = None

    def column(self, declared: schema.Column | None) -> Column:
        """What was collected, with the meaning where the schema declares one."""
        numbers = self._rows - self._nulls - self._nan
        common: tuple[tuple[Any, int], ...] = ()
        if self._values and len(self._values) < numbers:
            ordered = sorted(self._values.items(), key=lambda each: (-each[1], str(each[0])))
            common = tuple(each for each in ordered[:COMMON] if each[1] > 1)
        mean = self._sum / numbers if self._number and numbers else None
        return Column(
            name=self._field.name,
            type=declared.type if declared is not None else str(self._field.type),
            unit=declared.unit if declared is not None else None,
            meaning=declared.meaning if declared is not None else "",
            nullable=self._field.nullable,
            rows=self._rows,
            nulls=self._nulls,
            nan=self._nan,
            least=self._least,
            most=self._most,
            mean=mean if mean is None or math.isfinite(mean) else None,
            shortest=self._shortest,
            longest=self._longest,
            distinct=None if self._values is None else len(self._values),
            common=common,
        )


def _lesser(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else min(one, other)


def _greater(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else max(one, other)
