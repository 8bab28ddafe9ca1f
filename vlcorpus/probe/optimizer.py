"""AdamW as the loop uses it: which weights it moves, how fast, and its state as plain tensors.

>>> learnt = learnt_weights(model, bias)
>>> optimizer = adamw(learnt, settings)
>>> moments(optimizer, learnt)                  # {"image.head.weight.exp_avg": ..., ...}
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vlcorpus.probe.settings import TrainSettings

OWN_BIAS = "siglip_bias"
"""Name of the bias that the loop keeps where a model has none."""

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def learnt_weights(model: nn.Module, bias: nn.Parameter | None) -> dict[str, nn.Parameter]:
    """By name, in the model's order: what is not frozen, and siglip's bias where it is the loop's."""
    learnt = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    if bias is not None:
        learnt[OWN_BIAS] = bias
    return learnt


def adamw(learnt: Mapping[str, nn.Parameter], settings: TrainSettings) -> torch.optim.AdamW:
    """Only matrices and kernels decay, as in open_clip."""
    groups = [
        {"params": [weight for weight in learnt.values() if weight.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [weight for weight in learnt.values() if weight.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=settings.betas, eps=settings.epsilon, fused=True)


def moments(optimizer: torch.optim.Optimizer, learnt: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """The optimizer's state; nothing of a weight that never had a gradient."""
    return {
        f"{name}.{moment}": optimizer.state[weight][moment]
        for name, weight in learnt.items()
        for moment in _MOMENTS
        if moment in optimizer.state.get(weight, {})
    }


def restore(optimizer: torch.optim.Optimizer, learnt: Mapping[str, nn.Parameter], stored: Mapping[str, Tensor]) -> None:
    """Puts `moments` back. Raises KeyError or RuntimeError where they are another model's."""
    for name, weight in learnt.items():
        if f"{name}.step" not in stored:
            continue
        state = optimizer.state[weight]
        state["step"] = stored[f"{name}.step"].to(weight.device)
        for moment in _MOMENTS[1:]:
            # The fused kernel walks memory in order, so a moment has to lie as its weight does.
            state[moment] = torch.zeros_like(weight, memory_format=torch.preserve_format, requires_grad=False)
            state[moment].copy_(stored[f"{name}.{moment}"])


def learning_rate(step: int, settings: TrainSettings, updates: int | None = None) -> float:
    """The rate of an update. updates: of the whole run; as many as steps unless given.

    onecycle: from a 25th up to the peak within `warmup`, then along a cosine to nearly nothing (Smith 2018).
    cosine: open_clip's cosine_lr with warm-up over `warmup` of the updates.
    """
    whole = settings.steps if updates is None else updates
    if settings.schedule == "cosine":
        rising = round(settings.warmup * whole)
        if step < rising:
            return settings.learning_rate * (step + 1) / rising
        return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - rising) / (whole - rising)))
    first = max(1.0, settings.warmup * whole)
    if step < first:
        return settings.learning_rate * (1 + 24 * 0.5 * (1 - math.cos(math.pi * step / first))) / 25
    fallen = (step - first) / max(1.0, whole - first)
    return settings.learning_rate * max(1e-4, 0.5 * (1 + math.cos(math.pi * fallen)))
