"""embed: two unit vectors a pair, in clip-retrieval's layout.

    vlcorpus embed CORPUS --model ViT-B-32/openai
    vlcorpus embed CORPUS --model other/probes/filter

Row r of img_emb_NNNNN.npy, text_emb_NNNNN.npy and metadata_NNNNN.parquet is the same pair. An image is decoded and
encoded once however many captions it has. Vectors only: `score` owns the cosine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from ..corpus import Corpus, Layer
from ..errors import CorpusError
from ..spec import setting
from . import models
from .base import Stage, Tell, Work

if TYPE_CHECKING:
    from .samples import Pair


@dataclass(frozen=True, kw_only=True)
class Embed(Stage):
    """Encode images and texts with a CLIP model."""

    name = "embed"
    makes = "embeddings"
    follows = "shards"
    libraries: ClassVar[tuple[str, ...]] = ("torch", "open_clip_torch")

    model: str | None = setting(
        None,
        help=f"open_clip NAME/TAG, hf-hub:ORG/REPO, folder, NAME@CHECKPOINT, probe folder or probe:NAME. "
        f"{models.DEFAULT} if none is given.",
        result=False,  # the model's slug is an input
        path=True,
    )
    batch_size: int = setting(64, help="Images encoded at once.", least=1, most=65_536, result=False)
    device: str = setting("cpu", help="Where to compute, as cpu or cuda.", result=False)
    precision: str = setting("fp32", help="Arithmetic of the towers.", choices=("fp32", "bf16", "fp16"))

    def wanted(self) -> tuple[str, ...]:
        if self.model is not None and self.model.startswith(models.PROBE):
            return ("probes/" + self.model.removeprefix(models.PROBE).split("/")[0],)
        return ()

    def layer(self, corpus: Corpus) -> Layer:
        return corpus.layer(f"embeddings/{models.slug(corpus, self.model)}")

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        return super().inputs(corpus, unit) | {"model": models.slug(corpus, self.model)}

    def open(self, corpus: Corpus) -> Work:
        import numpy as np

        from ..clip.model import load
        from ..images.decode import Refused, decode
        from ..io import table, vectors
        from .samples import stored

        encoder = load(models.reference(corpus, self.model), device=self.device, precision=self.precision)

        def pixels(pair: Pair) -> Any:
            picture = decode(pair.body)
            if isinstance(picture, Refused):
                raise CorpusError(
                    f"image {pair.image_key} of shard {pair.shard} does not decode: {picture.reason}",
                    f"run `vlcorpus verify {corpus.path}`",
                )
            return encoder.preprocess(picture.rgb)

        def images(pairs: Iterator[Pair], about: list[dict[str, Any]], tell: Tell) -> Iterator[Any]:
            """Vectors of distinct images in order, batch by batch; `about` collects the rows of metadata."""
            batch: list[Any] = []
            last = ""
            for pair in pairs:
                about.append(_about(pair))
                if pair.image_key != last:
                    last = pair.image_key
                    batch.append(pixels(pair))
                if len(batch) == self.batch_size:
                    yield encoder.encode_images(np.stack(batch))
                    batch = []
                    tell(len(about), len(about))
            if batch:
                yield encoder.encode_images(np.stack(batch))

        def texts(captions: Sequence[str]) -> Any:
            distinct = list(dict.fromkeys(captions))
            place = {caption: number for number, caption in enumerate(distinct)}
            rows = encoder.encode_texts(distinct)
            return rows[np.array([place[caption] for caption in captions], dtype=int)]

        def embed(unit: str, tell: Tell) -> None:
            about: list[dict[str, Any]] = []
            none = np.zeros((0, encoder.dimension), np.float32)
            distinct = np.concatenate([none, *images(stored(corpus, unit), about, tell)])
            keys = [row["image_path"] for row in about]
            row_of = np.cumsum([key != before for key, before in zip(keys, ["", *keys], strict=False)], dtype=int) - 1
            image_ND = distinct[row_of]
            text_ND = texts([row["caption"] for row in about])
            with self.commit(corpus, unit) as commit:
                vectors.write(commit, f"img_emb/img_emb_{unit}.npy", image_ND.astype(np.float16))
                vectors.write(commit, f"text_emb/text_emb_{unit}.npy", text_ND.astype(np.float16))
                name = f"metadata/metadata_{unit}.parquet"
                table.write(commit, name, table.columns(about, "embeddings-metadata"), "embeddings-metadata")
                commit.finish(seen=len(about), kept=len(about), model=encoder.slug, dimension=encoder.dimension)

        return embed


def _about(pair: Pair) -> dict[str, Any]:
    row = pair.row
    return {
        "image_path": pair.image_key,
        "caption": pair.caption,
        "url": row["url"],
        "key": pair.key,
        "uid": row["uid"],
        "width": row["width"],
        "height": row["height"],
    }
