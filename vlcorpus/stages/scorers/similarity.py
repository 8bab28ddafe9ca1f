"""similarity: the cosine of image and text embedding, in fp32 from the stored fp16."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...corpus import Corpus
from ..base import Tell
from .base import OneShard, Scored, Scorer
from .embedded import embedded_rows

if TYPE_CHECKING:
    from ..score import Score


class Similarity(Scorer):
    """Cosine of image and text embedding."""

    follows = "embeddings"
    reads = ("model",)

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        import numpy as np
        import pyarrow as pa

        from ...scores.similarity import cosine

        embeddings = stage.followed(corpus)

        def columns(unit: str, tell: Tell) -> Scored:
            rows = embedded_rows(corpus, embeddings, unit)
            similarity = cosine(rows.image_ND, rows.text_ND)
            mask = ~np.isfinite(similarity)
            return Scored({"uid": rows.uids, "similarity": pa.array(similarity, pa.float32(), mask=mask)})

        return columns
