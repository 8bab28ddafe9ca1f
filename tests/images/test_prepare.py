from __future__ import annotations

import hashlib
import io
import json
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

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


def profile() -> bytes:
    """An ICC profile that is sRGB with red and blue exchanged, under no name."""
    swapped = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for at in range(132, 132 + 12 * int.from_bytes(swapped[128:132], "big"), 12):
        tag = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ", b"desc": b"dddd"}.get(bytes(swapped[at : at + 4]))
        swapped[at : at + 4] = tag or swapped[at : at + 4]
    return bytes(swapped)


def drawn(prepared: Prepared) -> np.ndarray:
    picture = decode(prepared.body)
    assert isinstance(picture, Decoded)
    return picture.rgb


LARGE = photo(5, 1000, 700)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("pixels", ["good", "fast"])
@pytest.mark.parametrize("size", [100, 300])
def test_a_jpeg_decoded_to_a_part_is_the_same_picture(orientation: int, pixels: str, size: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    body = saved(LARGE, "JPEG", quality=95, exif=exif, icc_profile=profile())
    whole = decode(body)
    assert isinstance(whole, Decoded) and mean_error(whole.rgb, saved_upright(orientation)[..., ::-1]) < 6
    for mode in ("keep_ratio", "center_crop", "border"):
        prepared = stored(body, image_size=size, resize_mode=mode, pixels=pixels)
        slow = stored(encode(whole.rgb, format="png", quality=1), image_size=size, resize_mode=mode)
        assert (prepared.width, prepared.height) == (slow.width, slow.height)
        assert (prepared.original_width, prepared.original_height) == (whole.width, whole.height)
        assert mean_error(drawn(prepared), drawn(slow)) < 4, mode


def saved_upright(orientation: int) -> np.ndarray:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(saved(LARGE, "PNG", exif=exif)))))


@pytest.mark.parametrize("pixels", ["good", "fast", "exact"])
def test_no_pixels_of_a_truncated_picture_are_stored(pixels: str) -> None:
    for kind, options in (("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}), ("GIF", {})):
        body = saved(LARGE, kind, **options)
        for percent in range(5, 100, 5):
            outcome = prepare(body[: len(body) * percent // 100], ImageSettings(pixels=pixels, image_size=64))  # type: ignore[arg-type]
            assert isinstance(outcome, Refused) and outcome.reason == "truncated_image", (kind, percent)


def test_reencoding_can_be_skipped_or_disabled() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved(RGB, "JPEG", exif=exif)
    assert stored(turned, image_size=600).reencoded
    kept = stored(turned, image_size=600, skip_reencode=True)
    assert (kept.body, kept.reencoded, kept.width, kept.height) == (turned, False, 400, 600)
    assert stored(turned, image_size=599, skip_reencode=True).reencoded
    clear = saved(np.dstack([RGB, RGB[..., 0]]), "PNG")
    assert stored(clear, image_size=600, skip_reencode=True, encode_format="png", encode_quality=1).reencoded
    for pixels in ("good", "fast", "exact"):
        assert stored(clear, image_size=10, pixels=pixels, disable_all_reencoding=True).body == clear
        outcome = prepare(clear[:-2000], ImageSettings(pixels=pixels, disable_all_reencoding=True))  # type: ignore[arg-type]
        assert isinstance(outcome, Refused) and outcome.reason == "truncated_image"
    assert stored(JPEG, image_size=600, pixels="exact").reencoded


@pytest.mark.parametrize("pixels", ["good", "fast", "exact"])
@pytest.mark.parametrize("mode", ["keep_ratio_largest", "center_crop", "border", "no"])
def test_boxes_are_blurred_wherever_they_lie(pixels: str, mode: str) -> None:
    settings = ImageSettings(pixels=pixels, resize_mode=mode, image_size=300)  # type: ignore[arg-type]
    sharp, soft = prepare(JPEG, settings), prepare(JPEG, settings, [[0.5, 0, 0.7, 1]])
    none = prepare(JPEG, settings, [])
    assert isinstance(sharp, Prepared) and isinstance(soft, Prepared) and none == sharp and soft.reencoded
    change = np.abs(drawn(sharp).astype(int) - drawn(soft)).mean((0, 2))
    left, right = (0.5, 0.7) if mode != "center_crop" else (0.5, 0.8)
    inside = change[round(soft.width * left) + 5 : round(soft.width * right) - 5]
    assert inside.mean() > 6 * change[: round(soft.width * 0.35)].mean()


def test_boxes_are_those_of_the_upright_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    body = saved(RGB, "JPEG", quality=95, exif=exif)
    settings = ImageSettings(image_size=200)
    sharp, soft = prepare(body, settings), prepare(body, settings, [[0, 0, 1, 0.25]])
    assert isinstance(sharp, Prepared) and isinstance(soft, Prepared) and soft.height == 200
    change = np.abs(drawn(sharp).astype(int) - drawn(soft)).mean((1, 2))
    assert change[:45].mean() > 8 * change[90:].mean()


def test_bad_boxes_are_refused_and_boxes_need_new_bytes() -> None:
    for boxes in ([[0.5, 0.5, 0.4, 0.6]], [[0, 0, float("nan"), 1]], [[0, 0, 2, 1]], [[0, 0, 1]]):
        outcome = prepare(JPEG, ImageSettings(), boxes)
        assert isinstance(outcome, Refused) and outcome.reason == "bad_boxes"
    for settings in (ImageSettings(image_size=None), ImageSettings(disable_all_reencoding=True)):
        assert isinstance(prepare(JPEG, settings, []), Prepared)
        with pytest.raises(UsageError, match="boxes"):
            prepare(JPEG, settings, [[0, 0, 1, 1]])


def test_threads_prepare_the_same_and_leave_the_filters_of_warnings_as_they_were() -> None:
    exif = b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 40
    bodies = [
        saved(photo(seed, 300, 200), kind) for seed in range(3) for kind in ("JPEG", "PNG", "WEBP", "GIF", "TIFF")
    ]
    bodies += [saved(photo(9, 300, 200), "JPEG", exif=exif), JPEG[:900], b"<svg/>"] * 3
    for pixels in ("good", "fast", "exact"):
        settings = ImageSettings(image_size=100, pixels=pixels)  # type: ignore[arg-type]
        before = list(warnings.filters)
        expected = [prepare(body, settings) for body in bodies]
        with ThreadPoolExecutor(6) as threads:
            assert list(threads.map(prepare, bodies * 5, [settings] * len(bodies) * 5)) == expected * 5
        assert warnings.filters == before


@pytest.mark.parametrize("pixels", ["good", "exact"])
def test_the_cost_of_an_animation_is_that_of_its_first_frame(pixels: str) -> None:
    frames = [Image.fromarray(photo(seed, 64, 48)) for seed in range(2)] * 40
    for kind in ("GIF", "WEBP", "PNG"):
        body = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        prepared = prepare(body, ImageSettings(image_size=32, pixels=pixels, encode_format="png", encode_quality=1))  # type: ignore[arg-type]
        assert isinstance(prepared, Prepared) and prepared.reencoded
        first = prepare(saved(frames[0], kind), ImageSettings(image_size=32, encode_format="png", encode_quality=1))
        assert isinstance(first, Prepared)
        assert mean_error(drawn(prepared), drawn(first)) < 12


@pytest.mark.parametrize(
    "settings",
    [
        {"resize_mode": "squash"},
        {"pixels": "best"},
        {"pixels": "exact", "background": (0, 0, 0)},
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
