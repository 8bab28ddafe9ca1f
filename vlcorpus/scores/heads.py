"""A small network on embeddings: one number for each, as an aesthetic rating or a probability of being unsafe.

    layers = (Scale(mean_D, factor_D, shift_D), Affine(weight_HD, bias_H), "relu", Affine(weight_1H, bias_1), "sigmoid")
    head = Head("NAME", layers)
    head.dimension              D
    head.architecture           '768 scale > 64 relu > 1 sigmoid'
    head(image_ND)              (N,) float32, NaN where a row is zero or not finite

Rows are made unit vectors first: that is what such heads were trained on, and stored fp16 rows are off by up to 5e-4.
Layers with no activation between them are multiplied out beforehand (LAION's second aesthetic predictor comes down to
768 numbers), so is what normalises the input. All is computed in fp64, in blocks of one size, and rounded once: a row's
value depends on nothing but the row and the head, and is that of PyTorch in fp32 to 1e-6 (ratings: 2e-6).

Cost on one core: 6 µs a row of 768 numbers for a linear head, 60 µs for LAION's L/14 NSFW head.
Which files hold which head: `head_forms`. Not for networks on pixels, nor for layers other than these: `own_head`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vlcorpus.errors import SourceError

Numbers = npt.NDArray[np.float64]
ACTIVATIONS = ("relu", "gelu", "sigmoid", "clamp")
BLOCK = 512
"""Rows at a time; the last block is filled up, so that each has the same shape."""


@dataclass(frozen=True, eq=False)
class Affine:
    """weight_OI @ x + bias_O."""

    weight_OI: Numbers
    bias_O: Numbers


@dataclass(frozen=True, eq=False)
class Scale:
    """(x - mean_D) * factor_D + shift_D: a batch normalisation at rest, or Keras's normalisation."""

    mean_D: Numbers
    factor_D: Numbers
    shift_D: Numbers


Layer = Affine | Scale | str


@dataclass(frozen=True, eq=False)
class Head:
    """Layers in order; a text is an activation: relu, gelu (with erf), sigmoid, or clamp (to 0..1).

    Raises SourceError where the layers do not fit together, hold numbers that are not finite, or end in more than one.
    """

    form: str
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not self.layers or isinstance(self.layers[0], str):
            raise SourceError(f"{self.form}: a head begins with weights", "")
        width = self.dimension
        for layer in self.layers:
            width = _width_after(layer, width, self.form)
        if width != 1:
            raise SourceError(f"{self.form}: the head gives {width} numbers", "one number for each pair is wanted")

    @property
    def dimension(self) -> int:
        """Length of the embeddings that it reads."""
        first = self.layers[0]
        assert not isinstance(first, str)
        shape = first.weight_OI.shape if isinstance(first, Affine) else first.mean_D.shape
        return int(shape[-1]) if shape else 0

    @property
    def architecture(self) -> str:
        """Widths and activations in order."""
        words = [str(self.dimension)]
        for layer in self.layers:
            if isinstance(layer, Affine):
                words += [">", str(len(layer.bias_O))]
            else:
                words.append("scale" if isinstance(layer, Scale) else layer)
        return " ".join(words)

    @cached_property
    def _folded(self) -> tuple[tuple[Tensor, Tensor] | str, ...]:
        """The same function with as few multiplications as possible: pairs of weight (I, O) and bias (O,)."""
        ready: list[Layer] = []
        for layer in self.layers:
            while isinstance(layer, Affine) and ready and (joined := _joined(ready[-1], layer)) is not None:
                ready.pop()
                layer = joined
            ready.append(layer)
        return tuple(each if isinstance(each, str) else _tensors(each) for each in ready)

    def __call__(self, rows_ND: npt.NDArray[np.floating], *, block: int = BLOCK) -> npt.NDArray[np.float32]:
        """One number a row, float32 (N,); NaN where a row is zero or not finite, or the result overflows.

        `rows_ND` is (N, D) float16 or float32, possibly memory-mapped. SourceError where D is not the head's.
        """
        if rows_ND.ndim != 2 or rows_ND.shape[1] != self.dimension:
            raise SourceError(
                f"the head reads embeddings of {self.dimension} numbers, these have {rows_ND.shape[-1]}",
                "give the weights that were made for the model of these embeddings",
            )
        values_N = np.full(len(rows_ND), np.nan, np.float32)
        for start, rows_BD in _blocks(rows_ND, block):
            unit_BD, good_B = unit_rows(rows_BD)
            found_B = self._forward(torch.from_numpy(unit_BD)).numpy()
            with np.errstate(over="ignore"):
                one_B = np.where(good_B, found_B, np.nan).astype(np.float32)
            one_B[~np.isfinite(one_B)] = np.nan
            end = min(start + block, len(rows_ND))
            values_N[start:end] = one_B[: end - start]
        return values_N

    def _forward(self, x: Tensor) -> Tensor:
        for layer in self._folded:
            x = _ACTIVATE[layer](x) if isinstance(layer, str) else torch.addmm(layer[1], x, layer[0])
        return x[:, 0]


_ACTIVATE: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "sigmoid": torch.sigmoid,
    "clamp": lambda x: torch.clamp(x, 0.0, 1.0),
}


def unit_rows(rows_ND: npt.NDArray[np.floating]) -> tuple[Numbers, npt.NDArray[np.bool_]]:
    """Rows at unit length, float64 (N, D), and which of them have a direction, (N,); the others are zero."""
    rows = np.asarray(rows_ND, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        norm_N = np.sqrt(np.einsum("nd,nd->n", rows, rows))
        good_N = np.isfinite(norm_N) & (norm_N > 0)
        return np.where(good_N[:, None], rows / norm_N[:, None], 0.0), good_N


def _blocks(rows_ND: npt.NDArray[np.floating], block: int) -> Iterator[tuple[int, npt.NDArray[np.floating]]]:
    """Blocks of one size; the last is filled up with zeros."""
    for start in range(0, len(rows_ND), block):
        rows = rows_ND[start : start + block]
        if len(rows) < block:
            rows = np.concatenate([rows, np.zeros((block - len(rows), rows.shape[1]), rows.dtype)])
        yield start, rows


def _width_after(layer: Layer, width: int, form: str) -> int:
    if isinstance(layer, str):
        if layer not in ACTIVATIONS:
            raise SourceError(f"{form}: no activation is called {layer!r}", "known: " + ", ".join(ACTIVATIONS))
        return width
    arrays: Sequence[Numbers]
    if isinstance(layer, Affine):
        arrays = (layer.weight_OI, layer.bias_O)
        wanted = layer.weight_OI.ndim == 2 and layer.weight_OI.shape[1] == width
        fits = wanted and layer.bias_O.shape == layer.weight_OI.shape[:1] and len(layer.bias_O) > 0
        after = len(layer.bias_O) if fits else 0
    else:
        arrays = (layer.mean_D, layer.factor_D, layer.shift_D)
        fits = all(each.shape == (width,) for each in arrays)
        after = width
    if not fits or not width:
        shapes = " and ".join(str(each.shape) for each in arrays)
        raise SourceError(
            f"{form}: {shapes} cannot follow {width} numbers", "the file is not whole, or of another kind"
        )
    if not all(np.isfinite(each).all() for each in arrays):
        raise SourceError(f"{form}: weights that are not finite", "the file is damaged, or its training diverged")
    return after


def _tensors(layer: Affine | Scale) -> tuple[Tensor, Tensor]:
    if isinstance(layer, Scale):  # one that no weights follow
        layer = Affine(np.diag(layer.factor_D), layer.shift_D - layer.mean_D * layer.factor_D)
    return torch.from_numpy(np.ascontiguousarray(layer.weight_OI.T)), torch.from_numpy(layer.bias_O.copy())


def _joined(first: Layer, then: Affine) -> Affine | None:
    """Both as one, where that is less work; None where something lies between them, or it is more."""
    if isinstance(first, Scale):
        weight_OI = then.weight_OI * first.factor_D
        return Affine(weight_OI, then.bias_O + then.weight_OI @ first.shift_D - weight_OI @ first.mean_D)
    if not isinstance(first, Affine):
        return None
    (middle, before), after = first.weight_OI.shape, len(then.bias_O)
    if before * after > before * middle + middle * after:
        return None
    return Affine(then.weight_OI @ first.weight_OI, then.bias_O + then.weight_OI @ first.bias_O)
