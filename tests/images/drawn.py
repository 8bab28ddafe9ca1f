"""Pictures that the tests of this room draw, and the bytes of them."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image


def photo(seed: int, width: int = 160, height: int = 120) -> np.ndarray:
    """uint8 (height, width, 3): falling spectrum, hard edges and grain, as a photograph has."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    shape = frequency.shape
    planes = []
    for _ in range(3):
        spectrum = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / frequency**1.2
        plane = np.fft.irfft2(spectrum, s=(height, width))
        planes.append(128 + 40 * plane / plane.std())
    luma = planes[0]
    rgb = np.stack([0.85 * luma + 0.15 * plane for plane in planes], -1)  # colours change slower than brightness does
    for _ in range(6):
        top, left = rng.integers(0, height), rng.integers(0, width)
        rgb[top : top + height // 4, left : left + width // 4] = rng.uniform(0, 255, 3)
    return np.clip(rgb + rng.normal(0, 2, (height, width, 1)), 0, 255).astype(np.uint8)


def saved(image: Image.Image | np.ndarray, format: str, **options: object) -> bytes:
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """A PNG from raw filtered rows, for kinds that Pillow does not write."""

    def chunk(tag: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))

    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    middle = b"".join(chunk(*pair) for pair in extra)
    image = chunk(b"IDAT", zlib.compress(rows, 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + middle + image + chunk(b"IEND", b"")


def bomb(side: int = 13_000) -> bytes:
    """A well-formed PNG of side x side white pixels, one bit each, in about 20 kB."""
    return png(side, side, 1, 0, (b"\0" + b"\xff" * -(-side // 8)) * side)


def mean_error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a.astype(int) - b.astype(int)).mean())
