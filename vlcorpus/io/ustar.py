"""The tar format, as far as shards need it: one header out, headers in, nothing believed.

    header("000000000.jpg", 81231)   -> 512 bytes of USTAR
    headers(file, "00000.tar", cap)  -> (offset of header, name, offset of payload, length) of each plain file

Reads USTAR, the older v7, PAX (path and size) and GNU long names and sizes; refuses links, devices, sparse files and
anything that does not add up, with the offset. Unlike tarfile it tells a whole tar from one that stops at a block.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from vlcorpus.errors import SourceError

BLOCK = 512
ZEROS = bytes(BLOCK)
MAX_MEMBERS = 50_000_000
"""Headers of one tar that are read."""

_MAX_LONG_NAME = 1 << 20
_LARGEST = 8**11 - 1  # what USTAR's eleven octal digits can say
_HEAD = b"0000444\x000000000\x000000000\x00"
_TAIL = b"0" + bytes(100) + b"ustar\x0000" + bytes(64 + 16 + 155 + 12)
_SUM_OF_CONSTANTS = sum(_HEAD) + sum(b"00000000000\x00") + sum(b" " * 8) + sum(_TAIL)


class TarDamaged(SourceError):
    """A tar that is not whole, or not what a shard may hold: names the shard and the offset in bytes."""

    def __init__(self, shard: str, offset: int, what: str, hint: str = "") -> None:
        super().__init__(
            f"{what} ({shard}, at byte {offset})", hint or "fetch or write this shard again, or leave it out"
        )
        self.shard, self.offset, self.what = shard, offset, what

    def __reduce__(self) -> tuple[type, tuple[str, int, str, str]]:  # type: ignore[override]
        return type(self), (self.shard, self.offset, self.what, self.hint)


def header(name: str, length: int) -> bytes:
    """USTAR header of a plain file: mode 0444, no owner, time 0. Raises ValueError on what USTAR cannot say."""
    if len(name) > 100:
        raise ValueError(f"name {name!r} is over 100 bytes")
    if length > _LARGEST:
        raise ValueError(f"{name!r} is over {_LARGEST} bytes")
    size = b"%011o\0" % length
    path = name.encode("ascii")
    total = sum(path) + sum(size) + _SUM_OF_CONSTANTS
    return path.ljust(100, b"\0") + _HEAD + size + b"00000000000\0" + b"%06o\0 " % total + _TAIL


def headers(file: BinaryIO, shard: str, max_member: int) -> Iterator[tuple[int, str, int, int]]:
    """(offset of the first header, name, offset of the payload, length) of each regular member. The caller moves the
    file to the next header. Ends at the end mark, having checked that only zeros follow."""
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    at, first, long_name, long_size = 0, -1, "", -1
    for _ in range(MAX_MEMBERS):
        block = file.read(BLOCK)
        if block == ZEROS:
            _check_end(file, shard, at, end)
            if long_name or long_size >= 0:
                raise TarDamaged(shard, at, "a long name without its member")
            return
        if len(block) < BLOCK:
            raise TarDamaged(shard, at, "cut inside a header" if block else "ends without an end mark")
        _check_sum(block, shard, at)
        first = at if first < 0 else first
        length, kind = _number(block[124:136], shard, at), block[156:157]
        if kind in b"xgLK":
            extra = _extra(file, length, shard, at)
            if kind == b"L":
                long_name = extra.rstrip(b"\0").decode("utf-8", "surrogateescape")
            elif kind in b"xg":
                path, size = _pax(extra, shard, at)
                if kind == b"x":
                    long_name, long_size = path or long_name, size
            at += BLOCK + length + -length % BLOCK
            continue
        length = long_size if long_size >= 0 else length
        name = long_name or _name(block)
        directory = kind == b"5" or (kind in b"0\0" and name.endswith("/"))
        if kind == b"5":
            length = 0
        elif kind not in b"0\x007":
            raise TarDamaged(shard, at, f"{name!r} is a link, device or sparse file (type {kind!r}), not a plain file")
        if length > max_member:
            raise TarDamaged(shard, at, f"{name!r} claims {length} bytes, over the limit of {max_member}")
        start = at + BLOCK
        at = start + length + -length % BLOCK
        if at > end:
            raise TarDamaged(shard, start, f"cut inside {name!r}")
        if directory:
            file.seek(at)
        else:
            yield first, name, start, length
        first, long_name, long_size = -1, "", -1
    raise TarDamaged(shard, at, f"over {MAX_MEMBERS} members")


def _check_sum(block: bytes, shard: str, at: int) -> None:
    total = sum(block) - sum(block[148:156]) + 8 * ord(" ")
    try:
        stated = int(block[148:156].strip(b" \0"), 8)
    except ValueError:
        stated = -1
    if stated != total:
        # Old tars sum signed bytes, which only differs where a name holds bytes over 127.
        signed = total - 256 * sum(byte > 127 for byte in block[:148] + block[156:])
        if stated < 0 or stated != signed:
            raise TarDamaged(shard, at, "no valid header where one must be")


def _check_end(file: BinaryIO, shard: str, at: int, end: int) -> None:
    """One block of zeros was read at `at`: another must follow, and nothing but zeros after it."""
    if file.read(BLOCK) != ZEROS:
        missing = file.tell() >= end
        raise TarDamaged(shard, at, "ends without a whole end mark" if missing else "a header of zeros before the end")
    while chunk := file.read(1 << 20):
        if chunk.count(0) != len(chunk):
            raise TarDamaged(shard, at, "more content after the end mark")


def _number(field: bytes, shard: str, at: int) -> int:
    """An octal field, or GNU's base-256 for what octal cannot hold."""
    if field[0] in (0x80, 0xFF):
        number = int.from_bytes(field[1:], "big") if field[0] == 0x80 else -1
    else:
        try:
            number = int(field.strip(b" \0") or b"0", 8)
        except ValueError:
            number = -1
    if number < 0:
        raise TarDamaged(shard, at, f"size field {field!r} is no size")
    return number


def _name(block: bytes) -> str:
    name = block[:100].split(b"\0", 1)[0]
    prefix = block[345:500].split(b"\0", 1)[0] if block[257:263] == b"ustar\0" else b""
    return (prefix + b"/" + name if prefix else name).decode("utf-8", "surrogateescape")


def _extra(file: BinaryIO, length: int, shard: str, at: int) -> bytes:
    if length > _MAX_LONG_NAME:
        raise TarDamaged(shard, at, f"an extended header of {length} bytes")
    padded = length + -length % BLOCK
    extra = file.read(padded)
    if len(extra) < padded:
        raise TarDamaged(shard, at, "cut inside an extended header")
    return extra[:length]


def _pax(extra: bytes, shard: str, at: int) -> tuple[str, int]:
    """Path and size of a PAX header; "" and -1 where it does not say."""
    path, size, here = "", -1, 0
    while here < len(extra):
        digits, space, _ = extra[here : here + 12].partition(b" ")
        length = int(digits) if space and digits.isdigit() else 0
        line = extra[here : here + length]
        name, equals, value = line[len(digits) + 1 : -1].partition(b"=")
        if not equals or len(line) != length or line[-1:] != b"\n":
            raise TarDamaged(shard, at, "a broken PAX header")
        if name.startswith(b"GNU.sparse"):
            raise TarDamaged(shard, at, "a sparse file")
        if name == b"path":
            path = value.decode("utf-8", "surrogateescape")
        elif name == b"size":
            if not value.isdigit() or len(value) > 19:
                raise TarDamaged(shard, at, f"PAX size {value!r} is no size")
            size = int(value)
        here += length
    return path, size
