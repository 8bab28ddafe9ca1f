"""Executing a plan, unit by unit: what is ready runs, only reductions wait.

    for event in run(plan, executor): show(event)

Shard k is embedded while shard k+1 downloads. A failed unit holds back only what needs it; the run goes on and
ends with ShardsFailed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ShardsFailed, VlcorpusError
from .executor import Done, Executor, Failed, Lost, Task, Told
from .plan import Plan, Step, state


@dataclass(frozen=True)
class Event:
    """What happened: `planned`, `started`, `progress`, `committed`, `unchanged`, `lost`, `failed` or `whole`."""

    kind: str
    stage: str
    layer: str
    unit: str = ""
    seen: int = 0
    kept: int = 0
    about: dict[str, dict[str, int]] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    message: str = ""
    hint: str = ""
    trace: str = ""
    todo: int = 0


@dataclass
class _Progress:
    """What a run knows of one step. It opens when everything upstream is whole; until then nothing of it may start."""

    number: int
    step: Step
    followers: list[_Progress] = field(default_factory=list)
    dependents: list[_Progress] = field(default_factory=list)
    opened: bool = False
    running: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    whole: bool = False


def run(plan: Plan, executor: Executor, *, log: Path | None = None) -> Iterator[Event]:
    """Do what is to do. Yields events as they happen; raises at the end if any unit failed.

    One failed unit in all raises its own error; failures beside committed units raise ShardsFailed.
    """
    trail = _Log(log, plan.corpus.path)
    errors: list[VlcorpusError] = []
    walk = _Walk(plan, executor)
    try:
        yield from map(trail.note, walk.begin())
        for result in executor.results():
            task = result.task
            own = walk.owner(task)
            if isinstance(result, Told):
                about = {"seen": result.seen, "kept": result.kept, "about": result.about}
                yield _event("progress", own.step, task.unit, **about)
            elif isinstance(result, Lost):
                message = f"its worker died (exit code {result.exit_code}); it is done again"
                yield trail.note(_event("lost", own.step, task.unit, message=message))
            elif isinstance(result, Failed):
                own.running.discard(task.unit)
                own.failed.add(task.unit)
                errors.append(result.error)
                said = {"message": result.error.message, "hint": result.error.hint, "trace": result.trace}
                yield trail.note(_event("failed", own.step, task.unit, **said))
            elif isinstance(result, Done):
                own.running.discard(task.unit)
                yield trail.note(_committed(own.step, plan, task.unit))
                yield from map(trail.note, walk.finished(own, task.unit))
    finally:
        trail.close()
    if errors:
        raise _verdict(errors, walk.steps)


class _Walk:
    """Which units may start, as others are committed. Each unit is looked at once."""

    def __init__(self, plan: Plan, executor: Executor) -> None:
        self._plan, self._executor = plan, executor
        self.steps = [_Progress(number, step) for number, step in enumerate(plan.steps)]
        for own in self.steps:
            if own.step.followed is not None:
                self.steps[own.step.followed].followers.append(own)
            for number in own.step.upstream:
                self.steps[number].dependents.append(own)

    def owner(self, task: Task) -> _Progress:
        return self.steps[task.number]

    def begin(self) -> Iterator[Event]:
        for own in self.steps:
            yield from self._open(own)

    def finished(self, own: _Progress, unit: str) -> Iterator[Event]:
        """A unit is committed: its followers may start, and perhaps the step is whole."""
        own.done.add(unit)
        for follower in own.followers:
            if follower.opened:
                yield from self._offer(follower, unit)
        yield from self._close(own)

    def _open(self, own: _Progress) -> Iterator[Event]:
        if own.opened or not all(self.steps[number].whole for number in own.step.upstream):
            return
        followed = None if own.step.followed is None else self.steps[own.step.followed]
        # Until something of it is done, the layer that is followed may not have a name yet (embeddings/<model>).
        units = own.step.stage.units(self._plan.corpus) if followed is None or followed.done else ()
        for unit in units:
            if followed is None or unit in followed.done:
                yield from self._offer(own, unit)
        own.opened = True  # only now: a step whose first unit is done already is not whole yet
        yield from self._close(own)

    def _offer(self, own: _Progress, unit: str) -> Iterator[Event]:
        if state(own.step.stage, self._plan.corpus, unit) == "done":
            own.step.stage.tidy(self._plan.corpus, unit)
            yield _event("unchanged", own.step, unit)
            yield from self.finished(own, unit)
            return
        own.running.add(unit)
        yield _event("started", own.step, unit)
        self._executor.submit(Task(own.step.stage, self._plan.corpus, unit, own.number))

    def _close(self, own: _Progress) -> Iterator[Event]:
        """Note that a step is whole, once: nothing of it runs, failed or can still come."""
        followed = own.step.followed
        may_come = followed is not None and not self.steps[followed].whole
        if own.whole or not own.opened or own.running or own.failed or may_come:
            return
        if followed is not None and not self.steps[followed].done <= own.done:
            return
        own.whole = True
        yield _event("whole", own.step)
        for follower in own.followers:
            yield from self._close(follower)
        for dependent in own.dependents:
            yield from self._open(dependent)


def _event(kind: str, step: Step, unit: str = "", **more: Any) -> Event:
    return Event(kind, step.stage.name, step.stage.made(), unit, **more)


def _committed(step: Step, plan: Plan, unit: str) -> Event:
    stats = step.stage.layer(plan.corpus).stats(unit) or {}
    counts = {name: stats.get(name, 0) for name in ("seen", "kept")}
    waited = {name: round(1000 * stats.get(f"{name}_waited", 0)) for name in ("device", "loader")}
    about = {"waits": {**waited, "images": stats["images"]}} if "images" in stats else {}
    return _event("committed", step, unit, rejected=stats.get("rejected", {}), about=about, **counts)


def _verdict(errors: list[VlcorpusError], progress: list[_Progress]) -> VlcorpusError:
    failed = sum(len(own.failed) for own in progress)
    if failed == 1 and not any(own.done for own in progress if own.failed):
        return errors[0]
    return ShardsFailed(f"{failed} units failed; first: {errors[0].message}", errors[0].hint or "run it again")


class _Log:
    """One line of JSON an event, appended and left to the system to flush: a trail for people, not a commit."""

    def __init__(self, path: Path | None, corpus: Path) -> None:
        self._corpus = corpus
        self._fd = None if path is None else os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        if self._fd is not None:
            size = os.fstat(self._fd).st_size
            if size and os.pread(self._fd, 1, size - 1) != b"\n":  # a killed run's last line is its own
                os.write(self._fd, b"\n")

    def note(self, event: Event) -> Event:
        if self._fd is not None:
            line = {"time": time.time(), **{key: value for key, value in vars(event).items() if value}}
            outside = event.layer.removeprefix("out:")
            if outside != event.layer:  # nothing in a corpus names an absolute path
                line["layer"] = "out:" + os.path.relpath(outside, self._corpus)
            os.write(self._fd, (json.dumps(line, ensure_ascii=True) + "\n").encode())
        return event

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
