"""The slow, obvious way: pairs placed one by one with dicts.

place(pairs, size=10, most_texts=None, most_images=None, here=..., elsewhere=...)
-> the slices, each a list of (number of the pair, reason or None)
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Seen(NamedTuple):
    """uid, image and text of a pair; reason: why it was refused before."""

    uid: object
    image: object
    text: object
    reason: str | None = None


def place(
    pairs: Sequence[Seen],
    *,
    size: int,
    most_texts: int | None = None,
    most_images: int | None = None,
    here: Iterable[Seen] = (),
    elsewhere: Iterable[Seen] = (),
) -> list[list[tuple[int, str | None]]]:
    reasons = _reasons(pairs, most_texts, most_images, list(here), list(elsewhere))
    images: dict[object, list[tuple[int, str | None]]] = {}
    for number, pair in enumerate(pairs):
        images.setdefault(number if pair.reason else ("image", pair.image), []).append((number, reasons[number]))
    slices: list[list[tuple[int, str | None]]] = [[]]
    for rows in images.values():
        for start in range(0, len(rows), size):
            piece = rows[start : start + size]
            if slices[-1] and len(slices[-1]) + len(piece) > size:
                slices.append([])
            slices[-1] += piece
    return [each for each in slices if each]


def _reasons(
    pairs: Sequence[Seen], most_texts: int | None, most_images: int | None, here: list[Seen], elsewhere: list[Seen]
) -> list[str | None]:
    brought = {pair.uid for pair in here}
    others = {pair.uid for pair in elsewhere}
    texts: dict[object, int] = defaultdict(int)
    images: dict[object, set[object]] = defaultdict(set)
    for pair in here:
        texts[pair.image] += 1
        if most_images is None or len(images[pair.text]) < most_images:
            images[pair.text].add(pair.image)
    found = []
    for pair in pairs:
        reason = pair.reason
        if reason is None and pair.uid in brought:
            reason = "duplicate_pair"
        elif reason is None:
            brought.add(pair.uid)
            if pair.uid in others:
                reason = "in_earlier_corpus"
            elif most_texts is not None and texts[pair.image] >= most_texts:
                reason = "too_many_texts"
            else:
                texts[pair.image] += 1
                if most_images is not None and pair.text != "" and pair.image not in images[pair.text]:
                    if len(images[pair.text]) >= most_images:
                        reason = "too_many_images"
                    else:
                        images[pair.text].add(pair.image)
        found.append(reason)
    return found


def flat(slices: list[list[tuple[int, str | None]]]) -> list[tuple[int, str | None]]:
    return list(itertools.chain.from_iterable(slices))
