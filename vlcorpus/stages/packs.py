"""packs/: what training reads again and again, computed once for all probes of a corpus.

    packs = Packs(corpus.path / "packs")
    found = packs.have([Wanted(key, make), ...])                # one Packed for each, made where they are missing
    found[0].rows, found[0].about                               # (M, 3, S, S) uint8, memory-mapped; what `make` said

packs/KEY.npy holds rows, packs/KEY.json, written last, what they are; a KEY names their content (digests of what they
were made from, and how). So nothing here is ever stale, and the folder may be removed at any time: it is no layer, and
what is missing is made again.

Workers that want the same things share the work. Who makes a thing holds its lock; the others take what nobody is
making, and wait for the rest. The lock of a killed worker is gone with it, and its file begun anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import spec
from ..errors import CorpusError
from ..io import attempt
from ..io.commit import TEMPORARY, explained, sync_folder, write_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 1
FOLDER = "packs"
_LOCK = ".lock-"
_HEADER = 128  # bytes of a .npy header, in which numpy leaves room for the number of rows

Make = Callable[["Rows"], Mapping[str, Any]]


def key(kind: str, *content: Any) -> str:
    """The name of what is made from `content` (JSON values: digests, and how it was made)."""
    return spec.digest([FORMAT, kind, *content])


@dataclass(frozen=True)
class Wanted:
    key: str
    make: Make
    """Writes the rows, and returns what the .json says of them"""


@dataclass(frozen=True)
class Packed:
    rows: NDArray[Any]
    about: Mapping[str, Any]


class Rows:
    """A .npy file while it is written: rows of one shape and type, as many as come."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.count = 0
        self._shape: tuple[int, ...] = ()
        self._dtype = "|u1"
        os.lseek(fd, _HEADER, os.SEEK_SET)

    def write(self, rows: NDArray[Any]) -> None:
        """Append (k, ...) rows. Stopped where the process is asked to end: the pack is made anew then."""
        import numpy as np

        attempt.end_if_asked()
        if not self.count:
            self._shape, self._dtype = rows.shape[1:], rows.dtype.str
        elif (rows.shape[1:], rows.dtype.str) != (self._shape, self._dtype):
            raise ValueError(f"rows {rows.shape[1:]} {rows.dtype} after {self._shape} {self._dtype}")
        left = memoryview(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)
        while left:
            left = left[os.write(self._fd, left) :]
        self.count += len(rows)

    def seal(self) -> None:
        os.pwrite(self._fd, _header((self.count, *self._shape), self._dtype), 0)
        os.fsync(self._fd)


def _header(shape: tuple[int, ...], dtype: str) -> bytes:
    """As numpy's, version 1.0, but of one length whatever the number of rows."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    magic = b"\x93NUMPY\x01\x00" + (_HEADER - 10).to_bytes(2, "little")
    return magic + text.ljust(_HEADER - 11).encode("latin1") + b"\n"


class Packs:
    """The packs in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._whole: set[str] = set()

    def missing(self, keys: Sequence[str]) -> list[str]:
        """Which of these would have to be made."""
        return [each for each in keys if each not in self._whole and not (self.folder / f"{each}.json").is_file()]

    def have(self, wanted: Sequence[Wanted]) -> list[Packed]:
        """What is wanted, in order, made where it is missing."""
        self.make(wanted)
        return [self.open(each.key) for each in wanted]

    def make(self, wanted: Sequence[Wanted], tell: Callable[[int], None] = lambda done: None) -> None:
        """Make what is missing. tell: called with how many are there, after each."""
        with explained(self.folder):
            self.folder.mkdir(exist_ok=True)
        done = 0
        for wait in (False, True):
            for each in wanted:
                if each.key not in self._whole:
                    attempt.end_if_asked()
                    self._make_one(each, wait=wait)
                    done += each.key in self._whole
                    tell(done)

    def open(self, key: str) -> Packed:
        """What is there. CorpusError where it is not, or not any more."""
        found = self._open(key)
        if found is None:
            raise CorpusError(f"{self.folder}/{key} is not there any more", "run the same command again")
        return found

    def sweep(self) -> None:
        """Remove what killed workers left."""
        left = {path.name.removeprefix(TEMPORARY).partition(".")[0] for path in self.folder.glob(f"{TEMPORARY}*")}
        left |= {path.name.removeprefix(_LOCK) for path in self.folder.glob(f"{_LOCK}*")}
        for each in left:
            with self._own(each, wait=False) as is_ours:
                if is_ours:
                    for ending in ("npy", "json"):
                        self._temporary(each, ending).unlink(missing_ok=True)

    def _open(self, key: str) -> Packed | None:
        """What is there under a key; None for what is missing, or is not whole."""
        import numpy as np

        try:
            about = json.loads((self.folder / f"{key}.json").read_text("utf-8"))
            rows = np.load(self.folder / f"{key}.npy", mmap_mode="r", allow_pickle=False)
            if about["format"] != FORMAT or about["key"] != key or about["rows"] != len(rows):
                return None
        except (OSError, ValueError, EOFError, LookupError, TypeError):
            return None
        return Packed(np.asarray(rows), about)

    def _make_one(self, wanted: Wanted, *, wait: bool) -> None:
        """Make one thing, unless it is there, or somebody else is at it and `wait` is off."""
        if self._open(wanted.key) is None:
            with self._own(wanted.key, wait=wait) as is_ours:
                if not is_ours:
                    return
                if self._open(wanted.key) is None:
                    self._make(wanted)
        self._whole.add(wanted.key)

    def _make(self, wanted: Wanted) -> None:
        """Make one thing, whose lock is held."""
        path, beside = self.folder / f"{wanted.key}.npy", self._temporary(wanted.key, "npy")
        with explained(path):
            try:
                fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
                try:
                    rows = Rows(fd)
                    said = wanted.make(rows)
                    rows.seal()
                finally:
                    os.close(fd)
                path.with_suffix(".json").unlink(missing_ok=True)  # of rows that were not whole
                os.replace(beside, path)
            finally:
                beside.unlink(missing_ok=True)
            sync_folder(self.folder)
        about = {"format": FORMAT, "key": wanted.key, "rows": rows.count, **said}
        write_json(path.with_suffix(".json"), about, temporary=self._temporary(wanted.key, "json"))

    @contextlib.contextmanager
    def _own(self, key: str, *, wait: bool) -> Iterator[bool]:
        """Hold the lock of a key; False where another process has it and `wait` is off."""
        path = self.folder / f"{_LOCK}{key}"
        while True:
            with explained(path):
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                except BlockingIOError:
                    yield False
                    return
                if not _is(path, fd):  # its holder removed it while we waited: another may have a new one
                    continue
                try:
                    yield True
                finally:
                    path.unlink(missing_ok=True)
                return
            finally:
                os.close(fd)

    def _temporary(self, key: str, ending: str) -> Path:
        return self.folder / f"{TEMPORARY}{key}.{ending}"


def _is(path: Path, fd: int) -> bool:
    """Whether the path still names the open file."""
    try:
        named, held = os.stat(path), os.fstat(fd)
    except FileNotFoundError:
        return False
    return (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino)
