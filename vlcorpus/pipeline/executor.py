"""Executors: who does the units. The seam is one method; local processes stand behind it, a cluster can.

    with LocalExecutor(workers=2) as executor:
        executor.submit(Task(stage, corpus, "00000"))
        for result in executor.results(): ...

Workers are spawned (never forked: CUDA, curl and OpenMP do not survive a fork), keep what a stage opened, run one
thread each, and die with their parent. A worker that is killed costs one attempt at one unit: another worker does the
unit again.
"""

from __future__ import annotations

import contextlib
import ctypes
import heapq
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Protocol

from ..corpus import Corpus
from ..errors import VlcorpusError
from ..stages.base import Stage, Tell, Work

ATTEMPTS = 3
KEPT_OPEN = 4  # stages a worker keeps loaded (models, connections)
TELL_SECONDS = 0.2


@dataclass(frozen=True)
class Task:
    """One unit of one stage. number: the stage's place in the plan; later stages go first, so that a shard that is
    downloaded is embedded while the next one downloads."""

    stage: Stage
    corpus: Corpus
    unit: str
    number: int = 0


@dataclass(frozen=True)
class Told:
    """Progress inside a unit."""

    task: Task
    seen: int
    kept: int


@dataclass(frozen=True)
class Done:
    task: Task


@dataclass(frozen=True)
class Failed:
    """`error` is for the person; `trace` is there when it is a bug."""

    task: Task
    error: VlcorpusError
    trace: str = ""


@dataclass(frozen=True)
class Lost:
    """A worker died at a unit; it is tried again."""

    task: Task
    attempt: int
    exit_code: int | None


Result = Told | Done | Failed | Lost


class Executor(Protocol):
    """Does tasks somewhere and says what became of each."""

    def submit(self, task: Task) -> None: ...

    def results(self) -> Iterator[Result]:
        """Blocks for news; ends when nothing is under way."""
        ...

    def close(self) -> None: ...


class _Worker:
    def __init__(self, context: multiprocessing.context.SpawnContext) -> None:
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(far, os.getpid()), daemon=True)
        self.process.start()
        far.close()
        self.task: Task | None = None
        self.attempt = 0


class LocalExecutor:
    """`workers` processes on this machine, started when there is work for them."""

    def __init__(self, workers: int) -> None:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ.setdefault(name, "1")  # two OpenMP threads on a busy machine are slower than one
        self._context = multiprocessing.get_context("spawn")
        self._most = max(1, workers)
        self._workers: list[_Worker] = []
        self._waiting: list[tuple[int, int, int, Task]] = []  # a heap: -place in plan, order, attempt, task
        self._order = itertools.count()

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def submit(self, task: Task) -> None:
        self._queue(task, 1)

    def _queue(self, task: Task, attempt: int) -> None:
        heapq.heappush(self._waiting, (-task.number, next(self._order), attempt, task))

    def results(self) -> Iterator[Result]:
        while self._waiting or any(worker.task for worker in self._workers):
            self._hand_out()
            busy = [worker for worker in self._workers if worker.task]
            ready = wait([worker.pipe for worker in busy] + [worker.process.sentinel for worker in busy])
            for worker in busy:
                if worker.pipe in ready or worker.process.sentinel in ready:
                    yield from self._news(worker)

    def _hand_out(self) -> None:
        for worker in self._workers:
            if not worker.task and self._waiting:
                self._give(worker)
        while self._waiting and len(self._workers) < self._most:
            self._workers.append(_Worker(self._context))
            self._give(self._workers[-1])

    def _give(self, worker: _Worker) -> None:
        _, _, worker.attempt, worker.task = heapq.heappop(self._waiting)
        with contextlib.suppress(OSError):  # a dead worker is noticed by its sentinel
            worker.pipe.send(worker.task)

    def _news(self, worker: _Worker) -> Iterator[Result]:
        task = worker.task
        assert task is not None
        try:
            while worker.pipe.poll():
                message = worker.pipe.recv()
                if isinstance(message, tuple):
                    yield Told(task, *message)
                    continue
                worker.task = None
                if message is None:
                    yield Done(task)
                else:
                    yield Failed(task, *message)
                return
        except (EOFError, OSError):
            pass
        if worker.process.is_alive():
            return
        worker.process.join()
        self._workers.remove(worker)
        worker.pipe.close()
        code = worker.process.exitcode
        if worker.attempt < ATTEMPTS:
            self._queue(task, worker.attempt + 1)
            yield Lost(task, worker.attempt, code)
            return
        what = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        error = VlcorpusError(
            f"{task.stage.name} {task.unit}: the worker died {ATTEMPTS} times ({what})",
            "is there enough memory? try --workers 1",
        )
        yield Failed(task, error)

    def close(self) -> None:
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()
        self._waiting.clear()


def _serve(pipe: Connection, parent: int) -> None:
    """A worker's life: take tasks until the pipe closes."""
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    opened: dict[tuple[Stage, Corpus], Work] = {}
    while True:
        try:
            task: Task = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            place = (task.stage, task.corpus)
            if place not in opened:
                if len(opened) >= KEPT_OPEN:
                    del opened[next(iter(opened))]
                opened[place] = task.stage.open(task.corpus)
            opened[place](task.unit, _teller(pipe))
            pipe.send(None)
        except VlcorpusError as error:
            pipe.send([error])
        except Exception as error:  # the worker's last line of defence: a bug fails its unit, not the run
            bug = VlcorpusError(f"{task.stage.name} {task.unit}: {type(error).__name__}: {error}", "this is a bug")
            pipe.send([bug, traceback.format_exc()])


def _teller(pipe: Connection) -> Tell:
    last = 0.0

    def tell(seen: int, kept: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= TELL_SECONDS:
            last = now
            pipe.send((seen, kept))

    return tell


def _die_with(parent: int) -> None:
    """End when the parent ends: at once where the kernel tells (Linux), else within a second."""
    if sys.platform == "linux":
        death_signal = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(death_signal, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
