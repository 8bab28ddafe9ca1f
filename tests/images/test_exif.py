from __future__ import annotations

import json

import numpy as np
from PIL import ExifTags, Image

from vlcorpus.images.exif import readable


def test_tags_by_group_and_name() -> None:
    exif = Image.Exif()
    exif[0x010F] = "ACME\x00\x1b[31m"
    exif[0x0112] = 6
    exif.get_ifd(ExifTags.IFD.Exif)[0x8827] = 200
    exif.get_ifd(ExifTags.IFD.GPSInfo)[1] = "N"
    exif[0x927C] = b"\xff\xfe\x00maker"
    tags = json.loads(readable(exif.tobytes()) or "")
    assert tags["Image Orientation"] == "6"
    assert tags["EXIF ISOSpeedRatings"] == "200"
    assert tags["GPS GPSLatitudeRef"] == "N"
    assert tags["Image Make"].startswith("ACME") and "\x1b" not in tags["Image Make"] and "\0" not in tags["Image Make"]
    assert not any("Maker" in name for name in tags)


def test_nothing_to_read() -> None:
    assert readable(None) is None
    assert readable(b"") is None
    assert readable(b"Exif\0\0") is None


def test_hostile_blocks_are_bounded_and_never_raise() -> None:
    exif = Image.Exif()
    for code in range(0x9000, 0x9000 + 600):
        exif[code] = "x" * 5000
    text = readable(exif.tobytes()) or ""
    assert len(json.loads(text)) == 200 and len(text) < 60_000
    rng = np.random.default_rng(0)
    block = exif.tobytes()[:3000]
    for _ in range(300):
        broken = bytearray(block)
        for at in rng.integers(0, len(broken), 20):
            broken[at] = rng.integers(0, 256)
        text = readable(bytes(broken)) or "{}"
        assert all(isinstance(value, str) for value in json.loads(text).values())
