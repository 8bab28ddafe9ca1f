"""Names for life: what a pair and an image are called.

    uid(url, alt_text)      16 bytes; the same pair has the same uid in every corpus
    image_id(url)           16 bytes; every pair of one image shares it
    content_id(body)        the same for an image that has no URL

blake2b with 128 bits over length-prefixed UTF-8, so that ("ab", "c") and ("a", "bc") differ. 2^64 pairs would be needed
for an even chance of a collision.
"""

from __future__ import annotations

import hashlib

from .errors import UsageError


def _digest(kind: bytes, *parts: bytes) -> bytes:
    state = hashlib.blake2b(digest_size=16, person=kind)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.digest()


def uid(url: str, alt_text: str) -> bytes:
    """The pair's uid. For an image without URL, pass the hex of its content_id as the URL."""
    return _digest(b"vlcorpus.uid", url.encode("utf-8", "surrogatepass"), alt_text.encode("utf-8", "surrogatepass"))


def image_id(url: str) -> bytes:
    return _digest(b"vlcorpus.image", url.encode("utf-8", "surrogatepass"))


def content_id(body: bytes) -> bytes:
    return _digest(b"vlcorpus.bytes", body)


def parse_uid(text: str) -> bytes:
    """32 hex characters as 16 bytes; UsageError otherwise."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 16:
        raise UsageError(f"{text!r} is no uid", "a uid has 32 hex characters, as in the uid column of shards/*.parquet")
    return found
