"""The EXIF block of a picture as readable JSON, in img2dataset's shape: group and tag name to text.

    readable(block)  -> '{"Image Make": "ACME", "EXIF ISOSpeedRatings": "200", "GPS GPSLatitudeRef": "N"}'

Values are text cut to 200 characters, at most 200 tags, control characters removed; byte strings that are not ASCII
text (maker notes, thumbnails) are left out. Costs about 0.1 ms. EXIF may hold places and names: treat it as personal.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from PIL import ExifTags, Image

from vlcorpus.images.decode import quiet

_MAX_TAGS = 200
_MAX_CHARS = 200


def readable(block: bytes | None) -> str | None:
    """JSON object text, or None where there is no tag that can be read. Never raises on hostile blocks."""
    if not block:
        return None
    tags: dict[str, str] = {}
    exif = Image.Exif()
    with quiet():
        try:
            exif.load(block)
            _collect(tags, "Image", exif, ExifTags.TAGS)
            _collect(tags, "EXIF", exif.get_ifd(ExifTags.IFD.Exif), ExifTags.TAGS)
            _collect(tags, "GPS", exif.get_ifd(ExifTags.IFD.GPSInfo), ExifTags.GPSTAGS)
        except Exception:
            pass  # what was read before the block broke is kept
    return json.dumps(tags, ensure_ascii=False) if tags else None


def _collect(tags: dict[str, str], group: str, values: Mapping[int, object], names: Mapping[int, str]) -> None:
    for code in list(values):
        if len(tags) >= _MAX_TAGS:
            return
        if code in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            continue
        text = _text(values[code])
        if text:
            tags[f"{group} {names.get(code, f'Tag 0x{code:04X}')}"] = text


def _text(value: object) -> str:
    if isinstance(value, bytes):
        if not value.isascii():
            return ""
        value = value.decode("ascii")
    if isinstance(value, tuple):
        value = "[" + ", ".join(str(part) for part in value[:_MAX_CHARS]) + "]"
    text = str(value).encode("utf-8", "replace").decode()
    return "".join(character for character in text if character.isprintable())[:_MAX_CHARS].strip()
