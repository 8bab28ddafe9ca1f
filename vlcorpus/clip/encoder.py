"""Both towers of one model on one device.

    >>> image_ND = encoder.encode_images(pixels)         # (N, 3, S, S) uint8 -> (N, D) float32, unit rows
    >>> pending = encoder.begin_images(pixels)           # on CUDA: copied and computed while this goes on
    >>> image_ND = pending.rows()

`begin_…` are for pipelines (stream.py): on CUDA the batch is copied on a stream of its own, from pinned memory if it
lies there, and the batch must be left alone until `rows` has returned. On the CPU they compute at once.
In fp32 no device uses TF32, and cuDNN only kernels that give the same bits each time. Pictures are computed in blocks
of a fixed size (`Encoder.block`): where whole blocks are given, no vector hangs on how many are given at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vlcorpus.clip.preprocess import Preprocessing, prepare, prepare_into

_cuda: Any = torch.cuda  # its streams and events have no types

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
TEXTS_AT_ONCE = 256
BLOCKS = {"cpu": 32, "cuda": 256}
"""Pictures computed at once, by device: another number of rows takes other kernels, whose sums differ in the last bit,
and a last bit of fp32 may turn one of the stored fp16."""

Kind = Literal["open_clip", "probe", "transformers", "sentence", "two", "heads"]


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model without building it."""

    name: str
    """Architecture, or repository"""
    slug: str
    """Safe as a file name"""
    weights_hash: str
    """sha256 over the stored tensors"""
    dimension: int
    image_size: int
    """0 where there is no image tower"""
    kind: Kind
    preprocessing: dict[str, Any]


@dataclass(frozen=True)
class ImageTower:
    how: Preprocessing
    forward: Callable[[Tensor], Tensor]
    """(N, 3, S, S) uint8 on the device to (N, D), of any length"""
    scale: float
    module: nn.Module | None = None
    """What holds the weights"""


@dataclass(frozen=True)
class TextTower:
    tokenize: Callable[[Sequence[str]], Tensor]
    """N texts to integers, (N, ...), on the CPU"""
    forward: Callable[[Tensor], Tensor]
    """Tokens on the device to (N, D), of any length"""
    module: nn.Module | None = None
    """What holds the weights"""


@dataclass(frozen=True)
class Pending:
    """Rows that a device is computing."""

    vectors: Tensor
    finished: Any = None
    """A CUDA event, or None where they are there already"""

    def done(self) -> bool:
        return self.finished is None or bool(self.finished.query())

    def rows(self) -> NDArray[np.float32]:
        """(N, D) float32 unit rows; a failed row is all NaN. Waits for them."""
        if self.finished is not None:
            self.finished.synchronize()
        vectors: NDArray[np.float32] = self.vectors.numpy()
        return vectors


class Encoder:
    """Both towers of one model on one device, ready for use."""

    def __init__(
        self, card: ModelCard, device: torch.device, precision: str, image: ImageTower, text: TextTower
    ) -> None:
        self.card = card
        self.slug = card.slug
        self.dimension = card.dimension
        self.image_size = card.image_size
        self.device = device
        self.precision = precision
        self.scale = image.scale
        """The model's own factor on cosines: softmax(scale * similarity)"""
        self._image = image
        self._text = text
        self.block = BLOCKS.get(device.type, 256)
        """Pictures computed at once"""
        self._copying: Any = _cuda.Stream(device) if device.type == "cuda" else None

    def preprocess(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 to (3, S, S) uint8."""
        return prepare(rgb, self._image.how)

    def preprocess_into(self, bgr: NDArray[np.uint8], square: NDArray[np.uint8]) -> None:
        """(H, W, 3) uint8, blue first, into (3, S, S) uint8, red first."""
        prepare_into(bgr, self._image.how, square, bgr=True)

    def encode_images(self, batch: NDArray[np.uint8] | Tensor, *, mirrored: bool = False) -> NDArray[np.float32]:
        """(N, 3, S, S) uint8, from `preprocess`, to (N, D) float32 unit rows; a failed row is all NaN.

        mirrored: left and right change places first.
        """
        return self.begin_images(torch.as_tensor(batch), mirrored=mirrored).rows()

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """N texts to (N, D) float32 unit rows; longer texts than the model reads are cut. A failed row is all NaN."""
        parts = [
            self.begin_tokens(self.tokenize(texts[start : start + TEXTS_AT_ONCE])).rows()
            for start in range(0, len(texts), TEXTS_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension), np.float32)

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """The model's own tokens: integers, a row a text."""
        return self._text.tokenize(list(texts))

    def begin_images(self, batch: Tensor, *, mirrored: bool = False) -> Pending:
        """As `encode_images`, without waiting."""
        size = self.image_size
        if batch.dtype != torch.uint8 or batch.shape[1:] != (3, size, size):
            raise ValueError(f"images are (N, 3, {size}, {size}) uint8, not {tuple(batch.shape)} {batch.dtype}")
        tower = self._image.forward
        return self._begin(batch, (lambda image: tower(image.flip(3))) if mirrored else tower, self.block)

    def begin_tokens(self, tokens: Tensor) -> Pending:
        """As `encode_texts` of what `tokenize` gave, without waiting."""
        return self._begin(tokens, self._text.forward, TEXTS_AT_ONCE)

    def _begin(self, batch: Tensor, tower: Callable[[Tensor], Tensor], block: int) -> Pending:
        if len(batch) == 0:
            return Pending(torch.zeros((0, self.dimension)))
        if self._copying is None:
            return Pending(self._blocks(batch.to(self.device), tower, block).cpu())
        with torch.cuda.device(self.device):
            computing = torch.cuda.current_stream(self.device)
            with torch.cuda.stream(self._copying):
                there = batch.to(self.device, non_blocking=True)
            computing.wait_stream(self._copying)
            there.record_stream(computing)  # its memory was got on the other stream
            vectors = self._blocks(there, tower, block)
            back = torch.empty(vectors.shape, dtype=torch.float32, pin_memory=True)
            back.copy_(vectors, non_blocking=True)
            finished: Any = _cuda.Event()
            finished.record(computing)
        return Pending(back, finished)

    def _blocks(self, batch: Tensor, tower: Callable[[Tensor], Tensor], block: int) -> Tensor:
        parts = [self._unit(part, tower) for part in torch.split(batch, block)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _unit(self, batch: Tensor, tower: Callable[[Tensor], Tensor]) -> Tensor:
        half = self.precision != "fp32"
        with (
            torch.inference_mode(),
            same_bits(self.device),
            torch.autocast(self.device.type, PRECISIONS[self.precision], enabled=half),
        ):
            rows = tower(batch).float()
            length = rows.norm(dim=1, keepdim=True)
            # A row of zeros has no direction: as little an embedding as an infinite one.
            failed = ~(torch.isfinite(rows).all(1, keepdim=True) & torch.isfinite(length) & (length > 0))
            unit: Tensor = (rows / length).masked_fill(failed, float("nan"))
            return unit


@contextlib.contextmanager
def same_bits(device: torch.device) -> Iterator[None]:
    """cuDNN convolutions in full float32, by algorithms that repeat. Matrix products are in full float32 by default."""
    if device.type != "cuda":
        yield
        return
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
        yield
