"""A world of synthetic CLIP-like vectors, of any size, the same for the same seed.

    world = World(seed=0)
    world.images(0, 10_000)        fp16 (10000, 512) unit rows 0 to 9999; a row is the same however many are asked
    world.texts(128)               fp32 (128, 512) text-like queries: from another distribution than the rows
    world.held_out(64)             fp32 (64, 512) image-like queries that are no rows
    write(world, 1_000_000, folder, shard_rows=100_000)    img_emb_000.npy ... and the memory-mapped shards

What it imitates: 5000 clusters of Zipf-like sizes in a latent space of 128 dimensions whose variances fall as a power
law, 64 different shapes of clusters, a cone (all images share a mean: random pairs have a cosine of 0.28), a little
isotropic noise. A text has the latent of some image with noise of its own, and another mean (the modality gap: a random
text and image have a cosine of 0.10), so a text's neighbours are hardly nearer than the rest. `outliers` puts a large
mean and variance into that many single dimensions, as the image towers of OpenAI's models have. Ratios measured here
should be checked on real vectors.

Cost on one core: 15 µs a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

BLOCK = 10_000
CLUSTERS = 5000
SHAPES = 64
LATENT = 128
WITHIN = 0.55
"""Size of a cluster against the distances of clusters."""
NOISE = 0.12
"""Isotropic noise, as a share of the length of a row's own part."""
CONE = 0.62
"""The shared mean, as a multiple of the length of a row's own part: 0.28 of the squared length."""
TEXT_WANDERS = 0.9
"""How far a text is from the image it is about, against the size of a latent."""


@dataclass(frozen=True)
class World:
    seed: int = 0
    dimension: int = 512
    outliers: int = 0
    _parts: dict[str, np.ndarray] = field(default_factory=dict, repr=False, compare=False)

    def images(self, low: int, high: int) -> np.ndarray:
        """Rows [low, high) as fp16 units. Blocks of 10,000 are drawn at once, so whole blocks cost least."""
        blocks = []
        for block in range(low // BLOCK, -(-high // BLOCK)):
            rows = self._images(np.random.default_rng([self.seed, 1, block]), BLOCK).astype(np.float16)
            start = block * BLOCK
            blocks.append(rows[max(0, low - start) : high - start])
        return np.concatenate([np.zeros((0, self.dimension), np.float16), *blocks])

    def held_out(self, count: int) -> np.ndarray:
        return self._images(np.random.default_rng([self.seed, 2]), count)

    def texts(self, count: int, *, set: int = 0) -> np.ndarray:
        """Queries like captions: fp32 units. Another `set` gives other queries."""
        rng = np.random.default_rng([self.seed, 3, set])
        latent = self._latent(rng, count)
        latent += TEXT_WANDERS * self._scales() * rng.standard_normal((count, LATENT), dtype=np.float32)
        return self._placed(rng, latent, self._part("text mean"))

    def _images(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return self._placed(rng, self._latent(rng, count), self._part("image mean"))

    def _latent(self, rng: np.random.Generator, count: int) -> np.ndarray:
        share = 1 / np.arange(10, CLUSTERS + 10) ** 0.9
        cluster = rng.choice(CLUSTERS, count, p=share / share.sum())
        own = self._scales() * WITHIN * rng.standard_normal((count, LATENT), dtype=np.float32)
        shape = cluster % SHAPES
        for each in range(SHAPES):
            of = np.flatnonzero(shape == each)
            own[of] = own[of] @ self._part("shapes")[each]
        own += self._part("centres")[cluster]
        return own

    def _placed(self, rng: np.random.Generator, latent: np.ndarray, mean: np.ndarray) -> np.ndarray:
        rows = latent @ self._part("basis")
        length = float(np.sqrt((self._scales() ** 2).sum() * (1 + WITHIN**2)))
        rows += rng.standard_normal(rows.shape, dtype=np.float32) * np.float32(NOISE * length / self.dimension**0.5)
        rows += mean * np.float32(CONE * length)
        for dimension in range(self.outliers):
            place = 92 + 41 * dimension
            spread = rng.standard_normal(len(rows), dtype=np.float32) * np.float32(0.25)
            rows[:, place] = (spread + 1) * np.float32(0.6 * length * (-1) ** dimension)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    def _scales(self) -> np.ndarray:
        return (np.arange(1, LATENT + 1, dtype=np.float32) ** -0.25).astype(np.float32)

    def _part(self, name: str) -> np.ndarray:
        if not self._parts:
            rng = np.random.default_rng([self.seed, 0])
            directions = np.linalg.qr(rng.standard_normal((self.dimension, LATENT + 2)))[0].T.astype(np.float32)
            image, other = directions[-1], directions[-2]
            self._parts["basis"] = directions[:LATENT]
            self._parts["image mean"] = image
            self._parts["text mean"] = np.float32(0.35) * image + np.float32(0.94) * other
            self._parts["centres"] = self._scales() * rng.standard_normal((CLUSTERS, LATENT), dtype=np.float32)
            turns = [np.linalg.qr(rng.standard_normal((LATENT, LATENT)))[0] for _ in range(SHAPES)]
            self._parts["shapes"] = np.array(turns, dtype=np.float32)
        return self._parts[name]


def write(world: World, rows: int, folder: Path, shard_rows: int = 100_000) -> list[np.ndarray]:
    """Rows as .npy shards in `folder`, memory-mapped. Shards that are there already are taken as they are."""
    return list(_written(world, rows, folder, shard_rows))


def _written(world: World, rows: int, folder: Path, shard_rows: int) -> Iterator[np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    digits = len(str(-(-rows // shard_rows)))
    for number, low in enumerate(range(0, rows, shard_rows)):
        path = folder / f"img_emb_{number:0{digits}d}.npy"
        if not path.exists():
            high = min(low + shard_rows, rows)
            shape = (high - low, world.dimension)
            stored = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
            for start in range(low, high, BLOCK):
                stored[start - low : start - low + BLOCK] = world.images(start, min(start + BLOCK, high))
            stored.flush()
            del stored
        yield np.load(path, mmap_mode="r")
