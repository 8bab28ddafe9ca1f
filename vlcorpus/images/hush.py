"""C libraries that write to standard error, silenced in a process that is ours.

    with c_libraries_silenced():
        prepare(body, settings)        nothing of libjpeg's or libpng's appears; sys.stderr still does

OpenCV's decoders write lines such as "Corrupt JPEG data: 1 extraneous bytes before marker 0xd9" straight to file
descriptor 2, about a damaged file. Here descriptor 2 leads to the null device meanwhile, and `sys.stderr` to a copy of
what it was. This is the state of a whole process, so nothing enters it by itself: a worker enters it once, for all its
life. Not for a program whose descriptor 2 others write to.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def c_libraries_silenced() -> Iterator[None]:
    """What C code writes to descriptor 2 is dropped inside; what Python writes to `sys.stderr` is not."""
    theirs = sys.stderr
    if theirs is not None:
        theirs.flush()
    kept = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    ours = os.fdopen(os.dup(kept), "w", buffering=1, errors="backslashreplace")
    os.dup2(null, 2)
    os.close(null)
    # Who has replaced sys.stderr writes elsewhere already.
    if theirs is sys.__stderr__:
        sys.stderr = ours
    try:
        yield
    finally:
        if sys.stderr is ours:
            sys.stderr = theirs
        ours.close()
        os.dup2(kept, 2)
        os.close(kept)
