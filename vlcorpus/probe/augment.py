"""Changes pictures a little, so that a model meets none of them twice: drawn once, done by numpy or on the device.

    >>> drawn = draw("flip+shift", side=32, generator=np.random.default_rng([seed, 2, update]))
    >>> by_numpy(image_N3SS, drawn)                     # uint8, as they came
    >>> by_torch(torch.from_numpy(image_N3SS), drawn)   # the same bytes, on whatever device the pictures are

| name | what |
|---|---|
| shift      | up to 3 pixels of 32 either way, edges repeated |
| flip+shift | and mirrored, half the time |
| crop       | 90 to 100 % of the area, sides 3:4 to 4:3, back to the whole by bilinear weights (open_clip's training) |
| crop+flip  | and mirrored, half the time |
| views      | 30 to 100 %, mirrored, brightness, contrast and saturation up to 40 % off, one in five grey (SimCLR's) |

Everything is whole numbers: weights are 256ths, so that both ways give the same bytes. Picture n belongs to group
n mod G of a batch, and a group shares its draw: a group of its own for every picture would cost a tenth of a small
model's step. Crops only enlarge, so no smoothing is needed.

Cost for 256 pictures of 32 pixels by numpy: 1 ms shifted, 5 ms cropped, 20 ms a view.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

GROUPS = {"flip+shift": 8, "shift": 8, "crop": 16, "crop+flip": 16, "views": 64}
"""Draws of a batch, by the kind of augmentation; `none` has none."""

_SHIFT = 3 / 32
_AREA = {"crop": (0.9, 1.0), "crop+flip": (0.9, 1.0), "views": (0.3, 1.0)}
_FLIPPED = ("flip+shift", "crop+flip", "views")
_LONGEST = 4 / 3
_JITTER = 0.4
_GREY = 0.2
_ONE = 256
_AT_ONCE = 512
_LUMA = (77, 150, 29)


@dataclass(frozen=True)
class Axis:
    """Where each group's pixels of one axis come from: between `low` and `high`, `weight` 256ths of the way."""

    low_GS: NDArray[np.int64]
    high_GS: NDArray[np.int64] | None
    weight_GS: NDArray[np.int64] | None
    """Both None where pixels come from one place"""


@dataclass(frozen=True)
class Drawn:
    rows: Axis
    columns: Axis
    tone_G3: NDArray[np.int64] | None = None
    """Brightness, contrast and saturation in 256ths"""


def draw(kind: str, side: int, generator: np.random.Generator) -> Drawn | None:
    """The draws of one batch of pictures of `side` pixels; None for `none`."""
    if kind == "none":
        return None
    groups = GROUPS[kind]
    flip_G1 = generator.integers(2, size=(groups, 1)).astype(bool) & (kind in _FLIPPED)
    if kind not in _AREA:
        most = max(1, round(_SHIFT * side))
        shift_2G1 = generator.integers(-most, most + 1, size=(2, groups, 1))
        rows, columns = (Axis(np.clip(np.arange(side) + shift, 0, side - 1), None, None) for shift in shift_2G1)
        return Drawn(rows, _mirrored(columns, flip_G1))
    area_G = generator.uniform(*_AREA[kind], groups)
    shape_G = np.exp(generator.uniform(-math.log(_LONGEST), math.log(_LONGEST), groups))
    place_2G = generator.random((2, groups))
    rows, columns = (
        _cropped(np.clip(np.rint(side * length), 1, side), place, side)
        for length, place in zip((np.sqrt(area_G / shape_G), np.sqrt(area_G * shape_G)), place_2G, strict=True)
    )
    tone = None
    if kind == "views":
        tone = np.rint(_ONE * generator.uniform(1 - _JITTER, 1 + _JITTER, (groups, 3))).astype(np.int64)
        tone[generator.random(groups) < _GREY, 2] = 0
    return Drawn(rows, _mirrored(columns, flip_G1), tone)


def by_numpy(image_N3SS: NDArray[np.uint8], drawn: Drawn | None, first: int = 0, stride: int = 1) -> NDArray[np.uint8]:
    """The pictures changed, a copy. Picture k of these is number first + k * stride of its batch."""
    if drawn is None:
        return image_N3SS
    out = np.empty_like(image_N3SS)
    groups = len(drawn.rows.low_GS)
    member_N = (first + stride * np.arange(len(out))) % groups
    for group in range(groups):
        chosen: Any = slice(group, None, groups) if stride == 1 and first == 0 else np.flatnonzero(member_N == group)
        part = image_N3SS[chosen]
        if not len(part):
            continue
        if drawn.rows.high_GS is None:
            rows, columns = drawn.rows.low_GS[group], drawn.columns.low_GS[group]
            out[chosen] = part[:, :, rows[:, None], columns]
        else:
            out[chosen] = _between(_between(part, drawn.rows, group, 2), drawn.columns, group, 3)
    return out if drawn.tone_G3 is None else _toned_by_numpy(out, drawn.tone_G3[member_N])


def by_torch(image_N3SS: Tensor, drawn: Drawn | None, first: int = 0, stride: int = 1) -> Tensor:
    """What `by_numpy` does, on the pictures' own device; some hundred at a time, since sums take 32 bits."""
    if drawn is None:
        return image_N3SS
    if len(image_N3SS) > _AT_ONCE:
        parts = enumerate(torch.split(image_N3SS, _AT_ONCE))
        return torch.cat([by_torch(part, drawn, first + stride * _AT_ONCE * place, stride) for place, part in parts])
    device = image_N3SS.device
    member_N = (first + stride * torch.arange(len(image_N3SS), device=device)) % len(drawn.rows.low_GS)
    image = _between_by_torch(image_N3SS, drawn.rows, member_N, 2)
    image = _between_by_torch(image, drawn.columns, member_N, 3)
    if drawn.tone_G3 is None:
        return image
    return _toned_by_torch(image, torch.from_numpy(drawn.tone_G3).to(device, non_blocking=True)[member_N].int())


def _mirrored(columns: Axis, flip_G1: NDArray[np.bool_]) -> Axis:
    low, high, weight = (
        None if each is None else np.where(flip_G1, each[:, ::-1], each)
        for each in (columns.low_GS, columns.high_GS, columns.weight_GS)
    )
    assert low is not None
    return Axis(low, high, weight)


def _cropped(length_G: NDArray[np.float64], place_G: NDArray[np.float64], side: int) -> Axis:
    """`length` pixels of `side`, stretched over all of them; place in [0, 1) is where they begin."""
    start_G1 = np.floor(place_G * (side - length_G + 1))[:, None]
    length_G1 = length_G[:, None]
    at_GS = start_G1 + np.clip((np.arange(side) + 0.5) * length_G1 / side - 0.5, 0, length_G1 - 1)
    low = np.minimum(np.floor(at_GS), side - 1).astype(np.int64)
    weight = np.rint(_ONE * (at_GS - low)).astype(np.int64)
    return Axis(low, np.minimum(low + 1, side - 1), weight)


def _between(image: NDArray[np.uint8], axis: Axis, group: int, dimension: int) -> NDArray[np.uint8]:
    assert axis.high_GS is not None and axis.weight_GS is not None
    shape = [1, 1, 1, 1]
    shape[dimension] = -1
    # At most 255 * 256 + 128: sixteen bits hold it.
    weight = axis.weight_GS[group].astype(np.uint16).reshape(shape)
    low = image.take(axis.low_GS[group], dimension) * (_ONE - weight)
    low += image.take(axis.high_GS[group], dimension) * weight
    low += _ONE // 2
    low >>= 8
    found: NDArray[np.uint8] = low.astype(np.uint8)
    return found


def _between_by_torch(image: Tensor, axis: Axis, member_N: Tensor, dimension: int) -> Tensor:
    shape = [len(image), 1, 1, 1]
    shape[dimension] = -1

    def spread(values_GS: NDArray[np.int64]) -> Tensor:
        # The table of the groups travels, not one of all pictures: small enough not to wait for the device.
        table_GS = torch.from_numpy(np.ascontiguousarray(values_GS)).to(image.device, non_blocking=True)
        return table_GS[member_N].view(shape).expand_as(image)

    low = image.gather(dimension, spread(axis.low_GS))
    if axis.high_GS is None or axis.weight_GS is None:
        return low
    weight = spread(axis.weight_GS).int()
    high = image.gather(dimension, spread(axis.high_GS))
    return ((low.int() * (_ONE - weight) + high.int() * weight + _ONE // 2) >> 8).byte()


def _toned_by_numpy(image: NDArray[np.uint8], tone_N3: NDArray[np.int64]) -> NDArray[np.uint8]:
    bright, contrast, colour = (tone_N3[:, place, None, None, None].astype(np.int32) for place in range(3))
    value = np.minimum((image.astype(np.int32) * bright + _ONE // 2) >> 8, 255)
    pixels = value.shape[2] * value.shape[3]
    red, green, blue = (weight * value[:, place] for place, weight in enumerate(_LUMA))
    mean = (((red + green + blue) >> 8).sum((1, 2), dtype=np.int64) // pixels).astype(np.int32)[:, None, None, None]
    value = np.clip(mean + (((value - mean) * contrast + _ONE // 2) >> 8), 0, 255)
    red, green, blue = (weight * value[:, place] for place, weight in enumerate(_LUMA))
    grey = ((red + green + blue) >> 8)[:, None]
    found: NDArray[np.uint8] = np.clip(grey + (((value - grey) * colour + _ONE // 2) >> 8), 0, 255).astype(np.uint8)
    return found


def _toned_by_torch(image: Tensor, tone_N3: Tensor) -> Tensor:
    bright, contrast, colour = (tone_N3[:, place, None, None, None] for place in range(3))
    value = ((image.int() * bright + _ONE // 2) >> 8).clamp(max=255)
    pixels = value.shape[2] * value.shape[3]
    red, green, blue = (weight * value[:, place] for place, weight in enumerate(_LUMA))
    mean = (((red + green + blue) >> 8).sum((1, 2), dtype=torch.int64) // pixels).int()[:, None, None, None]
    value = (mean + (((value - mean) * contrast + _ONE // 2) >> 8)).clamp(0, 255)
    red, green, blue = (weight * value[:, place] for place, weight in enumerate(_LUMA))
    grey = ((red + green + blue) >> 8)[:, None]
    return (grey + (((value - grey) * colour + _ONE // 2) >> 8)).clamp(0, 255).byte()
