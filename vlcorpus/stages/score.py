"""score: named columns, written once, decided on as often as one likes.

vlcorpus score CORPUS similarity        cosine of image and text embedding
vlcorpus score CORPUS phash             perceptual hash of the stored image
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..corpus import Corpus, Layer
from ..errors import CorpusError
from ..spec import setting
from . import models
from .base import Stage, Tell, Work


@dataclass(frozen=True, kw_only=True)
class Score(Stage):
    """Compute a score of every pair that has an image."""

    name = "score"
    makes = "scores"

    score: str = setting(help="Which score.", choices=("similarity", "phash"), positional=True)
    model: str | None = setting(
        None,
        help="Whose embeddings (similarity only); the only ones if not given.",
        result=False,  # the embeddings are an input
        path=True,
    )

    @property
    def follows(self) -> str:  # type: ignore[override]
        return "embeddings" if self.score == "similarity" else "shards"

    def made(self) -> str:
        return f"scores/{self.score}"

    def followed(self, corpus: Corpus) -> Layer:
        return models.embedded(corpus, self.model) if self.score == "similarity" else corpus.layer("shards")

    def units(self, corpus: Corpus) -> Sequence[str]:
        units = self.followed(corpus).units()
        if not units and corpus.layer("shards").units():
            raise CorpusError(
                f"no {self.followed(corpus).name} in {corpus.path}",
                f"make them: `vlcorpus embed {corpus.path} --model {self.model}`",
            )
        return units

    def open(self, corpus: Corpus) -> Work:
        from ..io import table

        columns = {"similarity": _similarity, "phash": _phash}[self.score](corpus, self.followed(corpus))
        name = f"score-{self.score}"

        def score(unit: str, tell: Tell) -> None:
            with self.commit(corpus, unit) as commit:
                made = table.from_columns(columns(unit, tell), name)
                table.write(commit, f"{unit}.parquet", made, name)
                commit.finish(seen=len(made), kept=len(made), source=self.followed(corpus).name)

        return score


def _similarity(corpus: Corpus, embeddings: Layer) -> Callable[[str, Tell], dict[str, Any]]:
    import numpy as np
    import pyarrow as pa

    from ..io import table, vectors
    from ..scores.similarity import cosine

    def columns(unit: str, tell: Tell) -> dict[str, Any]:
        image_ND = vectors.read(embeddings.path(f"img_emb/img_emb_{unit}.npy"))
        text_ND = vectors.read(embeddings.path(f"text_emb/text_emb_{unit}.npy"))
        about = table.read(
            embeddings.path(f"metadata/metadata_{unit}.parquet"), "embeddings-metadata", only=["uid"]
        ).column("uid")
        if not len(image_ND) == len(text_ND) == len(about):
            raise CorpusError(
                f"{embeddings.name} {unit}: {len(image_ND)} images, {len(text_ND)} texts, {len(about)} rows",
                f"run `vlcorpus verify {corpus.path}`",
            )
        similarity = cosine(image_ND, text_ND)
        return {
            "uid": pa.array([bytes.fromhex(uid) for uid in about.to_pylist()], pa.binary(16)),
            "similarity": pa.array(similarity, pa.float32(), mask=~np.isfinite(similarity)),
        }

    return columns


def _phash(corpus: Corpus, shards: Layer) -> Callable[[str, Tell], dict[str, Any]]:
    import pyarrow as pa

    from ..images.decode import Refused, decode
    from ..images.phash import phash
    from .samples import stored

    def columns(unit: str, tell: Tell) -> dict[str, Any]:
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
        return {"uid": pa.array(uids, pa.binary(16)), "phash": pa.array(hashes, pa.uint64())}

    return columns
