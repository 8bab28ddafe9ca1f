"""Preparing images in a process of its own: what crashes or hangs there costs one image.

    with Apart() as apart:
        apart.prepare(body, settings)        as images.prepare.prepare, or Refused("decoder_crash", ...)

Decoders are C libraries that read a stranger's bytes. They run inside a worker as a rule, for that is the quickest way;
an image at which a worker died is tried again here. The child dies with its parent.

Cost: 0.5 s to start, once and after each crash; then 0.2 ms an image more than in this process.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import struct
import subprocess
import sys
from typing import IO, Any, Self

import msgspec

from vlcorpus.images.decode import Refused
from vlcorpus.images.prepare import ImageSettings, Prepared

DECODER_CRASH = "decoder_crash"
SECONDS = 60.0
_LENGTH = struct.Struct("<I")
_KINDS: dict[str, type[Prepared] | type[Refused]] = {"Prepared": Prepared, "Refused": Refused}


class Apart:
    """seconds: the longest that one image may take."""

    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # what was on its way to a child that is gone
                        pipe.close()
            self._child = None

    def prepare(self, body: bytes, settings: ImageSettings, boxes: Any = None) -> Prepared | Refused:
        if self._child is None:
            self._child = self._start()
        child = self._child
        assert child.stdin is not None and child.stdout is not None
        try:
            _send(child.stdin, msgspec.msgpack.encode([body, settings, boxes]))
            kind, found = msgspec.msgpack.decode(_receive(child.stdout, self._seconds))
            return msgspec.convert(found, _KINDS[kind])
        except TimeoutError:
            self.close()
            return Refused(DECODER_CRASH, f"it took more than {self._seconds:g} s")
        except (OSError, EOFError, msgspec.MsgspecError, KeyError, ValueError, TypeError):
            self.close()
            code = child.returncode
            how = (
                signal.Signals(-code).name if code is not None and -code in set(signal.Signals) else f"exit code {code}"
            )
            return Refused(DECODER_CRASH, f"the decoder ended with {how}")

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", __name__, str(os.getpid())]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def _send(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(_LENGTH.pack(len(message)))
    pipe.write(message)
    pipe.flush()


def _receive(pipe: IO[bytes], seconds: float | None) -> bytes:
    """One message. Raises EOFError where the other end closed, TimeoutError where it is silent for too long."""
    (length,) = _LENGTH.unpack(_exactly(pipe, _LENGTH.size, seconds))
    return _exactly(pipe, length, seconds)


def _exactly(pipe: IO[bytes], length: int, seconds: float | None) -> bytes:
    found = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while len(found) < length:
            if not selector.select(seconds):
                raise TimeoutError
            chunk = os.read(pipe.fileno(), length - len(found))
            if not chunk:
                raise EOFError
            found += chunk
    return bytes(found)


def _serve(parent: int) -> None:
    """The child's life: prepare what comes until the pipe closes."""
    import cv2

    from vlcorpus.images.prepare import prepare

    cv2.setNumThreads(1)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no answer
    while os.getppid() == parent:
        try:
            body, settings, boxes = msgspec.msgpack.decode(_receive(sys.stdin.buffer, None))
        except EOFError:
            return
        known = msgspec.convert(settings, ImageSettings)
        found = prepare(body, known, boxes)
        _send(answers, msgspec.msgpack.encode([type(found).__name__, found]))


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
