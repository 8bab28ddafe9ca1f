"""Rows gathered column by column, to become a table.

    rows = Rows(("url", "alt_text"), {"text_source": "alt"})
    rows.url.append(...)             through rows.columns["url"]
    rows.close(page, ...)            the rows since the last call are this page's
    rows.table("wat", "a.wat.gz")    columns of schemas/extracted.json

A WAT gives a hundred thousand rows a second, for which an object each would cost more than finding them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vlcorpus.web.found import time_of

if TYPE_CHECKING:
    import pyarrow as pa


class About(NamedTuple):
    """What is the same for all rows of a page. Named as the columns of schemas/extracted.json."""

    page_url: str
    found_at: str
    record_offset: int
    record_length: int | None
    warc_file: str
    warc_offset: int | None
    optout: list[str] | None = None
    page_title: str | None = None
    page_language: str | None = None
    page_canonical: str | None = None
    licence: str | None = None
    licence_scope: str | None = None


class Rows:
    """columns: a list each, all to be kept at one length. constants: columns with one value."""

    def __init__(self, columns: Sequence[str], constants: Mapping[str, str]) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in columns}
        self._first = self.columns[columns[0]]
        self._constants = dict(constants)
        self._pages: list[About] = []
        self._counts: list[int] = []
        self._closed = 0

    def __len__(self) -> int:
        return len(self._first)

    def close(self, page: About) -> None:
        """The rows since the last call are of this page."""
        size = len(self._first)
        if size > self._closed:
            self._pages.append(page)
            self._counts.append(size - self._closed)
            self._closed = size

    def table(self, kind: str, file: str, late: Mapping[str, pa.Array] | None = None) -> pa.Table:
        """One row a pair, in the order gathered. late: columns worked out since, which count before the gathered."""
        import numpy as np
        import pyarrow as pa

        from vlcorpus import schema

        wanted = schema.table("extracted").arrow()
        size = len(self._first)
        page_of = pa.array(np.repeat(np.arange(len(self._pages), dtype=np.int32), self._counts))
        by_page: dict[str, Sequence[Any]] = dict(zip(About._fields, zip(*self._pages, strict=True), strict=False))
        if by_page:
            by_page["found_at"] = [time_of(date) for date in by_page["found_at"]]
        constants = {**self._constants, "source_kind": kind, "source_file": file}

        def column(field: pa.Field) -> pa.Array:
            if late is not None and field.name in late:
                return late[field.name]
            # A profile may know of each row what others know of the page.
            if field.name in self.columns:
                return pa.array(self.columns[field.name], type=field.type)
            if field.name in constants:
                return pa.repeat(pa.scalar(constants[field.name], type=field.type), size)
            values = by_page.get(field.name)
            if values is None or all(value is None for value in values):
                return pa.nulls(size, field.type)
            return pa.array(values, type=field.type).take(page_of)

        return pa.Table.from_arrays([column(field) for field in wanted], schema=wanted)
