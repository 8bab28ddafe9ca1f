"""A decoder that crashes or hangs, for processes that are started with this folder on their path.

An image that holds CRASH ends the process as a fault in a C library would; one that holds HANG never comes back.
"""

from __future__ import annotations

import os
import threading

import vlcorpus.images.decode as decode

CRASH, HANG = b"crash the decoder", b"hang the decoder"
_sniff = decode.sniff


def sniff(body: bytes) -> str:
    if CRASH in body:
        os.abort()
    if HANG in body:
        threading.Event().wait()
    return _sniff(body)


decode.sniff = sniff  # type: ignore[assignment]
