"""A table of a commit that is written while it grows, in row groups of one size.

    with Growing(commit, "pairs/00000.parquet", "extracted") as rows:
        rows.add(first_table)
        rows.add(second_table)

The bytes depend on the rows and their order alone, not on how they were divided among the calls of `add`. Memory: the
rows of one row group. Where the schema has volatile columns, the commit gets a digest of the others, as io.table gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from .. import schema
from .commit import Commit
from .table import ROW_GROUP, Content, checked, encoding, owned


class Growing:
    """name: of the table in schemas/. varied, passing: as of table.write; which columns are null throughout, is judged
    by the first row group. Leaving the context with an error leaves no output."""

    def __init__(
        self, commit: Commit, path: str, name: str, *, varied: Sequence[str] = (), passing: bool = False
    ) -> None:
        self._commit, self._path, self._name = commit, path, name
        self._schema = schema.table(name).arrow()
        self._varied, self._passing = varied, passing
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._written = 0
        self._stack = ExitStack()
        self._writer: pq.ParquetWriter | None = None
        self._content = Content(name) if schema.table(name).volatile else None

    def __enter__(self) -> Self:
        self._sink = self._stack.enter_context(self._commit.file(self._path))
        return self

    def add(self, table: pa.Table) -> None:
        """Append rows of the declared schema. ValueError for others."""
        if not table.schema.equals(self._schema):
            raise ValueError(f"rows of {self._path} disagree with schemas/{self._name}.json")
        if len(table):
            self._waiting.append(checked(table, self._name))
            self._rows += len(table)
        if self._rows >= ROW_GROUP:
            whole = pa.concat_tables(self._waiting)
            end = len(whole) - len(whole) % ROW_GROUP
            for start in range(0, end, ROW_GROUP):
                self._write(whole.slice(start, ROW_GROUP))
            self._waiting = [whole.slice(end)] if end < len(whole) else []
            self._rows = len(whole) - end

    @property
    def rows(self) -> int:
        """Rows added so far."""
        return self._written + self._rows

    def _write(self, group: pa.Table) -> None:
        group = owned(group) if self._content is not None else group.combine_chunks()
        if self._writer is None:
            how = encoding(group, varied=self._varied, passing=self._passing) if self._passing else {}
            self._writer = pq.ParquetWriter(self._sink, self._schema, **({"compression": "zstd"} | how))
        self._writer.write_table(group, row_group_size=ROW_GROUP)
        if self._content is not None:
            self._content.add(group)
        self._written += len(group)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:  # so that the file goes, and is explained, whatever happens here
            if error is not None:
                if self._writer is not None:
                    with suppress(OSError):
                        self._writer.close()
                raise error
            if self._rows or not self._written:
                self._write(pa.concat_tables(self._waiting) if self._waiting else self._schema.empty_table())
                self._waiting, self._rows = [], 0
            assert self._writer is not None
            self._writer.close()
        if self._content is not None:
            self._commit.outputs[self._path]["digest"] = self._content.end()
