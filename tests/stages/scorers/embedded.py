"""Corpora with embeddings of one's own, and what was scored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tests.stages.given import Given, give, run_here
from vlcorpus.corpus import Corpus
from vlcorpus.io import table, vectors
from vlcorpus.stages.import_embeddings import ImportEmbeddings
from vlcorpus.stages.samples import with_image

MODEL = "toy"
SLUG = "toy.given"
DIMENSION = 24

Halves = npt.NDArray[np.float16]


def vectors_of(uids: list[bytes], side: int, dimension: int = DIMENSION) -> Halves:
    """fp16 unit rows that hang on uid and side alone."""
    made = np.array([np.random.default_rng([side, *uid]).standard_normal(dimension) for uid in uids])
    made = made.reshape(-1, dimension)
    made[:, 0] += 1
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float16)


def write_embeddings(
    corpus: Corpus, *, model: str = MODEL, dimension: int = DIMENSION, hurt: dict[bytes, float] | None = None
) -> None:
    """Embeddings of every shard, imported; then the images of the uids in `hurt` are all that number."""
    shards = corpus.layer("shards").units()
    uids = [row["uid"] for shard in shards for row in with_image(corpus, shard)]
    folder = corpus.path.parent / f"{corpus.path.name}-{model}-{len(uids)}-{dimension}"
    if not folder.exists():
        folder.mkdir()
        named = [bytes.fromhex(uid) for uid in uids]
        np.save(folder / "img_emb_0.npy", vectors_of(named, 0, dimension))
        np.save(folder / "text_emb_0.npy", vectors_of(named, 1, dimension))
        pq.write_table(pa.table({"uid": uids}), folder / "metadata_0.parquet")
    run_here(corpus, [ImportEmbeddings(folders=(str(folder),), model=model)])
    for shard in shards:
        place = corpus.layer(f"embeddings/{model}.given").path(f"img_emb/img_emb_{shard}.npy")
        rows = np.load(place)
        for at, row in enumerate(with_image(corpus, shard)):
            if (uid := bytes.fromhex(row["uid"])) in (hurt or {}):
                rows[at] = (hurt or {})[uid]
        np.save(place, rows)


def toy_corpus(folder: Path, *shards: list[Given], **more: Any) -> Corpus:
    """A corpus of these shards, with embeddings."""
    corpus = Corpus.create(folder, shard_rows=1000)
    for number, given in enumerate(shards):
        give(corpus, f"{number:05d}", given)
    write_embeddings(corpus, **more)
    return corpus


def both(corpus: Corpus, model: str = SLUG) -> tuple[list[bytes], Halves, Halves]:
    """uids, image and text vectors of all shards, in order."""
    layer = corpus.layer(f"embeddings/{model}")
    uids, image, text = [], [], []
    for shard in layer.units():
        about = table.read(layer.path(f"metadata/metadata_{shard}.parquet"), "embeddings-metadata", only=["uid"])
        uids += [bytes.fromhex(uid) for uid in about.column("uid").to_pylist()]
        image.append(vectors.read(layer.path(f"img_emb/img_emb_{shard}.npy")))
        text.append(vectors.read(layer.path(f"text_emb/text_emb_{shard}.npy")))
    return uids, np.concatenate(image), np.concatenate(text)


def scored(corpus: Corpus, layer: str) -> dict[bytes, dict[str, Any]]:
    """Rows of a score by uid; they must be those of the embeddings, in order."""
    place = corpus.layer(f"scores/{layer}")
    found = [
        row
        for shard in place.units()
        for row in table.rows(place.path(f"{shard}.parquet"), f"score-{layer.partition('-')[0]}")
    ]
    return {row["uid"]: row for row in found}
