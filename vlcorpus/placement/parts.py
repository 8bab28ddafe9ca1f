"""The parts of a source, read one after the other: their identities, or all their columns.

    parts = Parts([Path("pairs/00000.parquet"), ...])
    parts.rows                              of all parts together
    for keys in parts.identities(): ...     rows without reason: number, image, uid of each, and text where asked for
    for start, table in parts.tables(wanted): ...

A row's number counts through all parts. What lacks identities, as parts of an earlier version, gets them here. Memory:
one row group of one part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from vlcorpus.io import table as tables

from .buckets import Numbers
from .keys import Words, as_words, with_identities

NAME = "extracted"
_KEYS = ("uid", "image_id", "reason")
_NAMED = ("url", "alt_text", "image_hash")


class Keys(NamedTuple):
    """offset: number of the row in the source, int64 (n,). image, uid: uint64 (n, 2). text: uint64 (n,), or None."""

    offset: Numbers
    image: Words
    uid: Words
    text: Words | None


class Parts:
    """paths: tables of schemas/extracted.json, in order. texts: whether texts are asked for. CorpusError where a table
    cannot be read."""

    def __init__(self, paths: Sequence[Path], *, texts: bool = True) -> None:
        counts = [tables.count(path, NAME) for path in paths]
        self._starts = np.append(0, np.cumsum(counts)).astype(np.int64).tolist()
        self._paths = tuple(paths)
        self._texts = texts
        self.rows: int = self._starts[-1]

    def identities(self) -> Iterator[Keys]:
        for path, begin in zip(self._paths, self._starts, strict=False):
            for start, table in _named(path, self._texts):
                good = np.asarray(table.column("reason").combine_chunks().is_null())
                if not good.all():
                    table = table.filter(pa.array(good))
                yield Keys(
                    begin + start + np.flatnonzero(good),
                    as_words(table.column("image_id")),
                    as_words(table.column("uid")),
                    _numbers(table.column("text_id")) if self._texts else None,
                )

    def tables(self, wanted: Callable[[int, int], bool]) -> Iterator[tuple[int, pa.Table]]:
        """(number of the first row, rows), in order, without stretches that are not wanted(start, stop)."""
        for number, path in enumerate(self._paths):
            begin = self._starts[number]
            if not wanted(begin, self._starts[number + 1]):
                continue
            for start, table in tables.pieces(
                path,
                NAME,
                wanted=lambda start, stop, begin=begin: wanted(begin + start, begin + stop),  # type: ignore[misc]
            ):
                yield begin + start, with_identities(table, texts=False) if _unnamed(table) else table


def _named(path: Path, texts: bool) -> Iterator[tuple[int, pa.Table]]:
    """What is needed of a part to place its rows, with identities."""
    begin = 0
    keys = (*_KEYS, "text_id") if texts else _KEYS
    for begin, table in tables.pieces(path, NAME, only=keys):
        if _unnamed(table, texts):
            break
        yield begin, table
    else:
        return
    for start, table in tables.pieces(path, NAME, only=(*_KEYS, *_NAMED)):
        if start >= begin:
            yield start, with_identities(table, texts=texts)


def _unnamed(table: pa.Table, texts: bool = False) -> bool:
    """Whether rows without reason lack an identity."""
    refused = len(table) - table.column("reason").null_count
    wanted = ("uid", "image_id", "text_id") if texts else ("uid", "image_id")
    return any(table.column(name).null_count > refused for name in wanted)


def _numbers(column: pa.ChunkedArray) -> Words:
    found: Words = column.combine_chunks().to_numpy(zero_copy_only=False)
    return found
