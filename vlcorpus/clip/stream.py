"""Pictures and texts through a model, with the next ones being made ready meanwhile.

    >>> waits = Waits()
    >>> rows = images(bodies, fill, [encoder], batch_size=64, loaders=2, waits=waits)
    >>> image_ND = np.concatenate(list(rows))            # in the order of the bodies
    >>> waits.bound
    'loader'

Several encoders, one a device, take batches in turn. Batch k holds the same pictures whatever the number of threads and
devices, so its vectors are the same, bit by bit, on devices of one kind. `waits` says who waited for whom: a device
that has nothing to do wants more loaders; loaders that have nowhere to write want a faster device.

On CUDA a batch is copied from pinned memory while the one before is computed; the CPU has the same code and computes at
once. Bytes go over the bus; floats are made there.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from vlcorpus.clip.encoder import TEXTS_AT_ONCE, Encoder, Pending
from vlcorpus.clip.loader import Batch, Body, Loader

_LOOK_SECONDS = 0.002


@dataclass
class Waits:
    """Seconds, and pictures so far."""

    device: float = 0.0
    """A device had nothing to do, for the loaders were late"""
    loader: float = 0.0
    """The loaders had nowhere to write, for the device was late"""
    images: int = 0

    @property
    def bound(self) -> Literal["loader", "device"]:
        """Which of the two is the slower."""
        return "loader" if self.device > self.loader else "device"


def images(
    bodies: Iterable[Body],
    fill: Callable[[Body, NDArray[np.uint8]], None],
    encoders: Sequence[Encoder],
    *,
    batch_size: int,
    loaders: int,
    waits: Waits,
    mirrored: bool = False,
) -> Iterator[NDArray[np.float32]]:
    """Unit rows of the bodies' pictures, (N, D) float32 a batch, in order. `fill(body, square)` writes (3, S, S) uint8.

    encoders: copies of one model on different devices. Raises what `fill` and `bodies` raise.
    """
    lanes = len(encoders)
    begun: deque[tuple[Batch, Pending]] = deque()
    loading = Loader(
        bodies,
        fill,
        size=encoders[0].image_size,
        batch_size=batch_size,
        threads=loaders,
        buffers=2 * lanes + 1,
        pinned=any(encoder.device.type == "cuda" for encoder in encoders),
    )
    with loading as loader:

        def oldest() -> NDArray[np.float32]:
            batch, pending = begun.popleft()
            rows = pending.rows()
            loader.release(batch)
            waits.images += len(rows)
            waits.loader = loader.waited
            return rows

        number = 0
        while True:
            # Two batches a device at most: one that it computes, and one that is being copied. What is there is
            # given at once, so that whoever keeps it has it.
            while begun and (len(begun) >= 2 * lanes or begun[0][1].done()):
                yield oldest()
            # While the device whose turn it is has work, waiting for the loaders costs nothing.
            while begun and begun[0][0].number <= number - lanes and not loader.ready():
                if begun[0][1].done():
                    yield oldest()
                else:
                    loader.wait(_LOOK_SECONDS)
            start = time.monotonic()
            batch = loader.take()
            waits.device += time.monotonic() - start
            if batch is None:
                break
            begun.append((batch, encoders[number % lanes].begin_images(batch.pixels, mirrored=mirrored)))
            number += 1
        while begun:
            yield oldest()


class Texts:
    """Texts, cut into tokens in a thread of their own from the start; `rows` encodes them when it is asked.

    >>> with Texts(captions, encoders) as texts:
    ...     image_ND = ...                               # takes its time
    ...     text_ND = texts.rows()                       # (N, D) float32 unit rows, equal texts encoded once

    done: the parts that an earlier run came to, in order. `rows` calls `keep` with each further one.
    """

    def __init__(
        self, captions: Sequence[str], encoders: Sequence[Encoder], *, done: Sequence[NDArray[np.floating]] = ()
    ) -> None:
        distinct = list(dict.fromkeys(captions))
        place = {caption: number for number, caption in enumerate(distinct)}
        self._places = np.array([place[caption] for caption in captions], dtype=int)
        self._encoders = encoders
        self._done = [part.astype(np.float32) for part in done]
        self._thread = ThreadPoolExecutor(1)
        starts = range(0, len(distinct), TEXTS_AT_ONCE)[len(done) :]
        parts = (distinct[start : start + TEXTS_AT_ONCE] for start in starts)
        self._tokens = [self._thread.submit(encoders[0].tokenize, part) for part in parts]

    def __enter__(self) -> Texts:
        return self

    def __exit__(self, *exception: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def rows(self, keep: Callable[[NDArray[np.float32]], None] | None = None) -> NDArray[np.float32]:
        lanes = len(self._encoders)
        begun: deque[Pending] = deque()
        made = [np.zeros((0, self._encoders[0].dimension), np.float32), *self._done]

        def oldest() -> None:
            made.append(begun.popleft().rows())
            if keep is not None:
                keep(made[-1])

        for number, tokens in enumerate(self._tokens):
            while begun and (len(begun) >= 2 * lanes or begun[0].done()):
                oldest()
            begun.append(self._encoders[number % lanes].begin_tokens(tokens.result()))
        while begun:
            oldest()
        rows: NDArray[np.float32] = np.concatenate(made)[self._places]
        return rows


@contextmanager
def compute_threads(count: int) -> Iterator[None]:
    """That many threads for torch's arithmetic on the CPU; as it was, afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
