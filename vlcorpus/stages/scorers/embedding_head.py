"""Scores by a small network on the stored image embeddings: what `aesthetic` and `nsfw` share.

The weights are the person's own file (`head_files`), the network is `vlcorpus.scores.heads`. Refused before any work:
a file that is no head of this kind, one that names another model in its metadata, and one for embeddings of another
length. Two models of one length cannot be told apart by numbers: without metadata a wrong one goes unnoticed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ...corpus import Corpus, Layer
from ...errors import CorpusError, SourceError, UsageError
from .. import places
from ..base import Tell
from . import head_files
from .base import OneShard, Scored, Scorer
from .embedded import embedded_rows

if TYPE_CHECKING:
    from ...scores.head_forms import Kind
    from ..score import Score


class EmbeddingHead(Scorer):
    """One number for each image embedding."""

    follows = "embeddings"
    reads = ("model",)
    needed = ("weights",)
    libraries = ("torch",)
    kind: ClassVar[Kind]
    column: ClassVar[str]

    def inputs(self, stage: Score, corpus: Corpus) -> dict[str, str]:
        return {"file:weights": head_files.file_digest(_weights(stage))}

    def check(self, stage: Score, corpus: Corpus) -> None:
        path = _weights(stage)
        try:
            embeddings = stage.followed(corpus)
        except (CorpusError, SourceError, UsageError):
            head_files.read_head(self.kind, path)  # embeddings are not made yet, or what is wrong is said elsewhere
            return
        if self._was_read(corpus.layer(stage.made()), embeddings, head_files.file_digest(path)):
            return
        found, units = head_files.read_head(self.kind, path), embeddings.units()
        if units:
            stats = embeddings.stats(units[0]) or {}
            self._fits(found, embeddings, stats.get("dimension"), stage)

    def _was_read(self, made: Layer, embeddings: Layer, digest: str) -> bool:
        """Whether these weights scored these embeddings before, so that there is nothing to find out."""
        units = made.units()
        stats = (made.stats(units[0]) if units else None) or {}
        return stats.get("source") == embeddings.name and stats.get("inputs", {}).get("file:weights") == digest

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        import numpy as np
        import pyarrow as pa

        embeddings = stage.followed(corpus)
        found = head_files.read_head(self.kind, _weights(stage))
        head = found.head
        about = {
            "weights_hash": found.weights_hash,
            "head": {"form": head.form, "architecture": head.architecture, "model": found.model},
        }

        def columns(unit: str, tell: Tell) -> Scored:
            rows = embedded_rows(corpus, embeddings, unit)
            self._fits(found, embeddings, rows.image_ND.shape[1], stage)
            values = head(rows.image_ND)
            missing = np.isnan(values)
            tell(len(values), len(values))
            return Scored({"uid": rows.uids, self.column: pa.array(values, pa.float32(), mask=missing)}, about)

        return columns

    def _fits(self, found: head_files.HeadFile, embeddings: Layer, dimension: int | None, stage: Score) -> None:
        slug = embeddings.name.partition("/")[2]
        name = places.name(str(stage.weights))
        if found.model is not None and not head_files.is_for(found.model, slug):
            raise SourceError(
                f"{name} is a head for {found.model}, the embeddings are of {slug}",
                "choose its model's embeddings with --model",
            )
        if dimension not in (None, found.head.dimension):
            raise SourceError(
                f"{name} reads embeddings of {found.head.dimension} numbers, those of {slug} have {dimension}",
                "give the weights for this model, or choose other embeddings with --model",
            )


def _weights(stage: Score) -> Path:
    return places.fetched(str(stage.weights), "--weights", places.A_FILE)
