"""What pictures to accept and how to store them, in img2dataset's words.

ImageSettings(image_size=256, resize_mode="center_crop", pixels="exact")
ImageSettings(encode_format="gif")      UsageError, with the nearest word
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, get_args

from vlcorpus.errors import UsageError, nearest
from vlcorpus.images.colour import Colour
from vlcorpus.images.decode import MAX_PIXELS, WHITE
from vlcorpus.images.encode import EncodeFormat, check_format
from vlcorpus.images.picture import Header, Refused
from vlcorpus.images.resize import ResizeMode, check_mode, scaled_size

PixelMode = Literal["exact", "good", "fast"]
PIXEL_MODES: tuple[str, ...] = get_args(PixelMode)

_DECODED_FROM = {"good": 2.4, "fast": 2.0}
"""From how much less on a JPEG is decoded to its half, and the half again."""


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """What to accept and how to store it, in img2dataset's words. Raises UsageError on impossible values."""

    image_size: int | None = 512
    """Pixels of the side that `resize_mode` fixes; None keeps the bytes as fetched."""
    resize_mode: ResizeMode = "keep_ratio_largest"
    only_if_bigger: bool = True
    pixels: PixelMode = "good"
    """"good" is nearer to an ideal reduction than img2dataset, "exact" has its bytes, "fast" lets the JPEG decoder do
    more of the reduction; see `prepare`."""
    encode_format: EncodeFormat = "jpg"
    encode_quality: int = 95
    skip_reencode: bool = False
    """Keep the bytes of every picture of the wanted format that need not be resized, blurred or laid on a background,
    whatever its orientation and colour profile say."""
    disable_all_reencoding: bool = False
    """Keep the bytes of every picture, as `image_size=None` does: it is decoded only to be checked."""
    min_image_size: int = 0
    """Pixels of the shorter side."""
    max_aspect_ratio: float = inf
    max_image_area: float = inf
    """Pixels; a wish about content. `max_pixels` is the guard of the memory."""
    max_pixels: int = MAX_PIXELS
    background: Colour = WHITE
    """Red, green, blue under transparent pixels and in the border; "exact" knows white only."""

    def __post_init__(self) -> None:
        check_mode(self.resize_mode)
        check_format(self.encode_format, self.encode_quality)
        if self.pixels not in PIXEL_MODES:
            raise UsageError(f"unknown pixels {self.pixels!r}", nearest(self.pixels, PIXEL_MODES))
        if self.pixels == "exact" and self.background != WHITE:
            raise UsageError("exact pixels lie on white, as img2dataset's do", 'give pixels "good" for a background')
        if self.image_size is not None and not 1 <= self.image_size <= 16_383:
            raise UsageError(f"image size {self.image_size} is outside 1-16383", "give a number of pixels, such as 512")
        if self.max_pixels < 1:
            raise UsageError(f"max_pixels {self.max_pixels} refuses every picture", f"the default is {MAX_PIXELS}")

    @property
    def keeps_bytes(self) -> bool:
        """Whether every picture is stored as it was fetched."""
        return self.image_size is None or self.disable_all_reencoding

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

    def decoded_scale(self, head: Header) -> int:
        """How much smaller (1, 2, 4 or 8 times) a JPEG may be decoded; orientation does not matter here either."""
        if self.image_size is None or self.keeps_bytes or self.pixels == "exact":
            return 1
        size = scaled_size(head.width, head.height, size=self.image_size, mode=self.resize_mode)
        if size is None:
            return 1
        left, scale = min(head.width / size[0], head.height / size[1]), 1
        while scale < 8 and left >= _DECODED_FROM[self.pixels]:
            left, scale = left / 2, 2 * scale
        return scale
