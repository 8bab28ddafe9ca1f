"""Pictures by which others are known again: by the bytes, or by how they look.

    pool = Pool([("images/00007.jpg", body), …])
    list(pool.among([Looked(…)]))                [(0, "01f3…", "exact"), (0, "7c0a…", "near")]
    Bands(hash_E, radius=8).near(hash_N)          rows of hash_N, rows of hash_E: every two within 8 bits

Perceptual hashes say who may be alike, pixels who is: see `contamination`, which says what is found and what is not.
`knn.hamming` finds the near pairs within one set of hashes; this is between a small set, sorted once, and a large one
that streams by. Cost: 45 sorted tables of the small set's size, and 7 µs a hash against 2,000, 22 µs against 50,000.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RADIUS = 8
"""Bits in which the hashes of candidates may differ"""

ALIKE = 0.35
"""What two pictures may differ in, as a share of how the test's varies in itself: root mean squares"""

FLAT = 0.03
"""A picture that varies less, of 0 to 1, is not recognised by its looks"""

_SIDE = 16

Pixels = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass
class Looked:
    """Some pairs: their names, the digests each goes by, and their hashes (known_N: which have one). pixels gives the
    small pictures of those that are asked for, by number."""

    names: list[str]
    digests: list[tuple[bytes, ...]]
    hash_N: NDArray[np.uint64]
    known_N: NDArray[np.bool_]
    pixels: Callable[[Sequence[int]], Iterator[tuple[int, Pixels]]]


class Pool:
    """The pictures of the tests, to be looked for."""

    def __init__(self, bodies: Iterable[tuple[str, bytes | None]], radius: int = RADIUS) -> None:
        self.place: dict[str, int] = {}
        self._digests: dict[bytes, list[int]] = {}
        small: list[Pixels] = []
        hashes: list[int] = []
        for name, body in bodies:
            seen = None if body is None else look(body)
            if body is None or seen is None:
                continue
            self._digests.setdefault(digest(body), []).append(len(self.place))
            self.place[name] = len(self.place)
            hashes.append(seen[0])
            small.append(seen[1])
        self._pixels = np.stack(small) if small else np.zeros((0, _SIDE, _SIDE, 3), np.float32)
        centred = self._pixels - self._pixels.mean((1, 2), keepdims=True)
        self._spread = np.sqrt((centred**2).mean((1, 2, 3)))
        self.flat = set(np.flatnonzero(self._spread < FLAT).tolist())
        self._varied = np.flatnonzero(self._spread >= FLAT)
        self._bands = Bands(np.array(hashes, np.uint64)[self._varied], radius)

    def among(self, parts: Iterable[Looked]) -> Iterator[tuple[int, str, str]]:
        """(picture, name of a pair, "exact" or "near") for every picture of the tests that a pair has."""
        for part in parts:
            for number, digests in enumerate(part.digests):
                for each in digests:
                    for picture in self._digests.get(each, ()):
                        yield picture, part.names[number], "exact"
            known = np.flatnonzero(part.known_N)
            rows, places = self._bands.near(part.hash_N[known])
            rows, pictures = known[rows], self._varied[places]
            numbers, starts = np.unique(rows, return_index=True)
            alike = dict(zip(numbers.tolist(), np.split(pictures, starts[1:]), strict=False))
            for number, pixels in part.pixels(list(alike)):
                candidates = alike[number]
                apart = np.sqrt(((self._pixels[candidates] - pixels) ** 2).mean((1, 2, 3)))
                for picture in candidates[apart <= ALIKE * self._spread[candidates]].tolist():
                    yield picture, part.names[number], "near"


class Bands:
    """64-bit hashes by which others within a radius are found without comparing all: of radius + 2 bands, two hashes
    that differ in at most `radius` bits agree on two at least, so each choice of two is a sorted table of keys."""

    def __init__(self, hash_E: NDArray[np.uint64], radius: int) -> None:
        self._hashes, self._radius = hash_E, radius
        edges = [64 * band // (radius + 2) for band in range(radius + 3)]
        bands = [(1 << high) - (1 << low) for low, high in itertools.pairwise(edges)]
        self._tables = []
        for one, other in itertools.combinations(bands, 2):
            mask = np.uint64(one | other)
            order = np.argsort(hash_E & mask, kind="stable")
            self._tables.append((mask, order, (hash_E & mask)[order]))

    def near(self, hash_N: NDArray[np.uint64]) -> tuple[Ints, Ints]:
        """(row of hash_N, row of hash_E) of every two within the radius, sorted."""
        pairs = [np.zeros(0, np.int64)]
        for mask, order, keys in self._tables:
            start, end = np.searchsorted(keys, hash_N & mask, "left"), np.searchsorted(keys, hash_N & mask, "right")
            sizes = end - start
            rows = np.repeat(np.arange(len(hash_N)), sizes)
            within = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            places = order[np.repeat(start, sizes) + within]
            close = np.bitwise_count(hash_N[rows] ^ self._hashes[places]) <= self._radius
            pairs.append(rows[close] * len(self._hashes) + places[close])
        both = np.unique(np.concatenate(pairs))
        rows, places = np.divmod(both, max(1, len(self._hashes)))
        return rows, places


def look(body: bytes) -> tuple[int, Pixels] | None:
    """The hash of a picture and its pixels at 16 x 16, of 0 to 1; None where it cannot be decoded."""
    import cv2

    from ..images.decode import Refused, decode
    from ..images.phash import phash

    picture = decode(body)
    if isinstance(picture, Refused):
        return None
    small = cv2.resize(picture.rgb, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return phash(picture.rgb), np.asarray(small, np.float32) / np.float32(255)


def digest(body: bytes) -> bytes:
    """By which the same bytes are known."""
    return hashlib.sha256(body).digest()
