"""Where a source's rows are cut, and which of them have to travel.

    slices = cut(rows=n, size=10_000, places=places)
    len(slices)                         how many slices there are
    slices.home[k], slices.home[k + 1]  rows of slice k that lie where they were lie between these
    slices.later(k, places)             (first row of the image, row) of its rows that follow an earlier one's image
    far(slices, places, ...)            rows that lie beyond their slice's home, and their slice

In the order of the slices, rows of one image stand together, in the place of the first. A slice takes whole images
while it has no more than `size` rows; an image with more is cut into pieces of `size`. So the cuts depend on the order
of rows and images alone.

Cost: 10 ns a row and 100 MB at most, plus 16 bytes for each slice.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .buckets import Numbers, SortedPairs
from .duplicates import Places

BLOCK = 1 << 20


@dataclass(frozen=True)
class Slices:
    """home: the first row that can be at home in each slice; start: where its later rows begin in places.by_image.
    Both int64, with the end as one more."""

    home: Numbers
    start: Numbers

    def __len__(self) -> int:
        return len(self.home) - 1

    def later(self, number: int, places: Places) -> tuple[Numbers, Numbers]:
        """(first row of its image, row) of each row of a slice that is not its image's first, in order."""
        start, stop = self.start[number], self.start[number + 1]
        return np.asarray(places.by_image[start:stop]), np.asarray(places.by_image_row[start:stop])


def cut(*, rows: int, size: int, places: Places) -> Slices:
    """size: rows of a slice at most."""
    home, start = [0] if rows else [], [0] if rows else []
    waiting = 0
    for begin in range(0, rows, BLOCK):
        head, ordinal, count, place = _pieces(begin, min(begin + BLOCK, rows), size, places)
        total = np.append(0, np.cumsum(count))
        piece = 0
        while True:
            # The first piece that the slice under way has no room for.
            after = int(np.searchsorted(total, total[piece] + size - waiting, side="right")) - 1
            if after == len(count):
                waiting += int(total[after] - total[piece])
                break
            whole = ordinal[after] == 0
            home.append(int(head[after]) + (not whole))
            start.append(int(place[after]))
            piece, waiting = after, 0
    ends = np.array([*home, rows], np.int64), np.array([*start, len(places.by_image)], np.int64)
    return Slices(*ends)


def _pieces(begin: int, end: int, size: int, places: Places) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Of the images whose first rows are in [begin, end), in order, cut where they are too long: first row, number of
    the piece, rows, and where the piece's later rows begin in places.by_image."""
    count = np.ones(end - begin, np.int64)
    low, high = np.searchsorted(places.by_row, [begin, end])
    count[np.asarray(places.by_row[low:high]) - begin] = 0
    low, high = np.searchsorted(places.by_image, [begin, end])
    first = np.asarray(places.by_image[low:high])
    if len(first):
        runs = np.append(np.flatnonzero(np.append(True, first[1:] != first[:-1])), len(first))
        count[first[runs[:-1]] - begin] += np.diff(runs)
    head = np.flatnonzero(count)
    count = count[head]
    place = low + np.cumsum(count - 1) - (count - 1)
    head += begin
    pieces = -(-count // size)
    which = np.repeat(np.arange(len(head)), pieces)
    ordinal = np.arange(len(which)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    skipped = ordinal * size
    return head[which], ordinal, np.minimum(count[which] - skipped, size), place[which] + np.maximum(skipped - 1, 0)


def far(slices: Slices, places: Places, *, rows: int, folder: Path, memory: int) -> tuple[Numbers, Numbers]:
    """(row, slice) of every row that lies beyond the home of its slice, in the order of rows."""
    pairs = SortedPairs(folder, "far", most=max(rows, len(slices) + 1), memory=memory)
    for begin in range(0, len(places.by_image_row), BLOCK):
        row = np.asarray(places.by_image_row[begin : begin + BLOCK])
        number = np.searchsorted(slices.start, np.arange(begin, begin + len(row)), side="right") - 1
        beyond = row >= slices.home[number + 1]
        pairs.add(row[beyond], number[beyond])
    return pairs.sorted()
