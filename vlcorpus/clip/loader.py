"""Batches of prepared pictures, a few ahead of the device.

    >>> with Loader(bodies, fill, size=224, batch_size=64, threads=2, buffers=3) as loader:
    ...     while (batch := loader.take()) is not None:
    ...         use(batch.pixels)                    # (64, 3, 224, 224) uint8; the last batch may be shorter
    ...         loader.release(batch)                # its memory is filled again

`fill(body, square)` writes one picture into (3, S, S) uint8. Threads draw bodies in order, a few at a time, and fill
them at the same time; batch k always holds the bodies from k * batch_size on, whoever is faster. What `fill` or the
bodies raise comes out of `take`, of the first picture that failed. No more than `buffers` batches are in memory: 38 MB
each at 256 pictures of 224 pixels. Decoders and resizers leave Python's lock, so threads do add up.

Pinned memory, for a CUDA device to copy from while it computes, is asked for with `pinned`.
"""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Body = TypeVar("Body")

_AT_ONCE = 16
"""Bodies that a thread draws at a time: for one by one, the threads would meet too often."""


@dataclass
class Batch:
    """`pixels` is (N, 3, S, S) uint8, to be read until it is released."""

    number: int
    buffer: Tensor
    count: int = 0
    parts: int = 0
    """Parts that are being filled"""
    closed: bool = False
    """No part comes any more"""
    errors: dict[int, Exception] = field(default_factory=dict)
    """By row"""

    @property
    def pixels(self) -> Tensor:
        return self.buffer[: self.count]


@dataclass
class _Part(Generic[Body]):
    batch: Batch
    first: int
    bodies: list[Body]


class Loader(Generic[Body]):
    """See the module's header. A context manager: its threads end with it."""

    def __init__(
        self,
        bodies: Iterable[Body],
        fill: Callable[[Body, NDArray[np.uint8]], None],
        *,
        size: int,
        batch_size: int,
        threads: int,
        buffers: int,
        pinned: bool = False,
    ) -> None:
        self.waited = 0.0
        """Seconds in which every buffer was full, so that nothing could be decoded"""
        self._bodies: Iterator[Body] = iter(bodies)
        self._fill = fill
        self._batch_size = batch_size
        self._at_once = max(1, min(_AT_ONCE, batch_size // threads))
        self._free: queue.SimpleQueue[Tensor | None] = queue.SimpleQueue()
        self._shape = (batch_size, 3, size, size)
        self._pinned = pinned
        self._unmade = buffers
        self._turn = threading.Lock()
        self._filling: Batch | None = None
        self._numbers = itertools.count()
        self._ended = False
        # What follows changes under the condition only.
        self._news = threading.Condition()
        self._ready: dict[int, Batch] = {}
        self._next = 0
        self._count: int | None = None
        self._broken: Exception | None = None
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._ended = True
        self._free.put(None)
        for thread in self._threads:
            thread.join()

    def ready(self) -> bool:
        """Whether `take` has something to say at once."""
        return self._next in self._ready or self._next == self._count or self._broken is not None

    def wait(self, seconds: float) -> bool:
        """Waits for the next batch, so long at most; whether it is ready."""
        with self._news:
            return self._news.wait_for(self.ready, seconds)

    def take(self) -> Batch | None:
        """The next batch, None after the last one. Raises what its first picture that failed raised."""
        with self._news:
            self._news.wait_for(self.ready)
            batch = self._ready.pop(self._next, None)
        if batch is None and self._broken is not None:
            raise self._broken
        if batch is None:
            return None
        self._next += 1
        if batch.errors:
            raise batch.errors[min(batch.errors)]
        return batch

    def release(self, batch: Batch) -> None:
        """The batch is no longer looked at."""
        self._free.put(batch.buffer)

    def _work(self) -> None:
        while True:
            try:
                with self._turn:
                    part = self._draw()
            except Exception as error:  # no memory for a buffer: raised again by `take`, which would wait for ever
                with self._news:
                    self._broken = error
                    self._news.notify_all()
                return
            if part is None:
                return
            failed: tuple[int, Exception] | None = None
            for row, body in enumerate(part.bodies, part.first):
                try:
                    self._fill(body, part.batch.buffer[row].numpy())
                except Exception as error:  # raised again by `take`, in the thread that reads
                    failed = row, error
                    break
            self._done(part.batch, failed)

    def _draw(self) -> _Part[Body] | None:
        """The next bodies and their place, or None where there are no more. One thread at a time."""
        if self._ended:
            return None
        batch = self._filling or self._begin()
        if batch is None:
            return None
        first, failed = batch.count, None
        most = min(self._at_once, self._batch_size - first)
        bodies: list[Body] = []
        try:
            bodies.extend(itertools.islice(self._bodies, most))
        except Exception as error:  # raised again by `take`
            failed = first + len(bodies), error
        self._ended = self._ended or failed is not None or len(bodies) < most
        with self._news:
            batch.count += len(bodies)
            batch.parts += 1
            batch.closed = self._ended or batch.count == self._batch_size
            if self._ended:
                self._count = batch.number + (batch.count > 0 or failed is not None)
        self._filling = None if batch.closed else batch
        if not bodies:
            self._done(batch, failed)
            return None
        if failed is not None:
            batch.errors[failed[0]] = failed[1]
        return _Part(batch, first, bodies)

    def _begin(self) -> Batch | None:
        """An empty batch in a free buffer; waits for one. None where the loader is being closed."""
        if self._unmade and self._free.empty():
            self._unmade -= 1
            buffer: Tensor | None = torch.empty(self._shape, dtype=torch.uint8, pin_memory=self._pinned)
        else:
            start = time.monotonic()
            buffer = self._free.get()
            self.waited += time.monotonic() - start
        return None if buffer is None else Batch(next(self._numbers), buffer)

    def _done(self, batch: Batch, failed: tuple[int, Exception] | None) -> None:
        """A part has been filled, or has failed at a row."""
        with self._news:
            batch.parts -= 1
            if failed is not None:
                batch.errors[failed[0]] = failed[1]
            if batch.closed and not batch.parts:
                if batch.number != self._count:
                    self._ready[batch.number] = batch
                self._news.notify_all()
