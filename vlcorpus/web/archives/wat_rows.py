"""The rows of a WAT's pages, gathered in columns to become a table.

    rows = Rows("a.wat.gz")
    rows.close(("https://a.example/", ...), 3)             the next three rows are this page's
    rows.close(("https://b.example/", ...), 1)
    rows.waiting                                           4
    rows.pages()                                           [0, 0, 0, 1]: the page of each
    rows.settle(rows.pages(), {"url": array})              these are they, or some of them
    rows.flush()                                           all that were settled, columns of schemas/extracted.json

A WAT gives more than a hundred thousand rows a second, for which an object each would cost more than finding them.
What is said of a page is one value a page, and put behind its rows when they settle. That should be after a few
thousand of them, while what they were made from is in the processor's cache, and its memory can serve the next ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vlcorpus.web.found import time_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    Numbers = np.ndarray[Any, np.dtype[np.int32]]

STEP = 4_000  # rows, after which they should settle

_DATE = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"


# What is the same for all rows of a page: values of PAGE_COLUMNS. A plain tuple of plain values is nothing for the
# garbage collector to look through again and again.
About = tuple[
    str, str, int, int | None, str, int | None, list[str] | None, str | None, str | None, str | None, str | None,
    str | None,
]  # fmt: skip
PAGE_COLUMNS = (
    "page_url", "found_at", "record_offset", "record_length", "warc_file", "warc_offset", "optout", "page_title",
    "page_language", "page_canonical", "licence", "licence_scope",
)  # fmt: skip


class Rows:
    """len: rows so far, settled or waiting."""

    def __init__(self, file: str) -> None:
        """file: for source_file."""
        from vlcorpus import schema

        self.waiting = 0
        self._schema = schema.table("extracted").arrow()
        self._known = {"source_kind": "wat", "source_file": file}
        self._constants: dict[str, pa.Array] = {}
        self._pages: list[About] = []  # those whose rows wait
        self._counts: list[int] = []
        self._settled: list[pa.RecordBatch] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size + self.waiting

    def close(self, page: About, rows: int) -> None:
        """The next `rows` rows are of this page."""
        self._pages.append(page)
        self._counts.append(rows)
        self.waiting += rows

    def pages(self) -> Numbers:
        """For each row that waits, the number of its page among those that have such."""
        import numpy as np

        return np.repeat(np.arange(len(self._counts), dtype=np.int32), self._counts)

    def settle(self, page_of: Numbers, columns: Mapping[str, pa.Array | str]) -> None:
        """What waits has become these rows. page_of: what `pages` gives, without the rows that were left out. columns:
        arrays, or one value for all."""
        import pyarrow as pa
        import pyarrow.compute as pc

        rows, size = pa.array(page_of), len(page_of)
        by_page: dict[str, Sequence[Any]] = dict(zip(PAGE_COLUMNS, zip(*self._pages, strict=True), strict=False))

        def column(field: pa.Field) -> pa.Array:
            # A profile may know of each row what others know of the page.
            known = columns.get(field.name)
            if known is not None:
                return self._all(field, known, size) if isinstance(known, str) else known
            values = by_page.get(field.name)
            if values is None or values.count(None) == len(values):
                return self._all(field, self._known.get(field.name), size)
            array = _times(values, field.type) if field.name == "found_at" else pa.array(values, type=field.type)
            return pc.take(array, rows, memory_pool=pa.system_memory_pool())

        if size:
            schema = self._schema
            self._settled.append(pa.RecordBatch.from_arrays([column(field) for field in schema], schema=schema))
            self._size += size
        self._pages, self._counts, self.waiting = [], [], 0

    def flush(self) -> pa.Table:
        """What has settled since the last call."""
        import pyarrow as pa

        settled, self._settled, self._size = self._settled, [], 0
        return pa.Table.from_batches(settled, schema=self._schema)

    def _all(self, field: pa.Field, value: str | None, size: int) -> pa.Array:
        """A column of one value. All are parts of one array, that is made once."""
        import pyarrow as pa

        long = self._constants.get(field.name)
        if long is None or len(long) < size:
            size_made = max(size, 2 * STEP)
            long = pa.nulls(size_made, field.type)
            if value is not None:
                long = pa.repeat(pa.scalar(value, type=field.type), size_made)
            self._constants[field.name] = long
        return long.slice(0, size)


def strings(values: Sequence[str | None]) -> pa.Array:
    """A column. Arrow's own allocator would give what settles and is let go back to the system, many times a second,
    and get it back emptied, which takes longer than what is done with it."""
    import pyarrow as pa

    return pa.array(values, pa.string(), memory_pool=pa.system_memory_pool())


def _times(dates: Sequence[str], kind: pa.DataType) -> pa.Array:
    """A crawl's dates are written all in one way; others are read one by one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    written = pa.array(dates, pa.string())
    if pc.all(pc.match_substring_regex(written, _DATE)).as_py():
        try:
            return written.cast(kind)
        except pa.ArrowInvalid:  # the 31st of June
            pass
    return pa.array([time_of(date) for date in dates], type=kind)
