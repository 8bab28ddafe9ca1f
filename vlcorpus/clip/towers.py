"""Small dual encoders that learn something in seconds on one CPU core.

    >>> model = build("conv-nano", seed=0)
    >>> image_ND = model.encode_image(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))   # (2, 128), unit rows
    >>> text_ND = model.encode_text(torch.ones(2, 5, dtype=torch.int64))              # (2, 128), unit rows

Image tower: a 4x4 convolution of stride 2, then four of 3x3 in two widths, batch norm and ReLU after each, halved
twice, largest and mean value of every channel, one matrix. Text tower: the mean of the words' vectors, layer norm, one
residual MLP. The bag of words is deliberate: on a CPU two transformer layers cost four times the whole of conv-nano.

| architecture | widths | parameters at dimension 128, 4,096 words |
|---|---|---|
| conv-nano  | 16-32-64  | 0.68 M |
| conv-micro | 32-64-128 | 0.90 M |

Not for corpora where word order or fine detail is the question: use an open_clip architecture there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlcorpus.errors import UsageError, nearest

ARCHITECTURES: dict[str, tuple[int, int, int]] = {"conv-nano": (16, 32, 64), "conv-micro": (32, 64, 128)}
"""Name to the three widths of the image tower."""

PIXEL_MEAN, PIXEL_STD = 0.5, 0.25
"""Of all three channels, on the scale 0 to 1."""

FIRST_SCALE = 10.0
"""Logit scale before training; the trainer caps it at 100."""

# Word vectors start small, so that a few steps move them far; with the gain, layer norm sees them and not its epsilon.
_WORD_START = 0.02
_WORD_GAIN = 20.0


class ImageTower(nn.Module):
    """(N, 3, S, S) floats of mean 0 to (N, D)."""

    def __init__(self, widths: tuple[int, int, int], dimension: int) -> None:
        super().__init__()
        stem, middle, wide = widths
        self.layers = nn.Sequential(
            *_convolution(3, stem, kernel=4, stride=2),
            *_convolution(stem, middle),
            nn.MaxPool2d(2),
            *_convolution(middle, middle),
            *_convolution(middle, wide),
            nn.MaxPool2d(2),
            *_convolution(wide, wide),
        )
        self.head = nn.Linear(2 * wide, dimension)

    def forward(self, image: Tensor) -> Tensor:
        channels = self.layers(image)
        pooled: Tensor = self.head(torch.cat([channels.amax((2, 3)), channels.mean((2, 3))], 1))
        return pooled


class TextTower(nn.Module):
    """(N, L) word numbers, 0 where there is none, to (N, D)."""

    def __init__(self, vocabulary: int, dimension: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, dimension, padding_idx=0)
        self.norm = nn.LayerNorm(dimension)
        self.wide = nn.Linear(dimension, 2 * dimension)
        self.narrow = nn.Linear(2 * dimension, dimension)

    def forward(self, tokens: Tensor) -> Tensor:
        present = (tokens != 0).unsqueeze(2)
        total = (self.words(tokens) * present).sum(1)
        mean = total / present.sum(1).clamp(min=1)
        text: Tensor = self.norm(mean * _WORD_GAIN)
        change: Tensor = self.narrow(functional.gelu(self.wide(text)))
        return text + change


class DualEncoder(nn.Module):
    """Both towers. `logit_scale` is the natural logarithm of the factor on cosines, as in CLIP."""

    def __init__(self, architecture: str, dimension: int, image_size: int, vocabulary: int) -> None:
        super().__init__()
        self.architecture = architecture
        self.dimension = dimension
        self.image_size = image_size
        self.vocabulary = vocabulary
        self.image = ImageTower(ARCHITECTURES[architecture], dimension)
        self.text = TextTower(vocabulary, dimension)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))

    def encode_image(self, image: Tensor) -> Tensor:
        """(N, 3, H, W), uint8 of 0 to 255 or floats of 0 to 1, to (N, D) unit rows in float32."""
        pixels = image.float() / 255 if image.dtype == torch.uint8 else image
        pixels = ((pixels - PIXEL_MEAN) / PIXEL_STD).contiguous(memory_format=torch.channels_last)
        return functional.normalize(self.image(pixels).float(), dim=1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(N, L) integers, 0 is padding, to (N, D) unit rows in float32. A text without words has a vector too."""
        return functional.normalize(self.text(tokens.long()).float(), dim=1)


def build(
    architecture: str, *, dimension: int = 128, image_size: int = 32, vocabulary: int = 4096, seed: int
) -> DualEncoder:
    """A fresh model whose weights depend on these arguments only; torch's own random state is left as it was.

    Raises UsageError for an unknown architecture, or for sizes outside dimension 8-1024, image_size 16-256,
    vocabulary 64-65,536.
    """
    if architecture not in ARCHITECTURES:
        raise UsageError(f"no architecture is called {architecture!r}", nearest(architecture, ARCHITECTURES))
    for name, value, low, high in (
        ("dimension", dimension, 8, 1024),
        ("image_size", image_size, 16, 256),
        ("vocabulary", vocabulary, 64, 65_536),
    ):
        if not low <= value <= high:
            raise UsageError(f"{name} is {value}", f"{low} to {high} is possible for {architecture}")
    # Layers draw their first values as they are made; fork_rng hides that from the caller, and _start replaces them.
    with torch.random.fork_rng(devices=[]):
        model = DualEncoder(architecture, dimension, image_size, vocabulary)
    _start(model, torch.Generator().manual_seed(seed))
    return model.to(memory_format=torch.channels_last)


def _convolution(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(inputs, outputs, kernel, stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


@torch.no_grad()
def _start(model: DualEncoder, generator: torch.Generator) -> None:
    """He's initialisation for convolutions, 1/sqrt(inputs) for matrices, in the order of the modules."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            fan = module.in_channels * module.kernel_size[0] * module.kernel_size[1]
            module.weight.normal_(0, math.sqrt(2 / fan), generator=generator)
        elif isinstance(module, nn.Linear):
            module.weight.normal_(0, 1 / math.sqrt(module.in_features), generator=generator)
            module.bias.zero_()
        elif isinstance(module, nn.Embedding):
            module.weight.normal_(0, _WORD_START, generator=generator)
            module.weight[0] = 0
