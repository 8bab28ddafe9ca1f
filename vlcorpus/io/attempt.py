"""Who is at a unit: one attempt of perhaps several at the same time, and whether this process is asked to end.

    with attempt.as_(Attempt(copy="2", claim=ask)):      # what an executor does around a unit
        work(unit, tell)

    attempt.current().copy        "" for the one that is alone, else what sets a copy's temporary names apart
    attempt.claim()               before anything final is touched: Superseded where another copy was there first
    attempt.stopping.is_set()     between two batches: keep what is done and raise Stopped
    attempt.end_if_asked()        the same where nothing is left to keep; a stage's `tell` does it, too

A straggling unit may be done a second time elsewhere. Both work under temporary names of their own; the first that has
something to put in place claims the unit, and the other is told to go.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass


class Superseded(Exception):
    """Another attempt at the same unit came first: nothing of this one is wanted."""


class Stopped(Exception):
    """The process is asked to end: what was done of the unit is kept where the stage keeps a journal."""


@dataclass(frozen=True)
class Attempt:
    """copy: letters and digits that set its temporary names apart from those of another attempt under way; empty for
    one that is alone when it begins. contested: whether another attempt may begin while it is under way. claim: asked
    once or more, but not before there is something to put in place if it is contested; False where another came first.
    """

    copy: str = ""
    contested: bool = False
    claim: Callable[[], bool] = lambda: True


_ALONE = Attempt()
_CURRENT: ContextVar[Attempt] = ContextVar("attempt", default=_ALONE)
stopping = threading.Event()


def current() -> Attempt:
    return _CURRENT.get()


@contextlib.contextmanager
def as_(attempt: Attempt) -> Iterator[None]:
    """What this thread does inside, it does as this attempt."""
    token = _CURRENT.set(attempt)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def end_if_asked() -> None:
    """Stopped where this process is asked to end: for a place where all that was done is kept."""
    if stopping.is_set():
        raise Stopped


def claim() -> None:
    """Superseded where another attempt at this unit was first to put something in place."""
    if not current().claim():
        raise Superseded
