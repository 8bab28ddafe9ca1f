"""What of a long unit is done already, so that a kill costs at most what was under way.

    with Journal(folder, "00000", fingerprint="9f3c…") as journal:
        journal.done                        {17: {"status": "success", ...}, ...}: what an earlier run came to
        journal.suspect                     23, if that run ended while row 23 was in hand, else None
        journal.begin(24)                   a decoder has row 24 in hand now
        journal.add(24, row, {"jpg": b"..."})
        journal.members(24)                 {"jpg": b"..."}
        journal.remove()                    after the commit

One hidden file beside the unit's own, appended to. An entry is a length, a checksum and MessagePack, so that an end
torn by a kill is found and cut off. What was written under another fingerprint (other settings, other inputs) is
thrown away. A kill loses nothing that `add` returned from; a power cut at most SYNC_ENTRIES entries. An attempt beside
another (io.attempt) has a journal of its own, in a folder of such, which is kept on this machine alone.

elsewhere: of a corpus that is stored elsewhere, where the journal is kept in segments (io/segments.py) while it grows,
so that another machine goes on with it. What is lost with the machine is what was added since the last segment; one
that is asked to end loses nothing.

Cost: 15 us an entry and its bytes once more on the disk until the commit. Not for results: readers never see it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec

from . import attempt
from .commit import explained
from .segments import Elsewhere, Segments

PREFIX = ".journal-"
COPIES = ".copies"  # the folder for journals of attempts beside others
SYNC_ENTRIES = 256
_MAGIC = b"vlcorpus journal 1\n"
_KEPT = "kept"  # an entry [_KEPT, segments, bytes]: so much of this file is kept elsewhere
_HEAD = 8  # bytes: length and CRC-32 of what follows, little-endian

Row = dict[str, Any]
Members = dict[str, bytes]


class Journal:
    """done: outcomes by row number. suspect: the row that was begun and not ended when the last run ended."""

    def __init__(self, folder: Path, unit: str, *, fingerprint: str, elsewhere: Elsewhere | None = None) -> None:
        copy = attempt.current().copy
        self._path = folder / COPIES / f"{PREFIX}{unit}~{copy}" if copy else folder / f"{PREFIX}{unit}"
        self._fingerprint = fingerprint
        self._unsynced = 0
        self._segments = Segments(elsewhere, self._path, fingerprint) if elsewhere is not None and not copy else None
        self._forget_all()

    def _forget_all(self) -> None:
        self._places: dict[int, dict[str, tuple[int, int]]] = {}
        self._kept = (0, 0)
        self.done: dict[int, Row] = {}
        self.suspect: int | None = None

    def __enter__(self) -> Self:
        with explained(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
            self._end = self._read()
            if self._segments is not None and self._segments.join(self._fd, *self._kept):
                self._forget_all()
                self._end = self._read()
            os.ftruncate(self._fd, self._end)
            os.lseek(self._fd, self._end, os.SEEK_SET)
            if not self._end:
                self._write(_MAGIC)
                self._append([self._fingerprint])
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        try:
            if kind is not None and issubclass(kind, attempt.Superseded):
                self.remove()
            elif kind is not None and self._segments is not None:
                self._segments.keep_rest(self._end)
        finally:
            if self._segments is not None:
                self._segments.close()
            os.close(self._fd)

    def begin(self, number: int) -> None:
        """Note that a row is in hand: what follows may end this process."""
        with explained(self._path):
            self._append([number])

    def add(self, number: int, row: Row, members: Mapping[str, bytes]) -> None:
        """Keep what came of a row. Its members lie behind one another, at the end of the entry."""
        lengths = {extension: len(body) for extension, body in members.items()}
        with explained(self._path):
            end = self._append([number, row, lengths, *members.values()])
            self._place(number, row, lengths, end)
            self._unsynced += 1
            if self._unsynced >= SYNC_ENTRIES:
                self.sync()
            if self._segments is not None and (kept := self._segments.grown(self._end)) is not None:
                self._append([_KEPT, *kept])

    def sync(self) -> None:
        os.fsync(self._fd)
        self._unsynced = 0

    def members(self, number: int) -> Members:
        return {extension: os.pread(self._fd, length, at) for extension, (at, length) in self._places[number].items()}

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """An empty folder beside it, for a while; what a killed run left there is gone."""
        folder = _scratch(self._path)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def remove(self) -> None:
        """Once what it holds is committed."""
        if self._segments is not None:
            self._segments.forget()
        self._path.unlink(missing_ok=True)
        if self._path.parent.name == COPIES:
            with contextlib.suppress(OSError):  # others are in it
                self._path.parent.rmdir()

    def _place(self, number: int, row: Row, lengths: Mapping[str, int], end: int) -> None:
        """Payloads are the last bytes of the entry, each behind a header of MessagePack's own."""
        places: dict[str, tuple[int, int]] = {}
        for extension, length in reversed(list(lengths.items())):
            places[extension] = (end - length, length)
            end -= length + _bin_header(length)
        self._places[number] = {extension: places[extension] for extension in lengths}
        self.done[number] = row

    def _append(self, entry: list[Any]) -> int:
        payload = msgspec.msgpack.encode(entry)
        self._write(len(payload).to_bytes(4, "little") + zlib.crc32(payload).to_bytes(4, "little") + payload)
        return self._end

    def _write(self, block: bytes) -> None:
        view = memoryview(block)
        while view:
            view = view[os.write(self._fd, view) :]
        self._end += len(block)

    def _read(self) -> int:
        """Where the last whole entry of this fingerprint's ends; 0 where there is none."""
        at = len(_MAGIC)
        if os.pread(self._fd, at, 0) != _MAGIC:
            return 0
        first = True
        while (entry := self._entry(at)) is not None:
            payload, following = entry
            try:
                found = msgspec.msgpack.decode(payload)
                if first:
                    if found != [self._fingerprint]:
                        return 0
                elif found[0] == _KEPT:
                    self._kept = (int(found[1]), int(found[2]))
                elif len(found) == 1:
                    self.suspect = int(found[0])
                else:
                    number, row, lengths = found[:3]
                    self._place(number, row, lengths, following)
                    self.suspect = None if self.suspect == number else self.suspect
            except (msgspec.DecodeError, ValueError, TypeError, AttributeError):
                break
            at, first = following, False
        return 0 if first else at

    def _entry(self, at: int) -> tuple[bytes, int] | None:
        head = os.pread(self._fd, _HEAD, at)
        if len(head) < _HEAD:
            return None
        length, check = int.from_bytes(head[:4], "little"), int.from_bytes(head[4:], "little")
        if at + _HEAD + length > os.fstat(self._fd).st_size:
            return None
        payload = os.pread(self._fd, length, at + _HEAD)
        if zlib.crc32(payload) != check:
            return None
        return payload, at + _HEAD + length


def discard(folder: Path, unit: str, elsewhere: Elsewhere | None = None) -> None:
    """Remove the journals of a unit and their scratch, if there are any, of all attempts, here and elsewhere."""
    copies = folder / COPIES
    for path in (folder / f"{PREFIX}{unit}", *copies.glob(f"{PREFIX}{unit}~*")):
        path.unlink(missing_ok=True)
        shutil.rmtree(_scratch(path), ignore_errors=True)
    with contextlib.suppress(OSError):  # others are in it, or there is none
        copies.rmdir()
    if elsewhere is not None:
        for name in elsewhere.kept(f"{PREFIX}{unit}."):
            elsewhere.forget(name)


def _scratch(path: Path) -> Path:
    return path.with_name(path.name + "-scratch")


def _bin_header(length: int) -> int:
    """Bytes that MessagePack puts before a byte string."""
    return 2 if length < 1 << 8 else 3 if length < 1 << 16 else 5
