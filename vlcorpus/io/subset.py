"""DataComp's subset file: the uids that a data set takes, sorted, each as often as it is taken.

    with Gathering(folder) as gathering:
        gathering.add(uids_N16)                          uint8 (N, 16), any order, any number of times
        gathering.add(uids_N16, copies_N)                copies: 1 where not given
        listed = gathering.arrange()                     Listed(entries=1_280_000, uids=1_280_000, merged=0)
        with commit.file("00000.npy") as sink:
            gathering.write(sink)
    read(path)                                           (entries,) of dtype [("f0", "<u8"), ("f1", "<u8")]

An entry is the uid's first and last 64 bits as numbers, and the order is theirs, which is that of the 16 bytes. A uid
with k copies stands k times: DataComp's resharder.py writes its sample k times. A uid that was added more than once
stands as often as it was meant to most, as a reader of the file takes every sample of that uid so often.

Rows are sorted 2^20 at a time and kept in a nameless file in `folder`; the sorted runs are then merged range by range.
Cost: 0.15 microseconds a row, 70 MB whatever the number of rows, and for the time 40 bytes a row of disk. Not flat
where more than a million uids share their first 64 bits: those are sorted at once.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import CorpusError
from .commit import TEMPORARY, Sink, explained

DTYPE = np.dtype([("f0", "<u8"), ("f1", "<u8")])
DIGITS = 32
MOST_COPIES = 2**32 - 1

UInt64s = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Uids = npt.NDArray[np.uint8]

_LEAST_RUN, _MOST_RUN = 1 << 18, 1 << 20
_RUNS = 64  # before they become longer
_RANGE = 1 << 18
_SAMPLED = 1 << 10
_COPIED = 8 << 20


@dataclass(frozen=True)
class Listed:
    """entries: of the file. uids: different ones. merged: rows that were added of a uid that was there."""

    entries: int
    uids: int
    merged: int


@dataclass(frozen=True)
class _Run:
    """Rows in order at `place` of the file: first halves, second halves, copies (uint32) where any is not 1."""

    place: int
    rows: int
    copied: bool
    sampled: UInt64s


class Gathering:
    """Uids on their way into a subset file. folder: where there is room for them; nothing stays there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._stack = ExitStack()
            self._file = self._temporary()
        self._runs: list[_Run] = []
        self._held: list[tuple[UInt64s, UInt64s, npt.NDArray[np.uint32] | None]] = []
        self._rows = self._added = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._stack.close()

    def _temporary(self) -> Any:
        return self._stack.enter_context(tempfile.TemporaryFile(dir=self._folder, prefix=TEMPORARY))

    def add(self, uids_N16: Uids, copies_N: Ints | None = None) -> None:
        """copies: 1 to MOST_COPIES."""
        if not len(uids_N16):
            return
        high, low = halves(uids_N16)
        copies = None if copies_N is None or (copies_N == 1).all() else copies_N.astype(np.uint32)
        self._held.append((high, low, copies))
        self._rows += len(high)
        self._added += len(high)
        if self._rows >= min(max(_LEAST_RUN, self._added // _RUNS), _MOST_RUN):
            self._spill()

    def _spill(self) -> None:
        """Sort what is held, and put it into the file as one run."""
        if not self._rows:
            return
        high = np.concatenate([each[0] for each in self._held])
        low = np.concatenate([each[1] for each in self._held])
        copies = None
        if any(each[2] is not None for each in self._held):
            copies = np.concatenate([np.ones(len(h), np.uint32) if c is None else c for h, _, c in self._held])
        self._held, self._rows = [], 0
        place = self._file.seek(0, os.SEEK_END)
        found = order(high, low)
        high = high[found]
        with explained(self._folder):
            self._file.write(high.data)
            self._file.write(low[found].data)
            if copies is not None:
                self._file.write(copies[found].data)
        self._runs.append(_Run(place, len(high), copies is not None, high[::_SAMPLED].copy()))

    def arrange(self) -> Listed:
        """Merge what was added, once."""
        self._spill()
        self._made = self._temporary()
        entries = uids = added = 0
        for high, low, copies in self._ranges():
            added += len(high)
            fresh = np.ones(len(high), bool)
            fresh[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
            if not fresh.all():
                starts = np.flatnonzero(fresh)
                high, low = high[starts], low[starts]
                copies = None if copies is None else np.maximum.reduceat(copies, starts)
            uids += len(high)
            if copies is not None:
                high, low = np.repeat(high, copies), np.repeat(low, copies)
            entries += len(high)
            both = np.empty((len(high), 2), "<u8")
            both[:, 0], both[:, 1] = high, low
            with explained(self._folder):
                self._made.write(both.data)
        return Listed(entries, uids, added - uids)

    def write(self, sink: Sink) -> None:
        """Write what `arrange` arranged, as numpy's own `save` would."""
        rows, left = divmod(self._made.seek(0, os.SEEK_END), DTYPE.itemsize)
        assert not left
        self._made.seek(0)
        header = io.BytesIO()
        told = {"descr": np.lib.format.dtype_to_descr(DTYPE), "fortran_order": False, "shape": (rows,)}
        np.lib.format.write_array_header_1_0(header, told)
        sink.write(header.getvalue())
        while chunk := self._made.read(_COPIED):
            sink.write(chunk)

    def _ranges(self) -> Iterator[tuple[UInt64s, UInt64s, npt.NDArray[np.uint32] | None]]:
        """All rows, in order; rows of one uid are never apart."""
        total = sum(run.rows for run in self._runs)
        borders = _borders(np.concatenate([run.sampled for run in self._runs] or [np.zeros(0, np.uint64)]), total)
        ends = [self._ends(run, borders) for run in self._runs]
        for number in range(len(borders) + 1 if total else 0):
            parts = [
                self._part(run, int(end[number]), int(end[number + 1]))
                for run, end in zip(self._runs, ends, strict=True)
                if end[number] < end[number + 1]
            ]
            if not parts:
                continue
            high, low = (np.concatenate([part[which] for part in parts]) for which in (0, 1))
            found = order(high, low)
            copies = None
            if any(part[2] is not None for part in parts):
                copies = np.concatenate([np.ones(len(h), np.uint32) if c is None else c for h, _, c in parts])[found]
            yield high[found], low[found], copies

    def _ends(self, run: _Run, borders: UInt64s) -> Ints:
        """Where the ranges of a run begin and end."""
        high = self._read(run.place, run.rows, np.uint64)
        return np.array([0, *np.searchsorted(high, borders, "left"), run.rows], np.int64)

    def _part(self, run: _Run, start: int, stop: int) -> tuple[UInt64s, UInt64s, npt.NDArray[np.uint32] | None]:
        rows = stop - start
        high = self._read(run.place + 8 * start, rows, np.uint64)
        low = self._read(run.place + 8 * (run.rows + start), rows, np.uint64)
        copies = self._read(run.place + 16 * run.rows + 4 * start, rows, np.uint32) if run.copied else None
        return high, low, copies

    def _read(self, place: int, rows: int, kind: Any) -> npt.NDArray[Any]:
        found = np.empty(rows, kind)
        self._file.seek(place)
        if self._file.readinto(found.data) != found.nbytes:
            raise CorpusError(f"a temporary file in {self._folder} ends early", "run the same command again")
        return found


def _borders(sampled: UInt64s, rows: int) -> UInt64s:
    """First halves at which ranges of about _RANGE rows begin."""
    sampled = np.sort(sampled)
    ranges = -(-rows // _RANGE)
    return np.unique(sampled[np.arange(1, ranges) * len(sampled) // ranges]) if ranges > 1 else sampled[:0]


def order(high_N: UInt64s, low_N: UInt64s) -> Ints:
    """Row numbers in the order of the uids.

    By the first 32 bits: numpy sorts numbers of 16 bits by counting, ten times as fast as it sorts those of 64. The few
    rows that agree in them are put right afterwards.
    """
    found: Ints = np.argsort((high_N >> np.uint64(32)).astype(np.uint16), kind="stable")
    first = (high_N >> np.uint64(32)).astype(np.uint32)[found]
    then = np.argsort((first >> np.uint32(16)).astype(np.uint16), kind="stable")
    found, first = found[then], first[then]
    same = first[1:] == first[:-1]
    if same.any():
        tied = np.zeros(len(first), bool)
        tied[1:] |= same
        tied[:-1] |= same
        rows = found[tied]
        found[tied] = rows[np.lexsort((low_N[rows], high_N[rows]))]
    return found


def halves(uids_N16: Uids) -> tuple[UInt64s, UInt64s]:
    """uids as two numbers whose order, first half first, is that of their bytes."""
    both = np.ascontiguousarray(uids_N16, np.uint8).reshape(-1, 16).view(">u8")
    return both[:, 0].astype(np.uint64), both[:, 1].astype(np.uint64)


def rows(numbers: Ints, *columns: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
    """Rows of these different numbers, in order; the columns themselves where that is all of them."""
    return tuple(each if len(numbers) == len(each) else each[numbers] for each in columns)


def raw(column: pa.Array) -> Uids:
    """A column of 16 bytes each, without nulls, as (N, 16)."""
    start = 16 * column.offset
    held = np.frombuffer(column.buffers()[1] or b"", np.uint8) if len(column) else np.zeros(0, np.uint8)
    return held[start : start + 16 * len(column)].reshape(-1, 16)


def find(high_M: UInt64s, low_M: UInt64s, high_N: UInt64s, low_N: UInt64s) -> Ints:
    """Places of N uids among M different ones in order; -1 where they are not there."""
    places = np.searchsorted(high_M, high_N, "left").astype(np.int64)
    found = np.full(len(places), -1, np.int64)
    left = np.arange(len(places))
    while len(left):
        at = places[left]
        inside = at < len(high_M)
        left, at = left[inside], at[inside]
        agree = high_M[at] == high_N[left]
        left, at = left[agree], at[agree]
        there = low_M[at] == low_N[left]
        found[left[there]] = at[there]
        left = left[~there]
        places[left] += 1
    return found


def from_hex(texts: pa.Array) -> tuple[Uids, npt.NDArray[np.bool_]]:
    """Texts of 1 to 32 hex digits as uids, padded with zeros on the left (resharder.py's rule), and which are such.

    texts: of type string. Upper and lower case are the same. What is no such text, or null, is all zero.
    """
    lengths = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    good = (lengths >= 1) & (lengths <= DIGITS)
    if not (good & (lengths == DIGITS)).all():
        texts = pc.ascii_lpad(pc.if_else(pa.array(good), texts, ""), width=DIGITS, padding="0")
        good &= pc.binary_length(texts).to_numpy(zero_copy_only=False) == DIGITS  # else not ASCII
        texts = texts if good.all() else pc.if_else(pa.array(good), texts, "0" * DIGITS)
    if not len(texts):
        return np.zeros((0, 16), np.uint8), good
    start = int(np.frombuffer(texts.buffers()[1], np.int32)[texts.offset])
    digits = texts.buffers()[2][start : start + DIGITS * len(texts)].to_pybytes()
    uids = _from_hex(digits)
    if len(uids) != 16 * len(texts):  # some are no digits: which?
        each = [_from_hex(digits[place : place + DIGITS]) for place in range(0, len(digits), DIGITS)]
        good &= np.array([len(uid) == 16 for uid in each])
        uids = b"".join(uid if len(uid) == 16 else bytes(16) for uid in each)
    found = np.frombuffer(uids, np.uint8).reshape(-1, 16).copy()
    found[~good] = 0
    return found, good


def _from_hex(digits: bytes) -> bytes:
    """Fewer than half as many bytes where they are no digits; python skips white space."""
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return b""


def read(path: Path) -> npt.NDArray[Any]:
    """The entries, memory-mapped, `ordered` or not. CorpusError where the file is no subset file."""
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CorpusError(f"cannot read {path}: {error}", "write the export again") from error
    if not isinstance(rows, np.ndarray) or rows.ndim != 1 or rows.dtype != DTYPE:
        raise CorpusError(f"{path} is no subset file: its entries are not two numbers of 64 bits", "export it again")
    return rows


def ordered(rows: npt.NDArray[Any]) -> bool:
    """Whether the entries of a subset file are sorted."""
    for start in range(0, len(rows), _MOST_RUN):
        part = rows[start : start + _MOST_RUN + 1]
        high, low = part["f0"], part["f1"]
        if ((high[1:] < high[:-1]) | ((high[1:] == high[:-1]) & (low[1:] < low[:-1]))).any():
            return False
    return True
