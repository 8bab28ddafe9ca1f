"""Jobs of one fetcher that wait until the name of their host is looked up.

    lookups = Lookups(names, connect_to=(), seconds=30.0, tell=inbox.put)
    lookups.addresses(job, now)             (...) or () as Names has it; None: not known; AS_IS: nothing to tell curl
    lookups.hold(job, now)                  until it is known: tell(job.host) is called then, in another thread
    lookups.found(job.host)                 the jobs that were held for it
    lookups.overdue(now)                    those held for too long; their names are taken not to resolve

Cost: constant per job. They hold no connection: a name server that is slow delays only who waits for it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from vlcorpus.net.job import Job
from vlcorpus.net.names import Names
from vlcorpus.net.url import origin

AS_IS = ("",)

# Curl forgets what it was told before, too: then it looks the name up itself.
_MOST_TOLD = 10_000


class Lookups:
    """connect_to: as in Manners; what it directs elsewhere is left to curl. seconds: the longest wait for a name."""

    def __init__(self, names: Names, connect_to: Sequence[str], seconds: float, tell: Callable[[str], None]) -> None:
        self._names = names
        self._directed = {rule.partition(":")[0].lower() for rule in connect_to}
        self._seconds = seconds
        self._tell = tell
        self._held: dict[str, tuple[float, list[Job]]] = {}
        self._told: dict[str, tuple[str, ...]] = {}

    def addresses(self, job: Job, now: float) -> tuple[str, ...] | None:
        host = job.host
        if (self._directed and not self._directed.isdisjoint((host, ""))) or _is_address(host):
            return AS_IS
        known = self._names.known(host, now)
        if not known:
            return known
        where = origin(job.url)
        if self._told.get(where) is known:
            return AS_IS
        if len(self._told) >= _MOST_TOLD:
            self._told.clear()
        self._told[where] = known
        return known

    def hold(self, job: Job, now: float) -> None:
        held = self._held.get(job.host)
        if held is not None:
            held[1].append(job)
            return
        self._held[job.host] = now + self._seconds, [job]
        self._names.ask(job.host, self._tell)

    def found(self, host: str) -> list[Job]:
        held = self._held.pop(host, None)
        return held[1] if held is not None else []

    def overdue(self, now: float) -> list[Job]:
        jobs: list[Job] = []
        while self._held:
            host, (due, held) = next(iter(self._held.items()))
            if due > now:
                break
            self._names.give_up(host)
            jobs += held
            del self._held[host]
        return jobs

    def next_due(self, now: float) -> float | None:
        """Seconds until the first of them is held for too long."""
        return max(0.0, next(iter(self._held.values()))[0] - now) if self._held else None


def _is_address(host: str) -> bool:
    if not (":" in host or host[-1:].isdigit()):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
