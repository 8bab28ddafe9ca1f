"""Pictures of strangers, drawn anew: what leaves here was encoded here, and nothing of the original bytes is in it.

    drawer.jpeg(body, side=512)        b"\\xff\\xd8...", at most 512 pixels wide and high; Refused where it is none
    drawer.lossless(body)              the picture as PNG or WebP, for the model: at most 1024 pixels

A stranger's bytes are decoded in another program (`images.apart`), which may crash or hang at the cost of one picture;
two of these run at most, each started when it is first wanted.

Cost: 0.5 s for the first picture, then 2-5 ms each.
"""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING

from .limits import Limits

if TYPE_CHECKING:
    from ..images.apart import Apart
    from ..images.picture import Refused
    from ..images.prepare import ImageSettings, Prepared

SIDES = (256, 512, 1024)
DECODERS = 2
_QUALITY = 85


class Drawer:
    """May be used from several threads."""

    def __init__(self, limits: Limits) -> None:
        self._pixels = limits.upload_pixels
        self._seconds = limits.seconds
        self._idle: queue.LifoQueue[Apart | None] = queue.LifoQueue()
        self._all: list[Apart] = []
        for _ in range(DECODERS):
            self._idle.put(None)

    def jpeg(self, body: bytes, *, side: int) -> bytes | Refused:
        """A JPEG of `body`, no side over `side`, never enlarged."""
        from ..images.picture import Refused
        from ..images.prepare import ImageSettings
        from ..images.thumbnail import thumbnail

        settings = ImageSettings(
            image_size=side, pixels="fast", encode_quality=_QUALITY, max_pixels=self._pixels, skip_reencode=False
        )
        found = self._prepare(body, settings)
        if isinstance(found, Refused):
            return found
        if found.reencoded:
            return found.body
        # It needs no other size, so these are the bytes as stored. They were decoded well over there.
        drawn = thumbnail(found.body, side)
        return drawn if drawn is not None else Refused("decode_error", "the picture cannot be drawn")

    def lossless(self, body: bytes) -> Prepared | Refused:
        """`body` without loss, as PNG or WebP; a picture of at most 1024 pixels a side keeps each of them."""
        from ..images.prepare import ImageSettings
        from ..images.sniff import sniff

        size, pixels = SIDES[-1], self._pixels
        if sniff(body) == "png":  # which would be kept as it is, if PNG were wanted
            settings = ImageSettings(image_size=size, encode_format="webp", encode_quality=101, max_pixels=pixels)
        else:
            settings = ImageSettings(image_size=size, encode_format="png", encode_quality=1, max_pixels=pixels)
        return self._prepare(body, settings)

    def _prepare(self, body: bytes, settings: ImageSettings) -> Prepared | Refused:
        from ..images.apart import Apart

        apart = self._idle.get()
        try:
            if apart is None:
                apart = Apart(seconds=self._seconds)
                self._all.append(apart)
            return apart.prepare(body, settings)
        finally:
            self._idle.put(apart)

    def close(self) -> None:
        for each in self._all:
            each.close()
