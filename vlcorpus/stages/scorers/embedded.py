"""The stored embeddings of one shard, checked to be of the same pairs.

rows = embedded_rows(corpus, layer, "00000")
rows.uids          (N,) binary16          rows.image_ND, rows.text_ND      (N, D) float16, memory-mapped
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...corpus import Corpus, Layer
from ...errors import CorpusError
from ...io import attempt

if TYPE_CHECKING:
    import pyarrow as pa

    from ...io.vectors import Vectors


@dataclass(frozen=True)
class EmbeddedRows:
    """Row r of all three is the same pair."""

    uids: pa.Array
    image_ND: Vectors
    text_ND: Vectors


def embedded_rows(corpus: Corpus, embeddings: Layer, unit: str) -> EmbeddedRows:
    """The embeddings of a shard. CorpusError where the counts of images, texts and rows differ; Stopped where the
    process is asked to end: scorers that go over all shards begin no further one."""
    import pyarrow as pa

    from ...io import table, vectors

    attempt.end_if_asked()
    image_ND = vectors.read(embeddings.path(f"img_emb/img_emb_{unit}.npy"))
    text_ND = vectors.read(embeddings.path(f"text_emb/text_emb_{unit}.npy"))
    path = embeddings.path(f"metadata/metadata_{unit}.parquet")
    about = table.read(path, "embeddings-metadata", only=["uid"]).column("uid")
    if not len(image_ND) == len(text_ND) == len(about):
        raise CorpusError(
            f"{embeddings.name} {unit}: {len(image_ND)} images, {len(text_ND)} texts, {len(about)} rows",
            f"run `vlcorpus verify {corpus.place}`",
        )
    return EmbeddedRows(pa.array(map(bytes.fromhex, about.to_pylist()), pa.binary(16)), image_ND, text_ND)
