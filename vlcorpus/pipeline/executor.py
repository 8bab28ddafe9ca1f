"""Executors: who does the units. The seam is one method; processes, a cluster or this process stand behind it.

with LocalExecutor(workers=2) as executor:
    executor.submit(Task(stage, corpus, "00000"))
    for result in executor.results(): ...

tasks       what goes in and what comes out         messages    what a driver and its workers say
crew        the queue: who does what next           worker      a worker's life
local       spawned processes                       cluster     actors of Ray's
here        no workers at all                       together    torchrun's processes
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from .local import LocalExecutor
from .tasks import Done, Failed, Halted, Lost, Result, Task, Told


class Executor(Protocol):
    """Does tasks somewhere and says what became of each."""

    def submit(self, task: Task) -> None: ...

    def results(self) -> Iterator[Result]:
        """Blocks for news; ends when nothing is under way."""
        ...

    def stop(self) -> None:
        """Hand out nothing more; what is under way has some seconds to end. A signal's handler may call this."""
        ...

    def close(self) -> None: ...


__all__ = ["Done", "Executor", "Failed", "Halted", "LocalExecutor", "Lost", "Result", "Task", "Told"]
