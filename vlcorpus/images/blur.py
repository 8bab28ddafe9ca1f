"""Parts of a picture made unrecognisable, faces for instance, as img2dataset and ImageNet's authors do it.

    bad_box([[0.1, 0.2, 0.4, 0.5]])            -> None        left, top, right, bottom, in shares of the sides
    bad_box([[0.4, 0.2, 0.1, 0.5]])            -> "box 0 ends before it begins: [0.4, 0.2, 0.1, 0.5]"
    blur(pixels, [[0.1, 0.2, 0.4, 0.5]])       -> pixels of the same shape

Each box is grown by a tenth of its longer side; one Gaussian of a tenth of the longest side of all boxes is laid over
them, and its own blurred mask mixes it in, so that no edge shows. The bytes are those of img2dataset's
BoundingBoxBlurrer, which follows github.com/princetonvisualai/imagenet-face-obfuscation. Costs 5 ms at 256x256. A blur
this size hides who it is from people; it is no proof against programs that restore faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite
from numbers import Real

import cv2
import numpy as np
from numpy.typing import NDArray

Boxes = Sequence[Sequence[float]]


def bad_box(boxes: object) -> str | None:
    """What is wrong with the first box that is not four shares in order, or None."""
    if isinstance(boxes, np.ndarray):
        boxes = boxes.tolist()
    if not isinstance(boxes, Sequence) or isinstance(boxes, str | bytes):
        return f"no list of boxes: {str(boxes)[:80]}"
    for place, box in enumerate(boxes):
        if isinstance(box, np.ndarray):
            box = box.tolist()
        if not isinstance(box, Sequence) or isinstance(box, str | bytes) or len(box) != 4:
            return f"box {place} is not four numbers: {str(box)[:80]}"
        if not all(isinstance(value, Real) and not isinstance(value, bool) and isfinite(value) for value in box):
            return f"box {place} is not four numbers: {str(box)[:80]}"
        if not all(0 <= value <= 1 for value in box):
            return f"box {place} is outside 0-1: {str(box)[:80]}"
        if box[2] < box[0] or box[3] < box[1]:
            return f"box {place} ends before it begins: {str(box)[:80]}"
    return None


def blur(pixels: NDArray[np.uint8], boxes: Boxes) -> NDArray[np.uint8]:
    """uint8 (H, W) or (H, W, 3) with the boxes blurred; the same array where there is no box."""
    if not len(boxes):
        return pixels
    height, width = pixels.shape[:2]
    mask = np.zeros((height, width), np.float32)
    longest = 0
    for box in boxes:
        left, top, right, bottom = (
            int(box[0] * width),
            int(box[1] * height),
            int(box[2] * width),
            int(box[3] * height),
        )
        side = max(right - left, bottom - top)
        longest = max(longest, side)
        rows = slice(_within(top - 0.1 * side, height), _within(bottom + 0.1 * side, height))
        columns = slice(_within(left - 0.1 * side, width), _within(right + 0.1 * side, width))
        mask[rows, columns] = 1
    kernel = max(3, int(2 * ceil(0.1 * longest) + 1))
    image = pixels.astype(np.float32) / 255.0
    soft = cv2.GaussianBlur(image, (kernel, kernel), 0)
    share = cv2.GaussianBlur(mask, (kernel, kernel), 0).reshape(mask.shape + (1,) * (pixels.ndim - 2))
    return np.asarray((image * (1 - share) + soft * share) * 255.0).astype(np.uint8)


def _within(place: float, length: int) -> int:
    return min(max(int(place), 0), length - 1)
