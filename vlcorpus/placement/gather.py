"""The rows of each slice, put together in one walk through the parts.

    for found in gather(parts, slices, places, wanted=[0, 1, 4], folder=folder, memory=1 << 29):
        found.number, found.table, found.order, found.offset, found.why

Most rows lie where their slice finds them, in order. Those that follow the first row of their image into an earlier
slice are collected before, in a walk of their own; without such rows there is none. They are kept in memory while they
fit, then in files for some slices each. The last step of every slice is left to who takes it: `order` lists rows of
`table`, and one `take` puts them in place and divides them at once.

Cost: 0.2 to 0.4 microseconds a row for each walk (decoding). Memory: some row groups, one slice, and `memory`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from .buckets import Numbers
from .duplicates import Places
from .keys import Mask
from .parts import Parts
from .slices import Slices, far
from .travellers import OFFSET, Travellers, numbered


@dataclass(frozen=True)
class Gathered:
    """One slice. order: which rows of `table` it has, in order, int64 (n,). offset, why: of these, their number in the
    source and the index into duplicates.REASONS."""

    number: int
    table: pa.Table
    order: Numbers
    offset: Numbers
    why: Numbers


def gather(
    parts: Parts, slices: Slices, places: Places, *, wanted: Sequence[int], folder: Path, memory: int
) -> Iterator[Gathered]:
    """The wanted slices, in order."""
    is_wanted = np.zeros(len(slices) + 1, bool)
    is_wanted[list(wanted)] = True
    far_row, far_slice = far(slices, places, rows=parts.rows, folder=folder, memory=memory // 4)
    with Travellers(folder, far_row, far_slice, is_wanted, memory=memory // 2) as travellers:
        travellers.collect(parts)
        walk = _Walk(parts, slices, far_row, is_wanted)
        for number in sorted(wanted):
            yield _put_together(number, [*walk.rows_of(number), *travellers.rows_of(number)], slices, places)


def _put_together(number: int, pieces: list[pa.Table], slices: Slices, places: Places) -> Gathered:
    table = pa.concat_tables(pieces)
    there = np.asarray(table.column(OFFSET).combine_chunks())
    first, row = slices.later(number, places)
    by_row = np.argsort(there, kind="stable")
    at_home = np.ones(len(there), bool)
    at_home[by_row[np.searchsorted(there, row, sorter=by_row)]] = False
    heads = there[at_home]
    offset = np.concatenate([heads, row])[np.argsort(np.concatenate([heads, first]), kind="stable")]
    order = by_row[np.searchsorted(there, offset, sorter=by_row)]
    if not np.array_equal(there[order], offset):
        raise AssertionError(f"slice {number} has not the rows that it should have")
    why = np.zeros(len(offset), np.int64)
    if len(offset):
        low, high = np.searchsorted(places.refused, [offset.min(), offset.max() + 1])
        refused, reasons = np.asarray(places.refused[low:high]), np.asarray(places.why[low:high])
        if len(refused):
            place = np.minimum(np.searchsorted(refused, offset), len(refused) - 1)
            why = np.where(refused[place] == offset, reasons[place], 0)
    return Gathered(number, table.drop_columns([OFFSET]), order, offset, why)


def _filtered(table: pa.Table, chosen: pa.Array) -> pa.Table:
    """Some rows. Most columns of most sources hold only nulls, which need no looking at."""
    left = chosen.true_count
    columns = [
        pa.nulls(left, each.type) if each.null_count == len(each) else each.filter(chosen).combine_chunks()
        for each in table.columns
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)


class _Walk:
    """Rows at home, from the first wanted slice to the last."""

    def __init__(self, parts: Parts, slices: Slices, far_row: Numbers, is_wanted: Mask) -> None:
        self._home = slices.home
        self._far_row = far_row
        self._is_wanted = np.append(0, np.cumsum(is_wanted))
        self._tables = parts.tables(self._any_wanted)
        self._waiting: list[pa.Table] = []
        self._read = 0  # rows before this one were read

    def rows_of(self, number: int) -> Iterator[pa.Table]:
        start, stop = int(self._home[number]), int(self._home[number + 1])
        while self._read < stop and self._advance():
            pass
        later: list[pa.Table] = []
        for table in self._waiting:
            offsets = np.asarray(table.column(OFFSET).chunk(0))
            low, high = np.searchsorted(offsets, [start, stop])
            yield table.slice(low, high - low)
            if high < len(table):
                later.append(table.slice(high))
        self._waiting = later

    def _advance(self) -> bool:
        """Read on, without rows that travel."""
        found = next(self._tables, None)
        if found is None:
            return False
        start, table = found
        self._read = start + len(table)
        table = numbered(table, np.arange(start, self._read))
        low, high = np.searchsorted(self._far_row, [start, self._read])
        if low < high:
            stays = np.ones(len(table), bool)
            stays[np.asarray(self._far_row[low:high]) - start] = False
            table = _filtered(table, pa.array(stays))
        if len(table):
            self._waiting.append(table)
        return True

    def _any_wanted(self, start: int, stop: int) -> bool:
        """Whether a wanted slice has its home in these rows, or in a part of them."""
        low = int(np.searchsorted(self._home, start, side="right")) - 1
        high = int(np.searchsorted(self._home, stop, side="left"))
        return bool(self._is_wanted[high] > self._is_wanted[low])
