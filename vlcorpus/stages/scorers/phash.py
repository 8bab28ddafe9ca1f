"""phash: the perceptual hash of the stored image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...corpus import Corpus
from ..base import Tell
from .base import OneShard, Scored, Scorer

if TYPE_CHECKING:
    from ..score import Score


class PHash(Scorer):
    """64-bit DCT hash; an image is decoded once, however many captions it has."""

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        import pyarrow as pa

        from ...images.decode import Refused, decode
        from ...images.phash import phash
        from ..samples import stored

        def columns(unit: str, tell: Tell) -> Scored:
            uids: list[bytes] = []
            hashes: list[int | None] = []
            last, value = "", None
            for pair in stored(corpus, unit):
                if pair.image_key != last:
                    picture = decode(pair.body)
                    value = None if isinstance(picture, Refused) else phash(picture.rgb)
                    last = pair.image_key
                uids.append(pair.uid)
                hashes.append(value)
                tell(len(uids), len(uids))
            return Scored({"uid": pa.array(uids, pa.binary(16)), "phash": pa.array(hashes, pa.uint64())})

        return columns
