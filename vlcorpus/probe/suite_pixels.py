"""The pictures of a suite as a model sees them, decoded once for all models that prepare them alike.

    >>> seen = Seen()                                    # one a worker
    >>> vectors = encoded(encoder, suite, decode, seen, key="224 bicubic")
    >>> vectors.of(["a.png", "b.png"]).shape
    (2, 512)

10,000 pictures of 224 pixels are 1.5 GB prepared: what does not fit into `most` bytes is decoded again for each model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vlcorpus.io import attempt
from vlcorpus.probe.suite import Suite

BATCH = 256
"""Pictures encoded at once"""

MOST_BYTES = 1 << 30
"""Of prepared pictures that a worker keeps"""

Batch = tuple[list[str], NDArray[np.uint8]]


class Sees(Protocol):
    """The image side of a model."""

    def preprocess(self, rgb: NDArray[np.uint8]) -> Any: ...

    def encode_images(self, batch: NDArray[np.uint8]) -> NDArray[np.float32]: ...


class Decode(Protocol):
    """Bytes of a picture to (H, W, 3) uint8, or None when they are none."""

    def __call__(self, body: bytes, /) -> NDArray[np.uint8] | None: ...


class Seen:
    """Prepared pictures of one suite, by preprocessing, the oldest given up first."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._held: dict[str, tuple[Batch, ...]] = {}
        self._suite: Suite | None = None

    def batches(self, suite: Suite, key: str, made: Iterable[Batch]) -> Iterator[Batch]:
        """What is held of that key; or what is made, kept where it fits."""
        if self._suite is not suite:
            self._held.clear()
            self._suite = suite
        if key in self._held:
            yield from self._held[key]
            return
        kept: list[Batch] | None = [] if key else None
        size = 0
        for batch in made:
            if kept is not None:
                size += batch[1].nbytes
                if size > self._most:
                    kept = None
                else:
                    kept.append(batch)
            yield batch
        if kept is not None:
            while self._held and size + sum(_bytes(each) for each in self._held.values()) > self._most:
                del self._held[next(iter(self._held))]
            self._held[key] = tuple(kept)


class Vectors:
    """Names of readable pictures to their vectors."""

    def __init__(self, names: Sequence[str], rows_ND: NDArray[np.float32]) -> None:
        self._place = {name: place for place, name in enumerate(names)}
        self.rows_ND = rows_ND

    def __contains__(self, name: object) -> bool:
        return name in self._place

    def of(self, names: Iterable[str]) -> NDArray[np.float32]:
        """(N, D), a row a name."""
        return self.rows_ND[[self._place[name] for name in names]]


def encoded(encoder: Sees, suite: Suite, decode: Decode, seen: Seen, key: str = "") -> Vectors:
    """The vectors of every picture that can be read. key: names how the model prepares pictures; "" keeps nothing."""
    names: list[str] = []
    parts: list[NDArray[np.float32]] = []
    for some, pixels in seen.batches(suite, key, _prepared(encoder, suite, decode)):
        attempt.end_if_asked()
        names += some
        parts.append(encoder.encode_images(pixels))
    return Vectors(names, np.concatenate(parts) if parts else np.zeros((0, 1), np.float32))


def _prepared(encoder: Sees, suite: Suite, decode: Decode) -> Iterator[Batch]:
    names: list[str] = []
    pixels: list[Any] = []
    for name, body in suite.bodies():
        rgb = decode(body) if body is not None else None
        if rgb is None:
            continue
        names.append(name)
        pixels.append(np.asarray(encoder.preprocess(rgb)))
        if len(names) == BATCH:
            yield names, np.stack(pixels)
            names, pixels = [], []
    if names:
        yield names, np.stack(pixels)


def _bytes(batches: Iterable[Batch]) -> int:
    return sum(pixels.nbytes for _, pixels in batches)
