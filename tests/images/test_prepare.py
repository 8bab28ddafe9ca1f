from __future__ import annotations

import hashlib
import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.images.drawn import bomb, mean_error, photo, saved
from vlcorpus.errors import UsageError
from vlcorpus.images.decode import Decoded, Refused, decode
from vlcorpus.images.encode import encode
from vlcorpus.images.prepare import ImageSettings, Prepared, prepare
from vlcorpus.images.resize import resize

RGB = photo(1, 600, 400)
JPEG = saved(RGB, "JPEG", quality=90)


def stored(body: bytes, **settings: object) -> Prepared:
    prepared = prepare(body, ImageSettings(**settings))  # type: ignore[arg-type]
    assert isinstance(prepared, Prepared), prepared
    return prepared


def test_a_large_picture_is_resized_and_written_anew() -> None:
    prepared = stored(JPEG, image_size=256)
    picture = decode(JPEG)
    assert isinstance(picture, Decoded)
    assert prepared.body == encode(resize(picture.rgb, size=256))
    assert (prepared.width, prepared.height, prepared.extension, prepared.reencoded) == (256, 171, "jpg", True)
    assert (prepared.original_width, prepared.original_height) == (600, 400)
    assert prepared.sha256 == hashlib.sha256(JPEG).hexdigest() and prepared.md5 == hashlib.md5(JPEG).hexdigest()
    assert prepared.exif is None
    assert stored(JPEG, image_size=256) == prepared


def test_a_picture_that_needs_no_work_keeps_its_bytes() -> None:
    for body, format in ((JPEG, "jpg"), (saved(RGB, "WEBP"), "webp")):
        prepared = stored(body, image_size=600, encode_format=format)
        assert (prepared.body, prepared.reencoded, prepared.extension) == (body, False, format)
    png = saved(RGB, "PNG")
    assert stored(png, encode_format="png", encode_quality=6, image_size=1000).body == png
    assert stored(JPEG, resize_mode="no", image_size=10).body == JPEG


@pytest.mark.parametrize(
    "body",
    [
        saved(RGB, "PNG"),
        saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
        saved(RGB, "MPO", save_all=True, append_images=[Image.fromarray(RGB)]),
    ],
)
def test_a_small_picture_that_needs_work_is_written_anew(body: bytes) -> None:
    prepared = stored(body, image_size=600)
    assert prepared.reencoded and prepared.extension == "jpg"
    image = Image.open(io.BytesIO(prepared.body))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (600, 400))


def test_a_turned_picture_is_stored_upright_and_keeps_its_tags() -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    prepared = stored(saved(RGB, "JPEG", quality=95, exif=exif), image_size=600)
    assert prepared.reencoded and (prepared.width, prepared.height) == (400, 600)
    assert (prepared.original_width, prepared.original_height) == (400, 600)
    assert json.loads(prepared.exif or "") == {"Image Orientation": "8"}
    image = Image.open(io.BytesIO(prepared.body))
    assert not image.getexif()
    assert mean_error(np.asarray(image), np.rot90(RGB)) < 5


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "JPEG2000"])
def test_without_a_size_the_bytes_are_untouched_but_checked(format: str) -> None:
    body = saved(RGB, format)
    prepared = stored(body, image_size=None)
    assert prepared.body == body and not prepared.reencoded and (prepared.width, prepared.height) == (600, 400)
    refused = prepare(body[: len(body) // 2], ImageSettings(image_size=None))
    assert isinstance(refused, Refused) and refused.reason == "truncated_image"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"min_image_size": 401}, "image_too_small"),
        ({"min_image_size": 400}, None),
        ({"max_aspect_ratio": 1.49}, "aspect_ratio_too_large"),
        ({"max_aspect_ratio": 1.5}, None),
        ({"max_image_area": 600 * 400 - 1}, "image_area_too_large"),
        ({"max_image_area": 600 * 400}, None),
        ({"max_pixels": 600 * 400 - 1}, "too_many_pixels"),
        ({"max_pixels": 600 * 400}, None),
    ],
)
def test_limits(settings: dict[str, float], reason: str | None) -> None:
    outcome = prepare(JPEG, ImageSettings(**settings))  # type: ignore[arg-type]
    assert (outcome.reason if isinstance(outcome, Refused) else None) == reason
    if reason is not None:  # found on the header: the same without a single pixel
        cut = prepare(JPEG[: JPEG.rindex(b"\xff\xda")], ImageSettings(**settings))  # type: ignore[arg-type]
        assert isinstance(cut, Refused) and cut.reason == reason


def test_refusals_come_through() -> None:
    bodies = {b"<html>": "not_an_image", b"<svg/>": "svg", JPEG[:900]: "truncated_image", bomb(): "too_many_pixels"}
    for body, reason in bodies.items():
        outcome = prepare(body, ImageSettings())
        assert isinstance(outcome, Refused) and outcome.reason == reason


def test_a_side_that_the_format_cannot_hold_is_refused() -> None:
    body = saved(Image.new("RGB", (17_000, 4)), "PNG")
    outcome = prepare(body, ImageSettings(resize_mode="no", encode_format="webp"))
    assert outcome == Refused("unsupported_format", "17000x4 pixels do not fit in webp")


@pytest.mark.parametrize(
    "settings",
    [
        {"resize_mode": "squash"},
        {"resize_kernel": "sinc"},
        {"encode_format": "gif"},
        {"encode_quality": 0},
        {"image_size": 0},
        {"max_pixels": 0},
    ],
)
def test_impossible_settings(settings: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        ImageSettings(**settings)  # type: ignore[arg-type]
    assert caught.value.hint
