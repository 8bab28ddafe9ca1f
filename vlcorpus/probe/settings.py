"""How a probe is trained, apart from what it is trained on.

    >>> TrainSettings(steps=150, batch_size=256, seed=3)

Every field changes the weights that come out; where a run is interrupted does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vlcorpus.errors import UsageError

Loss = Literal["clip", "siglip", "simclr"]
Precision = Literal["auto", "fp32", "bf16"]
Schedule = Literal["onecycle", "cosine"]
Augment = Literal["flip+shift", "shift", "none", "crop", "crop+flip"]

_BOUNDS: tuple[tuple[str, float, float], ...] = (
    ("steps", 1, 10_000_000),
    ("batch_size", 2, 1 << 20),
    ("learning_rate", 1e-7, 1.0),
    ("weight_decay", 0.0, 1.0),
    ("warmup", 0.0, 1.0),
    ("epsilon", 1e-12, 1e-2),
    ("clip_norm", 0.0, 1e6),
    ("seed", 0, 2**63 - 1),
    ("patch_dropout", 0.0, 0.9),
    ("accumulate", 1, 65_536),
)
_CHOICES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("loss", ("clip", "siglip", "simclr")),
    ("precision", ("auto", "fp32", "bf16")),
    ("schedule", ("onecycle", "cosine")),
    ("augment", ("flip+shift", "shift", "none", "crop", "crop+flip")),
)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """Raises UsageError for a value out of its bounds."""

    steps: int
    """Batches; as many updates, but for gradients that are accumulated over sources"""
    batch_size: int = 256
    """Of all processes together"""
    learning_rate: float = 2e-3
    """At its peak"""
    weight_decay: float = 0.05
    """Of matrices and kernels only"""
    warmup: float = 0.15
    """Share of the updates in which the rate rises"""
    schedule: Schedule = "onecycle"
    """onecycle: Smith's (2018). cosine: open_clip's: a straight rise, then a cosine to nothing"""
    betas: tuple[float, float] = (0.9, 0.98)
    epsilon: float = 1e-8
    clip_norm: float = 1.0
    """Longest gradient; 0 is any"""
    seed: int = 0
    loss: Loss = "clip"
    """simclr contrasts two views of each image and reads no text"""
    precision: Precision = "auto"
    """auto: bf16 where the processor computes in it, else fp32"""
    augment: Augment = "flip+shift"
    """simclr has its own, stronger one"""
    patch_dropout: float = 0.0
    """Share of a ViT's patches left out, but in the last tenth of the updates"""
    compile: bool | str = False
    """torch.compile of the model and the loss; a text names its backend"""
    accumulate: int = 1
    """Micro-batches that a batch goes through the model in; the loss is the whole batch's all the same"""

    def __post_init__(self) -> None:
        for name, low, high in _BOUNDS:
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} is {value}", f"{low:g} to {high:g} is possible")
        for name, known in _CHOICES:
            if getattr(self, name) not in known:
                raise UsageError(f"{name} is {getattr(self, name)!r}", "known: " + ", ".join(known))
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise UsageError(f"betas are {self.betas}", "give two numbers from 0 to below 1")
        if self.batch_size % self.accumulate:
            raise UsageError(
                f"accumulate is {self.accumulate}, which does not divide the batch of {self.batch_size}",
                "take one that does",
            )
