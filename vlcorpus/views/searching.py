"""The pairs nearest to a query, best first, near-duplicates folded under the best of them.

    collection = open_collection(Path("birds"))
    search(collection, parse("a red circle"), k=10)
    search(collection, parse("+uid:0123456789ab -toy"), side="text", where="width >= 256", floor=0.2)
    near(collection, query_D, k=10)                       the same of a vector

A pair that is asked with alone is not among its own hits. Similarities are exact: an index only makes the shortlist,
and within a filter every row that passes is compared. Folding looks at more hits until there are k stacks or no hits
are left; what lies behind those that it looked at is not counted among the copies.
Cost: that of the searcher; folding 10,000 hits 1.1 s.
"""

from __future__ import annotations

from collections.abc import Collection as Several
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from ..errors import UsageError
from ..knn.fold import NEARNESS, fold
from ..knn.query import Term, combine
from .collection import Collection, Side

MOST_FOLDED = 20_000  # hits that are compared with each other
_MORE = 2  # times as many hits, until there are stacks enough


@dataclass(frozen=True)
class Copy:
    """A hit that is folded under a better one."""

    row: int
    similarity: float
    key: str
    uid: str | None


@dataclass(frozen=True)
class Hit:
    """shard, place: where its row stands."""

    rank: int
    similarity: float
    row: int
    shard: str
    place: int
    key: str
    uid: str | None
    caption: str
    url: str | None
    width: int | None
    height: int | None
    copies: tuple[Copy, ...] = ()


@dataclass(frozen=True)
class Hits:
    """how: "index" or "scan"; rows: of the collection; more: whether there are further hits; note: what a person should
    know, as why an index was not asked."""

    model: str
    side: str
    how: str
    rows: int
    hits: tuple[Hit, ...]
    more: bool = False
    note: str = ""


class Wanted(TypedDict, total=False):
    """What is wanted of a search, as `near` explains it."""

    side: Side
    k: int
    where: str | Sequence[str] | None
    floor: float | None
    folded: bool
    nearness: float
    exact: bool


def search(
    collection: Collection, terms: Sequence[Term], *, without: Several[int] = (), **wanted: Unpack[Wanted]
) -> Hits:
    """The k stacks (pairs, unless `folded`) nearest to the sum of the terms. See `near`."""
    left_out = {*without, *own_rows(collection, terms)}
    return near(collection, vector_of(collection, terms), without=left_out, **wanted)


def vector_of(collection: Collection, terms: Sequence[Term]) -> npt.NDArray[np.float32]:
    """The unit vector of a query: float32 (D,). UsageError without terms; VlcorpusError where they cancel out."""
    if not terms:
        raise UsageError("nothing is asked for", "give words, or --text, --image, --uid or --vector")
    return combine([each.weight for each in terms], np.stack([collection.encode(each) for each in terms]))


def own_rows(collection: Collection, terms: Sequence[Term]) -> tuple[int, ...]:
    """The row of the pair that a query is, where it is one pair and nothing else."""
    return (collection.row_of(terms[0].value),) if len(terms) == 1 and terms[0].kind == "uid" else ()


def near(
    collection: Collection,
    query_D: npt.NDArray[np.float32],
    *,
    side: Side = "image",
    k: int = 10,
    where: str | Sequence[str] | None = None,
    floor: float | None = None,
    folded: bool = True,
    nearness: float = NEARNESS,
    exact: bool = False,
    without: Several[int] = (),
    mask: npt.NDArray[np.bool_] | None = None,
) -> Hits:
    """The k stacks nearest to a vector, in the order of similarity; of equal ones the smaller row first.

    where: expressions over `collection.columns()`, all of which must hold; mask: which rows may be given, beside them:
    bool (N,). floor: no similarity below it. without: rows that are left out. exact: no index is asked. UsageError for
    a bad expression.
    """
    searcher = collection.searcher(side)
    for each in (where,) if isinstance(where, str) else where or ():
        passing = collection.mask(each)
        mask = passing if mask is None else mask & passing
    left_out = np.fromiter(without, np.int64, len(without))
    wanted = k + len(left_out) + 1  # one more, to know whether there are more
    while True:
        found = searcher.top(query_D, wanted, mask=mask, floor=floor, exact=exact)
        last = len(found.rows) < wanted
        keep = ~np.isin(found.rows, left_out)
        rows, scores = found.rows[keep], found.scores[keep]
        first = _stacks(collection, rows, nearness) if folded else np.arange(len(rows))
        heads = np.flatnonzero(first == np.arange(len(rows)))
        if len(heads) > k or last or not folded or wanted >= MOST_FOLDED:
            break
        wanted = min(_MORE * wanted, MOST_FOLDED)
    notes = "; ".join(collection.notes)
    hits = _hits(collection, rows, scores, first, heads[:k])
    return Hits(
        model=collection.model,
        side=side,
        how=found.how,
        rows=collection.rows,
        hits=hits,
        more=len(heads) > k or not last,
        note=notes,
    )


def _stacks(collection: Collection, rows: npt.NDArray[np.int64], nearness: float) -> npt.NDArray[np.int64]:
    """For each hit the place of the first one of its stack, by pictures where there are vectors of them."""
    side: Side = "image" if "image" in collection.sides else "text"
    vectors_MD = collection.searcher(side).vectors(rows)
    return fold(vectors_MD, nearness=nearness, groups=collection.groups(rows.tolist()))


def _hits(
    collection: Collection,
    rows: npt.NDArray[np.int64],
    scores: npt.NDArray[np.float32],
    first: npt.NDArray[np.int64],
    heads: npt.NDArray[np.int64],
) -> tuple[Hit, ...]:
    shown = np.isin(first, heads)
    pairs = {pair.row: pair for pair in collection.pairs(rows[shown].tolist())}
    copies: dict[int, list[Copy]] = {}
    for place in np.flatnonzero(shown & (first != np.arange(len(first)))).tolist():
        pair = pairs[int(rows[place])]
        copies.setdefault(int(first[place]), []).append(Copy(pair.row, float(scores[place]), pair.key, pair.uid))
    hits = []
    for rank, place in enumerate(heads.tolist(), start=1):
        pair = pairs[int(rows[place])]
        hits.append(
            Hit(
                rank=rank,
                similarity=float(scores[place]),
                row=pair.row,
                shard=pair.shard,
                place=pair.place,
                key=pair.key,
                uid=pair.uid,
                caption=pair.caption,
                url=pair.url,
                width=pair.width,
                height=pair.height,
                copies=tuple(copies.get(place, ())),
            )
        )
    return tuple(hits)
