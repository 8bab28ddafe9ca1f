"""What the rooms of this engine hand to each other of one picture.

Refused("truncated_image", "...")                    why there is none
Header("jpeg", 4000, 3000, frames=1)                 what is known before a pixel is decoded
Picture(bgr, head, turn=6, width=4000, height=3000)  decoded, perhaps to a half, not yet upright
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

REASONS = (
    "not_an_image",
    "svg",
    "unsupported_format",
    "truncated_image",
    "too_many_pixels",
    "image_too_small",
    "aspect_ratio_too_large",
    "image_area_too_large",
    "decode_error",
    "bad_boxes",
)

_TRANSPOSED = {5, 6, 7, 8}


@dataclass(frozen=True)
class Refused:
    """Why a body gives no picture: `reason` is one of REASONS, `message` says it in words for a person."""

    reason: str
    message: str = ""


@dataclass(frozen=True)
class Header:
    """Size in pixels as stored (before EXIF orientation). `frames` of GIF and TIFF is 1 or 2, where 2 means several."""

    format: str
    width: int
    height: int
    frames: int


@dataclass(frozen=True)
class Picture:
    """`bgr` is uint8 (H, W, 3), blue first: `height` and `width` divided by `scale`, rounded up."""

    bgr: NDArray[np.uint8]
    head: Header
    turn: int
    """EXIF orientation that is still to be applied."""
    width: int
    height: int
    scale: int = 1
    exif: bytes | None = None
    profile: bytes | None = None
    """An ICC profile that is still to be applied."""
    adjusted: bool = False
    blended: bool = False

    def upright(self) -> Picture:
        """Turned as its EXIF orientation says."""
        if self.turn not in range(2, 9):
            return self
        width, height = (self.height, self.width) if self.turn in _TRANSPOSED else (self.width, self.height)
        bgr = self.bgr if self.turn not in _TRANSPOSED else np.asarray(cv2.transpose(self.bgr), np.uint8)
        flip = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}.get(self.turn)
        bgr = bgr if flip is None else np.asarray(cv2.flip(bgr, flip), np.uint8)
        return replace(self, bgr=bgr, turn=1, width=width, height=height, adjusted=True)


def too_large(width: int, height: int, max_pixels: int) -> Refused:
    return Refused("too_many_pixels", f"{width}x{height} is over the limit of {max_pixels} pixels")
