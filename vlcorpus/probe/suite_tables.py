"""The tables of a suite, of whatever form, as rows of named values.

    >>> table = open_table(Path("t.csv"))
    >>> table.header, next(table.rows)
    (('file', 'label'), ('line 2 of t.csv', {'file': 'a.png', 'label': 'car'}))

.csv and .tsv with a header; .parquet, or a folder of them, as `datasets` writes it, with pictures in their cells
(bytes, or a struct with `bytes`; they come as the Place of the cell) and numbers of classes turned into their names;
.jsonl; .json with a list of objects, or objects by key as SugarCrepe has them. Rows come as they are read; 1,000,000 at
most.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlcorpus.errors import SourceError
from vlcorpus.probe.suite_places import Place
from vlcorpus.probe.suite_words import small

MOST_ROWS = 1_000_000
LARGEST_TABLE = 256 << 20
SUFFIXES = (".csv", ".tsv", ".parquet", ".json", ".jsonl")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    path: Path
    header: tuple[str, ...]
    rows: Iterator[tuple[str, Row]]
    """(where it stands, values by column)"""
    read: tuple[Path, ...]
    """The files"""


def open_table(path: Path) -> Table:
    """SourceError for a file that is no table, too large or damaged; while rows are read, too."""
    if path.is_dir():
        return _parquet(path, parquets(path))
    if path.suffix == ".parquet":
        return _parquet(path, (path,))
    if path.suffix in (".json", ".jsonl"):
        return _json(path)
    if path.suffix not in (".csv", ".tsv"):
        raise SourceError(
            f"{path} is neither .csv nor .tsv, .parquet, .json or .jsonl", "save the table as one of these"
        )
    header = next(_csv(path, header=True))[1]
    return Table(path, tuple(header), _csv(path), (path,))


def parquets(folder: Path) -> tuple[Path, ...]:
    """The parquet files of a folder, or of `data/` in it."""
    return tuple(sorted(folder.glob("*.parquet")) or sorted((folder / "data").glob("*.parquet")))


def _csv(path: Path, *, header: bool = False) -> Iterator[tuple[str, Row]]:
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise SourceError(f"{path} has more than {LARGEST_TABLE >> 20} MB", "split the task")
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, delimiter="\t" if path.suffix == ".tsv" else ",")
            if header:
                yield "", dict.fromkeys(reader.fieldnames or ())
                return
            for number, row in enumerate(reader, 2):
                _bounded(number - 1, path)
                yield f"line {number} of {path}", row
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read: {error}", "give a table with a header, in UTF-8") from error


def _json(path: Path) -> Table:
    content = small(path, LARGEST_TABLE)
    try:
        if path.suffix == ".jsonl":
            stored: Any = [json.loads(line) for line in content.splitlines() if line.strip()]
        else:
            stored = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path} cannot be read: {error}", "give JSON, or one object a line in .jsonl") from error
    keyed = stored.items() if isinstance(stored, dict) else enumerate(stored, 1) if isinstance(stored, list) else ()
    rows = [(f"entry {key} of {path}", row) for key, row in keyed]
    _bounded(len(rows), path)
    for where, row in rows:
        if not isinstance(row, dict):
            raise SourceError(f"{where} is a {type(row).__name__}", "give one object a row")
    return Table(path, tuple(rows[0][1]) if rows else (), iter(rows), (path,))


def _parquet(path: Path, files: tuple[Path, ...]) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not files:
        raise SourceError(f"{path} has no parquet files", "give a table, class folders, or a WebDataset folder")
    try:
        schemas = [pq.read_schema(file) for file in files]
        rows = sum(pq.read_metadata(file).num_rows for file in files)
    except (OSError, pa.ArrowException) as error:
        raise SourceError(f"{path} cannot be read: {_line(error)}", "give whole parquet files") from error
    _bounded(rows, path)
    return Table(path, tuple(schemas[0].names), _cells(files), files)


def _cells(files: tuple[Path, ...]) -> Iterator[tuple[str, Row]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                pictured = [field.name for field in file.schema_arrow if _holds_bytes(field.type)]
                plain = [name for name in file.schema_arrow.names if name not in pictured]
                names = _class_names(file.schema_arrow.metadata or {})
                number = 0
                batches = file.iter_batches(1_024, columns=plain) if plain else [None] * file.metadata.num_rows
                for batch in batches:
                    for row in batch.to_pylist() if batch is not None else [{}]:
                        for column, known in names.items():
                            if isinstance(row.get(column), int) and 0 <= row[column] < len(known):
                                row[column] = known[row[column]]
                        row |= {column: Place(path, row=number, column=column) for column in pictured}
                        yield f"row {number} of {path}", row
                        number += 1
        except (OSError, pa.ArrowException) as error:
            raise SourceError(f"{path} cannot be read: {_line(error)}", "give whole parquet files") from error


def _holds_bytes(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _holds_bytes(kind.value_type)
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """Column to the names of its numbers, as `datasets` notes them in a parquet file."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {
            column: [str(name) for name in about["names"]]
            for column, about in features.items()
            if isinstance(about, dict) and about.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


def _bounded(rows: int, path: Path) -> None:
    if rows > MOST_ROWS:
        raise SourceError(f"{path} has more than {MOST_ROWS:,} rows", "split the task")


def _line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
