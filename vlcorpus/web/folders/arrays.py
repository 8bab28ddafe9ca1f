"""Arrays of vectors in .npy files and in members of .npz files, of which nothing is believed before it is checked.

    place = Place(Path("img_emb_0.npy"))            or Place(Path("00000.npz"), "b32_img.npy")
    shape(place)                                    (65536, 512)
    rows = array(place)                             mapped into memory where it lies there as it is
    halves, good = unit(rows[wanted])               fp16 unit rows; NaN, and False, where there was no direction

Numbers of 2, 4 or 8 bytes. Nothing is unpickled. A member that is packed is unpacked whole, at most MOST_BYTES, when
its header says the size that its file says; members that are stored are mapped as .npy files are.

Cost: nothing until rows are asked for; a packed member 4 ms a MB, each time it is opened; unit vectors in fp16 1 s a
GB, others 3.
"""

from __future__ import annotations

import ast
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from vlcorpus.errors import SourceError

MOST_BYTES = 4 << 30  # of a packed member
MOST_DIMENSION = 65_536
_LONGEST_HEADER = 10_000
_LOCAL = struct.Struct("<4s22xHH")  # of a zip member: mark, lengths of its name and of what follows it
_NEAR = 1e-3  # of 1: what fp16 leaves of a unit vector's length

Halves = npt.NDArray[np.float16]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Place:
    """A .npy file, or a member of an .npz file."""

    path: Path
    member: str | None = None

    def __str__(self) -> str:
        return str(self.path) if self.member is None else f"{self.path} ({self.member.removesuffix('.npy')})"


@dataclass(frozen=True, slots=True)
class _Header:
    shape: tuple[int, int]
    kind: np.dtype[Any]
    fortran: bool
    length: int

    @property
    def size(self) -> int:
        """Bytes of the numbers."""
        return math.prod(self.shape) * self.kind.itemsize


def members(path: Path) -> list[str]:
    """Names of the arrays in an .npz file. SourceError where it is none."""
    with _explained(Place(path)), zipfile.ZipFile(path) as whole:
        return [each.filename for each in whole.infolist() if each.filename.endswith(".npy")]


def shape(place: Place) -> tuple[int, int]:
    """(rows, dimension), by the header. SourceError for what is no such array, or has not the bytes of one."""
    with _explained(place):
        if place.member is None:
            with open(place.path, "rb") as file:
                return _header(file, place, place.path.stat().st_size).shape
        with zipfile.ZipFile(place.path) as whole, whole.open(place.member) as packed:
            return _header(packed, place, whole.getinfo(place.member).file_size).shape


def array(place: Place) -> npt.NDArray[Any]:
    """The rows, read-only; (rows, dimension) of float16, float32 or float64. SourceError as of `shape`."""
    with _explained(place):
        if place.member is None:
            with open(place.path, "rb") as file:
                header = _header(file, place, place.path.stat().st_size)
            return _mapped(place, header, header.length)
        with zipfile.ZipFile(place.path) as whole:
            about = whole.getinfo(place.member)
            with whole.open(place.member) as packed:
                header = _header(packed, place, about.file_size)
                if about.compress_type != zipfile.ZIP_STORED:
                    return _unpacked(place, header, packed)
        return _mapped(place, header, _start(place, about.header_offset) + header.length)


def unit(rows: npt.NDArray[Any]) -> tuple[Halves, Mask]:
    """Rows as fp16 unit vectors, and which have a direction; the others are NaN. What is of length one, but for what
    fp16 leaves, keeps its numbers."""
    with np.errstate(all="ignore"):
        # In twice the bytes no square overflows or vanishes; numbers of 8 bytes are divided by the greatest first.
        wide: npt.NDArray[np.floating[Any]] = rows.astype(np.float32 if rows.dtype.itemsize == 2 else np.float64)
        most = np.abs(wide).max(axis=1, initial=0) if rows.dtype.itemsize == 8 else np.ones(len(wide), wide.dtype)
        if rows.dtype.itemsize == 8:
            wide /= most[:, None]
        lengths = np.sqrt(np.einsum("nd,nd->n", wide, wide))
        good: Mask = np.isfinite(lengths) & (lengths > 0)
        near = np.abs(lengths * most - 1) <= _NEAR
        if near.all():
            return rows.astype(np.float16), good
        wide /= lengths[:, None]
        found = wide.astype(np.float16)
        found[near] = rows[near]
        found[~good] = np.nan
    return found, good


def _header(file: IO[bytes], place: Place, size: int) -> _Header:
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version[0]}.{version[1]} of the format")
    length = struct.unpack("<H" if version == (1, 0) else "<I", file.read(2 if version == (1, 0) else 4))[0]
    if length > _LONGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    about = ast.literal_eval(file.read(length).decode("latin-1").strip())  # numpy's own reader tries much more
    found, fortran, kind = about["shape"], about["fortran_order"], about["descr"]
    if not isinstance(kind, str) or not re.fullmatch(r"[<>=]f[248]", kind):
        raise SourceError(f"{place} holds {str(kind)[:40]}, not numbers of 2, 4 or 8 bytes", "write it as float16")
    if not isinstance(found, tuple) or not all(type(size) is int for size in found) or type(fortran) is not bool:
        raise ValueError("a shape that is none")
    if len(found) != 2 or not 0 < found[1] <= MOST_DIMENSION or found[0] < 0:
        raise SourceError(f"{place} has the shape {found}, not (rows, dimension)", "give one vector a row")
    start = 8 + (2 if version == (1, 0) else 4) + length
    header = _Header((found[0], found[1]), np.dtype(kind), fortran, start)
    if size != header.length + header.size:
        raise SourceError(
            f"{place} has {size} bytes, and its header says {header.length + header.size}", "fetch it again"
        )
    return header


def _mapped(place: Place, header: _Header, offset: int) -> npt.NDArray[Any]:
    if not header.shape[0]:
        return np.zeros(header.shape, header.kind)
    if offset + header.size > place.path.stat().st_size:
        raise ValueError("it ends before its last row")
    order: Any = "F" if header.fortran else "C"
    return np.memmap(place.path, header.kind, "r", offset, header.shape, order)


def _unpacked(place: Place, header: _Header, packed: IO[bytes]) -> npt.NDArray[Any]:
    if header.size > MOST_BYTES:
        raise SourceError(
            f"{place} has {header.size} bytes packed, and more than {MOST_BYTES} are not unpacked",
            "write it with numpy.save, or numpy.savez, which do not pack",
        )
    body = packed.read(header.size)
    if len(body) != header.size or packed.read(1):
        raise ValueError("it has not the bytes that its header says")
    flat = np.frombuffer(body, header.kind)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def _start(place: Place, offset: int) -> int:
    """Where the bytes of a stored member begin, by its own header."""
    with open(place.path, "rb") as file:
        file.seek(offset)
        mark, name, more = _LOCAL.unpack(file.read(_LOCAL.size))
    if mark != b"PK\x03\x04":
        raise ValueError("the zip file's table is wrong")
    return int(offset + _LOCAL.size + name + more)


@contextmanager
def _explained(place: Place) -> Iterator[None]:
    """What reading a stranger's file can raise, as SourceError."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, ValueError, KeyError, OverflowError, SyntaxError,
            NotImplementedError, RuntimeError, MemoryError, UnicodeError, TypeError) as error:  # fmt: skip
        said = " ".join(str(error).split())[:160] or type(error).__name__
        raise SourceError(f"{place} is no array that can be read: {said}", "fetch or write it again") from error
    except OSError as error:
        raise SourceError(
            f"{place} cannot be read: {error.strerror or error}", "give a file that you may read"
        ) from error
