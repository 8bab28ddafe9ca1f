"""Executing a plan, unit by unit: what is ready runs, only reductions wait.

    for event in run(plan, executor): show(event)

Shard k is embedded while shard k+1 downloads. A failed unit holds back only what needs it; the run goes on and
ends with ShardsFailed.

    stop = Stop()
    signal.signal(signal.SIGTERM, lambda *_: (stop.ask(), executor.stop()))
    for event in run(plan, executor, stop=stop): show(event)

ends soon after the signal: nothing more is begun, and what is under way is kept as far as it came.

A plan for one of several parts (plan.part) ends where it would have to wait for the others, or waits for them (wait).
"""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator
from pathlib import Path

from ..errors import ShardsFailed, VlcorpusError
from ..io import attempt
from .events import Event, Log, event
from .executor import Done, Executor, Failed, Halted, Lost, Result, Told
from .marks import DONE, FAILED
from .plan import Plan, Step
from .walk import Walk

FIRST_LOOK, LAST_LOOK, GROWTH = 0.2, 5.0, 1.5  # seconds between two looks at what other parts have come to

__all__ = ["Event", "Stop", "run"]


class Stop:
    """Asks a run to end; safe in a signal handler."""

    def __init__(self) -> None:
        self.asked = False
        self._reader, self._writer = os.pipe()

    def ask(self) -> None:
        self.asked = True
        with contextlib.suppress(OSError):  # the run has ended
            os.write(self._writer, b"x")

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until it is asked."""
        select.select([self._reader], [], [], seconds)

    def close(self) -> None:
        for fd in (self._reader, self._writer):
            with contextlib.suppress(OSError):
                os.close(fd)


def run(
    plan: Plan, executor: Executor, *, log: Path | None = None, stop: Stop | None = None, wait: bool = False
) -> Iterator[Event]:
    """Do what is to do. Yields events as they happen; raises at the end if any unit failed.

    One failed unit in all raises its own error; failures beside committed units raise ShardsFailed. A run that was
    asked to stop just ends. wait: for other parts, where what they do is needed; else the run ends there.
    """
    own_stop = stop or Stop()
    trail = Log(log, plan.corpus.path)
    running = _Run(plan, executor, own_stop, wait=wait)
    try:
        yield from map(trail.note, running.events())
    finally:
        trail.close()
        running.walk.close()
        if stop is None:
            own_stop.close()
    if running.error is not None and not own_stop.asked:
        raise running.verdict()


class _Run:
    """The loop: results become events, and events let further units start."""

    def __init__(self, plan: Plan, executor: Executor, stop: Stop, *, wait: bool) -> None:
        self._plan, self._executor, self._stop, self._wait = plan, executor, stop, wait
        self._told: set[int] = set()
        self.walk = Walk(plan, executor)
        self.error: VlcorpusError | None = None

    def events(self) -> Iterator[Event]:
        yield from self.walk.begin()
        pause = FIRST_LOOK
        while True:
            if self.walk.under_way:
                pause = FIRST_LOOK
            for result in self._executor.results():
                yield from self._told_by(result)
                self._end_if_asked()
            if self._end_if_asked() or not self.walk.waiting():
                return
            yield from self.walk.look()
            if self.walk.under_way or not (held_up := self.walk.waiting()):
                continue
            for own, words in held_up:
                if own.number not in self._told:
                    self._told.add(own.number)
                    yield event("waiting", own.step, message=f"{own.step.stage.name} {words}")
            if not self._wait or self.error is not None:
                return
            self._stop.wait(pause)
            pause = min(GROWTH * pause, LAST_LOOK)

    def _end_if_asked(self) -> bool:
        if attempt.stopping.is_set() and not self._stop.asked:  # asked by what keeps the corpus' lease
            self._stop.ask()
            self._executor.stop()
        self.walk.ended = self._stop.asked
        return self._stop.asked

    def _told_by(self, result: Result) -> Iterator[Event]:
        task, walk = result.task, self.walk
        step = walk.owner(task).step
        if isinstance(result, Told):
            about = {"seen": result.seen, "kept": result.kept, "about": result.about, "node": result.node}
            yield event("progress", step, task.unit, **about)
        elif isinstance(result, Lost):
            code = "" if result.exit_code is None else f" (exit code {result.exit_code})"
            message = f"its worker died{code}; it is done again"
            yield event("lost", step, task.unit, message=message, node=result.node)
        elif isinstance(result, Failed):
            said = {"message": result.error.message, "hint": result.error.hint, "trace": result.trace}
            self.error = self.error or result.error
            yield event("failed", step, task.unit, **said)
            yield from walk.failed(task)
        elif isinstance(result, Halted):
            walk.halted(task)
            yield event("halted", step, task.unit)
        elif isinstance(result, Done):
            yield _committed(step, self._plan, task.unit, result.node)
            yield from walk.finished(task)

    def verdict(self) -> VlcorpusError:
        assert self.error is not None
        failed = sum(own.marks.count(FAILED) for own in self.walk.steps)
        if failed == 1 and not any(own.marks.count(DONE) for own in self.walk.steps if own.marks.count(FAILED)):
            return self.error
        return ShardsFailed(f"{failed} units failed; first: {self.error.message}", self.error.hint or "run it again")


def _committed(step: Step, plan: Plan, unit: str, node: str) -> Event:
    layer = step.stage.layer(plan.corpus)
    layer.noticed(unit)
    stats = layer.stats(unit) or {}
    counts = {name: stats.get(name, 0) for name in ("seen", "kept")}
    waited = {name: round(1000 * stats.get(f"{name}_waited", 0)) for name in ("device", "loader")}
    about = {"waits": {**waited, "images": stats["images"]}} if "images" in stats else {}
    return event("committed", step, unit, rejected=stats.get("rejected", {}), about=about, node=node, **counts)
