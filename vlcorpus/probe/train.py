"""Trains a small dual encoder on a pack, the same way every time.

    >>> curve = train(model, pack, RECIPES["nano"].settings(seed=0))
    >>> curve.samples_seen, round(curve.repetitions, 1), curve.steps[-1].accuracy      # 10240, 1.7, 0.31

Every arm of a comparison gets the same start (the model's own seed), the same order of draws and exactly
`steps * batch_size` samples, however large its pack: a filtered corpus pays for being small with repetitions, which the
curve reports. One thread: two probes on two cores are twice one probe, two threads of one probe are not (and on a busy
machine several times slower). The same seed gives the same weights, bit for bit, on one machine and precision.

Measured on one core with bf16 units, 32 pixels, batch 256, in samples per CPU second: conv-nano 4,200 in fp32 and
6,400 in bf16, conv-micro 1,750 and 2,900. Not for models that need more than one accelerator, nor for runs long enough
to want a resume.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vlcorpus.errors import SourceError, UsageError
from vlcorpus.probe.pack import Pack

HIGHEST_SCALE = 100.0
"""Cap on the factor on cosines, as in CLIP."""

MOST_REPETITIONS = 10.0
"""Above this many passes over a pack, more of the same compute would favour a larger pack: say so beside the result."""

_SHIFT = 3  # pixels
_AUGMENT_GROUPS = 8  # pictures of one group share one shift and flip: a tenth of the cost of one each
_BETAS = (0.9, 0.98)
_CLIP_NORM = 1.0


class Trainable(Protocol):
    """What is trained: an nn.Module with two towers and a learnt scale."""

    logit_scale: nn.Parameter
    """Natural logarithm of the factor on cosines."""

    def encode_image(self, image: Tensor) -> Tensor:
        """(N, 3, S, S) uint8 to (N, D) unit rows"""
        ...

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(N, L) int64 to (N, D) unit rows"""
        ...


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    steps: int
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.15
    """Share of the steps in which the rate rises."""
    seed: int = 0
    loss: Literal["clip", "siglip"] = "clip"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 where the processor computes in it, else fp32."""
    augment: Literal["flip+shift", "shift", "none"] = "flip+shift"

    def __post_init__(self) -> None:
        for name, low, high in (
            ("steps", 1, 1_000_000),
            ("batch_size", 2, 65_536),
            ("learning_rate", 1e-7, 1.0),
            ("weight_decay", 0.0, 1.0),
            ("warmup", 0.0, 1.0),
            ("seed", 0, 2**63 - 1),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} is {value}", f"{low} to {high} is possible")
        for name, known in (
            ("loss", ("clip", "siglip")),
            ("precision", ("auto", "fp32", "bf16")),
            ("augment", ("flip+shift", "shift", "none")),
        ):
            if getattr(self, name) not in known:
                raise UsageError(f"{name} is {getattr(self, name)!r}", "known: " + ", ".join(known))


@dataclass(frozen=True)
class Recipe:
    """A named way to train. The version changes whenever the numbers it gives could."""

    name: str
    version: int
    architecture: str
    steps: int
    batch_size: int = 256
    about: str = ""

    def settings(self, seed: int, precision: Literal["auto", "fp32", "bf16"] = "auto") -> TrainSettings:
        return TrainSettings(steps=self.steps, batch_size=self.batch_size, seed=seed, precision=precision)


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("nano", 1, "conv-nano", 40, about="10,240 samples, some 2 CPU seconds: ranks corpora that differ a lot"),
        Recipe("demo", 1, "conv-nano", 150, about="38,400 samples, some 6 CPU seconds: the demo's probe"),
        Recipe(
            "micro", 1, "conv-micro", 200, about="51,200 samples, some 20 CPU seconds: photos, and small differences"
        ),
    )
}


@dataclass(frozen=True)
class TrainStep:
    step: int
    samples_seen: int
    loss: float
    learning_rate: float
    accuracy: float
    """Share of the batch's images whose own text is nearest among the batch's."""


@dataclass(frozen=True)
class TrainCurve:
    steps: tuple[TrainStep, ...]
    samples_seen: int
    repetitions: float
    """Samples seen / pairs in the pack."""
    precision: str
    """fp32 or bf16, as used."""
    provenance: dict[str, str] = field(default_factory=dict)


def train(
    model: Trainable, pack: Pack, settings: TrainSettings, *, on_step: Callable[[TrainStep], None] | None = None
) -> TrainCurve:
    """Trains `model` in place, on the device its parameters are on, and leaves it in eval mode.

    Batches are cut from one endless row of shuffles of the pack, each shuffle a whole epoch, so that a pack smaller
    than a batch repeats within it. Raises SourceError for an empty pack, or when the loss stops being a number.
    """
    if not len(pack):
        raise SourceError("there is nothing to train on: the pack is empty", "keep more rows, or look at what failed")
    assert isinstance(model, nn.Module)
    device = model.logit_scale.device
    precision = _precision(settings.precision, device)
    # SigLIP's published bias of -10 suits batches of 32,000; minus log(batch) starts any batch at balance.
    bias = nn.Parameter(torch.tensor(-math.log(settings.batch_size), device=device))
    optimizer = _optimizer(model, bias, settings)
    order, draw = _order(len(pack), settings), np.random.default_rng([settings.seed, 1])
    steps: list[TrainStep] = []
    with _one_way(device):
        model.train()
        for step in range(settings.steps):
            rows = next(order)
            image = torch.from_numpy(_augmented(pack.images[rows], settings.augment, draw)).to(device)
            tokens = torch.from_numpy(pack.tokens[rows].astype(np.int64)).to(device)
            rate = learning_rate(step, settings)
            for group in optimizer.param_groups:
                group["lr"] = rate
            with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
                image_ND, text_ND = model.encode_image(image), model.encode_text(tokens)
            cosine_NN = image_ND.float() @ text_ND.float().T
            logits_NN = model.logit_scale.exp() * cosine_NN
            loss = clip_loss(logits_NN) if settings.loss == "clip" else siglip_loss(logits_NN + bias)
            value = loss.item()
            if not math.isfinite(value):
                raise SourceError(
                    f"training came apart at step {step}: the loss is {value}", "try a lower learning rate, or fp32"
                )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), _CLIP_NORM)
            optimizer.step()
            with torch.no_grad():
                model.logit_scale.clamp_(0, math.log(HIGHEST_SCALE))
            own = torch.arange(len(rows), device=device)
            accuracy = (logits_NN.argmax(1) == own).float().mean().item()
            steps.append(TrainStep(step, (step + 1) * settings.batch_size, value, rate, accuracy))
            if on_step is not None:
                on_step(steps[-1])
        model.eval()
    seen = settings.steps * settings.batch_size
    provenance = {"torch": torch.__version__, "device": device.type, "cpu": torch.backends.cpu.get_cpu_capability()}
    return TrainCurve(tuple(steps), seen, seen / len(pack), precision, provenance)


def clip_loss(logits_NN: Tensor) -> Tensor:
    """Cross entropy in both directions, the diagonal being right (Radford and others 2021)."""
    own = torch.arange(len(logits_NN), device=logits_NN.device)
    return (functional.cross_entropy(logits_NN, own) + functional.cross_entropy(logits_NN.T, own)) / 2


def siglip_loss(logits_NN: Tensor) -> Tensor:
    """Each pair judged alone, summed over the texts of an image (Zhai and others 2023)."""
    sign = 2 * torch.eye(len(logits_NN), device=logits_NN.device) - 1
    return -functional.logsigmoid(sign * logits_NN).sum() / len(logits_NN)


def learning_rate(step: int, settings: TrainSettings) -> float:
    """One cycle: from a 25th up to the peak within `warmup`, then along a cosine to nearly nothing (Smith 2018)."""
    rising = max(1.0, settings.warmup * settings.steps)
    if step < rising:
        return settings.learning_rate * (1 + 24 * 0.5 * (1 - math.cos(math.pi * step / rising))) / 25
    fallen = (step - rising) / max(1.0, settings.steps - rising)
    return settings.learning_rate * max(1e-4, 0.5 * (1 + math.cos(math.pi * fallen)))


def native_bf16() -> bool:
    """Whether this processor multiplies bf16 itself; emulated, it is slower than fp32."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "arm_bf16"))


def _precision(asked: str, device: torch.device) -> str:
    if asked != "auto":
        return asked
    return "bf16" if (torch.cuda.is_bf16_supported() if device.type == "cuda" else native_bf16()) else "fp32"


def _optimizer(model: nn.Module, bias: nn.Parameter, settings: TrainSettings) -> torch.optim.Optimizer:
    """AdamW; only matrices and kernels decay."""
    learnt = [*model.parameters(), bias] if settings.loss == "siglip" else list(model.parameters())
    groups = [
        {"params": [weight for weight in learnt if weight.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in learnt if weight.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=_BETAS, fused=True)


def _order(size: int, settings: TrainSettings) -> Iterator[NDArray[np.int64]]:
    """Endless batches of rows."""
    generator = np.random.default_rng([settings.seed, 0])
    waiting = np.empty(0, np.int64)
    while True:
        while len(waiting) < settings.batch_size:
            waiting = np.concatenate([waiting, generator.permutation(size)])
        yield waiting[: settings.batch_size]
        waiting = waiting[settings.batch_size :]


def _augmented(image: NDArray[np.uint8], augment: str, draw: np.random.Generator) -> NDArray[np.uint8]:
    """Shifts (edges repeat) and mirrors, one draw for each of eight groups."""
    if augment == "none":
        return image
    out = np.empty_like(image)
    height, width = image.shape[2:]
    for group in range(_AUGMENT_GROUPS):
        down, right, flip = draw.integers(-_SHIFT, _SHIFT + 1), draw.integers(-_SHIFT, _SHIFT + 1), draw.integers(2)
        rows = np.clip(np.arange(height) + down, 0, height - 1)
        columns = np.clip(np.arange(width) + right, 0, width - 1)
        if flip and augment == "flip+shift":
            columns = columns[::-1]
        out[group::_AUGMENT_GROUPS] = image[group::_AUGMENT_GROUPS][:, :, rows[:, None], columns]
    return out


@contextlib.contextmanager
def _one_way(device: torch.device) -> Iterator[None]:
    """One thread and deterministic kernels; both as they were afterwards."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    warn = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict, warn_only=warn)
