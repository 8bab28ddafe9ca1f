"""What was computed, kept for the next time: the least recently used goes first. For several threads.

    masks: Kept[Mask] = Kept(most=64 << 20, size=lambda mask: mask.nbytes)
    masks.get("width >= 256", lambda: computed)
    uploads.put("1f0a", upload)             what cannot be computed again
    uploads.held("1f0a")                    the upload, or None where it had to go

Two threads that want the same at the same time compute it once: the second waits. Different values are computed beside
each other. The latest value is kept however large it is.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """most: the sum of sizes that is kept. size: of a value; 1 each if not given."""

    def __init__(self, most: int, size: Callable[[Value], int] = lambda value: 1) -> None:
        self._most, self._size = most, size
        self._held: OrderedDict[Hashable, Value] = OrderedDict()
        self._total = 0
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    def __len__(self) -> int:
        return len(self._held)

    def get(self, name: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a name, made where it is not kept. What `make` raises is raised, and nothing is kept of it."""
        with self._lock:
            if name in self._held:
                return self._touched(name)
            own = self._making.setdefault(name, threading.Lock())
        with own:
            with self._lock:
                if name in self._held:
                    return self._held[name]
            try:
                value = make()
                self.put(name, value)
            finally:
                with self._lock:
                    self._making.pop(name, None)
        return value

    def held(self, name: Hashable) -> Value | None:
        """The value of a name, None where it is not kept."""
        with self._lock:
            return self._touched(name) if name in self._held else None

    def put(self, name: Hashable, value: Value) -> None:
        """Keep a value, in the place of the one that has its name."""
        with self._lock:
            if name in self._held:
                self._total -= self._size(self._held.pop(name))
            self._held[name] = value
            self._total += self._size(value)
            while self._total > self._most and len(self._held) > 1:
                _, old = self._held.popitem(last=False)
                self._total -= self._size(old)

    def _touched(self, name: Hashable) -> Value:
        self._held.move_to_end(name)
        return self._held[name]
