"""What a filter would decide, without writing: at once by a sample of shards, then exactly.

    guess = by_sample(corpus, Filter(min_sim=0.28))       None where there are too few shards to draw from
    guess.kept.low, guess.kept.high                       share of the rows, an interval of 95 %
    exact(corpus, Filter(min_sim=0.28)).funnel            the funnel that the filter will come to

The shards of the sample are those with the smallest hash of seed and name. Rows of a shard are alike (a shard is a
piece of a crawl), so the interval is that of a ratio over whole shards (Cochran, Sampling Techniques, 3rd ed., chapters
6 and 9), with Student's t and the correction for a finite number of shards; cuts are found in the sample itself, and
what that adds is not in the interval. Exactly: 0.4 s a million rows.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..corpus import Corpus
from ..stages import deciding
from .forecast import Range
from .funnelling import Funnel, funnel_of

if TYPE_CHECKING:
    from ..stages.filter import Filter

LEAST_SHARDS = 16
SAMPLE = 12
# Student's t for 95 %, by degrees of freedom.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)


@dataclass(frozen=True)
class Guess:
    """kept: share of the rows; shards, rows: that it rests on; of: shards in all."""

    kept: Range
    shards: int
    rows: int
    of: int


@dataclass(frozen=True)
class Foreseen:
    """changed: rows whose verdict would differ from that of the decision of the same name; None where there is none."""

    funnel: Funnel
    rejected: dict[str, int]
    changed: int | None


def by_sample(corpus: Corpus, stage: Filter, *, sample: int = SAMPLE, seed: int = 0) -> Guess | None:
    """A share with its interval, from whole shards. None where a sample would be most of the corpus."""
    own = stage.open_deciding(corpus)
    every = own.known.shards()
    if len(every) < LEAST_SHARDS or sample < 2:
        return None
    drawn = sorted(every, key=lambda shard: hashlib.blake2b(f"{seed} {shard}".encode()).digest())[:sample]
    resolved = stage.resolved(corpus, own, shards=drawn)
    tallies = [deciding.Tally.of(own.decide(resolved, shard)[1]) for shard in drawn]
    kept, seen = [each.kept for each in tallies], [each.seen for each in tallies]
    return Guess(ratio(kept, seen, len(every)), len(drawn), sum(seen), len(every))


def ratio(kept: list[int], seen: list[int], shards: int) -> Range:
    """sum(kept) / sum(seen) of a sample of `shards` clusters, with its interval, within 0 and 1."""
    n, rows = len(seen), sum(seen)
    share = sum(kept) / rows if rows else 0.0
    if n < 2 or not rows:
        return Range(0.0, share, 1.0)
    squares = sum((own - share * size) ** 2 for own, size in zip(kept, seen, strict=True)) / (n - 1)
    half = _T[min(n - 1, len(_T)) - 1] * math.sqrt((1 - n / shards) * squares / n) / (rows / n)
    return Range(max(0.0, share - half), share, min(1.0, share + half))


def exact(corpus: Corpus, stage: Filter) -> Foreseen:
    """What the filter would write."""
    own = stage.open_deciding(corpus)
    resolved = stage.resolved(corpus, own)
    layer = stage.layer(corpus)
    tally = deciding.Tally(len(resolved.predicates))
    changed = 0
    for shard in own.known.shards():
        uids, made = own.decide(resolved, shard)
        tally.add(deciding.Tally.of(made))
        changed += deciding.changed(layer, shard, uids, made)
    counts = tally.counts(resolved)
    funnel = funnel_of(stage.decision_name(), own.about(resolved) | tally.as_json() | counts)
    return Foreseen(funnel, counts["rejected"], changed if layer.units() else None)
