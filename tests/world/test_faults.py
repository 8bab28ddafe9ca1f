from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from vlcorpus.world.chance import stream
from vlcorpus.world.faults import broken, near_duplicate, tiny
from vlcorpus.world.scene import Scene, draw, encode

JPEG = encode(draw(Scene("ring", "blue", "checked", 1, "shaded"), stream(1, "a"), 64))


def test_broken_images_cannot_be_read() -> None:
    seen = set()
    for number in range(40):
        payload, detail = broken(JPEG, stream(1, "broken", number))
        seen.add(detail)
        with pytest.raises((OSError, UnidentifiedImageError)):
            Image.open(io.BytesIO(payload)).load()
    assert seen == {"truncated", "garbage", "html", "empty"}


def test_tiny_images_are_valid() -> None:
    seen = set()
    for number in range(20):
        payload, detail, suffix = tiny(stream(1, "tiny", number))
        with Image.open(io.BytesIO(payload)) as image:
            seen.add((f"{image.width}x{image.height}", detail, suffix, image.format))
    assert seen == {("1x1", "1x1", ".gif", "GIF"), ("5x5", "5x5", ".png", "PNG")}


def test_near_duplicates_are_other_bytes_of_the_same_picture() -> None:
    reference = np.asarray(Image.open(io.BytesIO(JPEG)), np.float64)
    seen = set()
    for number in range(40):
        payload, detail = near_duplicate(JPEG, stream(1, "near", number), 90)
        seen.add(detail)
        assert payload != JPEG
        image = Image.open(io.BytesIO(payload)).resize((64, 64))
        assert np.abs(np.asarray(image, np.float64) - reference).mean() < 26
        assert np.corrcoef(np.asarray(image, np.float64).ravel(), reference.ravel())[0, 1] > 0.95
    assert seen == {"reencoded", "resized", "brighter", "darker"}
