"""Names for what lies outside a corpus, by content: the same bytes are the same source, wherever they lie.

    digest_of(Path("a/urls.csv")) == digest_of(Path("b/urls.csv"))          if their bytes are equal
    digest_of_all(folder, files)                                            names below the folder, and bytes

Reads each file once for as long as its size and time of change stay the same (1 s a GB).
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from .. import spec
from ..errors import SourceError


def digest_of(path: Path) -> str:
    """32 hex characters that name the bytes of a file. SourceError where it cannot be read."""
    try:
        status = os.stat(path)
        return _digest(os.path.abspath(path), status.st_ino, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}", "give a file that you may read") from error


def digest_of_all(root: Path, files: Iterable[Path]) -> str:
    """Names files below a folder. What leads out of it, or cannot be read, counts by its name only."""
    real = root.resolve()
    parts = []
    for path in sorted(files):
        try:
            content = digest_of(path) if path.is_file() and path.resolve().is_relative_to(real) else None
        except SourceError:
            content = None
        parts.append((path.relative_to(root).as_posix(), content))
    return spec.digest(parts)


@functools.lru_cache(maxsize=100_000)
def _digest(path: str, inode: int, size: int, changed: int) -> str:
    with open(path, "rb") as file:
        state = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
    return state.hexdigest()
