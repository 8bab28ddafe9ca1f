"""The commit protocol: a final name means a complete file, and the stats file, written last, is the commit.

    with Commit(folder, "00000.json") as commit:
        with commit.file("00000.tar") as sink:
            sink.write(payload)
        commit.done({"seen": 3})

1. The old stats file is removed, so that nothing half-new is ever trusted.
2. Every file is written under a temporary name, fsynced and renamed.
3. The stats file follows in the same way; it lists each output's size and sha256.

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
from pathlib import Path
from typing import Any, Self

from ..errors import VlcorpusError

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


class Commit:
    """The files of one unit of one layer, made to appear together (see the module's header).

    folder: the layer's folder. marker: the stats file's name. Use as a context manager; leaving it without
    `done` removes what was not renamed yet and leaves the unit uncommitted. claim: from before the first output until
    `done`, whatever happens, a temporary name says that the folder is ours (`claimed`); for folders outside a corpus.
    """

    def __init__(self, folder: Path, marker: str, *, claim: bool = False) -> None:
        self.folder = folder
        self.marker = marker
        self.outputs: dict[str, dict[str, Any]] = {}
        self._claim = claim
        self._prefix = TEMPORARY + marker.replace("/", "_") + "-"
        self._beside = folder / (self._prefix + _STATS)

    def __enter__(self) -> Self:
        path = self.folder / self.marker
        with explained(self.folder):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sweep()
            if self._claim:
                self._beside.touch()
            if path.exists():
                path.unlink()
                sync_folder(path.parent)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            self._sweep()

    def _sweep(self) -> None:
        for left in self.folder.glob(self._prefix + "*"):
            if not (self._claim and left == self._beside):
                left.unlink(missing_ok=True)

    @contextmanager
    def file(self, name: str) -> Iterator[Sink]:
        """A sink for the output `name` (relative to the layer's folder); renamed into place when the block ends."""
        final = self.folder / name
        temporary = self.folder / (self._prefix + name.replace("/", "_"))
        with explained(final):
            final.parent.mkdir(parents=True, exist_ok=True)
            sink = Sink(temporary)
            try:
                yield sink
                sha256 = sink.seal()
            finally:
                sink.close()
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
        path = self.folder / self.marker
        write_json(path, whole, temporary=self._beside)
        return whole


def claimed(folder: Path, marker: str) -> bool:
    """Whether a commit with `claim` was begun here and never done."""
    return (folder / f"{TEMPORARY}{marker}-{_STATS}").exists()


def write_json(path: Path, value: Any, *, temporary: Path | None = None) -> None:
    """A small JSON file, atomically and durably."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False) + "\n", temporary=temporary)


def write_text(path: Path, text: str, *, temporary: Path | None = None) -> None:
    """A small text file, atomically and durably."""
    beside = temporary or path.with_name(TEMPORARY + path.name)
    with explained(path):
        sink = Sink(beside)
        try:
            sink.write(text.encode("utf-8", "surrogatepass"))
            sink.seal()
        finally:
            sink.close()
        os.replace(beside, path)
        sync_folder(path.parent)
