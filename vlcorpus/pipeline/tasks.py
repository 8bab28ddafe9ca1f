"""What an executor is given, and what it says became of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..corpus import Corpus
from ..errors import VlcorpusError
from ..stages.base import Stage


@dataclass(frozen=True)
class Task:
    """One unit of one stage. number: the stage's place in the plan; later stages go first, so that a shard that is
    downloaded is embedded while the next one downloads."""

    stage: Stage
    corpus: Corpus
    unit: str
    number: int = 0


@dataclass(frozen=True)
class Told:
    """Progress inside a unit. node: the machine that does it; empty where there is but one."""

    task: Task
    seen: int
    kept: int
    about: dict[str, dict[str, int]] = field(default_factory=dict)
    node: str = ""


@dataclass(frozen=True)
class Done:
    task: Task
    node: str = ""


@dataclass(frozen=True)
class Failed:
    """`error` is for the person; `trace` is there when it is a bug."""

    task: Task
    error: VlcorpusError
    trace: str = ""


@dataclass(frozen=True)
class Lost:
    """A worker died at a unit; it is tried again. exit_code: where the system tells one."""

    task: Task
    attempt: int
    exit_code: int | None
    node: str = ""


@dataclass(frozen=True)
class Halted:
    """The run was asked to stop before the unit was done; what it kept of it waits for the next run."""

    task: Task


Result = Told | Done | Failed | Lost | Halted
