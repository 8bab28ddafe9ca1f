"""Which pairs each seed trains on, so that seeds tell what the pairs themselves matter.

    >>> taken(uids_N16, seed=0, parts=2) ^ taken(uids_N16, seed=1, parts=2)     # two seeds share out one corpus
    array([ True,  True, ...])
    >>> spread(parts=2, seeds=range(6))                                          # times the variance between seeds
    0.833...

Two samples of one corpus differ, and probes show it: the means of four nano probes on two random samples of 4,000 pairs
of one and the same corpus differed 1.6 times as much as their seeds alone foretell, and one comparison in five found a
difference at the 5 % level. So, where the question is which filter or source is better, and not which of two fixed
piles of pairs, seed k trains on a share of its arm: of parts shares, dealt anew every parts seeds. A pair of both arms
falls into the same share of both.

With as many parts as seeds no two seeds share a pair, and their mean has the variance s^2/n, as if each had a corpus of
its own. With fewer, say halves, seeds overlap; what the seeds' spread can say of the mean is then bounded (`spread`),
at the price of wider intervals. Nothing is gained where a corpus is seen but in part: there the order of draws already
gives every seed pairs of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

FEW = 2.0
"""Passes over its share that a seed may make, for as many parts as seeds to be taken."""


def taken(uids_N16: NDArray[np.uint8], seed: int, parts: int) -> NDArray[np.bool_]:
    """(N,): whether seed trains on the pair. Among seeds k*parts ... k*parts + parts - 1 each pair is taken once."""
    if parts == 1:
        return np.ones(len(uids_N16), dtype=bool)
    turn, own = divmod(seed, parts)
    words = np.ascontiguousarray(uids_N16).view("<u8").reshape(-1, 2)
    mixed = _mixed(words[:, 0] ^ _mixed(words[:, 1] + np.uint64(turn * 0x9E3779B97F4A7C15 % 2**64)))
    chosen: NDArray[np.bool_] = mixed % np.uint64(parts) == np.uint64(own)
    return chosen


def named(names: Iterable[str]) -> NDArray[np.uint8]:
    """(N, 16): what stands for uids where pairs have names alone."""
    digests = b"".join(
        hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest() for name in names
    )
    return np.frombuffer(digests, dtype=np.uint8).reshape(-1, 16)


def best(pairs: int, samples_seen: int, seeds: int) -> int:
    """How many parts suit the smallest arm: as many as seeds where a share is seen FEW times at most, else halves."""
    if seeds < 2:
        return 1
    return seeds if samples_seen * seeds <= FEW * pairs else 2


def spread(parts: int, seeds: Sequence[int] | range) -> float:
    """What the variance between seeds is multiplied with, for a bound on the variance of their mean.

    Let a seed's own luck have variance a, the luck of the arm's pairs b. A share of 1/parts brings b * (parts - 1) on
    top, which cancels over a whole round of shares. Seeds then spread by E[s^2] = a + b * (parts - 1) * n / (n - 1),
    their mean by a / n + b; only s^2 is known, and the factor is the largest that this ratio can be. A round that is
    not whole leaves a rest of its shares, counted exactly. parts = 1: 1/n, which says nothing of the luck of the pairs.
    """
    count = len(seeds)
    if parts == 1:
        return 1 / count
    rounds: dict[int, int] = {}
    for seed in seeds:
        rounds[seed // parts] = rounds.get(seed // parts, 0) + 1
    rest = sum(each * (parts - each) for each in rounds.values())
    seen = (count * (parts - 1) - rest / count) / (count - 1)
    return max(1 / count, (1 + rest / count**2) / seen)


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64's last steps: every bit of the word moves every bit of the result."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
