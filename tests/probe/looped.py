"""Small sources and models for the loop's tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from tests.probe.drawn import pairs
from vlcorpus.clip.words import tokenize


@dataclass(frozen=True)
class Arrays:
    """Pairs that lie in memory, with one text or several equally likely ones for each picture."""

    name: str
    images_N: NDArray[Any]
    texts_LN: Sequence[NDArray[Any]]

    def __len__(self) -> int:
        return len(self.images_N)

    def images(self, rows_B: NDArray[np.int64], /) -> NDArray[Any]:
        return self.images_N[rows_B]

    def texts(self, rows_B: NDArray[np.int64], draw_B: NDArray[np.float64], /) -> NDArray[Any]:
        layer_B = (draw_B * len(self.texts_LN)).astype(np.int64)
        found = self.texts_LN[0][rows_B]
        for layer, texts in enumerate(self.texts_LN[1:], 1):
            chosen = layer_B == layer
            found[chosen] = texts[rows_B[chosen]]
        return found


def source(name: str, count: int, seed: int = 0, layers: int = 1) -> Arrays:
    """Drawn shapes; a second layer says the class twice over."""
    images, captions = drawn(count, seed)
    texts = [tokenize([caption * (1 + layer) for caption in captions], 12, 512) for layer in range(layers)]
    return Arrays(name, images, texts)


@cache
def drawn(count: int, seed: int) -> tuple[NDArray[np.uint8], list[str]]:
    rows = list(pairs(count, seed))
    return np.stack([rgb.transpose(2, 0, 1) for _, rgb, _, _ in rows]), [f"{caption} " for _, _, caption, _ in rows]


class Plain(nn.Module):
    """Two towers without batch norm; `dropout` gives it a random layer."""

    def __init__(self, seed: int = 0, *, bias: bool = False, dropout: float = 0.0, dtype: torch.dtype = torch.float32):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.image = nn.Sequential(
                nn.Conv2d(3, 8, 4, stride=4), nn.GELU(), nn.Dropout(dropout), nn.Flatten(), nn.Linear(512, 16)
            )
            self.words = nn.Embedding(512, 16)
            self.text = nn.Linear(16, 16)
        self.logit_scale = nn.Parameter(torch.tensor(2.3))
        if bias:
            self.logit_bias = nn.Parameter(torch.tensor(-3.0))
        self.dropped: list[float] = []
        self.to(dtype)

    def encode_image(self, image: Tensor) -> Tensor:
        return functional.normalize(self.image(image.to(self.logit_scale.dtype) / 255 - 0.5), dim=1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        present = (tokens != 0).unsqueeze(2)
        return functional.normalize(self.text((self.words(tokens) * present).sum(1)), dim=1)


class Patchy(Plain):
    """Is told which share of its patches to leave out."""

    def patch_dropout(self, share: float) -> None:
        self.dropped.append(share)


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


class Memory:
    """A checkpoint in memory that keeps every state it was given."""

    def __init__(self, every: int, state: bytes | None = None) -> None:
        self.every, self.state, self.states = every, state, list[bytes]()

    def load(self) -> bytes | None:
        return self.state

    def save(self, state: bytes) -> None:
        self.state = state
        self.states.append(state)
