"""What a body claims to be, from its first bytes alone, and whether it stops before its own end.

    sniff(b"\\xff\\xd8\\xff\\xe0...")  -> "jpeg"          one of SUPPORTED: `decode` will try it
    sniff(b"8BPS...")               -> "unsupported"   a picture, of a kind that is not read
    sniff(b"<svg ...")              -> "svg"           a program that draws; never run here
    sniff(b"<html>...")             -> "unknown"       not a picture

Costs a few microseconds. Content-Type headers are not consulted: servers get them wrong too often.
"""

from __future__ import annotations

import re
import struct

SUPPORTED = ("jpeg", "png", "gif", "webp", "avif", "bmp", "tiff", "jp2")

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
    *(
        (magic, "unsupported")
        for magic in (
            b"\xff\x0a",  # JPEG XL codestream
            b"\0\0\0\x0cJXL ",
            b"II\xbc\x01",  # JPEG XR
            b"8BPS",
            b"%!PS",
            b"\xc5\xd0\xd3\xc6",  # EPS with a preview
            b"\0\0\1\0",  # ICO
            b"\0\0\2\0",  # CUR
            b"icns",
            b"DDS ",
            b"FLIF",
            b"qoif",
            b"gimp xcf",
            b"farbfeld",
            b"#?RADIANCE",
            b"\x76\x2f\x31\x01",  # OpenEXR
            b"AT&TFORM",  # DjVu
            b"\xd7\xcd\xc6\x9a",  # WMF
            b"SIMPLE  =",  # FITS
        )
    ),
)
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"jxl "}
_BEFORE_ROOT = re.compile(rb"\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL | re.IGNORECASE)
_SVG_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?svg[\s>/]")
_PNM = re.compile(rb"P[1-7]\s[\s\d#]")
_LOOK = 65_536


def sniff(body: bytes) -> str:
    """One of SUPPORTED, "svg", "unsupported" (a picture of another kind) or "unknown" (not a picture)."""
    for magic, kind in _MAGIC:
        if body.startswith(magic):
            return kind
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "webp"
    if body[:2] == b"BM" and body[14:18] in _BMP_HEADERS:
        return "bmp"
    if body[4:8] == b"ftyp":
        return _iso_kind(body)
    if _is_svg(body):
        return "svg"
    return "unsupported" if _PNM.match(body) else "unknown"


def ends_early(body: bytes, kind: str) -> bool:
    """Whether the container's own lengths or end mark say that bytes are missing. Best-effort: False is no promise."""
    if kind == "jpeg":
        return b"\xff\xd9" not in body[-64:]
    if kind == "png":
        return not _png_ends(body)
    if kind == "gif":
        return not _gif_ends(body)
    if kind == "webp":
        return int.from_bytes(body[4:8], "little") + 8 > len(body) + 1  # some writers forget the last padding byte
    if kind == "bmp":
        return int.from_bytes(body[2:6], "little") > len(body)
    if kind == "avif" or (kind == "jp2" and body[:1] == b"\0"):
        return not _boxes_end(body)
    if kind == "tiff" and body[2:4] in (b"*\0", b"\0*"):
        return int.from_bytes(body[4:8], "little" if body[:1] == b"I" else "big") + 2 > len(body)
    return False


def webp_size(body: bytes) -> tuple[int, int] | None:
    """Width and height of a WebP canvas from its first chunk, or None. Pillow allocates the canvas on opening."""
    tag, head = body[12:16], body[20:30]
    if len(head) < 10:
        return None
    if tag == b"VP8X":
        return 1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")
    if tag == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", head, 6)
        return width & 0x3FFF, height & 0x3FFF
    if tag == b"VP8L" and head[0] == 0x2F:
        bits = int.from_bytes(head[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


_BMP_HEADERS = {struct.pack("<I", size) for size in (12, 40, 52, 56, 64, 108, 124)}


def _iso_kind(body: bytes) -> str:
    """Brands of an ISO base media file: the major one, then the compatible ones."""
    end = min(int.from_bytes(body[:4], "big"), 512)
    brands = [body[8:12], *(body[at : at + 4] for at in range(16, end, 4))]
    if b"avif" in brands or b"avis" in brands:
        return "avif"
    return "unsupported" if _HEIF_BRANDS.intersection(brands) else "unknown"


def _is_svg(body: bytes) -> bool:
    """Whether the first element is `svg`, whatever its prefix; an HTML page with an inline drawing is not one."""
    head = body[:_LOOK]
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        head = head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    head = head.removeprefix(b"\xef\xbb\xbf")
    at = 0
    while found := _BEFORE_ROOT.match(head, at):
        at = found.end()
    return _SVG_ROOT.match(head, at) is not None


def _png_ends(body: bytes) -> bool:
    at = 8
    while at + 12 <= len(body):
        tag = body[at + 4 : at + 8]
        at += 12 + int.from_bytes(body[at : at + 4], "big")
        if tag == b"IEND":
            return at <= len(body)
    return False


def _gif_ends(body: bytes) -> bool:
    """Walks the blocks to the trailer; what follows it does not matter."""
    if len(body) < 13:
        return False
    at = 13 + _palette(body[10])
    while at < len(body):
        block, at = body[at], at + 1
        if block == 0x3B:
            return True
        if block == 0x2C and at + 9 < len(body):
            at += 10 + _palette(body[at + 8])
        elif block == 0x21:
            at += 1
        else:
            return False
        while at < len(body) and body[at]:
            at += 1 + body[at]
        at += 1
    return False


def _palette(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _boxes_end(body: bytes) -> bool:
    at = 0
    while at + 8 <= len(body):
        length = int.from_bytes(body[at : at + 4], "big")
        if length == 0:  # the last box runs to the end of the file, wherever that is
            return True
        if length == 1:
            length = int.from_bytes(body[at + 8 : at + 16], "big")
        if length < 8:
            return True
        at += length
    return at == len(body)
