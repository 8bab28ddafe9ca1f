"""nearest: which of given reference centroids an image is nearest to, and whether that is a wanted one.

With `--references` the centroids of a pool and `--near` the images of ImageNet-1k, `nearest_wanted` is the rule of
DataComp's image-based filter (Gadre et al. 2023, arXiv 2304.14108): the nearest centroid is that of at least one of
those images. `scores/clusters/centroids.npy` is such a file of references.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...corpus import Corpus
from ...errors import SourceError
from .. import places
from ..base import Tell
from ..content import digest_of
from . import near
from .base import OneShard, Scored, Scorer
from .embedded import embedded_rows

if TYPE_CHECKING:
    from ..score import Score


class Nearest(Scorer):
    """Number of the nearest reference centroid."""

    follows = "embeddings"
    reads = ("model", "near", "device", "batch_size")
    needed = ("references",)
    libraries = ("torch", "numpy")

    def inputs(self, stage: Score, corpus: Corpus) -> dict[str, str]:
        assert stage.references is not None
        if "references" not in stage.looked:
            stage.looked["references"] = digest_of(places.fetched(stage.references, "--references", places.A_FILE))
        found = {"references": stage.looked["references"]}
        return found | ({"near": near.digest(stage, corpus)} if stage.near is not None else {})

    def check(self, stage: Score, corpus: Corpus) -> None:
        from ...web.folders.arrays import Place, shape

        assert stage.references is not None
        shape(Place(places.fetched(stage.references, "--references", places.A_FILE)))
        near.check(stage)

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        import numpy as np
        import pyarrow as pa

        from ...scores.nearest import References
        from ...web.folders.arrays import Place, array

        assert stage.references is not None
        embeddings = stage.followed(corpus)
        path = places.fetched(stage.references, "--references", places.A_FILE)
        references = References(array(Place(path)), device=stage.device)
        wanted: set[int] | None = None
        about: dict[str, int] = {"references": references.count}

        def columns(unit: str, tell: Tell) -> Scored:
            nonlocal wanted
            rows = embedded_rows(corpus, embeddings, unit)
            if rows.image_ND.shape[1] != references.dimension:
                raise SourceError(
                    f"{path} has vectors of {references.dimension} numbers, and the embeddings of "
                    f"{rows.image_ND.shape[1]}",
                    "give centroids of the model that made the embeddings",
                )
            if wanted is None and stage.near is not None:
                found = near.vectors(stage, corpus, references.dimension)
                wanted = {int(number) for each in found for number in np.unique(references.nearest(each)[0])} - {-1}
                about.update({"near": found.count, "near_lost": found.lost, "references_wanted": len(wanted)})
            number, value = references.nearest(rows.image_ND)
            none = number < 0
            is_wanted = np.isin(number, sorted(wanted or ()))
            made = {
                "uid": rows.uids,
                "nearest": pa.array(number, pa.int32(), mask=none),
                "nearest_similarity": pa.array(value, pa.float32(), mask=none),
                "nearest_wanted": pa.array(is_wanted, pa.bool_(), mask=none | (wanted is None)),
            }
            return Scored(made, dict(about))

        return columns
