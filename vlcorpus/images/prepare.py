"""One fetched body to the bytes a shard stores, or the reason why it stores none.

    settings = ImageSettings(image_size=512)
    prepare(body, settings)          -> Prepared(body=b"...", extension="jpg", width=512, height=384, ...)
    prepare(b"<html>", settings)     -> Refused("not_an_image", ...)

Sizes and limits are checked on the header first, so that a picture which will be refused is not decoded. A picture that
needs no work (already small enough, of the wanted format, upright, sRGB, opaque, one frame) keeps its bytes: no second
generation of JPEG loss. With `image_size=None` every picture keeps its bytes and is only checked by a full decode.

Costs 6 CPU ms for a photo-like JPEG of 0.7 megapixels to a long side of 512 (decode 2.7, resize 2.5, encode 0.7,
hashes 0.3).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from math import inf

from vlcorpus.errors import UsageError
from vlcorpus.images.decode import MAX_PIXELS, WHITE, Colour, Decoded, Header, Refused, decode
from vlcorpus.images.encode import LONGEST_SIDE, EncodeFormat, check_format, encode
from vlcorpus.images.exif import readable
from vlcorpus.images.resize import Kernel, ResizeMode, check_mode, resize

EXTENSIONS = {
    "jpeg": "jpg",
    "png": "png",
    "gif": "gif",
    "webp": "webp",
    "avif": "avif",
    "bmp": "bmp",
    "tiff": "tiff",
    "jp2": "jp2",
}


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """What to accept and how to store it, in img2dataset's words. Raises UsageError on impossible values."""

    image_size: int | None = 512
    """Pixels of the side that `resize_mode` fixes; None keeps the bytes as fetched."""
    resize_mode: ResizeMode = "keep_ratio_largest"
    resize_kernel: Kernel = "lanczos"
    """"area" gives img2dataset's pixels, "lanczos" ones nearer to an ideal reduction."""
    only_if_bigger: bool = True
    encode_format: EncodeFormat = "jpg"
    encode_quality: int = 95
    min_image_size: int = 0
    """Pixels of the shorter side."""
    max_aspect_ratio: float = inf
    max_image_area: float = inf
    """Pixels; a wish about content. `max_pixels` is the guard of the memory."""
    max_pixels: int = MAX_PIXELS
    background: Colour = WHITE

    def __post_init__(self) -> None:
        check_mode(self.resize_mode, self.resize_kernel)
        check_format(self.encode_format, self.encode_quality)
        if self.image_size is not None and not 1 <= self.image_size <= 16_383:
            raise UsageError(f"image size {self.image_size} is outside 1-16383", "give a number of pixels, such as 512")
        if self.max_pixels < 1:
            raise UsageError(f"max_pixels {self.max_pixels} refuses every picture", f"the default is {MAX_PIXELS}")

    def check(self, head: Header) -> Refused | None:
        """The limits that a header can break; orientation does not matter to any of them."""
        short, long = sorted((head.width, head.height))
        size = f"{head.width}x{head.height}"
        if short < max(1, self.min_image_size):
            return Refused("image_too_small", f"{size}: the shorter side is under {self.min_image_size}")
        if short * long > self.max_image_area:
            return Refused("image_area_too_large", f"{size} is over {self.max_image_area:g} pixels")
        if long / short > self.max_aspect_ratio:
            return Refused("aspect_ratio_too_large", f"{size} is longer than {self.max_aspect_ratio:g} to 1")
        return None


@dataclass(frozen=True)
class Prepared:
    """What a shard stores of one picture, and what its row says. Sizes are of the upright picture, in pixels."""

    body: bytes
    extension: str
    width: int
    height: int
    original_width: int
    original_height: int
    exif: str | None
    sha256: str
    """Hex, of the bytes as fetched; likewise `md5`."""
    md5: str
    reencoded: bool


def prepare(body: bytes, settings: ImageSettings) -> Prepared | Refused:
    """Check, decode, turn upright, resize and encode one fetched body. Never raises on what the body holds."""
    picture = decode(body, max_pixels=settings.max_pixels, background=settings.background, check=settings.check)
    if isinstance(picture, Refused):
        return picture
    stored, extension, width, height = body, EXTENSIONS[picture.format], picture.width, picture.height
    reencoded = False
    if settings.image_size is not None:
        rgb = resize(
            picture.rgb,
            size=settings.image_size,
            mode=settings.resize_mode,
            only_if_bigger=settings.only_if_bigger,
            background=settings.background,
            kernel=settings.resize_kernel,
        )
        if rgb is not picture.rgb or not _storable_as_it_is(picture, settings):
            height, width = rgb.shape[:2]
            extension, reencoded = settings.encode_format, True
            if max(width, height) > LONGEST_SIDE[extension]:
                return Refused("unsupported_format", f"{width}x{height} pixels do not fit in {extension}")
            stored = encode(rgb, format=settings.encode_format, quality=settings.encode_quality)
    return Prepared(
        body=stored,
        extension=extension,
        width=width,
        height=height,
        original_width=picture.width,
        original_height=picture.height,
        exif=readable(picture.exif),
        sha256=hashlib.sha256(body).hexdigest(),
        md5=hashlib.md5(body, usedforsecurity=False).hexdigest(),
        reencoded=reencoded,
    )


def _storable_as_it_is(picture: Decoded, settings: ImageSettings) -> bool:
    return EXTENSIONS[picture.format] == settings.encode_format and not picture.adjusted and picture.frames == 1
