"""Kills a run at its n-th file operation. Python imports this by itself where the folder is on PYTHONPATH.

    VLKILL_COUNTER=/tmp/count VLKILL_ROOT=/tmp/home      count, and do no harm
    VLKILL_KIND=write VLKILL_AT=17 VLKILL_WHO=run        besides: SIGKILL the whole run at the 17th write
    VLKILL_KIND=rename VLKILL_AT=3 VLKILL_WHO=worker     SIGKILL only the worker that is about to do the 3rd rename

Kinds: `write` (bytes into a regular file), `fsync` (of a file or a folder), `rename` (every change of a name: replace,
rename, unlink) and `event` (a line into log/*.jsonl). Only what lies below VLKILL_ROOT counts. Operations of all
processes of a run are counted together: each appends one record of fixed length to COUNTER/<kind>, and where its
record ends tells which operation it is. The blow falls before the operation, but a write is torn: half of its bytes
are written first.
"""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable
from typing import Any

RECORD = 256
_RUN, _WORKER = b"r", b"w"


class _Hook:
    def __init__(self, counter: str, root: str) -> None:
        self._counter = counter
        self._root = os.path.realpath(root) + os.sep
        self._kind = os.environ.get("VLKILL_KIND")
        self._at = int(os.environ.get("VLKILL_AT", "0"))
        self._who = os.environ.get("VLKILL_WHO", "run")
        self._run = int(os.environ.setdefault("VLKILL_RUN", str(os.getpid())))  # the first process; workers inherit it
        self._files: dict[str, int] = {}
        self._write, self._fsync = os.write, os.fsync
        os.write, os.fsync = self.write, self.fsync  # type: ignore[assignment]
        os.replace, os.rename = self._renaming(os.replace), self._renaming(os.rename)
        os.unlink = os.remove = self._removing(os.unlink)

    def write(self, fd: int, chunk: Any) -> int:
        path = self._below(fd)
        if path is not None and stat.S_ISREG(os.fstat(fd).st_mode):
            kind = "event" if f"{os.sep}log{os.sep}" in path and path.endswith(".jsonl") else "write"
            if self._reached(kind, path):
                view = memoryview(chunk).cast("B")
                self._write(fd, view[: len(view) // 2])
                self._strike(kind, path)
        return self._write(fd, chunk)

    def fsync(self, fd: int) -> None:
        path = self._below(fd)
        if path is not None and self._reached("fsync", path):
            self._strike("fsync", path)
        self._fsync(fd)

    def _renaming(self, original: Callable[..., None]) -> Callable[..., None]:
        def rename(source: Any, target: Any, **more: Any) -> None:
            self._name_changes(target)
            original(source, target, **more)

        return rename

    def _removing(self, original: Callable[..., None]) -> Callable[..., None]:
        def unlink(path: Any, **more: Any) -> None:
            if os.path.lexists(path):
                self._name_changes(path)
            original(path, **more)

        return unlink

    def _name_changes(self, name: Any) -> None:
        folder, base = os.path.split(os.path.abspath(os.fsdecode(name)))
        path = os.path.join(os.path.realpath(folder), base)
        if path.startswith(self._root) and self._reached("rename", path):
            self._strike("rename", path)

    def _below(self, fd: int) -> str | None:
        path = os.readlink(f"/proc/self/fd/{fd}")
        return path if (path + os.sep).startswith(self._root) else None

    def _reached(self, kind: str, path: str) -> bool:
        if kind not in self._files:
            place = os.path.join(self._counter, kind)
            self._files[kind] = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        role = _RUN if os.getpid() == self._run else _WORKER
        name = os.fsencode(path[len(self._root) :])[: RECORD - 2]
        self._write(self._files[kind], (role + name).ljust(RECORD - 1) + b"\n")
        number = os.lseek(self._files[kind], 0, os.SEEK_CUR) // RECORD
        wanted = self._who == "run" or role == _WORKER
        return wanted and kind == self._kind and number == self._at

    def _strike(self, kind: str, path: str) -> None:
        place = os.path.join(self._counter, "struck")
        fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._write(fd, os.fsencode(path[len(self._root) :]))
        if self._who == "run":
            os.kill(self._run, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


if "VLKILL_COUNTER" in os.environ:
    _Hook(os.environ["VLKILL_COUNTER"], os.environ["VLKILL_ROOT"])
