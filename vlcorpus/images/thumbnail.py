"""A small JPEG of a picture for a report, always drawn anew from pixels: nothing of the original bytes is passed on.

    thumbnail(body)   -> b"\\xff\\xd8..."   at most 96x96, quality 80, 2-4 kB; None where the body cannot be decoded

Costs a full decode. For a stored shard that is 1-2 ms per picture.
"""

from __future__ import annotations

from vlcorpus.images.decode import Refused, decode
from vlcorpus.images.encode import encode
from vlcorpus.images.resize import resize


def thumbnail(body: bytes, side: int = 96) -> bytes | None:
    """JPEG bytes with the long side at most `side` pixels, on white; None where `decode` refuses the body."""
    picture = decode(body)
    if isinstance(picture, Refused):
        return None
    return encode(resize(picture.rgb, size=side), quality=80)
