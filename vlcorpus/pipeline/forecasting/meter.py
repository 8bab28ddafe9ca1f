"""What a unit costs: an executor of one new worker that measures instead of hurrying.

    with Meter() as meter:
        for event in run(Plan(corpus, (step,)), meter): ...
        meter.costs                    [Cost(unit="00000", start=1.9, processor=4.2, wall=4.4, shared=0.0, ...)]

`start` is the processor time that the worker had taken before its first unit began: Python, libraries, models. Parts
that a reduction would share among workers (stages.sharing) are done here, and their time is told apart. Children of the
worker are counted. A new Meter is a new worker, so that neither memory nor start-up of one stage hides another's.

Cost: the start of a worker, about a second. Not for work that matters: a worker that dies is not replaced.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from ...corpus import Corpus
from ...errors import VlcorpusError
from ...stages.base import Stage, Work
from ..executor import Done, Failed, Result, Task


@dataclass(frozen=True)
class Cost:
    """start, processor, shared: seconds of processor time, of which `shared` may go to other workers; wall: seconds.
    memory: the worker's greatest so far, bytes; device: name of the GPU that was computed on, or ""."""

    unit: str
    start: float
    processor: float
    wall: float
    shared: float
    memory: int
    device: str = ""
    device_memory: int = 0


class Meter:
    def __init__(self) -> None:
        self.costs: list[Cost] = []
        self._waiting: deque[Task] = deque()
        context = multiprocessing.get_context("spawn")
        self._pipe, self._far = context.Pipe()
        self._worker = context.Process(target=_serve, args=(self._far,), daemon=True)

    def __enter__(self) -> Meter:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # as a run's workers have it
        self._worker.start()
        self._far.close()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def submit(self, task: Task) -> None:
        self._waiting.append(task)

    def results(self) -> Iterator[Result]:
        while self._waiting:
            task = self._waiting.popleft()
            try:
                self._pipe.send(task)
                found = self._pipe.recv()
            except (EOFError, OSError):
                self._worker.join()
                what = f"{task.stage.name}: the worker died (exit code {self._worker.exitcode})"
                yield Failed(task, VlcorpusError(what, "is there enough memory? try a smaller --sample"))
                return
            if isinstance(found, Cost):
                self.costs.append(found)
                yield Done(task)
            else:
                yield Failed(task, *found)

    def stop(self) -> None:
        self._waiting.clear()

    def close(self) -> None:
        self._pipe.close()
        self._worker.kill()
        self._worker.join()


def _serve(pipe: Connection) -> None:
    from .. import worker

    worker.prepare()
    opened: dict[tuple[Stage, Corpus], Work] = {}
    while True:
        try:
            task = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send(_measured(task, opened))


def _measured(task: Task, opened: dict[tuple[Stage, Corpus], Work]) -> Cost | tuple[VlcorpusError, str]:
    import traceback

    from ...stages.sharing import lent

    shared = 0.0

    def lend(stage: Stage, corpus: Corpus, does: str, arguments: Sequence[Any]) -> Iterator[Any]:
        nonlocal shared
        for argument in arguments:
            began = _processor()
            found = getattr(stage, does)(corpus, argument)
            shared += _processor() - began
            yield found

    try:
        place = (task.stage, task.corpus)
        if place not in opened:
            opened[place] = task.stage.open(task.corpus)
        start, began = _processor(), time.monotonic()
        with lent(lend):
            opened[place](task.unit, _quiet)
        took, wall = _processor() - start, time.monotonic() - began
    except VlcorpusError as error:
        return error, ""
    except Exception as error:  # the worker's last line of defence: a bug fails its unit
        bug = VlcorpusError(f"{task.stage.name} {task.unit}: {type(error).__name__}: {error}", "this is a bug")
        return bug, traceback.format_exc()
    device, device_memory = _device()
    return Cost(task.unit, start, took, wall, shared, _memory(), device, device_memory)


def _processor() -> float:
    """Processor time of this worker, of all its threads, and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _memory() -> int:
    """The greatest so far. Not getrusage's where the kernel tells: that counts the parent that this one began in."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _device() -> tuple[str, int]:
    """The GPU that this worker has used, and the memory that took."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return "", 0
    return str(torch.cuda.get_device_name()), int(torch.cuda.max_memory_reserved())


def _quiet(*progress: object) -> None:
    """Nobody is told: the run is short."""
