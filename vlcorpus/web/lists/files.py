"""Opening list files: text ones, packed or not, and parquet.

    with open_text(Path("urls.csv.gz")) as file:         a binary file, unpacked
    for values in parquet_rows(path, ("URL", "TEXT")):   {"URL": "https://...", "TEXT": "a cat"}

Parquet is read BATCH rows at a time, only the columns asked for.
"""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from vlcorpus.errors import SourceError

FORMATS = ("parquet", "csv", "tsv", "txt", "jsonl")
BATCH = 4096

_BY_SUFFIX = {f".{name}": name for name in FORMATS} | {".ndjson": "jsonl", ".jsonlines": "jsonl"}
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
# What starts a file that is something else, whatever its name says.
_OTHERS = {
    b"PAR1": "a parquet file",
    b"PK\x03\x04": "a zip file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x89PNG": "an image",
    b"\xff\xd8\xff": "an image",
    b"%PDF": "a PDF file",
    b"ARROW1": "an Arrow file",
}


def format_of(path: Path) -> str | None:
    """The format that a file's name says, None if it says none."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes and suffixes[-1] == ".gz":
        format = _BY_SUFFIX.get(suffixes[0]) if len(suffixes) == 2 else None
        return None if format == "parquet" else format
    return _BY_SUFFIX.get(suffixes[-1]) if suffixes else None


@contextlib.contextmanager
def open_text(path: Path) -> Iterator[BinaryIO]:
    """A file of lines, unpacked if it is gzip. Raises SourceError for what is no text, and when the gzip breaks off."""
    try:
        with open(path, "rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            with gzip.open(raw) if packed else contextlib.nullcontext(raw) as opened:
                file = cast(BinaryIO, opened)
                start = file.read(512)
                for magic, meaning in _OTHERS.items():
                    if start.startswith(magic):
                        raise SourceError(f"{path} is {meaning}, not lines of text", "give it its own suffix")
                if start.startswith(_UTF16) or b"\0\0\0" in start:
                    raise SourceError(f"{path} is not in UTF-8", "convert it to UTF-8 first")
                file.seek(0)
                yield file
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceError(f"{path} is damaged: {error}", "fetch or pack it again") from error
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error


def open_parquet(path: Path) -> tuple[list[str], dict[str, str]]:
    """The names of its columns, and the types of those that are not text. Raises SourceError."""
    with _opened(path) as file:
        schema = file.schema_arrow
        others = {each.name: str(each.type) for each in schema if not _is_text(each.type)}
        return list(schema.names), others


def parquet_types(path: Path) -> dict[str, pa.DataType]:
    """The type of each of its columns. Raises SourceError."""
    with _opened(path) as file:
        return {each.name: each.type for each in file.schema_arrow}


def parquet_rows(path: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The values of each row; a 16-byte binary (a uid) as hex. Raises SourceError where the file is damaged."""
    for batch in parquet_batches(path, names, size=BATCH):
        yield from batch_rows(batch, names)


def parquet_batches(
    path: Path, names: Sequence[str], *, size: int, groups: Sequence[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """At most `size` rows each; groups: numbers of the row groups that are read. SourceError where it is damaged."""
    with _opened(path) as file:
        yield from file.iter_batches(batch_size=size, columns=list(names), row_groups=groups, use_threads=False)


def batch_rows(batch: pa.RecordBatch, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The values of each row of a batch; a 16-byte binary (a uid) as hex."""
    columns = [_values(batch.column(name)) for name in names]
    for row in zip(*columns, strict=True):
        yield dict(zip(names, row, strict=True))


def row_groups(path: Path) -> list[int]:
    """Rows of each row group of a parquet file. Raises SourceError."""
    with _opened(path) as file:
        about = file.metadata
        return [about.row_group(number).num_rows for number in range(about.num_row_groups)]


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path, thrift_string_size_limit=1 << 26) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError, KeyError, EOFError) as error:
        message = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise SourceError(f"{path} is no parquet file, or damaged: {message}", "fetch or write it again") from error


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(test(kind) for test in tests) or pa.types.is_null(kind) or "view" in str(kind)


def _values(column: pa.Array) -> list[Any]:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        values = column.to_pylist()
    except UnicodeDecodeError:
        values = column.cast(pa.large_binary() if "large" in str(column.type) else pa.binary()).to_pylist()
    if any(isinstance(value, bytes) for value in values):
        hexed = pa.types.is_fixed_size_binary(column.type)
        values = [_text(value, hexed) if isinstance(value, bytes) else value for value in values]
    return cast("list[Any]", values)


def _text(value: bytes, hexed: bool) -> str:
    return value.hex() if hexed else value.decode("utf-8", "surrogateescape")
