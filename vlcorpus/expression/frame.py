"""Some rows, with the columns that an expression reads."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from vlcorpus.errors import UsageError
from vlcorpus.expression import kernels
from vlcorpus.expression.kinds import Kind


class Frame:
    """columns: as they stand in the table; each is loaded once, when it is first read."""

    def __init__(self, columns: Mapping[str, pa.Array], kinds: Mapping[str, Kind], rows: int) -> None:
        self.rows = rows
        self._columns = columns
        self._kinds = kinds
        self._loaded: dict[str, kernels.Values] = {}

    @classmethod
    def of(cls, batch: pa.RecordBatch, kinds: Mapping[str, Kind]) -> Frame:
        """Raises UsageError if the batch has not these columns, of these kinds."""
        columns = {}
        for name, kind in kinds.items():
            place = batch.schema.get_field_index(name)
            if place < 0:
                raise UsageError(f"the table has not one column {name!r}, which the expression reads")
            column = columns[name] = batch.column(place)
            if not kernels.fits(column, kind):
                raise UsageError(
                    f"the table's column {name!r} is {column.type}, and the expression was for {kind.value}"
                )
        return cls(columns, kinds, batch.num_rows)

    def column(self, name: str) -> kernels.Values:
        if name not in self._loaded:
            self._loaded[name] = kernels.load(self._columns[name], self._kinds[name])
        return self._loaded[name]
