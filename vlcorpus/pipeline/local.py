"""LocalExecutor: processes on this machine.

    with LocalExecutor(workers=2) as executor:
        executor.submit(Task(stage, corpus, "00000"))
        for result in executor.results(): ...

Workers are spawned (never forked: CUDA, curl and OpenMP do not survive a fork), keep what a stage opened, and die with
their parent. Cost: 0.3 s to start a worker, under 1 ms a task. Of one machine there are no copies of stragglers: what
is slow there is slow for all.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import SpawnContext
from typing import Any

from .crew import Crew
from .roster import Worker
from .worker import THREADS, serve


class LocalWorker(Worker):
    def __init__(self, context: SpawnContext) -> None:
        super().__init__()
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=serve, args=(far, os.getpid()), daemon=True)
        self.process.start()
        far.close()

    def send(self, number: int, message: Any) -> None:
        with contextlib.suppress(OSError):
            self.pipe.send((number, message))

    def news(self) -> Iterator[tuple[int, Any]]:
        with contextlib.suppress(EOFError, OSError):
            while self.pipe.poll():
                yield self.pipe.recv()

    def alive(self) -> bool:
        return self.process.is_alive()

    def exit_code(self) -> int | None:
        self.process.join()
        return self.process.exitcode

    def end(self) -> None:
        self.process.kill()

    def bury(self) -> None:
        self.process.join()
        self.pipe.close()


class LocalExecutor(Crew):
    """`workers` processes on this machine, started when there is work for them."""

    def __init__(self, workers: int) -> None:
        super().__init__()
        for name in THREADS:
            os.environ.setdefault(name, "1")  # two OpenMP threads on a busy machine are slower than one
        self._context = multiprocessing.get_context("spawn")
        self._limit = max(1, workers)
        self._woken, self._waker = self._context.Pipe(duplex=False)

    def _start(self, gpu: bool) -> LocalWorker | None:
        return LocalWorker(self._context) if len(self._workers) < self._limit else None

    def _wait(self, workers: Sequence[Worker], seconds: float) -> Sequence[Worker]:
        sources: dict[Any, Worker | None] = {self._woken: None}
        for worker in workers:
            assert isinstance(worker, LocalWorker)
            sources |= {worker.pipe: worker, worker.process.sentinel: worker}
        ready = dict.fromkeys(sources[each] for each in wait(list(sources), seconds))
        if None in ready:
            self._woken.recv_bytes()
        return [worker for worker in ready if worker is not None]

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # closed
            self._waker.send_bytes(b"!")

    @property
    def slots(self) -> int:
        return self._limit

    def close(self) -> None:
        super().close()
        self._woken.close()
        self._waker.close()
