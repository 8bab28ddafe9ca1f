"""clusters: spherical k-means over the image embeddings; the number of each image's cluster, and how near it is.

The centroids lie beside the scores, in centroids.npy: `nearest --references` takes them for other corpora.

Workers draw the rows to train on, each from some shards, and give those of all that are drawn; one place trains, which
holds the sample alone; then workers find the cluster of every row.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...corpus import Corpus, Layer
from ...errors import CorpusError
from ..base import Tell
from .base import Ask, Gathered, Parted, Parts, Stretch
from .pool import Pool

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ...io.vectors import Vectors
    from ...scores.nearest import References
    from ..relay import Relay
    from ..score import Score

CENTROIDS = "centroids.npy"


class Clusters(Parted):
    """Cluster of the image embedding."""

    follows = "embeddings"
    reads = ("model", "device")
    needed = ("clusters",)
    libraries = ("torch", "numpy")

    def parts(self, stage: Score, corpus: Corpus, files: Relay) -> _Parts:
        return _Parts(stage, corpus, stage.followed(corpus), files)

    def gathered(
        self, stage: Score, corpus: Corpus, stretches: Sequence[Stretch], files: Relay, ask: Ask, tell: Tell
    ) -> Gathered:
        import numpy as np

        from ...scores.clusters import first_drawn, train

        assert stage.clusters is not None
        dimension = 0
        for number, (wide, shard) in enumerate(
            ask([("draw", number, some) for number, (_, some) in enumerate(stretches)])
        ):
            if number and wide != dimension:
                raise CorpusError(
                    f"{stage.followed(corpus).name} {shard} has vectors of {wide} numbers, others {dimension}",
                    f"run `vlcorpus verify {corpus.place}`",
                )
            dimension = wide
        drawn = [files.take(("drawn", number)) for number in range(len(stretches))]
        part = np.repeat(np.arange(len(drawn)), [len(each[0]) for each in drawn])
        keys, rows = (
            np.concatenate([np.zeros((0, *shape), kind), *(each[place] for each in drawn)])
            for place, (shape, kind) in enumerate((((3,), np.uint64), ((), np.int64)))
        )
        chosen = first_drawn(keys, stage.clusters)
        del keys, drawn
        sample = np.empty((len(chosen), dimension), np.float16)
        places = [np.flatnonzero(part[chosen] == number) for number in range(len(stretches))]
        for number, own in enumerate(places):
            files.put(("chosen", number), rows[chosen[own]])
        for number, _ in enumerate(ask([("rows", number, some) for number, (_, some) in enumerate(stretches)])):
            sample[places[number]] = files.take(("rows", number))[0]
        trained = train(sample, stage.clusters, device=stage.device)
        with io.BytesIO() as sink:
            np.save(sink, trained.centroids, allow_pickle=False)
            payload = sink.getvalue()
        files.put(("centroids",), trained.centroids)
        about = {
            "clusters": stage.clusters,
            "trained_on": trained.rows,
            "iterations": trained.iterations,
            "mean_similarity": round(trained.similarity, 6),
        }
        return Gathered(about, {CENTROIDS: payload})


@dataclass
class _Parts(Parts):
    stage: Score
    corpus: Corpus
    embeddings: Layer
    files: Relay
    references: References | None = None

    def gather(self, asked: tuple[str, int, tuple[str, ...]]) -> tuple[int, str]:
        """`draw` leaves chances, uids and numbers of the rows of these shards that may be trained on; `rows` the
        vectors of those that are."""
        what, number, shards = asked
        if what == "rows":
            (chosen,) = self.files.take(("chosen", number), again=True)
            self.files.put(("rows", number), self._picked(shards, chosen))
            return 0, shards[0]
        from ...scores.clusters import drawn

        pool = Pool(self.corpus, self.embeddings, shards, texts=False)
        self.files.put(("drawn", number), *drawn(pool.uids, pool.good, self.stage.clusters or 1, self.stage.seed))
        return pool.dimension, shards[0]

    def _picked(self, shards: Sequence[str], rows: npt.NDArray[np.int64]) -> Vectors:
        """The vectors of these rows of some shards: (M, D) float16, in the order asked for."""
        import numpy as np

        from ...io import vectors

        stored = [vectors.read(self.embeddings.path(f"img_emb/img_emb_{shard}.npy")) for shard in shards]
        made = np.empty((len(rows), stored[0].shape[1]), np.float16)
        start = 0
        for each in stored:
            own = np.flatnonzero((rows >= start) & (rows < start + len(each)))
            own = own[np.argsort(rows[own])]  # read forwards
            made[own] = each[rows[own] - start]
            start += len(each)
        return made

    def columns(self, shard: str) -> Mapping[str, Any]:
        import pyarrow as pa

        from ...scores.nearest import References
        from .embedded import embedded_rows

        if self.references is None:
            (centroids,) = self.files.take(("centroids",), again=True)
            self.references = References(centroids, device=self.stage.device)
        rows = embedded_rows(self.corpus, self.embeddings, shard)
        number, value = self.references.nearest(rows.image_ND)
        return {
            "uid": rows.uids,
            "cluster": pa.array(number, pa.int32(), mask=number < 0),
            "cluster_similarity": pa.array(value, pa.float32(), mask=number < 0),
        }
