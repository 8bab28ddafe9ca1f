"""Images that must not be kept, named by hashes of their bytes or of what they show.

    blocklist = read([Path("known.txt")], near=[Path("known.pdq")])
    blocklist.holds(body)            True where the MD5 or SHA-256 of the fetched bytes is on the list
    blocklist.resembles(stored)      True where the picture's PDQ hash is at most NEAR bits from one on the list

Lists are text: a hash in hex at the start of each line, 32 characters for MD5 and 64 for SHA-256 (or PDQ), anything
behind a comma, tab or space ignored, as are empty lines and those that begin with "#". Matches are counted by the
caller and never told: neither hash nor picture reaches a table, a log or a report.

PDQ (pdq.py) finds pictures that were scaled or encoded again, and errs sometimes; hashes of bytes never do.

Cost: 0.25 ms for the hashes of 100 kB; 100 bytes of memory a hash; PDQ 3 ms a picture and 1 us a hash of the list.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vlcorpus.errors import UsageError
from vlcorpus.images.pdq import pdq

NEAR = 31  # bits of 256; what PDQ's authors take for the same picture
_HASH = re.compile(r"\s*([0-9a-fA-F]+)\s*(?:[,;\t ].*)?")
_BYTES = {16: "md5", 32: "sha256"}


@dataclass(frozen=True)
class Blocklist:
    """exact: MD5 (16 bytes) and SHA-256 (32 bytes) digests. near: PDQ hashes, uint8 (n, 32)."""

    exact: frozenset[bytes]
    near: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.exact) + len(self.near)

    def holds(self, body: bytes) -> bool:
        """Whether these very bytes are on the list."""
        if not self.exact:
            return False
        found = (hashlib.md5(body, usedforsecurity=False), hashlib.sha256(body))
        return any(each.digest() in self.exact for each in found)

    def resembles(self, stored: bytes) -> bool:
        """Whether the picture is near one on the list. stored: a file that OpenCV decodes."""
        if not len(self.near):
            return False
        pixels = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_COLOR)
        if pixels is None:
            return False
        own = pdq(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8))
        return bool((np.bitwise_count(self.near ^ own).sum(axis=1) <= NEAR).any())


def read(lists: Sequence[Path], near: Sequence[Path] = ()) -> Blocklist:
    """The hashes of some files. UsageError for a line that is no hash, by its number and never by its content."""
    rows = [digest for path in near for digest in _hashes(path, (32,))]
    found = np.frombuffer(b"".join(rows), np.uint8).reshape(-1, 32)
    return Blocklist(frozenset(_all(lists)), found)


def _all(lists: Iterable[Path]) -> Iterator[bytes]:
    for path in lists:
        yield from _hashes(path, tuple(_BYTES))


def _hashes(path: Path, sizes: Sequence[int]) -> Iterator[bytes]:
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(file, 1):
                if not line.strip() or line.lstrip().startswith("#"):
                    continue
                found = _HASH.fullmatch(line.rstrip("\r\n"))
                if found is None or len(found[1]) not in [2 * size for size in sizes]:
                    wanted = " or ".join(str(2 * size) for size in sizes)
                    raise UsageError(f"line {number} of {path} is no hash", f"a hash has {wanted} hex characters")
                yield bytes.fromhex(found[1])
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot read {path}: {why}", "name a text file with one hash a line") from None
