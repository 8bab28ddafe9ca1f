"""Small real stages for tests of executors: they wait for one another through FIFOs, so no test needs to sleep.

Gather      a reduction in pieces; two pieces meet, a piece may fail or kill its worker
Lag         one unit's first attempt blocks; After releases it once a copy has committed, and hears what became of it
Hold        each unit waits for a byte of the test's
Linger      a unit that goes on until the process is asked to end, and ends in one of two ways
Where       what a worker has: its GPUs and threads
"""

from __future__ import annotations

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlcorpus.corpus import Corpus
from vlcorpus.errors import VlcorpusError
from vlcorpus.io import attempt
from vlcorpus.spec import setting
from vlcorpus.stages.base import Needs, Stage, Tell, Work
from vlcorpus.stages.sharing import share


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def die_once(corpus: Corpus, name: str) -> None:
    """Kill this process, unless one was killed at this before."""
    try:
        (corpus.path / f"grave-{name}").touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True, kw_only=True)
class Gather(Stage):
    """Squares of numbers, each by a piece; the file says which process did it."""

    name = "gather"
    makes = "gathered"
    needs = ("seeds",)

    count: int = setting(40, help="Pieces.")
    meet: str | None = setting(None, help="A FIFO at which the first two pieces meet.")
    die: bool = setting(False, help="Whether a piece kills its worker, where that is not the reduction's.")
    die_with: bool = setting(False, help="Whether a piece kills the reduction's worker.")
    deadly: int | None = setting(None, help="A piece that kills every worker but the reduction's.")
    fail_at: int | None = setting(None, help="A piece that fails.")
    bug_at: int | None = setting(None, help="A piece with a bug.")

    def open(self, corpus: Corpus) -> Work:
        def gather(unit: str, tell: Tell) -> None:
            tell(1, 0)
            found = list(share(self, corpus, "square", [(number, os.getpid()) for number in range(self.count)]))
            with self.commit(corpus, unit) as commit:
                commit.write("pids.json", json.dumps([os.getpid(), [pid for _, pid in found]]).encode())
                commit.write("squares.json", json.dumps([square for square, _ in found]).encode())
                commit.finish(seen=self.count, kept=self.count)

        return gather

    def square(self, corpus: Corpus, argument: Any) -> tuple[int, int]:
        number, coordinator = argument
        own = os.getpid() == coordinator
        if self.meet is not None and number < 2 and not (corpus.path / "grave-piece").exists():
            # Opening either end waits for the other one: both pieces are under way at the same time.
            os.close(os.open(self.meet, os.O_WRONLY if number else os.O_RDONLY))
        if self.die and not own:
            die_once(corpus, "piece")
        if self.die_with and own:
            die_once(corpus, "piece")
        if self.deadly == number and not own:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fail_at == number:
            raise VlcorpusError(f"{number} is no number", "take another")
        if self.bug_at == number:
            raise ZeroDivisionError("a bug in a piece")
        return number * number, os.getpid()


@dataclass(frozen=True, kw_only=True)
class Lag(Stage):
    """The unit `at`, when it is done for the first time, waits at a FIFO before it commits."""

    name = "lag"
    makes = "lagging"
    follows = "seeds"

    at: str = setting("00003", help="Which unit.", result=False)
    release: str = setting(help="FIFO that lets it go on.", result=False)
    told: str = setting(help="FIFO to which it tells what became of it.", result=False)
    die: bool = setting(False, help="Whether the first copy dies when it may commit.", result=False)

    def open(self, corpus: Corpus) -> Work:
        def lag(unit: str, tell: Tell) -> None:
            first = unit == self.at and not attempt.current().copy
            if first:
                os.close(os.open(self.release, os.O_RDONLY))
            elif self.die and unit == self.at:
                attempt.claim()
                die_once(corpus, "copy")
            try:
                with self.commit(corpus, unit) as commit:
                    commit.write(f"{unit}.txt", unit.encode())
                    commit.finish(seen=1, kept=1, copy=attempt.current().copy)
            except attempt.Superseded:
                Path(self.told).write_text("superseded")
                raise
            if first:
                Path(self.told).write_text("committed")

        return lag


@dataclass(frozen=True, kw_only=True)
class After(Stage):
    """After the unit `at` of Lag is committed, its first attempt is let go, and heard."""

    name = "after"
    makes = "heard"
    follows = "lagging"

    at: str = setting("00003", help="Which unit.", result=False)
    release: str = setting(help="FIFO that lets it go on.", result=False)
    told: str = setting(help="FIFO from which to hear.", result=False)

    def open(self, corpus: Corpus) -> Work:
        def after(unit: str, tell: Tell) -> None:
            heard = ""
            if unit == self.at:
                os.close(os.open(self.release, os.O_WRONLY))
                heard = Path(self.told).read_text()
            with self.commit(corpus, unit) as commit:
                commit.finish(seen=1, kept=1, heard=heard)

        return after


@dataclass(frozen=True, kw_only=True)
class Hold(Stage):
    """Each unit tells that it is there, and waits for one byte."""

    name = "hold"
    makes = "held"
    follows = "seeds"
    copies = False

    gate: str = setting(help="FIFO to wait at.", result=False)

    def open(self, corpus: Corpus) -> Work:
        def hold(unit: str, tell: Tell) -> None:
            tell(1, 0)
            with open(self.gate, "rb", buffering=0) as gate:
                assert gate.read(1)
            with self.commit(corpus, unit) as commit:
                commit.write(f"{unit}.txt", unit.encode())
                commit.finish(seen=1, kept=1)

        return hold


@dataclass(frozen=True, kw_only=True)
class Linger(Stage):
    """Goes on until it is asked to end; a stubborn one for ever."""

    name = "linger"
    makes = "lingering"
    follows = "seeds"

    stubborn: bool = setting(False, help="Whether it goes on all the same.")
    begun: str | None = setting(None, help="FIFO that somebody opens to hear that it is under way.")

    def open(self, corpus: Corpus) -> Work:
        def linger(unit: str, tell: Tell) -> None:
            tell(1, 0)
            if self.begun is not None:
                os.close(os.open(self.begun, os.O_WRONLY))
            if self.stubborn:
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
                signal.sigwait({signal.SIGUSR1})
            attempt.stopping.wait()
            tell(2, 0)

        return linger


@dataclass(frozen=True, kw_only=True)
class Where(Stage):
    """What the worker of each unit has."""

    name = "where"
    makes = "places"
    follows = "seeds"

    gpu: bool = setting(False, help="Whether it wants a GPU.")

    def takes(self) -> Needs:
        return Needs(gpus=int(self.gpu))

    def open(self, corpus: Corpus) -> Work:
        def where(unit: str, tell: Tell) -> None:
            with self.commit(corpus, unit) as commit:
                about = {name: os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")}
                commit.finish(seen=1, kept=1, about=about, pid=os.getpid())

        return where
