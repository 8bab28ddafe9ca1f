"""RayExecutor: workers are actors of Ray's, one for each CPU and GPU of the cluster.

    with RayExecutor("auto") as executor:             # or "10.0.0.1:6379"; None starts a Ray on this machine
        for event in run(plan, executor): ...

An actor lives as a local worker does (pipeline.worker), and dies with the driver. The driver has one question open at
each, `news`, which is answered when there is any: messages take milliseconds, and a dead actor or machine is noticed as
a broken pipe is. Actors are bound to machines, so that those that come later get theirs. Where the cluster has GPUs,
stages that want one (`Stage.takes`) go to actors with one, and the others to the rest.

The same Python, vlcorpus and paths (or a corpus behind a URL) are needed on every machine: actors say what they have
before they are given anything. Cost: a second or two to start an actor, 1 ms to 5 ms a task. Not for one machine:
LocalExecutor does the same there with less.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import math
import os
import pickle
import platform
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .. import __version__
from ..errors import UsageError, VlcorpusError
from .crew import Crew
from .messages import Piece
from .roster import Worker
from .tasks import Result, Task
from .worker import THREADS

LOOK_SECONDS = 2.0  # between two looks at what the cluster has
NEWS_SECONDS = 20.0  # that an actor waits for something to say
REACH_SECONDS = 10.0  # to connect
STARTS = 3  # that may fail in a row on a machine before it is given up
_STORE_BYTES = 100 << 20  # of Ray's object store, which is not used
_AT_ONCE = 8  # calls of an actor's that may run beside one another: one `news`, and what it hears
_HINT = "is that the address of a running cluster, and are Ray and Python of the same version there?"


def _actor() -> type:
    """The class of the actors. Made here, so that Ray sends its code: a machine without vlcorpus can still say so."""

    class VlcorpusWorker:
        def about(self) -> dict[str, Any]:
            """What this machine has; from now on it hears."""
            import pickle
            import platform
            import queue

            about: dict[str, Any] = {"python": platform.python_version()}
            try:
                import vlcorpus
                from vlcorpus.pipeline.worker import Life, prepare, unread
            except ImportError as error:
                return about | {"error": str(error)}
            prepare()
            said: Any = queue.SimpleQueue()
            # Pickled by the thread that says it: what cannot be sent is that unit's failure.
            self.life = Life(lambda number, message: said.put(pickle.dumps((number, message))))
            self.said, self.unread = said, unread
            return about | {"vlcorpus": vlcorpus.__version__}

        def hear(self, number: int, message: bytes) -> None:
            import pickle

            try:
                heard = pickle.loads(message)
            except Exception as error:  # of a stage that this machine does not know
                self.said.put(pickle.dumps((number, self.unread(error))))
            else:
                self.life.hear(number, heard)

        def news(self, seconds: float) -> list[bytes]:
            """Waits for some."""
            import queue

            found: list[bytes] = []
            try:
                found.append(self.said.get(timeout=seconds))
                while True:
                    found.append(self.said.get_nowait())
            except queue.Empty:
                return found

    return VlcorpusWorker


@dataclass(frozen=True)
class Machine:
    """A machine of the cluster. name: for people."""

    id: str
    name: str
    cpus: int
    gpus: int


class RayWorker(Worker):
    """An actor. It is ready when it has said what its machine has."""

    def __init__(self, ray: Any, node: Machine, gpu: bool, actor: Any) -> None:
        super().__init__()
        self._ray, self._actor = ray, actor
        self.gpu, self.node, self.place = gpu, node.name, node.id
        self.ready = False
        self.question = actor.about.remote()
        self._dead: str | None = None

    def send(self, number: int, message: Any) -> None:
        self._actor.hear.remote(number, pickle.dumps(message))

    def news(self) -> Iterator[tuple[int, Any]]:
        said = self._answer()
        if said is not None:
            self.question = self._actor.news.remote(NEWS_SECONDS)
            if self.ready:
                yield from map(pickle.loads, said)
            else:
                _compare(said, self.node)
                self.ready = True

    def _answer(self) -> Any:
        try:
            return self._ray.get(self.question)
        except self._ray.exceptions.RayError as error:
            self._dead = str(error)
            return None

    def alive(self) -> bool:
        return self._dead is None

    def why(self) -> str:
        return (self._dead or "").strip().rpartition("\n")[2]

    def end(self) -> None:
        with contextlib.suppress(Exception):  # it is dead, or Ray is
            self._ray.kill(self._actor)


class RayExecutor(Crew):
    """Actors on the cluster at `address`, or where the variable RAY_ADDRESS says, or on a Ray of this machine's own.

    workers: at most so many without a GPU; all CPUs if not given. A process that is connected to Ray already stays so.
    """

    copies = True

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        super().__init__()
        self._ray = _ray()
        self._own = not self._ray.is_initialized()
        if self._own:
            _connect(self._ray, address or os.environ.get("RAY_ADDRESS") or None, workers)
        self._limit = workers
        self._looked = -math.inf
        self._nodes: list[Machine] = []
        self._failed: Counter[str] = Counter()  # starts in a row, by machine
        self._last = ""
        self._class = _actor()
        self._look()

    def machines(self) -> tuple[Machine, ...]:
        """Those that the cluster has now, or had some moments ago."""
        self._look()
        return tuple(self._nodes)

    def _look(self) -> None:
        if time.monotonic() - self._looked >= LOOK_SECONDS:
            self._nodes = _nodes(self._ray)
            self._looked = time.monotonic()

    @property
    def slots(self) -> int:
        self._look()
        cpus = sum(node.cpus for node in self._nodes)
        cpus = cpus if self._limit is None else min(cpus, self._limit)
        return max(1, cpus) + sum(node.gpus for node in self._nodes)

    def _wants_gpu(self, job: Task | Piece) -> bool:
        return isinstance(job, Task) and job.stage.takes().gpus > 0 and any(node.gpus for node in self._nodes)

    def _start(self, gpu: bool) -> RayWorker | None:
        self._look()
        here = [worker for worker in self._workers if isinstance(worker, RayWorker) and worker.gpu == gpu]
        if not gpu and self._limit is not None and len(here) >= self._limit:
            return None
        used = Counter(worker.place for worker in here)
        free = {node: (node.gpus if gpu else node.cpus) - used[node.id] for node in self._nodes}
        free = {node: count for node, count in free.items() if count > 0}
        good = [node for node in free if self._failed[node.id] < STARTS]
        if not good:
            if free and not here:
                raise VlcorpusError(f"workers do not start on Ray ({self._last})", "see Ray's logs on that machine")
            return None
        node = max(good, key=free.__getitem__)
        options = {
            "num_cpus": 0 if gpu else 1,  # a GPU's must not wait for a CPU that the others have
            "num_gpus": int(gpu),
            "max_concurrency": _AT_ONCE,
            "max_restarts": 0,
            "scheduling_strategy": _bound_to(node.id),
            "runtime_env": {"env_vars": {name: os.environ.get(name, "1") for name in THREADS}},
        }
        return RayWorker(self._ray, node, gpu, self._ray.remote(self._class).options(**options).remote())

    def _wait(self, workers: Sequence[Worker], seconds: float) -> Sequence[Worker]:
        asked = {worker.question: worker for worker in workers if isinstance(worker, RayWorker)}
        if not asked:
            time.sleep(seconds)  # a cluster without machines
            return []
        ready, _ = self._ray.wait(list(asked), num_returns=1, timeout=seconds)
        if ready:
            ready, _ = self._ray.wait(list(asked), num_returns=len(asked), timeout=0)
        return [asked[question] for question in ready]

    def _news(self, worker: Worker) -> Iterator[Result]:
        assert isinstance(worker, RayWorker)
        new = not worker.ready
        yield from super()._news(worker)
        if new and worker.ready:
            self._failed[worker.place] = 0
        elif new:
            self._failed[worker.place] += 1
            self._last = worker.why()

    def close(self) -> None:
        super().close()
        if self._own and self._ray.is_initialized():
            self._ray.shutdown()


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray = importlib.import_module("ray")
    except ImportError:
        raise UsageError("Ray is not installed", "pip install 'vlcorpus[ray]'") from None
    return ray


def _connect(ray: Any, address: str | None, workers: int | None) -> None:
    """Quietly, and with signals left as they are."""
    heeded = signal.getsignal(signal.SIGTERM)
    about: dict[str, Any] = {"address": address}
    if address is None:
        cpus = workers or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        about = {"address": "local", "num_cpus": cpus, "include_dashboard": False, "object_store_memory": _STORE_BYTES}
    else:
        _reach(address)
    try:
        ray.init(**about, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        lines = str(error).strip().splitlines()
        raise UsageError(
            f"cannot use Ray at {address or 'this machine'}: {lines[0] if lines else type(error).__name__}", _HINT
        ) from error
    finally:
        if heeded is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, heeded)
    with contextlib.suppress(ImportError, AttributeError):
        # Ray prints what befalls machines on our standard output; we say it in our own words.
        ray._private.worker.print_to_stdstream = lambda *line, **how: None


def _reach(address: str) -> None:
    """UsageError where nothing listens: Ray itself tries for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), REACH_SECONDS).close()
        except (OSError, OverflowError) as error:
            raise UsageError(f"cannot use Ray at {address}: {getattr(error, 'strerror', '') or error}", _HINT) from None


def _nodes(ray: Any) -> list[Machine]:
    alive = [node for node in ray.nodes() if node["Alive"]]
    hosts = Counter(node["NodeManagerHostname"] for node in alive)
    found = []
    for node in alive:
        host, has = node["NodeManagerHostname"], node["Resources"]
        name = host if hosts[host] == 1 else f"{host}-{node['NodeID'][:6]}"
        found.append(Machine(node["NodeID"], name, int(has.get("CPU", 0)), int(has.get("GPU", 0))))
    return found


def _bound_to(node: str) -> Any:
    strategies = importlib.import_module("ray.util.scheduling_strategies")
    return strategies.NodeAffinitySchedulingStrategy(node, soft=False)


def _compare(about: dict[str, Any], node: str) -> None:
    """UsageError where a machine has not what this one has."""
    hint = "install the same vlcorpus, in the same Python, on every machine of the cluster"
    if "error" in about:
        raise UsageError(f"{node} cannot load vlcorpus ({about['error']})", hint)
    own = platform.python_version()
    if about["python"].split(".")[:2] != own.split(".")[:2]:
        raise UsageError(f"{node} has Python {about['python']}, and this machine {own}", hint)
    if about["vlcorpus"] != __version__:
        raise UsageError(f"{node} has vlcorpus {about['vlcorpus']}, and this machine {__version__}", hint)
