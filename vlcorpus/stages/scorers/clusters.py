"""clusters: spherical k-means over the image embeddings; the number of each image's cluster, and how near it is.

The centroids lie beside the scores, in centroids.npy: `nearest --references` takes them for other corpora.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ...corpus import Corpus
from ..base import Tell
from .base import AllShards, Scored, Scorer
from .pool import Pool

if TYPE_CHECKING:
    from ..score import Score

CENTROIDS = "centroids.npy"


class Clusters(Scorer):
    """Cluster of the image embedding."""

    follows = "embeddings"
    whole = True
    reads = ("model", "device")
    needed = ("clusters",)
    libraries = ("torch", "numpy")

    def open(self, stage: Score, corpus: Corpus) -> AllShards:
        import io

        import numpy as np
        import pyarrow as pa

        from ...io import vectors
        from ...scores.clusters import train, train_order
        from ...scores.nearest import References

        embeddings = stage.followed(corpus)
        assert stage.clusters is not None
        clusters = stage.clusters

        def columns(shards: Sequence[str], tell: Tell) -> Iterator[tuple[str, Scored]]:
            pool = Pool(corpus, embeddings, shards, texts=False)
            sample = train_order(pool.uids, pool.good, clusters=clusters, seed=stage.seed)
            trained = train(pool.gather(sample)[0], clusters, device=stage.device)
            references = References(trained.centroids, device=stage.device)
            with io.BytesIO() as sink:
                np.save(sink, trained.centroids, allow_pickle=False)
                files = {CENTROIDS: sink.getvalue()}
            about = {
                "clusters": clusters,
                "trained_on": trained.rows,
                "iterations": trained.iterations,
                "mean_similarity": round(trained.similarity, 6),
            }
            for shard, uids, _ in pool.parts():
                image_ND = vectors.read(embeddings.path(f"img_emb/img_emb_{shard}.npy"))
                number, value = references.nearest(image_ND)
                made = {
                    "uid": uids,
                    "cluster": pa.array(number, pa.int32(), mask=number < 0),
                    "cluster_similarity": pa.array(value, pa.float32(), mask=number < 0),
                }
                yield shard, Scored(made, about, files)

        return columns
