"""Where the work is done: the options that say so, and the executor that they mean.

Machines(workers=4)                                      processes of this machine
Machines(executor="ray", address="auto")                 the workers of a Ray cluster
Machines(shard_range="2/8", wait=True)                   the second of eight machines that share a corpus
"""

from __future__ import annotations

import enum
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from ..stages.base import Stage

if TYPE_CHECKING:
    from ..corpus import Corpus
    from ..pipeline.executor import Executor
    from ..pipeline.ranks import Part

MEMORY = "memory://"
OF_DOWNLOAD = "VLCORPUS_DOWNLOAD_SHARD_RANGE"  # where download alone could be parted


class Kind(enum.StrEnum):
    LOCAL = "local"
    RAY = "ray"


PANEL = "Machines"
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        rich_help_panel=PANEL,
        help="Worker processes; one per core if not given. With ray: at most so many.",
    ),
]
Executors = Annotated[
    Kind,
    typer.Option(
        "--executor",
        envvar="VLCORPUS_EXECUTOR",
        rich_help_panel=PANEL,
        help="Who does the work: processes of this machine, or a Ray cluster.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        rich_help_panel=PANEL,
        show_default=False,
        help="With --executor ray: of the cluster, as auto or 10.0.0.1:6379; else one is begun here.",
    ),
]
ShardRange = Annotated[
    str | None,
    typer.Option(
        "--shard-range",
        metavar="I/N|auto",
        envvar="VLCORPUS_SHARD_RANGE",
        rich_help_panel=PANEL,
        show_default=False,
        help="Do part I of N of the shards, for several machines on one corpus; auto asks the scheduler.",
    ),
]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait/--no-wait",
        rich_help_panel=PANEL,
        help="With --shard-range: wait for the other parts where all shards are needed, or end there.",
    ),
]
OPTIONS: dict[str, tuple[Any, Any]] = {
    "workers": (Workers, None),
    "executor": (Executors, Kind.LOCAL),
    "address": (Address, None),
    "shard_range": (ShardRange, None),
    "wait": (Wait, False),
}


@dataclass(frozen=True, kw_only=True)
class Machines:
    """The options as they were typed."""

    workers: int | None = None
    executor: str = Kind.LOCAL
    address: str | None = None
    shard_range: str | None = None
    wait: bool = False

    def part(self, stages: Sequence[Stage]) -> Part | None:
        """The part of the corpus that is meant; None where it is all of it. UsageError where it cannot be told."""
        from ..pipeline import ranks
        from ..pipeline.together import shares

        text = self.shard_range
        if text is None and any(stage.name == "download" for stage in stages):
            text = os.environ.get(OF_DOWNLOAD) or None
        if text is None:
            if self.wait:
                raise UsageError("--wait belongs to --shard-range", "say which part this is, as --shard-range 2/8")
            return None
        if shares(stages):
            raise UsageError(
                "under torchrun all processes train together: there are no parts (--shard-range)",
                "leave --shard-range and VLCORPUS_SHARD_RANGE away",
            )
        return ranks.find(text, os.environ)

    def check(self, place: str) -> None:
        """Refuse what does not go together. place: the corpus, as it was typed."""
        if self.executor != Kind.RAY and self.address is not None:
            raise UsageError("--address belongs to --executor ray", "add --executor ray, or leave --address away")
        if self.executor == Kind.RAY and place.startswith(MEMORY):
            raise UsageError(
                f"{place} lies in this process's memory, which no cluster sees (--executor)", "leave --executor away"
            )

    def open(self, corpus: Corpus) -> Executor:
        """The executor; its `close` is for the caller."""
        if self.executor == Kind.RAY:
            from ..pipeline.cluster import RayExecutor

            cluster: Executor = RayExecutor(self.address, self.workers)
            return cluster
        if corpus.place.startswith(MEMORY):
            from ..pipeline.here import HereExecutor

            return HereExecutor()
        from ..pipeline.executor import LocalExecutor

        return LocalExecutor(self.processes)

    @property
    def processes(self) -> int:
        """Workers on this machine: as many as this process may use cores, where it is not said."""
        if self.workers is not None:
            return self.workers
        if sys.platform == "linux":
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
