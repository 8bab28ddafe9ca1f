"""Executors: who does the units. The seam is one method; local processes stand behind it, a cluster can.

    with LocalExecutor(workers=2) as executor:
        executor.submit(Task(stage, corpus, "00000"))
        for result in executor.results(): ...

Workers are spawned (never forked: CUDA, curl and OpenMP do not survive a fork), keep what a stage opened, and die with
their parent. A worker does one unit after the other; of a stage that mostly waits (`Stage.at_once`) it does several at
the same time, or one beside a unit of another stage, so that the last slow answers of a shard hold nothing up. A worker
that is killed costs one attempt at each of its units: another worker does them again. A unit that had come further than
the attempt before is not held to have failed.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import heapq
import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.abc import MetaPathFinder
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol

from ..corpus import Corpus
from ..errors import VlcorpusError
from ..stages.base import Stage, Tell, Work

ATTEMPTS = 3
KEPT_OPEN = 4  # stages a worker keeps loaded (models, connections)
TELL_SECONDS = 0.2
_GC_THRESHOLDS = (100_000, 50, 50)  # rows and bodies are no cycles; looking for such took a twentieth of the time
_MMAP_THRESHOLD, _TRIM_THRESHOLD, _ARENA_MAX = -3, -1, -8  # of glibc's malloc.h


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
    about: dict[str, dict[str, int]] = field(default_factory=dict)


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


@dataclass
class _Given:
    """A task that a worker has. seen: rows it has told of."""

    task: Task
    attempt: int
    seen: int = 0


class _Worker:
    def __init__(self, context: multiprocessing.context.SpawnContext) -> None:
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(far, os.getpid()), daemon=True)
        self.process.start()
        far.close()
        self.given: dict[int, _Given] = {}

    def may_take(self, task: Task) -> bool:
        """Whether a task may be done beside those that it has: one at a time of stages that do not wait."""
        if not self.given:
            return True
        stages = [each.task.stage for each in self.given.values()] + [task.stage]
        busy = sum(stage.at_once == 1 for stage in stages)
        return busy <= 1 and len(stages) <= max(stage.at_once for stage in stages)


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
        self._furthest: dict[tuple[int, str], int] = {}  # rows that units whose worker died had come to

    def __enter__(self) -> LocalExecutor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def submit(self, task: Task) -> None:
        self._queue(task, 1)

    def _queue(self, task: Task, attempt: int) -> None:
        heapq.heappush(self._waiting, (-task.number, next(self._order), attempt, task))

    def results(self) -> Iterator[Result]:
        while self._waiting or any(worker.given for worker in self._workers):
            self._hand_out()
            busy = [worker for worker in self._workers if worker.given]
            ready = wait([worker.pipe for worker in busy] + [worker.process.sentinel for worker in busy])
            for worker in busy:
                if worker.pipe in ready or worker.process.sentinel in ready:
                    yield from self._news(worker)

    def _hand_out(self) -> None:
        while self._waiting:
            following = self._waiting[0][3]
            free = [worker for worker in self._workers if worker.may_take(following)]
            idle = next((worker for worker in free if not worker.given), None)
            if idle is None and len(self._workers) < self._most:
                self._workers.append(idle := _Worker(self._context))
            if idle is None and not free:
                return
            self._give(idle or min(free, key=lambda worker: len(worker.given)))

    def _give(self, worker: _Worker) -> None:
        _, number, attempt, task = heapq.heappop(self._waiting)
        worker.given[number] = _Given(task, attempt)
        with contextlib.suppress(OSError):  # a dead worker is noticed by its sentinel
            worker.pipe.send((number, task))

    def _news(self, worker: _Worker) -> Iterator[Result]:
        try:
            while worker.pipe.poll():
                number, message = worker.pipe.recv()
                if isinstance(message, tuple):
                    worker.given[number].seen = message[0]
                    yield Told(worker.given[number].task, *message)
                    continue
                task = worker.given.pop(number).task
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
        for given in worker.given.values():
            yield self._lost(given, worker.process.exitcode)

    def _lost(self, given: _Given, code: int | None) -> Result:
        """A worker died with this task: it is done again, unless it has been tried often enough and came no further."""
        task, attempt = given.task, given.attempt
        place = (task.number, task.unit)
        if given.seen > self._furthest.get(place, 0):
            self._furthest[place], attempt = given.seen, 0
        if attempt < ATTEMPTS:
            self._queue(task, attempt + 1)
            return Lost(task, attempt, code)
        what = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        error = VlcorpusError(
            f"{task.stage.name} {task.unit}: the worker died {ATTEMPTS} times ({what})",
            "is there enough memory? try --workers 1",
        )
        return Failed(task, error)

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
    _keep_memory()
    _spare_pandas()
    gc.set_threshold(*_GC_THRESHOLDS)
    opened = _Opened()
    send = _sender(pipe)
    while True:
        try:
            number, task = pipe.recv()
        except (EOFError, OSError):
            return
        # Always in a thread, for this one must hear of what may be done beside it.
        threading.Thread(target=_do, args=(opened, number, task, send), daemon=True).start()


class _Opened:
    """What stages opened, kept for their next units."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[tuple[Stage, Corpus], Work] = {}

    def work(self, task: Task) -> Work:
        place = (task.stage, task.corpus)
        with self._lock:
            if place not in self._kept:
                if len(self._kept) >= KEPT_OPEN:
                    del self._kept[next(iter(self._kept))]
                self._kept[place] = task.stage.open(task.corpus)
                gc.collect()
                gc.freeze()  # what was loaded is no garbage, and need not be looked through again and again
            return self._kept[place]


Send = Callable[[int, Any], None]


def _sender(pipe: Connection) -> Send:
    lock = threading.Lock()

    def send(number: int, message: Any) -> None:
        with lock, contextlib.suppress(BrokenPipeError):  # the parent has ended, and this process with it
            pipe.send((number, message))

    return send


def _do(opened: _Opened, number: int, task: Task, send: Send) -> None:
    try:
        opened.work(task)(task.unit, _teller(number, send))
        send(number, None)
    except VlcorpusError as error:
        send(number, [error])
    except Exception as error:  # the worker's last line of defence: a bug fails its unit, not the run
        bug = VlcorpusError(f"{task.stage.name} {task.unit}: {type(error).__name__}: {error}", "this is a bug")
        send(number, [bug, traceback.format_exc()])


def _teller(number: int, send: Send) -> Tell:
    last = 0.0

    def tell(seen: int, kept: int, about: Callable[[], dict[str, dict[str, int]]] | None = None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= TELL_SECONDS:
            last = now
            send(number, (seen, kept, about() if about is not None else {}))

    return tell


def _keep_memory() -> None:
    """Let glibc keep what is freed for what comes next, in one heap for all threads. Else each picture's pixels are got
    from the system page by page and given back at once: two of six milliseconds that a picture takes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in ((_MMAP_THRESHOLD, 32 << 20), (_TRIM_THRESHOLD, 256 << 20), (_ARENA_MAX, 1)):
            mallopt(option, value)


def _spare_pandas() -> None:
    """pyarrow asks of the first list that it is given whether it is a Series, and loads pandas to know. Where none was
    loaded before, none can be; what needs pandas later loads it then."""
    import pyarrow

    if "pandas" not in sys.modules:
        finder = _NoPandas()
        sys.meta_path.insert(0, finder)
        pyarrow.array([None])
        sys.meta_path.remove(finder)


class _NoPandas(MetaPathFinder):
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


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
