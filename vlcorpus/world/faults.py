"""Images that are not as they should be: broken, tiny, near-duplicate.

    payload, detail = broken(jpeg, rng)              # (b'\\xff\\xd8...', 'truncated')
    payload, detail, suffix = tiny(rng)              # (b'GIF89a...', '1x1', '.gif')
    payload, detail = near_duplicate(jpeg, rng, 90)  # (b'\\xff\\xd8...', 'resized')

Bytes in, bytes out. What a decoder makes of `truncated` differs: Pillow refuses it, OpenCV fills the rest with grey.
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageEnhance

from vlcorpus.world.chance import below, pick
from vlcorpus.world.scene import encode

_ERROR_PAGE = b"<!doctype html><html><body><h1>Hotlinking is not allowed</h1></body></html>\n"


def broken(jpeg: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """Bytes that are no image: (bytes, 'truncated' | 'garbage' | 'html' | 'empty')."""
    detail = pick(rng, ("truncated", "garbage", "html", "empty"))
    if detail == "truncated":
        return jpeg[: len(jpeg) // 2], detail
    if detail == "garbage":
        noise = np.uint8(256 * rng.random(len(jpeg))).tobytes()
        return b"\xff\xd8\xff\xe0" + noise, detail
    return (_ERROR_PAGE if detail == "html" else b""), detail


def tiny(rng: np.random.Generator) -> tuple[bytes, str, str]:
    """A valid image that shows nothing: (bytes, '1x1' | '5x5', suffix)."""
    side, form = pick(rng, ((1, "GIF"), (5, "PNG")))
    buffer = io.BytesIO()
    image = Image.new("RGB", (side, side), (below(rng, 256), below(rng, 256), below(rng, 256)))
    image.save(buffer, form)
    return buffer.getvalue(), f"{side}x{side}", f".{form.lower()}"


def near_duplicate(jpeg: bytes, rng: np.random.Generator, quality: int) -> tuple[bytes, str]:
    """The same picture in other bytes: (JPEG, 'reencoded' | 'resized' | 'brighter' | 'darker')."""
    detail = pick(rng, ("reencoded", "resized", "brighter", "darker"))
    with Image.open(io.BytesIO(jpeg)) as opened:
        image = opened.convert("RGB")
    if detail == "reencoded":
        return encode(image, max(40, quality - 25)), detail
    if detail == "resized":
        side = image.width * pick(rng, (3, 6)) // 4
        return encode(image.resize((side, side), Image.Resampling.BICUBIC), quality), detail
    factor = 1.1 if detail == "brighter" else 0.9
    return encode(ImageEnhance.Brightness(image).enhance(factor), quality), detail
