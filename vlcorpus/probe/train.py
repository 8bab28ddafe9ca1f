"""Trains a dual encoder on pairs, the same way every time.

    >>> curve = train(model, pack, RECIPES["nano"].settings(seed=0))
    >>> curve.samples_seen, round(curve.repetitions, 1), curve.steps[-1].accuracy      # 10240, 1.7, 0.31
    >>> train(model, [laion, own], settings, mixing=Mixing("merged", weights=(3, 1)), logs=[jsonl("steps.jsonl")])

Every arm of a comparison gets the same start (the model's own seed), the same rule of draws and exactly
`steps * batch_size` samples, however large its pack: a filtered corpus pays for being small with repetitions, which the
curve reports. On the CPU one thread: two probes on two cores are twice one probe, two threads of one probe are not (and
on a busy machine several times slower). The same seed gives the same weights, bit for bit, on one machine and
precision, whether or not the run was killed and went on from a checkpoint. Where the process is asked to end
(io.attempt), the checkpoint is of the update that it ends at. On a GPU bf16, compiled where asked, with pictures
changed on the device; several processes by torchrun (`distributed`).

Measured on one core with bf16 units, 32 pixels, batch 256, in samples per CPU second: conv-nano 4,200 in fp32 and
6,400 in bf16, conv-micro 1,750 and 2,900. Not for models that need to be split over accelerators.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from vlcorpus.errors import SourceError, UsageError
from vlcorpus.io import attempt
from vlcorpus.probe import checkpoint as checkpoints
from vlcorpus.probe import optimizer as optimizers
from vlcorpus.probe.batches import Batches
from vlcorpus.probe.checkpoint import Checkpoint
from vlcorpus.probe.curve import TrainCurve, TrainStep
from vlcorpus.probe.distributed import ALONE, Group
from vlcorpus.probe.logs import Log
from vlcorpus.probe.losses import clip_loss, siglip_loss, simclr_loss
from vlcorpus.probe.memory import kept
from vlcorpus.probe.mixing import Mixing, Plan
from vlcorpus.probe.objective import Objective, first_bias
from vlcorpus.probe.optimizer import learning_rate
from vlcorpus.probe.order import TORCH
from vlcorpus.probe.pairs import Pairs, checked
from vlcorpus.probe.recipes import RECIPES, Recipe
from vlcorpus.probe.settings import TrainSettings

__all__ = [
    "HIGHEST_SCALE",
    "RECIPES",
    "Mixing",
    "Recipe",
    "TrainCurve",
    "TrainSettings",
    "TrainStep",
    "Trainable",
    "clip_loss",
    "learning_rate",
    "native_bf16",
    "siglip_loss",
    "simclr_loss",
    "train",
]

HIGHEST_SCALE = 100.0
"""Cap on the factor on cosines, as in CLIP."""

_WHOLE_AT_LAST = 0.1  # share of the updates
_LATE = 2  # updates after which a GPU's figures are read, so that it never waits for the reader


class Trainable(Protocol):
    """What is trained: an nn.Module with two towers and a learnt scale.

    May have `patch_dropout(share)`, which sets the share of patches left out in training, and a `logit_bias` of its
    own for siglip.
    """

    logit_scale: nn.Parameter
    """Natural logarithm of the factor on cosines."""

    def encode_image(self, image: Tensor) -> Tensor:
        """(N, 3, S, S) uint8, or features, to (N, D) unit rows in float32"""
        ...

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(N, L) int64, or features, to (N, D) unit rows in float32"""
        ...


def train(
    model: Trainable,
    sources: Pairs | Sequence[Pairs],
    settings: TrainSettings,
    *,
    mixing: Mixing = Mixing(),  # noqa: B008
    on_step: Callable[[TrainStep], None] | None = None,
    checkpoint: Checkpoint | None = None,
    logs: Sequence[Log] = (),
    group: Group | None = None,
) -> TrainCurve:
    """Trains `model` in place, on the device its parameters are on, and leaves it in eval mode.

    In a group every process calls it with the same arguments; rank 0 alone saves and logs. Raises SourceError for an
    empty source, or when the loss stops being a number; UsageError for settings that do not suit model or sources.
    """
    assert isinstance(model, nn.Module)
    run = _Run(model, checked(sources), settings, mixing, group or ALONE)
    with _one_way(run.device):
        return run.through(on_step, checkpoint, logs if run.group.rank == 0 else ())


class _Run:
    """One call of `train`."""

    def __init__(
        self, model: Any, sources: tuple[Pairs, ...], settings: TrainSettings, mixing: Mixing, group: Group
    ) -> None:
        self.model, self.sources, self.settings, self.mixing, self.group = model, sources, settings, mixing, group
        self.device: torch.device = model.logit_scale.device
        if settings.batch_size % (group.world * settings.accumulate):
            raise UsageError(
                f"a batch of {settings.batch_size} does not part into {group.world} processes of "
                f"{settings.accumulate} micro-batches",
                "take a batch that does",
            )
        if settings.patch_dropout and not callable(getattr(model, "patch_dropout", None)):
            raise UsageError("this model has no patches to leave out", "take a ViT, or patch_dropout 0")
        self.plan: Plan = mixing.plan([len(source) for source in sources], settings.steps, settings.batch_size)
        self.precision = _precision(settings.precision, self.device)
        self.bias = first_bias(model, settings)
        self.learnt = optimizers.learnt_weights(model, self.bias)
        self.optimizer = optimizers.adamw(self.learnt, settings)
        self.steps: list[TrainStep] = []
        self.refused = ""

    def through(
        self, on_step: Callable[[TrainStep], None] | None, checkpoint: Checkpoint | None, logs: Sequence[Log]
    ) -> TrainCurve:
        self.group.share([*self.learnt.values(), *self.model.buffers()])
        mark = self._resume(checkpoint) if checkpoint is not None else ""
        resumed = len(self.steps)
        batches = Batches(self.sources, self.plan, self.settings, self.device, self.group)
        try:
            for log in logs:
                log.begin(self.steps)
            self.model.train()
            for step in self._updates(batches, resumed, checkpoint, mark):
                for log in logs:
                    log.step(step)
                if on_step is not None:
                    on_step(step)
        finally:
            batches.close()
            for log in logs:
                log.end()
        self.group.share(list(self.model.buffers()))
        self.model.eval()
        return self._curve(resumed)

    def _updates(self, batches: Batches, first: int, checkpoint: Checkpoint | None, mark: str) -> Iterator[TrainStep]:
        objective = Objective(self.model, self.settings, self.precision, self.bias, self.group)
        whole, dropped = self.plan.updates, None
        waiting: deque[tuple[int, float, Tensor]] = deque()
        for update in range(first, whole):
            if self.settings.patch_dropout:
                share = self.settings.patch_dropout if update < (1 - _WHOLE_AT_LAST) * whole else 0.0
                if share != dropped:
                    self.model.patch_dropout(share)
                    dropped = share
            rate = learning_rate(update, self.settings, whole)
            waiting.append((update, rate, self._update(objective, batches, update, rate)))
            last = update + 1 == whole
            # Processes of a group would not hear of it at the same update.
            ends = attempt.stopping.is_set() and self.group.world == 1 and not last
            saves = checkpoint is not None and (ends or (update + 1) % checkpoint.every == 0) and not last
            while waiting and (last or saves or self.device.type == "cpu" or len(waiting) > _LATE):
                yield self._told(*waiting.popleft())
            if checkpoint is not None and saves:
                self.group.share(list(self.model.buffers()))
                if self.group.rank == 0:
                    checkpoint.save(checkpoints.freeze(self._state(), self.steps, mark))
            if ends:
                raise attempt.Stopped

    def _update(self, objective: Objective, batches: Batches, update: int, rate: float) -> Tensor:
        """One step of the optimizer; (2,) loss and accuracy, where the model is."""
        self.optimizer.zero_grad(set_to_none=True)
        parts = []
        for place, batch in enumerate(batches.at(update)):
            # Random layers draw from torch's own stream, so that is set anew each time.
            seed = np.random.SeedSequence([self.settings.seed, TORCH, update, place, self.group.rank])
            parts.append(objective.backward(batch, int(seed.generate_state(1, np.uint64)[0] >> 2)))
        figures = parts[0] if len(parts) == 1 else torch.stack(parts).sum(0)
        slopes = [weight.grad for weight in self.learnt.values() if weight.grad is not None]
        self.group.average([*slopes, figures])
        if self.settings.clip_norm:
            nn.utils.clip_grad_norm_(self.learnt.values(), self.settings.clip_norm, foreach=True)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        with torch.no_grad():
            if self.model.logit_scale.requires_grad:
                self.model.logit_scale.clamp_(0, math.log(HIGHEST_SCALE))
        return figures

    def _told(self, update: int, rate: float, figures: Tensor) -> TrainStep:
        loss, accuracy = figures.tolist()
        if not math.isfinite(loss):
            raise SourceError(
                f"training came apart at step {update}: the loss is {loss}", "try a lower learning rate, or fp32"
            )
        self.steps.append(TrainStep(update, sum(self.plan.seen(update + 1)), loss, rate, accuracy))
        return self.steps[-1]

    def _state(self) -> dict[str, Tensor]:
        buffers = {f"buffer.{name}": tensor for name, tensor in self.model.named_buffers()}
        weights = {f"weight.{name}": weight for name, weight in self.learnt.items()}
        moments = optimizers.moments(self.optimizer, self.learnt)
        return weights | buffers | {f"moment.{name}": moment for name, moment in moments.items()}

    def _resume(self, checkpoint: Checkpoint) -> str:
        """Puts back what the checkpoint holds, if it is this run's; the run's fingerprint."""
        mark = checkpoints.fingerprint(self.model, self.sources, self.settings, self.mixing, self.precision)
        held = checkpoint.load() if self.group.rank == 0 else None
        held = self.group.share_bytes(held, self.device)
        if held is None:
            return mark
        try:
            tensors, steps = checkpoints.thaw(held, mark)
        except checkpoints.Refused as refused:
            self.refused = str(refused)
            return mark
        with torch.no_grad():
            for name, tensor in (*self.learnt.items(), *self.model.named_buffers()):
                kind = "weight" if name in self.learnt else "buffer"
                tensor.copy_(tensors[f"{kind}.{name}"])
        moments = {name.removeprefix("moment."): value for name, value in tensors.items() if name.startswith("moment.")}
        optimizers.restore(self.optimizer, self.learnt, moments)
        self.steps = steps
        return mark

    def _curve(self, resumed: int) -> TrainCurve:
        seen = dict(zip((source.name for source in self.sources), self.plan.seen(self.plan.updates), strict=True))
        repetitions = {source.name: seen[source.name] / len(source) for source in self.sources}
        provenance = {
            "torch": torch.__version__,
            "device": self.device.type,
            "cpu": torch.backends.cpu.get_cpu_capability(),
        }
        if self.device.type == "cuda":
            provenance["gpu"] = torch.cuda.get_device_name(self.device)
        if self.group.world > 1:
            provenance["processes"] = str(self.group.world)
        return TrainCurve(
            tuple(self.steps),
            sum(seen.values()),
            max(repetitions.values()),
            self.precision,
            provenance,
            seen,
            repetitions,
            resumed,
            self.refused,
        )


def native_bf16() -> bool:
    """Whether this processor multiplies bf16 itself; emulated, it is slower than fp32."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "arm_bf16"))


def _precision(asked: str, device: torch.device) -> str:
    if asked != "auto":
        return asked
    return "bf16" if (torch.cuda.is_bf16_supported() if device.type == "cuda" else native_bf16()) else "fp32"


@contextlib.contextmanager
def _one_way(device: torch.device) -> Iterator[None]:
    """One thread, deterministic kernels, no TF32; everything as it was afterwards, torch's random state too."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn = torch.is_deterministic_algorithms_warn_only_enabled()
    kernels: Any = torch.utils.deterministic
    filled = kernels.fill_uninitialized_memory
    rounded = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    on_gpu = device.type == "cuda"
    if on_gpu:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    else:
        torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=on_gpu)
    # A debugging aid: each empty tensor is filled first, a tenth of a small model's time.
    kernels.fill_uninitialized_memory = False
    try:
        with torch.random.fork_rng(devices=[device] if on_gpu else []), contextlib.nullcontext() if on_gpu else kept():
            yield
    finally:
        kernels.fill_uninitialized_memory = filled
        torch.use_deterministic_algorithms(strict, warn_only=warn)
        if on_gpu:
            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = rounded
        else:
            torch.set_num_threads(threads)
