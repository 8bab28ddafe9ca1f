"""Exact search for equal keys among more rows than memory holds.

    rows, head = equal_runs(keys)         rows of keys that stand more than once, run by run, first row first
    for piece in cached(rows): ...        a bucket, in pieces within which that is fastest

    with Search(folder, rows=n, memory=2 << 30, max_texts_per_image=None, max_images_per_text=None) as search:
        search.known(image, uid, text, here=True)     pairs that are there already: first those of this corpus
        search.known(image, uid, here=False)          then those of others
        search.add(offset, image, uid, text)          the pairs of a source, in order
        search.places()                               -> Places: rows of repeated images, and rows that are refused

Rows are divided by a byte of the image's key (buckets.py); of equal pairs and equal images all are in one bucket. In
it, one sort of 64-bit numbers, the key's top bits above the row's number, brings candidates together in their
order; full keys are compared only where those bits agree. No two different keys are taken for one.

Refused are, by the first that holds: the second and later rows of a pair, and pairs that are there already
(`duplicate_pair`); pairs of other corpora (`in_earlier_corpus`); of the rest, the rows of an image beyond its first
`max_texts_per_image` (`too_many_texts`); of the rest, the rows whose image is not among the first
`max_images_per_text` different ones of their words (`too_many_images`; no words at all are not counted). Pairs of this
corpus that are there already count as the first of their image and their words.

Cost: some 60 ns a row, 15 M keys a second and core. Memory: see buckets.py. Not for near-duplicates: knn.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from .buckets import BUCKETS, Buckets, Numbers, Rows, SortedPairs
from .keys import EMPTY_TEXT, Mask, Words

REASONS = ("", "duplicate_pair", "in_earlier_corpus", "too_many_texts", "too_many_images")
_DUPLICATE, _ELSEWHERE, _TOO_MANY_TEXTS, _TOO_MANY_IMAGES = 1, 2, 3, 4
_IMAGE, _UID, _OFFSET, _TEXT = slice(0, 2), slice(2, 4), 4, 5  # columns of a row
_CACHED_ROWS = 32_768
_HERE, _OTHER = -1, -2  # in place of offsets: known pairs of this corpus, of another


def equal_runs(keys: Words) -> tuple[Numbers, Mask]:
    """Which rows of keys (n, k) have an equal: rows int64, the equal ones next to each other in ascending order, and
    where each run of equals begins."""
    n = len(keys)
    bits = np.uint64(n.bit_length())
    low = np.uint64((1 << int(bits)) - 1)
    packed = (keys[:, -1] & ~low) | np.arange(n, dtype=np.uint64)
    packed.sort()
    prefix = packed >> bits
    alike = prefix[1:] == prefix[:-1]
    member = np.zeros(n, bool)
    member[1:] = alike
    member[:-1] |= alike
    rows = (packed[member] & low).astype(np.int64)
    prefix = prefix[member]
    found = keys[rows]
    joined = _as_before(found)
    if (~joined & (prefix[1:] == prefix[:-1])).any():  # different keys with the same top bits
        order = np.lexsort((rows, *found.T))
        rows, found = rows[order], found[order]
        joined = _as_before(found)
    head = np.ones(len(rows), bool)
    head[1:] = ~joined
    alone = head.copy()
    alone[:-1] &= head[1:]
    return (rows[~alone], head[~alone]) if alone.any() else (rows, head)


def _as_before(keys: Words) -> Mask:
    same: Mask = keys[1:, 0] == keys[:-1, 0]
    for column in range(1, keys.shape[1]):
        same &= keys[1:, column] == keys[:-1, column]
    return same


def _heads(head: Mask) -> Numbers:
    """For each member of a run, where its run begins."""
    return np.maximum.accumulate(np.where(head, np.arange(len(head)), 0))


@dataclass(frozen=True)
class Places:
    """What is not in place, or refused. All are int64 and sorted, and may be memory maps of files.

    by_image, by_image_row: (first row of the image, row) of every later row of a repeated image, by the former and
    then the latter. by_row: the same rows alone, in order. refused, why: row and index into REASONS.
    """

    by_image: Numbers
    by_image_row: Numbers
    by_row: Numbers
    refused: Numbers
    why: Numbers


class Search:
    """See the module's header. rows: more than every offset. folder: for files, some of which the answer needs."""

    def __init__(
        self,
        folder: Path,
        *,
        rows: int,
        memory: int,
        max_texts_per_image: int | None = None,
        max_images_per_text: int | None = None,
    ) -> None:
        self._most_texts, self._most_images = max_texts_per_image, max_images_per_text
        counted = max_images_per_text is not None
        self._pairs = Buckets(6 if counted else 5, folder / "pairs.tmp", memory=memory // 2)
        self._texts = Buckets(4, folder / "texts.tmp", memory=memory // 4) if counted else None
        self._by_image = SortedPairs(folder, "image", most=rows, memory=memory // 12)
        self._by_row = SortedPairs(folder, "row", most=rows, memory=memory // 12)
        self._refused = SortedPairs(folder, "refused", most=max(rows, len(REASONS)), memory=memory // 12)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._pairs, self._texts, self._by_image, self._by_row, self._refused):
            if each is not None:
                each.close()

    def known(self, image: Words, uid: Words, text: Words | None = None, *, here: bool) -> None:
        """Pairs that are there already. text: only those of this corpus, and only where its images are counted."""
        self._add(np.full(len(uid), _HERE if here else _OTHER, np.int64), image, uid, text)

    def add(self, offset: Numbers, image: Words, uid: Words, text: Words | None = None) -> None:
        self._add(offset, image, uid, text)

    def _add(self, offset: Numbers, image: Words, uid: Words, text: Words | None) -> None:
        rows = np.empty((len(offset), self._pairs.width), np.uint64)
        rows[:, _IMAGE], rows[:, _UID], rows[:, _OFFSET] = image, uid, offset.view(np.uint64)
        if self._texts is not None:
            rows[:, _TEXT] = EMPTY_TEXT if text is None else text
        self._pairs.add(rows, image[:, 0].astype(np.uint8))

    def places(self) -> Places:
        """Once, after all were added."""
        for bucket in range(BUCKETS):
            for rows in cached(self._pairs.take(bucket)):
                self._look(rows)
        self._pairs.close()
        if self._texts is not None:
            for bucket in range(BUCKETS):
                self._look_at_texts(self._texts.take(bucket))
            self._texts.close()
        by_image, by_image_row = self._by_image.sorted()
        by_row, _ = self._by_row.sorted()
        return Places(by_image, by_image_row, by_row, *self._refused.sorted())

    def _look(self, rows: Rows) -> None:
        offset = rows[:, _OFFSET].view(np.int64)
        known = int(np.count_nonzero(offset < 0))  # they come first: they were added first
        at, head = equal_runs(rows[known:, _IMAGE])
        at += known
        mine, later = offset[at], ~head
        row = mine[later]
        self._by_image.add(mine[_heads(head)[later]], row)
        self._by_row.add(row, row)

        why = np.zeros(len(rows), np.int64)
        pool = np.arange(len(rows)) if known else at  # without known ones, equal pairs are among equal images
        at, head = equal_runs(rows[pool, _UID])
        at = pool[at]
        mine = offset[at]
        why[at[~head]] = _DUPLICATE
        if known:
            elsewhere = (mine[_heads(head)] == _OTHER) & (np.append(0, mine[:-1]) == _OTHER)
            why[at[elsewhere & ~head]] = _ELSEWHERE
            why[:known] = 0

        if self._most_texts is not None:
            live = np.flatnonzero((offset != _OTHER) & (why == 0))
            at, head = equal_runs(rows[live, _IMAGE])
            beyond = np.arange(len(at)) - _heads(head) >= self._most_texts
            why[live[at[beyond]]] = _TOO_MANY_TEXTS
        self._refuse(offset, why)
        if self._texts is not None:
            counted = (offset != _OTHER) & (why == 0) & (rows[:, _TEXT] != np.uint64(EMPTY_TEXT))
            chosen = rows[counted][:, [_TEXT, 0, 1, _OFFSET]]
            self._texts.add(chosen, chosen[:, 0].astype(np.uint8))

    def _look_at_texts(self, rows: Rows) -> None:
        """Rows (text, image, offset) of one bucket of texts, in any order."""
        assert self._most_images is not None
        at, head = equal_runs(rows[:, :1])
        size = np.diff(np.append(np.flatnonzero(head), len(at)))
        rows = rows[at[np.repeat(size > self._most_images, size)]]
        if not len(rows):
            return
        # Each image of a text with its first row first; then the images of a text by their first rows.
        first_row = rows[:, 3].view(np.int64)
        rows = rows[np.lexsort((first_row, rows[:, 2], rows[:, 1], rows[:, 0]))]
        offset = rows[:, 3].view(np.int64)
        head = np.append(True, ~_as_before(rows[:, :3]))
        images, first = rows[head], offset[head]
        order = np.lexsort((images[:, 2], images[:, 1], first, images[:, 0]))
        begins = np.append(True, ~_as_before(images[order, :1]))
        rank = np.empty(len(images), np.int64)
        rank[order] = np.arange(len(images)) - _heads(begins)
        beyond = rank[np.cumsum(head) - 1] >= self._most_images
        self._refuse(offset, np.where(beyond, _TOO_MANY_IMAGES, 0))

    def _refuse(self, offset: Numbers, why: Numbers) -> None:
        chosen = np.flatnonzero(why)
        chosen = chosen[offset[chosen] >= 0]
        self._refused.add(offset[chosen], why[chosen])


def cached(rows: Rows) -> Iterator[Rows]:
    """A bucket in pieces that fit a processor's cache, by the next byte of the image's key."""
    if len(rows) <= _CACHED_ROWS:
        yield rows
        return
    which = (rows[:, 0] >> np.uint64(8)).astype(np.uint8)
    rows = np.take(rows, np.argsort(which, kind="stable"), axis=0)
    edges = np.append(0, np.cumsum(np.bincount(which, minlength=BUCKETS)))
    step = max(1, BUCKETS * _CACHED_ROWS // len(rows))
    for start in range(0, BUCKETS, step):
        yield rows[edges[start] : edges[min(start + step, BUCKETS)]]
