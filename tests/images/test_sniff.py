from __future__ import annotations

import pytest
from PIL import Image

from tests.images.drawn import bomb, photo, saved
from vlcorpus.images.sniff import SUPPORTED, ends_early, sniff, webp_size

KINDS = {
    "jpeg": "JPEG",
    "png": "PNG",
    "gif": "GIF",
    "webp": "WEBP",
    "avif": "AVIF",
    "bmp": "BMP",
    "tiff": "TIFF",
    "jp2": "JPEG2000",
}


@pytest.mark.parametrize("kind", SUPPORTED)
def test_each_kind_is_known_by_its_first_bytes_and_has_an_end(kind: str) -> None:
    body = saved(photo(1), KINDS[kind])
    assert sniff(body) == kind
    assert not ends_early(body, kind)
    assert ends_early(body[: len(body) // 2], kind) or kind == "tiff"


@pytest.mark.parametrize(
    "body",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\xef\xbb\xbf \n<?xml version='1.0'?>\n<!-- <html> -->\n<!DOCTYPE svg PUBLIC 'x' 'y'><svg width='1'></svg>",
        b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><svg:svg>&a;</svg:svg>",
        "\ufeff<svg/>".encode("utf-16-le"),
    ],
)
def test_svg_is_known_by_its_root(body: bytes) -> None:
    assert sniff(body) == "svg"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xd8",
        b"BM is a word",
        b"<!DOCTYPE html><html><svg></svg></html>",
        b"<svgx>",
        b"GIF88a",
        b"RIFF\x10\0\0\0WAVEfmt ",
        b"\0\0\0\x18ftypmp42\0\0\0\0isom",
        b"<!--" * 1000,
    ],
)
def test_what_is_no_picture_is_unknown(body: bytes) -> None:
    assert sniff(body) == "unknown"


def test_pictures_of_other_kinds_are_unsupported() -> None:
    ico, pnm, eps = (saved(Image.new("RGB", (16, 16)), name) for name in ("ICO", "PPM", "EPS"))
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    assert {sniff(body) for body in (ico, pnm, eps, heic, b"8BPS\0\1", b"\xff\x0a\0")} == {"unsupported"}


def test_webp_size_is_that_of_pillow() -> None:
    picture = Image.fromarray(photo(2, 33, 57))
    plain, lossless = saved(picture, "WEBP"), saved(picture, "WEBP", lossless=True)
    animated = saved(picture, "WEBP", save_all=True, append_images=[picture.rotate(180)])
    assert [webp_size(body) for body in (plain, lossless, animated)] == [(33, 57)] * 3
    assert webp_size(b"RIFF\0\0\0\0WEBPVP8 ") is None


def test_gif_and_png_ends_ignore_what_follows() -> None:
    frames = [Image.fromarray(photo(seed)) for seed in range(3)]
    gif = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert not ends_early(gif + b"\n; trailing", "gif")
    assert ends_early(gif[:-1], "gif")
    assert not ends_early(bomb(8) + b"trailing", "png")
