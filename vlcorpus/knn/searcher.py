"""Searching: the best rows of one side of a collection, by every row or by an index's shortlist, always scored exactly.

    searcher = Searcher([shard_0, shard_1], OpenIndex(index, "rabitq", {"depth": 40}), removed=taken_down)
    searcher.top(query, 10)                     -> Found(scores, rows, "index")    the shortlist, scored anew
    searcher.top(query, 10, mask=english)       -> Found(scores, rows, "scan")     exact, whatever the mask lets through

Shards are memory-mapped fp16 (n, D); a row is numbered through all of them. Scores are the fp64 products of stored
rows, rounded to fp32 (`knn.products`), ties by smaller row, so that all ways give the same numbers for the same row.
The scan is exact: faiss finds in each shard a few more rows than wanted by fp32 products, the bound of their error says
whether a row left out could belong, and if so the list grows. It equals `knn.scan.top` bit for bit.

Cost at 1M rows of 512 on one core, warm: scan 55 ms, with a mask that lets 1 % through 5 ms, flat RaBitQ 11 ms; the
first scan also looks at every row's norm, 0.2 s. Memory: nothing for a row that has a direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from vlcorpus.errors import SourceError

from . import products, scan
from .products import Float32s, Shards
from .quantised import OpenIndex, search_parameters
from .stored import Stored
from .view import View

How = Literal["index", "scan"]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SPARE = 32
"""Rows of a shard's list beyond k, at first: near ones that rounding could have swapped."""
GATHERED = 100
"""As many eligible rows for each shard, and one in `SPARSE`, are read one by one rather than through faiss: a row costs
ten times as much then, but nothing is looked at besides."""
SPARSE = 500
MANY = 4096
"""Rows at a time for many queries at once."""
WIDE = 0.25
"""A mask that lets a greater share through is applied after faiss rather than by it."""
TOO_DEEP = 0.25
"""A shortlist of more than this share of the rows costs more than reading every row."""


@dataclass(frozen=True)
class Found:
    scores: Float32s
    """(M,), descending; of equal scores the smaller row is first. M <= k."""
    rows: Int64s
    how: How


class Searcher:
    """One side's vectors, an index of them or none, and the rows that are not to be returned.

    Raises SourceError where shards, index and `removed` do not fit together. Threads may share a searcher.
    """

    def __init__(self, shards: Shards, index: OpenIndex | None = None, *, removed: Bools | None = None) -> None:
        self._stored = Stored(shards)
        self.rows, self.dimension = self._stored.rows, self._stored.dimension
        if self.rows:
            scan.checked(self._stored.shards, np.ones((1, self.dimension)), removed)
        self._removed = removed if removed is not None and removed.any() else None
        self._views = [View.of(shard) for shard in self._stored.shards]
        self.index = index if index is not None and index.index is not None and self.rows else None
        if self.index is not None:
            self._live = _live(self.index, self.rows, self.dimension, self._removed)

    def top(
        self,
        query_D: npt.ArrayLike,
        k: int,
        *,
        mask: Bools | None = None,
        floor: float | None = None,
        exact: bool = False,
    ) -> Found:
        """The k best rows for a query, float32 (D,).

        `mask`, bool (N,): True may be returned; the answer is then exact. `floor`: no score below it. `exact`: leave
        the index aside. Raises SourceError for a query or mask of another shape, and a query that is zero or not
        finite.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        query = self._checked(query_D, mask)
        k = min(int(k), self.rows)
        if not k:
            return Found(np.zeros(0, np.float32), np.zeros(0, np.int64), "scan")
        if self.index is not None and mask is None and not exact:
            found = self._by_index(self.index, query, k, floor)
            if found is not None:
                return found
        allowed = mask
        if self._removed is not None:
            allowed = ~self._removed if mask is None else mask & ~self._removed
        if allowed is not None and np.count_nonzero(allowed) <= max(
            k, GATHERED * len(self._stored.shards) + self.rows // SPARSE
        ):
            scores, rows = self._stored.scored(query, np.flatnonzero(allowed))
        else:
            scores, rows = self._by_scan(query, k, allowed, floor)
        return Found(*_best(scores, rows, k, floor), "scan")

    def scores(self, query_D: npt.ArrayLike) -> Float32s:
        """The score of every row: float32 (N,), the numbers `top` gives; NaN for rows without direction or removed.
        Cost at 512 dimensions: 0.3 µs a row."""
        query = self._checked(query_D, None)
        found = scan.scores(self._stored.shards, query) if self.rows else np.zeros(0, np.float32)
        if self._removed is not None:
            found[self._removed] = np.nan
        return found

    def vectors(self, rows_M: npt.ArrayLike) -> Float32s:
        """The stored rows, as they are, in the order asked: float32 (M, D). Raises IndexError beyond the rows."""
        return self._stored.vectors(np.asarray(rows_M, dtype=np.int64).reshape(-1))

    def top_of_each(self, queries_QD: npt.ArrayLike, k: int) -> tuple[Float32s, Int64s]:
        """The exact answer to many queries in one pass over the rows, as `scan.top` gives it: (Q, k) both, -1 where
        fewer rows are there. Cost at 512 dimensions: 12 ns a row and query."""
        allowed = None if self._removed is None else ~self._removed
        return scan.top(self._stored.shards, queries_QD, k, mask=allowed, chunk=MANY)

    def shortlist(self, query_D: npt.ArrayLike, most: int) -> tuple[Float32s, Int64s]:
        """The first `most` rows of the index's list, nearest by its own measure first, with their exact scores. Fewer
        where the index finds fewer, or some of them are removed or have no direction."""
        if self.index is None:
            raise ValueError("there is no index to make a shortlist")
        query = self._checked(query_D, None)
        rows, _ = self._candidates(self.index, query, int(most))
        order = np.argsort(rows)
        scores, kept = self._stored.scored(query, rows[order])
        back = np.argsort(order[np.searchsorted(rows[order], kept)])
        return scores[back], kept[back]

    def deepest(self, k: int) -> int:
        """The greatest depth at which the index is still asked for k rows rather than every row read."""
        if self.index is None or not self._live:
            return 0
        return int(TOO_DEEP * self._live / k)

    def _checked(self, query_D: npt.ArrayLike, mask: Bools | None) -> Float32s:
        query = np.asarray(query_D, dtype=np.float32)
        if query.ndim != 1:
            raise SourceError(f"a query must be (D,), not {query.shape}")
        checked: Float32s = scan.checked(self._stored.shards, query[None, :], mask)[0]
        return checked

    def _by_index(self, index: OpenIndex, query: Float32s, k: int, floor: float | None) -> Found | None:
        """From the index's shortlist; None where reading every row costs no more, or the list ends too soon."""
        if not self._live:
            return None
        total = int(index.index.ntotal)
        ask = math.ceil(index.parameters.get("depth", 1) * k * total / self._live)
        while ask <= TOO_DEEP * total:
            rows, listed = self._candidates(index, query, ask)
            scores, rows = self._stored.scored(query, np.sort(rows))
            if len(rows) >= min(k, self._live):
                return Found(*_best(scores, rows, k, floor), "index")
            if listed < ask:
                return None
            ask *= 4
        return None

    def _candidates(self, index: OpenIndex, query: Float32s, ask: int) -> tuple[Int64s, int]:
        """The rows of the index's `ask` nearest ids, in its order, without those that are gone; and how many ids."""
        _, found = index.index.search(query[None, :], ask, params=search_parameters(index, ask))
        # An index of a stranger's may hold any ids.
        ids = found[0][(found[0] >= 0) & (found[0] < index.index.ntotal)]
        rows = ids if index.row_of_id is None else index.row_of_id[ids]
        rows = rows[rows >= 0]
        if self._removed is not None:
            rows = rows[~self._removed[rows]]
        first = np.unique(rows, return_index=True)[1]
        return (rows if len(first) == len(rows) else rows[np.sort(first)]), len(ids)

    def _by_scan(self, query: Float32s, k: int, allowed: Bools | None, floor: float | None) -> tuple[Float32s, Int64s]:
        """Exact scores of rows among which the k best are, whatever rounding did."""
        norm = float(np.linalg.norm(query.astype(np.float64)))
        kept_scores, kept_rows = [np.zeros(0, np.float32)], [np.zeros(0, np.int64)]
        open_shards = list(range(len(self._stored.shards)))
        wanted = k + SPARE
        while open_shards:
            near: list[tuple[Float32s, Int64s, float, int, float]] = []
            few = [np.zeros(0, np.int64)]
            for shard in open_shards:
                part = slice(int(self._stored.starts[shard]), int(self._stored.starts[shard + 1]))
                norms = self._stored.norms(shard)
                eligible = _both(norms.usable, None if allowed is None else allowed[part])
                count = part.stop - part.start if eligible is None else int(np.count_nonzero(eligible))
                if not count:
                    continue
                view = self._views[shard]
                if eligible is not None and count <= wanted:
                    few.append(np.flatnonzero(eligible) + part.start)
                    continue
                if view is None or wanted > TOO_DEEP * (part.stop - part.start):
                    scores, rows = self._whole(shard, query, min(k, count), eligible, count)
                    kept_scores.append(scores)
                    kept_rows.append(rows)
                    continue
                scores_1, rows_1, last = self._near(view, query, wanted, eligible, count)
                slack = products.slack(self.dimension, norm, norms.longest)
                near.append((scores_1, rows_1 + part.start, slack, shard, last))
            scores, rows = self._stored.scored(query, np.concatenate(few))
            kept_scores.append(scores)
            kept_rows.append(rows)
            open_shards = []
            if near:
                bar = _kth(np.concatenate([scores - slack for scores, _, slack, _, _ in near] + kept_scores), k)
                maybe = np.concatenate([rows[scores + slack >= bar] for scores, rows, slack, _, _ in near])
                scores, rows = self._stored.scored(query, np.sort(maybe))
                bar = max(_kth(np.concatenate([scores, *kept_scores]), k), -math.inf if floor is None else floor)
                # A shard whose last listed row is out of reach has shown all that can belong.
                open_shards = [shard for _, _, slack, shard, last in near if last + slack >= bar]
                again = np.isin(np.searchsorted(self._stored.starts, rows, side="right") - 1, open_shards)
                kept_scores.append(scores[~again])
                kept_rows.append(rows[~again])
            wanted *= 8
        return np.concatenate(kept_scores), np.concatenate(kept_rows)

    def _whole(
        self, shard: int, query: Float32s, k: int, eligible: Bools | None, count: int
    ) -> tuple[Float32s, Int64s]:
        """The k best of a shard's eligible rows, by scoring all of them."""
        start = int(self._stored.starts[shard])
        if eligible is not None and count < WIDE * len(eligible):
            return self._stored.scored(query, np.flatnonzero(eligible) + start)
        scores, rows = scan.top([self._stored.shards[shard]], query[None], k, mask=eligible)
        return scores[0], rows[0] + start

    @staticmethod
    def _near(
        view: View, query: Float32s, wanted: int, eligible: Bools | None, count: int
    ) -> tuple[Float32s, Int64s, float]:
        """The best rows of a shard by fp32 products, and what no other that is eligible exceeds.

        faiss is slow with a mask that lets about every other row through: half of its guesses are wrong. Then a longer
        list without a mask is quicker.
        """
        if eligible is None or count < WIDE * len(eligible) or wanted * len(eligible) > TOO_DEEP * count * count:
            scores, rows = view.near(query, wanted, eligible)
            return scores, rows, float(scores[-1])
        scores, rows = view.near(query, math.ceil(1.5 * wanted * len(eligible) / count))
        kept = eligible[rows]
        return scores[kept], rows[kept], float(scores[-1])


def _live(index: OpenIndex, rows: int, dimension: int, removed: Bools | None) -> int:
    """How many ids stand for rows that may be returned. Raises SourceError where the index is of other rows."""
    total = int(index.index.ntotal)
    if index.index.d != dimension:
        raise SourceError(f"the index has {index.index.d} dimensions and the rows {dimension}", "build the index again")
    covered = np.zeros(rows, dtype=bool) if removed is None else removed.copy()
    if index.row_of_id is None:
        if total > rows:
            raise SourceError(f"the index holds {total} vectors and there are {rows} rows", "build the index again")
        row_of_id = np.arange(total)
    else:
        row_of_id = index.row_of_id
        if row_of_id.shape != (total,) or (total and row_of_id.max() >= rows):
            raise SourceError(f"the index's {total} ids do not fit {rows} rows", "build the index again")
        row_of_id = row_of_id[row_of_id >= 0]
    before = np.count_nonzero(covered)
    covered[row_of_id] = True
    missing = rows - int(np.count_nonzero(covered))
    if missing:
        raise SourceError(f"the index lacks {missing} of {rows} rows", "append them: `vlcorpus index`")
    return rows - int(before)


def _both(one: Bools | None, other: Bools | None) -> Bools | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _kth(scores: npt.NDArray[np.floating], k: int) -> float:
    """The k-th greatest; minus infinity where there are fewer."""
    return float(np.partition(scores, len(scores) - k)[len(scores) - k]) if len(scores) >= k else -math.inf


def _best(scores: Float32s, rows: Int64s, k: int, floor: float | None) -> tuple[Float32s, Int64s]:
    if floor is not None:
        high = scores >= floor
        scores, rows = scores[high], rows[high]
    if len(scores) > k:
        reach = scores >= _kth(scores, k)
        scores, rows = scores[reach], rows[reach]
    order = np.lexsort((rows, -scores))[:k]
    return scores[order], rows[order]
