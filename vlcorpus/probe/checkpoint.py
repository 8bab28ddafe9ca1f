"""Where a run stands, so that a killed one goes on in the middle of an epoch as if nothing had been.

    >>> train(model, sources, settings, checkpoint=FileCheckpoint(folder / "going.safetensors", every=500))

Draws are functions of the seed and the update (`order`, `mixing`), so what is kept is the weights that are learnt, the
optimizer's moments, the buffers and the curve so far: safetensors, no pickle. On one CPU thread the weights at the end
are those of a run that was never stopped, bit for bit.

A checkpoint bears the fingerprint of settings, mixing, sources and first weights; another run's, or one that cannot be
read, is left unused, and `TrainCurve.refused` says why. Cost: three times the weights, written every so many updates.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from vlcorpus.io.commit import TEMPORARY, Sink, explained, sync_folder
from vlcorpus.probe.curve import TrainStep
from vlcorpus.probe.mixing import Mixing
from vlcorpus.probe.pairs import Pairs
from vlcorpus.probe.settings import TrainSettings

FORMAT = 1
_FINGERPRINT, _FORMAT = "vlcorpus.fingerprint", "vlcorpus.format"
_CURVE = "curve"
_LOOKED_AT = 16  # pairs of each source


class Checkpoint(Protocol):
    every: int
    """Updates"""

    def load(self) -> bytes | None:
        """What was saved last; None when nothing was"""
        ...

    def save(self, state: bytes) -> None:
        """Replaces it, atomically"""
        ...


@dataclass(frozen=True)
class FileCheckpoint:
    """A checkpoint in a file; the folder must be there."""

    path: Path
    every: int

    def load(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def save(self, state: bytes) -> None:
        beside = self.path.with_name(TEMPORARY + self.path.name)
        with explained(self.path):
            sink = Sink(beside)
            try:
                sink.write(state)
                sink.seal()
            finally:
                sink.close()
            os.replace(beside, self.path)
            sync_folder(self.path.parent)

    def remove(self) -> None:
        """When the run is over."""
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()


class Refused(Exception):
    """A checkpoint that is not this run's, or none at all; the message says why."""


def freeze(tensors: Mapping[str, Tensor], steps: Sequence[TrainStep], fingerprint: str) -> bytes:
    """The run's state as safetensors."""
    curve = np.array([_row(step) for step in steps], dtype=np.float64).reshape(-1, 5)
    held = {_CURVE: torch.from_numpy(curve)}
    # Copies: safetensors takes no two names of one memory, which tied weights are.
    held |= {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
    return safetensors.torch.save(held, {_FINGERPRINT: fingerprint, _FORMAT: str(FORMAT)})


def thaw(state: bytes, fingerprint: str) -> tuple[dict[str, Tensor], list[TrainStep]]:
    """What `freeze` was given. Raises Refused."""
    try:
        length = int.from_bytes(state[:8], "little")
        about = json.loads(state[8 : 8 + length])["__metadata__"]
        tensors = safetensors.torch.load(state)
        curve = tensors.pop(_CURVE).numpy()
        if curve.ndim != 2 or curve.shape[1] != 5:
            raise ValueError("its curve has another shape")
    except (ValueError, KeyError, TypeError, UnicodeDecodeError, safetensors.SafetensorError) as error:
        raise Refused(f"it cannot be read ({error})") from error
    if about.get(_FORMAT) != str(FORMAT):
        raise Refused(f"it has format {about.get(_FORMAT)}, and this version reads {FORMAT}")
    if about.get(_FINGERPRINT) != fingerprint:
        raise Refused("it is of other settings, sources or first weights")
    return tensors, [TrainStep(int(row[0]), int(row[1]), *map(float, row[2:])) for row in curve]


def fingerprint(
    model: nn.Module, sources: Sequence[Pairs], settings: TrainSettings, mixing: Mixing, precision: str
) -> str:
    """Of all that decides which weights come out; a few pairs stand for each source. `model` has its first weights."""
    about: dict[str, Any] = {
        "format": FORMAT,
        "settings": asdict(settings),
        "mixing": asdict(mixing),
        "precision": precision,
        "sources": [_looked_at(source) for source in sources],
        "weights": {name: _sum(tensor) for name, tensor in model.state_dict().items()},
    }
    return hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=16).hexdigest()


def _looked_at(source: Pairs) -> list[Any]:
    rows = np.unique(np.linspace(0, len(source) - 1, _LOOKED_AT).astype(np.int64))
    seen = [np.ascontiguousarray(source.images(rows))]
    seen += [np.ascontiguousarray(source.texts(rows, np.full(len(rows), draw))) for draw in (0.0, 0.999)]
    sums = [[list(each.shape), str(each.dtype), zlib.crc32(each.tobytes())] for each in seen]
    return [source.name, len(source), *sums]


def _sum(tensor: Tensor) -> list[Any]:
    held = tensor.detach().cpu().contiguous()
    return [list(held.shape), str(held.dtype), zlib.crc32(held.reshape(-1).view(torch.uint8).numpy().data)]


def _row(step: TrainStep) -> tuple[float, ...]:
    return step.step, step.samples_seen, step.loss, step.learning_rate, step.accuracy
