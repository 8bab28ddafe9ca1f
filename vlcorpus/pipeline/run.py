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
    rejected: dict[str, int] = field(default_factory=dict)
    message: str = ""
    hint: str = ""
    trace: str = ""
    todo: int = 0


@dataclass
class _Progress:
    """What a run knows of one step."""

    step: Step
    known: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    whole: bool = False


def run(plan: Plan, executor: Executor, *, log: Path | None = None) -> Iterator[Event]:
    """Do what is to do. Yields events as they happen; raises at the end if any unit failed.

    One failed unit in all raises its own error; failures beside committed units raise ShardsFailed.
    """
    trail = _Log(log)
    errors: list[VlcorpusError] = []
    progress = [_Progress(step) for step in plan.steps]
    owner: dict[tuple[int, str], _Progress] = {}
    try:
        yield from map(trail.note, _start(plan, progress, executor, owner))
        for result in executor.results():
            own = owner[id(result.task.stage), result.task.unit]
            unit = result.task.unit
            if isinstance(result, Told):
                yield _event("progress", own.step, plan, unit, seen=result.seen, kept=result.kept)
            elif isinstance(result, Lost):
                message = f"its worker died (exit code {result.exit_code}); it is done again"
                yield trail.note(_event("lost", own.step, plan, unit, message=message))
            elif isinstance(result, Failed):
                own.running.discard(unit)
                own.failed.add(unit)
                errors.append(result.error)
                said = {"message": result.error.message, "hint": result.error.hint, "trace": result.trace}
                yield trail.note(_event("failed", own.step, plan, unit, **said))
                yield from map(trail.note, _start(plan, progress, executor, owner))
            elif isinstance(result, Done):
                own.running.discard(unit)
                own.done.add(unit)
                yield trail.note(_committed(own.step, plan, unit))
                yield from map(trail.note, _start(plan, progress, executor, owner))
    finally:
        trail.close()
    if errors:
        raise _verdict(errors, progress)


def _start(
    plan: Plan, progress: list[_Progress], executor: Executor, owner: dict[tuple[int, str], _Progress]
) -> Iterator[Event]:
    """Hand over every unit that is ready, in the order of the plan; note what is done already."""
    for own in progress:
        step = own.step
        if own.whole or not all(progress[number].whole for number in step.upstream):
            continue
        followed = None if step.followed is None else progress[step.followed]
        # Until something of it is done, the layer that is followed may not have a name yet (embeddings/<model>).
        for unit in step.stage.units(plan.corpus) if followed is None or followed.done else ():
            if unit in own.known or (followed is not None and unit not in followed.done):
                continue
            own.known.add(unit)
            if state(step.stage, plan.corpus, unit) == "done":
                own.done.add(unit)
                yield _event("unchanged", step, plan, unit)
                continue
            own.running.add(unit)
            owner[id(step.stage), unit] = own
            yield _event("started", step, plan, unit)
            executor.submit(Task(step.stage, plan.corpus, unit))
        if not own.running and not own.failed and (followed is None or followed.whole):
            own.whole = True
            yield _event("whole", step, plan)


def _event(kind: str, step: Step, plan: Plan, unit: str = "", **more: Any) -> Event:
    return Event(kind, step.stage.name, step.stage.made(), unit, **more)


def _committed(step: Step, plan: Plan, unit: str) -> Event:
    stats = step.stage.layer(plan.corpus).stats(unit) or {}
    counts = {name: stats.get(name, 0) for name in ("seen", "kept")}
    return _event("committed", step, plan, unit, rejected=stats.get("rejected", {}), **counts)


def _verdict(errors: list[VlcorpusError], progress: list[_Progress]) -> VlcorpusError:
    failed = sum(len(own.failed) for own in progress)
    if failed == 1 and not any(own.done for own in progress if own.failed):
        return errors[0]
    return ShardsFailed(f"{failed} units failed; first: {errors[0].message}", errors[0].hint or "run it again")


class _Log:
    """One line of JSON an event, appended and left to the system to flush: a trail for people, not a commit."""

    def __init__(self, path: Path | None) -> None:
        self._fd = None if path is None else os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        if self._fd is not None:
            size = os.fstat(self._fd).st_size
            if size and os.pread(self._fd, 1, size - 1) != b"\n":  # a killed run's last line is its own
                os.write(self._fd, b"\n")

    def note(self, event: Event) -> Event:
        if self._fd is not None:
            line = {"time": time.time(), **{key: value for key, value in vars(event).items() if value}}
            os.write(self._fd, (json.dumps(line, ensure_ascii=True) + "\n").encode())
        return event

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
