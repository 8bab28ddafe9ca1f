"""JPEG, PNG and WebP files that OpenCV decodes just as Pillow does, found by walking their containers.

    plain(body)                   -> Plain("jpeg", 4000, 3000, alpha=False, exif=b"Exif...", profile=None)
    plain(body[: len(body) // 2]) -> None        not whole
    plain(b"GIF89a...")           -> None        another format

OpenCV is faster than Pillow by a quarter (JPEG) to a third (WebP), and it can decode a JPEG to a half, a quarter or an
eighth. But of what ends early, or holds more than eight plain bits of grey or RGB, it makes something else without a
word. So a file is plain only where its own marks lead from its first byte to its end without a gap:

| format | plain is                                                                                         |
|--------|--------------------------------------------------------------------------------------------------|
| JPEG   | 8 bits, 1 or 3 components, Huffman; the marks lead to the end mark before the bytes run out      |
| PNG    | 8 bits of grey, RGB or RGBA; no colour key, profile, EXIF or animation; all chunks sound         |
| WebP   | one frame as large as the canvas; all chunks, no more                                              |

Several pictures in one file (MPO), grey with a profile and an orientation said in XMP are left to Pillow too. Costs
0.04 ms a file.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

from vlcorpus.images.sniff import webp_size


@dataclass(frozen=True)
class Plain:
    """What a plain file holds: size in pixels as stored, `exif` and ICC `profile` as found."""

    format: str
    width: int
    height: int
    alpha: bool = False
    """Whether there is an alpha channel, opaque or not."""
    exif: bytes | None = None
    profile: bytes | None = None


# In the coded data of a scan 0xff is followed by 0 or a restart mark; anything else is a mark of the container.
_BETWEEN_SCANS = {0xC4, 0xDB, 0xDD, 0xFE, *range(0xE0, 0xF0)}
_MARK = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_FRAMES = {0xC0, 0xC1, 0xC2}
_OTHERWISE = {0x01, *range(0xC3, 0xDA), 0xFF} - {0xC4}  # other codings, marks without a length, the end before a scan
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
MAX_SCANS = 100  # progressive JPEGs of cameras and optimisers have about ten; each scan costs a pass over all pixels
_MAX_PARTS = 10_000
_PNG_COLOURS = {0, 2, 6}
_PNG_TEXTS = {b"tEXt", b"zTXt", b"iTXt"}
_PNG_OTHERWISE = {b"tRNS", b"iCCP", b"eXIf", b"acTL", b"PLTE", b"cICP"}


def plain(body: bytes) -> Plain | None:
    """What the file is, or None where it is not plain, not whole or not understood."""
    if body.startswith(b"\xff\xd8\xff"):
        return _jpeg(body)
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(body)
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return _webp(body)
    return None


def _jpeg(body: bytes) -> Plain | None:
    at, size, components, exif = 2, (0, 0), 0, b""
    pieces: list[bytes] = []
    progressive = False
    for _ in range(_MAX_PARTS):
        mark = body[at + 1 : at + 2]
        if body[at : at + 1] != b"\xff" or not mark or mark[0] in _OTHERWISE:
            return None
        code = mark[0]
        length = int.from_bytes(body[at + 2 : at + 4], "big")
        if length < 2 or at + 2 + length > len(body):
            return None
        if code in _FRAMES:
            components = body[at + 9]
            progressive = code == 0xC2
            if size != (0, 0) or body[at + 4] != 8 or components not in (1, 3) or length != 8 + 3 * components:
                return None
            size = int.from_bytes(body[at + 7 : at + 9], "big"), int.from_bytes(body[at + 5 : at + 7], "big")
        elif code == 0xE1 and body[at + 4 : at + 10] == b"Exif\0\0":
            if exif:
                return None
            exif = body[at + 4 : at + 2 + length]
        elif code == 0xE1 and body.startswith(_XMP, at + 4):
            if body.find(b"tiff:Orientation", at, at + length) >= 0:
                return None
        elif code == 0xE2 and body.startswith(b"ICC_PROFILE\0", at + 4):
            pieces.append(body[at + 4 : at + 2 + length])
        elif code == 0xE2 and body.startswith(b"MPF\0", at + 4):
            return None
        elif code == 0xDA:
            if (
                0 in size
                or (pieces and components == 1)
                or not _scans_end(body, at, {0xDA, *_BETWEEN_SCANS} if progressive else set())
            ):
                return None
            return Plain("jpeg", *size, exif=exif or None, profile=_joined(pieces))
        at += 2 + length
    return None


def _scans_end(body: bytes, at: int, allowed: set[int]) -> bool:
    """Whether the marks from the first scan at `at` on lead over `allowed` ones to the mark of the end."""
    scans = 0
    for _ in range(_MAX_PARTS):
        scans += body[at + 1] == 0xDA
        length = int.from_bytes(body[at + 2 : at + 4], "big")
        found = _MARK.search(body, at + 2 + length)
        if length < 2 or found is None or scans > MAX_SCANS:
            return False
        at = found.start()
        if body[at + 1] not in allowed:
            return body[at + 1] == 0xD9
    return False


def _joined(pieces: list[bytes]) -> bytes | None:
    """An ICC profile from its numbered pieces, None where some are missing."""
    pieces = sorted(pieces)
    if not pieces or len(pieces[0]) < 14 or pieces[0][13] != len(pieces):
        return None
    return b"".join(piece[14:] for piece in pieces)


def _png(body: bytes) -> Plain | None:
    if body[12:16] != b"IHDR" or len(body) < 33 or body[24] != 8 or body[25] not in _PNG_COLOURS:
        return None
    at, view = 8, memoryview(body)
    for _ in range(_MAX_PARTS):
        tag = body[at + 4 : at + 8]
        end = at + 8 + int.from_bytes(body[at : at + 4], "big")
        if end + 4 > len(body) or zlib.crc32(view[at + 4 : end]) != int.from_bytes(body[end : end + 4], "big"):
            return None
        if tag in _PNG_OTHERWISE or (tag in _PNG_TEXTS and _turns(body[at + 8 : end])):
            return None
        at = end + 4
        if tag == b"IEND":
            width, height = int.from_bytes(body[16:20], "big"), int.from_bytes(body[20:24], "big")
            return Plain("png", width, height, alpha=body[25] == 6)
    return None


def _turns(text: bytes) -> bool:
    """Whether a chunk of text may hold an orientation, which Pillow finds there too."""
    if text.startswith(b"Raw profile type exif"):
        return True
    return text.startswith(b"XML:com.adobe.xmp\0") and (text[18:19] != b"\0" or b"tiff:Orientation" in text)


def _webp(body: bytes) -> Plain | None:
    canvas = webp_size(body)
    if canvas is None:
        return None
    at, end = 12, 8 + int.from_bytes(body[4:8], "little")
    exif = profile = None
    alpha, frames = False, 0
    if end != len(body):
        return None  # what follows the end would be decoded with the rest
    for _ in range(_MAX_PARTS):
        if at + 8 > end:
            break
        tag, length = body[at : at + 4], int.from_bytes(body[at + 4 : at + 8], "little")
        inside = body[at + 8 : at + 8 + length]
        if len(inside) < length or tag in (b"ANIM", b"ANMF"):
            return None
        if tag in (b"VP8 ", b"VP8L"):
            frames += 1
            if webp_size(body[:12] + body[at : at + 18]) != canvas:
                return None
            alpha = alpha or (tag == b"VP8L" and bool(inside[4] >> 4 & 1))
        elif tag == b"ALPH":
            alpha = True
        elif tag == b"EXIF":
            exif = inside
        elif tag == b"ICCP":
            profile = inside
        elif tag == b"XMP " and b"tiff:Orientation" in inside:
            return None
        at += 8 + length + (length & 1)
    if frames != 1 or at < end:
        return None
    return Plain("webp", *canvas, alpha=alpha, exif=exif, profile=profile)
