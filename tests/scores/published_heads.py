"""The networks of the published heads, as their authors write them, with weights that learned nothing.

aesthetic_v1(dimension), aesthetic_v2(), ...     -> torch.nn.Module in eval mode; `answers` runs one on unit rows
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn


class Sequential(nn.Module):
    """LAION's second aesthetic predictors and the H/14 detector: a Sequential called `layers`."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


class KerasNorm(nn.Module):
    def __init__(self, dimension: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.randn(dimension) * 0.02)
        self.register_buffer("variance", torch.rand(dimension) * 1e-3 + 4e-4)

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.variance.sqrt()  # type: ignore[operator]


class Detector(nn.Module):
    """The NSFW detector on L/14 or B/32, by its widths."""

    def __init__(self, *widths: int) -> None:
        super().__init__()
        self.norm = KerasNorm(widths[0])
        self.count = len(widths) - 1
        for place, (before, after) in enumerate(pairwise(widths), 1):
            setattr(self, f"linear_{place}", nn.Linear(before, after))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        for place in range(1, self.count):
            x = torch.relu(getattr(self, f"linear_{place}")(x))
        return torch.sigmoid(getattr(self, f"linear_{self.count}")(x))


def aesthetic_v1(dimension: int = 48) -> nn.Module:
    return _rested(nn.Linear(dimension, 1))


def aesthetic_v2(*, relu: bool = False, dimension: int = 48) -> nn.Module:
    widths = (dimension, 64, 32, 16, 8)
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(pairwise(widths)):
        layers.append(nn.Linear(before, after))
        layers += [nn.ReLU()] if relu else []
        layers += [nn.Dropout(0.2)] if place < 3 else []
    return _rested(Sequential(*layers, nn.Linear(8, 1)))


def detector(*widths: int) -> nn.Module:
    torch.manual_seed(3)
    return _rested(Detector(*(widths or (48, 16, 32, 24, 1))))


def detector_h14(dimension: int = 48) -> nn.Module:
    layers: list[nn.Module] = []
    for before, after in ((dimension, 64), (64, 96), (96, 64), (64, 32), (32, 16)):
        layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(0.2)]
    last = nn.Linear(8, 1)
    model = _rested(Sequential(*layers, nn.Linear(16, 8), last))
    with torch.no_grad():  # its values lie on both sides of 0 and 1
        last.weight *= 20
        last.bias += 0.5 - float(np.median(answers(model, stored(0, 100, dimension))))
    return model


def detector_datacomp(dimension: int = 48) -> nn.Module:
    norm = nn.BatchNorm1d(dimension, eps=0.0)
    model = nn.Sequential(
        OrderedDict(
            norm=norm,
            dense=nn.Linear(dimension, 16),
            relu=nn.ReLU(),
            dense1=nn.Linear(16, 32),
            relu1=nn.ReLU(),
            dense2=nn.Linear(32, 24),
            relu2=nn.ReLU(),
            dense3=nn.Linear(24, 1),
            sigmoid=nn.Sigmoid(),
        )
    )
    model = _rested(model)
    with torch.no_grad():
        norm.running_mean += torch.randn(dimension) * 0.02  # type: ignore[operator]
        norm.running_var *= torch.rand(dimension) * 1e-3 + 4e-4  # type: ignore[operator]
        norm.weight += torch.randn(dimension) * 0.1
        norm.bias += torch.randn(dimension) * 0.1
    return model


def _rested(model: nn.Module) -> nn.Module:
    torch.manual_seed(7)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.ndim == 2:
                weights.copy_(torch.randn(weights.shape) / weights.shape[1] ** 0.5)
    return model.eval()


def arrays(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}


def answers(model: nn.Module, rows_ND: np.ndarray) -> np.ndarray:
    """What PyTorch says in fp32 of these rows, made unit vectors."""
    rows = rows_ND.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    with torch.inference_mode():
        return model(torch.from_numpy(rows.astype(np.float32)))[:, 0].numpy()  # type: ignore[no-any-return]


def stored(seed: int, count: int, dimension: int = 48) -> np.ndarray:
    """Unit rows as they are stored, float16."""
    rows = np.random.default_rng(seed).standard_normal((count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)
