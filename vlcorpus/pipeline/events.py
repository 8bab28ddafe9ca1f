"""What happens in a run, as it is told to whoever shows it, and as a log keeps it.

log = Log(path, corpus.path)
log.note(Event("committed", "embed", "embeddings", "00000", seen=10_000, kept=9_990))
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .plan import Step


@dataclass(frozen=True)
class Event:
    """What happened: `planned` (a step knows its units: `todo`), `started`, `progress`, `committed`, `unchanged`,
    `lost`, `failed`, `halted` (the run is asked to end), `whole` (all of a step's units, or all of its part's), or
    `waiting` (for other parts of the corpus; once a step). node: the machine, where there are several."""

    kind: str
    stage: str
    layer: str
    unit: str = ""
    seen: int = 0
    kept: int = 0
    about: dict[str, dict[str, int]] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    message: str = ""
    hint: str = ""
    trace: str = ""
    todo: int = 0
    node: str = ""


def event(kind: str, step: Step, unit: str = "", **more: Any) -> Event:
    return Event(kind, step.stage.name, step.stage.made(), unit, **more)


class Log:
    """One line of JSON an event, appended and left to the system to flush: a trail for people, not a commit."""

    def __init__(self, path: Path | None, corpus: Path) -> None:
        self._corpus = corpus
        self._fd = None if path is None else os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        if self._fd is not None:
            size = os.fstat(self._fd).st_size
            if size and os.pread(self._fd, 1, size - 1) != b"\n":  # a killed run's last line is its own
                os.write(self._fd, b"\n")

    def note(self, event: Event) -> Event:
        if self._fd is not None and event.kind not in ("planned", "progress"):
            line = {"time": time.time(), **{key: value for key, value in vars(event).items() if value}}
            outside = event.layer.removeprefix("out:")
            if outside != event.layer and "://" not in outside:  # nothing in a corpus names an absolute path
                line["layer"] = "out:" + os.path.relpath(outside, self._corpus)
            os.write(self._fd, (json.dumps(line, ensure_ascii=True) + "\n").encode())
        return event

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
