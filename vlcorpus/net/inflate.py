"""Undoes one Content-Encoding as the bytes come, without ever making more of them than asked for.

    inflater = Inflater("gzip")
    inflater.feed(packed, room=1000)      at most 1001 bytes: one more than the room tells that there are more
    inflater.whole                        whether the end of the stream was seen

Not done by curl, which takes a gzip stream that stops in the middle for a whole one.
"""

from __future__ import annotations

import zlib

ENCODINGS = frozenset(("gzip", "x-gzip", "deflate"))
_MAGIC = b"\x1f\x8b"
_GZIP = 16 + zlib.MAX_WBITS


class Inflater:
    """encoding: one of ENCODINGS. `feed` raises zlib.error for broken streams."""

    def __init__(self, encoding: str) -> None:
        self._is_gzip = encoding != "deflate"
        self._stream = zlib.decompressobj(_GZIP if self._is_gzip else zlib.MAX_WBITS)
        self._untouched = True
        self._after = b""  # what follows the end of a gzip stream, until it is known to be another one

    @property
    def whole(self) -> bool:
        """True at the end of a stream, and before its first byte."""
        return self._untouched or self._stream.eof

    def feed(self, chunk: bytes, room: int) -> bytes:
        """The decoded bytes of `chunk`; more than `room` of them only to show that the rest was left."""
        parts: list[bytes] = []
        while chunk and room >= 0:
            if self._stream.eof:
                # gzip files may follow each other; other bytes after the end mean nothing.
                chunk = self._after + chunk
                self._after = chunk[: len(_MAGIC)]
                if not self._is_gzip or self._after != _MAGIC:
                    break
                self._stream = zlib.decompressobj(_GZIP)
                self._after = b""
            plain = self._decompress(chunk, room + 1)
            parts.append(plain)
            room -= len(plain)
            chunk = self._stream.unused_data
        return b"".join(parts)

    def _decompress(self, chunk: bytes, most: int) -> bytes:
        first, self._untouched = self._untouched, False
        try:
            return self._stream.decompress(chunk, most)
        except zlib.error:
            if self._is_gzip or not first:
                raise
            # Some servers send deflate without its zlib header.
            self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
            return self._stream.decompress(chunk, most)
