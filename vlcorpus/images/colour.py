"""Colours to opaque sRGB: alpha laid on a background, ICC profiles applied.

    over(bgra, (255, 255, 255))    -> uint8 (H, W, 3)           img2dataset's bytes, where the background is white
    to_srgb(image, profile)        -> a PIL image of mode RGB, or None where the profile changes nothing
    bgr_to_srgb(bgr, profile)      -> uint8 (H, W, 3), or None

A profile is applied to small pixels after a picture was resized, where it can be: it costs 12 ms a megapixel.
A profile that is named sRGB, is broken or belongs to other colours changes nothing, as in browsers.
"""

from __future__ import annotations

import functools
import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

_MAX_PROFILE = 4 << 20


def over(bgra: Pixels, background: Colour) -> Pixels:
    """uint8 (H, W, 4), straight alpha, on `background` (red, green, blue): uint8 (H, W, 3), blue first, rounded."""
    alpha = cv2.cvtColor(cv2.extractChannel(bgra, 3), cv2.COLOR_GRAY2BGR)
    colours = cv2.multiply(cv2.cvtColor(bgra, cv2.COLOR_BGRA2BGR), alpha, scale=1 / 255)
    ground = cv2.bitwise_not(alpha)
    if background != (255, 255, 255):
        flat = np.broadcast_to(np.array(background[::-1], np.uint8), ground.shape)
        ground = cv2.multiply(ground, flat, scale=1 / 255)
    return np.asarray(cv2.add(colours, ground), np.uint8)


def opaque(bgra: Pixels) -> bool:
    """Whether no sample of the alpha channel is under 255."""
    return cv2.minMaxLoc(cv2.extractChannel(bgra, 3))[0] == 255


def foreign(profile: object, mode: str = "RGB") -> bool:
    """Whether an ICC profile, as found, changes pixels of Pillow's `mode`."""
    if not isinstance(profile, bytes) or not 0 < len(profile) <= _MAX_PROFILE:
        return False
    return _transform(profile, mode) is not None


def to_srgb(image: Image.Image, profile: object) -> Image.Image | None:
    """`image` through its ICC profile, or None where there is none to apply (absent, sRGB, broken, of another mode)."""
    if not isinstance(profile, bytes) or not foreign(profile, image.mode):
        return None
    transform = _transform(profile, image.mode)
    try:
        return None if transform is None else transform.apply(image)
    except Exception:
        return None


def bgr_to_srgb(bgr: Pixels, profile: bytes) -> Pixels | None:
    """`to_srgb` for pixels, blue first."""
    converted = to_srgb(Image.fromarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)), profile)
    return None if converted is None else np.asarray(cv2.cvtColor(np.asarray(converted), cv2.COLOR_RGB2BGR), np.uint8)


@functools.lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        if mode == "RGB" and "srgb" in (source.profile.profile_description or "").lower():
            return None
        return ImageCms.ImageCmsTransform(source, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")), mode, "RGB")
    except Exception:
        return None
