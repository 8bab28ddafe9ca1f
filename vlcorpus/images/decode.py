"""Bytes of a stranger to sRGB pixels, or a reason why not.

    header(body)                     -> Header("jpeg", 4000, 3000, 1)         no pixel is decoded
    decode(body)                     -> Decoded(rgb=uint8 (3000, 4000, 3), "jpeg", 4000, 3000, ...)
    decode(b"<html>...")             -> Refused("not_an_image", ...)
    decode(body[: len(body) // 2])   -> Refused("truncated_image", ...)

The pixel limit is checked against the size in the header before any pixel is allocated. EXIF orientation is applied,
an ICC profile is converted to sRGB (a broken one is ignored, as browsers do), CMYK becomes RGB, 16-bit samples are
scaled to 8, palettes are looked up, transparency is laid on the stated background, of an animation the first frame is
taken.
Not read: PNG's gAMA and cICP chunks, samples of 32 bits, CIELab.

Files that `plain` finds whole and ordinary are decoded by OpenCV, all others by Pillow, which refuses what stops early;
what OpenCV does not accept goes to Pillow for its verdict. A JPEG of 0.8 megapixels costs 3.0 ms (Pillow 4.1 ms).
Decoding runs in this process: a bug in a C library takes the worker down. Threads may decode at the same time.
OpenCV's libraries write about some damaged files to standard error; `hush` keeps them quiet in a worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vlcorpus.images.colour import Colour, bgr_to_srgb, foreign, opaque, over
from vlcorpus.images.picture import REASONS, Header, Picture, Refused, too_large
from vlcorpus.images.pillow import open_checked, orientation, pixels, quiet
from vlcorpus.images.plain import MAX_SCANS, Plain, plain
from vlcorpus.images.sniff import SUPPORTED, sniff, webp_size

__all__ = ["MAX_PIXELS", "REASONS", "WHITE", "Colour", "Decoded", "Header", "Refused", "decode", "header", "quiet"]

MAX_PIXELS = 89_478_485  # a quarter of 1 GiB of RGB; above twice this Pillow itself refuses
WHITE = (255, 255, 255)

Opened = tuple[Plain | Image.Image, Header]

_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


@dataclass(frozen=True)
class Decoded:
    """`rgb` is uint8 (height, width, 3), contiguous, sRGB, upright. `width` and `height` are those of `rgb`."""

    rgb: NDArray[np.uint8]
    format: str
    width: int
    height: int
    frames: int
    adjusted: bool
    """Whether a plain decoder of the same bytes shows something else: turned, ICC, CMYK, alpha, 16 bits."""
    exif: bytes | None
    """The EXIF block as found, for `exif.readable`."""


def header(body: bytes, *, max_pixels: int = MAX_PIXELS) -> Header | Refused:
    """Format and size without decoding a pixel. Refuses what is no picture we read and what exceeds `max_pixels`."""
    with quiet():
        opened = look(body, max_pixels)
        return opened if isinstance(opened, Refused) else opened[1]


def decode(
    body: bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    background: Colour = WHITE,
    check: Callable[[Header], Refused | None] | None = None,
) -> Decoded | Refused:
    """The picture as upright sRGB pixels. `check` may refuse on the header, before pixels are decoded."""
    found = read(body, max_pixels=max_pixels, background=background, check=check)
    if isinstance(found, Refused):
        return found
    picture = found.upright()
    bgr, adjusted = picture.bgr, picture.adjusted
    if picture.profile is not None and (converted := bgr_to_srgb(bgr, picture.profile)) is not None:
        bgr, adjusted = converted, True
    rgb = np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
    head = picture.head
    return Decoded(rgb, head.format, picture.width, picture.height, head.frames, adjusted, picture.exif)


def read(
    body: bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    background: Colour = WHITE,
    check: Callable[[Header], Refused | None] | None = None,
    scale: Callable[[Header], int] | None = None,
) -> Picture | Refused:
    """The picture as stored: not turned, and with a foreign ICC profile still to be applied where Picture says so.

    `scale` says how much smaller (1, 2, 4 or 8 times) a JPEG may be decoded.
    """
    with quiet():
        opened = _wanted(body, max_pixels, check)
        if isinstance(opened, Refused):
            return opened
        image, head = opened
        if isinstance(image, Plain):
            smaller = scale(head) if scale is not None and head.format == "jpeg" else 1
            picture = _plain_pixels(body, image, head, background, smaller)
            if picture is not None:
                return picture
            reopened = open_checked(body, head.format, max_pixels)
            if isinstance(reopened, Refused):
                return reopened
            image, head = reopened
        return pixels(body, image, head, max_pixels, background)


def check_whole(
    body: bytes, *, max_pixels: int = MAX_PIXELS, check: Callable[[Header], Refused | None] | None = None
) -> tuple[Header, bytes | None] | Refused:
    """The header and the EXIF block of a body that is not cut, decoding only what cannot be told otherwise."""
    with quiet():
        opened = _wanted(body, max_pixels, check)
        if isinstance(opened, Refused):
            return opened
        image, head = opened
        if isinstance(image, Plain):
            return head, image.exif
        picture = pixels(body, image, head, max_pixels, WHITE)
        return picture if isinstance(picture, Refused) else (head, picture.exif)


def _wanted(body: bytes, max_pixels: int, check: Callable[[Header], Refused | None] | None) -> Opened | Refused:
    """As `look`, unless `check` refuses on the header. Call within `quiet`."""
    opened = look(body, max_pixels)
    if isinstance(opened, Refused) or check is None:
        return opened
    return check(opened[1]) or opened


def look(body: bytes, max_pixels: int) -> Opened | Refused:
    """The header, and what is to be read further: a Plain by OpenCV, a PIL image by Pillow. Call within `quiet`."""
    kind = sniff(body)
    if kind == "svg":
        return Refused("svg", "SVG is a document that draws, not pixels")
    if kind == "unsupported":
        return Refused("unsupported_format", "a picture of a kind that is not read")
    if kind not in SUPPORTED:
        return Refused("not_an_image", f"starts with {body[:16]!r}")
    if kind == "webp" and (size := webp_size(body)) is not None and size[0] * size[1] > max_pixels:
        return too_large(*size, max_pixels)
    found = plain(body)
    if found is None and kind == "jpeg" and body.count(b"\xff\xda") > MAX_SCANS:
        return Refused("decode_error", f"JPEG of more than {MAX_SCANS} scans")
    if found is None or 0 in (found.width, found.height):
        return open_checked(body, kind, max_pixels)
    if found.width * found.height > max_pixels:
        return too_large(found.width, found.height, max_pixels)
    return found, Header(found.format, found.width, found.height, 1)


def _plain_pixels(body: bytes, found: Plain, head: Header, background: Colour, scale: int) -> Picture | None:
    """None where OpenCV does not accept the file or gives another size."""
    flags = cv2.IMREAD_UNCHANGED if found.alpha else _REDUCED[scale] | cv2.IMREAD_IGNORE_ORIENTATION
    bgr = _imdecode(body, flags)
    if bgr is None or bgr.shape[:2] != (-(-found.height // scale), -(-found.width // scale)) or bgr.dtype != np.uint8:
        return None
    blended = False
    profile = found.profile if found.profile is not None and foreign(found.profile) else None
    if bgr.ndim == 3 and bgr.shape[2] == 4:
        blended = not opaque(bgr)
        if blended and profile is not None:
            return None  # colours are converted before they are blended
        bgr = over(bgr, background) if blended else np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGRA2BGR), np.uint8)
    elif bgr.ndim != 3 or bgr.shape[2] != 3:
        return None
    return Picture(
        bgr,
        head,
        turn=orientation(found.exif),
        width=found.width,
        height=found.height,
        scale=scale,
        exif=found.exif or None,
        profile=profile,
        adjusted=blended,
        blended=blended,
    )


def _imdecode(body: bytes, flags: int) -> NDArray[np.uint8] | None:
    try:
        return cv2.imdecode(np.frombuffer(body, np.uint8), flags)  # type: ignore[return-value]
    except cv2.error:
        return None
