"""Keeps freed memory with the process while a model trains on the CPU.

    >>> with kept():
    ...     train_steps()

glibc gives large blocks back to the system as soon as they are free, and every step asks for the same ones again: some
9,000 page faults a step of conv-nano at batch 256, a fifth of its CPU time. Here they stay in the heap until the end,
when all that is free goes back at once. Where the C library is another one nothing happens.

Not beside a load that frees gigabytes for others to use in the meantime.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from typing import Any

_TRIM, _MMAP = -1, -3  # of malloc.h
_LARGE = 1 << 30
# What glibc itself goes up to once large blocks have been freed.
_USUAL = {_MMAP: 32 << 20, _TRIM: 64 << 20}


@contextlib.contextmanager
def kept() -> Iterator[None]:
    library = _glibc()
    if library is None:
        yield
        return
    library.mallopt(_MMAP, _LARGE)
    library.mallopt(_TRIM, _LARGE)
    try:
        yield
    finally:
        for name, value in _USUAL.items():
            library.mallopt(name, value)
        library.malloc_trim(0)


def _glibc() -> Any:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
