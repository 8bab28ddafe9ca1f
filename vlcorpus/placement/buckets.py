"""More rows than memory holds, divided so that each part can be looked at on its own.

    buckets = Buckets(5, path, memory=1 << 30)
    buckets.add(rows, which)          rows: uint64 (n, 5); which: uint8 (n,), the bucket of each
    buckets.take(7)                   rows of bucket 7, in the order they were added

    pairs = SortedPairs(folder, "moved", most=n, memory=1 << 28)
    pairs.add(a, b)                   whole numbers from 0 to below `most`
    pairs.sorted()                    (a, b) ordered by a, then b, as files read through memory maps

Rows are kept in memory until they need more than `memory` bytes; then they go to one file, in blocks that are divided
already, so that it is written once from start to end. What is read back depends on the rows alone, never on `memory`.
Memory: `memory`, and one bucket: 1/256 of the rows, where buckets are drawn by hash. Cost: 15 to 40 ns a row of 40
bytes in memory, 30 more through the file.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
import numpy.typing as npt

BUCKETS = 256
Numbers = npt.NDArray[np.int64]
Rows = npt.NDArray[np.uint64]


class Buckets:
    """width: numbers in a row. path: where the file may go. Close it, or use it as a context manager."""

    def __init__(self, width: int, path: Path, *, memory: int) -> None:
        self.width = width
        self._path = path
        self._memory = memory
        self._held: list[tuple[Rows, list[int]]] = []  # blocks of rows in order of buckets, and where each begins
        self._written: list[tuple[int, list[int]]] = []  # the same in the file: where the block begins
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._closing = ExitStack()
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, rows: Rows, which: npt.NDArray[np.uint8]) -> None:
        if not len(rows):
            return
        edges = [0, *np.cumsum(np.bincount(which, minlength=BUCKETS)).tolist()]
        self._held.append((np.take(rows, np.argsort(which, kind="stable"), axis=0), edges))
        self.rows += len(rows)
        self._bytes += rows.nbytes
        if self._bytes > self._memory:
            self._spill()

    def take(self, bucket: int) -> Rows:
        pieces = [self._read(place, edges[bucket], edges[bucket + 1]) for place, edges in self._written]
        return np.concatenate([*pieces, self._holding(bucket)])

    def close(self) -> None:
        self._held.clear()
        self._closing.close()

    def _holding(self, bucket: int) -> Rows:
        pieces = [rows[edges[bucket] : edges[bucket + 1]] for rows, edges in self._held]
        return np.concatenate([np.empty((0, self.width), np.uint64), *pieces])

    def _read(self, place: int, start: int, stop: int) -> Rows:
        assert self._file is not None
        self._file.seek(place + start * self.width * 8)
        read = np.fromfile(self._file, np.uint64, (stop - start) * self.width)
        return read.reshape(stop - start, self.width)

    def _spill(self) -> None:
        """Write what is held as one block."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._closing.enter_context(open(self._path, "w+b", buffering=0))  # noqa: SIM115
        place = self._file.seek(0, 2)
        edges = [0]
        for bucket in range(BUCKETS):
            rows = self._holding(bucket)
            rows.tofile(self._file)
            edges.append(edges[-1] + len(rows))
        self._written.append((place, edges))
        self._held.clear()
        self._bytes = 0


class SortedPairs:
    """Pairs of whole numbers in [0, most), sorted however many there are."""

    def __init__(self, folder: Path, name: str, *, most: int, memory: int) -> None:
        self._folder, self._name = folder, name
        self._bits = max(1, most.bit_length())
        self._shift = max(0, self._bits - 8)
        self._rows = Buckets(2, folder / f"{name}.tmp", memory=memory)

    def add(self, a: Numbers, b: Numbers) -> None:
        rows = np.empty((len(a), 2), np.uint64)
        rows[:, 0], rows[:, 1] = a, b
        self._rows.add(rows, (a >> self._shift).astype(np.uint8))

    def close(self) -> None:
        self._rows.close()

    def sorted(self) -> tuple[Numbers, Numbers]:
        """Once, after all were added."""
        if not self._rows.rows:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        self._folder.mkdir(parents=True, exist_ok=True)
        paths = [self._folder / f"{self._name}-{column}.tmp" for column in "ab"]
        with self._rows, open(paths[0], "wb") as a, open(paths[1], "wb") as b:
            for bucket in range(BUCKETS):
                rows = self._rows.take(bucket)
                if self._shift + self._bits <= 64:  # both in one number: sorting is ten times as fast
                    base = np.uint64(bucket << self._shift)
                    bits = np.uint64(self._bits)
                    both = ((rows[:, 0] - base) << bits) | rows[:, 1]
                    both.sort()
                    ((both >> bits) + base).tofile(a)
                    (both & np.uint64((1 << self._bits) - 1)).tofile(b)
                else:
                    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
                    rows[:, 0].tofile(a)
                    rows[:, 1].tofile(b)
        return np.memmap(paths[0], np.int64, "r"), np.memmap(paths[1], np.int64, "r")
