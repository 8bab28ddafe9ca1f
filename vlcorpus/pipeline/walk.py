"""Which units of a plan may start, as others are committed.

    walk = Walk(plan, executor)
    yield from walk.begin()                     opens what waits for nothing, and hands the executor its first units
    yield from walk.finished(task)              a unit is committed: what follows it may start
    yield from walk.look()                      what other parts of the corpus have come to

A step opens when everything upstream is whole. Its units are looked at one by one, later steps first, as the executor
has room for them: however many there are, some tens of a step are under way or wait. Each unit is looked at once.

Where a plan is for one of several parts, a step's own units being done makes it whole, and what needs all of it waits
until the units of the other parts are committed, too. Reductions go to the part that takes their lock.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ..corpus import Corpus
from ..stages.base import Stage
from .events import Event, event
from .executor import Executor, Task
from .marks import DONE, FAILED, LATER, READY, RUNNING, Marks, Names
from .plan import Plan, Step, state
from .ranks import Part, shared

AHEAD = 16  # units of a step that wait at an executor, beside two for each that it can do at once


@dataclass
class Progress:
    """What a run knows of one step. It opens when everything upstream is whole; until then nothing of it may start.
    everywhere: whole in all parts. heeded: some step waits for that."""

    number: int
    step: Step
    followers: list[Progress] = field(default_factory=list)
    dependents: list[Progress] = field(default_factory=list)
    names: Names | None = None
    marks: Marks = field(default_factory=lambda: Marks(0))
    opened: bool = False
    whole: bool = False
    everywhere: bool = False
    heeded: bool = False
    held: bool = False  # a reduction that another part has taken
    seen: list[Any] | None = None  # what it had committed when this run looked
    left: int = 0  # units of other parts that are not there yet
    others: _Others | None = None
    lock: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


class Walk:
    """See the module's header."""

    def __init__(self, plan: Plan, executor: Executor) -> None:
        self._plan, self._executor, self._part = plan, executor, plan.part
        self.ended = False  # nothing more is handed out
        self.steps = [Progress(number, step) for number, step in enumerate(plan.steps)]
        for own in self.steps:
            if own.step.followed is not None:
                self.steps[own.step.followed].followers.append(own)
            for number in own.step.upstream:
                self.steps[number].dependents.append(own)
        for own in reversed(self.steps):
            own.heeded = bool(own.dependents) or any(each.heeded for each in own.followers)

    @property
    def under_way(self) -> bool:
        return any(own.marks.count(RUNNING) for own in self.steps)

    def owner(self, task: Task) -> Progress:
        return self.steps[task.number]

    def begin(self) -> Iterator[Event]:
        for own in self.steps:
            yield from self._open(own)
        yield from self._offer()

    def finished(self, task: Task) -> Iterator[Event]:
        """A unit is committed: its followers may start, and perhaps the step is whole."""
        own = self.owner(task)
        assert own.names is not None
        yield from self._done(own, own.names.place(task.unit))
        yield from self._offer()

    def failed(self, task: Task) -> Iterator[Event]:
        self._put(task, FAILED)
        yield from self._offer()

    def halted(self, task: Task) -> None:
        self._put(task, LATER)

    def look(self) -> Iterator[Event]:
        """See what other parts have come to; what waited for them may start."""
        self._plan.corpus.refresh()
        for own in self.steps:
            if own.left:
                yield from self._spread(own)
            elif own.held:
                yield from self._open(own)
        yield from self._offer()

    def waiting(self) -> list[tuple[Progress, str]]:
        """Steps that only other parts hold up, and how."""
        found = []
        for own in self.steps:
            if own.held:
                found.append((own, "is being done by another part"))
            elif not own.opened:
                before = dict.fromkeys(map(self._held_up_by, own.step.upstream))
                behind = [self.steps[number] for number in before if self.steps[number].left]
                if behind:
                    units = sum(each.left for each in behind)
                    told = ", ".join(f"{each.step.stage.name} {each.left:,}" for each in behind)
                    found.append((own, f"waits for {units:,} unit{'s' * (units > 1)} of other parts ({told})"))
        return found

    def close(self) -> None:
        for own in self.steps:
            own.lock.close()

    def _held_up_by(self, number: int) -> int:
        own = self.steps[number]
        while not own.left and own.step.followed is not None and not self.steps[own.step.followed].everywhere:
            own = self.steps[own.step.followed]
        return own.number

    def _first(self, own: Progress) -> Stage:
        while own.step.followed is not None:
            own = self.steps[own.step.followed]
        return own.step.stage

    def _put(self, task: Task, mark: int) -> None:
        own = self.owner(task)
        assert own.names is not None
        own.marks.put(own.names.place(task.unit), mark)
        self._release(own)

    def _release(self, own: Progress) -> None:
        """Give a reduction free for other parts once nothing of it is under way."""
        if not own.marks.count(RUNNING) and not own.marks.count(READY):
            own.lock.close()

    def _open(self, own: Progress) -> Iterator[Event]:
        if own.opened or not all(self.steps[number].everywhere for number in own.step.upstream):
            return
        followed = None if own.step.followed is None else self.steps[own.step.followed]
        if followed is not None:
            if followed.names is not None:
                yield from self._follow(own, followed)
        elif not self._take(own):
            return
        else:
            units = own.step.stage.units(self._plan.corpus)
            own.names = Names(each for each in units if self._is_own(own, each))
            own.marks = Marks(len(own.names), READY)
            yield event("planned", own.step, todo=len(own.names))
        own.opened = True  # only now: a step whose first unit is done already is not whole yet
        yield from self._close(own)

    def _follow(self, own: Progress, followed: Progress) -> Iterator[Event]:
        own.names = followed.names
        own.marks = Marks.after(followed.marks)
        yield event("planned", own.step, todo=len(own.marks))

    def _is_own(self, own: Progress, unit: str) -> bool:
        return self._part is None or not shared(own.step.stage) or self._part.has(unit)

    def _take(self, own: Progress) -> bool:
        """Whether this run may do a step: of several parts, the first that comes to a reduction takes it."""
        if self._part is None or shared(own.step.stage):
            return True
        stage, corpus = own.step.stage, self._plan.corpus
        units = stage.units(corpus)
        stats = [stage.layer(corpus).stats(unit) or {} for unit in units]
        seen = [(each.get("fingerprint"), each.get("end_time")) for each in stats]
        # Whether it is done is asked once for each time that it is committed: a reduction's inputs are many.
        if seen == own.seen or not all(state(stage, corpus, unit) == "done" for unit in units):
            own.seen = seen
            own.held = not own.lock.enter_context(corpus.lock_reduction(stage.made()))
        else:
            own.held = False
        if own.held:
            own.lock.close()
        return not own.held

    def _offer(self) -> Iterator[Event]:
        """Hand the executor units as it has room for them, of later steps first."""
        room = 2 * getattr(self._executor, "slots", 1) + AHEAD
        more = True
        while more and not self.ended:
            more = False
            for own in reversed(self.steps):
                place = own.marks.take() if own.opened and own.marks.count(RUNNING) < room else None
                if place is not None:
                    yield from self._start(own, place)
                    more = True
                    break

    def _start(self, own: Progress, place: int) -> Iterator[Event]:
        assert own.names is not None
        unit, stage, corpus = own.names[place], own.step.stage, self._plan.corpus
        if state(stage, corpus, unit) == "done":
            stage.tidy(corpus, unit)
            yield event("unchanged", own.step, unit)
            yield from self._done(own, place)
            return
        yield event("started", own.step, unit)
        self._executor.submit(Task(stage, corpus, unit, own.number))

    def _done(self, own: Progress, place: int) -> Iterator[Event]:
        own.marks.put(place, DONE)
        for follower in own.followers:
            if follower.opened:
                if follower.names is None:
                    yield from self._follow(follower, own)
                else:
                    follower.marks.put(place, READY)
        yield from self._close(own)

    def _close(self, own: Progress) -> Iterator[Event]:
        """Note that a step is whole, once: nothing of it runs, failed or can still come."""
        followed = None if own.step.followed is None else self.steps[own.step.followed]
        if own.whole or not own.opened or (followed is not None and not followed.whole):
            return
        if own.marks.count(DONE) < (len(own.marks) if followed is None else followed.marks.count(DONE)):
            return
        own.whole = True
        own.lock.close()
        yield event("whole", own.step)
        for follower in own.followers:
            yield from self._close(follower)
        yield from self._spread(own)

    def _spread(self, own: Progress) -> Iterator[Event]:
        """A step that is whole here: what needs all of it opens, once the other parts have theirs."""
        followed = own.step.followed
        if not own.whole or own.everywhere or (followed is not None and not self.steps[followed].everywhere):
            return
        if self._part is not None and own.heeded and shared(own.step.stage):
            own.others = own.others or _Others(own.step.stage, self._first(own), self._plan.corpus, self._part)
            own.left = own.others.look()
            if own.left:
                return
            own.others = None
        own.everywhere = True
        for follower in own.followers:
            yield from self._spread(follower)
        for dependent in own.dependents:
            yield from self._open(dependent)


class _Others:
    """Units of a step that other parts do. Its units are all known: what it follows is whole everywhere."""

    def __init__(self, stage: Stage, first: Stage, corpus: Corpus, part: Part) -> None:
        """first: the stage whose units all that follow it have."""
        self._stage, self._corpus = stage, corpus
        self._names = Names(unit for unit in first.units(corpus) if not part.has(unit))
        self._marks = Marks(len(self._names))

    def look(self) -> int:
        """How many are not done yet."""
        if self._marks.count(DONE) < len(self._marks):
            there = Names(self._stage.layer(self._corpus).units())
            for place in self._marks.without(DONE):
                unit = self._names[place]
                if unit in there and state(self._stage, self._corpus, unit) == "done":
                    self._marks.put(place, DONE)
        return len(self._marks) - self._marks.count(DONE)
