"""Parts of a corpus: which units are done by which of several machines that know nothing of each other.

    find("2/8", {})                                       Part(2, 8): the second of eight
    find("auto", {"SLURM_ARRAY_TASK_ID": "1", ...})       what the scheduler says
    find("auto", {}).has("00009")                         whether a unit belongs to the part

Whose a unit is depends on its name and the number of parts alone, so a corpus that grows keeps its parts: shard 9 is in
part 9 % n + 1, and a unit without a number goes by a hash. Only what is done unit by unit is parted; a reduction is for
whichever part comes to it first (run.py). For machines that can talk to each other, `--executor ray` shares the work as
it goes; parts are fixed, and the slowest one decides when all are done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import UsageError
from ..stages.base import Stage

AUTO = "auto"
PARTS = "VLCORPUS_PARTS"
_HINT = "give i/n with i from 1 to n, as --shard-range 2/8"


@dataclass(frozen=True)
class Part:
    """own: 1 to parts. told: what said so, for people."""

    own: int
    parts: int
    told: str = ""

    def has(self, unit: str) -> bool:
        number = int(unit) if unit.isdigit() else _hashed(unit)
        return number % self.parts == self.own - 1

    def __str__(self) -> str:
        return f"{self.own}/{self.parts}"


def shared(stage: Stage) -> bool:
    """Whether the units of a stage stand each for itself, so that parts share them: those that follow a layer's units,
    and the files of a source. Everything else is done by one."""
    return stage.follows is not None or stage.makes == "sources"


def find(text: str, environ: Mapping[str, str]) -> Part:
    """The part that `i/n` or `auto` names. UsageError where it names none."""
    if text.strip().lower() == AUTO:
        return _scheduled({name: value.strip() for name, value in environ.items() if value.strip()})
    own, slash, parts = text.strip().partition("/")
    if slash and _count(own) and _count(parts) and 1 <= int(own) <= int(parts):
        return Part(int(own), int(parts))
    raise UsageError(f"{text!r} is no part (--shard-range)", f"{_HINT}, or --shard-range {AUTO} under a scheduler")


Environ = Mapping[str, str]


def _scheduled(environ: Environ) -> Part:
    found = [part for look in _SCHEMES if (part := look(environ)) is not None]
    if not found:
        raise UsageError(
            "no scheduler says which part this is (--shard-range auto)",
            f"it is known under Slurm, Kubernetes' indexed jobs, AWS Batch arrays and RANK/WORLD_SIZE; else {_HINT}",
        )
    telling = [part for part in found if part.parts > 1] or found[:1]  # a job of one task says nothing beside others
    first = telling[0]
    for other in telling[1:]:
        if (other.own, other.parts) != (first.own, first.parts):
            raise UsageError(
                f"{first.told} says part {first}, and {other.told} says {other} (--shard-range auto)",
                f"say which one is meant: {_HINT}",
            )
    return first


def _slurm_array(environ: Environ) -> Part | None:
    name = "SLURM_ARRAY_TASK_ID"
    if name not in environ:
        return None
    place = _number(environ, name) - _number(environ, "SLURM_ARRAY_TASK_MIN")
    step = _number(environ, "SLURM_ARRAY_TASK_STEP") if "SLURM_ARRAY_TASK_STEP" in environ else 1
    parts = _number(environ, "SLURM_ARRAY_TASK_COUNT")
    if step < 1 or place < 0 or place % step or place // step >= parts:
        raise UsageError(
            f"the array's numbers have gaps: {name} {environ[name]} of {parts} (--shard-range auto)",
            f"begin it with all of them, as `sbatch --array=1-8`, or {_HINT}",
        )
    tasks = "SLURM_STEP_NUM_TASKS"
    if "SLURM_PROCID" in environ and tasks in environ and _number(environ, tasks) > 1:
        raise UsageError(
            f"each job of the array has {environ[tasks]} tasks (--shard-range auto)",
            f"begin one task in each job (`srun --ntasks=1`), or {_HINT}",
        )
    return _part(place // step, parts, name, "SLURM_ARRAY_TASK_COUNT")


def _slurm_tasks(environ: Environ) -> Part | None:
    if "SLURM_PROCID" not in environ or "SLURM_ARRAY_TASK_ID" in environ:
        return None
    many = "SLURM_STEP_NUM_TASKS" if "SLURM_STEP_NUM_TASKS" in environ else "SLURM_NTASKS"
    return _part(_number(environ, "SLURM_PROCID"), _number(environ, many), "SLURM_PROCID", many)


def _by_index(index: str, *counts: str) -> Callable[[Environ], Part | None]:
    """A scheme in which the scheduler gives an index from 0 on, and somebody its count."""

    def look(environ: Environ) -> Part | None:
        if index not in environ:
            return None
        said = {name: _number(environ, name) for name in (PARTS, *counts) if name in environ}
        if not said:
            raise UsageError(
                f"{index} is set, but not how many there are (--shard-range auto)",
                f"set {PARTS} to the number of them (a Job's `completions`), or {_HINT}",
            )
        if len(set(said.values())) > 1:
            told = ", ".join(f"{name} {value}" for name, value in said.items())
            raise UsageError(f"it is said in two ways how many parts there are: {told}", "let them say the same")
        name, parts = next(iter(said.items()))
        return _part(_number(environ, index), parts, index, name)

    return look


def _torch(environ: Environ) -> Part | None:
    if "RANK" not in environ or "WORLD_SIZE" not in environ:  # RANK alone is anybody's word
        return None
    return _part(_number(environ, "RANK"), _number(environ, "WORLD_SIZE"), "RANK", "WORLD_SIZE")


_SCHEMES: tuple[Callable[[Environ], Part | None], ...] = (
    _slurm_array,
    _slurm_tasks,
    _by_index("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"),
    _by_index("AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
    _torch,
)


def _part(place: int, parts: int, index: str, count: str) -> Part:
    if not 0 <= place < parts:
        raise UsageError(f"{index} is {place}, and {count} {parts} (--shard-range auto)", _HINT)
    return Part(place + 1, parts, index)


def _number(environ: Environ, name: str) -> int:
    if name not in environ:
        raise UsageError(f"{name} is not set (--shard-range auto)", _HINT)
    if not _count(environ[name]):
        raise UsageError(f"{name} is {environ[name]!r}, which is no number (--shard-range auto)", _HINT)
    return int(environ[name])


def _count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 9


def _hashed(unit: str) -> int:
    return int.from_bytes(hashlib.blake2b(unit.encode(), digest_size=8).digest(), "big")
