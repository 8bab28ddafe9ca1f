"""A worker's life, the same behind a pipe and in an actor of Ray's.

    life = Life(send)                 send(number, message): to the driver, from any thread
    life.hear(7, Give(task))          it begins; other messages go to the unit that they are for

What stages opened is kept for their next units. Each unit has a thread of its own, for the one that hears must know of
what may be done beside it. A reduction that shares its parts out (stages.sharing) has the driver's crew do them, some
for each worker at a time, so that neither results nor requests pile up.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import itertools
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from importlib.abc import MetaPathFinder
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from ..corpus import Corpus
from ..errors import VlcorpusError
from ..io import attempt
from ..stages.base import Stage, Tell, Work
from ..stages.sharing import lent
from .messages import Answer, Asks, Drops, Ended, Gave, Give, Lends, Piece, Says, Stop
from .tasks import Task

KEPT_OPEN = 4  # stages a worker keeps loaded (models, connections)
TELL_SECONDS = 0.2
PIECES = 3  # that a reduction asks for at a time, for each worker there is
LEAST_PIECES = 16
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_GC_THRESHOLDS = (100_000, 50, 50)  # rows and bodies are no cycles; looking for such took a twentieth of the time
_MMAP_THRESHOLD, _TRIM_THRESHOLD, _ARENA_MAX = -3, -1, -8  # of glibc's malloc.h

Send = Callable[[int, Any], None]


def serve(pipe: Connection, parent: int) -> None:
    """Life behind a pipe: until it closes."""
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare()
    life = Life(_sender(pipe))
    # Schedulers send it to every process of a job: what the driver would say then, this one has heard already.
    signal.signal(signal.SIGTERM, lambda *_: life.hear(-1, Stop()))
    while True:
        try:
            number, message = pipe.recv()
        except (EOFError, OSError):
            return
        life.hear(number, message)


def prepare() -> None:
    """Make this process one that does units."""
    _keep_memory()
    _spare_pandas()
    gc.set_threshold(*_GC_THRESHOLDS)


class Life:
    """What this process has under way."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._opened = Opened()
        # Where a unit's thread waits for answers (by its number) and for pieces (by its number and share).
        self._answers: dict[int, SimpleQueue[bool]] = {}
        self._pieces: dict[tuple[int, int], SimpleQueue[Gave | None]] = {}

    def hear(self, number: int, message: Any) -> None:
        if isinstance(message, Give):
            threading.Thread(target=self._do, args=(number, message), daemon=True).start()
        elif isinstance(message, Answer):
            self._answers[number].put(message.granted)
        elif isinstance(message, Gave):
            waits = self._pieces.get((number, message.share))
            if waits is not None:  # else the share was dropped
                waits.put(message)
        elif isinstance(message, Stop):
            attempt.stopping.set()
            for waits in list(self._pieces.values()):
                waits.put(None)

    def _do(self, number: int, give: Give) -> None:
        job = give.job
        try:
            if isinstance(job, Piece):
                with job.corpus.at_work():
                    value = getattr(job.stage, job.does)(job.corpus, job.argument)
                self._send(number, Ended(value=value))
                return
            with contextlib.ExitStack() as stack:
                stack.enter_context(job.corpus.at_work())
                if give.asks:
                    own = attempt.Attempt(copy=give.copy, contested=True, claim=functools.partial(self._claim, number))
                    self._answers[number] = SimpleQueue()
                    stack.callback(self._answers.pop, number)
                    stack.enter_context(attempt.as_(own))
                if give.crew > 1:
                    stack.enter_context(lent(functools.partial(self._lend, number, itertools.count(), give.crew)))
                self._opened.work(job)(job.unit, teller(functools.partial(self._send, number)))
            self._send(number, Ended())
        except attempt.Superseded:
            self._send(number, Ended("superseded"))
        except attempt.Stopped:
            self._send(number, Ended("halted"))
        except Exception as error:
            self._send(number, explained(job, error))

    def _claim(self, number: int) -> bool:
        self._send(number, Asks())
        return self._answers[number].get()

    def _lend(
        self, number: int, shares: Iterator[int], crew: int, stage: Stage, corpus: Corpus, does: str, of: Sequence[Any]
    ) -> Iterator[Any]:
        """Results of the pieces in their order; as many are asked for as keep the crew busy, one more for each that
        was taken."""
        share = next(shares)
        waits = self._pieces[number, share] = SimpleQueue()
        early: dict[int, Any] = {}
        try:
            asked = min(len(of), max(LEAST_PIECES, PIECES * crew))
            self._send(number, Lends(share, stage, corpus, does, list(enumerate(of[:asked]))))
            for place in range(len(of)):
                while place not in early:
                    if attempt.stopping.is_set() or (gave := waits.get()) is None:
                        raise attempt.Stopped
                    if gave.error is not None:
                        raise gave.error from (_Trace(gave.trace) if gave.trace else None)
                    early[gave.place] = gave.value
                if asked < len(of):
                    self._send(number, Lends(share, stage, corpus, does, [(asked, of[asked])]))
                    asked += 1
                yield early.pop(place)
        finally:
            del self._pieces[number, share]
            self._send(number, Drops(share))


class Opened:
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


class _Trace(Exception):
    """Where another worker's bug lies."""


def explained(job: Task | Piece, error: Exception) -> Ended:
    """The worker's last line of defence: a bug fails its unit, not the run."""
    if isinstance(error, VlcorpusError):
        cause = error.__cause__
        return Ended("failed", error, str(cause) if isinstance(cause, _Trace) else "")
    what = f"{job.stage.name} {job.unit if isinstance(job, Task) else job.does}"
    bug = VlcorpusError(f"{what}: {type(error).__name__}: {error}", "this is a bug")
    return Ended("failed", bug, "".join(traceback.format_exception(error)))


def unread(error: Exception) -> Ended:
    """A message that could not be read here."""
    what = f"a worker cannot read what it is to do ({type(error).__name__}: {error})"
    return Ended("failed", VlcorpusError(what, "the same vlcorpus and stages must be installed on every machine"))


def _sender(pipe: Connection) -> Send:
    lock = threading.Lock()

    def send(number: int, message: Any) -> None:
        with lock, contextlib.suppress(BrokenPipeError):  # the parent has ended, and this process with it
            pipe.send((number, message))

    return send


def teller(say: Callable[[Says], None]) -> Tell:
    """What a unit tells its progress by; Stopped where this process is asked to end."""
    last = 0.0

    def tell(seen: int, kept: int, about: Callable[[], dict[str, dict[str, int]]] | None = None) -> None:
        nonlocal last
        attempt.end_if_asked()
        now = time.monotonic()
        if now - last >= TELL_SECONDS:
            last = now
            say(Says(seen, kept, about() if about is not None else {}))

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
