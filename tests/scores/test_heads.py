"""A head is what torch.nn makes of it, whatever the block, and a row has the value that it has alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.scores.published_heads import answers, stored
from vlcorpus.errors import SourceError
from vlcorpus.scores.heads import Affine, Head, Layer, Scale


def affine(seed: int, before: int, after: int) -> Affine:
    draw = np.random.default_rng(seed)
    return Affine(draw.standard_normal((after, before)) / before**0.5, draw.standard_normal(after))


def scale(seed: int, width: int) -> Scale:
    draw = np.random.default_rng(seed)
    return Scale(draw.standard_normal(width), draw.uniform(0.5, 2, width), draw.standard_normal(width))


class Scaled(nn.Module):
    def __init__(self, layer: Scale) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, factor, shift = (
            torch.from_numpy(each) for each in (self.layer.mean_D, self.layer.factor_D, self.layer.shift_D)
        )
        return ((x.double() - mean) * factor + shift).float()


class Clamped(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.clamp(0, 1)


def module(layers: tuple[Layer, ...]) -> nn.Module:
    made: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, str):
            made.append({"relu": nn.ReLU, "gelu": nn.GELU, "sigmoid": nn.Sigmoid, "clamp": Clamped}[layer]())
        elif isinstance(layer, Scale):
            made.append(Scaled(layer))
        else:
            one = nn.Linear(layer.weight_OI.shape[1], len(layer.bias_O))
            one.weight.data.copy_(torch.from_numpy(layer.weight_OI))
            one.bias.data.copy_(torch.from_numpy(layer.bias_O))
            made.append(one)
    return nn.Sequential(*made).eval()


HEADS: dict[str, tuple[Layer, ...]] = {
    "linear": (affine(0, 48, 1),),
    "linear after linear": (affine(0, 48, 64), affine(1, 64, 32), affine(2, 32, 1)),
    "each activation": (affine(0, 48, 20), "relu", affine(1, 20, 20), "gelu", affine(2, 20, 1), "sigmoid"),
    "held to 0..1": (affine(0, 48, 1), "clamp"),
    "scaled first": (scale(0, 48), affine(1, 48, 20), "relu", affine(2, 20, 1)),
    "scaled between": (affine(0, 48, 20), "gelu", scale(1, 20), affine(2, 20, 1)),
    "scaled, no weights behind": (
        affine(0, 48, 20),
        scale(1, 20),
        "relu",
        scale(3, 20),
        scale(4, 20),
        affine(2, 20, 1),
    ),
    "scaled at the end": (affine(0, 48, 1), scale(1, 1)),
    "narrow, then wide": (affine(0, 48, 2), affine(1, 2, 48), "relu", affine(2, 48, 1)),
}


@pytest.mark.parametrize("layers", HEADS.values(), ids=HEADS.keys())
def test_is_what_torch_makes_of_it(layers: tuple[Layer, ...]) -> None:
    rows = stored(1, 333)
    got = Head("toy", layers)(rows)
    assert got.dtype == np.float32 and got.shape == (333,)
    assert np.abs(got - answers(module(layers), rows)).max() < 1e-6


@pytest.mark.parametrize("layers", HEADS.values(), ids=HEADS.keys())
def test_a_row_has_its_value_whatever_stands_beside_it(layers: tuple[Layer, ...]) -> None:
    head, rows = Head("toy", layers), stored(2, 700)
    got = head(rows)
    for block in (1, 7, 64, 1000):
        assert np.array_equal(head(rows, block=block), got), block
    order = np.random.default_rng(0).permutation(700)
    assert np.array_equal(head(rows[order]), got[order])
    assert np.array_equal(np.concatenate([head(rows[:300]), head(rows[300:301]), head(rows[301:])]), got)


def test_rows_are_made_unit_vectors() -> None:
    head, rows = Head("toy", HEADS["each activation"]), stored(3, 50).astype(np.float32)
    assert np.array_equal(head(rows * 4), head(rows))


def test_rows_without_direction_are_nan() -> None:
    head, rows = Head("toy", HEADS["held to 0..1"]), stored(3, 9)
    rows[2], rows[4, 1], rows[5, 0] = 0, np.nan, -np.inf
    with np.errstate(all="raise"):
        assert np.flatnonzero(np.isnan(head(rows))).tolist() == [2, 4, 5]
    assert head(rows[:0]).shape == (0,)


def test_a_value_that_is_no_float_is_nan() -> None:
    head = Head("toy", (Affine(np.full((1, 4), 1e300), np.zeros(1)),))
    assert np.isnan(head(np.ones((2, 4), np.float32))).all()


def test_layers_multiply_out_to_one() -> None:
    assert len(Head("toy", HEADS["linear after linear"])._folded) == 1
    assert len(Head("toy", HEADS["narrow, then wide"])._folded) == 4, "that would be more work"


def test_says_what_it_is() -> None:
    head = Head("toy", HEADS["scaled first"])
    assert (head.dimension, head.architecture) == (48, "48 scale > 20 relu > 1")


def test_embeddings_of_another_length_are_refused() -> None:
    with pytest.raises(SourceError, match="reads embeddings of 48 numbers, these have 32"):
        Head("toy", HEADS["linear"])(stored(0, 3, 32))


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ((), "begins with weights"),
        (("relu", affine(0, 4, 1)), "begins with weights"),
        ((affine(0, 4, 2),), "gives 2 numbers"),
        ((affine(0, 4, 3), affine(0, 4, 1)), r"\(1, 4\) and \(1,\) cannot follow 3 numbers"),
        ((Affine(np.zeros((1, 4)), np.zeros(2)),), "cannot follow"),
        ((Affine(np.zeros(4), np.zeros(1)),), "cannot follow"),
        ((Affine(np.zeros(()), np.zeros(())),), "cannot follow"),
        ((Affine(np.zeros((1, 0)), np.zeros(1)),), "cannot follow 0 numbers"),
        ((affine(0, 4, 1), Scale(np.zeros(2), np.zeros(2), np.zeros(2))), "cannot follow 1"),
        ((Affine(np.full((1, 4), np.inf), np.zeros(1)),), "not finite"),
        ((affine(0, 4, 1), "tanh"), "no activation is called 'tanh'"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers: tuple[Layer, ...], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        Head("toy", layers)
