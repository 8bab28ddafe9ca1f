"""What stands around a training run: its checkpoint, its logs, and the curve that it leaves.

    Unfinished(layer, "seed-0", fingerprint, every=500)        the state of a unit under way, in a file beside it
    forget(layer, "seed-0")                                    when it is done
    opened(("wandb=birds",), corpus, "raw", "seed-0")          the logs that a person asked for
    curve_files(curve, told)                                   metrics.json and steps.jsonl

The file's name bears the unit's fingerprint: another run's state is not even looked at. It begins as a journal's, so
that `vlcorpus verify` knows what was left by an interrupted run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus, Layer
from ..io.commit import TEMPORARY, explained
from ..io.journal import PREFIX

if TYPE_CHECKING:
    from ..probe.logs import Log
    from ..probe.train import TrainCurve

JSONL, TENSORBOARD, WANDB = "jsonl", "tensorboard", "wandb="
_NEVER = 2**62


class Unfinished:
    """A checkpoint (vlcorpus.probe.checkpoint) of one unit, kept where its layer is. every: in steps; 0 is never, also
    where the process is asked to end."""

    def __init__(self, layer: Layer, unit: str, fingerprint: str, every: int) -> None:
        from ..probe.checkpoint import FileCheckpoint

        self.every = every or _NEVER
        self._layer, self._name = layer, f"{PREFIX}{unit}-{fingerprint[:16]}.safetensors"
        self._file = FileCheckpoint(layer.making / self._name, self.every)

    def load(self) -> bytes | None:
        self._layer.recall(self._name)
        return self._file.load()

    def save(self, state: bytes) -> None:
        if self.every == _NEVER:
            return
        with explained(self._file.path):
            self._file.path.parent.mkdir(parents=True, exist_ok=True)
        self._file.save(state)
        self._layer.keep(self._name)


def forget(layer: Layer, unit: str) -> None:
    """Remove every state of a unit."""
    for path in layer.making.glob(f"{TEMPORARY}{PREFIX}{unit}-*.safetensors"):
        path.unlink(missing_ok=True)
    here = [path.name for path in layer.making.glob(f"{PREFIX}{unit}-*.safetensors")]
    for name in dict.fromkeys([*here, *layer.kept(f"{PREFIX}{unit}-")]):
        layer.forget(name)


def opened(words: Sequence[str], corpus: Corpus, probe: str, unit: str) -> list[Log]:
    """The logs of one unit; UsageError where a library is missing."""
    from ..probe import logs

    found = []
    for word in words:
        folder = corpus.log(probe).parent
        if word == JSONL:
            found.append(logs.jsonl(folder / probe / f"{unit}.jsonl"))
        elif word == TENSORBOARD:
            found.append(logs.tensorboard(folder / probe / unit))
        else:
            project = word.removeprefix(WANDB)
            found.append(logs.wandb(project, name=f"{probe}.{unit}", folder=folder, group=probe))
    return found


def is_log(word: str) -> bool:
    return word in (JSONL, TENSORBOARD) or (word.startswith(WANDB) and len(word) > len(WANDB))


def curve_files(curve: TrainCurve, told: Mapping[str, Any]) -> dict[str, bytes]:
    """What the run comes to with its learning curve, and the curve a line a step."""
    steps = [asdict(step) for step in curve.steps]
    return {
        "metrics.json": (json.dumps({**told, "curve": steps}, indent=1) + "\n").encode(),
        "steps.jsonl": "".join(json.dumps(step) + "\n" for step in steps).encode(),
    }
