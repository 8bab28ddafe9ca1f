"""Beside img2dataset itself, where it is installed."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.images.drawn import photo, png, saved
from vlcorpus.images.picture import Refused
from vlcorpus.images.prepare import ImageSettings, Prepared, prepare
from vlcorpus.images.resize import MODES

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def theirs() -> Any:
    """img2dataset's Resizer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
        return pytest.importorskip("img2dataset.resizer").Resizer


@pytest.fixture(scope="module")
def blurrer() -> Any:
    return pytest.importorskip("img2dataset.blurrer").BoundingBoxBlurrer()


def alpha(rgb: np.ndarray) -> np.ndarray:
    return np.dstack([rgb, np.tile(np.linspace(0, 255, rgb.shape[1]).astype(np.uint8), (rgb.shape[0], 1))])


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def bodies() -> dict[str, bytes]:
    rgb, small = photo(1, 421, 321), photo(2, 90, 201)
    wide, square = photo(3, 456, 123), photo(4, 256, 256)
    grey = np.asarray(Image.fromarray(rgb).convert("L"))
    deep = (np.arange(300 * 280).reshape(280, 300) % 65536).astype(np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in np.repeat(deep[..., None], 4, 2))
    return {
        "jpeg": saved(rgb, "JPEG", quality=90),
        "small jpeg": saved(small, "JPEG", quality=90),
        "wide jpeg": saved(wide, "JPEG", progressive=True),
        "square jpeg": saved(square, "JPEG"),
        "turned": saved(rgb, "JPEG", exif=turned()),
        "cmyk": saved(Image.fromarray(rgb).convert("CMYK"), "JPEG"),
        "grey jpeg": saved(grey, "JPEG"),
        "png": saved(rgb, "PNG"),
        "rgba": saved(alpha(rgb), "PNG"),
        "small rgba": saved(alpha(small), "PNG"),
        "opaque rgba": saved(np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)]), "PNG"),
        "grey and alpha": saved(Image.fromarray(alpha(rgb)).convert("LA"), "PNG"),
        "palette": saved(Image.fromarray(rgb).convert("P"), "PNG"),
        "16 bits": saved(Image.fromarray(deep), "PNG"),
        "16 bits and alpha": png(300, 280, 16, 6, rows),
        "gif": saved(rgb, "GIF"),
        "animated gif": saved(rgb, "GIF", save_all=True, append_images=[Image.fromarray(rgb[::-1])]),
        "webp": saved(rgb, "WEBP"),
        "webp with alpha": saved(alpha(small), "WEBP"),
        "bmp": saved(rgb, "BMP"),
        "tiff": saved(rgb, "TIFF"),
        "apng": saved(rgb, "PNG", save_all=True, append_images=[Image.fromarray(rgb[::-1])]),
    }


BODIES = bodies()


def same(body: bytes, resizer: Any, settings: ImageSettings, boxes: Any = None) -> None:
    stored, width, height, original_width, original_height, error = resizer(io.BytesIO(body), boxes)
    ours = prepare(body, settings, boxes)
    if stored is None:
        assert isinstance(ours, Refused), error
        return
    assert isinstance(ours, Prepared), ours
    assert (ours.width, ours.height) == (width, height)
    assert (ours.original_width, ours.original_height) == (original_width, original_height)
    assert ours.body == stored


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("mode", MODES)
def test_the_bytes_are_those_of_img2dataset(name: str, mode: str, theirs: Any) -> None:
    for bigger in (False, True):
        for format, quality in (("jpg", 95), ("jpg", 60), ("png", 3), ("webp", 80), ("webp", 101)):
            if format == "webp" and (mode != "border" or bigger):
                continue
            resizer = theirs(256, mode, bigger, encode_format=format, encode_quality=quality)
            settings = ImageSettings(
                image_size=256,
                resize_mode=mode,  # type: ignore[arg-type]
                only_if_bigger=bigger,
                pixels="exact",
                encode_format=format,  # type: ignore[arg-type]
                encode_quality=quality,
            )
            same(BODIES[name], resizer, settings)


@pytest.mark.parametrize("seed", range(12))
def test_sizes_are_rounded_as_there(seed: int, theirs: Any) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(8):
        width, height = (int(side) for side in rng.integers(1, 400, 2))
        body = saved(photo(seed, width, height), "PNG")
        size, mode = int(rng.integers(1, 150)), str(rng.choice(MODES))
        if max(width, height) / min(width, height) * size > 20_000:
            continue
        bigger = bool(rng.random() < 0.5)
        settings = ImageSettings(
            image_size=size,
            resize_mode=mode,  # type: ignore[arg-type]
            only_if_bigger=bigger,
            pixels="exact",
        )
        same(body, theirs(size, mode, bigger), settings)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("format", ["jpg", "png", "webp"])
def test_bytes_are_kept_where_img2dataset_keeps_them(name: str, format: str, theirs: Any) -> None:
    quality = {"jpg": 95, "png": 3, "webp": 90}[format]
    for mode, size in (("no", 10), ("border", 256), ("keep_ratio", 1000)):
        resizer = theirs(size, mode, True, encode_format=format, encode_quality=quality, skip_reencode=True)
        settings = ImageSettings(
            image_size=size,
            resize_mode=mode,  # type: ignore[arg-type]
            pixels="exact",
            encode_format=format,  # type: ignore[arg-type]
            encode_quality=quality,
            skip_reencode=True,
        )
        same(BODIES[name], resizer, settings)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["jpeg", "small jpeg", "grey jpeg", "rgba"])
def test_blurred_parts_are_those_of_img2dataset(name: str, mode: str, theirs: Any, blurrer: Any) -> None:
    lists = [
        [],
        [[0.1, 0.2, 0.4, 0.5]],
        [[0, 0, 1, 1]],
        [[0.7, 0.8, 1, 1], [0.2, 0.1, 0.25, 0.9]],
        [[0.5, 0.5, 0.5, 0.5]],
    ]
    for boxes in lists:
        for bigger in (False, True):
            settings = ImageSettings(
                image_size=128,
                resize_mode=mode,  # type: ignore[arg-type]
                only_if_bigger=bigger,
                pixels="exact",
            )
            same(BODIES[name], theirs(128, mode, bigger, blurrer=blurrer), settings, boxes)


def test_what_is_truncated_is_refused_all_the_same() -> None:
    settings = ImageSettings(pixels="exact", image_size=64)
    for name, body in BODIES.items():
        for percent in (20, 50, 80, 95):
            ours = prepare(body[: len(body) * percent // 100], settings)
            assert isinstance(ours, Refused) or name == "tiff", (name, percent)
            assert not isinstance(ours, Refused) or ours.reason in ("truncated_image", "decode_error")
