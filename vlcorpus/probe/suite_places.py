"""Where the pictures of a suite are: files, members of tars, cells of parquet tables.

    >>> for name, body in bodies(suite.places, names, suite.root): ...       # bytes, or None where there are none
    >>> digest([("suite.yaml", path), ...], suite.places, root)               # 32 hex digits

A picture is read when it is its turn, never before, and only from inside the suite's folders: a link that leads out is
as good as no file. Row groups of parquet are read one at a time, so names in order cost one reading of the table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vlcorpus.errors import SourceError

LARGEST_IMAGE = 64 << 20
"""Bytes of a picture; larger ones count as unreadable"""

HASHED = 2 << 30
"""Bytes up to which `digest` reads the pictures themselves"""

_LARGEST_GROUP = 4 << 30  # bytes of one column in one row group of parquet
_CHUNK = 1 << 20


class Place(NamedTuple):
    """The bytes of one picture: a file, `length` bytes of it from `offset`, or a cell of a table."""

    path: Path
    offset: int = 0
    length: int = -1
    row: int = -1
    column: str = ""
    element: int = -1
    """Which of a list in the cell; -1: the cell itself"""


def bodies(
    places: Mapping[str, Place], names: Iterable[str], roots: Sequence[Path]
) -> Iterator[tuple[str, bytes | None]]:
    """(name, bytes) of each picture, in the order of the names; None where there is none within the bounds."""
    cells = _Cells()
    inside: dict[Path, bool] = {}
    for name in names:
        place = places[name]
        folder = place.path.parent
        if folder not in inside:
            inside[folder] = _within(folder, roots)
        linked = place.path.is_symlink()
        if not inside[folder] or (linked and not _within(place.path, roots)):
            yield name, None
        elif place.column:
            yield name, cells.body(place)
        else:
            yield name, _read(place)


def _within(path: Path, roots: Sequence[Path]) -> bool:
    real = path.resolve()
    return any(real.is_relative_to(root.resolve()) for root in roots)


def _read(place: Place) -> bytes | None:
    try:
        if not place.path.is_file():
            return None
        length = place.length if place.length >= 0 else place.path.stat().st_size
        if length > LARGEST_IMAGE:
            return None
        with place.path.open("rb") as file:
            file.seek(place.offset)
            body = file.read(length)
    except OSError:
        return None
    return body if len(body) == length else None


class _Cells:
    """Cells of parquet tables, the last row group of the last column kept."""

    def __init__(self) -> None:
        self._held: tuple[Path, int, str] | None = None
        self._file: Any = None
        self._path: Path | None = None
        self._starts: list[int] = []
        self._column: Any = None

    def body(self, place: Place) -> bytes | None:
        import pyarrow.parquet as pq

        if self._path != place.path:
            self._file, self._path, self._held = pq.ParquetFile(place.path), place.path, None
            sizes = [self._file.metadata.row_group(each).num_rows for each in range(self._file.num_row_groups)]
            self._starts = [sum(sizes[:each]) for each in range(len(sizes))]
        group = max(each for each, start in enumerate(self._starts) if start <= place.row)
        if self._held != (place.path, group, place.column):
            self._held = (place.path, group, place.column)
            self._column = self._group(group, place)
        value = self._column[place.row - self._starts[group]].as_py()
        if place.element >= 0:
            value = value[place.element] if value is not None and place.element < len(value) else None
        if isinstance(value, dict):
            value = value.get("bytes")
        return value if isinstance(value, bytes) and len(value) <= LARGEST_IMAGE else None

    def _group(self, group: int, place: Place) -> Any:
        about = self._file.metadata.row_group(group)
        parts = (about.column(each) for each in range(about.num_columns))
        mine = (part for part in parts if part.path_in_schema.split(".")[0] == place.column)
        if sum(part.total_uncompressed_size for part in mine) > _LARGEST_GROUP:
            raise SourceError(
                f"row group {group} of {place.path} has more than {_LARGEST_GROUP >> 30} GB", "write smaller row groups"
            )
        return self._file.read_row_group(group, columns=[place.column]).column(place.column)


def digest(read: Iterable[Path], places: Iterable[Place], folders: Sequence[Path]) -> str:
    """Names the content of a suite: every table and list, and the pictures.

    Of the pictures' files, up to 2 GB altogether, each byte; beyond that, names and sizes. Times are not in it, nor
    where the folders lie.
    """
    state = hashlib.blake2b(digest_size=16)
    tables = {path: _name(path, folders) for path in read}
    for path in sorted(tables, key=lambda each: tables[each]):
        state.update(tables[path].encode("utf-8", "surrogateescape") + b"\0")
        state.update(_hashed(path))
    pictures = {place.path: _name(place.path, folders) for place in places if place.path not in tables}
    sizes = {path: _size(path) for path in pictures}
    whole = sum(sizes.values()) <= HASHED
    for path in sorted(pictures, key=lambda each: pictures[each]):
        state.update(f"{pictures[path]}\0{sizes[path]}\0".encode("utf-8", "surrogateescape"))
        if whole and sizes[path] >= 0 and _within(path, folders):
            state.update(_hashed(path))
    return state.hexdigest()


def _name(path: Path, folders: Sequence[Path]) -> str:
    for number, folder in enumerate(folders):
        if path.is_relative_to(folder):
            return f"{number}/{path.relative_to(folder).as_posix()}"
    return path.name


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _hashed(path: Path) -> bytes:
    state = hashlib.blake2b(digest_size=32)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                state.update(chunk)
    except OSError:
        return b"-"
    return state.digest()
