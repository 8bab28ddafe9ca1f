"""Similarity: the cosine of each image embedding with the embedding of its own text.

    image    text         cosine
    (1, 0)   (1, 0)       1.0
    (1, 0)   (0, 2)       0.0
    (1, 0)   (0, 0)       nan     no direction, so no similarity
    (nan, 0) (1, 0)       nan     the image could not be encoded

Stored rows are fp16 unit vectors whose norms are off by up to 5e-4, so the norms are divided out. Products of two fp16
numbers are exact in fp32; their sums are taken in fp64 and the result is rounded once to fp32. A row's similarity hence
does not depend on its neighbours, on the chunk it was read in, nor (but for that last rounding) on the machine.
Cost: 3 µs of one core for a pair of 512 numbers. Not for all pairs of rows: see `vlcorpus.knn.scan`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vlcorpus.errors import SourceError

CHUNK = 4096
"""Rows converted to fp32 at a time: 16 MiB of working memory at 512 dimensions."""


def cosine(
    image_ND: npt.NDArray[np.floating], text_ND: npt.NDArray[np.floating], *, chunk: int = CHUNK
) -> npt.NDArray[np.float32]:
    """Cosine of row r of `image_ND` with row r of `text_ND`: float32 (N,) in [-1, 1], NaN where a row is zero or not
    finite.

    Both are (N, D) float16 (float32 is taken too), possibly memory-mapped. Raises SourceError where the shapes differ.
    """
    if image_ND.ndim != 2 or image_ND.shape != text_ND.shape:
        raise SourceError(
            f"image and text embeddings differ in shape: {image_ND.shape} and {text_ND.shape}",
            "embed the shard again: its two arrays must have one row for each pair",
        )
    similarity_N = np.full(len(image_ND), np.nan, dtype=np.float32)
    for start in range(0, len(image_ND), chunk):
        image = np.asarray(image_ND[start : start + chunk], dtype=np.float32)
        text = np.asarray(text_ND[start : start + chunk], dtype=np.float32)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            dot = np.einsum("nd,nd->n", image, text, dtype=np.float64)
            norm = np.sqrt(np.einsum("nd,nd->n", image, image, dtype=np.float64))
            norm *= np.sqrt(np.einsum("nd,nd->n", text, text, dtype=np.float64))
            value = dot / norm
        value[~np.isfinite(norm) | (norm == 0)] = np.nan
        similarity_N[start : start + chunk] = np.clip(value, -1.0, 1.0)
    return similarity_N
