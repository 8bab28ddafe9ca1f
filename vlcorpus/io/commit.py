"""The commit protocol: a final name means a complete file, and the stats file, written last, is the commit.

    with Commit(folder, "00000.json") as commit:
        with commit.file("00000.tar") as sink:
            sink.write(payload)
        commit.done({"seen": 3})

1. The old stats file is removed, so that nothing half-new is ever trusted. Of attempts at the same time (`io.attempt`)
   the first that has something to put in place does so; the others are told to go.
2. Every file is written under a temporary name, fsynced and renamed.
3. The stats file follows in the same way; it lists each output's size and sha256.

Of a folder in an object store the files are made on this machine. When all are whole, they are put and checked by size
and checksum, and the stats object follows: no stats without its objects.

A killed run leaves at most temporary names (removed by the next `Commit` of the same unit) and outputs without a
stats file, which readers do not see. Cost: one fsync a file and one a directory, 0.1 ms to some ms.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ..errors import VlcorpusError
from .attempt import claim, current
from .mirror import Mirror

TEMPORARY = ".tmp-"
_STATS = "stats"
_CHUNK = 1 << 20


class Sink(io.RawIOBase):
    """A file being written: unbuffered at the system's level, hashed on the way."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0), 0o644)
        self._hash = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, chunk: Any) -> int:
        view = memoryview(chunk)
        if not view.nbytes:
            return 0
        view = view.cast("B")
        self._hash.update(view)
        left = view
        while left:
            left = left[os.write(self._fd, left) :]
        self.size += len(view)
        return len(view)

    def tell(self) -> int:
        return self.size

    def seal(self) -> str:
        """Flush to the disk and close; the sha256 of what was written."""
        os.fsync(self._fd)
        self.close()
        return self._hash.hexdigest()

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal into one clear line."""
    try:
        yield
    except OSError as error:
        number = error.errno
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise VlcorpusError(
                f"the disk is full ({path})", "make room and run the same command again: it resumes"
            ) from error
        if number in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise VlcorpusError(f"cannot write here ({path})", "choose a folder you may write to") from error
        if number in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
            raise VlcorpusError(f"a file stands where a folder is wanted ({path})", "move it away") from error
        if number in (errno.ENAMETOOLONG, errno.ELOOP):
            raise VlcorpusError(f"{os.strerror(number).lower()} ({path})", "choose another name") from error
        raise


@dataclass(frozen=True)
class Stored:
    """Where a layer lies in an object store. prefix: its folder's name there."""

    mirror: Mirror
    prefix: str

    def name(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name


class Commit:
    """The files of one unit of one layer, made to appear together (see the module's header).

    folder: where the layer's files are made. marker: the stats file's name. Use as a context manager; leaving it
    without `done` removes what was not renamed yet and leaves the unit uncommitted. claim: from before the first output
    until `done`, whatever happens, its temporary name says that the folder is ours (`claimed`); for folders outside a
    corpus. stored: where the files go that are made here, if the layer lies in an object store.
    """

    def __init__(self, folder: Path, marker: str, *, claim: bool = False, stored: Stored | None = None) -> None:
        self.folder = folder
        self.marker = marker
        self.outputs: dict[str, dict[str, Any]] = {}
        self._claim = claim
        self._stored = stored
        self._ours = self._is_done = False
        self._copy = current().copy
        self._every = TEMPORARY + marker.replace("/", "_") + "-"
        self._prefix = f"{self._every}@{self._copy}-" if self._copy else self._every
        self._beside = folder / (self._prefix + _STATS)

    def __enter__(self) -> Self:
        with explained(self.folder):
            (self.folder / self.marker).parent.mkdir(parents=True, exist_ok=True)
            self._sweep_ended()
            self._beside.touch()
            if self._claim and self._stored is not None:
                self._stored.mirror.store.write(self._stored.name(self._beside.name), b"")
            if not current().contested:
                self._take()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None or not self._is_done:
            self._sweep()

    def _sweep_ended(self) -> None:
        """Remove temporary names that a killed attempt has left. Only where the stats file's is among them: looking
        through a folder of 100,000 units takes longer than a commit."""
        if self._beside.exists() or (not self._copy and (self.folder / f"{self._every}@2-{_STATS}").exists()):
            self._sweep(ended=not self._copy)

    def _sweep(self, *, ended: bool = False) -> None:
        """Remove temporary names of this attempt. ended: those of others, too, where no other is under way."""
        with os.scandir(self.folder) as entries:
            left = [entry.name for entry in entries if entry.name.startswith(self._prefix)]
        for name in left:
            others = not self._copy and name.startswith(self._every + "@")
            if (ended or not others) and not (self._claim and name == self._beside.name):
                (self.folder / name).unlink(missing_ok=True)

    def _take(self) -> None:
        """Before the first file is put in place: the unit is ours, and what it was before is no longer trusted."""
        if self._ours:
            return
        claim()
        path = self.folder / self.marker
        if path.exists():
            path.unlink()
            sync_folder(path.parent)
        if self._stored is not None:
            self._stored.mirror.remove([self._stored.name(self.marker)])
        self._ours = True

    @contextmanager
    def file(self, name: str) -> Iterator[Sink]:
        """A sink for the output `name` (relative to the layer's folder); renamed into place when the block ends."""
        final = self.folder / name
        temporary = self.folder / (self._prefix + name.replace("/", "_"))
        with explained(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            temporary.unlink(missing_ok=True)  # it may be a second name of a stranger's file
            sink = Sink(temporary)
            try:
                yield sink
                sha256 = sink.seal()
            finally:
                sink.close()
            self._take()
            os.replace(temporary, final)
            sync_folder(final.parent)
        self.outputs[name] = {"bytes": sink.size, "sha256": sha256}

    def link(self, name: str, path: Path, *, copied: bool = False) -> str:
        """Give the commit a whole file as its output: by a second name for it, or by a copy where that cannot be or is
        wanted. Returns `linked` or `copied`."""
        final = self.folder / name
        # Not the name that `file` would use: that one is opened for writing, which must never reach a link.
        temporary = self.folder / (self._prefix + "link-" + name.replace("/", "_"))
        try:
            if copied:
                raise OSError
            os.link(path.resolve(), temporary)
        except OSError:  # another file system, or one without links
            with open(path, "rb") as file, self.file(name) as sink:
                while chunk := file.read(_CHUNK):
                    sink.write(chunk)
            return "copied"
        with explained(final), open(temporary, "rb") as file:
            final.parent.mkdir(parents=True, exist_ok=True)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.seek(0, os.SEEK_END)
            os.fsync(file.fileno())
            self._take()
            os.replace(temporary, final)
            temporary.unlink(missing_ok=True)  # replacing a name of the same file does nothing
            sync_folder(final.parent)
        self.outputs[name] = {"bytes": size, "sha256": sha256}
        return "linked"

    def write(self, name: str, payload: bytes) -> None:
        with self.file(name) as sink:
            sink.write(payload)

    def done(self, stats: Mapping[str, Any]) -> dict[str, Any]:
        """Write the stats file, which is the commit. Returns what was written."""
        whole = {**stats, "outputs": self.outputs}
        self._take()
        if self._stored is not None:
            self._stored.mirror.put({self._stored.name(name): self.folder / name for name in self.outputs})
        path = self.folder / self.marker
        write_json(path, whole, temporary=self._beside)
        if self._stored is not None:
            self._stored.mirror.put({self._stored.name(self.marker): path})
            if self._claim:
                self._stored.mirror.store.remove([self._stored.name(self._beside.name)])
        self._is_done = True
        return whole


def claimed(folder: Path, marker: str) -> bool:
    """Whether a commit with `claim` was begun here and never done."""
    return (folder / f"{TEMPORARY}{marker}-{_STATS}").exists()


def write_json(path: Path, value: Any, *, temporary: Path | None = None) -> None:
    """A small JSON file, atomically and durably."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False) + "\n", temporary=temporary)


def write_text(path: Path, text: str, *, temporary: Path | None = None) -> None:
    """A small text file, atomically and durably."""
    write_bytes(path, text.encode("utf-8", "surrogatepass"), temporary=temporary)


def write_bytes(path: Path, payload: bytes, *, temporary: Path | None = None) -> None:
    """A small file, atomically and durably."""
    beside = temporary or path.with_name(TEMPORARY + path.name)
    with explained(path):
        sink = Sink(beside)
        try:
            sink.write(payload)
            sink.seal()
        finally:
            sink.close()
        os.replace(beside, path)
        sync_folder(path.parent)
