"""The addresses of hosts, looked up in threads of our own: once for all who ask, and no longer for a while.

    names = Names()
    names.known("example.com", now)                    None: not looked up, or too long ago
    names.ask("example.com", tell)                     tell("example.com") is called once it is known
    names.known("example.com", now)                    ("93.184.216.34",), or () where the name does not resolve

Not left to curl, which looks up 20 names at once at most (libcurl since 8.20), keeps the others waiting while these get
no answer, and takes the wait for a connection that times out. Nothing is judged here: whether an address may be
connected to is decided when the connection is made.

Times are of time.monotonic(). Cost: one call of getaddrinfo a name, in a thread that ends when there is nothing to look
up; at most 5 MB.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable

KEPT_SECONDS = 300.0  # browsers and curl keep an address for one to five minutes, whatever its time to live
UNRESOLVED_SECONDS = 60.0
THREADS = 128

# More names than this, and the eldest half of them is forgotten.
_MOST_NAMES = 20_000

Tell = Callable[[str], None]


def look_up(host: str) -> tuple[str, ...]:
    """All addresses that the system has for a name, best first; () if it has none."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except (OSError, UnicodeError):
        return ()
    # The scope of a link-local address (`fe80::1%eth0`) is dropped: such are refused, and curl could not read it.
    return tuple(dict.fromkeys(str(where[0]).partition("%")[0] for *_, where in found))


class Names:
    """One for all fetchers of a process is best. look_up: how a name is looked up, in a thread. threads: at once."""

    def __init__(self, look_up: Callable[[str], tuple[str, ...]] = look_up, threads: int = THREADS) -> None:
        self._look_up = look_up
        self._threads = threads
        self._known: dict[str, tuple[tuple[str, ...], float]] = {}
        self._asked: dict[str, list[Tell]] = {}
        self._queue: deque[str] = deque()
        self._running = 0
        self._lock = threading.Lock()

    def known(self, host: str, now: float) -> tuple[str, ...] | None:
        """Its addresses, () if it was found to have none, None if that has to be asked. From any thread."""
        found = self._known.get(host)
        return found[0] if found is not None and found[1] > now else None

    def ask(self, host: str, tell: Tell) -> None:
        """Have `tell` called with the host when it is known: in another thread, or at once if it is."""
        with self._lock:
            is_known = self.known(host, time.monotonic()) is not None
            if not is_known:
                waiting = self._asked.setdefault(host, [])
                waiting.append(tell)
                if len(waiting) > 1:
                    return
                self._queue.append(host)
                if self._running == self._threads:
                    return
                self._running += 1
        if is_known:
            tell(host)
            return
        try:
            threading.Thread(target=self._run, name="vlcorpus-names", daemon=True).start()
        except RuntimeError:  # no more threads are to be had: those there are will do
            with self._lock:
                self._running -= 1
                if not self._running:
                    raise

    def give_up(self, host: str) -> None:
        """Take it for a name that does not resolve, until the look-up that is under way says otherwise."""
        with self._lock:
            if host in self._asked:
                self._note(host, ())

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._running -= 1
                    return
                host = self._queue.popleft()
            addresses = self._look_up(host)
            with self._lock:
                self._note(host, addresses)
                waiting = self._asked.pop(host)
            for tell in waiting:
                tell(host)

    def _note(self, host: str, addresses: tuple[str, ...]) -> None:
        self._known.pop(host, None)  # so that the eldest come first
        self._known[host] = addresses, time.monotonic() + (KEPT_SECONDS if addresses else UNRESOLVED_SECONDS)
        if len(self._known) > _MOST_NAMES:
            for eldest in list(self._known)[: _MOST_NAMES // 2]:
                del self._known[eldest]
