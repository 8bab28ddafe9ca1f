"""The tables beside a folder of vectors: one row for each vector, in parquet files or Arrow's.

    tables = Described(Path("laion-embeddings/metadata"), sizes=[1000000, 413])
    tables.types                                  {"image_path": "string", "caption": "string", ...}
    tables.take([17, 4], ["caption"])             [{"caption": "a dog"}, {"caption": "a cat"}]
    for batch in tables.batches(["width"]): ...   all rows, in order

Parquet files stand one for each array, with as many rows; Arrow files (clip-retrieval's parquet_to_arrow) have as many
rows together. A folder without tables gives rows without any column. Columns are those that all files have, with one
type. Types that only their reader knows are left out.

Cost: footers when it is made; taking rows reads the row groups that have them, the last few of which are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import CorpusError, SourceError
from .kept import Kept

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 65_536
KEPT_BYTES = 256 << 20
_AGAIN = "row order is all that joins them: copy the folder again, whole"


class Described:
    """sizes: rows of each array. CorpusError where the tables have not as many."""

    def __init__(self, folder: Path, sizes: Sequence[int]) -> None:
        import pyarrow as pa

        parquet = sorted(path for path in folder.glob("*.parquet") if path.is_file())
        arrow = sorted(path for path in folder.glob("*.arrow") if path.is_file())
        self._files: list[_Parquet | _Arrow] = []
        with _explained(folder):
            self._files = [_Parquet(path) for path in parquet] or [_Arrow(path) for path in arrow]
        found = [each.rows for each in self._files]
        if parquet and found != list(sizes):
            raise CorpusError(
                f"{folder} has {len(found)} tables of {short(found)} rows, and there are {len(sizes)} arrays of "
                f"{short(sizes)}",
                _AGAIN,
            )
        if self._files and sum(found) != sum(sizes):
            raise CorpusError(f"{folder} has {sum(found)} rows, and the arrays {sum(sizes)}", _AGAIN)
        self._rows = sum(sizes)
        self._starts = np.cumsum([0, *found], dtype=np.int64)
        self.types: dict[str, str] = {}
        if self._files:
            first, *others = (each.schema for each in self._files)
            for field in first:
                if isinstance(field.type, pa.BaseExtensionType):
                    continue
                if all(_same(other, field) for other in others) and first.names.count(field.name) == 1:
                    self.types[field.name] = str(field.type)
        self._groups: Kept[pa.Table] = Kept(KEPT_BYTES, lambda rows: int(rows.nbytes))

    def take(self, rows: Sequence[int], columns: Sequence[str]) -> list[dict[str, Any]]:
        """The values of some rows, in the order asked."""
        if not self._files or not columns:
            return [{} for _ in rows]
        found: dict[int, dict[str, Any]] = {}
        wanted: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for row in map(int, rows):
            number, place = _place(self._starts, row)
            group, place = _place(self._files[number].starts, place)
            wanted.setdefault((number, group), []).append((row, place))
        for (number, group), places in wanted.items():
            name = (number, group, tuple(columns))
            read = self._groups.get(name, partial(self._group, number, group, columns))
            values = read.take([place for _, place in places]).to_pylist()
            found |= {row: each for (row, _), each in zip(places, values, strict=True)}
        return [found[int(row)] for row in rows]

    def _group(self, number: int, group: int, columns: Sequence[str]) -> pa.Table:
        with _explained(self._files[number].path):
            return self._files[number].group(group, columns)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """All rows, some columns, in order."""
        for each in self._files:
            with _explained(each.path):
                for group in range(each.groups):
                    yield from each.group(group, columns).to_batches(BATCH)

    def index(self, column: str, value: str) -> int | None:
        """The first row that has a value (bytes: in hex) in a column; read up to it."""
        import pyarrow as pa
        import pyarrow.compute as pc

        start = 0
        for batch in self.batches([column]):
            values = batch.column(0)
            if pa.types.is_fixed_size_binary(values.type) or pa.types.is_binary(values.type):
                try:
                    asked: Any = pa.scalar(bytes.fromhex(value), values.type)
                except (ValueError, pa.ArrowInvalid):
                    return None
            elif pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
                asked = pa.scalar(value, values.type)
            else:
                return None
            place = pc.index(values, asked).as_py()
            if place >= 0:
                return start + int(place)
            start += len(batch)
        return None


class _Parquet:
    """One parquet file: its footer."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        with pq.ParquetFile(path, memory_map=True) as file:
            self.schema = file.schema_arrow
            about = file.metadata
            sizes = [about.row_group(number).num_rows for number in range(about.num_row_groups)]
        self.groups = len(sizes)
        self.starts = np.cumsum([0, *sizes], dtype=np.int64)
        self.rows = int(self.starts[-1])

    def group(self, number: int, columns: Sequence[str]) -> pa.Table:
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path, memory_map=True) as file:
            return file.read_row_group(number, columns=list(columns)).select(list(columns))


class _Arrow:
    """One file of Arrow's file format, mapped into memory; its batches are the groups."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        self.path = path
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
            self.schema = file.schema
            self.groups = file.num_record_batches
            sizes = [file.get_batch(number).num_rows for number in range(self.groups)]
        self.starts = np.cumsum([0, *sizes], dtype=np.int64)
        self.rows = int(self.starts[-1])

    def group(self, number: int, columns: Sequence[str]) -> pa.Table:
        import pyarrow as pa

        with pa.memory_map(str(self.path)) as source, pa.ipc.open_file(source) as file:
            return pa.Table.from_batches([file.get_batch(number)]).select(list(columns))


class _explained:
    """Turns what Arrow says of a damaged file into one line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        import pyarrow as pa

        if isinstance(error, OSError | pa.ArrowException):
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise SourceError(f"cannot read {self._path}: {said[:200]}", "copy the file again") from error


def _place(starts: npt.NDArray[np.int64], row: int) -> tuple[int, int]:
    """Number of the part that has a row, and the row there."""
    number = int(np.searchsorted(starts, row, side="right")) - 1
    return number, row - int(starts[number])


def short(sizes: Sequence[int]) -> str:
    """Some counts for a message."""
    return ", ".join(map(str, sizes[:5])) + (f" and {len(sizes) - 5} more" if len(sizes) > 5 else "")


def _same(other: pa.Schema, field: pa.Field) -> bool:
    return other.names.count(field.name) == 1 and bool(other.field(field.name).type == field.type)
