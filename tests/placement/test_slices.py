"""Cuts fall where the plain rule says, however the rows are divided for the work."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from tests.placement.plainly import Seen, place
from vlcorpus.placement import slices
from vlcorpus.placement.duplicates import Places


def placed(pairs: list[Seen]) -> Places:
    first: dict[object, int] = {}
    later = []
    for number, pair in enumerate(pairs):
        if first.setdefault(pair.image, number) < number:
            later.append((first[pair.image], number))
    by_image = np.array(sorted(later), np.int64).reshape(-1, 2)
    nothing = np.empty(0, np.int64)
    return Places(by_image[:, 0].copy(), by_image[:, 1].copy(), np.sort(by_image[:, 1]), nothing, nothing)


@pytest.mark.parametrize("seed", range(40))
def test_the_cuts_are_those_of_the_plain_rule(tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    monkeypatch.setattr(slices, "BLOCK", rng.choice((1, 7, 1 << 20)))
    images = rng.choice((1, 3, 20, 1_000))
    pairs = [Seen(number, rng.randrange(images), "") for number in range(rng.choice((0, 1, 2, 30, 200)))]
    size = rng.choice((1, 2, 5, 10_000))
    places = placed(pairs)
    found = slices.cut(rows=len(pairs), size=size, places=places)
    wanted = [[number for number, _ in each] for each in place(pairs, size=size)]
    assert len(found) == len(wanted)
    moved = set(places.by_row.tolist())
    travels = []
    for number, rows in enumerate(wanted):
        first, row = found.later(number, places)
        home = range(found.home[number], found.home[number + 1])
        heads = [each for each in home if each not in moved]
        assert sorted([*heads, *row.tolist()]) == sorted(rows)
        assert row.tolist() == [each for each in rows if each in moved]
        assert all(pairs[a].image == pairs[b].image for a, b in zip(first.tolist(), row.tolist(), strict=True))
        travels += [(each, number) for each in rows if each not in home]
    row, number = slices.far(found, places, rows=len(pairs), folder=tmp_path, memory=rng.choice((0, 1 << 20)))
    assert list(zip(row.tolist(), number.tolist(), strict=True)) == sorted(travels)
