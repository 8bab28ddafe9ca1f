"""How far two people agree on the same pairs: the share of equal labels, and Cohen's kappa.

    agreement(first, second)      labels int8 (N,) of the same N pairs
    -> both 380, counts [[90, 12, 3], [9, 250, 4], [2, 5, 5]], raw 0.94 [0.91, 0.96], kappa 0.86 [0.80, 0.91]

Raw agreement and kappa are over the pairs that both called good or bad. They are of the pairs that were shown, of which
more lie near the cut, where it is hard to say: of the corpus as a whole people would agree more. Kappa takes away the
agreement that comes by chance (Cohen 1960); its interval is the wider one, end by end, of Fleiss, Cohen and Everitt's
(Psychological Bulletin 72, 1969), which shrinks to nothing where all agree, and of the one that Clopper and Pearson's
limits of the raw agreement give with the agreement by chance held.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from vlcorpus.audit import binomial
from vlcorpus.audit.estimate import NOTHING, Estimate
from vlcorpus.audit.verdict import BAD, GOOD, NONE, UNSURE, Labels

ORDER = (GOOD, BAD, UNSURE)


@dataclass(frozen=True)
class Agreement:
    """both: pairs with a label of both. counts (3, 3): first's good, bad, unsure by second's. raw: share of equal
    labels where both were sure. kappa: value None where there is none (all labels of one kind), NaN never."""

    both: int
    sure: int
    counts: tuple[tuple[int, int, int], ...]
    raw: Estimate
    kappa: Estimate


def agreement(first: Labels, second: Labels) -> Agreement:
    """Of the labels of the same pairs; those that either left out do not count."""
    both = (first != NONE) & (second != NONE)
    counts = np.array([[int(np.sum(both & (first == a) & (second == b))) for b in ORDER] for a in ORDER])
    sure = counts[:2, :2]
    total = int(sure.sum())
    rows: tuple[tuple[int, int, int], ...] = tuple(tuple(map(int, row)) for row in counts)  # type: ignore[misc]
    if not total:
        return Agreement(int(both.sum()), 0, rows, NOTHING, Estimate(None, -1.0, 1.0))
    same = int(np.trace(sure))
    raw = Estimate(same / total, *binomial.limits(same, total))
    return Agreement(int(both.sum()), total, rows, raw, _kappa(sure / total, total, raw))


def _kappa(p: NDArray[np.float64], n: int, raw: Estimate) -> Estimate:
    """p (2, 2): shares of the pairs, first's label by second's."""
    one, other = p.sum(axis=1), p.sum(axis=0)
    chance = float(one @ other)
    if chance >= 1 or raw.value is None:
        return Estimate(None, -1.0, 1.0)
    kappa = (raw.value - chance) / (1 - chance)
    same = sum(p[i, i] * (1 - (one[i] + other[i]) * (1 - kappa)) ** 2 for i in range(2))
    differing = sum(p[i, j] * (other[i] + one[j]) ** 2 for i in range(2) for j in range(2) if i != j)
    left = same + (1 - kappa) ** 2 * differing - (kappa - chance * (1 - kappa)) ** 2
    reach = NormalDist().inv_cdf((1 + binomial.CONFIDENCE) / 2) * math.sqrt(max(0.0, left) / n) / (1 - chance)
    held = [(limit - chance) / (1 - chance) for limit in (raw.low, raw.high)]
    return Estimate(kappa, max(-1.0, min(kappa - reach, held[0])), min(1.0, max(kappa + reach, held[1])))


def differing(first: Labels, second: Labels) -> list[int]:
    """Rows on which two said different things, unsure among them; in order."""
    return [int(row) for row in np.flatnonzero((first != NONE) & (second != NONE) & (first != second))]


def agreed(first: Labels, second: Labels) -> Labels:
    """The label that both gave; UNSURE where they differ, NONE where either gave none."""
    missing = (first == NONE) | (second == NONE)
    return np.where(missing, NONE, np.where(first == second, first, UNSURE)).astype(np.int8)
