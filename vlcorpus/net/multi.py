"""Curl's multi handle, driven by one selector that also waits for a wake-up byte from other threads.

    multi = Multi(concurrency=64)
    multi.add(wire)
    for wire, code, message in multi.turn(patience=1.0):      transfers that ended, with curl's code and words
        multi.remove(wire)
    multi.wake()                                              from another thread: `turn` returns at once

Kept connections, answers of the name server (curl's cache: 300 s), TLS sessions (curl's cache: about 25 hosts) and the
parsed file of certificates are shared by all wires of one Multi. Only the thread that calls `turn` may touch it, but
for `wake`.
"""

from __future__ import annotations

import resource
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pycurl

from vlcorpus.net.wire import Wire


class Multi:
    def __init__(self, concurrency: int) -> None:
        self._wake_out, self._wake_in = socket.socketpair()
        self._wake_out.setblocking(False)
        self._wake_in.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_out, selectors.EVENT_READ)
        self._wires: dict[Any, Wire] = {}
        self._due: float | None = None
        self.is_asleep = False
        self._curl: Any = pycurl.CurlMulti()
        self._curl.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._curl.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._curl.setopt(pycurl.M_MAXCONNECTS, _kept(concurrency))

    def add(self, wire: Wire) -> None:
        self._wires[wire.curl] = wire
        self._curl.add_handle(wire.curl)

    def remove(self, wire: Wire) -> None:
        self._curl.remove_handle(wire.curl)
        del self._wires[wire.curl]

    def unpause(self, wire: Wire) -> None:
        wire.curl.unpause()
        self._due = 0.0

    def wake(self) -> None:
        """From any thread."""
        try:
            self._wake_in.send(b"\0")
        except (BlockingIOError, OSError):
            pass  # full: it is awake already; closed: there is nobody to wake

    def turn(self, patience: float, is_idle: Callable[[], bool]) -> Iterator[tuple[Wire, int, str]]:
        """Wait for `patience` seconds at most, move bytes, and give what ended with them.

        is_idle: asked when `is_asleep` is set already; False where there is something to do after all.
        """
        if self._due is not None:
            patience = min(patience, max(0.0, self._due - time.monotonic()))
        self.is_asleep = True
        events = self._selector.select(patience if is_idle() else 0.0)
        self.is_asleep = False
        for key, mask in events:
            if key.fileobj is self._wake_out:
                self._wake_out.recv(4096)
                continue
            bits = (pycurl.CSELECT_IN if mask & selectors.EVENT_READ else 0) | (
                pycurl.CSELECT_OUT if mask & selectors.EVENT_WRITE else 0
            )
            self._curl.socket_action(key.fd, bits)
        if self._due is not None and time.monotonic() >= self._due:
            self._due = None
            self._curl.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        while True:
            left, done, failed = self._curl.info_read()
            for curl in done:
                yield self._wires[curl], 0, ""
            for curl, code, message in failed:
                yield self._wires[curl], code, message
            if not left:
                return

    def close(self) -> None:
        """Drop all transfers."""
        for wire in list(self._wires.values()):
            self.remove(wire)
            wire.curl.close()
        self._curl.close()
        self._selector.close()

    def close_waker(self) -> None:
        """When no other thread can call `wake` any more."""
        self._wake_in.close()
        self._wake_out.close()

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


def _kept(concurrency: int) -> int:
    """Connections that stay open for further requests: as many as hosts in turn may want, and descriptors allow."""
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, min(4 * concurrency, descriptors // 4)) if descriptors > 0 else max(16, 4 * concurrency)
