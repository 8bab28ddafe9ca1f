"""Whose turn it is: hosts take turns, and none is asked more often, or by more connections, than it should be.

    pace = Pace(per_host=8, breaker=50, rest_seconds=60.0)
    pace.add(job)                  job.host says where it goes
    pace.pop(now)                  a job that may start now, or None
    pace.next_due(now)             seconds until something may start that may not yet, or None

Times are of time.monotonic(), in seconds, and always given by the caller. Cost: constant per job.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class Hosted(Protocol):
    host: str


Job = TypeVar("Job", bound=Hosted)


@dataclass
class _Lane(Generic[Job]):
    waiting: deque[Job] = field(default_factory=deque)
    active: int = 0
    failures: int = 0
    not_before: float = 0.0
    broken_until: float = 0.0
    listed: bool = False


class Pace(Generic[Job]):
    def __init__(self, per_host: int, breaker: int, rest_seconds: float) -> None:
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
                if lane.not_before > now and lane.broken_until <= now:
                    heapq.heappush(self._held, (lane.not_before, name))
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

    def finished(self, host: str, failed: bool | None, now: float) -> None:
        """One of the host's active jobs ended; failed: whether the host failed, None if it was not asked."""
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
