"""A lease: what a lock is where there is only an object store.

    with leased(store, ".lease/run", about): ...        Held where somebody else has it

A lease is the object with the highest number in its folder, made by `Store.create`, of which a store lets only one
succeed. While it is held, it is written again every BEAT seconds; who ends, writes that it is released. One that was
not written for LIFE seconds, by the store's own clock, is of a machine that is gone, and the next number may be taken.
Before each beat the holder looks for a higher number than its own: if there is one, it was thought gone (it was
suspended, or cut off), and it must stop: `io.attempt.stopping` is set, and leaving the context says so.

Not for: stores that do not refuse to create what is there (S3 does, since 2024; gs and memory do).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import CorpusError
from .alive import runs
from .attempt import stopping
from .store import Store

BEAT = 15.0  # seconds
LIFE = 90.0
_DIGITS = 9


class Held(Exception):
    """Somebody else has the lease. about: what it says of them."""

    def __init__(self, about: Mapping[str, Any]) -> None:
        super().__init__(str(dict(about)))
        self.about = dict(about)


@contextlib.contextmanager
def leased(store: Store, folder: str, about: Mapping[str, Any]) -> Iterator[None]:
    """Hold the lease. Raises Held; CorpusError on leaving where it was lost meanwhile."""
    lease = _Lease(store, folder, about)
    lease.take()
    ended = threading.Event()
    thread = threading.Thread(target=lease.beat, args=(ended,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        if not lease.lost:
            lease.release()
    if lease.lost:
        raise CorpusError(
            f"{store.url} was taken over by another run ({lease.lost})",
            "this machine was not heard of for too long; see whether that run goes on, then run the same command again",
        )


def holder(store: Store, folder: str) -> dict[str, Any] | None:
    """What the lease says of who holds it; None where nobody does."""
    number, about = _highest(store, folder)
    return about if number and about is not None and not _over(store, folder, number, about) else None


class _Lease:
    def __init__(self, store: Store, folder: str, about: Mapping[str, Any]) -> None:
        self._store, self._folder = store, folder
        self._about = {
            **about,
            "id": secrets.token_hex(16),
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "space": _space(),
        }
        self._number = 0
        self._beats = 0
        self.lost = ""

    def take(self) -> None:
        number, about = _highest(self._store, self._folder)
        if number and about is not None and not _over(self._store, self._folder, number, about):
            raise Held(about)
        self._number = number + 1
        if not self._store.create(_name(self._folder, self._number), self._payload()):
            raise Held(_highest(self._store, self._folder)[1] or {})
        self._store.remove(_name(self._folder, old) for old in _numbers(self._store, self._folder) if old <= number)

    def beat(self, ended: threading.Event) -> None:
        """Until the end: say that this machine lives, and see that nobody thought otherwise."""
        while not ended.wait(BEAT):
            try:
                number, about = _highest(self._store, self._folder)
                if number != self._number or (about or {}).get("id") != self._about["id"]:
                    self.lost = said(about or {})
                    stopping.set()
                    return
                self._beats += 1
                self._store.write(_name(self._folder, self._number), self._payload())
            except CorpusError:
                continue  # the store is not to be reached: if that lasts, somebody else may take over, and it is seen

    def release(self) -> None:
        self._store.write(_name(self._folder, self._number), self._payload(released=True))

    def _payload(self, *, released: bool = False) -> bytes:
        return json.dumps({**self._about, "beats": self._beats, "released": released}).encode()


def said(about: Mapping[str, Any]) -> str:
    """Who a lease says holds it."""
    if not {"pid", "host"} <= about.keys():
        return "by another run"
    return f"pid {about['pid']} on {about['host']}: {about.get('command', '')}"


def _over(store: Store, folder: str, number: int, about: Mapping[str, Any]) -> bool:
    """Whether a lease is released, or its holder gone."""
    if about.get("released"):
        return True
    if (about.get("host"), about.get("space")) == (socket.gethostname(), _space()) and not runs(about.get("pid")):
        return True
    return _age(store, folder, number) > LIFE


def _age(store: Store, folder: str, number: int) -> float:
    """Seconds since the lease was written, by the store's clock: that of an object written now, less that of it."""
    probe = f"{folder}/.clock-{secrets.token_hex(8)}"
    store.write(probe, b"")
    try:
        now, then = store.written(probe), store.written(_name(folder, number))
    finally:
        store.remove([probe])
    if now is None or then is None:
        return 0.0
    return (now - then).total_seconds()


def _highest(store: Store, folder: str) -> tuple[int, dict[str, Any] | None]:
    """The number of the latest lease and what it says; (0, None) where there was none."""
    numbers = _numbers(store, folder)
    if not numbers:
        return 0, None
    text = store.read(_name(folder, numbers[-1]))
    try:
        found = json.loads(text or b"{}")
    except ValueError:
        found = {}
    return numbers[-1], found if isinstance(found, dict) else {}


def _numbers(store: Store, folder: str) -> list[int]:
    names = (name.rpartition("/")[2].removesuffix(".json") for name in store.listed(folder))
    return sorted(int(name) for name in names if name.isdigit())


def _name(folder: str, number: int) -> str:
    return f"{folder}/{number:0{_DIGITS}d}.json"


def _space() -> str:
    """Which numbering of processes a pid is of: containers of one machine have their own."""
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""
