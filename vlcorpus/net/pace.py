"""Whose turn it is: hosts take turns, and none is asked more often, or by more connections, than it should be.

    pace = Pace(per_host=8, breaker=50, rest_seconds=60.0)
    pace.add(job)                  job.host says where it goes
    pace.pop(now)                  a job that may start now, or None
    pace.next_due(now)             seconds until something may start that may not yet, or None

A host with a gap is asked one request at a time, and the gap runs from the first byte of one answer to the next
request: so the host, however far away, sees no two requests nearer to each other than the gap.

Times are of time.monotonic(), in seconds, and always given by the caller. Cost: constant per job.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class Hosted(Protocol):
    host: str


Job = TypeVar("Job", bound=Hosted)

# More hosts than this in a LastAsked, and those are forgotten that no gap can concern any more.
_MANY_HOSTS = 50_000
LONGEST_GAP = 3_600.0


class LastAsked:
    """When hosts last began to answer: one table for several fetchers that ask the same hosts in turn."""

    def __init__(self) -> None:
        self._at: dict[str, float] = {}
        self._most = _MANY_HOSTS

    def at(self, host: str) -> float | None:
        return self._at.get(host)

    def note(self, host: str, at: float) -> None:
        self._at[host] = max(at, self._at.get(host, at))
        if len(self._at) > self._most:
            self._at = {name: then for name, then in list(self._at.items()) if then > at - LONGEST_GAP}
            self._most = max(_MANY_HOSTS, 2 * len(self._at))


@dataclass
class _Lane(Generic[Job]):
    waiting: deque[Job] = field(default_factory=deque)
    active: int = 0
    failures: int = 0
    not_before: float = 0.0
    broken_until: float = 0.0
    listed: bool = False


class Pace(Generic[Job]):
    """gap: seconds between two requests to the host of a job, 0 for none. last: shared with other fetchers, if any."""

    def __init__(
        self,
        per_host: int,
        breaker: int,
        rest_seconds: float,
        gap: Callable[[Job], float] | None = None,
        last: LastAsked | None = None,
    ) -> None:
        self._gap = gap
        self._last = LastAsked() if last is None else last
        self._per_host = per_host
        self._breaker = breaker
        self._rest_seconds = rest_seconds
        self._lanes: dict[str, _Lane[Job]] = {}
        self._turns: deque[str] = deque()
        self._held: list[tuple[float, str]] = []
        self._later: list[tuple[float, int, Job]] = []
        self._order = itertools.count()

    def add(self, job: Job, first: bool = False) -> None:
        lane = self._lanes.get(job.host)
        if lane is None:
            lane = self._lanes[job.host] = _Lane()
        if first:
            lane.waiting.appendleft(job)
        else:
            lane.waiting.append(job)
        self._list(job.host, lane)

    def add_later(self, job: Job, due: float) -> None:
        heapq.heappush(self._later, (due, next(self._order), job))

    def pop(self, now: float) -> Job | None:
        """The next job that may start; its host counts one more active until `finished`."""
        while self._later and self._later[0][0] <= now:
            self.add(heapq.heappop(self._later)[2], first=True)
        while self._held and self._held[0][0] <= now:
            name = heapq.heappop(self._held)[1]
            if name in self._lanes:
                self._list(name, self._lanes[name])
        while self._turns:
            name = self._turns.popleft()
            lane = self._lanes[name]
            lane.listed = False
            if not lane.waiting:
                self._forget(name, lane, now)
            elif lane.active < self._per_host:
                due = lane.not_before
                gap = self._gap(lane.waiting[0]) if self._gap is not None else 0.0
                if gap > 0:
                    if lane.active:
                        continue  # `finished` puts the lane on the list again
                    last = self._last.at(name)
                    due = due if last is None else max(due, last + gap)
                if due > now and lane.broken_until <= now:
                    heapq.heappush(self._held, (due, name))
                    continue
                job = lane.waiting.popleft()
                lane.active += 1
                self._list(name, lane)
                return job
        return None

    def next_due(self, now: float) -> float | None:
        due = [heap[0][0] for heap in (self._later, self._held) if heap]
        return max(0.0, min(due) - now) if due else None

    def is_broken(self, host: str, now: float) -> bool:
        lane = self._lanes.get(host)
        return lane is not None and lane.broken_until > now

    def hold(self, host: str, until: float) -> None:
        """No request to `host` starts before `until`."""
        lane = self._lanes.get(host)
        if lane is not None:
            lane.not_before = max(lane.not_before, until)

    def finished(self, host: str, failed: bool | None, now: float, answered: float | None = None) -> None:
        """One of the host's active jobs ended; failed: whether the host failed, None if it was not asked.

        answered: when its answer began, or `now` if none did; None if it was not asked.
        """
        if answered is not None and self._gap is not None:
            self._last.note(host, answered)
        lane = self._lanes[host]
        lane.active -= 1
        if failed is False:
            lane.failures = 0
        elif failed:
            lane.failures += 1
            if self._breaker and lane.failures >= self._breaker:
                lane.broken_until = now + self._rest_seconds
        self._list(host, lane)

    def _list(self, name: str, lane: _Lane[Job]) -> None:
        if not lane.listed:
            lane.listed = True
            self._turns.append(name)

    def _forget(self, name: str, lane: _Lane[Job], now: float) -> None:
        if not (lane.active or lane.failures or lane.not_before > now):
            del self._lanes[name]
