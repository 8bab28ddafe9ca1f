"""Rows of any parquet files that make one table: a page of them from anywhere, those that a condition keeps, figures.

    table = opened(located(root, "shards"))
    table.page(range(200_000, 200_050))               [{"url": "https://…", "width": 512, …}, …]
    kept = table.matches("width >= 512")              Matches(rows=int64 (M,), scanned=1_000_000)
    table.page(kept.rows[:50])
    table.figures()                                   (Figures(columns=(Column("url", …), …), counted=100_000))

Only row groups that hold a wanted row are read, batch by batch, and texts stay as their file's dictionary has them, so
that a megabyte that a small file repeats a million times is a megabyte. What a footer states is
bounded before a page of the file is read; what takes longer than `seconds` is ended, with what was found until then.

Cost: a row group is read from its beginning (65,536 rows: 10 to 60 ms); a condition 10 to 500 ns a row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .. import expression, schema
from ..errors import SourceError, UsageError
from . import cells, tables
from .columns import Column, Tally

MOST_ROWS = 1_000
"""Of one page."""
MOST_SCANNED = 20_000_000
"""Rows that one condition is asked of."""
MOST_COUNTED = 100_000
"""First rows that figures are of."""
_PAGE_CHARACTERS = 4_000_000
_MOST_CUT, _LEAST_CUT = 1_000, 16
_MOST_NAMES = 20_000  # characters of all columns' names
_MOST_CHUNK = 1 << 31  # bytes of a column in a row group
_MOST_PER_ROW = 1 << 20  # values of a list
_BATCH_ROWS, _BATCH_BYTES = 8_192, 1 << 25
_COUNTED_BYTES = 1 << 26
_BAD = (OSError, pa.ArrowException, ValueError, OverflowError, MemoryError)

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Matches:
    """Numbers of the rows that a condition keeps, ascending, among the first `scanned`."""

    rows: Ints
    scanned: int


@dataclass(frozen=True)
class Figures:
    """What is in the columns, counted over the first rows only."""

    columns: tuple[Column, ...]
    counted: int


@dataclass(frozen=True)
class Opened:
    """starts: number of each file's first row, and of all rows at the end. table: of ours, where it is one."""

    files: tuple[Path, ...]
    schema: pa.Schema
    table: str | None
    starts: tuple[int, ...]
    bytes: int

    @property
    def rows(self) -> int:
        return self.starts[-1]

    @property
    def meaning(self) -> str:
        return schema.table(self.table).meaning if self.table is not None else ""

    def cut(self, rows: int) -> int:
        """Characters that a value of a page of so many rows is cut at."""
        share = _PAGE_CHARACTERS // max(1, rows * len(self.schema))
        return max(_LEAST_CUT, min(_MOST_CUT, share))

    def page(self, rows: range | Ints, *, seconds: float = 5.0) -> list[dict[str, Any]]:
        """Rows by number, ascending, as plain values. UsageError where they are too many or too far into a group."""
        wanted = np.asarray(rows, np.int64)
        if len(wanted) > MOST_ROWS:
            raise UsageError(f"at most {MOST_ROWS} rows are shown at once", "ask for fewer")
        most, until = self.cut(len(wanted)), time.monotonic() + seconds
        found: list[dict[str, Any]] = []
        for start, batch in self._batches(self.schema.names, wanted, until, nested=True):
            if batch is None:
                raise UsageError(f"those rows were not reached within {seconds:g} s", "ask for earlier or fewer rows")
            low, high = np.searchsorted(wanted, [start, start + len(batch)])
            for place in (wanted[low:high] - start).tolist():
                found.append({name: cells.plain(batch.column(name)[place], most) for name in self.schema.names})
        return found

    def matches(self, where: str, *, seconds: float = 5.0) -> Matches:
        """The rows that an expression over the columns keeps. UsageError where it is none."""
        names = [field.name for field in self.schema]
        predicate = expression.compile(where, {field.name: str(field.type) for field in self.schema})
        until = time.monotonic() + seconds
        columns = [name for name in predicate.columns if name in names] or names[:1]
        found: list[Ints] = []
        scanned = 0
        for start, batch in self._batches(columns, np.zeros(0, np.int64), until, whole=True):
            if batch is None or start >= MOST_SCANNED:
                break
            for part in _dense(batch):
                if time.monotonic() > until:
                    break
                mask = predicate.mask(part).to_numpy(zero_copy_only=False)
                found.append(np.flatnonzero(mask) + scanned)
                scanned += len(part)
        return Matches(np.concatenate(found).astype(np.int64) if found else np.zeros(0, np.int64), scanned)

    def figures(self, *, seconds: float = 3.0) -> Figures:
        """Ranges, means and common values of the first rows; a column that cannot be counted has none."""
        until = time.monotonic() + seconds
        most = max(_BATCH_ROWS, min(MOST_COUNTED, 2_000_000 // max(1, len(self.schema))))
        tallies = {field.name: Tally(field) for field in self.schema}
        spoiled: set[str] = set()
        counted = taken = 0
        first = np.arange(min(self.rows, most), dtype=np.int64)
        for _, batch in self._batches(self.schema.names, first, until):
            if batch is None or counted >= most or taken > _COUNTED_BYTES:
                break
            for part in _dense(batch.slice(0, most - counted)):
                counted += len(part)
                taken += part.nbytes
                for name in tallies.keys() - spoiled:
                    try:
                        tallies[name].add(part.column(name))
                    except _BAD:  # a time beyond Python's years, a text that is no UTF-8
                        spoiled.add(name)
                if taken > _COUNTED_BYTES or time.monotonic() > until:
                    break
        for name in spoiled:
            tallies[name] = Tally(self.schema.field(name))
        columns = (tallies[name].column(tables.declared(self.table, name)) for name in self.schema.names)
        return Figures(tuple(columns), counted)

    def _batches(
        self, names: Sequence[str], wanted: Ints, until: float, *, nested: bool = False, whole: bool = False
    ) -> Iterator[tuple[int, pa.RecordBatch | None]]:
        """(number of the first row, rows) of the batches that hold a wanted row, or of all; None when it is late.

        Texts are dictionaries; those in lists are, where nested ones are wanted so.
        """
        for number, file in enumerate(self.files):
            start = self.starts[number]
            if not whole and not _any(wanted, start, self.starts[number + 1]):
                continue
            try:
                with _reader(file, nested=nested) as reader:
                    if reader.metadata.num_rows != self.starts[number + 1] - start:
                        raise SourceError(f"{file.name} is another file by now", "ask again")
                    for group in range(reader.metadata.num_row_groups):
                        stop = start + reader.metadata.row_group(group).num_rows
                        if whole or _any(wanted, start, stop):
                            yield from self._of_group(reader, group, start, names, wanted, until, whole)
                        start = stop
            except _BAD as error:
                line = " ".join(str(error).split())[:160] or type(error).__name__
                raise SourceError(f"{file} is damaged: {line}", "fetch or write the file again") from error

    def _of_group(
        self, reader: pq.ParquetFile, group: int, start: int, names: Sequence[str], wanted: Ints, until: float,
        whole: bool,
    ) -> Iterator[tuple[int, pa.RecordBatch | None]]:  # fmt: skip
        last = len(wanted) and int(wanted[-1])
        at_once = _rows_at_once(reader.metadata.row_group(group))
        for batch in reader.iter_batches(at_once, row_groups=[group], columns=list(names), use_threads=False):
            if time.monotonic() > until:
                yield start, None
                return
            if whole or _any(wanted, start, start + len(batch)):
                yield start, batch
            start += len(batch)
            if not whole and start > last:
                return


def opened(files: Sequence[Path]) -> Opened:
    """The files as one table. SourceError where one is no parquet file, has other columns than the first, or more of
    anything than can be shown."""
    first: pa.Schema | None = None
    starts, size = [0], 0
    for file in files:
        about = tables.footer(file)
        with about:
            plain = _plain(about.schema_arrow)
            if first is None:
                first = plain
                _bounded(file, about.schema_arrow)
            if not plain.equals(first):
                raise SourceError(f"{file} has other columns than {files[0].name}", "look at one of them")
            starts.append(starts[-1] + about.metadata.num_rows)
            size += file.stat().st_size
    assert first is not None
    return Opened(tuple(files), first, tables.table_of(first), tuple(starts), size)


def _bounded(file: Path, found: pa.Schema) -> None:
    if len(found) > tables.MOST_COLUMNS:
        raise SourceError(f"{file} has {len(found):,} columns, and more than {tables.MOST_COLUMNS} are not shown")
    if len(set(found.names)) != len(found.names):
        raise SourceError(f"{file} has several columns of one name", "`vlcorpus inspect FILE --column NAME` shows one")
    if sum(map(len, found.names)) > _MOST_NAMES:
        raise SourceError(f"{file} has columns of names that are too long to be shown")
    for field in found:
        if pa.types.is_fixed_size_binary(field.type) and field.type.byte_width > _BATCH_BYTES:
            raise SourceError(f"{file} has a column of values that are too large to be shown")


def _plain(found: pa.Schema) -> pa.Schema:
    """The same columns with the values of dictionaries in their place."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field for field in found
    ]
    return pa.schema(fields, metadata=found.metadata)


def _reader(file: Path, *, nested: bool) -> pq.ParquetFile:
    about = tables.footer(file)
    with about:
        columns = [about.schema.column(place) for place in range(len(about.schema))]
    texts = [each.path for each in columns if each.physical_type == "BYTE_ARRAY" and (nested or "." not in each.path)]
    return pq.ParquetFile(file, memory_map=True, read_dictionary=texts, thrift_string_size_limit=1 << 26)


def _rows_at_once(group: Any) -> int:
    """Rows of a batch, by what the footer says of their size. ValueError where that is beyond reason."""
    rows = max(1, group.num_rows)
    most = 1.0
    for place in range(group.num_columns):
        column = group.column(place)
        each = column.num_values / rows
        if column.total_uncompressed_size > _MOST_CHUNK or each > _MOST_PER_ROW:
            raise ValueError(f"a row group of {column.path_in_schema[:60]} is too large to be shown")
        most += max(column.total_uncompressed_size / rows, 8 * each)
    return int(max(1, min(_BATCH_ROWS, _BATCH_BYTES // most)))


def _dense(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch with its dictionaries written out, in pieces that do not outgrow memory by that."""
    coded = [place for place, field in enumerate(batch.schema) if pa.types.is_dictionary(field.type)]
    longest = 1
    for place in coded:
        values = batch.column(place).dictionary
        if len(values):
            longest += int(pc.max(pc.binary_length(values)).as_py() or 0)
    step = max(1, _BATCH_BYTES // longest)
    for start in range(0, len(batch), step):
        part = batch.slice(start, step)
        arrays = [
            part.column(place).dictionary_decode() if place in coded else part.column(place)
            for place in range(part.num_columns)
        ]
        yield pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


def _any(wanted: Ints, start: int, stop: int) -> bool:
    """Whether a wanted row is from start to before stop."""
    low, high = np.searchsorted(wanted, [start, stop])
    return bool(low < high)
