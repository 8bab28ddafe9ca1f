"""What a training run tells of itself.

>>> curve.samples_seen, curve.seen, curve.repetitions
(38400, {'laion': 28800, 'own': 9600}, 4.8)
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TrainStep:
    step: int
    samples_seen: int
    loss: float
    learning_rate: float
    accuracy: float
    """Share of the batch's images whose own text (for simclr: other view) is nearest among the batch's"""


@dataclass(frozen=True)
class TrainCurve:
    steps: tuple[TrainStep, ...]
    """One an update, those before a resume included"""
    samples_seen: int
    repetitions: float
    """Passes over the source that was repeated most"""
    precision: str
    """fp32 or bf16, as used"""
    provenance: dict[str, str] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    """Samples by source; they add up to samples_seen"""
    repetitions_by: dict[str, float] = field(default_factory=dict)
    resumed: int = 0
    """Updates that a checkpoint brought; 0 when the run began anew"""
    refused: str = ""
    """Why a checkpoint that was there was not used"""
