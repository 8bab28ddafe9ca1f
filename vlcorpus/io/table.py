"""Parquet tables with a declared schema: written through a commit, read back checked.

    columns(rows, "decisions")                       rows (dicts) -> pyarrow.Table with the declared types
    write(commit, "00000.parquet", table, "decisions")
    read(path, "decisions", only=["uid"])
    for start, rows in pieces(path, "decisions"):    ... row group by row group

The same rows give the same bytes, however they were put together. Column types that disagree with schemas/ are an error
where they are written, not where they are read. A table that an earlier version wrote is read, too: columns that came
since are null.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .. import schema
from ..errors import CorpusError
from .commit import Commit

ROW_GROUP = 65_536


def columns(rows: Iterable[Mapping[str, Any]], name: str) -> pa.Table:
    """Rows as a table of the declared schema; a missing key is null where the schema allows it."""
    wanted = schema.table(name).arrow()
    listed = list(rows)
    arrays = [pa.array([row.get(field.name) for row in listed], type=field.type) for field in wanted]
    return checked(pa.Table.from_arrays(arrays, schema=wanted), name)


def from_columns(arrays: Mapping[str, Any], name: str) -> pa.Table:
    """Arrays (numpy, lists or arrow) by column name as a table of the declared schema."""
    wanted = schema.table(name).arrow()
    built = [pa.array(arrays[field.name], type=field.type) for field in wanted]
    return checked(pa.Table.from_arrays(built, schema=wanted), name)


def checked(table: pa.Table, name: str) -> pa.Table:
    """The table itself, or ValueError where a column that must not be null has a null."""
    for field in schema.table(name).arrow():
        if not field.nullable and table.column(field.name).null_count:
            raise ValueError(f"null in column {field.name!r} of table {name!r}")
    return table


def digest(table: pa.Table, name: str) -> str:
    """sha256 of the content without volatile columns: two equal runs give the same."""
    content = Content(name)
    for start in range(0, max(1, len(table)), ROW_GROUP):
        content.add(table if len(table) <= ROW_GROUP else owned(table.slice(start, ROW_GROUP)))
    return content.end()


def owned(table: pa.Table) -> pa.Table:
    """The same rows in one piece, of which nothing shows what they were cut from; columns of nulls as they are."""
    order = pa.array(np.arange(len(table)))
    empty = nothing_in(table)
    columns = [
        pa.nulls(len(table), field.type) if field.name in empty else table.column(field.name).take(order)
        for field in table.schema
    ]
    return pa.Table.from_arrays(columns, schema=table.schema).combine_chunks()


def nothing_in(table: pa.Table) -> set[str]:
    """Names of the columns that hold only nulls."""
    return {name for name in table.column_names if table.column(name).null_count == len(table)}


class Content:
    """The digest of a table that is given in row groups. A column that is null throughout a group costs nothing."""

    def __init__(self, name: str) -> None:
        volatile = schema.table(name).volatile
        self._stable = [column for column in schema.table(name).names if column not in volatile]
        self._hash = hashlib.sha256(" ".join([name, *self._stable]).encode())

    def add(self, group: pa.Table) -> None:
        empty = nothing_in(group)
        held = [name for name in self._stable if name in group.column_names and name not in empty]
        self._hash.update(f" {len(group)} ".encode())
        plain = group.select(held).combine_chunks().replace_schema_metadata(None)
        sink = pa.BufferOutputStream()  # hashed at once: other threads run meanwhile
        with pa.ipc.new_stream(sink, plain.schema) as stream:
            stream.write_table(plain)
        self._hash.update(sink.getvalue())

    def end(self) -> str:
        return self._hash.hexdigest()


def encoding(table: pa.Table, *, varied: Sequence[str] = (), passing: bool = False) -> dict[str, Any]:
    """How the columns of a table like this one are written: options of a parquet writer.

    Columns of nulls alone are not compressed. varied, passing: as of `write`.
    """
    empty = nothing_in(table)
    names = {field.name for field in table.schema if passing and pa.types.is_fixed_size_binary(field.type)}
    leaves = {field.name: _leaf(field) for field in table.schema}
    quick = [name for name in varied if name not in empty] if passing else []
    return {
        "use_dictionary": [leaf for name, leaf in leaves.items() if name not in varied and name not in empty],
        "compression": {
            leaf: "none" if name in empty | names else "lz4" if passing else "zstd" for name, leaf in leaves.items()
        },
        "write_statistics": [leaf for name, leaf in leaves.items() if name not in quick],
    }


def _leaf(field: pa.Field) -> str:
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else str(field.name)


def write(
    commit: Commit, path: str, table: pa.Table, name: str, *, varied: Sequence[str] = (), passing: bool = False
) -> None:
    """Write `table` as an output of the commit, zstd, statistics on.

    varied: columns whose values hardly repeat. They are written without looking for repetitions, which is faster.
    passing: for what is read once, by what comes next: written faster, a third larger, no statistics of varied columns.
    """
    wanted = schema.table(name).arrow()
    if not table.schema.equals(wanted):
        raise ValueError(f"columns of {path} disagree with schemas/{name}.json: {table.schema} is not {wanted}")
    table = checked(table, name).combine_chunks()
    made = pa.BufferOutputStream()  # one write of a file, not one of each page
    pq.write_table(table, made, row_group_size=ROW_GROUP, **encoding(table, varied=varied, passing=passing))
    with commit.file(path) as sink:
        sink.write(made.getvalue())
    if schema.table(name).volatile:
        commit.outputs[path]["digest"] = digest(table, name)


def read(path: Path, name: str, *, only: Sequence[str] | None = None) -> pa.Table:
    """Read a table and check its columns against the declared schema.

    Raises CorpusError naming the file where it is missing, damaged, or of another schema.
    """
    with _opened(path, name, only) as (file, there, wanted):
        held = _held(file.metadata, there, range(file.metadata.num_row_groups))
        return _declared(file.read(columns=held), wanted, path, name)


def count(path: Path, name: str) -> int:
    """Number of rows. CorpusError as of `read`."""
    with _opened(path, name, None) as (file, _, _):
        return int(file.metadata.num_rows)


def pieces(
    path: Path,
    name: str,
    *,
    only: Sequence[str] | None = None,
    wanted: Callable[[int, int], bool] | None = None,
) -> Iterator[tuple[int, pa.Table]]:
    """(number of the first row, rows), in order, of at most ROW_GROUP rows each. CorpusError as of `read`.

    wanted: says of the rows from start to before stop whether any of them is; row groups without are not read.
    """
    with _opened(path, name, only) as (file, there, fields):
        start = 0
        for group in range(file.metadata.num_row_groups):
            stop = start + file.metadata.row_group(group).num_rows
            if wanted is None or wanted(start, stop):
                place = start
                held = _held(file.metadata, there, [group])
                for batch in file.iter_batches(ROW_GROUP, row_groups=[group], columns=held, use_threads=False):
                    yield place, _declared(pa.Table.from_batches([batch]), fields, path, name)
                    place += len(batch)
            start = stop


@contextmanager
def _opened(path: Path, name: str, only: Sequence[str] | None) -> Iterator[tuple[pq.ParquetFile, list[str], pa.Schema]]:
    """The file, the wanted columns that are in it, and the declared schema of the wanted columns."""
    whole = schema.table(name).arrow()
    wanted = whole if only is None else pa.schema([whole.field(column) for column in only], metadata=whole.metadata)
    try:
        with pq.ParquetFile(path, memory_map=True) as file:
            found = file.schema_arrow
            there = [column for column in wanted.names if column in found.names]
            if only is not None:
                found = pa.schema([found.field(column) for column in there], metadata=found.metadata)
            _check(found, wanted, path, name)
            yield file, there, wanted
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise CorpusError(f"cannot read {path}: {_first_line(error)}", "run `vlcorpus verify` on the corpus") from error


def _held(about: pq.FileMetaData, there: list[str], groups: Iterable[int]) -> list[str]:
    """Those columns, one at least, that hold more than nulls in these row groups: nulls need no reading."""
    left, null, held = set(there), set(), set()
    for number in groups:
        group = about.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            name = column.path_in_schema  # a list's is not its column's name: lists are always read
            if name in left:
                said = column.statistics
                if said is not None and said.has_null_count and said.null_count == group.num_rows:
                    null.add(name)
                else:
                    held.add(name)
        left -= held
    return [name for name in there if name in held or name not in null] or there[:1]


def _check(found: pa.Schema, wanted: pa.Schema, path: Path, name: str) -> None:
    """CorpusError unless a file has the declared columns, or those of an earlier version."""
    if found.equals(wanted):
        return
    differing = set(found.names) ^ set(wanted.names)
    if _version(found, name) < schema.table(name).version:
        since = [field for field in wanted if field.name not in found.names]
        differing = {field.name for field in since if not field.nullable} | (set(found.names) - set(wanted.names))
        differing |= {field.name for field in found if field.name in wanted.names and _other(field, wanted)}
        if not differing:
            return
    raise CorpusError(
        f"{path} is not a table {name!r} (differs in {', '.join(sorted(differing) or ['types'])})",
        f"compare with `vlcorpus schema {name}`",
    )


def _version(found: pa.Schema, name: str) -> int:
    """The version of the table that a file says it is; that of today where it says none."""
    marks = found.metadata or {}
    said = marks.get(b"vlcorpus.table_version", b"")
    earlier = marks.get(b"vlcorpus.table") == name.encode() and said.isdigit()
    return int(said) if earlier else schema.table(name).version


def _other(field: pa.Field, wanted: pa.Schema) -> bool:
    return bool(wanted.field(field.name).type != field.type)


def _declared(found: pa.Table, wanted: pa.Schema, path: Path, name: str) -> pa.Table:
    """Columns in the declared order; those that an earlier version lacks are null."""
    arrays = [
        found.column(field.name) if field.name in found.column_names else pa.nulls(len(found), field.type)
        for field in wanted
    ]
    table = pa.Table.from_arrays(arrays, schema=wanted)
    for field in wanted:
        if not field.nullable and table.column(field.name).null_count:
            raise CorpusError(
                f"{path} is not a table {name!r} (null in {field.name})", "run `vlcorpus verify` on the corpus"
            )
    return table


def rows(path: Path, name: str, *, only: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a table as dicts, batch by batch."""
    for batch in read(path, name, only=only).to_batches(max_chunksize=8_192):
        yield from batch.to_pylist()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
