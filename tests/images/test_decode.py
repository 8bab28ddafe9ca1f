from __future__ import annotations

import io
import struct
import tracemalloc
import warnings

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from tests.images.drawn import bomb, mean_error, photo, png, saved
from vlcorpus.images.decode import REASONS, Decoded, Header, Refused, decode, header

RGB = photo(1)
PICTURE = Image.fromarray(RGB)


def others() -> list[Image.Image]:
    """Fresh ones each time: Pillow leaves the settings of one writer on them for the next."""
    return [Image.fromarray(photo(seed)) for seed in (2, 3)]


# name: (bytes, format, frames, tolerated mean error to RGB)
BODIES = {
    "jpeg": (saved(RGB, "JPEG", quality=95), "jpeg", 1, 5),
    "progressive": (saved(RGB, "JPEG", quality=95, progressive=True), "jpeg", 1, 5),
    "mpo": (saved(RGB, "MPO", quality=95, save_all=True, append_images=others()), "jpeg", 3, 5),
    "png": (saved(RGB, "PNG"), "png", 1, 0),
    "apng": (saved(RGB, "PNG", save_all=True, append_images=others()), "png", 3, 0),
    "gif": (saved(RGB, "GIF"), "gif", 1, 8),
    "animated gif": (saved(RGB, "GIF", save_all=True, append_images=others()), "gif", 2, 8),
    "webp": (saved(RGB, "WEBP", quality=95), "webp", 1, 6),
    "lossless webp": (saved(RGB, "WEBP", lossless=True), "webp", 1, 0),
    "animated webp": (saved(RGB, "WEBP", lossless=True, save_all=True, append_images=others()), "webp", 3, 0),
    "avif": (saved(RGB, "AVIF", quality=90), "avif", 1, 6),
    "animated avif": (saved(RGB, "AVIF", quality=90, save_all=True, append_images=others()), "avif", 3, 6),
    "bmp": (saved(RGB, "BMP"), "bmp", 1, 0),
    "tiff": (saved(RGB, "TIFF"), "tiff", 1, 0),
    "tiff lzw": (saved(RGB, "TIFF", compression="tiff_lzw"), "tiff", 1, 0),
    "tiff pages": (saved(RGB, "TIFF", save_all=True, append_images=others()), "tiff", 2, 0),
    "jpeg 2000": (saved(RGB, "JPEG2000"), "jp2", 1, 0),
}


def pixels(body: bytes, **options: object) -> np.ndarray:
    picture = decode(body, **options)  # type: ignore[arg-type]
    assert isinstance(picture, Decoded), picture
    assert picture.rgb.dtype == np.uint8 and picture.rgb.flags.c_contiguous
    assert picture.rgb.shape == (picture.height, picture.width, 3)
    return picture.rgb


def reason(body: bytes, **options: object) -> str:
    refused = decode(body, **options)  # type: ignore[arg-type]
    assert isinstance(refused, Refused), refused
    assert refused.reason in REASONS and "object at" not in refused.message
    return refused.reason


@pytest.mark.parametrize("name", BODIES)
def test_formats(name: str) -> None:
    body, kind, frames, tolerated = BODIES[name]
    assert header(body) == Header(kind, 160, 120, frames)
    assert mean_error(pixels(body), RGB) <= tolerated
    picture = decode(body)
    assert isinstance(picture, Decoded) and not picture.adjusted and picture.frames == frames


@pytest.mark.parametrize("name", [name for name in BODIES if name not in ("mpo", "tiff pages")])
@pytest.mark.parametrize("percent", range(10, 100, 10))
def test_a_cut_body_is_refused(name: str, percent: int) -> None:
    body = BODIES[name][0]
    assert reason(body[: len(body) * percent // 100]) in {"truncated_image"} | (
        {"decode_error"} if name.startswith("tiff") else set()
    )


@pytest.mark.parametrize("name", ["mpo", "tiff pages"])
def test_pictures_behind_the_first_do_not_matter(name: str) -> None:
    body = BODIES[name][0]
    assert mean_error(pixels(body[: len(body) * 9 // 10]), RGB) <= 5
    assert reason(body[: len(body) // 10]) == "truncated_image"


@pytest.mark.parametrize("orientation", range(10))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = Image.open(io.BytesIO(saved(PICTURE, "PNG", exif=exif)))
    for body in (saved(PICTURE, "JPEG", quality=95, exif=exif), saved(PICTURE, "PNG", exif=exif)):
        expected = ImageOps.exif_transpose(turned)
        picture = decode(body)
        assert isinstance(picture, Decoded)
        assert picture.rgb.shape == np.asarray(expected).shape
        assert mean_error(picture.rgb, np.asarray(expected)) <= 5
        assert picture.adjusted == (2 <= orientation <= 8)
        assert picture.exif is not None


def test_a_corner_lands_where_orientation_6_says() -> None:
    marked = np.zeros((40, 80, 3), np.uint8)
    marked[:10, :10] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the stored top left is shown at the top right
    upright = pixels(saved(marked, "JPEG", quality=100, exif=exif))
    assert upright.shape == (80, 40, 3) and upright[5, 35].min() > 240 and upright[5, 5].max() < 15


def test_a_broken_exif_block_costs_nothing() -> None:
    body = saved(PICTURE, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 40)
    assert mean_error(pixels(body), RGB) < 10


def test_cmyk_becomes_rgb() -> None:
    for colour in ((200, 30, 60), (20, 120, 220), (255, 255, 255), (0, 0, 0)):
        flat = Image.new("RGB", (32, 32), colour).convert("CMYK")
        picture = decode(saved(flat, "JPEG", quality=100))
        assert isinstance(picture, Decoded) and picture.adjusted
        assert mean_error(picture.rgb, np.full((32, 32, 3), colour)) <= 3


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, 256 * 16).astype(np.uint16).reshape(16, 256)
    expected = np.rint(values / 257).astype(int)
    grey = decode(saved(Image.fromarray(values), "PNG"))
    assert isinstance(grey, Decoded) and grey.adjusted
    assert np.array_equal(grey.rgb, np.repeat(expected[..., None], 3, 2))
    tiff = pixels(saved(Image.fromarray(values), "TIFF"))
    assert np.array_equal(tiff, grey.rgb)

    rows = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in values)
    assert np.abs(pixels(png(256, 16, 16, 2, rows))[..., 0] - expected).max() <= 1


@pytest.mark.parametrize("background", [(255, 255, 255), (10, 200, 30)])
@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGB with a key", "L with a key", "P with alphas", "GIF"])
def test_alpha_lies_on_the_background(mode: str, background: tuple[int, int, int]) -> None:
    ramp = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (8, 1))
    alpha = Image.fromarray(ramp)
    grey = Image.new("L", alpha.size, 100)
    opacity = ramp / 255.0
    if mode in ("RGBA", "LA"):
        image = Image.merge("LA", (grey, alpha)).convert(mode)
        body = saved(image, "PNG")
    elif mode == "PA":
        palette = Image.fromarray(ramp).convert("P")
        palette.putpalette([100] * 768)
        body = saved(palette, "PNG", transparency=bytes(range(256)))
    elif mode == "P with alphas":
        palette = Image.fromarray((ramp > 127).astype(np.uint8)).convert("P")
        palette.putpalette([100] * 768)
        body, opacity = saved(palette, "PNG", transparency=b"\x00\x80"), np.where(ramp > 127, 128 / 255, 0.0)
    else:
        half = ramp > 127
        values = np.where(half, 7, 100).astype(np.uint8)
        opacity = np.where(half, 0.0, 1.0)
        flat = Image.fromarray(values)
        if mode == "RGB with a key":
            body = saved(flat.convert("RGB"), "PNG", transparency=(7, 7, 7))
        elif mode == "L with a key":
            body = saved(flat, "PNG", transparency=7)
        else:
            body = saved(flat.convert("P"), "GIF", transparency=7)
    expected = opacity[..., None] * 100 + (1 - opacity[..., None]) * np.array(background)
    picture = decode(body, background=background)
    assert isinstance(picture, Decoded) and picture.adjusted
    assert np.abs(picture.rgb - expected).max() <= 1


def test_opaque_alpha_changes_nothing() -> None:
    picture = decode(saved(PICTURE.convert("RGBA"), "PNG"))
    assert isinstance(picture, Decoded) and not picture.adjusted and np.array_equal(picture.rgb, RGB)


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_few_colours(mode: str) -> None:
    image = PICTURE.convert(mode)
    assert np.array_equal(pixels(saved(image, "PNG")), np.asarray(image.convert("RGB")))


def test_an_icc_profile_is_converted_and_srgb_is_left_alone() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = decode(saved(PICTURE, "PNG", icc_profile=srgb))
    assert isinstance(plain, Decoded) and not plain.adjusted and np.array_equal(plain.rgb, RGB)

    # The same profile with red and blue primaries exchanged and no name: what was red must come out blue.
    swapped = bytearray(srgb)
    for at in range(132, 132 + 12 * struct.unpack_from(">I", srgb, 128)[0], 12):
        tag = {b"rXYZ": b"bXYZ", b"bXYZ": b"rXYZ", b"desc": b"dddd"}.get(bytes(swapped[at : at + 4]))
        swapped[at : at + 4] = tag or swapped[at : at + 4]
    picture = decode(saved(PICTURE, "PNG", icc_profile=bytes(swapped)))
    assert isinstance(picture, Decoded) and picture.adjusted
    assert mean_error(picture.rgb, RGB[..., ::-1]) <= 2
    alpha = decode(saved(PICTURE.convert("RGBA"), "PNG", icc_profile=bytes(swapped)))
    assert isinstance(alpha, Decoded) and np.array_equal(alpha.rgb, picture.rgb)


@pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 200])
def test_a_broken_icc_profile_is_ignored(profile: bytes) -> None:
    assert np.array_equal(pixels(saved(PICTURE, "PNG", icc_profile=profile)), RGB)


def test_a_flood_of_pixels_is_refused_before_it_is_decoded() -> None:
    body = bomb(13_000)
    assert len(body) < 100_000
    tracemalloc.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reason(body) == "too_many_pixels"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20
    assert header(body) == Refused("too_many_pixels", "13000x13000 is over the limit of 89478485 pixels")
    assert reason(bomb(20_000)) == "too_many_pixels"
    assert reason(saved(RGB, "WEBP"), max_pixels=160 * 120 - 1) == "too_many_pixels"
    assert pixels(saved(RGB, "WEBP"), max_pixels=160 * 120).shape == (120, 160, 3)


def test_a_check_refuses_on_the_header() -> None:
    # The pixels of this body are missing, and nobody looks.
    body = saved(RGB, "PNG")[:100]
    assert decode(body, check=lambda head: Refused("image_too_small", str(head.width))) == Refused(
        "image_too_small", "160"
    )


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    body = saved(RGB, "JPEG", progressive=True)
    scan = body[body.rindex(b"\xff\xda") : -2]
    assert reason(body[:-2] + scan * 200 + b"\xff\xd9") == "decode_error"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "not_an_image"),
        (b"<html><body>404 not found</body></html>", "not_an_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "svg"),
        (b"8BPS" + bytes(100), "unsupported_format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "unsupported_format"),
        (b"\xff\xd8\xff\xd9", "decode_error"),
        (b"\x89PNG\r\n\x1a\n", "truncated_image"),
        (b"\xff\xd8\xff<html><body>polyglot</body></html>", "truncated_image"),
        (saved(Image.new("F", (4, 4), 0.5), "TIFF"), "unsupported_format"),
    ],
)
def test_reasons(body: bytes, expected: str) -> None:
    assert reason(body) == expected


def test_corrupted_bodies_are_decoded_or_refused_and_always_the_same() -> None:
    small = Image.fromarray(photo(4, 48, 40))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    bodies = [saved(small, name) for name in ("PNG", "GIF", "WEBP", "BMP", "TIFF", "JPEG2000", "AVIF")]
    bodies += [saved(small, "JPEG", exif=exif), saved(small, "JPEG", progressive=True), saved(small, "MPO")]
    bodies += [saved(small.convert("CMYK"), "JPEG"), saved(small.convert("RGBA"), "WEBP", lossless=True)]
    bodies += [saved(small, "TIFF", compression="tiff_deflate"), saved(small.convert("P"), "PNG", transparency=3)]
    rng = np.random.default_rng(0)
    seen = set()
    for turn in range(700):
        body = bytearray(bodies[turn % len(bodies)])
        for _ in range(int(rng.integers(1, 12))):
            # Headers are where decoders go wrong: half of the hits fall into the first 64 bytes.
            at = int(rng.integers(0, min(64, len(body)) if rng.random() < 0.5 else len(body)))
            kind = rng.integers(0, 3)
            if kind == 0:
                body[at] = int(rng.integers(0, 256))
            elif kind == 1:
                del body[at : at + int(rng.integers(1, 9))]
            else:
                body[at:at] = rng.bytes(int(rng.integers(1, 9)))
        first, second = decode(bytes(body)), decode(bytes(body))
        assert type(first) is type(second)
        if isinstance(first, Refused):
            assert first == second and first.reason in REASONS
            seen.add(first.reason)
        else:
            seen.add("decoded")
    assert {"decoded", "decode_error", "truncated_image", "not_an_image"} <= seen
