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

Pillow decodes: it refuses what stops early, where OpenCV returns grey rows without a word. A JPEG of 0.7 megapixels
costs 2.7 ms (OpenCV 2.2 ms). Decoding runs in this process: a bug in a C library takes the worker down.
Warnings are silenced through `warnings.catch_warnings`, which is process-wide; decode from one thread of a process.
"""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from vlcorpus.images.sniff import SUPPORTED, ends_early, sniff, webp_size

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
)
MAX_PIXELS = 89_478_485  # a quarter of 1 GiB of RGB; above twice this Pillow itself refuses
WHITE = (255, 255, 255)

Colour = tuple[int, int, int]

# Naming the plugins imports them: Pillow would load them on first need, and until then read some files otherwise.
_PLUGINS = {
    "jpeg": (JpegImagePlugin.JpegImageFile.format,),
    "png": (PngImagePlugin.PngImageFile.format,),
    "gif": (GifImagePlugin.GifImageFile.format,),
    "webp": (WebPImagePlugin.WebPImageFile.format,),
    "avif": (AvifImagePlugin.AvifImageFile.format,),
    "bmp": (BmpImagePlugin.BmpImageFile.format,),
    "tiff": (TiffImagePlugin.TiffImageFile.format,),
    "jp2": (Jpeg2KImagePlugin.Jpeg2KImageFile.format,),
}
_MAX_SCANS = 100  # progressive JPEGs of cameras and optimisers have about ten; each scan costs a pass over all pixels
_MAX_PROFILE = 4 << 20
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


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
        opened = _open(body, max_pixels)
        return opened if isinstance(opened, Refused) else opened[1]


def decode(
    body: bytes,
    *,
    max_pixels: int = MAX_PIXELS,
    background: Colour = WHITE,
    check: Callable[[Header], Refused | None] | None = None,
) -> Decoded | Refused:
    """The picture as upright sRGB pixels. `check` may refuse on the header, before pixels are decoded."""
    with quiet():
        opened = _open(body, max_pixels)
        if isinstance(opened, Refused):
            return opened
        image, head = opened
        if check is not None and (refused := check(head)) is not None:
            return refused
        try:
            return _pixels(body, image, head, max_pixels, background)
        except Exception as error:
            return _failure(error, body, head.format)


def _open(body: bytes, max_pixels: int) -> tuple[Image.Image, Header] | Refused:
    kind = sniff(body)
    if kind == "svg":
        return Refused("svg", "SVG is a document that draws, not pixels")
    if kind == "unsupported":
        return Refused("unsupported_format", "a picture of a kind that is not read")
    if kind not in SUPPORTED:
        return Refused("not_an_image", f"starts with {body[:16]!r}")
    if kind == "webp" and (size := webp_size(body)) is not None and size[0] * size[1] > max_pixels:
        return _too_large(*size, max_pixels)
    if kind == "jpeg" and body.count(b"\xff\xda") > _MAX_SCANS:
        return Refused("decode_error", f"JPEG of more than {_MAX_SCANS} scans")
    try:
        image = Image.open(io.BytesIO(body), formats=_PLUGINS[kind])
        width, height = image.size
        if width * height > max_pixels:
            return _too_large(width, height, max_pixels)
        return image, Header(kind, width, height, _frames(image, kind))
    except Exception as error:
        return _failure(error, body, kind)


def _frames(image: Image.Image, kind: str) -> int:
    """Counting the frames of a GIF or the pages of a TIFF walks the whole file: there, look for a second one only."""
    if kind not in ("gif", "tiff"):
        return int(getattr(image, "n_frames", 1))
    several = bool(getattr(image, "is_animated", False))
    image.seek(0)
    return 2 if several else 1


def _pixels(body: bytes, image: Image.Image, head: Header, max_pixels: int, background: Colour) -> Decoded | Refused:
    image.load()
    if head.frames > 1 and head.format in ("gif", "png") and ends_early(body, head.format):
        return Refused("truncated_image", "the first frame is whole, later ones are cut")
    if image.width * image.height > max_pixels:
        return _too_large(image.width, image.height, max_pixels)
    if image.mode in ("I", "F", "LAB", "HSV"):
        return Refused("unsupported_format", f"samples of mode {image.mode}")
    block = image.info.get("exif")
    turn = _TURNS.get(_orientation(image))
    rgb, adjusted = _to_rgb(image, background)
    if turn is not None:
        rgb, adjusted = rgb.transpose(turn), True
    pixels = np.ascontiguousarray(np.asarray(rgb))
    exif = block if isinstance(block, bytes) and block else None
    return Decoded(pixels, head.format, rgb.width, rgb.height, head.frames, adjusted, exif)


def _orientation(image: Image.Image) -> int:
    try:
        turn = image.getexif().get(0x0112, 1)
        return turn if isinstance(turn, int) else 1
    except Exception:
        return 1  # a broken EXIF block must not cost the picture


def _to_rgb(image: Image.Image, background: Colour) -> tuple[Image.Image, bool]:
    adjusted = image.mode not in ("1", "L", "P", "RGB", "YCbCr")
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16"):
        image = Image.fromarray(((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8))
    alpha = None
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        alpha = rgba.getchannel("A")
        opaque = alpha.getextrema()[0] == 255
        image = image.convert("L") if image.mode == "LA" else rgba.convert("RGB")
        alpha, adjusted = (None, False) if opaque else (alpha, True)
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    converted = _to_srgb(image, profile)
    rgb = image.convert("RGB") if converted is None else converted
    if alpha is not None:
        ground = Image.new("RGB", rgb.size, background)
        ground.paste(rgb, mask=alpha)
        rgb = ground
    return rgb, adjusted or converted is not None


def _to_srgb(image: Image.Image, profile: object) -> Image.Image | None:
    """`image` through its ICC profile, or None where there is none to apply (absent, sRGB, broken, of another mode)."""
    if not isinstance(profile, bytes) or not 0 < len(profile) <= _MAX_PROFILE:
        return None
    transform = _transform(profile, image.mode)
    if transform is None:
        return None
    try:
        return transform.apply(image)
    except Exception:
        return None


@functools.lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        if mode == "RGB" and "srgb" in (source.profile.profile_description or "").lower():
            return None
        return ImageCms.ImageCmsTransform(source, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")), mode, "RGB")
    except Exception:
        return None


def _too_large(width: int, height: int, max_pixels: int) -> Refused:
    return Refused("too_many_pixels", f"{width}x{height} is over the limit of {max_pixels} pixels")


def _failure(error: Exception, body: bytes, kind: str) -> Refused:
    # Pillow names the object in memory where it knows nothing else; the same bytes must give the same row.
    known = not isinstance(error, UnidentifiedImageError)
    message = f"{type(error).__name__}: {error}"[:200] if known else f"the decoder of {kind} does not accept it"
    if isinstance(error, Image.DecompressionBombError):
        return Refused("too_many_pixels", message)
    if "truncated" in message.lower() or ends_early(body, kind):
        return Refused("truncated_image", message)
    return Refused("decode_error", message)


@contextmanager
def quiet() -> Iterator[None]:
    """Pillow warns about odd files on stderr; what matters comes back as a reason."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
