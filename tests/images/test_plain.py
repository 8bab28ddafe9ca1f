from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.images.drawn import mean_error, photo, png, saved
from vlcorpus.images.decode import MAX_PIXELS, WHITE, Decoded, Refused, decode
from vlcorpus.images.picture import Picture
from vlcorpus.images.pillow import open_checked, pixels, quiet
from vlcorpus.images.plain import Plain, plain
from vlcorpus.images.sniff import sniff

RGB = photo(1)
GREY = Image.fromarray(RGB).convert("L")
CLEAR = Image.fromarray(np.dstack([RGB, RGB[..., 0]]))

PLAIN = {
    "baseline": (saved(RGB, "JPEG", quality=90), 1),
    "4:4:4": (saved(RGB, "JPEG", quality=90, subsampling="4:4:4"), 1),
    "progressive": (saved(RGB, "JPEG", progressive=True), 1),
    "restarts": (saved(RGB, "JPEG", restart_marker_rows=1), 1),
    "grey jpeg": (saved(GREY, "JPEG"), 1),
    "png": (saved(RGB, "PNG"), 0),
    "grey png": (saved(GREY, "PNG"), 0),
    "rgba": (saved(CLEAR, "PNG"), 1),
    "webp": (saved(RGB, "WEBP"), 1),
    "lossless": (saved(RGB, "WEBP", lossless=True), 0),
    "webp with alpha": (saved(CLEAR, "WEBP", lossless=True), 1),
    "lossy with alpha": (saved(CLEAR, "WEBP"), 1),
}


def by_pillow(body: bytes) -> Picture | Refused:
    """The slow way, for everything."""
    with quiet():
        opened = open_checked(body, sniff(body), MAX_PIXELS)
        return opened if isinstance(opened, Refused) else pixels(body, *opened, MAX_PIXELS, WHITE)


@pytest.mark.parametrize("name", PLAIN)
def test_plain_pictures_are_those_of_pillow(name: str) -> None:
    body, tolerated = PLAIN[name]
    found, slow = plain(body), by_pillow(body)
    assert isinstance(found, Plain) and isinstance(slow, Picture)
    assert (found.format, found.width, found.height) == (slow.head.format, 160, 120)
    fast = decode(body)
    assert isinstance(fast, Decoded)
    assert np.abs(fast.rgb.astype(int) - slow.bgr[..., ::-1]).max() <= tolerated
    assert (fast.adjusted, fast.frames) == (slow.adjusted, slow.head.frames)


@pytest.mark.parametrize("name", PLAIN)
def test_no_cut_body_is_plain(name: str) -> None:
    body = PLAIN[name][0]
    assert [size for size in range(0, len(body) - 1, 1 + len(body) // 400) if plain(body[:size]) is not None] == []
    assert plain(body[:-1]) is None or name in ("baseline",)


def test_a_cut_body_is_not_saved_by_an_end_mark_that_is_no_end() -> None:
    thumbnail = saved(photo(2, 40, 30), "JPEG")
    exif = Image.Exif()
    exif[0x010F] = "camera"
    head, body = saved(RGB, "JPEG", progressive=True, exif=exif), PLAIN["progressive"][0]
    with_thumbnail = head[:2] + b"\xff\xe5" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail + head[2:]
    assert isinstance(decode(with_thumbnail), Decoded)
    for place in range(len(thumbnail) + 700, len(with_thumbnail) - 2, 97):
        refused = decode(with_thumbnail[:place])
        assert isinstance(refused, Refused) and refused.reason == "truncated_image", place
    second = body.index(b"\xff\xda", body.index(b"\xff\xda") + 2)
    comment = b"\xff\xfe\x00\x06\xff\xd9\xff\xd9"
    cut = body[:second] + comment + body[second : second + 400]
    refused = decode(cut)
    assert plain(cut) is None and isinstance(refused, Refused) and refused.reason == "truncated_image"


def damaged(body: bytes, rng: np.random.Generator) -> bytes:
    """A body with a few bytes changed, left out or put in, cut, or cut and ended again."""
    broken = bytearray(body)
    kind = rng.integers(0, 5)
    if kind >= 3:
        del broken[int(rng.integers(2, len(broken))) :]
        return bytes(broken) + (b"\xff\xd9" if kind == 4 else b"")
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(0, len(broken)))
        if kind == 0:
            broken[at] = int(rng.integers(0, 256))
        elif kind == 1:
            del broken[at : at + int(rng.integers(1, 60))]
        else:
            broken[at:at] = rng.bytes(int(rng.integers(1, 60)))
    return bytes(broken)


@pytest.mark.parametrize("name", PLAIN)
def test_the_verdict_on_damaged_bodies_is_that_of_pillow(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(len(name))
    verdicts = set()
    for _ in range(120):
        body = damaged(PLAIN[name][0], rng)
        if sniff(body) not in ("jpeg", "png", "webp"):
            continue
        ours, theirs = decode(body), by_pillow(body)
        verdicts.add(getattr(ours, "reason", "read"))
        # OpenCV accepts nothing that Pillow refuses.
        assert getattr(ours, "reason", None) == getattr(theirs, "reason", None)
    assert len(verdicts) > 1
    capfd.readouterr()


def swapped() -> bytes:
    """An ICC profile that is not sRGB by name."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()


NOT_PLAIN = {
    "cmyk": saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    "mpo": saved(RGB, "MPO", save_all=True, append_images=[Image.fromarray(RGB)]),
    "palette": saved(Image.fromarray(RGB).convert("P"), "PNG"),
    "key": saved(RGB, "PNG", transparency=(7, 7, 7)),
    "profile": saved(RGB, "PNG", icc_profile=swapped()),
    "grey profile": saved(GREY, "JPEG", icc_profile=swapped()),
    "16 bits": png(2, 2, 16, 2, b"\0" * 26),
    "animation": saved(RGB, "WEBP", save_all=True, append_images=[GREY.convert("RGB")]),
    "apng": saved(RGB, "PNG", save_all=True, append_images=[Image.fromarray(RGB[::-1])]),
    "xmp": saved(RGB, "JPEG", xmp=b'<x tiff:Orientation="6"/>'),
    "gif": saved(RGB, "GIF"),
    "crc": PLAIN["png"][0][:-1] + b"\0",
    "chunks": PLAIN["png"][0][:-12] + b"\0\0\0\x04abcd\0\0\0\0\0\0\0\0" * 3 + PLAIN["png"][0][-12:],
    "empty": b"",
    "start": b"\xff\xd8\xff",
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_needs_more_care_is_not_plain(name: str) -> None:
    assert plain(NOT_PLAIN[name]) is None


def test_an_orientation_in_xmp_is_applied() -> None:
    picture = decode(saved(RGB, "JPEG", quality=95, xmp=b'<x tiff:Orientation="6"/>'))
    assert isinstance(picture, Decoded) and picture.rgb.shape == (160, 120, 3)


def test_blocks_and_profiles_are_taken_as_pillow_takes_them() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "camera", 3
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + bytes(90_000)
    for kind in ("JPEG", "WEBP"):
        body = saved(RGB, kind, exif=exif, icc_profile=profile)
        info = Image.open(io.BytesIO(body)).info
        assert plain(body) == Plain(kind.lower(), 160, 120, exif=info["exif"], profile=info["icc_profile"])
        picture = decode(body)
        assert isinstance(picture, Decoded) and mean_error(picture.rgb, RGB[::-1, ::-1]) < 8


def test_a_flood_of_marks_is_left_alone() -> None:
    body = PLAIN["baseline"][0]
    assert plain(body[:2] + b"\xff\xfe\x00\x02" * 20_000 + body[2:]) is None
    assert plain(body[:-2] + b"\xff\xfe\x00\x02" * 20_000 + body[-2:]) is None
