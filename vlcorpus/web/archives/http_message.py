"""An HTTP answer from its bytes, as WARC files store it.

    read(b"HTTP/1.1 200 OK\\r\\nContent-Type: text/html\\r\\n\\r\\n<p>hello", most=1000)
        Message(status=200, headers=(("content-type", "text/html"),), body=b"<p>hello")

Chunked transfer and gzip, deflate, br and zstd are undone, never beyond `most` bytes. Archives often keep the headers
of an encoding that they have undone themselves, so a body that does not begin like what its header says is taken as it
is.
"""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass

from fastwarc.stream_io import BrotliReader, ZstdReader

from vlcorpus.net.inflate import ENCODINGS, Inflater

MAX_HEAD = 65_536
_MAX_HEADERS = 500

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?:[ \t][^\r\n]*)?\r?\n")
_END = re.compile(rb"\r?\n\r?\n")
_CHUNK = re.compile(rb"[ \t\r\n]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]{0,1000})?\r?\n")


class BadMessage(ValueError):
    """The bytes are no HTTP answer, or their body cannot be decoded."""


@dataclass(frozen=True, slots=True)
class Message:
    """headers: names lower-case, in the order stored."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header; `name` in lower case."""
        return next((value for key, value in self.headers if key == name), None)


def head(block: bytes) -> tuple[Message, int]:
    """The answer without its body, and where in `block` the body begins. Raises BadMessage."""
    status = _STATUS.match(block)
    if status is None:
        raise BadMessage("no HTTP status line")
    end = _END.search(block, status.end() - 2, MAX_HEAD)
    if end is None:
        raise BadMessage("the headers do not end")
    headers: list[tuple[str, str]] = []
    for line in block[status.end() : end.start()].split(b"\n")[:_MAX_HEADERS]:
        text = _text(line)
        if text[:1] in (" ", "\t") and headers:  # a folded line
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {text.strip()}")
            continue
        name, colon, value = text.partition(":")
        if colon:
            headers.append((name.strip().lower(), value.strip()))
    return Message(int(status.group(1)), tuple(headers), b""), end.end()


def read(block: bytes, most: int, known: tuple[Message, int] | None = None) -> Message:
    """The answer in `block`, its body decoded and cut at `most` bytes. Raises BadMessage.

    known: what `head` gave for it, if that was asked before.
    """
    message, start = known or head(block)
    body = block[start:]
    if "chunked" in (message.header("transfer-encoding") or "").lower():
        body = _unchunked(body)
    encodings = [word.strip() for word in (message.header("content-encoding") or "").lower().split(",")]
    applied = [word for word in encodings if word not in ("", "identity")]
    if len(applied) > 1:
        raise BadMessage("more than one content encoding")
    if applied:
        body = _decoded(body, applied[0], most)
    return Message(message.status, message.headers, body[:most])


def _text(line: bytes) -> str:
    try:
        return line.decode("utf-8").rstrip("\r")
    except UnicodeDecodeError:
        return line.decode("latin-1").rstrip("\r")


def _unchunked(body: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while match := _CHUNK.match(body, at):
        size = int(match.group(1), 16)
        if size == 0:
            return b"".join(parts)
        at = match.end() + size
        parts.append(body[match.end() : at])
        if at >= len(body):  # the stored block was cut
            return b"".join(parts)
    if not parts:
        return body
    raise BadMessage("broken chunks")


def _decoded(body: bytes, encoding: str, most: int) -> bytes:
    if encoding in ("gzip", "x-gzip") and not body.startswith(b"\x1f\x8b"):
        return body
    if encoding == "zstd" and not body.startswith(b"\x28\xb5\x2f\xfd"):
        return body
    if body.lstrip()[:1] == b"<":
        return body
    try:
        if encoding in ENCODINGS:
            return Inflater(encoding).feed(body, most)
        if encoding == "br":
            return BrotliReader(io.BytesIO(body)).read(most)
        if encoding == "zstd":
            return ZstdReader(io.BytesIO(body)).read(most)
    except (zlib.error, OSError, ValueError) as error:
        raise BadMessage(f"broken {encoding}") from error
    raise BadMessage(f"unknown content encoding {encoding[:40]}")
