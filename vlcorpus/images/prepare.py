"""One fetched body to the bytes a shard stores, or the reason why it stores none.

    settings = ImageSettings(image_size=512)
    prepare(body, settings)                            -> Prepared(body=b"...", extension="jpg", width=512, ...)
    prepare(body, settings, [[0.1, 0.2, 0.4, 0.5]])    the same with that part blurred
    prepare(b"<html>", settings)                       -> Refused("not_an_image", ...)

Sizes and limits are checked on the header first, so that a picture which will be refused is not decoded. With `good`
and `fast` pixels a picture that needs no work (already small enough, of the wanted format, upright, sRGB, opaque, one
frame) keeps its bytes: no second generation of JPEG loss. With `image_size=None` or `disable_all_reencoding` every
picture keeps its bytes and is only checked by a full decode.

| pixels | what is stored                                                                                          |
|--------|---------------------------------------------------------------------------------------------------------|
| good   | upright, sRGB, reduced as `steps` says; a JPEG is decoded to a half where 2.4 times or more is left out |
| fast   | as good, but decoded to a half where 2 times or more is left out                                        |
| exact  | the bytes of img2dataset 1.47: see `exact`. All are encoded anew, unless `skip_reencode` is given       |

In `exact`, too, a truncated picture is refused, of which img2dataset may store what came; with `skip_reencode` a
blurred picture is stored blurred, where img2dataset stores it as it was; and JPEGs of more than 100 scans, formats that
`decode` does not know and pictures over `max_pixels` are refused.

CPU ms of 300 photo-like files of 0.84 megapixels (84 % JPEG, 10 % PNG, 6 % WebP), and the median PSNR in dB to Pillow's
Lanczos reduction less that of img2dataset's picture, in the pixels and in the stored JPEG (`benchmarks/pixels.py`):

| pixels      | 256 center_crop | nearer       | 512 keep_ratio_largest | nearer       |
|-------------|-----------------|--------------|------------------------|--------------|
| img2dataset | 8.5             |              | 9.7                    |              |
| exact       | 7.8             | 0    | 0     | 9.4                    | 0    | 0     |
| good        | 4.6             | +0.6 | +0.2  | 6.4                    | +1.5 | +0.3  |
| fast        | 4.4             | +0.3 | +0.2  | 6.2                    | +1.1 | +0.3  |

What `fast` loses beside `good` is lost by pictures reduced by 2 to 2.4 times: 2 to 4 dB of their pixels, which is up to
0.4 dB of the stored JPEG for one picture in twenty. The PSNR between `good` and img2dataset's pixels is 49 dB.

Threads may prepare at the same time.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
from numpy.typing import NDArray

from vlcorpus.errors import UsageError
from vlcorpus.images import exact
from vlcorpus.images.blur import Boxes, bad_box, blur
from vlcorpus.images.colour import bgr_to_srgb
from vlcorpus.images.decode import check_whole, read
from vlcorpus.images.encode import LONGEST_SIDE, encode_stored
from vlcorpus.images.exif import readable
from vlcorpus.images.picture import Picture, Refused
from vlcorpus.images.resize import resize
from vlcorpus.images.settings import ImageSettings

__all__ = ["EXTENSIONS", "ImageSettings", "Prepared", "prepare"]

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


@dataclass(frozen=True)
class Prepared:
    """What a shard stores of one picture, and what its row says. Sizes are in pixels, of the upright picture; in
    `exact` of the stored one."""

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


def prepare(body: bytes, settings: ImageSettings, boxes: Boxes | None = None) -> Prepared | Refused:
    """Check, decode, turn upright, resize, blur and encode one fetched body. Never raises on what the body holds.

    `boxes` are parts to blur: [left, top, right, bottom] in shares (0-1) of the upright picture, in `exact` of the
    stored one. Boxes that are none give Refused("bad_boxes"). Raises UsageError where there are boxes and the settings
    keep every picture's bytes.
    """
    boxes = () if boxes is None else boxes
    if (wrong := bad_box(boxes)) is not None:
        return Refused("bad_boxes", wrong)
    if len(boxes) and settings.keeps_bytes:
        raise UsageError("boxes cannot be blurred where bytes are kept", "give an image size and allow re-encoding")
    if settings.pixels == "exact" and not settings.keeps_bytes:
        return _exact(body, settings, boxes)
    picture = read(
        body,
        max_pixels=settings.max_pixels,
        background=settings.background,
        check=settings.check,
        scale=settings.decoded_scale,
    )
    if isinstance(picture, Refused):
        return picture
    picture = picture.upright()
    told = _Told(body, EXTENSIONS[picture.head.format], picture.width, picture.height, picture.exif)
    return told.kept() if settings.keeps_bytes else _drawn(picture, told, settings, boxes)


@dataclass(frozen=True)
class _Told:
    """What is known of a picture before it is known what is stored of it."""

    body: bytes
    extension: str
    width: int
    height: int
    exif: bytes | None

    def kept(self) -> Prepared:
        """The bytes as fetched."""
        return self._stored(self.body, self.extension, self.width, self.height, reencoded=False)

    def encoded(self, pixels: NDArray[Any], settings: ImageSettings) -> Prepared | Refused:
        """Other pixels, as a file of the wanted format."""
        height, width = pixels.shape[:2]
        extension = settings.encode_format
        if max(width, height) > LONGEST_SIDE[extension]:
            return Refused("unsupported_format", f"{width}x{height} pixels do not fit in {extension}")
        stored = encode_stored(pixels, format=extension, quality=settings.encode_quality)
        return self._stored(stored, extension, width, height, reencoded=True)

    def _stored(self, stored: bytes, extension: str, width: int, height: int, *, reencoded: bool) -> Prepared:
        return Prepared(
            body=stored,
            extension=extension,
            width=width,
            height=height,
            original_width=self.width,
            original_height=self.height,
            exif=readable(self.exif),
            sha256=hashlib.sha256(self.body).hexdigest(),
            md5=hashlib.md5(self.body, usedforsecurity=False).hexdigest(),
            reencoded=reencoded,
        )


def _drawn(picture: Picture, told: _Told, settings: ImageSettings, boxes: Boxes) -> Prepared | Refused:
    """Good and fast."""
    assert settings.image_size is not None
    bgr = resize(
        picture.bgr,
        size=settings.image_size,
        mode=settings.resize_mode,
        only_if_bigger=settings.only_if_bigger,
        background=settings.background[::-1],
        of=(picture.width, picture.height),
        scaled=partial(blur, boxes=boxes) if len(boxes) else None,
    )
    if bgr is picture.bgr and told.extension == settings.encode_format:
        plain = not picture.adjusted and picture.profile is None and picture.head.frames == 1
        if plain or (settings.skip_reencode and not picture.blended):
            return told.kept()
    if picture.profile is not None and (converted := bgr_to_srgb(bgr, picture.profile)) is not None:
        bgr = converted
    return told.encoded(bgr, settings)


def _exact(body: bytes, settings: ImageSettings, boxes: Boxes) -> Prepared | Refused:
    """As img2dataset."""
    assert settings.image_size is not None
    whole = check_whole(body, max_pixels=settings.max_pixels, check=settings.check)
    if isinstance(whole, Refused):
        return whole
    head, exif = whole
    found = exact.stored(body)
    if found is None:
        refused = read(body, max_pixels=settings.max_pixels)
        unread = Refused("decode_error", f"OpenCV, whose pixels are asked for, does not read this {head.format}")
        return refused if isinstance(refused, Refused) else unread
    pixels, blended = found
    height, width = pixels.shape[:2]
    told = _Told(body, EXTENSIONS[head.format], width, height, exif)
    pixels, changed = exact.resized(
        pixels,
        size=settings.image_size,
        mode=settings.resize_mode,
        only_if_bigger=settings.only_if_bigger,
        scaled=partial(blur, boxes=boxes),
    )
    needed = changed or blended or len(boxes) > 0 or not exact.same_kind(body, settings.encode_format)
    if settings.skip_reencode and not needed:
        return told.kept()
    try:
        return told.encoded(pixels, settings)
    except cv2.error:
        return Refused("unsupported_format", f"{settings.encode_format} does not hold samples of {pixels.dtype}")
