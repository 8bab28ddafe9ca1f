"""Decisions: which rows are kept, and which predicates every other row fails.

    columns     similarity [0.31, 0.12, nan, 0.28]   width [640, 640, 640, 90]
    predicates  AtLeast("similarity", 0.28), AtLeast("width", 200)
    keep        [True, False, False, False]
    fail_mask   [0b00, 0b01, 0b01, 0b10]     bit i: predicate i failed
    first_fail  [-1, 0, 0, 1]

Two steps, because some predicates need every row of the corpus: `resolve` turns them into cuts, once; `decide` then
judges any shard on its own, in any order. A cut can be stored (`Resolved.as_json`) and used again when the corpus has
grown. A row without a value (NaN, None, masked) fails the predicate unless the caller says otherwise; it is counted
either way. Numbers are compared in the precision of their column: a stored float32 0.7 is at least 0.7.

Cost: 20 ns for each row and predicate; resolving a top fraction 30 ns for each row of the corpus.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from vlcorpus.errors import CorpusError, UsageError, nearest

MAX_PREDICATES = 64
Missing = Literal["drop", "keep", "error"]
Columns = Mapping[str, npt.NDArray[Any]]
Uids = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class AtLeast:
    """The column's value is `threshold` or more."""

    column: str
    threshold: float

    def __post_init__(self) -> None:
        _number(self.threshold)


@dataclass(frozen=True)
class AtMost:
    """The column's value is `threshold` or less."""

    column: str
    threshold: float

    def __post_init__(self) -> None:
        _number(self.threshold)


@dataclass(frozen=True)
class OneOf:
    """The column's value is one of `values` (a language, a flag)."""

    column: str
    values: tuple[str | int | bool, ...]


@dataclass(frozen=True)
class TopFraction:
    """The column's value is in the highest `fraction` of the rows that have one.

    With `ties` "uid", exactly floor(fraction * n) of n rows: of rows with the score at the cut, those with the
    smallest uids. With "all", DataComp's rule: every row that scores at least as high as row floor(fraction * n),
    counted from 0 downwards.
    """

    column: str
    fraction: float
    ties: Literal["uid", "all"] = "uid"

    def __post_init__(self) -> None:
        _share(self.fraction)


@dataclass(frozen=True)
class RandomRows:
    """Rows drawn by the hash of their uid and `seed`: the same rows in any order and any shard.

    `fraction` draws each row with that probability, and a drawn row stays drawn as the corpus grows. `rows` draws
    exactly that many (all, where there are fewer) of the rows resolved with.
    """

    rows: int | None = None
    fraction: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.rows is None) == (self.fraction is None):
            raise UsageError("a random choice needs a number of rows or a fraction, and not both")
        if self.fraction is not None:
            _share(self.fraction)
        if self.rows is not None and self.rows < 0:
            raise UsageError(f"{self.rows} rows cannot be drawn")


Predicate = AtLeast | AtMost | OneOf | TopFraction | RandomRows


@dataclass(frozen=True)
class Cut:
    """Where a predicate over the whole corpus divides it: above `threshold`, or at it with a uid up to `uid` (hex).

    `threshold` None keeps nothing. `uid` None keeps every row at the threshold.
    """

    threshold: float | int | None
    uid: str | None = None


@dataclass(frozen=True)
class Resolved:
    """Predicates with the cuts that make each row's answer its own; the cut is None where the predicate needs none."""

    predicates: tuple[Predicate, ...]
    cuts: tuple[Cut | None, ...]

    def as_json(self) -> list[dict[str, Any]]:
        """For a stats file: [{"predicate": "TopFraction", "column": …, "cut": {"threshold": …, "uid": …}}, …]."""
        return [
            {"predicate": type(predicate).__name__, **asdict(predicate), "cut": None if cut is None else asdict(cut)}
            for predicate, cut in zip(self.predicates, self.cuts, strict=True)
        ]

    @classmethod
    def from_json(cls, stored: Sequence[Mapping[str, Any]]) -> Resolved:
        """What `as_json` gave, read back."""
        kinds: dict[str, Callable[..., Predicate]] = {
            kind.__name__: kind for kind in (AtLeast, AtMost, OneOf, TopFraction, RandomRows)
        }
        predicates, cuts = [], []
        for one in stored:
            fields = {name: tuple(value) if isinstance(value, list) else value for name, value in one.items()}
            kind, cut = fields.pop("predicate"), one["cut"]
            del fields["cut"]
            if kind not in kinds:
                raise UsageError(f"unknown predicate {kind!r}", nearest(str(kind), kinds))
            predicates.append(kinds[kind](**fields))
            cuts.append(None if cut is None else Cut(**cut))
        return cls(tuple(predicates), tuple(cuts))


@dataclass(frozen=True)
class Decision:
    """keep bool (N,), fail_mask uint64 (N,), first_fail int8 (N,) (-1: none), weight float32 (N,) (0 where dropped),
    missing int64 (P,): the rows without a value, for each predicate."""

    keep: Bools
    fail_mask: npt.NDArray[np.uint64]
    first_fail: npt.NDArray[np.int8]
    weight: npt.NDArray[np.float32]
    missing: npt.NDArray[np.int64]


def resolve(predicates: Sequence[Predicate], columns: Columns, uids: Uids) -> Resolved:
    """Find the cuts, from all rows of the corpus: columns (N,) and uids uint8 (N, 16), in any order of rows.

    Columns are needed only for TopFraction. Raises UsageError for an unknown column or more than 64 predicates.
    """
    if len(predicates) > MAX_PREDICATES:
        raise UsageError(f"{len(predicates)} predicates, and a fail mask has room for {MAX_PREDICATES}")
    return Resolved(tuple(predicates), tuple(_cut(predicate, columns, uids) for predicate in predicates))


def decide(
    resolved: Resolved,
    columns: Columns,
    uids: Uids,
    missing: Missing = "drop",
    *,
    weight: npt.NDArray[np.floating] | None = None,
) -> Decision:
    """Judge N rows: columns (N,) and uids uint8 (N, 16). `weight` is what a kept row counts for, 1 unless given.

    `missing` says what a row without a value is: "drop" fails the predicate, "keep" passes it, "error" raises
    CorpusError.
    """
    n = len(uids)
    fail_mask = np.zeros(n, dtype=np.uint64)
    first_fail = np.full(n, -1, dtype=np.int8)
    absent = np.zeros(len(resolved.predicates), dtype=np.int64)
    for bit, (predicate, cut) in enumerate(zip(resolved.predicates, resolved.cuts, strict=True)):
        there, passed = _judge(predicate, cut, columns, uids)
        absent[bit] = n - np.count_nonzero(there)
        if missing == "error" and absent[bit]:
            raise CorpusError(
                f"{absent[bit]} of {n} rows have no {getattr(predicate, 'column', 'value')}",
                "score the corpus, or say what becomes of such rows: missing drop, or keep",
            )
        failed = ~(passed | (~there & (missing == "keep")))
        fail_mask |= failed.astype(np.uint64) << np.uint64(bit)
        first_fail[failed & (first_fail < 0)] = bit
    keep = fail_mask == 0
    counts = np.ones(n, np.float32) if weight is None else np.asarray(weight, dtype=np.float32)
    return Decision(keep, fail_mask, first_fail, np.where(keep, counts, np.float32(0)), absent)


def _cut(predicate: Predicate, columns: Columns, uids: Uids) -> Cut | None:
    if isinstance(predicate, TopFraction):
        values, there = _values(predicate.column, columns, len(uids))
        scores, owners = _comparable(values, there)[there], uids[there]
        count = math.floor(Fraction(str(predicate.fraction)) * len(scores))
        if predicate.ties == "all" and len(scores):
            place = len(scores) - 1 - min(count, len(scores) - 1)
            return Cut(float(np.partition(scores, place)[place]))
        return _cut_at(scores, owners, count)
    if isinstance(predicate, RandomRows) and predicate.rows is not None:
        # The smallest hashes, as the largest complements, so that one rule serves both.
        return _cut_at(~_draws(uids, predicate.seed), uids, min(predicate.rows, len(uids)))
    return None


def _cut_at(scores: npt.NDArray[Any], uids: Uids, count: int) -> Cut:
    """The cut that keeps the `count` highest scores, and of equal scores the smallest uids."""
    if count == 0:
        return Cut(None)
    threshold = np.partition(scores, len(scores) - count)[len(scores) - count]
    tied = uids[scores == threshold]
    room = count - int(np.count_nonzero(scores > threshold))
    high, low = _halves(tied)
    return Cut(threshold.item(), None if room == len(tied) else tied[np.lexsort((low, high))[room - 1]].tobytes().hex())


def _judge(predicate: Predicate, cut: Cut | None, columns: Columns, uids: Uids) -> tuple[Bools, Bools]:
    """Which rows have a value, and which of those pass."""
    if isinstance(predicate, RandomRows):
        draws = _draws(uids, predicate.seed)
        everywhere = np.ones(len(uids), dtype=bool)
        if predicate.fraction is None:
            return everywhere, _above(~draws, cut, uids)
        last = math.ceil(Fraction(str(predicate.fraction)) * 2**64) - 1
        return everywhere, (draws <= np.uint64(last)) if last >= 0 else ~everywhere
    values, there = _values(predicate.column, columns, len(uids))
    if isinstance(predicate, OneOf):
        chosen = set(predicate.values)
        return there, np.fromiter((value in chosen for value in values.tolist()), dtype=bool, count=len(uids)) & there
    scores = _comparable(values, there)
    if isinstance(predicate, AtLeast):
        return there, (scores >= predicate.threshold) & there
    if isinstance(predicate, AtMost):
        return there, (scores <= predicate.threshold) & there
    return there, _above(scores, cut, uids) & there


def _above(scores: npt.NDArray[Any], cut: Cut | None, uids: Uids) -> Bools:
    if cut is None:
        raise ValueError("this predicate has no cut: resolve it first")
    if cut.threshold is None:
        return np.zeros(len(scores), dtype=bool)
    threshold = scores.dtype.type(cut.threshold)
    above: Bools = scores > threshold
    tied = np.flatnonzero(scores == threshold)
    if cut.uid is not None and len(tied):
        high, low = _halves(uids[tied])
        last_high, last_low = _halves(np.frombuffer(bytes.fromhex(cut.uid), dtype=np.uint8)[None, :])
        tied = tied[(high < last_high) | ((high == last_high) & (low <= last_low))]
    above[tied] = True
    return above


def _values(column: str, columns: Columns, n: int) -> tuple[npt.NDArray[Any], Bools]:
    """A column's values and which of them are there: not NaN, not None, not masked."""
    if column not in columns:
        raise UsageError(f"there is no score column {column!r}", nearest(column, columns))
    values = columns[column]
    if values.shape != (n,):
        raise ValueError(f"column {column!r} has shape {values.shape}, and there are {n} uids")
    there = ~np.ma.getmaskarray(values)
    values = np.ma.getdata(values)
    if values.dtype.kind == "f":
        there &= ~np.isnan(values)
    elif values.dtype.kind == "O":
        there &= np.fromiter((v is not None and v == v for v in values), dtype=bool, count=n)
    return values, there


def _comparable(values: npt.NDArray[Any], there: Bools) -> npt.NDArray[Any]:
    """Numbers to compare: as they are, or float64 from Python objects. What is not there is 0."""
    if values.dtype.kind in "OUS":
        numbers = np.zeros(len(values), dtype=np.float64)
        numbers[there] = values[there].astype(np.float64)
        return numbers
    return np.where(there, values, values.dtype.type(0))


def _halves(uids: Uids) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """uids as two numbers whose order, high half first, is the order of their bytes."""
    pairs = np.ascontiguousarray(uids, dtype=np.uint8).reshape(-1, 16).view(">u8").astype(np.uint64)
    return pairs[:, 0], pairs[:, 1]


def _draws(uids: Uids, seed: int) -> npt.NDArray[np.uint64]:
    """A uniform 64-bit number for each uid and seed, by the SplitMix64 finaliser (Steele et al., OOPSLA 2014)."""
    high, low = _halves(uids)
    start = np.full(1, seed % 2**64, dtype=np.uint64)
    return _mixed(_mixed(_mixed(start) ^ high) ^ low)


def _mixed(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _number(threshold: float) -> None:
    if not isinstance(threshold, int | float) or math.isnan(threshold):
        raise UsageError(f"a threshold must be a number, not {threshold!r}")


def _share(fraction: float) -> None:
    if not 0 <= fraction <= 1:
        raise UsageError(f"a fraction must lie in 0..1, not {fraction!r}")
