"""Change the size of RGB or BGR pixels, with img2dataset's modes and names.

    resize(rgb, size=512)                       (900, 1200, 3) -> (384, 512, 3)   keep_ratio_largest, the default
    resize(rgb, size=256, mode="center_crop")   (900, 1200, 3) -> (256, 256, 3)
    resize(half, size=512, of=(1200, 900))      (450, 600, 3)  -> (384, 512, 3)   of a JPEG decoded to a half

| mode               | (300, 600) at size 256 | meaning                               |
|--------------------|------------------------|---------------------------------------|
| no                 | (300, 600)             | untouched                             |
| keep_ratio         | (256, 512)             | the short side becomes `size`         |
| keep_ratio_largest | (128, 256)             | the long side becomes `size`          |
| center_crop        | (256, 256)             | keep_ratio, then the middle square    |
| border             | (256, 256)             | keep_ratio_largest, then padded white |

Reducing goes over twice the wanted size: halved while a third or less is wanted, then interpolated to twice the size
(cubic, or linear and sharpened a little), then averaged two by two. OpenCV does each of these steps with vector
instructions, which its INTER_AREA at a broken ratio does not have. `steps` says how near this comes to a Lanczos
reduction and to INTER_AREA, which is img2dataset's and in `exact`. Enlarging is OpenCV's LANCZOS4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from vlcorpus.errors import UsageError, nearest
from vlcorpus.images.steps import Window, reduce

ResizeMode = Literal["no", "keep_ratio", "keep_ratio_largest", "center_crop", "border"]
MODES: tuple[str, ...] = get_args(ResizeMode)

Pixels = NDArray[np.uint8]


def resize(
    rgb: Pixels,
    *,
    size: int,
    mode: ResizeMode = "keep_ratio_largest",
    only_if_bigger: bool = True,
    background: tuple[int, int, int] = (255, 255, 255),
    of: tuple[int, int] | None = None,
    scaled: Callable[[Pixels], Pixels] | None = None,
) -> Pixels:
    """uint8 (H, W, 3) to uint8 (h, w, 3), contiguous; the same array where nothing is to do.

    With `only_if_bigger`, a picture whose deciding side (short for keep_ratio and center_crop, long for
    keep_ratio_largest and border) is at most `size` is returned as it is, uncropped and unpadded, as img2dataset does.
    `of` is (width, height) of the whole picture where `rgb` is a half, quarter or eighth of it (rounded up).
    `background` is in the order of the pixels' colours. `scaled` is applied before cropping or padding.
    Raises UsageError on an unknown mode.
    """
    check_mode(mode)
    width, height = (rgb.shape[1], rgb.shape[0]) if of is None else of
    target = scaled_size(width, height, size=size, mode=mode, only_if_bigger=only_if_bigger)
    if target is None:
        return rgb if scaled is None else scaled(rgb)
    whole = Window(0, 0, *target)
    window = middle(*target, size) if mode == "center_crop" else whole
    small = _scale(rgb, (width, height), target, window if scaled is None else whole)
    if scaled is not None:
        small = _cut(scaled(small), window)
    return pad(small, size, background) if mode == "border" else small


def scaled_size(
    width: int, height: int, *, size: int, mode: ResizeMode, only_if_bigger: bool = True
) -> tuple[int, int] | None:
    """(width, height) after scaling and before cropping or padding; None where the picture is left alone."""
    if mode == "no":
        return None
    side = min(width, height) if mode in ("keep_ratio", "center_crop") else max(width, height)
    if only_if_bigger and side <= size:
        return None
    ratio = size / side
    return max(1, round(width * ratio)), max(1, round(height * ratio))


def check_mode(mode: str) -> None:
    """Raises UsageError unless `mode` is one of MODES."""
    if mode not in MODES:
        raise UsageError(f"unknown resize mode {mode!r}", nearest(mode, MODES))


def middle(width: int, height: int, size: int) -> Window:
    """The square of `size` in the middle of (width, height), a pixel towards the top left where it is uneven."""
    return Window((width - size) // 2, (height - size) // 2, size, size)


def pad(pixels: Pixels, size: int, background: tuple[int, int, int]) -> Pixels:
    """`pixels`, grey or of three colours, in the middle of a square of `size`."""
    height, width = pixels.shape[:2]
    top, left = (size - height) // 2, (size - width) // 2
    edges = top, size - height - top, left, size - width - left
    return np.asarray(cv2.copyMakeBorder(pixels, *edges, cv2.BORDER_CONSTANT, value=background))


def _scale(rgb: Pixels, of: tuple[int, int], target: tuple[int, int], window: Window) -> Pixels:
    if of == target:
        return _cut(rgb, window)
    if of[0] <= target[0] and of[1] <= target[1]:
        # Cropping first would spare work, but what is enlarged is small.
        return _cut(np.asarray(cv2.resize(rgb, target, interpolation=cv2.INTER_LANCZOS4), np.uint8), window)
    return reduce(rgb, of, target, window)


def _cut(pixels: Pixels, window: Window) -> Pixels:
    if pixels.shape[:2] == (window.height, window.width):
        return pixels
    return np.ascontiguousarray(pixels[window.rows, window.columns])
