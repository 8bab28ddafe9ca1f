"""Several processes train one probe: `torchrun --nproc-per-node 8 -m vlcorpus train-probe CORPUS ...`

    group()                        this process's Group; alone unless a process group stands
    device("cuda", group())        the GPU that is this process's own
    agreed(group(), prepare)       what `prepare` gives, when every process has it; raises on all where one does not

    send(group, task)              rank 0 tells the others which unit comes next (None: that was all)
    follow(corpus, group)          what the others do: train what they are told, and write nothing but packs

Rank 0 is the command: it holds the lock, plans, tells and commits. The others build the same model and take their slice
of each batch. Packing is shared by all of them, as among workers (packs.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from .. import spec
from ..corpus import Corpus
from ..errors import UsageError, VlcorpusError
from . import registry
from .base import Stage

if TYPE_CHECKING:
    import torch

    from ..probe.distributed import Group

T = TypeVar("T")
RANK, WORLD, LOCAL = "RANK", "WORLD_SIZE", "LOCAL_RANK"


@dataclass(frozen=True)
class Turn:
    """A unit that all processes train together."""

    stage: Stage
    unit: str


def world() -> int:
    """How many processes torchrun started; 1 without it."""
    return _number(WORLD, 1)


def rank() -> int:
    return _number(RANK, 0)


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        raise UsageError(f"{name} is {text!r}, not a number", "leave it to torchrun")
    return int(text)


def group() -> Group:
    """The processes that train together with this one."""
    import torch.distributed

    from ..probe.distributed import ALONE, Group

    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return ALONE
    return Group(torch.distributed.get_rank(), torch.distributed.get_world_size())


def device(asked: str, group: Group) -> str:
    """cuda becomes the GPU with this process's number, where there are several processes."""
    return f"cuda:{_number(LOCAL, 0)}" if asked == "cuda" and group.world > 1 else asked


@contextlib.contextmanager
def together() -> Iterator[Group]:
    """The process group of torchrun's environment, and at the end, on rank 0, the word that that was all."""
    from ..probe.distributed import from_environment

    with from_environment() as found:
        yield found
        if found.rank == 0:
            send(found, None)


def send(group: Group, turn: Turn | None) -> None:
    """Rank 0: tell the others what comes next."""
    said: dict[str, Any] = {}
    if turn is not None:
        said = {"stage": turn.stage.name, "settings": spec.values_of(turn.stage), "unit": turn.unit}
    group.share_bytes(json.dumps(said).encode(), _messages())


def follow(corpus: Corpus, group: Group) -> None:
    """Train what rank 0 says until it says no more. What fails there as here is rank 0's to tell."""
    while said := json.loads(group.share_bytes(None, _messages()) or b"{}"):
        stage = spec.build(registry.stage(said["stage"]), said["settings"], where=said["stage"])
        with contextlib.suppress(VlcorpusError):
            stage.open(corpus)(said["unit"], _quiet)


def agreed(group: Group, prepare: Callable[[], T]) -> T:
    """What `prepare` gives, once it gave something to every process; where it raises on one, all of them stop here."""
    import torch

    found, error = None, None
    try:
        found = prepare()
    except VlcorpusError as raised:
        error = raised
    if group.world > 1:
        failed = torch.tensor([float(error is not None)], device=_messages())
        group.average([failed])
        if error is None and float(failed) > 0:
            error = VlcorpusError("another of torchrun's processes could not begin", "see what it says")
    if error is not None:
        raise error
    return typing.cast(T, found)


def _messages() -> torch.device:
    """Where tensors have to be for this group to send them."""
    import torch
    import torch.distributed

    on_gpu = torch.distributed.is_initialized() and torch.distributed.get_backend() == "nccl"
    return torch.device(f"cuda:{_number(LOCAL, 0)}" if on_gpu else "cpu")


def _quiet(*progress: object) -> None:
    """Tells nobody: rank 0 does."""
