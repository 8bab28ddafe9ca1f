"""Whose turn it is: hosts take turns, and none is asked more often, or by more connections, than it should be.

    pace = Pace(per_host=8, breaker=50, rest_seconds=60.0)
    pace.add(job)                            job.host says where it goes
    pace.pop(now)                            a job that may start now, or None
    pace.met(job.host)                       it is reached: others may start beside the first
    pace.finished(job.host, now, health)     after each job that `pop` gave
    pace.next_due(now)                       seconds until something may start that may not yet, or None

A host that is not known gets one request at first, so that a thousand URLs of one dead or slow host cost one look-up
of its name and one connection until that is clear. Then it gets as many at once as its Share says, and one again after
it rested.

A host with a gap is asked one request at a time, and the gap runs from the first byte of one answer to the next
request: so the host, however far away, sees no two requests nearer to each other than the gap.

Times are of time.monotonic(), in seconds, and always given by the caller. Cost: constant per job; at most about 10 MB
for hosts of which there is nothing to ask, the eldest of which are forgotten.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from vlcorpus.net.retry import Health
from vlcorpus.net.share import Share


class Hosted(Protocol):
    host: str


Job = TypeVar("Job", bound=Hosted)

# More hosts than this in a LastAsked, and those are forgotten that no gap can concern any more.
_MANY_HOSTS = 50_000
# More lanes than this, and half of those are forgotten in which nothing is under way.
_MANY_LANES = 10_000
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


class _Lane(Generic[Job]):
    """One host. failures: in a row, weighed (see Pace.finished). listed: whether it stands in the list of turns."""

    __slots__ = ("active", "failures", "is_met", "listed", "not_before", "resting_until", "share", "waiting")

    def __init__(self, per_host: int) -> None:
        self.waiting: deque[Job] = deque()
        self.active = 0
        self.share = Share(per_host)
        self.is_met = False
        self.failures = 0
        self.not_before = 0.0
        self.resting_until = 0.0
        self.listed = False


class Pace(Generic[Job]):
    """per_host: requests at once to one host. adaptive: fewer while it fails for load, as Share has it.

    breaker: after so many failures in a row the host rests for `rest_seconds`; 0 for never. gap: seconds between two
    requests to the host of a job, 0 for none. last: shared with other fetchers, if any.
    """

    def __init__(
        self,
        per_host: int,
        breaker: int,
        rest_seconds: float,
        gap: Callable[[Job], float] | None = None,
        last: LastAsked | None = None,
        *,
        adaptive: bool = True,
    ) -> None:
        self._gap = gap
        self._last = LastAsked() if last is None else last
        self._per_host = per_host
        self._adaptive = adaptive
        self._breaker = breaker
        self._rest_seconds = rest_seconds
        self._lanes: dict[str, _Lane[Job]] = {}
        self._most_lanes = _MANY_LANES
        self._turns: deque[str] = deque()
        self._held: list[tuple[float, str]] = []
        self._later: list[tuple[float, int, Job]] = []
        self._order = itertools.count()
        self._now = 0.0

    def add(self, job: Job, first: bool = False) -> None:
        lane = self._lanes.get(job.host)
        if lane is None:
            if len(self._lanes) >= self._most_lanes:
                self._forget_some()
            lane = self._lanes[job.host] = _Lane(self._per_host)
        if first:
            lane.waiting.appendleft(job)
        else:
            lane.waiting.append(job)
        self._list(job.host, lane)

    def add_later(self, job: Job, due: float) -> None:
        heapq.heappush(self._later, (due, next(self._order), job))

    def pop(self, now: float) -> Job | None:
        """The next job that may start; its host counts one more active until `finished`.

        The jobs of a host that rests (`is_resting`) come at once, to be answered without asking it.
        """
        self._now = now
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
                continue
            if lane.resting_until <= now:
                if lane.active >= self._room(lane):
                    continue  # `finished` and `met` put the lane on the list again
                due = lane.not_before
                gap = self._gap(lane.waiting[0]) if self._gap is not None else 0.0
                if gap > 0:
                    if lane.active:
                        continue
                    last = self._last.at(name)
                    due = due if last is None else max(due, last + gap)
                if due > now:
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

    def is_resting(self, host: str, now: float) -> bool:
        lane = self._lanes.get(host)
        return lane is not None and lane.resting_until > now

    def hold(self, host: str, until: float) -> None:
        """No request to `host` starts before `until`; its jobs wait."""
        lane = self._lanes.get(host)
        if lane is not None:
            lane.not_before = max(lane.not_before, until)

    def rest(self, host: str, until: float) -> None:
        """No request to `host` starts before `until`; its jobs do not wait for that."""
        lane = self._lanes.get(host)
        if lane is not None:
            lane.resting_until = max(lane.resting_until, until)

    def met(self, host: str) -> None:
        """A request went out to the host: its name resolves and something answers there."""
        lane = self._lanes[host]
        if not lane.is_met:
            lane.is_met = True
            self._list(host, lane)

    def finished(
        self, host: str, now: float, health: Health | None, *, began: float = 0.0, answered: float | None = None
    ) -> None:
        """One of the host's active jobs ended; health: how the host fared, None if it was not asked.

        A failure counts for the breaker once, and more where the share is down: so that a dead host is given up after
        as many rounds of requests as if it had its full share. began: when the request began. answered: when its answer
        began, or `now` if none did; None if it was not asked.
        """
        if answered is not None and self._gap is not None:
            self._last.note(host, answered)
        lane = self._lanes[host]
        lane.active -= 1
        if health is not None:
            lane.is_met = True
        if health is Health.WELL:
            lane.failures = 0
            lane.share.went_well()
        elif health is not None:
            lane.failures += self._per_host // lane.share.at(began)
            if health is Health.FULL and self._adaptive:
                lane.share.too_many(began, now)
            if 0 < self._breaker <= lane.failures:
                self.rest(host, now + self._rest_seconds)
        self._list(host, lane)

    def at_once(self, host: str) -> int:
        """How many requests the host may have under way now."""
        lane = self._lanes.get(host)
        return self._per_host if lane is None else self._room(lane)

    def _room(self, lane: _Lane[Job]) -> int:
        is_on_trial = 0 < self._breaker <= lane.failures
        return lane.share.now if lane.is_met and not is_on_trial else 1

    def _list(self, name: str, lane: _Lane[Job]) -> None:
        if not lane.listed:
            lane.listed = True
            self._turns.append(name)

    def _forget(self, name: str, lane: _Lane[Job], now: float) -> None:
        is_new = lane.share.now == lane.share.most and not lane.failures
        if is_new and not lane.active and max(lane.not_before, lane.resting_until) <= now:
            del self._lanes[name]

    def _forget_some(self) -> None:
        idle = [(name, lane) for name, lane in self._lanes.items() if not (lane.active or lane.waiting or lane.listed)]
        # Those that rest come last: to forget one of them is to ask it too early.
        idle.sort(key=lambda one: max(one[1].not_before, one[1].resting_until) > self._now)
        for name, _ in idle[: len(idle) // 2 + 1]:
            del self._lanes[name]
        self._most_lanes = max(_MANY_LANES, 2 * len(self._lanes))
