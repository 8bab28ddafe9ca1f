"""A corpus made ready for training once: pixels and words as two arrays, row for row.

    >>> pack = gather(((uid, rgb, caption) for ...), preprocess=encoder.preprocess, tokenize=tokenize)
    >>> pack.images.shape, pack.tokens.shape          # (6000, 3, 32, 32) uint8, (6000, 12) int16
    >>> kept = pack.take(rows)                        # a filtered corpus is a list of rows

Decoding and resizing are paid once, not once an epoch: a row of 32 pixels costs 3 KB, so 100,000 pairs are 307 MB.
Not for models above 64 pixels or more than a million pairs: stream those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Preprocess = Callable[[NDArray[np.uint8]], Any]
Tokenize = Callable[[Sequence[str]], NDArray[Any]]

_CHUNK = 1024


@dataclass(frozen=True)
class Pack:
    """Row r of the three is one pair."""

    images: NDArray[np.uint8]
    """(N, 3, S, S)"""
    tokens: NDArray[Any]
    """(N, L) integers, 0 is padding"""
    uids: tuple[str, ...]

    def __post_init__(self) -> None:
        if not len(self.images) == len(self.tokens) == len(self.uids):
            raise ValueError(
                f"{len(self.images)} images, {len(self.tokens)} texts and {len(self.uids)} uids in one pack"
            )
        if self.images.dtype != np.uint8 or self.images.ndim != 4 or self.images.shape[1] != 3:
            raise ValueError(f"images are (N, 3, S, S) uint8, not {self.images.shape} {self.images.dtype}")
        if self.tokens.ndim != 2 or not np.issubdtype(self.tokens.dtype, np.integer):
            raise ValueError(f"tokens are (N, L) integers, not {self.tokens.shape} {self.tokens.dtype}")

    def __len__(self) -> int:
        return len(self.uids)

    def take(self, rows: Sequence[int] | NDArray[np.integer[Any]]) -> Pack:
        """The rows named, in that order, as a pack of their own (a copy)."""
        chosen = np.asarray(rows, dtype=np.int64)
        return Pack(self.images[chosen], self.tokens[chosen], tuple(self.uids[row] for row in chosen))

    def mismatched(self, seed: int) -> Pack:
        """The same images with one another's texts: no row keeps its own. A probe trained on it must stay at chance,
        or the test itself is broken. A pack of one row is returned as it is."""
        order = np.random.default_rng(seed).permutation(len(self))
        source = np.empty_like(order)
        source[order] = np.roll(order, 1)
        return Pack(self.images, self.tokens[source], self.uids)


def gather(samples: Iterable[tuple[str, NDArray[np.uint8], str]], preprocess: Preprocess, tokenize: Tokenize) -> Pack:
    """Packs (uid, rgb (H, W, 3) uint8, caption) triples in their order.

    `preprocess` gives (3, S, S) uint8 and `tokenize` (N, L) integers; both belong to the model that will be trained.
    Columns that are padding in every row are dropped, so short captions cost little.
    """
    images: list[NDArray[np.uint8]] = []
    tokens: list[NDArray[Any]] = []
    uids: list[str] = []
    pixels: list[NDArray[np.uint8]] = []
    captions: list[str] = []

    def flush() -> None:
        if pixels:
            images.append(np.stack(pixels))
            tokens.append(tokenize(captions))
            pixels.clear()
            captions.clear()

    for uid, rgb, caption in samples:
        uids.append(uid)
        pixels.append(np.asarray(preprocess(rgb)))
        captions.append(caption)
        if len(pixels) == _CHUNK:
            flush()
    flush()
    if not uids:
        return Pack(np.zeros((0, 3, 1, 1), np.uint8), np.zeros((0, 1), np.int16), ())
    words = np.concatenate(tokens)
    used = np.flatnonzero(words.any(axis=0))
    return Pack(np.concatenate(images), words[:, : int(used[-1]) + 1 if len(used) else 1], tuple(uids))
