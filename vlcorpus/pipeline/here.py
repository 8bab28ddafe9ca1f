"""HereExecutor: every unit in this process, one after the other. For notebooks, and for corpora in this process's
memory (memory://), which other processes cannot see.

    with HereExecutor() as executor:
        for event in run(plan, executor): ...

Results come between units, and there is no progress inside of one. A unit that ends the process ends the run.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from typing import Self

from ..io import attempt
from .messages import Ended
from .tasks import Done, Failed, Halted, Result, Task
from .worker import Opened, explained, teller


class HereExecutor:
    def __init__(self) -> None:
        self._waiting: list[tuple[int, int, Task]] = []  # a heap: -place in plan, order, task
        self._order = itertools.count()
        self._opened = Opened()
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def submit(self, task: Task) -> None:
        heapq.heappush(self._waiting, (-task.number, next(self._order), task))

    def results(self) -> Iterator[Result]:
        while self._waiting and not self._stopped:
            yield self._do(heapq.heappop(self._waiting)[2])

    def _do(self, task: Task) -> Result:
        try:
            with task.corpus.at_work():
                self._opened.work(task)(task.unit, teller(_quiet))
        except attempt.Stopped:
            return Halted(task)
        except Exception as error:
            ended: Ended = explained(task, error)
            assert ended.error is not None
            return Failed(task, ended.error, ended.trace)
        return Done(task)

    def stop(self) -> None:
        """A signal's handler may call this: the unit under way ends at its next pause."""
        self._stopped = True
        attempt.stopping.set()

    def close(self) -> None:
        self._waiting.clear()
        if self._stopped:
            self._stopped = False
            attempt.stopping.clear()


def _quiet(progress: object) -> None:
    """Results come between units."""
