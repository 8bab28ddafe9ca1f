"""The index of some embeddings, opened, or why there is none to ask.

    found, note = opened(corpus, corpus.layer("embeddings/ViT-B-32.openai.1a2b3c4d"), "image")
    Searcher(rows, found)                        found is None where every row has to be read; note says why, or nothing
                                                 where that is what was chosen or no index was ever built

An index is asked only where it is of that model, that dimension and those very rows: digests and counts of every shard
are compared, and the file's head with what index.json says. Files are memory-mapped, so a large index costs nothing to
open; comparing reads a stats file a shard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..corpus import Corpus, Layer
from ..errors import VlcorpusError
from . import index_about
from .base import ALL

if TYPE_CHECKING:
    from ..knn.quantised import OpenIndex


def opened(corpus: Corpus, embeddings: Layer, side: str) -> tuple[OpenIndex | None, str]:
    """The index of one side (image or text), and a note for the person. Never raises for a damaged index."""
    from ..io import vectors

    layer = corpus.layer(f"index/{embeddings.folder.name}")
    again = f"`vlcorpus index {corpus.place}` builds it again"
    try:
        if layer.stats(ALL) is None:
            half = layer.there() and bool(layer.names("**/*"))
            return None, f"the index is not whole, so every row was read; {again}" if half else ""
        about = index_about.read(layer)
        if about.model != embeddings.folder.name:
            return None, f"the index is of {about.model}, so every row was read"
        shards = embeddings.units()
        if about.shards != {shard: embeddings.digest(shard) for shard in shards}:
            return None, f"the index is stale, so every row was read; {again}"
        own = about.side(side)
        if own.file is None:
            return None, ""
        word = "img" if side == "image" else "text"
        rows = [vectors.read(embeddings.path(f"{word}_emb/{word}_emb_{shard}.npy")) for shard in shards]
        sizes = [len(each) for each in rows]
        live = {segment.shard: segment.rows for segment in about.segments if not segment.dead}
        if live != dict(zip(shards, sizes, strict=True)) or any(each.shape[1] != about.dimension for each in rows):
            return None, f"the index has other rows than the embeddings, so every row was read; {again}"
        if own.vectors != about.ids:
            return None, f"the index has {own.vectors} vectors for {about.ids} ids, so every row was read; {again}"
        return read(layer, about, side, row_of_id=about.row_of_id(shards, sizes)), ""
    except VlcorpusError as error:
        return None, f"the index cannot be used ({error.message}), so every row was read"


def read(layer: Layer, about: index_about.About, side: str, *, row_of_id: object = None) -> OpenIndex:
    """The file of one side. VlcorpusError where it is not what index.json says."""
    from ..knn import quantised

    own = about.side(side)
    assert own.file is not None
    index = quantised.read(layer.path(own.file), dimension=about.dimension, vectors=own.vectors)
    return quantised.OpenIndex(index, own.kind, dict(own.parameters), row_of_id)  # type: ignore[arg-type]
