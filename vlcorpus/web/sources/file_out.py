"""Where a fetched file goes to: a file on a disk or a buffer, within bounds checked before and while it comes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import BinaryIO

from vlcorpus.errors import SourceError
from vlcorpus.io.places import shown


class FileOut:
    """Where a file goes to, within bounds. folder: where it lies on a disk, if it does."""

    def __init__(self, location: str, into: BinaryIO, most: int, folder: Path | None = None) -> None:
        self._location, self._into, self._most, self._folder = location, into, most, folder
        self.at = 0

    def rewind(self) -> None:
        self._into.seek(0)
        self._into.truncate()
        self.at = 0

    def expect(self, total: int | None) -> None:
        """Refuse what will not fit, before it comes."""
        if total is None:
            return
        if total > self._most:
            raise self._too_large(f"it has {total:,} bytes")
        if self._folder is not None and (free := shutil.disk_usage(self._folder).free) < total - self.at:
            raise SourceError(
                f"{shown(self._location)} has {total:,} bytes, and there are {free:,} free at {self._folder}",
                "make room, or let fewer workers read at once",
            )

    def write(self, block: bytes) -> None:
        if self.at + len(block) > self._most:
            raise self._too_large("it does not end")
        try:
            left = memoryview(block)
            while left:  # an unbuffered file may take a part only
                left = left[self._into.write(left) :]
        except OSError as error:
            raise SourceError(
                f"{shown(self._location)} cannot be stored: {error.strerror or error}", "make room on the disk"
            ) from error
        self.at += len(block)

    def _too_large(self, said: str) -> SourceError:
        return SourceError(
            f"{shown(self._location)} is too large: {said}, and {self._most:,} are allowed", "is the address right?"
        )
