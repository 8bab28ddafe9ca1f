"""Tuning: how deep an index has to look for text queries to find what an exact search finds, and how sure that is.

    asked = queries("image", images, texts, seed=0)             {"text": Queries, "image": Queries}
    found = tune(searcher_of, asked, target=0.99)               searcher_of(parameters) -> Searcher
    found.parameters                                            {"depth": 40}
    found.recalls["text"]                                       Recall(0.994, low=0.986, high=0.997, queries=96, k=10)

People type words, and a text's vector lies elsewhere than images' do: it needs two to four times the effort for the
same recall, and an index tuned on its own rows promises too much. So the texts of the corpus itself are the queries
that decide, and images are reported beside them. An image that looks among images leaves itself out.

What is exact is found for all queries in one pass over the rows. The shortlist of a query is taken once for each effort
(nprobe, ef_search), as long as it may get; what a shorter one finds is its beginning. The least effort that can reach
the target is taken, and of its depths the least that does. Where none does, the most.

Recall: of the k exact neighbours, the share that was found; a row with the score of the k-th is as good as it.
Interval: Wilson's of 95 %, with as many trials as the neighbours of all queries are worth: those of one query are found
or missed together, so they count less the more the queries differ (the design effect of Kish). `tests/knn/test_tune.py`
holds its coverage. Every other text query chooses parameters, with half of the allowed misses to spare as few queries
flatter what they choose; the others, which had no say, are what recall is reported of.

Cost at 1M rows of 512 on one core: 6 s, half of it for the exact neighbours.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from . import products, quantised
from .products import Float32s, Shards
from .searcher import Searcher

Int64s = npt.NDArray[np.int64]
SearcherOf = Callable[[Mapping[str, int]], Searcher]

DEFAULT_DEPTH = 40
"""Where there is no query to measure with."""
ROOMY = 80
"""A depth beyond this is taken only where more effort cannot replace it."""
WORK = 60_000_000
"""Rows times text queries: as many queries as that allows, within the next two."""
FEWEST, MOST = 256, 400
IMAGES = 4
"""One image query for so many text queries."""
SPARE = 0.5
"""The share of the allowed misses that parameters are chosen to leave unused."""
LEAST_HELD = 48
"""With fewer queries than this all of them choose, and recall is of the same."""
TIMED = 24
EXACT = 24
"""Queries for an index that reads every row, which is exact anyway."""
Z = 1.959964


@dataclass(frozen=True)
class Queries:
    """Queries of one kind: float32 unit vectors (Q, D), and the row each is itself, -1 for none: int64 (Q,)."""

    vectors_QD: Float32s
    own_Q: Int64s


@dataclass(frozen=True)
class Recall:
    recall: float
    low: float
    high: float
    queries: int
    k: int


@dataclass(frozen=True)
class Measured:
    parameters: dict[str, int]
    recalls: dict[str, Recall]
    latency_ms: dict[str, float]
    """Median of CPU milliseconds of one search, by kind of query."""
    sweep: list[dict[str, Any]] = field(default_factory=list)
    """All parameters that were looked at, with the recall of the text queries that chose."""


def queries(side: str, images: Shards, texts: Shards, *, seed: int = 0) -> dict[str, Queries]:
    """Texts and images to ask one side ("image" or "text") with, drawn from all rows that have a direction. Rows of
    both sides belong together; a query is left out of its own side only."""
    rows = sum(map(len, images))
    draw = np.random.default_rng([seed, rows])
    text = int(min(max(WORK // max(rows, 1), FEWEST), MOST))
    found = {}
    for kind, shards, count in (("text", texts, text), ("image", images, max(1, text // IMAGES))):
        picked = np.sort(draw.permutation(rows)[: 2 * count])
        vectors = Searcher(shards).vectors(picked)
        usable, norms = products.directions(vectors)
        picked, vectors = picked[usable], vectors[usable] / norms[usable, None]
        chosen = np.sort(draw.permutation(len(picked))[:count])
        own = picked[chosen] if kind == side else np.full(len(chosen), -1, dtype=np.int64)
        found[kind] = Queries(vectors[chosen], own)
    return found


def tune(
    searcher_of: SearcherOf, asked: Mapping[str, Queries], *, target: float = 0.99, k: int = 10, seed: int = 0
) -> Measured:
    """The least parameters with which text queries reach the target, with some to spare; recall and latency of both
    kinds of queries.

    `searcher_of` gives a searcher of the same rows and index with other parameters. The seed is part of the contract of
    whoever drew the queries; nothing is drawn here.
    """
    plain = searcher_of({})
    kinds = {kind: each for kind, each in asked.items() if len(each.vectors_QD) and plain.rows > 1}
    whole = plain.index is None or plain.deepest(k + 1) < 1
    if whole:
        kinds = {kind: Queries(each.vectors_QD[:EXACT], each.own_Q[:EXACT]) for kind, each in kinds.items()}
    deciding = "text" if "text" in kinds else next(iter(kinds), None)
    unmeasured = {} if plain.index is None else {"depth": DEFAULT_DEPTH}
    if deciding is None:
        return Measured(unmeasured, {}, {})
    k = min(k, plain.rows - 1)
    truth = _truth(plain, kinds, k)
    if plain.index is None or whole:
        latency = {kind: _ms(plain, each, k) for kind, each in kinds.items()}
        return Measured(unmeasured, _whole(plain, kinds, truth, k), latency)
    choosing = np.ones(len(truth[deciding]), bool)
    if len(choosing) >= LEAST_HELD:
        choosing[1::2] = False
    telling = choosing if choosing.all() else ~choosing
    aim = 1 - SPARE * (1 - target)
    sweep: list[dict[str, Any]] = []
    shares: dict[str, npt.NDArray[np.float64]] = {}
    chosen: dict[str, int] = {}
    for effort in quantised.efforts(plain.index.index):
        searcher = searcher_of(effort)
        by_depth = _by_depth(searcher, kinds[deciding], truth[deciding], k)
        reached = {depth: _mean(hits[choosing]) for depth, hits in by_depth.items()}
        sweep += [{**effort, "depth": depth, "recall": recall} for depth, recall in reached.items()]
        good = [depth for depth, recall in reached.items() if recall >= aim]
        least = good[0] if good else max(by_depth)
        chosen, shares[deciding] = {**effort, "depth": least}, by_depth[least][telling]
        if good and least <= ROOMY:
            break
    searcher = searcher_of(chosen)
    for kind in kinds:
        if kind != deciding:
            shares[kind] = _by_depth(searcher, kinds[kind], truth[kind], k, only=chosen["depth"])[chosen["depth"]]
    recalls = {kind: _recall(shares[kind], k) for kind in kinds}
    return Measured(chosen, recalls, {kind: _ms(searcher, kinds[kind], k) for kind in kinds}, sweep)


def interval(shares_Q: npt.NDArray[np.float64], k: int) -> tuple[float, float]:
    """95 % interval of a mean of shares, each of k trials that go together.

    Wilson's interval for Q k / deff trials, deff = variance of the shares over that of as many independent trials,
    between 1 and k. Few queries that miss anything say little about their variance, so deff is drawn towards
    (k + 1) / 2 by the weight of five such queries; where none misses, k trials count as one. Simulated, it holds the
    truth in 93 to 99 of 100 cases from 24 queries on, and in 78 or more even where each query finds all or nothing.
    """
    q, mean = len(shares_Q), float(np.mean(shares_Q))
    alone = mean * (1 - mean) / k
    missing = int(np.count_nonzero(shares_Q < 1))
    if alone > 0 and q > 1:
        seen = min(max(float(np.var(shares_Q, ddof=1)) / alone, 1.0), float(k))
        design = (missing * seen + 5 * (k + 1) / 2) / (missing + 5)
    else:
        design = float(k)
    n = q * k / design
    middle = (mean + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(mean * (1 - mean) / n + Z * Z / (4 * n * n))
    return (0.0 if mean == 0 else max(0.0, middle - half)), (1.0 if mean == 1 else min(1.0, middle + half))


def _truth(searcher: Searcher, kinds: Mapping[str, Queries], k: int) -> dict[str, Float32s]:
    """The exact score of each query's k-th neighbour that is not itself, by kind: float32 (Q,)."""
    vectors = np.concatenate([each.vectors_QD for each in kinds.values()])
    own = np.concatenate([each.own_Q for each in kinds.values()])
    scores, rows = searcher.top_of_each(vectors, k + 1)
    itself = (rows == own[:, None]).any(axis=1)
    bars = scores[np.arange(len(own)), np.where(itself, k, k - 1)]
    ends = np.cumsum([len(each.vectors_QD) for each in kinds.values()])[:-1]
    return dict(zip(kinds, np.split(bars, ends), strict=True))


def _by_depth(
    searcher: Searcher, asked: Queries, bars_Q: Float32s, k: int, *, only: int | None = None
) -> dict[int, npt.NDArray[np.float64]]:
    """For each depth, what share of the neighbours each query finds: float64 (Q,)."""
    assert searcher.index is not None
    most = searcher.deepest(k + 1)
    depths = [depth for depth in quantised.depths(searcher.index.index) if depth <= most]
    if only is not None:
        depths = [only]
    found = {depth: np.empty(len(bars_Q)) for depth in depths}
    for query, (vector, own, bar) in enumerate(zip(asked.vectors_QD, asked.own_Q, bars_Q, strict=True)):
        wanted = k + int(own >= 0)
        scores, rows = searcher.shortlist(vector, wanted * depths[-1])
        good = (scores >= bar) & (rows != own)
        for depth in depths:
            found[depth][query] = min(k, int(np.count_nonzero(good[: wanted * depth])))
    return {depth: hits / k for depth, hits in found.items()}


def _whole(
    searcher: Searcher, kinds: Mapping[str, Queries], truth: Mapping[str, Float32s], k: int
) -> dict[str, Recall]:
    """Recall of a search that reads every row. Nothing is sampled where all is exact, so the interval is a point."""
    found = {}
    for kind, each in kinds.items():
        shares = np.empty(len(each.own_Q))
        for query, (vector, own) in enumerate(zip(each.vectors_QD, each.own_Q, strict=True)):
            answer = searcher.top(vector, k + int(own >= 0))
            shares[query] = (
                min(k, int(np.count_nonzero((answer.scores >= truth[kind][query]) & (answer.rows != own)))) / k
            )
        recall = _recall(shares, k)
        found[kind] = recall if recall.recall < 1 else Recall(1.0, 1.0, 1.0, recall.queries, k)
    return found


def _recall(shares_Q: npt.NDArray[np.float64], k: int) -> Recall:
    low, high = interval(shares_Q, k)
    return Recall(_mean(shares_Q), low, high, len(shares_Q), k)


def _mean(shares_Q: npt.NDArray[np.float64]) -> float:
    return float(np.mean(shares_Q))


def _ms(searcher: Searcher, asked: Queries, k: int) -> float:
    times = []
    for vector in asked.vectors_QD[:TIMED]:
        start = time.process_time()
        searcher.top(vector, k)
        times.append((time.process_time() - start) * 1e3)
    return statistics.median(times)
