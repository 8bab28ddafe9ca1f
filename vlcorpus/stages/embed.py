"""embed: two unit vectors a pair, in clip-retrieval's layout.

    vlcorpus embed CORPUS --model ViT-B-32/openai
    vlcorpus embed CORPUS --model other/probes/filter
    vlcorpus embed CORPUS --model image=ViT-B-32/openai,text=hf:sentence-transformers/clip-ViT-B-32-multilingual-v1
    vlcorpus embed CORPUS --device cuda --batch-size 256 --workers 1

Row r of img_emb_NNNNN.npy, text_emb_NNNNN.npy and metadata_NNNNN.parquet is the same pair. An image is decoded and
encoded once however many captions it has. Pictures are decoded by threads while the device computes; the stats say
which of the two waited. Vectors only: `score` owns the cosine. The vectors of each batch are in a journal at once, so
that a run that is killed goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ..corpus import Corpus, Layer
from ..spec import setting
from . import models, unfinished
from .base import Needs, Stage, Tell, Work, on


@dataclass(frozen=True, kw_only=True)
class Embed(Stage):
    """Encode images and texts with a CLIP model."""

    name = "embed"
    makes = "embeddings"
    follows = "shards"
    libraries: ClassVar[tuple[str, ...]] = ("torch", "open_clip_torch", "transformers")

    model: str | None = setting(
        None,
        help=f"open_clip NAME/TAG, hf-hub:ORG/REPO, folder, NAME@CHECKPOINT, hf:ORG/REPO, probe folder, probe:NAME, or "
        f"image=REF,text=REF. {models.DEFAULT} if none is given.",
        result=False,  # the model's slug is an input
        path=True,
    )
    batch_size: int = setting(
        64,
        help="Images loaded at once, in whole blocks of the 32 (CPU) or 256 (CUDA) that are computed at once.",
        least=1,
        most=65_536,
        result=False,
    )
    device: str = setting("cpu", help="Where to compute: cpu, cuda (all there are), or cuda:0,cuda:1.", result=False)
    precision: str = setting("fp32", help="Arithmetic of the towers.", choices=("fp32", "bf16", "fp16"))
    loaders: int | None = setting(
        None,
        help="Threads of a worker that decode and resize; 1 beside the CPU, up to 8 beside CUDA if not given.",
        least=1,
        most=256,
        result=False,
    )
    threads: int = setting(1, help="Threads that a worker computes with on the CPU.", least=1, most=1_024, result=False)

    def wanted(self) -> tuple[str, ...]:
        return models.probes(self.model)

    def layer(self, corpus: Corpus) -> Layer:
        return corpus.layer(f"embeddings/{models.slug(corpus, self.model)}")

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        return super().inputs(corpus, unit) | {"model": models.slug(corpus, self.model)}

    def notes(self) -> tuple[str, ...]:
        if not self.device.startswith("cuda"):
            return ()
        return ("embed: every worker loads the model onto every device; --workers 1 with more --loaders is often best",)

    def tidy(self, corpus: Corpus, unit: str) -> None:
        unfinished.discard(self.layer(corpus), unit)

    def takes(self) -> Needs:
        return on(self.device)

    def open(self, corpus: Corpus) -> Work:
        import numpy as np

        from ..io import table, vectors
        from ..io.blocks import Blocks
        from . import encoding

        model = encoding.opened(
            models.reference(corpus, self.model),
            devices=self.device,
            precision=self.precision,
            batch_size=self.batch_size,
            loaders=self.loaders,
            threads=self.threads,
        )

        def embed(unit: str, tell: Tell) -> None:
            commit = self.commit(corpus, unit)  # it counts the time from here
            layer, mark = self.layer(corpus), f"{commit.fingerprint} {model.device}"
            with Blocks(unfinished.journal(layer, unit, mark)) as blocks:
                found = model.shard(corpus, unit, tell, kept=blocks)
                about = [_about(row) for row in found.rows]
                with commit:
                    vectors.write(commit, f"img_emb/img_emb_{unit}.npy", found.image_ND.astype(np.float16))
                    vectors.write(commit, f"text_emb/text_emb_{unit}.npy", found.text_ND.astype(np.float16))
                    name = f"metadata/metadata_{unit}.parquet"
                    table.write(commit, name, table.columns(about, "embeddings-metadata"), "embeddings-metadata")
                    commit.finish(
                        seen=len(about),
                        kept=len(about),
                        model=model.slug,
                        encoder=model.about,
                        dimension=model.dimension,
                        **found.about,
                    )
                blocks.remove()

        return embed


def _about(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "image_path": row["image_key"],
        "caption": row["caption"],
        "url": row["url"],
        "key": row["key"],
        "uid": row["uid"],
        "width": row["width"],
        "height": row["height"],
    }
