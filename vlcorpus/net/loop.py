"""The thread that drives all transfers of one Fetcher: starts, redirects, retries and delivers them.

One selector waits for curl's sockets and for a wake-up byte. Only this thread touches curl; others speak to it by a
queue.
"""

from __future__ import annotations

import hashlib
import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pycurl

from vlcorpus.net.pace import LastAsked, Pace
from vlcorpus.net.response import Limits, Manners, Response
from vlcorpus.net.retry import asked_wait, is_host_failure, is_transient
from vlcorpus.net.url import host, origin, requestable
from vlcorpus.net.wire import Ledger, Wire

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_IDLE_SECONDS = 60.0


@dataclass(eq=False)
class Batch:
    """The URLs of one fetch_all; the outbox takes (index, response), or None when the loop is gone.

    pending: jobs not yet answered. held: bytes of its bodies in flight or not yet taken.
    parked: jobs that wait for some of these to be taken.
    """

    outbox: queue.SimpleQueue[tuple[int, Response] | None] = field(default_factory=queue.SimpleQueue)
    cancelled: bool = False
    pending: int = 0
    held: int = 0
    parked: list[Job] = field(default_factory=list)
    starved: bool = False


class Job:
    """One URL on its way."""

    __slots__ = (
        "asked_at", "attempt", "batch", "extra", "found", "hops", "host", "index", "resent", "spent", "start_url",
        "started", "url",
    )  # fmt: skip

    def __init__(self, batch: Batch, index: int, found: str, url: str, extra: tuple[str, ...] = ()) -> None:
        self.batch = batch
        self.extra = extra
        self.index = index
        self.found = found
        self.start_url = url
        self.attempt = 0
        self.rewind()

    def rewind(self) -> None:
        self.go_to(self.start_url)
        self.hops = 0
        self.resent = False
        self.spent = 0.0
        self.started = 0.0
        self.asked_at = 0.0

    def go_to(self, url: str) -> None:
        self.url = url
        self.host = host(url)


class Loop:
    def __init__(
        self,
        manners: Manners,
        limits: Limits,
        make_wire: Callable[[Ledger], Wire],
        delay: Callable[[str], float | None] | None,
        last_asked: LastAsked | None,
    ) -> None:
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
        )
        self._last_failure: dict[str, tuple[str, int | None]] = {}
        self._inbox: queue.SimpleQueue[Job | Batch | tuple[Batch, int] | None] = queue.SimpleQueue()
        self._waiting: set[Batch] = set()
        self._active: dict[Wire, Job] = {}
        self._by_curl: dict[Any, Wire] = {}
        self._idle: list[Wire] = []
        self._paused: set[Wire] = set()
        self._due: float | None = None
        self._asleep = False
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
                self._open()
            # Under the lock, so that a thread that ends either sees the job or has said so.
            self._send(job)

    def wait(self, batch: Batch) -> tuple[int, Response]:
        ready = batch.outbox.get()
        if ready is None:
            batch.outbox.put(None)
            raise RuntimeError("the fetcher stopped") from self._crash
        if ready[1].body:
            self._inbox.put((batch, len(ready[1].body)))
            if batch.starved:
                self._wake()
        return ready

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
        self._wake_in.close()
        self._wake_out.close()

    def _open(self) -> None:
        self._wake_out, self._wake_in = socket.socketpair()
        self._wake_out.setblocking(False)
        self._wake_in.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="vlcorpus-fetch", daemon=True)
        self._thread.start()

    def _send(self, message: Job | Batch | None) -> None:
        self._inbox.put(message)
        if self._asleep:
            self._wake()

    def _wake(self) -> None:
        try:
            self._wake_in.send(b"\0")
        except (BlockingIOError, OSError):
            pass  # full: it is awake already; closed: there is nobody to wake

    # --- the thread's side ---

    def _run(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_out, selectors.EVENT_READ)
        self._multi: Any = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_MAXCONNECTS, max(16, self._manners.concurrency))
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
        for wire in list(self._active):
            self._multi.remove_handle(wire.curl)
        for wire in [*self._active, *self._idle]:
            wire.curl.close()
        self._multi.close()
        self._selector.close()
        while True:
            try:
                message = self._inbox.get_nowait()
            except queue.Empty:
                break
            if isinstance(message, Job):
                self._waiting.add(message.batch)
        for batch in self._waiting:
            batch.outbox.put(None)

    def _take_in(self) -> bool:
        """Read the queue; False when told to stop."""
        while True:
            try:
                message = self._inbox.get_nowait()
            except queue.Empty:
                return True
            if message is None:
                return False
            if isinstance(message, Job):
                message.batch.pending += 1
                self._waiting.add(message.batch)
                self._pace.add(message)
            elif isinstance(message, Batch):
                self._drop(message)
            else:
                self._release(*message)

    def _drop(self, batch: Batch) -> None:
        for wire in [wire for wire, job in self._active.items() if job.batch is batch]:
            job = self._retire(wire)
            now = time.monotonic()
            self._pace.finished(job.host, None, now, now)
        batch.parked.clear()
        self._waiting.discard(batch)

    def _begin(self) -> None:
        now = time.monotonic()
        while len(self._active) < self._manners.concurrency:
            job = self._pace.pop(now)
            if job is None:
                return
            if job.batch.cancelled:
                self._pace.finished(job.host, None, now)
                continue
            if job.batch.held >= self._limits.max_held_bytes:
                self._pace.finished(job.host, None, now)
                job.batch.parked.append(job)
                job.batch.starved = True
                continue
            if self._pace.is_broken(job.host, now):
                self._pace.finished(job.host, None, now)
                reason, status = self._last_failure.get(job.host, ("connect_failure", None))
                message = f"not asked: {job.host} failed {self._manners.host_breaker} times in a row"
                self._deliver(job, Response(url=job.found, status=status, reason=reason, message=message))
                continue
            wire = self._idle.pop() if self._idle else self._make_wire(self)
            job.started = now
            job.asked_at = time.time()
            # What was said for one URL is not said to where it leads.
            extra = job.extra if not job.hops else ()
            wire.load(job.url, self._limits.total_seconds - job.spent, extra, once=self._has_gap(job))
            self._active[wire] = job
            self._by_curl[wire.curl] = wire
            self._multi.add_handle(wire.curl)

    def _gap(self, job: Job) -> float:
        assert self._delay is not None
        return self._delay(origin(job.url)) or 0.0

    def _has_gap(self, job: Job) -> bool:
        return self._delay is not None and self._gap(job) > 0

    def _turn(self) -> None:
        now = time.monotonic()
        patience = _IDLE_SECONDS
        later = self._pace.next_due(now) if len(self._active) < self._manners.concurrency else None
        if later is not None:
            patience = min(patience, later)
        if self._due is not None:
            patience = min(patience, max(0.0, self._due - now))
        self._asleep = True
        if not self._inbox.empty():
            patience = 0.0
        events = self._selector.select(patience)
        self._asleep = False
        for key, mask in events:
            if key.fileobj is self._wake_out:
                self._wake_out.recv(4096)
                continue
            bits = (pycurl.CSELECT_IN if mask & selectors.EVENT_READ else 0) | (
                pycurl.CSELECT_OUT if mask & selectors.EVENT_WRITE else 0
            )
            self._multi.socket_action(key.fd, bits)
        if self._due is not None and time.monotonic() >= self._due:
            self._due = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._reap()

    def _on_socket(self, what: int, fd: int, multi: Any, bound: Any) -> None:
        if what == pycurl.POLL_REMOVE:
            try:
                self._selector.unregister(fd)
            except (KeyError, ValueError):
                pass
            return
        events = {pycurl.POLL_IN: selectors.EVENT_READ, pycurl.POLL_OUT: selectors.EVENT_WRITE}.get(
            what, selectors.EVENT_READ | selectors.EVENT_WRITE
        )
        try:
            self._selector.modify(fd, events)
        except KeyError:
            self._selector.register(fd, events)

    def _on_timer(self, milliseconds: int) -> None:
        self._due = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def may_hold(self, wire: Wire) -> bool:
        """Whether `wire` may take more bytes now. The eldest of a batch always may, so that one ends."""
        batch = self._active[wire].batch
        if batch.held < self._limits.max_held_bytes or self._is_eldest(wire, batch):
            return True
        self._paused.add(wire)
        batch.starved = True
        return False

    def charge(self, wire: Wire, size: int) -> None:
        self._active[wire].batch.held += size

    def _is_eldest(self, wire: Wire, batch: Batch) -> bool:
        return wire is next(one for one, job in self._active.items() if job.batch is batch)

    def _release(self, batch: Batch, size: int) -> None:
        batch.held -= size
        if batch.parked and batch.held < self._limits.max_held_bytes:
            for job in reversed(batch.parked):
                self._pace.add(job, first=True)
            batch.parked.clear()

    def _resume(self) -> None:
        for wire in [wire for wire in self._active if wire in self._paused]:
            batch = self._active[wire].batch
            if batch.held < self._limits.max_held_bytes or self._is_eldest(wire, batch):
                self._paused.discard(wire)
                wire.curl.unpause()
                self._due = 0.0

    def _retire(self, wire: Wire) -> Job:
        self._multi.remove_handle(wire.curl)
        del self._by_curl[wire.curl]
        self._paused.discard(wire)
        self._idle.append(wire)
        return self._active.pop(wire)

    def _reap(self) -> None:
        while True:
            left, done, failed = self._multi.info_read()
            for curl in done:
                self._end(self._by_curl[curl], 0, "")
            for curl, code, message in failed:
                self._end(self._by_curl[curl], code, message)
            if not left:
                break
        if self._paused:
            self._resume()

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
            self._pace.finished(job.host, None, now, answered)
            self._pace.add(job, first=True)
            return
        self._pace.finished(job.host, is_host_failure(reason, wire.status), now, answered)
        if reason is None:
            self._last_failure.pop(job.host, None)
        if reason == "http_error" and wire.status in _REDIRECTS:
            where = next((value for name, value in wire.headers if name == "location"), None)
            if where is not None:
                self._redirect(job, wire, where)
                return
        if reason is not None:
            if not (reason == "too_large" and self._limits.keep_cut):
                wire.drop_body()
                self._release(job.batch, wire.size)
            if is_host_failure(reason, wire.status):
                self._last_failure[job.host] = (reason, wire.status)
            if self._again(job, wire, reason, now):
                return
        self._answer(job, wire, reason, message)

    def _redirect(self, job: Job, wire: Wire, where: str) -> None:
        url, reason = requestable(where, job.url)
        if reason is not None:
            self._answer(job, wire, reason, "redirected to a URL that may not be requested")
        elif job.hops >= self._limits.max_redirects:
            self._answer(job, wire, "too_many_redirects", f"more than {self._limits.max_redirects} redirects")
        elif job.spent >= self._limits.total_seconds:
            self._answer(job, wire, "timeout", f"redirected for more than {self._limits.total_seconds} seconds")
        else:
            job.hops += 1
            job.go_to(url)
            self._pace.add(job, first=True)

    def _again(self, job: Job, wire: Wire, reason: str, now: float) -> bool:
        """Hold the host back if it says so, and put the job on for another attempt if it may have one."""
        manners = self._manners
        wait = manners.backoff_seconds * 2**job.attempt * (0.5 + _chance(manners.seed, job.start_url, job.attempt))
        if wire.status in (429, 503):
            asked = asked_wait(wire.headers, time.time())
            self._pace.hold(job.host, now + min(wait if asked is None else asked, manners.max_wait_seconds))
            if asked is not None:
                if asked > manners.max_wait_seconds:
                    return False
                wait = max(wait, asked)
        if not is_transient(reason, wire.status) or job.attempt >= manners.retries:
            return False
        job.attempt += 1
        job.rewind()
        self._pace.add_later(job, now + wait)
        return True

    def _answer(self, job: Job, wire: Wire, reason: str | None, message: str) -> None:
        body = wire.take_body()
        self._deliver(
            job,
            Response(
                url=job.found,
                final_url=job.url,
                status=wire.status,
                headers=wire.headers,
                body=body,
                reason=reason,
                message=message,
                head=wire.head,
                request=wire.request(),
                address=wire.address(),
                asked_at=job.asked_at,
            ),
        )

    def _deliver(self, job: Job, response: Response) -> None:
        batch = job.batch
        batch.pending -= 1
        if not batch.pending:
            self._waiting.discard(batch)
        if not batch.cancelled:
            batch.outbox.put((job.index, response))


def _chance(seed: int, url: str, attempt: int) -> float:
    """A number in [0, 1) that is the same wherever and whenever it is asked for."""
    digest = hashlib.blake2b(f"{seed}|{attempt}|{url}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56
