"""What one request may cost, and bodies that are read no further than that.

    limits = Limits(seconds=5)
    asked = await read_json(request, Search, limits)      a checked struct, or Refusal(400, "Expected `str`, got ...")
    body = await read_body(request, 20_000_000, limits)   bytes, or Refusal(413, ...)

A body is counted as it comes, whatever its Content-Length says, and has to be there in time. What is too long is read
on for a while and dropped, so that who sends it hears why.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from .answers import Refusal

Asked = TypeVar("Asked")

WHERE = 2_000
"""Characters of a filter."""
QUERY = 10_000
"""Characters of a query."""
TERMS = 32
NUMBERS = 16_384
"""Numbers of a vector."""
_DROPPED = 4
"""So many times the limit are read and dropped before a connection is closed."""
CLOSE = {"Connection": "close"}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """seconds: of one request, from its body to its answer. loading_seconds: of the first that needs the model.
    refresh_seconds: between two looks at what was taken down of a corpus in an object store. threads: what is computed
    at once; waiting: requests that may wait for a thread. Others are in bytes or pixels."""

    seconds: float = 10.0
    loading_seconds: float = 300.0
    body_seconds: float = 20.0
    refresh_seconds: float = 30.0
    threads: int = 4
    waiting: int = 64
    connections: int = 256
    max_k: int = 10_000
    json_bytes: int = 1_000_000
    upload_bytes: int = 20_000_000
    uploads_at_once: int = 4
    upload_pixels: int = 50_000_000
    uploads: int = 256
    queries: int = 4_096
    score_bytes: int = 256_000_000
    picture_bytes: int = 64_000_000


async def read_body(request: Request, most: int, limits: Limits) -> bytes:
    """The body. Refusal 413 where it has more than `most` bytes, 408 where it does not come in time."""
    announced = request.headers.get("content-length")
    if announced is not None and (not announced.isdigit() or int(announced) > _DROPPED * most):
        raise too_large(most)
    found = bytearray()
    seen = 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                seen += len(chunk)
                if seen <= most:
                    found += chunk
                elif seen > _DROPPED * most:
                    break
                else:
                    found.clear()
    except TimeoutError:
        raise Refusal(408, f"the body did not come within {limits.body_seconds:g} s", "", CLOSE) from None
    except ClientDisconnect:
        raise Refusal(400, "the body ended early", "", CLOSE) from None
    if seen > most:
        raise too_large(most)
    return bytes(found)


async def read_json(request: Request, shape: type[Asked], limits: Limits, *, most: int | None = None) -> Asked:
    """The body as `shape`. Refusal 415 where it is not called JSON, which a form of another page cannot do; 400 where
    it is no such thing, with the place of what is wrong."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, "the body is not called JSON", "send it as Content-Type: application/json", CLOSE)
    return as_json(await read_body(request, most or limits.json_bytes, limits), shape)


def as_json(body: bytes, shape: type[Asked]) -> Asked:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise Refusal(
            400, f"not what is asked for here: {str(error)[:300]}", "docs/serve.md tells the fields"
        ) from None


def too_large(most: int) -> Refusal:
    return Refusal(413, f"the body has more than {most:,} bytes", "send less", CLOSE)
