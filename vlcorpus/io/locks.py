"""Who may write into a corpus: one run, or several that each do a part of it.

    with locked(folder, None, "vlcorpus embed birds", place="birds", part="2/4"): ...
    with locked_reduction(folder, None, "decisions/top", "vlcorpus run …") as ours: ...

gives False where another part is at the reduction.

In a folder these are locks of the system (flock), which end with the process that holds them. In an object store they
are leases (`io.lease`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import CorpusError
from .commit import explained
from .lease import Held, holder, leased, said
from .mirror import Mirror

LEAST_FREE_BYTES = 32 * 1024 * 1024
LONGEST_HOLDER = 65_536
LEASES = ".lease"
_WAIT = "wait until that run has ended, or end it"


@contextlib.contextmanager
def locked(folder: Path, mirror: Mirror | None, command: str, *, place: str, part: str | None = None) -> Iterator[None]:
    """Hold a corpus for writing, or one of several parts of it, as "2/4", that different machines may hold at the same
    time. CorpusError naming the holder where somebody else does; also for a folder that cannot be written to or a disk
    that is nearly full, before any work."""
    _check_disk(folder, place)
    own = None if part is None else f"part-{part.replace('/', '-of-')}"
    if mirror is None:
        with contextlib.ExitStack() as stack:
            stack.enter_context(_flocked(folder / ".lock", command, place, shared=own is not None))
            if own is not None:
                stack.enter_context(_flocked(folder / f".lock-{own}", command, place))
            yield
        return
    try:
        with leased(mirror.store, f"{LEASES}/{own or 'run'}", {"command": command}):
            parts = (each for each in mirror.store.folders(LEASES) if each.startswith("part-"))
            for other in parts if own is None else ("run",):
                about = holder(mirror.store, f"{LEASES}/{other}")
                if about is not None:
                    raise Held(about)
            yield
    except Held as held:
        raise CorpusError(f"{place} is in use ({said(held.about)})", _WAIT) from None


@contextlib.contextmanager
def locked_reduction(folder: Path, mirror: Mirror | None, layer: str, command: str) -> Iterator[bool]:
    """Whether this run, of several that each do a part, is the one that does a reduction. Does not wait."""
    name = "reduce-" + re.sub(r"[^A-Za-z0-9._-]+", "-", layer)
    with contextlib.ExitStack() as stack:
        try:
            if mirror is None:
                stack.enter_context(_flocked(folder / f".lock-{name}", command, str(folder)))
            else:
                stack.enter_context(leased(mirror.store, f"{LEASES}/{name}", {"command": command}))
        except (_InUse, Held):
            ours = False
        else:
            ours = True
        yield ours


def holder_of(folder: Path, mirror: Mirror | None) -> dict[str, Any] | None:
    """What the holder of a corpus says: pid, host, command. None where nobody holds it, also where a killed run has
    left its name; without the words where they cannot be read."""
    if mirror is not None:
        names = mirror.store.folders(LEASES)
        found = (holder(mirror.store, f"{LEASES}/{name}") for name in names)
        return next((about for about in found if about is not None), None)
    try:
        with open(folder / ".lock", encoding="utf-8", errors="replace") as file:
            text = file.read(LONGEST_HOLDER)
            if not text:
                return None
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return None
            except BlockingIOError:
                pass
        about = json.loads(text)
        return {"pid": int(about["pid"]), "host": str(about["host"]), "command": str(about["command"])}
    except OSError:
        return None
    except (ValueError, KeyError, TypeError):
        return {"pid": 0, "host": "", "command": "another run"}


class _InUse(CorpusError):
    pass


@contextlib.contextmanager
def _flocked(file: Path, command: str, place: str, *, shared: bool = False) -> Iterator[None]:
    with explained(file):
        held = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        with explained(file):
            try:
                fcntl.flock(held, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                raise _InUse(f"{place} is in use ({_holder(os.read(held, LONGEST_HOLDER))})", _WAIT) from None
        if shared:  # who holds a part says so there
            yield
            return
        about = {"pid": os.getpid(), "host": socket.gethostname(), "command": command}
        os.ftruncate(held, 0)
        os.write(held, json.dumps(about).encode())
        try:
            yield
        finally:
            os.ftruncate(held, 0)
    finally:
        os.close(held)


def _check_disk(folder: Path, place: str) -> None:
    if not os.access(folder, os.W_OK):
        raise CorpusError(f"cannot write to {folder}", "choose a folder you may write to")
    if shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
        raise CorpusError(f"the disk is full ({folder})", "make room and run the same command again: it resumes")


def _holder(text: bytes) -> str:
    try:
        about = json.loads(text)
        return f"pid {about['pid']} on {about['host']}: {about['command']}"
    except (ValueError, KeyError, TypeError):
        return "by another run"
