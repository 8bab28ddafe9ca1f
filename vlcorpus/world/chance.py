"""Seeded chance: every random choice of the world comes from a named stream.

    rng = stream(seed=1, name="site.picture", number=17)
    shape = pick(rng, SHAPES)
    shares_of(10, {"true": 0.3, "wrong": 0.7})          # {"true": 3, "wrong": 7}

A stream depends on (seed, name, number) alone, so picture 17 is the same picture whatever was drawn before it, and
two uses of one seed under different names never share a picture. Only `Generator.random` is called: NumPy's other
methods may change their bits between versions. A stream costs about 15 µs to open. Not for anything secret.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TypeVar

import numpy as np

T = TypeVar("T")


@cache
def _entropy(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def stream(seed: int, name: str, number: int = 0) -> np.random.Generator:
    """The generator of one purpose; `seed` and `number` are >= 0."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, _entropy(name), number))))


def below(rng: np.random.Generator, bound: int) -> int:
    """An integer in 0 .. bound - 1."""
    return int(rng.random() * bound)


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """One of `choices`, all equally likely."""
    return choices[int(rng.random() * len(choices))]


def order(rng: np.random.Generator, count: int) -> list[int]:
    """A permutation of 0 .. count - 1."""
    return [int(place) for place in np.argsort(rng.random(count), kind="stable")]


def shares_of(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers that sum to `total`, each within one of its share (largest remainders); shares sum to 1."""
    exact = {name: total * share for name, share in shares.items()}
    counts = {name: int(value) for name, value in exact.items()}
    missing = total - sum(counts.values())
    # Ties go to the earlier name: sorted() is stable.
    for name in sorted(exact, key=lambda name: counts[name] - exact[name])[:missing]:
        counts[name] += 1
    return counts
