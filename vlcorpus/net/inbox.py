"""What other threads tell the thread of a fetcher, in their order.

inbox: Inbox[Job | None] = Inbox()
inbox.put(job)                    from any thread
for message in inbox: ...         in its own: what is there now, without waiting
inbox.is_empty()
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Generic, TypeVar

Message = TypeVar("Message")


class Inbox(Generic[Message]):
    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.put = self._queue.put
        self.is_empty = self._queue.empty

    def __iter__(self) -> Iterator[Message]:
        while True:
            try:
                yield self._queue.get_nowait()
            except queue.Empty:
                return
