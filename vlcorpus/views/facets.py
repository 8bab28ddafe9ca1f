"""What a decision kept and dropped: counts by language, host and reason, and the rows themselves, page by page.

    told = decided(corpus, "top")
    facets(told, Wanted(verdict="dropped")).language       Counts(top=(Count("en", "en", 3_310), …), others=12)
    chosen(told, Wanted(reason="0", domain="a.test"))      int64 numbers of the rows that fail predicate 0, from a.test
    rows(corpus, told, chosen(…)[:50])                     [Row(uid="0123…", caption="a red circle", failed=(0,), …), …]

The counts of a field are of the rows that the other fields leave: choosing a language does not hide the other ones. A
reason is the number of a predicate, whatever else a row fails, or, of a decision over candidates, why the download got
no image.

Cost: 5 ns a row and field for counting; a page reads the tables of the shards that it has rows of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..corpus import Corpus
from ..errors import CorpusError, UsageError, nearest
from ..io import table
from ..stages.takedowns import taken_down
from . import cells
from .corpus_collection import CorpusCollection
from .decided import NONE, Decided, Names
from .selection import uids_of

TOP = 50
MOST_ROWS = 200
"""Of one page."""
_CUT = 1_000  # characters of a caption
_CUT_URL = 2_000

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Wanted:
    """Which rows. reason: number of a predicate, or a reason of a download; None: whatever."""

    verdict: Literal["all", "kept", "dropped"] = "all"
    reason: str | None = None
    language: str | None = None
    domain: str | None = None


@dataclass(frozen=True)
class Count:
    """label: for people; value: what `Wanted` takes for it."""

    label: str
    value: str
    rows: int


@dataclass(frozen=True)
class Counts:
    """The most frequent values, and the rows of all other ones. A row may have several reasons."""

    top: tuple[Count, ...]
    others: int = 0


@dataclass(frozen=True)
class Facets:
    reason: Counts
    language: Counts
    domain: Counts


@dataclass(frozen=True)
class Row:
    """A row of a decision. place: its row in the shard's tables; row: that of its embedding, in the collection; failed:
    numbers of predicates; status: why there is no image, where that is known. A pair that was taken down shows neither
    words nor address."""

    uid: str
    shard: str
    place: int | None
    row: int | None
    key: str | None
    caption: str | None
    url: str | None
    language: str | None
    keep: bool
    failed: tuple[int, ...]
    weight: float
    status: str | None = None
    taken_down: bool = False


def chosen(told: Decided, wanted: Wanted) -> Ints:
    """Numbers of the rows that are wanted, in corpus order. UsageError where a reason is none of the decision's."""
    return np.flatnonzero(_kept_by(told, wanted))


def facets(told: Decided, wanted: Wanted) -> Facets:
    """How many rows there are of each reason, language and host, each among those that the other fields leave."""
    return Facets(
        reason=_reasons(told, _kept_by(told, wanted, but="reason")),
        language=_counts(told.language, _kept_by(told, wanted, but="language")),
        domain=_counts(told.domain, _kept_by(told, wanted, but="domain")),
    )


def rows(corpus: Corpus, told: Decided, numbers: Ints, *, collection: CorpusCollection | None = None) -> list[Row]:
    """Rows of a decision by number, ascending. UsageError where they are more than a page."""
    if len(numbers) > MOST_ROWS:
        raise UsageError(f"at most {MOST_ROWS} rows are shown at once", "ask for fewer")
    found: list[Row] = []
    for number, shard in enumerate(told.shards):
        low, high = np.searchsorted(numbers, told.starts[number : number + 2])
        if low < high:
            places = pa.array(numbers[low:high] - told.starts[number])
            found += _of_shard(corpus, told, shard, places, numbers[low:high], collection)
    return found


def _kept_by(told: Decided, wanted: Wanted, *, but: str = "") -> Bools:
    """Which rows the fields leave, one of them left out."""
    kept = np.ones(len(told.keep_N), bool)
    if wanted.verdict != "all":
        kept &= told.keep_N if wanted.verdict == "kept" else ~told.keep_N
    if wanted.reason is not None and but != "reason":
        kept &= _failing(told, wanted.reason)
    for name, names, value in (
        ("language", told.language, wanted.language),
        ("domain", told.domain, wanted.domain),
    ):
        if value is not None and but != name:
            kept &= _equal(names, value)
    return kept


def _failing(told: Decided, reason: str) -> Bools:
    if reason.isascii() and reason.isdigit():
        if len(reason) > 2 or int(reason) >= len(told.rules):
            raise UsageError(
                f"there is no predicate {reason[:20]} in {told.decision}", f"they are numbered to {len(told.rules) - 1}"
            )
        bit: Bools = (told.fails_N >> np.uint64(int(reason)) & np.uint64(1)).astype(bool)
        return bit
    if reason == NONE or reason not in told.status.names:
        known = [name for name in told.status.names if name != NONE]
        raise UsageError(f"no row has the reason {reason[:80]!r}", nearest(reason[:80], known) if known else "")
    return _equal(told.status, reason)


def _equal(names: Names, value: str) -> Bools:
    if value not in names.names:
        return np.zeros(len(names.codes_N), bool)
    same: Bools = names.codes_N == names.names.index(value)
    return same


def _counts(names: Names, kept_N: Bools, *, but: str | None = None) -> Counts:
    counts = np.bincount(names.codes_N[kept_N], minlength=len(names.names))
    if but in names.names:
        counts[names.names.index(but)] = 0
    there = np.flatnonzero(counts)
    if len(there) > TOP:
        there = there[counts[there] >= np.partition(counts[there], -TOP)[-TOP]]  # and all that are as frequent
    listed = sorted((-int(counts[code]), names.names[code]) for code in there)[:TOP]
    top = tuple(Count(name, name, -number) for number, name in listed)
    return Counts(top, int(counts.sum()) - sum(each.rows for each in top))


def _reasons(told: Decided, kept_N: Bools) -> Counts:
    """Predicates in their order, as many of each as rows that fail it, then reasons of downloads."""
    from ..scores.decide import count_masks

    failed = [0] * len(told.rules)
    for mask, number in count_masks(told.fails_N[kept_N], len(told.rules)).items():
        for bit in range(len(failed)):
            failed[bit] += number * (mask >> bit & 1)
    predicates = tuple(
        Count(rule.says, str(number), failed[number]) for number, rule in enumerate(told.rules) if failed[number]
    )
    statuses = _counts(told.status, kept_N, but=NONE)
    return Counts(predicates + statuses.top, statuses.others)


def _of_shard(
    corpus: Corpus, told: Decided, shard: str, places: pa.Array, numbers: Ints, collection: CorpusCollection | None
) -> list[Row]:
    path = corpus.layer(f"decisions/{told.decision}").path(f"{shard}.parquet")
    read = table.read(path, "decisions")
    if places[-1].as_py() >= len(read):
        raise CorpusError(f"decisions/{told.decision} was made anew", "ask again")
    own = read.take(places)
    uids = own.column("uid").combine_chunks()
    pairs = _Pairs(corpus, shard, uids, collection)
    return [
        Row(
            uid=row["uid"].hex(),
            shard=shard,
            language=_named(told.language, number),
            keep=row["keep"],
            failed=tuple(bit for bit in range(len(told.rules)) if row["fail_mask"] >> bit & 1),
            weight=row["weight"],
            status=_named(told.status, number),
            **pairs.about(place),
        )
        for place, (number, row) in enumerate(zip(numbers.tolist(), own.to_pylist(), strict=True))
    ]


def _named(names: Names, number: int) -> str | None:
    name = names.names[names.codes_N[number]]
    return None if name == NONE else name


class _Pairs:
    """What today's layers know of some pairs of a shard; nothing of those that are no longer there."""

    def __init__(self, corpus: Corpus, shard: str, uids: pa.Array, collection: CorpusCollection | None) -> None:
        self._corpus, self._shard = corpus, shard
        path = corpus.layer("candidates").path(f"{shard}.parquet")
        self._known = table.read(path, "candidates", only=["uid", "url", "alt_text"]) if path.is_file() else None
        self._places = _places(uids, self._known.column("uid").combine_chunks() if self._known is not None else None)
        self._rows: list[int | None] = [None] * len(uids)
        if collection is not None and shard in collection.shards:
            start = int(collection.starts[collection.shards.index(shard)])
            self._rows = [None if at is None else start + at for at in _places(uids, uids_of(collection, shard))]
        self._gone = pc.is_in(uids, value_set=taken_down(corpus, shard)).to_pylist()

    def about(self, number: int) -> dict[str, Any]:
        place, gone = self._places[number], self._gone[number]
        found = {
            "place": place,
            "row": self._rows[number],
            "taken_down": gone,
            "key": None,
            "caption": None,
            "url": None,
        }
        if place is None or self._known is None:
            return found
        found["key"] = self._corpus.key(self._shard, place)
        if not gone:
            found["caption"] = cells.plain(self._known.column("alt_text")[place], _CUT)
            found["url"] = cells.plain(self._known.column("url")[place], _CUT_URL)
        return found


def _places(uids: pa.Array, among: pa.Array | None) -> list[int | None]:
    found: list[int | None] = [None] * len(uids)
    return found if among is None else pc.index_in(uids, value_set=among).to_pylist()
