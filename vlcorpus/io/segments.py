"""A file that only grows, kept elsewhere piece by piece while it does, so that another machine goes on with it.

    segments = Segments(layer, folder / ".journal-00000", "9f3c…")
    segments.join(fd, 2, 67_108_864)     the file brought up to what is kept: it has 2 segments, so many bytes, already
    segments.grown(end)                  now and then: (3, 100_663_296) once a third segment is kept
    segments.keep_rest(end)              all of it, before this machine is taken away
    segments.forget()                    once the file is not wanted any more

Segment n is the file `.journal-00000.000n`: a line that names the journal's fingerprint and the place, length and
checksum of what follows. Joined, they are the file, byte for byte; a missing or damaged one, or one of another
fingerprint, ends it. One is under way at a time, in a thread. Where a segment cannot be kept, it is tried again with
more in it: the work goes on, and only more would be lost with the machine.

A segment is begun once there are SEGMENT_BYTES, SEGMENT_ENTRIES or SEGMENT_SECONDS worth of it: so much is lost with a
machine that goes without a word, and what is added while one is under way. Cost: the upload, in a thread; at the start
a look whether there is one more.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import zlib
from pathlib import Path
from typing import Protocol

from ..errors import VlcorpusError

SEGMENT_BYTES = 32 << 20
SEGMENT_ENTRIES = 1_000
SEGMENT_SECONDS = 30.0
_CALLED = "vlcorpus segment 1"


class Elsewhere(Protocol):
    """Where hidden files of a folder are kept: a layer (corpus.py)."""

    def keep(self, name: str) -> None: ...

    def recall(self, name: str) -> Path: ...

    def forget(self, name: str) -> None: ...

    def kept(self, prefix: str) -> tuple[str, ...]:
        """Names of what is kept that begin so."""
        ...


class Segments:
    def __init__(self, elsewhere: Elsewhere, path: Path, fingerprint: str) -> None:
        self._elsewhere, self._path, self._fingerprint = elsewhere, path, fingerprint
        self._count = self._sent = 0
        self._begun, self._entries = time.monotonic(), 0
        self._thread: threading.Thread | None = None
        self._thread_kept = False
        self._own: int | None = None

    def join(self, fd: int, count: int, sent: int) -> bool:
        """Append what is kept beyond `count` segments and `sent` bytes; whether the file is another now. What was in
        it behind these bytes and is not in the next segment goes: another machine has been at the work since."""
        self._count, self._sent = count, sent
        self._own = os.dup(fd)
        changed = False
        while (payload := self._recalled(self._count)) is not None:
            if os.pread(fd, len(payload), self._sent) != payload:
                os.ftruncate(fd, self._sent)
                _write(fd, payload, self._sent)
                changed = True
            self._sent += len(payload)
            self._count += 1
        for name in self._elsewhere.kept(self._path.name + "."):
            if name >= self._name(self._count):  # of other settings, or behind a gap
                self._elsewhere.forget(name)
        return changed

    def grown(self, end: int) -> tuple[int, int] | None:
        """An entry was added: begin to keep what is new, where that is enough and nothing is under way. (segments,
        bytes) that are kept, where that is news."""
        self._entries += 1
        if self._thread is not None and self._thread.is_alive():
            return None
        news = self._ended()
        waited = time.monotonic() - self._begun
        if end - self._sent >= SEGMENT_BYTES or self._entries >= SEGMENT_ENTRIES or waited >= SEGMENT_SECONDS:
            self._begin(end)
        return news

    def keep_rest(self, end: int) -> None:
        """Keep all that is new, and wait for it."""
        while True:
            whole = self._thread is None or self._ended() is not None
            if not whole or self._sent >= end:
                return
            self._begin(end)

    def forget(self) -> None:
        self._ended()
        for number in range(self._count):
            self._elsewhere.forget(self._name(number))

    def close(self) -> None:
        self._ended()
        if self._own is not None:
            os.close(self._own)
            self._own = None

    def _begin(self, end: int) -> None:
        self._begun, self._entries = time.monotonic(), 0
        self._until = min(end, self._sent + SEGMENT_BYTES)
        self._thread_kept = False
        self._thread = threading.Thread(target=self._keep, args=(self._count, self._sent, self._until), daemon=True)
        self._thread.start()

    def _ended(self) -> tuple[int, int] | None:
        """Wait for the segment under way; what is kept then, None where it is not."""
        if self._thread is None:
            return None
        self._thread.join()
        self._thread = None
        if not self._thread_kept:
            return None
        self._count, self._sent = self._count + 1, self._until
        return self._count, self._sent

    def _keep(self, number: int, start: int, end: int) -> None:
        assert self._own is not None
        payload = os.pread(self._own, end - start, start)
        head = json.dumps([_CALLED, self._fingerprint, start, len(payload), zlib.crc32(payload)]) + "\n"
        name = self._name(number)
        path = self._path.with_name(name)
        with contextlib.suppress(OSError, VlcorpusError):
            path.write_bytes(head.encode() + payload)
            self._elsewhere.keep(name)
            self._thread_kept = True
        path.unlink(missing_ok=True)

    def _recalled(self, number: int) -> bytes | None:
        """What the segment holds, if it goes on where the file ends."""
        name = self._name(number)
        self._path.with_name(name).unlink(missing_ok=True)  # left by a killed run, and perhaps kept nowhere
        path = self._elsewhere.recall(name)
        try:
            head, _, payload = path.read_bytes().partition(b"\n")
            found = json.loads(head)
        except (FileNotFoundError, ValueError):
            return None
        finally:
            path.unlink(missing_ok=True)
        expected = [_CALLED, self._fingerprint, self._sent, len(payload), zlib.crc32(payload)]
        return payload if found == expected and payload else None

    def _name(self, number: int) -> str:
        return f"{self._path.name}.{number:04d}"


def _write(fd: int, payload: bytes, at: int) -> None:
    view = memoryview(payload)
    while view:
        written = os.pwrite(fd, view, at)
        view, at = view[written:], at + written
