"""An executor for torchrun: every unit is trained by all of its processes, in the process that was started.

    with Together() as executor:                  # on rank 0; the others are in `follow`
        for event in run(plan, executor): ...

Units are done here, one after the other: GPUs belong to the processes that torchrun started. train-probe alone is done
so; what it needs must be there. A bug on one rank ends its process, upon which torchrun ends the others.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from ..corpus import Corpus
from ..errors import UsageError, VlcorpusError
from ..io import attempt
from ..stages import probe_ranks
from ..stages.base import Stage
from ..stages.train_probe import TrainProbe
from .executor import Done, Failed, Halted, Result, Task


class Together:
    """Rank 0's; its context is that of the process group."""

    def __init__(self) -> None:
        self._waiting: deque[Task] = deque()
        self._stopped = False
        self._stack = contextlib.ExitStack()
        self._group: Any = None

    def __enter__(self) -> Together:
        self._group = self._stack.enter_context(probe_ranks.together())
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def submit(self, task: Task) -> None:
        if self._stopped:
            return
        if not isinstance(task.stage, TrainProbe):
            raise UsageError(
                f"torchrun is for train-probe, and {task.stage.made()} has to be made first",
                f"run `vlcorpus {task.stage.name}` without torchrun",
            )
        self._waiting.append(task)

    def results(self) -> Iterator[Result]:
        while self._waiting and not self._stopped:
            task = self._waiting.popleft()
            try:
                probe_ranks.send(self._group, probe_ranks.Turn(task.stage, task.unit))
                task.stage.open(task.corpus)(task.unit, _quiet)
            except attempt.Stopped:
                yield Halted(task)
            except VlcorpusError as error:
                yield Failed(task, error)
            else:
                yield Done(task)

    def stop(self) -> None:
        """A signal's handler may call this: the unit under way ends at its next pause."""
        self._stopped = True
        attempt.stopping.set()

    def close(self) -> None:
        self._waiting.clear()


def follows(stages: Sequence[Stage]) -> bool:
    """Whether this process is one of torchrun's that only train. Its variables mean nothing to other stages."""
    return shares(stages) and probe_ranks.rank() > 0


def leads(stages: Sequence[Stage]) -> bool:
    """Whether this process is torchrun's first."""
    return shares(stages) and probe_ranks.rank() == 0


def shares(stages: Sequence[Stage]) -> bool:
    """Whether torchrun's processes do these stages together."""
    return any(isinstance(stage, TrainProbe) for stage in stages) and probe_ranks.world() > 1


def follow(corpus: Corpus) -> None:
    """What a process does that only trains, until rank 0 says that that was all."""
    from ..probe.distributed import from_environment

    with from_environment() as group:
        probe_ranks.follow(corpus, group)


def _quiet(*progress: object) -> None:
    """Progress is seen in what the probe logs."""
