"""PDQ: 256 bits by which a picture is known again after scaling, encoding and light editing.

    pdq(rgb)                   uint8 (32,); bit k of the published hash is bit k here, most significant byte first
    pdq(rgb).tobytes().hex()   as lists of hashes have it

The algorithm is that of Facebook's ThreatExchange (github.com/facebook/ThreatExchange, pdq; "The TMK+PDQF
Video-Hashing Algorithm and the PDQ Image-Hashing Algorithm", 2019): luma, twice a box filter, 64 x 64 samples, the
16 x 16 lowest terms of their cosine transform, each above the median or not. Two hashes of one picture differ in few
bits; its authors take up to 31 for the same.

Cost: 2 ms a picture of 0.3 megapixels. Not for telling similar scenes from each other: clip.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE, TERMS = 64, 16
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Floats = NDArray[np.float32]


def pdq(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 (H, W, 3) to uint8 (32,)."""
    luma = np.ascontiguousarray(rgb.astype(np.float32) @ _LUMA)
    for _ in range(2):
        luma = _box(_box(luma, axis=1), axis=0)
    small = luma[_places(luma.shape[0])][:, _places(luma.shape[1])]
    cosines = _cosines()
    terms = (cosines @ small @ cosines.T).reshape(-1)
    above = terms > np.partition(terms, (terms.size - 1) // 2)[(terms.size - 1) // 2]
    return np.packbits(above[::-1])


def _box(luma: Floats, *, axis: int) -> Floats:
    """The mean of a window along one axis, which is cut off at the edges."""
    length = luma.shape[axis]
    window = (length + 2 * SIDE - 1) // (2 * SIDE)
    size = (window, 1) if axis == 1 else (1, window)
    before = (window - 1) // 2
    anchor = (before, 0) if axis == 1 else (0, before)
    options: dict[str, Any] = {"anchor": anchor, "normalize": False, "borderType": cv2.BORDER_CONSTANT}
    sums = cv2.boxFilter(luma, cv2.CV_32F, size, **options)
    at = np.arange(length)
    counts = np.minimum(at + window - before, length) - np.maximum(at - before, 0)
    return np.asarray(sums / (counts if axis == 1 else counts[:, None]), np.float32)


def _places(length: int) -> NDArray[np.int64]:
    return ((np.arange(SIDE) + 0.5) * length / SIDE).astype(np.int64)


@cache
def _cosines() -> Floats:
    """Terms 1 to 16 of the cosine transform of 64 samples: float32 (16, 64)."""
    term, place = np.mgrid[1 : TERMS + 1, :SIDE]
    return np.asarray(math.sqrt(2 / SIDE) * np.cos(math.pi / 2 / SIDE * term * (2 * place + 1)), np.float32)
