"""Where the steps of a run are told while it goes on.

    >>> train(model, sources, settings, logs=[jsonl("steps.jsonl"), tensorboard("runs/raw-0")])

A run that goes on from a checkpoint tells its log which steps it already has: `jsonl` writes the file anew from them,
so it holds every step once whatever happened in between; TensorBoard is told to hide what came later; wandb starts a
run that goes on from there. Neither library is imported unless asked for.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from vlcorpus.errors import UsageError
from vlcorpus.io.commit import write_text
from vlcorpus.probe.curve import TrainStep

_FIGURES = ("loss", "accuracy", "learning_rate")


class Log(Protocol):
    def begin(self, done: Sequence[TrainStep]) -> None:
        """Before the first step; `done` are those of a checkpoint"""
        ...

    def step(self, step: TrainStep) -> None: ...

    def end(self) -> None:
        """After the last step, or when training failed"""
        ...


def jsonl(path: str | Path) -> Log:
    """A line of JSON a step: step, samples_seen, loss, learning_rate, accuracy."""
    return _Lines(Path(path))


def tensorboard(folder: str | Path) -> Log:
    """TensorBoard's event files in `folder`. Raises UsageError without tensorboard."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise UsageError("tensorboard is not installed", "pip install 'vlcorpus[tensorboard]'") from error
    return _TensorBoard(SummaryWriter, Path(folder))


def wandb(project: str, *, name: str | None = None, folder: str | Path = ".", **settings: Any) -> Log:
    """A run of Weights & Biases. settings: further arguments of wandb.init, such as mode="offline", config or group.

    Raises UsageError without wandb.
    """
    try:
        library = importlib.import_module("wandb")
    except ImportError as error:
        raise UsageError("wandb is not installed", "pip install 'vlcorpus[wandb]'") from error
    return _Wandb(library, {"project": project, "name": name, "dir": str(folder), **settings})


class _Lines:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: Any = None

    def begin(self, done: Sequence[TrainStep]) -> None:
        write_text(self.path, "".join(map(_line, done)))
        self._file = self.path.open("a", buffering=1)

    def step(self, step: TrainStep) -> None:
        self._file.write(_line(step))

    def end(self) -> None:
        if self._file is not None:
            self._file.close()


class _TensorBoard:
    def __init__(self, writer: Any, folder: Path) -> None:
        self._make, self._folder, self._writer = writer, folder, None

    def begin(self, done: Sequence[TrainStep]) -> None:
        self._writer = self._make(str(self._folder), purge_step=done[-1].step + 1 if done else None)

    def step(self, step: TrainStep) -> None:
        assert self._writer is not None
        for name in _FIGURES:
            self._writer.add_scalar(f"train/{name}", getattr(step, name), step.step)

    def end(self) -> None:
        if self._writer is not None:
            self._writer.close()


class _Wandb:
    def __init__(self, library: Any, settings: Mapping[str, Any]) -> None:
        self._library, self._settings, self._run = library, settings, None

    def begin(self, done: Sequence[TrainStep]) -> None:
        self._run = self._library.init(**self._settings)

    def step(self, step: TrainStep) -> None:
        assert self._run is not None
        figures = asdict(step)
        self._run.log({f"train/{name}": figures[name] for name in (*_FIGURES, "samples_seen")}, step=step.step)

    def end(self) -> None:
        if self._run is not None:
            self._run.finish()


def _line(step: TrainStep) -> str:
    return json.dumps(asdict(step)) + "\n"
