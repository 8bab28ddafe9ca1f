"""The pieces of a WARC or WAT file that are done with, so that a killed extraction goes on behind them.

    with unfinished.journal(layer, "00000", fingerprint) as journal:
        kept = Kept(journal)
        for piece in kept.pieces(): ...          what earlier runs came to, in order
        kept.following, kept.learnt              the offset of the record behind them; site files met before it
        kept.add(piece)

A piece is what `choosing` made of some pairs, their pages, and where the file goes on. Files that are one compressed
stream cannot be begun in the middle: of those nothing is kept. Cost: the rows once more on the disk until the commit,
and 1 % of the time that it took to find them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from ..io.journal import Journal

SiteFile = tuple[str, int, bytes]


class Piece(NamedTuple):
    """stored: of schemas/extracted.json. pages: of schemas/pages.json. counted: pairs that the file's reader left out
    by reason. left: those that the choice did. following: offset of the next record, None where that is not known.
    learnt: site files met in it: URL, status, body."""

    stored: pa.Table
    pages: pa.Table
    counted: Counter[str]
    left: Counter[str]
    following: int | None
    learnt: list[SiteFile]


class Kept:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._whole = True
        self.following = 0
        self.learnt: list[SiteFile] = []

    def pieces(self) -> Iterator[Piece]:
        number = 0
        while (row := self._journal.done.get(number)) is not None:
            members = self._journal.members(number)
            learnt = [(url, status, body) for url, status, body in row["learnt"]]
            self.following = row["following"]
            self.learnt += learnt
            tables = _table(members["pairs"]), _table(members["pages"])
            yield Piece(*tables, Counter(row["counted"]), Counter(row["left"]), self.following, learnt)
            number += 1

    def add(self, piece: Piece) -> None:
        self._whole = self._whole and piece.following is not None
        if self._whole:
            row: dict[str, Any] = {
                "following": piece.following,
                "counted": dict(piece.counted),
                "left": dict(piece.left),
                "learnt": piece.learnt,
            }
            members = {"pairs": _bytes(piece.stored), "pages": _bytes(piece.pages)}
            self._journal.add(len(self._journal.done), row, members)


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_table(table)
    payload: bytes = sink.getvalue().to_pybytes()
    return payload


def _table(payload: bytes) -> pa.Table:
    with pa.ipc.open_stream(payload) as reader:
        return reader.read_all()
