"""What a driver knows of its workers: who has what, and what waits for one of them.

worker.may_take(task)               one at a time of stages that work; several of those that mostly wait
queue.put(Waiting(task), gpu=False) pieces of reductions first, then later stages before earlier ones
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..stages.base import Stage
from .messages import Piece
from .tasks import Task


class Worker:
    """A worker as its driver sees it. node: where it is, for people. ready: it may be given something."""

    gpu = False
    node = ""
    ready = True

    def __init__(self) -> None:
        self.given: dict[int, Given] = {}

    def send(self, number: int, message: Any) -> None:
        """Never fails: that a worker is dead is noticed by `alive`."""
        raise NotImplementedError

    def news(self) -> Iterator[tuple[int, Any]]:
        """The messages that have come."""
        raise NotImplementedError

    def alive(self) -> bool:
        raise NotImplementedError

    def exit_code(self) -> int | None:
        return None

    def end(self) -> None:
        """At once, whatever it does."""
        raise NotImplementedError

    def bury(self) -> None:
        """Wait until it has ended, and give back what it held."""

    def may_take(self, job: Task | Piece) -> bool:
        """Whether a job may be done beside those that it has."""
        if isinstance(job, Piece):  # a reduction that waits for its pieces is no work
            return may_join([each.job.stage for each in self.given.values() if not each.lent], job.stage)
        return may_join([each.job.stage for each in self.given.values()], job.stage)

    def idle(self) -> bool:
        """It has nothing, or only reductions that wait for their pieces."""
        return all(given.lent for given in self.given.values())


def may_join(under_way: Sequence[Stage], stage: Stage) -> bool:
    """Whether a worker may do a unit beside others: one at a time of stages that do not wait."""
    if not under_way:
        return True
    stages = [*under_way, stage]
    busy = sum(each.at_once == 1 for each in stages)
    return busy <= 1 and len(stages) <= max(each.at_once for each in stages)


@dataclass(eq=False)
class Waiting:
    """Something to do. of, share, place: the reduction that a piece is for, and where its result belongs."""

    job: Task | Piece
    attempt: int = 1
    of: Given | None = None
    share: int = 0
    place: int = 0


@dataclass(eq=False)
class Given:
    """What a worker has. seen: rows it has told of. lent: its pieces that are not done yet. copied: copies that
    were made of it. claimed, denied: what it was told when it asked to commit."""

    number: int
    worker: Worker
    what: Waiting
    copy: str = ""
    since: float = field(default_factory=time.monotonic)
    seen: int = 0
    lent: int = 0
    copied: int = 0
    claimed: bool = False
    denied: bool = False

    @property
    def job(self) -> Task | Piece:
        return self.what.job

    @property
    def here(self) -> bool:
        """Whether its worker has it still."""
        return self.number in self.worker.given


class Queue:
    """What waits, apart by whether it wants a GPU."""

    def __init__(self) -> None:
        self._heaps: dict[bool, list[tuple[float, int, Waiting]]] = {False: [], True: []}
        self._order = itertools.count()

    def __bool__(self) -> bool:
        return any(self._heaps.values())

    def put(self, waiting: Waiting, *, gpu: bool) -> None:
        first = float(-waiting.job.number) if isinstance(waiting.job, Task) else -float("inf")
        heapq.heappush(self._heaps[gpu], (first, next(self._order), waiting))

    def each(self) -> Iterator[tuple[bool, int, Waiting, Callable[[], object]]]:
        """What is first: whether it wants a GPU, how many wait as it does, it, and what takes it out. What was not
        taken out ends its kind's turn."""
        for gpu, heap in self._heaps.items():
            while heap:
                count, first = len(heap), heap[0][2]
                yield gpu, count, first, lambda heap=heap: heapq.heappop(heap)  # type: ignore[misc]
                if heap and heap[0][2] is first:
                    break

    def drop(self, of: Given, share: int) -> int:
        """Take out the pieces of a share; how many there were."""
        dropped = 0
        for gpu, heap in self._heaps.items():
            kept = [each for each in heap if each[2].of is not of or each[2].share != share]
            dropped += len(heap) - len(kept)
            heapq.heapify(kept)
            self._heaps[gpu][:] = kept
        return dropped

    def clear(self) -> None:
        for heap in self._heaps.values():
            heap.clear()
