"""Equal keys are found, all of them and no others, whatever the memory and the keys."""

from __future__ import annotations

import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from tests.placement.plainly import Seen, flat, place
from vlcorpus.placement import duplicates
from vlcorpus.placement.duplicates import REASONS, Places, Search, equal_runs
from vlcorpus.placement.keys import EMPTY_TEXT


def check_runs(keys: np.ndarray) -> None:
    rows, head = equal_runs(keys)
    found: list[list[int]] = []
    for row, first in zip(rows.tolist(), head.tolist(), strict=True):
        if first:
            found.append([])
        found[-1].append(row)
    groups = defaultdict(list)
    for row, key in enumerate(map(tuple, keys.tolist())):
        groups[key].append(row)
    assert sorted(found) == sorted(group for group in groups.values() if len(group) > 1)


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 100, 5_000])
@pytest.mark.parametrize("pool", [1, 2, 50, 1_000_000])
def test_runs_of_random_keys(width: int, count: int, pool: int) -> None:
    rng = np.random.default_rng(count + pool)
    values = rng.integers(0, 1 << 63, (pool if pool < 100 else count + 1, width), dtype=np.uint64)
    check_runs(values[rng.integers(0, len(values), count)])


@pytest.mark.parametrize("seed", range(10))
def test_keys_that_differ_only_where_the_sort_does_not_look(seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = np.zeros((400, 2), np.uint64)
    keys[:, 0] = rng.integers(0, 3, 400)
    keys[:, 1] = rng.choice(np.array([0, 1, 2, 3, 1 << 20, (1 << 20) + 1], np.uint64), 400)
    check_runs(keys)
    check_runs(keys[:, 1:])


def words(number: int) -> tuple[int, int]:
    """A key that is as good as hashed."""
    rng = random.Random(number)
    return rng.getrandbits(64), rng.getrandbits(64)


def draw(rng: random.Random, count: int, *, images: int, texts: int, spread: int) -> list[Seen]:
    pairs = []
    for _ in range(count):
        image, text, spelling = rng.randrange(images), rng.randrange(texts), rng.randrange(spread)
        reason = "bad_url" if rng.random() < 0.1 else None
        pairs.append(Seen((image, text, spelling), image, text or "", reason))
    return pairs


def arrays(pairs: list[Seen]) -> list[np.ndarray]:
    image = [words(pair.image) for pair in pairs]
    uid = [words(hash(pair.uid)) for pair in pairs]
    text = [EMPTY_TEXT if pair.text == "" else words(-1 - pair.text)[0] for pair in pairs]
    return [
        np.array(image, np.uint64).reshape(-1, 2),
        np.array(uid, np.uint64).reshape(-1, 2),
        np.array(text, np.uint64),
    ]


def searched(
    folder: Path, pairs: list[Seen], here: list[Seen], elsewhere: list[Seen], memory: int, **caps: int | None
) -> Places:
    with Search(folder, rows=len(pairs), memory=memory, **caps) as search:
        image, uid, text = arrays(here)
        search.known(image, uid, text if caps.get("max_images_per_text") else None, here=True)
        image, uid, _ = arrays(elsewhere)
        search.known(image, uid, here=False)
        good = [number for number, pair in enumerate(pairs) if pair.reason is None]
        for start in range(0, len(good), 37):
            chosen = good[start : start + 37]
            search.add(np.array(chosen), *arrays([pairs[number] for number in chosen]))
        return search.places()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("most_texts", [None, 1, 3])
@pytest.mark.parametrize("most_images", [None, 1, 4])
def test_what_is_refused_and_what_moves(
    tmp_path: Path, seed: int, most_texts: int | None, most_images: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    shape = {"images": rng.choice((1, 8, 60)), "texts": rng.choice((2, 9, 60)), "spread": rng.choice((1, 3))}
    pairs = draw(rng, rng.choice((0, 1, 40, 300)), **shape)
    # What is there already has been through the same limits.
    known = [pair for pair in dict.fromkeys(draw(rng, 60, **shape)) if pair.reason is None] if seed % 3 else []
    kept = flat(place(known, size=1_000, most_texts=most_texts, most_images=most_images))
    here = [known[number] for number, reason in sorted(kept) if reason is None]
    elsewhere = [pair for pair in draw(rng, 40, **shape) if pair.reason is None] if seed % 2 else []
    if seed % 4 == 3:
        monkeypatch.setattr(duplicates, "_CACHED_ROWS", 4)
    places = searched(
        tmp_path,
        pairs,
        here,
        elsewhere,
        rng.choice((0, 10_000, 1 << 30)),
        max_texts_per_image=most_texts,
        max_images_per_text=most_images,
    )
    wanted = flat(place(pairs, size=7, most_texts=most_texts, most_images=most_images, here=here, elsewhere=elsewhere))
    assert dict(zip(places.refused.tolist(), (REASONS[why] for why in places.why.tolist()), strict=True)) == {
        number: reason for number, reason in sorted(wanted) if reason not in (None, "bad_url")
    }
    first: dict[object, int] = {}
    for number, pair in enumerate(pairs):
        if pair.reason is None:
            first.setdefault(pair.image, number)
    later = [(first[pair.image], n) for n, pair in enumerate(pairs) if pair.reason is None and first[pair.image] < n]
    assert list(zip(places.by_image.tolist(), places.by_image_row.tolist(), strict=True)) == sorted(later)
    assert places.by_row.tolist() == sorted(row for _, row in later)
