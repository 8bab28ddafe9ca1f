"""normsim: how near an image is to a set of wanted ones (NormSim of Wang et al. 2024, arXiv 2405.19547)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...corpus import Corpus
from ..base import Tell
from . import near
from .base import OneShard, Scored, Scorer
from .embedded import embedded_rows

if TYPE_CHECKING:
    from ..score import Score


class NormSim(Scorer):
    """Norm of the cosines of an image with all wanted ones."""

    follows = "embeddings"
    reads = ("model", "norm", "device", "batch_size")
    needed = ("near",)
    libraries = ("torch", "numpy")

    def inputs(self, stage: Score, corpus: Corpus) -> dict[str, str]:
        return {"near": near.digest(stage, corpus)}

    def check(self, stage: Score, corpus: Corpus) -> None:
        near.check(stage)

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        import numpy as np
        import pyarrow as pa

        from ...scores.normsim import norm_2, norm_inf, squares

        embeddings = stage.followed(corpus)
        wanted: near.Near | None = None
        total = np.zeros((0, 0))

        def columns(unit: str, tell: Tell) -> Scored:
            nonlocal wanted, total
            rows = embedded_rows(corpus, embeddings, unit)
            if wanted is None:
                wanted = near.vectors(stage, corpus, rows.image_ND.shape[1])
                if stage.norm == "2":
                    total = squares(wanted, rows.image_ND.shape[1])
            if stage.norm == "2":
                value = norm_2(rows.image_ND, total)
            else:
                value = norm_inf(rows.image_ND, wanted, device=stage.device)
            made = {"uid": rows.uids, "normsim": pa.array(value, pa.float32(), mask=~np.isfinite(value))}
            return Scored(made, {"near": wanted.count, "near_lost": wanted.lost})

        return columns
