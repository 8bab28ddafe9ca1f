"""flipped: how near the words stay to the mirrored picture.

    vlcorpus score CORPUS flipped
    vlcorpus filter CORPUS --where "similarity_flipped >= 0.25"

Writing cannot be read in a mirror: a pair that matches only because its words are written in the picture loses its
similarity, while a boat stays a boat (the idea of "The Devil is in the Details", arXiv 2309.15954). The model is the
one that made the embeddings, as their stats record it; the picture is mirrored as the model sees it, after it was cut.
Costs what `embed` costs for images; texts are taken from the stored embeddings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...corpus import Corpus
from ...errors import CorpusError
from ..base import Tell
from .base import OneShard, Scored, Scorer
from .embedded import embedded_rows

if TYPE_CHECKING:
    from ..score import Score

_BATCH_SIZE = 64


class Flipped(Scorer):
    """Cosine of the mirrored image's embedding and the stored one of the text."""

    follows = "embeddings"
    reads = ("model", "device", "batch_size")
    libraries = ("torch", "open_clip_torch", "transformers")

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        import numpy as np
        import pyarrow as pa

        from ...scores.similarity import cosine
        from .. import encoding, models

        embeddings = stage.followed(corpus)
        reference, precision = models.maker(corpus, embeddings, stage.model)
        model = encoding.opened(
            reference,
            devices=stage.device,
            precision=precision,
            batch_size=stage.batch_size or _BATCH_SIZE,
            loaders=None,
            threads=1,
        )
        slug = embeddings.name.partition("/")[2]
        # Who imported vectors under a model's name says that they are of that model.
        if model.slug != slug and not slug.endswith(".given"):
            raise CorpusError(
                f"{reference} is no longer the model of {embeddings.name}: it is {model.slug}",
                f"embed again: `vlcorpus embed {corpus.place} --model MODEL`",
            )

        def columns(unit: str, tell: Tell) -> Scored:
            rows = embedded_rows(corpus, embeddings, unit)
            found = model.shard(corpus, unit, tell, mirrored=True, texts=False)
            uids = [bytes.fromhex(row["uid"]) for row in found.rows]
            if uids != rows.uids.to_pylist():
                raise CorpusError(
                    f"{embeddings.name} {unit} is not of the pairs of that shard",
                    f"embed again: `vlcorpus embed {corpus.place} --model MODEL`",
                )
            # As similarity has it: from vectors of the same precision, so that both are compared on one footing.
            similarity = cosine(found.image_ND.astype(np.float16), rows.text_ND)
            mask = ~np.isfinite(similarity)
            values = pa.array(similarity, pa.float32(), mask=mask)
            return Scored({"uid": rows.uids, "similarity_flipped": values}, found.about)

        return columns
