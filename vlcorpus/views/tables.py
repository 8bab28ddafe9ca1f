"""What a parquet file, a layer or a corpus holds: which table, which columns, what is in them.

    listing(path)                  the tables below a corpus or folder: one Listed each
    inspect(path, rows=5)          one table, looked into: Inspected

Any parquet file will do. Ours name their table in the file; others are known by their columns, or not at all. The
files of a folder are one table and are read batch by batch in bounded memory: 0.2 s for 10 million rows of numbers.
A file that is no parquet, is cut short, or has more columns than a person can read is a SourceError.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .. import schema
from ..corpus import FILE
from ..errors import SourceError, UsageError, nearest
from ..stages import places
from .columns import Column, Tally

MOST_COLUMNS = 512
MOST_FILES = 100_000
_DEPTH = 3
_BATCH = 8_192


@dataclass(frozen=True)
class Listed:
    """Parquet files of one folder: path as given, files, rows, bytes; table where it is one of ours."""

    path: str
    table: str | None
    meaning: str
    files: int
    rows: int
    bytes: int
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspected:
    """One table. head: its first rows as plain values."""

    path: str
    table: str | None
    meaning: str
    files: int
    rows: int
    bytes: int
    columns: tuple[Column, ...]
    head: tuple[dict[str, Any], ...]


def here(text: str) -> Path:
    """The path of a text; of an address in a store its tables are fetched first."""
    if places.is_url(text) and not text.endswith(".parquet"):
        places.export(text).path(FILE)
        return places.fetched(text, "inspect", "a parquet file, a layer or a corpus", ending=".parquet")
    return places.fetched(text, "inspect", "a parquet file, a layer or a corpus")


def groups(path: Path) -> dict[Path, list[Path]]:
    """Folder -> its parquet files, for a file, a folder, or a folder of folders. SourceError where there are none."""
    if path.is_file():
        return {path: [path]}
    if not path.is_dir():
        raise SourceError(f"no file or folder at {path}", "name a parquet file, a layer's folder or a corpus")
    found: dict[Path, list[Path]] = {}
    for folder in _folders(path, _DEPTH):
        files = sorted(each for each in folder.glob("*.parquet") if each.is_file() and not each.name.startswith("."))
        if len(files) > MOST_FILES:
            raise SourceError(f"{folder} has over {MOST_FILES} parquet files", "name one of them")
        if len(files) > 1 and not all(each.stem[-1:].isdigit() for each in files):
            found |= {each: [each] for each in files}  # answers.parquet and pictures.parquet are two tables
        elif files:
            found[folder] = files
    if not found:
        raise SourceError(f"no parquet files in {path}", "name a parquet file, a layer's folder or a corpus")
    return found


def _folders(top: Path, depth: int) -> Iterator[Path]:
    yield top
    if depth:
        for each in sorted(top.iterdir()):
            if each.is_dir() and not each.is_symlink() and not each.name.startswith("."):
                yield from _folders(each, depth - 1)


def is_listing(path: Path) -> bool:
    """Whether `path` holds several tables: a corpus, or a folder whose folders hold them."""
    return (path / FILE).is_file() or (path.is_dir() and len(groups(path)) > 1 and not any(path.glob("*.parquet")))


def listing(path: Path) -> list[Listed]:
    """The tables below a corpus or a folder. Files that cannot be read are named and not counted."""
    return [
        listed(folder.relative_to(path).as_posix() if folder != path else str(path), files)
        for folder, files in groups(path).items()
    ]


def listed(name: str, files: Sequence[Path]) -> Listed:
    """The files of one folder, from their footers alone."""
    rows = size = 0
    first: pa.Schema | None = None
    unreadable = []
    for file in files:
        try:
            about = footer(file)
        except SourceError:
            unreadable.append(file.name)
            continue
        rows += about.metadata.num_rows
        size += file.stat().st_size
        first = about.schema_arrow if first is None else first
    table = table_of(first) if first is not None else None
    meaning = schema.table(table).meaning if table is not None else ""
    return Listed(name, table, meaning, len(files), rows, size, tuple(unreadable))


def inspect(path: Path, *, rows: int = 5, column: str | None = None) -> Inspected:
    """Look into one table. column: that column only. Raises SourceError for what is no table, UsageError for a column
    that is not there."""
    own = groups(path)
    files = own.get(path) or next(iter(own.values()))
    first = footer(files[0]).schema_arrow
    names = _chosen(first, column, files[0])
    table = table_of(first)
    tallies = {name: Tally(first.field(name)) for name in names}
    head: list[dict[str, Any]] = []
    total = size = 0
    for file in files:
        about = footer(file)
        if not about.schema_arrow.equals(first):
            raise SourceError(
                f"{file} has other columns than {files[0].name}", f"inspect one of them: `vlcorpus inspect {file}`"
            )
        total += about.metadata.num_rows
        size += file.stat().st_size
        _take_in(about, file, tallies, head, rows)
    return Inspected(
        path=str(path),
        table=table,
        meaning=schema.table(table).meaning if table is not None else "",
        files=len(files),
        rows=total,
        bytes=size,
        columns=tuple(tallies[name].column(declared(table, name)) for name in names),
        head=tuple(head),
    )


def _chosen(found: pa.Schema, column: str | None, file: Path) -> list[str]:
    if column is not None:
        if found.names.count(column) != 1:
            raise UsageError(f"{file} has no column {column!r}", nearest(column, found.names[:MOST_COLUMNS]))
        return [column]
    if len(found.names) > MOST_COLUMNS:
        raise SourceError(
            f"{file} has {len(found.names):,} columns, and more than {MOST_COLUMNS} are not shown",
            "choose one with --column",
        )
    if len(set(found.names)) != len(found.names):
        twice = next(name for name in found.names if found.names.count(name) > 1)
        raise SourceError(f"{file} has two columns {twice!r}", "choose another one with --column")
    return list(found.names)


def footer(file: Path) -> pq.ParquetFile:
    """The opened file. SourceError where it is no parquet file."""
    try:
        return pq.ParquetFile(file, memory_map=True, thrift_string_size_limit=1 << 26)
    except (OSError, pa.ArrowException, ValueError, OverflowError, MemoryError) as error:
        raise SourceError(f"{file} is no parquet file that can be read: {_line(error)}", _hint(file)) from error


def _hint(file: Path) -> str:
    return "name a parquet file" if file.suffix != ".parquet" else "fetch or write the file again"


def _take_in(
    about: pq.ParquetFile, file: Path, tallies: dict[str, Tally], head: list[dict[str, Any]], rows: int
) -> None:
    """Count a file's values and keep its first rows. SourceError where its pages are not what its footer says."""
    try:
        for batch in about.iter_batches(batch_size=_BATCH, columns=list(tallies), use_threads=False):
            for name, tally in tallies.items():
                tally.add(batch.column(name))
            if len(head) < rows:
                head += batch.slice(0, rows - len(head)).to_pylist()
    except (OSError, pa.ArrowException, ValueError, OverflowError, MemoryError) as error:  # text may be no UTF-8
        raise SourceError(f"{file} is damaged: {_line(error)}", "fetch or write the file again") from error


def table_of(found: pa.Schema) -> str | None:
    """Which of our tables this is: by its mark, else by its columns."""
    mark = (found.metadata or {}).get(b"vlcorpus.table", b"").decode("utf-8", "replace")
    if mark in schema.tables():
        return str(mark)
    same = [name for name, table in schema.tables().items() if table.names == tuple(found.names)]
    return same[0] if same else None


def declared(table: str | None, column: str) -> schema.Column | None:
    """What the schema says of a column."""
    if table is None:
        return None
    return next((each for each in schema.table(table).columns if each.name == column), None)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__
