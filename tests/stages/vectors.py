"""Corpora that have nothing but embeddings: what an index is built of.

corpus = vectors_corpus(tmp_path / "c", 700, 0, 500)      three shards of clustered unit vectors, 64 numbers each
add(corpus, "00003", 200)                                 one more; a shard that is there is made anew with other ones
rows(corpus, "image")                                     fp16 memory maps, a shard each
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vlcorpus.corpus import Corpus, Layer
from vlcorpus.io import vectors
from vlcorpus.stages.base import UnitCommit
from vlcorpus.stages.embed import Embed

MODEL = "toy.model.00000000"
DIMENSION = 64
_CENTRES = np.random.default_rng(9).standard_normal((40, DIMENSION))


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Image and text vectors of so many pairs: fp16 (N, 64) units, in clusters; texts lie a little aside."""
    draw = np.random.default_rng(seed)
    image = _CENTRES[draw.integers(0, len(_CENTRES), count)] + 0.7 * draw.standard_normal((count, DIMENSION))
    text = image + 0.6 * draw.standard_normal((count, DIMENSION)) + _CENTRES[0]
    return unit(image), unit(text)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16)


def layer_of(corpus: Corpus) -> Layer:
    return corpus.layer(f"embeddings/{MODEL}")


def add(corpus: Corpus, shard: str, count: int, *, seed: int | None = None) -> None:
    image, text = drawn(count, int(shard) if seed is None else seed)
    with UnitCommit(Embed(), corpus, layer_of(corpus), shard, {"shards": f"{shard} {count} {seed}"}) as commit:
        vectors.write(commit, f"img_emb/img_emb_{shard}.npy", image)
        vectors.write(commit, f"text_emb/text_emb_{shard}.npy", text)
        commit.finish(seen=count, kept=count)


def remove(corpus: Corpus, shard: str) -> None:
    for path in layer_of(corpus).folder.rglob(f"*{shard}.*"):
        path.unlink()


def vectors_corpus(folder: Path, *counts: int) -> Corpus:
    corpus = Corpus.create(folder, shard_rows=1000)
    for number, count in enumerate(counts):
        add(corpus, f"{number:05d}", count)
    return corpus


def rows(corpus: Corpus, side: str) -> list[vectors.Vectors]:
    word = {"image": "img", "text": "text"}[side]
    layer = layer_of(corpus)
    return [vectors.read(layer.path(f"{word}_emb/{word}_emb_{shard}.npy")) for shard in layer.units()]
