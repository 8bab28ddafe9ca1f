"""Which embeddings of a corpus are meant, and whether those of a shard are what they say.

    embeddings(corpus, None)              the only ones, or those that are scored
    checked(corpus, layer, "00000")       (10000, 512): rows and dimension; CorpusError where anything disagrees

Cost: 2 ms a shard: three sizes, two headers, a footer, two stats files.
"""

from __future__ import annotations

import errno
import os

from ..corpus import Corpus, Layer
from ..errors import CorpusError, UsageError
from ..io import table, vectors
from ..stages import models, queries
from .collection import WORD

AGAIN = "run `vlcorpus verify` on the corpus"


def embeddings(corpus: Corpus, model: str | None) -> Layer:
    """The layer meant by a folder name, a model reference, or nothing: the only one, or the one that is scored."""
    known = corpus.layers("embeddings")
    if model is None or model in known:
        chosen = model or (models.scored(corpus) if len(known) > 1 else None)
        return models.embedded(corpus, chosen)
    if not known:
        return models.embedded(corpus, None)
    given = [name for name in known if queries.given(corpus.layer(f"embeddings/{name}")) == model]
    if len(given) == 1:
        return corpus.layer(f"embeddings/{given[0]}")
    from ..clip.model import describe

    slug = describe(models.reference(corpus, model), download=False).slug
    if slug not in known:
        raise UsageError(f"no embeddings of {slug} in {corpus.place}", f"there are: {', '.join(known)}")
    return corpus.layer(f"embeddings/{slug}")


def checked(corpus: Corpus, layer: Layer, shard: str) -> tuple[int, int]:
    """(rows, dimension) of a shard's embeddings, by headers, footer and stats. CorpusError where they disagree."""
    stats = layer.stats(shard) or {}
    paths = {word: f"{word}_emb/{word}_emb_{shard}.npy" for word in WORD.values()}
    metadata = f"metadata/metadata_{shard}.parquet"
    for name in (*paths.values(), metadata):
        told = stats.get("outputs", {}).get(name, {}).get("bytes")
        size = layer.size(name)
        if size is None:
            raise CorpusError(f"cannot read {layer.path(name)}: {os.strerror(errno.ENOENT)}", AGAIN)
        if size != told:
            raise CorpusError(f"{layer.path(name)} has {size} bytes, and its stats say {told}", AGAIN)
    image, text = (vectors.read(layer.path(name)).shape for name in paths.values())
    described = table.count(layer.path(metadata), "embeddings-metadata")
    if image != text or image[0] != described or described != stats.get("seen"):
        raise CorpusError(
            f"{layer.name} {shard}: vectors of images {image} and of texts {text}, {described} rows, "
            f"and stats of {stats.get('seen')}",
            AGAIN,
        )
    made_of = stats.get("inputs", {}).get("shards")
    if made_of is not None and made_of != corpus.layer("shards").digest(shard):
        raise CorpusError(
            f"{layer.name} {shard} is of an earlier shards/{shard}", f"embed again: `vlcorpus embed {corpus.place}`"
        )
    return image[0], image[1]
