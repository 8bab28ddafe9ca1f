"""The thread that drives all transfers of one Fetcher: starts, redirects, retries and delivers them.

    loop = Loop(manners, limits, make_wire, delay=None, last_asked=None)
    loop.submit(Job(batch, 0, url, url))
    loop.wait(batch, seconds=1.0)            (0, Response(...))

Only this thread touches curl; others speak to it by a queue and a wake-up byte. Of what happens to a job, `Pace` says
when, `Budget` whether there is room, `retry` whether again, `Hosts` whether it is worth asking.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable

from vlcorpus.net.budget import Budget
from vlcorpus.net.headers import first
from vlcorpus.net.hosts import Hosts
from vlcorpus.net.inbox import Inbox
from vlcorpus.net.job import Batch, Job
from vlcorpus.net.lookups import AS_IS, Lookups
from vlcorpus.net.multi import Multi
from vlcorpus.net.names import Names
from vlcorpus.net.pace import LastAsked, Pace
from vlcorpus.net.response import REASONS, Limits, Manners, Response
from vlcorpus.net.retry import Health, health, sequel
from vlcorpus.net.url import origin
from vlcorpus.net.wire import Wire

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_REASONS = frozenset(REASONS)
_IDLE_SECONDS = 60.0

MakeWire = Callable[[Budget[Wire], Callable[[Wire], None]], Wire]


class Loop:
    def __init__(
        self,
        manners: Manners,
        limits: Limits,
        make_wire: MakeWire,
        delay: Callable[[str], float | None] | None,
        last_asked: LastAsked | None,
        names: Names,
    ) -> None:
        self.hosts = Hosts()
        self._manners = manners
        self._limits = limits
        self._make_wire = make_wire
        self._delay = delay
        self._pace: Pace[Job] = Pace(
            manners.per_host,
            manners.host_breaker,
            manners.host_rest_seconds,
            self._gap if delay is not None else None,
            last_asked,
            adaptive=manners.adaptive,
        )
        self._budget: Budget[Wire] = Budget(limits.max_held_bytes)
        self._lookups = Lookups(names, manners.connect_to, limits.total_seconds, self._send)
        self._inbox: Inbox[Job | Batch | tuple[Batch, int] | str | None] = Inbox()
        self._waiting: set[Batch] = set()
        self._last: set[Batch] = set()
        self._active: dict[Wire, Job] = {}
        self._idle: list[Wire] = []
        self._closing = False
        self._crash: BaseException | None = None
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    # --- the callers' side ---

    def submit(self, job: Job) -> None:
        with self._start:
            if self._closing:
                raise RuntimeError("the fetcher is closed") from self._crash
            if self._thread is None:
                self._multi = Multi(self._manners.concurrency)
                self._thread = threading.Thread(target=self._run, name="vlcorpus-fetch", daemon=True)
                self._thread.start()
            # Under the lock, so that a thread that ends either sees the job or has said so.
            self._send(job)

    def wait(self, batch: Batch, seconds: float) -> tuple[int, Response] | None:
        """The next answer; None where there was none in so many seconds, or none is to come of a batch that is over."""
        try:
            ready = batch.outbox.get(timeout=seconds)
        except queue.Empty:
            return None
        if ready is None:
            batch.outbox.put(None)
            if batch.over:
                return None
            raise RuntimeError("the fetcher stopped") from self._crash
        if ready[1].body:
            self._inbox.put((batch, len(ready[1].body)))
            if batch.starved:
                self._multi.wake()
        return ready

    def begin_no_more(self, batch: Batch) -> None:
        """Let what is under way of a batch end, and nothing else begin."""
        batch.last = True
        self._send(batch)

    def cancel(self, batch: Batch) -> None:
        batch.cancelled = True
        self._send(batch)

    def close(self) -> None:
        with self._start:
            self._closing = True
            thread, self._thread = self._thread, None
        if thread is None:
            return
        self._send(None)
        thread.join()
        self._multi.close_waker()

    def _send(self, message: Job | Batch | str | None) -> None:
        self._inbox.put(message)
        if self._multi.is_asleep:
            self._multi.wake()

    # --- the thread's side ---

    def _run(self) -> None:
        try:
            while self._take_in():
                self._begin()
                self._turn()
        except BaseException as error:
            self._crash = error
        finally:
            with self._start:
                self._closing = True
            self._shut()

    def _shut(self) -> None:
        self._multi.close()
        for wire in self._idle:
            wire.curl.close()
        self._waiting.update(message.batch for message in self._inbox if isinstance(message, Job))
        for batch in self._waiting:
            batch.outbox.put(None)

    def _take_in(self) -> bool:
        """Read the queue; False when told to stop."""
        for message in self._inbox:
            if message is None:
                return False
            if isinstance(message, Job):
                message.batch.pending += 1
                self._waiting.add(message.batch)
                self._pace.add(message)
            elif isinstance(message, str):
                self._put_back(self._lookups.found(message))
            elif isinstance(message, Batch):
                if message.cancelled:
                    self._drop(message)
                else:
                    self._last.add(message)
            else:
                self._release(*message)
        return True

    def _drop(self, batch: Batch) -> None:
        for wire in [wire for wire, job in self._active.items() if job.batch is batch]:
            job = self._retire(wire)
            now = time.monotonic()
            self._pace.finished(job.host, now, None, answered=now)
        batch.parked.clear()
        self._waiting.discard(batch)
        self._last.discard(batch)

    def _begin(self) -> None:
        now = time.monotonic()
        self._put_back(self._lookups.overdue(now))
        while len(self._active) < self._manners.concurrency:
            job = self._pace.pop(now)
            if job is None:
                return
            if job.batch.cancelled or job.batch.last:
                self._pace.finished(job.host, now, None)
            elif self._budget.is_spent(job.batch):
                self._pace.finished(job.host, now, None)
                self._budget.park(job)
            elif self._pace.is_resting(job.host, now):
                self._refuse(job, now, *self.hosts.last(job.host), "is left alone for a while after its last failure")
            else:
                addresses = self._lookups.addresses(job, now)
                if addresses is None:
                    self._lookups.hold(job, now)
                elif not addresses:
                    self._refuse(job, now, "dns_failure", None, "does not resolve")
                else:
                    self._ask(job, now, () if addresses is AS_IS else addresses)

    def _put_back(self, jobs: Iterable[Job]) -> None:
        """What was held after all is at the head of its host's jobs again."""
        now = time.monotonic()
        for job in jobs:
            self._pace.finished(job.host, now, None)
            self._pace.add(job, first=True)

    def _refuse(self, job: Job, now: float, reason: str, status: int | None, why: str) -> None:
        self._pace.finished(job.host, now, None)
        message = f"not asked: {job.host} {why}"
        self._deliver(job, Response(url=job.found, status=status, reason=reason, message=message))

    def _ask(self, job: Job, now: float, addresses: tuple[str, ...]) -> None:
        wire = self._idle.pop() if self._idle else self._make_wire(self._budget, self._on_send)
        job.started = now
        job.asked_at = time.time()
        # What was said for one URL is not said to where it leads.
        extra = job.extra if not job.hops else ()
        wire.load(job.url, self._limits.total_seconds - job.spent, extra, self._gap(job) > 0, addresses)
        self._active[wire] = job
        self._budget.began(wire, job.batch)
        self._multi.add(wire)

    def _gap(self, job: Job) -> float:
        return (self._delay(origin(job.url)) or 0.0) if self._delay is not None else 0.0

    def _on_send(self, wire: Wire) -> None:
        self._pace.met(self._active[wire].host)

    def _turn(self) -> None:
        now = time.monotonic()
        later = self._pace.next_due(now) if len(self._active) < self._manners.concurrency else None
        patience = min(_IDLE_SECONDS if each is None else each for each in (later, self._lookups.next_due(now)))
        for wire, code, message in self._multi.turn(patience, self._inbox.is_empty):
            self._end(wire, code, message)
        for wire in self._budget.resumable():
            self._multi.unpause(wire)
        if self._last:
            self._end_last()

    def _end_last(self) -> None:
        """Say of batches of which nothing is to be begun that nothing of them is under way."""
        under_way = {job.batch for job in self._active.values()}
        for batch in self._last - under_way:
            batch.over = True
            batch.outbox.put(None)
        self._last &= under_way

    def _release(self, batch: Batch, size: int) -> None:
        for job in self._budget.release(batch, size):
            self._pace.add(job, first=True)

    def _retire(self, wire: Wire) -> Job:
        self._multi.remove(wire)
        self._budget.ended(wire)
        self._idle.append(wire)
        return self._active.pop(wire)

    def _end(self, wire: Wire, code: int, message: str) -> None:
        now = time.monotonic()
        job = self._retire(wire)
        if wire.crash is not None:
            raise wire.crash
        job.spent += now - job.started
        reason, message = wire.outcome(code, message)
        answered = now - wire.since_answer() if self._delay is not None else None
        if wire.sent_in_vain and not job.resent:
            # The server closed the connection as we used it, most likely. Not a failure, but a request all the same.
            job.resent = True
            self._pace.finished(job.host, now, None, answered=answered)
            self._pace.add(job, first=True)
            return
        how = health(reason, wire.status)
        if reason is not None and how is not Health.WELL:
            self.hosts.failed(job.host, reason, wire.status)
        self._pace.finished(job.host, now, how, began=job.started, answered=answered)
        if reason == "http_error" and wire.status in _REDIRECTS:
            where = first(wire.headers, "location")
            if where is not None:
                refused = job.follow(where, self._limits)
                if refused is None:
                    self._pace.add(job, first=True)
                else:
                    self._answer(job, wire, *refused)
                return
        if reason is not None:
            if not (reason == "too_large" and self._limits.keep_cut):
                wire.drop_body()
                self._release(job.batch, wire.size)
            if self._again(job, wire, reason):
                return
        self._answer(job, wire, reason, message)

    def _again(self, job: Job, wire: Wire, reason: str) -> bool:
        """Hold the host back if it says so, and put the job on for another attempt if it may have one."""
        then = sequel(self._manners, reason, wire.status, wire.headers, job.attempt, job.start_url, time.time())
        now = time.monotonic()  # after the other clock was read: not a moment too early
        if then.hold:
            self._pace.hold(job.host, now + then.hold)
        if then.rest:
            self._pace.rest(job.host, now + then.rest)
        if then.again_in is None:
            return False
        job.attempt += 1
        job.rewind()
        self._pace.add_later(job, now + then.again_in)
        return True

    def _answer(self, job: Job, wire: Wire, reason: str | None, message: str) -> None:
        self._deliver(job, wire.response(job.found, job.asked_at, reason, message))

    def _deliver(self, job: Job, response: Response) -> None:
        batch = job.batch
        batch.pending -= 1
        if not batch.pending:
            self._waiting.discard(batch)
        if response.reason in _REASONS:
            self.hosts.count(job.host, response.reason, response.status)
        if not batch.cancelled:
            batch.outbox.put((job.index, response))
