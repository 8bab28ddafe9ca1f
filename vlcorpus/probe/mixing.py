"""How several sources share a training run.

    >>> plan = Mixing("merged", weights=(3, 1)).plan(sizes=[6000, 2000], steps=150, batch_size=256)
    >>> plan.seen(150)                   # 3/4 and 1/4 of 38,400
    (28800, 9600)
    >>> plan.turns(0)                    # one batch: 192 pairs of the first source, 64 of the second
    (Turn(parts=(Part(source=0, start=0, count=192), Part(source=1, start=0, count=64)), weight=1.0),)

| how | a batch | an update | weights mean | unless given |
|---|---|---|---|---|
| merged      | of all sources | one batch | shares of the samples | by size |
| round-robin | of one source  | one batch | shares of the turns   | equal: 0, 1, 2, 0, 1, 2 ... |
| accumulate  | of one source  | one batch of every source, gradients summed | weights of the gradients | by size |

All three see exactly `steps * batch_size` samples, so `accumulate` makes fewer updates of more batches (Alayrac and
others, "Flamingo", 2022, found it the best of the three). Shares are rounded once, over the whole run (largest
remainder), and then spread evenly over it: after any number of samples a source is within a sample or two of its share,
and at the end it has exactly what the rounding says. Where turn t is is a function of t alone.

`most_repeats` caps the passes over a source (Chung and others, "UniMax", 2023): what it may not see goes to the others
by their weights. Where all are exhausted the run cannot be made, and that is an error. Round-robin and accumulate count
whole batches under the cap; in accumulate a capped source sits out some updates, spread evenly, and its weight goes to
those present. Contrastive batches of one source hold no negatives that give themselves away by their source.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from vlcorpus.errors import UsageError

How = Literal["merged", "round-robin", "accumulate"]


@dataclass(frozen=True)
class Part:
    """`count` pairs of a source, from position `start` of its order on."""

    source: int
    start: int
    count: int


@dataclass(frozen=True)
class Turn:
    """One batch."""

    parts: tuple[Part, ...]
    weight: float
    """What its gradient is multiplied with"""


@dataclass(frozen=True)
class Mixing:
    how: How = "merged"
    weights: tuple[float, ...] = ()
    """One a source; see above for none"""
    most_repeats: float | None = None

    def __post_init__(self) -> None:
        if self.how not in get_args(How):
            raise UsageError(f"mixing is {self.how!r}", "known: " + ", ".join(get_args(How)))
        if not all(math.isfinite(weight) and weight > 0 for weight in self.weights):
            raise UsageError(f"weights are {self.weights}", "give numbers above 0")
        if self.most_repeats is not None and not (math.isfinite(self.most_repeats) and self.most_repeats > 0):
            raise UsageError(f"most_repeats is {self.most_repeats}", "give a number above 0")

    def plan(self, sizes: Sequence[int], steps: int, batch_size: int) -> Plan:
        """Raises UsageError where weights and sources do not go together, or where the cap exhausts every source."""
        if self.weights and len(self.weights) != len(sizes):
            raise UsageError(f"{len(self.weights)} weights for {len(sizes)} sources", "give one for each")
        given = [Fraction(weight) for weight in self.weights]
        by_size = [Fraction(size) for size in sizes]
        unit = 1 if self.how == "merged" else batch_size
        caps = None
        if self.most_repeats is not None:
            caps = [int(Fraction(self.most_repeats) * size / unit) for size in sizes]
        total = steps * batch_size // unit
        equal = [Fraction(1)] * len(sizes)
        shares = {"merged": given or by_size, "round-robin": given or equal, "accumulate": equal}[self.how]
        totals = apportion(total, shares, caps)
        if totals is None:
            most = sum(caps or ()) * unit
            raise UsageError(
                f"all sources are exhausted: {steps * batch_size:,} samples are wanted, and {self.most_repeats:g} "
                f"passes over every source give {most:,}",
                "take fewer steps, or allow more repeats",
            )
        scale = sum(given or by_size)
        factors = tuple(float(weight / scale) for weight in given or by_size)
        return Plan(self.how, tuple(totals), factors, batch_size)


@dataclass(frozen=True)
class Plan:
    """The whole run, turn by turn."""

    how: How
    totals: tuple[int, ...]
    """Of each source: samples where batches are merged, else batches"""
    factors: tuple[float, ...]
    """Weights of the gradients; used where they are accumulated"""
    batch_size: int

    @property
    def updates(self) -> int:
        if self.how == "merged":
            return sum(self.totals) // self.batch_size
        return sum(self.totals) if self.how == "round-robin" else max(self.totals)

    def turns(self, update: int) -> tuple[Turn, ...]:
        """The batches of an update."""
        before, after = self._counts(update), self._counts(update + 1)
        unit = 1 if self.how == "merged" else self.batch_size
        parts = tuple(
            Part(source, start * unit, (end - start) * unit)
            for source, (start, end) in enumerate(zip(before, after, strict=True))
            if end > start
        )
        if self.how != "accumulate":
            return (Turn(parts, 1.0),)
        present = sum(self.factors[part.source] for part in parts) if len(parts) < len(self.totals) else 1.0
        return tuple(Turn((part,), self.factors[part.source] / present) for part in parts)

    def seen(self, updates: int) -> tuple[int, ...]:
        """Samples of each source after so many updates."""
        unit = 1 if self.how == "merged" else self.batch_size
        return tuple(count * unit for count in self._counts(updates))

    def _counts(self, updates: int) -> tuple[int, ...]:
        if self.how == "accumulate":
            return tuple(total * updates // self.updates for total in self.totals)
        return spread(updates * (self.batch_size if self.how == "merged" else 1), self.totals)


def apportion(total: int, weights: Sequence[Fraction], caps: Sequence[int] | None) -> list[int] | None:
    """`total` whole things by weight, none above its cap, by largest remainder; None where the caps hold too few.

    What a capped source leaves goes to the others by their weights, again and again.
    """
    counts = [0] * len(weights)
    free = list(range(len(weights)))
    left = total
    while free:
        scale = sum(weights[place] for place in free)
        share = {place: left * weights[place] / scale for place in free}
        full = [place for place in free if caps is not None and share[place] > caps[place]]
        if not full:
            break
        for place in full:
            counts[place] = caps[place] if caps is not None else 0
        left -= sum(counts[place] for place in full)
        free = [place for place in free if place not in full]
    if not free:
        return counts if left == 0 else None
    for place in free:
        counts[place] = int(share[place])
    rest = total - sum(counts)
    for place in sorted(free, key=lambda place: (counts[place] - share[place], place))[:rest]:
        counts[place] += 1
    return counts


def spread(position: int, totals: Sequence[int]) -> tuple[int, ...]:
    """How many of the first `position` places each source has, when all spread their `totals` evenly.

    Place j of a source with n stands at time (2j + 1) / 2n of the whole; the places are taken in the order of time,
    and at equal times in the order of the sources. So the counts only grow, add up to `position` and end at `totals`.
    """
    whole = sum(totals)
    counts = [(2 * position * total + whole) // (2 * whole) for total in totals]
    places = range(len(totals))
    while sum(counts) > position:
        counts[max((Fraction(2 * counts[i] - 1, totals[i]), i) for i in places if counts[i])[1]] -= 1
    while sum(counts) < position:
        counts[min((Fraction(2 * counts[i] + 1, totals[i]), i) for i in places if counts[i] < totals[i])[1]] += 1
    return tuple(counts)
