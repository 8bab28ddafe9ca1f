"""The formats and colours that only Pillow reads in full, and its verdict on what is broken.

    open_checked(body, "gif", max_pixels)   -> (a PIL image, nothing decoded, Header("gif", 640, 480, 2)) or Refused
    pixels(body, image, head, ...)          -> Picture, or Refused("truncated_image", ...)

Pillow's warnings about odd files are silenced while a picture is read and only then, with one filter for the modules of
Pillow that threads share: nothing else that warns is concerned, and nothing changes at import.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from vlcorpus.images.colour import Colour, to_srgb
from vlcorpus.images.picture import Header, Picture, Refused, too_large
from vlcorpus.images.sniff import ends_early

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


def open_checked(body: bytes, kind: str, max_pixels: int) -> tuple[Image.Image, Header] | Refused:
    """The file as a PIL image, with its pixels undecoded and their number checked."""
    try:
        image = Image.open(io.BytesIO(body), formats=_PLUGINS[kind])
        width, height = image.size
        if width * height > max_pixels:
            return too_large(width, height, max_pixels)
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


def pixels(body: bytes, image: Image.Image, head: Header, max_pixels: int, background: Colour) -> Picture | Refused:
    """The first frame, decoded, in sRGB, on the background; not yet turned upright."""
    try:
        return _pixels(body, image, head, max_pixels, background)
    except Exception as error:
        return _failure(error, body, head.format)


def _pixels(body: bytes, image: Image.Image, head: Header, max_pixels: int, background: Colour) -> Picture | Refused:
    image.load()
    if head.frames > 1 and head.format in ("gif", "png") and ends_early(body, head.format):
        return Refused("truncated_image", "the first frame is whole, later ones are cut")
    if image.width * image.height > max_pixels:
        return too_large(image.width, image.height, max_pixels)
    if image.mode in ("I", "F", "LAB", "HSV"):
        return Refused("unsupported_format", f"samples of mode {image.mode}")
    block = image.info.get("exif")
    turn = _orientation(image)
    rgb, adjusted, blended = _to_rgb(image, background)
    bgr = np.asarray(cv2.cvtColor(np.asarray(rgb), cv2.COLOR_RGB2BGR), np.uint8)
    exif = block if isinstance(block, bytes) and block else None
    return Picture(
        bgr, head, turn=turn, exif=exif, width=rgb.width, height=rgb.height, adjusted=adjusted, blended=blended
    )


def _orientation(image: Image.Image) -> int:
    try:
        turn = image.getexif().get(0x0112, 1)
        return turn if isinstance(turn, int) else 1
    except Exception:
        return 1  # a broken EXIF block must not cost the picture


def orientation(exif: bytes | None) -> int:
    """The orientation that an EXIF block says, as Pillow finds it; 1 where it says none."""
    if not exif:
        return 1
    try:
        read = Image.Exif()
        read.load(exif)
        turn = read.get(0x0112, 1)
        return turn if isinstance(turn, int) else 1
    except Exception:
        return 1


def _to_rgb(image: Image.Image, background: Colour) -> tuple[Image.Image, bool, bool]:
    """The picture, whether a plain decoder shows something else, whether transparency was laid on the background."""
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
    converted = to_srgb(image, profile)
    rgb = image.convert("RGB") if converted is None else converted
    if alpha is not None:
        ground = Image.new("RGB", rgb.size, background)
        ground.paste(rgb, mask=alpha)
        rgb = ground
    return rgb, adjusted or converted is not None, alpha is not None


def _failure(error: Exception, body: bytes, kind: str) -> Refused:
    # Pillow names the object in memory where it knows nothing else; the same bytes must give the same row.
    known = not isinstance(error, UnidentifiedImageError)
    message = f"{type(error).__name__}: {error}"[:200] if known else f"the decoder of {kind} does not accept it"
    if isinstance(error, Image.DecompressionBombError):
        return Refused("too_many_pixels", message)
    if "truncated" in message.lower() or ends_early(body, kind):
        return Refused("truncated_image", message)
    return Refused("decode_error", message)


_READING = threading.Lock()
_readers = 0
_filter: tuple[object, ...] | None = None


@contextmanager
def quiet() -> Iterator[None]:
    """Pillow warns about odd files on stderr; what matters comes back as a reason. Threads may be inside together."""
    global _readers, _filter
    with _READING:
        _readers += 1
        if _readers == 1 or _filter not in warnings.filters:
            warnings.filterwarnings("ignore", module=r"PIL\.")
            _filter = warnings.filters[0]
    try:
        yield
    finally:
        with _READING:
            _readers -= 1
            if _readers == 0 and _filter in warnings.filters:
                warnings.filters.remove(_filter)  # type: ignore[attr-defined]
