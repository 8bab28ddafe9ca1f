"""Pairs made ready for training once, and read from then on as they lie: pixels and tokens of many files, row for row.

    >>> pack = Pack.of(image_N3SS, token_NL)              # arrays in memory, or memory-mapped .npy files
    >>> pack.images(np.array([4, 0])).shape               # (2, 3, 32, 32) uint8
    >>> kept = pack.take(rows)                            # a filtered corpus is a list of rows; nothing is copied
    >>> pack.mismatched(seed=0)                           # the same pictures with one another's captions

A row is a pair. Several captions of one picture share its pixels, and a row may have a text of each of several caption
layers, of which a draw chooses one. Features of frozen encoders take the place of pixels and tokens.

Decoding and resizing are paid once, not once an epoch: a picture of 32 pixels costs 3 KB, one of 224 pixels 150 KB. A
row that is read costs a page of the file, and 40 bytes of memory are kept for it. Not for corpora that change while a
probe trains: a pack is of files as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vlcorpus.probe.parts import named

Preprocess = Callable[[NDArray[np.uint8]], Any]
Tokenize = Callable[[Sequence[str]], NDArray[Any]]
Rows = NDArray[np.int64]

_CHUNK = 1024


@dataclass(frozen=True)
class Stack:
    """Rows of several arrays, numbered through; equal in all but the first axis."""

    parts: tuple[NDArray[Any], ...]

    @cached_property
    def starts(self) -> Rows:
        """(P + 1,): the number of each part's first row, and of all rows."""
        return np.concatenate([[0], np.cumsum([len(part) for part in self.parts], dtype=np.int64)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def is_features(self) -> bool:
        return any(np.issubdtype(part.dtype, np.floating) for part in self.parts)

    def rows(self, rows_B: Rows) -> NDArray[Any]:
        """A copy of the rows, in the order asked for."""
        if len(self.parts) == 1:
            return np.asarray(self.parts[0][rows_B])
        found: NDArray[Any] | None = None
        for part, places, own in self._apart(rows_B):
            if found is None:
                found = np.empty((len(rows_B), *part.shape[1:]), part.dtype)
            found[places] = part[own]
        return np.zeros((0, 1), np.int16) if found is None else found

    def columns(self, rows: Rows) -> int:
        """Columns up to the last that is not 0 in one of the rows; 1 at least."""
        most = 1
        for part, _, own in self._apart(np.unique(rows)):
            for start in range(0, len(own), _CHUNK):
                used = np.flatnonzero(part[own[start : start + _CHUNK]].any(axis=0))
                most = max(most, int(used[-1]) + 1 if len(used) else 1)
        return most

    def _apart(self, rows_B: Rows) -> Iterator[tuple[NDArray[Any], Rows, Rows]]:
        """Each part that has some of the rows, their places among them, and their numbers in the part."""
        part_B = np.searchsorted(self.starts, rows_B, side="right") - 1
        order = np.argsort(part_B, kind="stable")
        numbers, firsts = np.unique(part_B[order], return_index=True)
        for number, start, stop in zip(numbers.tolist(), firsts, [*firsts[1:], len(order)], strict=True):
            places = order[start:stop]
            yield self.parts[number], places, rows_B[places] - self.starts[number]


@dataclass(frozen=True)
class Pack:
    """N pairs; image_N and text_KN are rows of the two stacks, K the number of caption layers."""

    name: str
    """Of the source, in the accounting"""
    pixels: Stack
    """(M, 3, S, S) uint8, or (M, F) float16"""
    words: Stack
    """(T, L) integers, 0 is padding, or (T, G) float16"""
    image_N: Rows
    text_KN: Rows
    uids_N16: NDArray[np.uint8]
    shares: tuple[float, ...] = (1.0,)
    """How likely each caption layer is; they add up to 1"""

    @classmethod
    def of(
        cls,
        images: NDArray[Any],
        *texts: NDArray[Any],
        name: str = "pairs",
        uids: NDArray[np.uint8] | None = None,
        shares: Sequence[float] | None = None,
    ) -> Self:
        """Arrays as they are: row r of each is one pair. More than one text is that of several caption layers, equally
        likely unless `shares` says otherwise. Raises ValueError for arrays that do not fit."""
        rows = np.arange(len(images), dtype=np.int64)
        texts_KN = np.stack([rows + layer * len(rows) for layer in range(len(texts))])
        layers = tuple(shares) if shares is not None else (1 / len(texts),) * len(texts)
        if uids is None:
            uids = named(str(row) for row in range(len(images)))
        if any(len(text) != len(images) for text in texts):
            raise ValueError(f"{len(images)} images and {[len(text) for text in texts]} texts in one pack")
        return cls(name, Stack((images,)), Stack(tuple(texts)), rows, texts_KN, uids, layers)

    def __post_init__(self) -> None:
        count = len(self.image_N)
        if self.text_KN.shape != (len(self.shares), count) or self.uids_N16.shape != (count, 16):
            raise ValueError(f"{count} images, texts {self.text_KN.shape} and uids {self.uids_N16.shape} in one pack")
        for part in self.pixels.parts:
            picture = part.dtype == np.uint8 and part.ndim == 4 and part.shape[1] == 3
            if not picture and not (part.dtype == np.float16 and part.ndim == 2):
                raise ValueError(f"images are (M, 3, S, S) uint8 or (M, F) float16, not {part.shape} {part.dtype}")
        for part in self.words.parts:
            if part.ndim != 2 or not (np.issubdtype(part.dtype, np.integer) or part.dtype == np.float16):
                raise ValueError(f"texts are (T, L) integers or (T, G) float16, not {part.shape} {part.dtype}")
        for stack, rows in ((self.pixels, self.image_N), (self.words, self.text_KN)):
            if rows.size and not 0 <= rows.min() <= rows.max() < len(stack):
                raise ValueError(f"rows {rows.min()} to {rows.max()} of {len(stack)}")

    def __len__(self) -> int:
        return len(self.image_N)

    def images(self, rows_B: Rows, /) -> NDArray[Any]:
        return self.pixels.rows(self.image_N[rows_B])

    def texts(self, rows_B: Rows, draw_B: NDArray[np.float64], /) -> NDArray[Any]:
        """Columns that are padding in every row of the pack are left out, so that short captions cost little."""
        layer_B = np.minimum(np.searchsorted(self._bounds, draw_B, side="right"), len(self.shares) - 1)
        found = self.words.rows(self.text_KN[layer_B, rows_B])
        return found if self.words.is_features else found[:, : self._columns]

    @cached_property
    def _bounds(self) -> NDArray[np.float64]:
        return np.cumsum(self.shares)

    @cached_property
    def _columns(self) -> int:
        return self.words.columns(self.text_KN)

    def take(self, rows: Sequence[int] | NDArray[np.integer[Any]]) -> Self:
        """The pairs of these rows, in that order, a row as often as it is named."""
        chosen = np.asarray(rows, dtype=np.int64)
        return replace(
            self, image_N=self.image_N[chosen], text_KN=self.text_KN[:, chosen], uids_N16=self.uids_N16[chosen]
        )

    def mismatched(self, seed: int) -> Self:
        """The same pictures with one another's captions: none keeps one of its own. A probe trained on it must stay at
        chance, or the test itself is broken. A pack of one picture is returned as it is."""
        _, picture_N, count_P = np.unique(self.image_N, return_inverse=True, return_counts=True)
        by_picture = np.argsort(picture_N, kind="stable")
        first_P = np.concatenate([[0], np.cumsum(count_P)])[:-1]
        nth_N = np.empty(len(self), np.int64)
        nth_N[by_picture] = np.arange(len(self)) - np.repeat(first_P, count_P)
        order = np.random.default_rng(seed).permutation(len(count_P))
        other_P = np.empty_like(order)
        other_P[order] = np.roll(order, 1)
        other_N = other_P[picture_N]
        source = by_picture[first_P[other_N] + nth_N % count_P[other_N]] if len(self) else by_picture
        return replace(self, text_KN=self.text_KN[:, source])


def gather(samples: Iterable[tuple[str, NDArray[np.uint8], str]], preprocess: Preprocess, tokenize: Tokenize) -> Pack:
    """Packs (uid, rgb (H, W, 3) uint8, caption) triples in memory, in their order: for a notebook and some thousands.

    `preprocess` gives (3, S, S) uint8 and `tokenize` (N, L) integers; both belong to the model that will be trained.
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
        return Pack.of(np.zeros((0, 3, 1, 1), np.uint8), np.zeros((0, 1), np.int16))
    return Pack.of(np.concatenate(images), np.concatenate(tokens), uids=named(uids))
