from __future__ import annotations

import io

from PIL import Image

from tests.images.drawn import bomb, photo, saved
from vlcorpus.images.thumbnail import thumbnail


def test_it_is_a_small_jpeg_drawn_anew() -> None:
    exif = Image.Exif()
    exif[0x010F] = "secret"
    body = thumbnail(saved(photo(1, 400, 300), "JPEG", exif=exif) + b"<script>")
    assert body is not None and len(body) < 6000 and b"secret" not in body and b"<script>" not in body
    image = Image.open(io.BytesIO(body))
    assert (image.format, image.size) == ("JPEG", (96, 72))
    small = thumbnail(saved(photo(1, 40, 30), "PNG"), side=64)
    assert small is not None and Image.open(io.BytesIO(small)).size == (40, 30)


def test_what_cannot_be_decoded_has_none() -> None:
    assert thumbnail(b"<svg/>") is None
    assert thumbnail(bomb()) is None
