"""Threads for what takes time: so many at once, so many that wait, and nobody waits for longer than was said.

    pool = Pool(threads=4, waiting=64)
    found = await pool.do(lambda: search(...), seconds=10)      or Refusal: 429 where too many wait, 503 after 10 s

Work that is late goes on to its end, for a thread cannot be stopped, and holds its place until then: late work never
adds up. The threads die with the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from .answers import Refusal

Found = TypeVar("Found")


class Pool:
    """Use from one event loop."""

    def __init__(self, *, threads: int, waiting: int) -> None:
        self._room = threads + waiting
        self._pending = 0
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        for number in range(threads):
            threading.Thread(target=self._work, name=f"answers-{number}", daemon=True).start()

    async def do(self, work: Callable[[], Found], *, seconds: float) -> Found:
        """What `work` gives, or raises; Refusal where it is not done in time, or too much else waits."""
        if self._pending >= self._room:
            raise Refusal(429, "too many requests at once", "ask again in a moment", {"Retry-After": "1"})
        loop = asyncio.get_running_loop()
        job = _Job(work, loop, loop.create_future())
        self._pending += 1
        self._jobs.put(job)
        try:
            async with asyncio.timeout(seconds):
                found: Found = await asyncio.shield(job.future)
                return found
        except TimeoutError:
            raise Refusal(
                503, f"not done within {seconds:g} s", "ask for less, or start the server with a longer --seconds"
            ) from None
        finally:
            job.wanted = False

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            found: Any = None
            error: BaseException | None = None
            if job.wanted:
                try:
                    found = job.work()
                except BaseException as raised:
                    error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
                job.loop.call_soon_threadsafe(self._done, job, found, error)
            del job, found, error

    def _done(self, job: _Job, found: Any, error: BaseException | None) -> None:
        self._pending -= 1
        if job.future.done():
            return
        if error is None:
            job.future.set_result(found)
        else:
            job.future.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))
            job.future.exception()  # told, also where nobody waits any more


class _Job:
    def __init__(self, work: Callable[[], Any], loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]) -> None:
        self.work = work
        self.loop = loop
        self.future = future
        self.wanted = True
