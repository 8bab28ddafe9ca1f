from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from tests.images.drawn import mean_error, photo
from vlcorpus.errors import UsageError
from vlcorpus.images.encode import encode

RGB = photo(1)


@pytest.mark.parametrize(
    ("format", "quality", "pillow", "tolerated"),
    [("jpg", 95, "JPEG", 4), ("png", 6, "PNG", 0), ("webp", 95, "WEBP", 5), ("webp", 101, "WEBP", 0)],
)
def test_formats(format: str, quality: int, pillow: str, tolerated: float) -> None:
    body = encode(RGB, format=format, quality=quality)
    image = Image.open(io.BytesIO(body))
    assert image.format == pillow
    assert mean_error(np.asarray(image.convert("RGB")), RGB) <= tolerated
    assert encode(RGB.copy(), format=format, quality=quality) == body


def test_quality_matters() -> None:
    assert len(encode(RGB, quality=40)) < len(encode(RGB)) / 2


@pytest.mark.parametrize(("format", "quality"), [("gif", 95), ("jpg", 0), ("jpg", 101), ("png", 95), ("webp", 102)])
def test_impossible_settings(format: str, quality: int) -> None:
    with pytest.raises(UsageError):
        encode(RGB, format=format, quality=quality)
