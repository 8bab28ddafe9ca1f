"""Counts of many values in bounded memory are those of a plain dictionary, and say down to where."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from vlcorpus.scores.rates import Counts, Rate, wilson


def shards(seed: int, rows: int = 6000) -> list[tuple[pa.Array, np.ndarray]]:
    """Some values often, most of them once; a few missing."""
    chance = random.Random(seed)
    names = [
        f"often{chance.randrange(8)}.test" if chance.random() < 0.6 else f"{chance.randrange(10**6)}.test"
        for _ in range(rows)
    ]
    texts = [None if chance.random() < 0.05 else name for name in names]
    keep = np.array([chance.random() < (0.1 if (text or "").startswith("often3") else 0.5) for text in texts])
    cuts = [0, 1, 1, 700, rows]
    return [(pa.array(texts[a:b], pa.string()), keep[a:b]) for a, b in itertools.pairwise(cuts)]


def slow(parts: list[tuple[pa.Array, np.ndarray]]) -> tuple[Counter[str | None], Counter[str | None]]:
    rows: Counter[str | None] = Counter()
    kept: Counter[str | None] = Counter()
    for texts, keep in parts:
        for text, own in zip(texts.to_pylist(), keep.tolist(), strict=True):
            rows[text] += 1
            kept[text] += own
    return rows, kept


def counted(parts: list[tuple[pa.Array, np.ndarray]], **sizes: int) -> Counts:
    counts = Counts(**sizes)
    for texts, keep in parts:
        counts.look(texts, keep)
    if not counts.settled:
        for texts, keep in reversed(parts):
            counts.see(texts, keep)
    return counts


@pytest.mark.parametrize("sizes", [{}, {"names": 50}, {"names": 50, "chosen": 40, "buckets": 1024}])
def test_the_largest_are_exact(sizes: dict[str, int]) -> None:
    parts = shards(1)
    rows, kept = slow(parts)
    counts = counted(parts, **sizes)
    assert counts.settled == ("names" not in sizes)
    assert counts.missing == Rate(None, rows.pop(None), kept.pop(None))
    known = {rate.name: rate for rate in counts.all()}
    assert all(rate == Rate(name, rows[name], kept[name]) for name, rate in known.items())
    assert {name for name, number in rows.items() if number > counts.exact_above} <= set(known)
    largest = sorted(rows, key=lambda name: (-rows[name], name or ""))[:8]
    assert [rate.name for rate in counts.most(8)] == largest
    if "chosen" in sizes:
        assert 0 < counts.exact_above < rows[largest[-1]] and len(known) < len(rows)
    else:
        assert counts.exact_above == 0 and len(known) == len(rows)


def test_who_loses_surely() -> None:
    counts = counted(shards(2))
    losers = counts.losing(5, 0.5)
    assert losers[0].name == "often3.test"
    assert all(rate.interval()[1] < 0.5 for rate in losers)
    assert counts.losing(5, 0.0) == []


def test_text_that_is_no_text() -> None:
    odd = pa.array(["", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "a\x00b", "<b>"])
    counts = counted([(odd, np.array([True, False, True, True]))], names=1)
    assert next((rate.name, rate.kept) for rate in counts.all()) == ("", 1) and len(counts.all()) == 4


def test_wilson() -> None:
    low, high = wilson(5, 10)
    assert (round(low, 4), round(high, 4)) == (0.2366, 0.7634)  # Newcombe 1998's method 3
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 10)[0] == 0.0 and wilson(10, 10)[1] == 1.0
    assert round(wilson(0, 10)[1], 4) == 0.2775
    low, high = wilson(3_000_000, 10_000_000)
    assert low < 0.3 < high and high - low < 0.001
