"""Predicates made ready for tables with known columns: every name and type checked before a row is read.

ready = Prepared([Where("width >= 256"), TopFraction("similarity", 0.3)], Weights(), types)
ready.columns                       ("width", "similarity"): what the tables must have beside `uid`
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from vlcorpus import expression
from vlcorpus.draws import drawn
from vlcorpus.errors import UsageError
from vlcorpus.expression.build import Predicate as Condition
from vlcorpus.expression.build import Value
from vlcorpus.expression.kinds import NUMERIC, Kind
from vlcorpus.scores.predicates import MAX_PREDICATES, AtLeast, Cap, Predicate, RandomRows, TopFraction, Weights, Where
from vlcorpus.scores.selection import MOST_GROUPS, Ints, UInt64s

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]
How = Callable[[str], str | None]


class Numbers:
    """A number of each row: a float32 column as it is stored, anything else as float64 or int64."""

    def __init__(self, text: str, types: Mapping[str, str], how: How | None) -> None:
        self._value = expression.compile_value(text, types, how)
        if self._value.kind not in NUMERIC:
            raise UsageError(f"{text} is {self._value.kind.value}, but a number is wanted", "name a column of numbers")
        self.columns = self._value.columns
        self._plain = expression.is_column(text) and types[self.columns[0]] in ("float32", "float")
        whole = self._value.kind is Kind.INTEGER
        self.dtype = np.dtype(np.float32 if self._plain else np.int64 if whole else np.float64)

    def of(self, rows: pa.Table) -> tuple[npt.NDArray[Any], Bools | None]:
        """Values (N,), and which of them are there (None: all)."""
        if self._plain:
            column = rows.column(self.columns[0])
            values = _whole(column).to_numpy(zero_copy_only=False)
            absent = np.isnan(values)
            if not absent.any():
                return values, None
            return np.where(absent, np.float32(0), values), ~absent
        found = self._value.values(rows)
        there = None if not found.null_count else found.is_valid().to_numpy(zero_copy_only=False)
        values = (found if there is None else found.fill_null(0)).to_numpy(zero_copy_only=False)
        return values.astype(self.dtype, copy=False), there


class Groups:
    """The group of each row, as a number; groups are numbered as they are met."""

    def __init__(self, text: str, types: Mapping[str, str], how: How | None) -> None:
        self._value: Value = expression.compile_value(text, types, how)
        if self._value.kind not in (Kind.TEXT, Kind.INTEGER, Kind.TRUTH):
            raise UsageError(
                f"{text} is {self._value.kind.value}, and groups are of texts or whole numbers", "name another column"
            )
        self.text = text
        self.columns = self._value.columns
        self._numbers: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def names(self) -> list[Hashable]:
        """By their numbers."""
        return list(self._numbers)

    def know(self, names: Sequence[Hashable]) -> None:
        """Number these groups, in order. UsageError where there are too many."""
        for name in names:
            self._numbers.setdefault(name, len(self._numbers))
        if len(self._numbers) > MOST_GROUPS:
            raise UsageError(f"{self.text} makes more than {MOST_GROUPS:,} groups", "group by something coarser")

    def fresh(self) -> Groups:
        """The same, with no group known."""
        found = copy.copy(self)
        found._numbers = {}
        return found

    def of(self, rows: pa.Table, *, new: bool = False) -> tuple[Ints, Bools | None]:
        """Numbers (N,), -1 of groups that are not known (`new`: which then are), and which rows have a group."""
        found = self._value.values(rows).dictionary_encode()
        names = found.dictionary.to_pylist()
        if new:
            self.know(names)
        numbers = np.array([self._numbers.get(name, -1) for name in names] or [-1], np.int64)
        places = found.indices
        if not places.null_count:
            return numbers[places.to_numpy()], None
        there = places.is_valid().to_numpy(zero_copy_only=False)
        return np.where(there, numbers[places.fill_null(0).to_numpy()], -1), there


class Prepared:
    """conditions, numbers, groups: of each predicate what it has; weight, weight_groups: of the weights."""

    def __init__(
        self,
        predicates: Sequence[Predicate],
        weights: Weights,
        types: Mapping[str, str],
        how: How | None = None,
    ) -> None:
        if len(predicates) > MAX_PREDICATES:
            raise UsageError(f"{len(predicates)} predicates, and a fail mask has room for {MAX_PREDICATES}")
        self.predicates = tuple(predicates)
        self.weights = weights
        self.conditions: list[Condition | None] = []
        self.numbers: list[Numbers | None] = []
        self.groups: list[Groups | None] = []
        for each in predicates:
            self.conditions.append(_condition(each, types, how))
            column = None if isinstance(each, Where | AtLeast | RandomRows) else each.column
            by = each.by if isinstance(each, TopFraction | Cap) else None
            self.numbers.append(None if column is None else Numbers(column, types, how))
            self.groups.append(None if by is None else Groups(by, types, how))
        self.weight = None if weights.column is None else Numbers(weights.column, types, how)
        self.weight_groups = None if weights.soft_cap is None else Groups(str(weights.by), types, how)

    def columns_of(self, number: int) -> tuple[str, ...]:
        """The columns that a predicate reads."""
        parts = (self.conditions[number], self.numbers[number], self.groups[number])
        return tuple(dict.fromkeys(name for each in parts if each is not None for name in each.columns))

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read."""
        found = [name for number in range(len(self.predicates)) for name in self.columns_of(number)]
        found += [name for each in (self.weight, self.weight_groups) if each is not None for name in each.columns]
        return tuple(dict.fromkeys(found))


def _condition(predicate: Predicate, types: Mapping[str, str], how: How | None) -> Condition | None:
    if isinstance(predicate, Where):
        return expression.compile(predicate.expression, types, how)
    if isinstance(predicate, AtLeast):
        if math.isinf(predicate.threshold):
            raise UsageError(f"a threshold must be finite, not {predicate.threshold}")
        Numbers(predicate.column, types, how)  # whose error names the column
        return expression.compile(f"({predicate.column}) >= {predicate.threshold!r}", types, how)
    return None


def halves(uids: pa.Array, places: Ints | None = None) -> UInt64s:
    """(N, 2) uint64 of binary16 uids, of all or of some places; their order is that of the bytes."""
    raw = np.frombuffer(uids.buffers()[1], ">u8")[2 * uids.offset : 2 * (uids.offset + len(uids))].reshape(-1, 2)
    return (raw if places is None else raw[places]).astype(np.uint64)


def draws(uids: UInt64s, seed: int, stream: int | None = None) -> UInt64s:
    """A uniform 64-bit number for each uid, (N, 2), seed and stream."""
    return drawn(uids[:, 0], uids[:, 1], seed, stream)


def truths(answers: pa.BooleanArray) -> tuple[Bools, Bools | None]:
    """Yes (N,), and which rows have an answer at all (None: all)."""
    if not answers.null_count:
        return answers.to_numpy(zero_copy_only=False), None
    return (
        pc.fill_null(answers, False).to_numpy(zero_copy_only=False),
        answers.is_valid().to_numpy(zero_copy_only=False),
    )


def uids_of(rows: pa.Table) -> pa.Array:
    """The column `uid` in one piece."""
    return _whole(rows.column("uid"))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
