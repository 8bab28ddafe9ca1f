"""Rows that travel: those of an image whose first row is at home in an earlier slice.

    with Travellers(folder, row, number, is_wanted, memory=1 << 28) as travellers:
        travellers.collect(parts)          one walk through the parts, if there are any
        travellers.rows_of(7)              tables of the rows that go to slice 7, their numbers in OFFSET

They are kept in memory until they need more than `memory` bytes, then in one file for some neighbouring slices each.
Memory: `memory`, or the rows of one such file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa

from .buckets import Numbers
from .keys import Mask
from .parts import Parts

OFFSET = "_offset"
_SLICE = "_slice"
_MOST_FILES = 128
_FILE_ROWS = 65_536
_STEP = 1 << 20


def numbered(table: pa.Table, offset: Numbers) -> pa.Table:
    """The table with the numbers of its rows as one more column."""
    return table.append_column(OFFSET, pa.array(offset))


class Travellers:
    """row, number: the rows that travel, in order, and their slices. is_wanted: of each slice."""

    def __init__(self, folder: Path, row: Numbers, number: Numbers, is_wanted: Mask, *, memory: int) -> None:
        self._folder, self._row, self._number, self._is_wanted = folder, row, number, is_wanted
        self._memory = memory
        counts = np.zeros(len(is_wanted), np.int64)
        for begin in range(0, len(number), _STEP):
            counts += np.bincount(number[begin : begin + _STEP], minlength=len(counts))
        counts[~is_wanted] = 0
        self._total = int(counts.sum())
        # Neighbouring slices share a file.
        self._file_of = (np.cumsum(counts) - counts) // max(_FILE_ROWS, self._total // _MOST_FILES)
        self._held: dict[int, list[pa.Table]] = {}
        self._bytes = 0
        self._streams: dict[int, pa.RecordBatchStreamWriter] = {}
        self._opened: tuple[int, pa.Table] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def collect(self, parts: Parts) -> None:
        """Once, before `rows_of`."""
        if not self._total:
            return
        for start, table in parts.tables(lambda start, stop: len(self._among(start, stop)[0]) > 0):
            row, number = self._among(start, start + len(table))
            order = np.argsort(self._file_of[number], kind="stable")
            row, number = row[order], number[order]
            chosen = numbered(table.take(pa.array(row - start)), row).append_column(_SLICE, pa.array(number))
            chosen = chosen.combine_chunks()
            edges = np.flatnonzero(np.append(True, np.diff(self._file_of[number]) != 0)).tolist()
            for low, high in zip(edges, [*edges[1:], len(row)], strict=True):
                self._held.setdefault(int(self._file_of[number[low]]), []).append(chosen.slice(low, high - low))
            self._bytes += chosen.nbytes
            if self._bytes > self._memory:
                self._spill()
        self._close()

    def rows_of(self, number: int) -> Iterator[pa.Table]:
        """Of a wanted slice; those of earlier slices are forgotten."""
        if not self._total:
            return
        file = int(self._file_of[number])
        if self._opened is None or self._opened[0] != file:
            self._opened = None
            self._opened = file, self._load(file)
        table = self._opened[1]
        if len(table):
            numbers = table.column(_SLICE).chunk(0)
            low, high = np.searchsorted(np.asarray(numbers), [number, number + 1])
            yield table.slice(low, high - low).drop_columns([_SLICE])

    def _among(self, start: int, stop: int) -> tuple[Numbers, Numbers]:
        """(row, slice) of the rows from start to before stop that travel to wanted slices."""
        low, high = np.searchsorted(self._row, [start, stop])
        row, number = np.asarray(self._row[low:high]), np.asarray(self._number[low:high])
        chosen = self._is_wanted[number]
        return row[chosen], number[chosen]

    def _path(self, file: int) -> Path:
        return self._folder / f"travellers-{file:05d}.tmp"

    def _spill(self) -> None:
        for file, tables in self._held.items():
            table = pa.concat_tables(tables).combine_chunks()
            if file not in self._streams:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._streams[file] = pa.ipc.new_stream(str(self._path(file)), table.schema)
            self._streams[file].write_table(table)
        self._held.clear()
        self._bytes = 0

    def _load(self, file: int) -> pa.Table:
        tables = self._held.pop(file, [])
        if self._path(file).exists():
            with pa.memory_map(str(self._path(file))) as source:
                tables = [pa.ipc.open_stream(source).read_all(), *tables]
        if not tables:
            return pa.table({})
        table = pa.concat_tables(tables)
        order = np.argsort(np.asarray(table.column(_SLICE).combine_chunks()), kind="stable")
        return table.take(pa.array(order)).combine_chunks()

    def _close(self) -> None:
        for stream in self._streams.values():
            stream.close()
        self._streams.clear()
