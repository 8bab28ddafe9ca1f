"""Parquet tables with a declared schema: written through a commit, read back checked.

    columns(rows, "decisions")                       rows (dicts) -> pyarrow.Table with the declared types
    write(commit, "00000.parquet", table, "decisions")
    read(path, "decisions", columns=["uid"])

The same rows give the same bytes. Column types that disagree with schemas/ are an error where they are written, not
where they are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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
    volatile = [column for column in schema.table(name).volatile if column in table.column_names]
    sink = _Hash()
    plain = table.drop_columns(volatile).combine_chunks().replace_schema_metadata(None)
    with pa.ipc.new_stream(sink, plain.schema) as stream:
        stream.write_table(plain)
    return sink.hash.hexdigest()


class _Hash:
    closed = False

    def __init__(self) -> None:
        self.hash = hashlib.sha256()

    def write(self, chunk: Any) -> int:
        self.hash.update(chunk)
        return len(memoryview(chunk))

    def flush(self) -> None: ...

    def close(self) -> None: ...


def write(commit: Commit, path: str, table: pa.Table, name: str) -> None:
    """Write `table` as an output of the commit, zstd, statistics on."""
    wanted = schema.table(name).arrow()
    if not table.schema.equals(wanted):
        raise ValueError(f"columns of {path} disagree with schemas/{name}.json: {table.schema} is not {wanted}")
    with commit.file(path) as sink:
        pq.write_table(checked(table, name), sink, compression="zstd", row_group_size=ROW_GROUP)
    if schema.table(name).volatile:
        commit.outputs[path]["digest"] = digest(table, name)


def read(path: Path, name: str, *, only: Sequence[str] | None = None) -> pa.Table:
    """Read a table and check its columns against the declared schema.

    Raises CorpusError naming the file where it is missing, damaged, or of another schema.
    """
    wanted = schema.table(name).arrow()
    if only is not None:
        wanted = pa.schema([wanted.field(column) for column in only])
    try:
        found = pq.read_table(path, columns=list(only) if only is not None else None, memory_map=True)
    except (OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise CorpusError(f"cannot read {path}: {_first_line(error)}", "run `vlcorpus verify` on the corpus") from error
    if not found.schema.equals(wanted):
        differing = sorted(set(found.schema.names) ^ set(wanted.names)) or ["types"]
        raise CorpusError(
            f"{path} is not a table {name!r} (differs in {', '.join(differing)})",
            f"compare with `vlcorpus schema {name}`",
        )
    return found


def rows(path: Path, name: str, *, only: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a table as dicts, batch by batch."""
    for batch in read(path, name, only=only).to_batches(max_chunksize=8_192):
        yield from batch.to_pylist()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
