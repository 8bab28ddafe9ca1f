"""Embeddings as clip-retrieval, LAION and DataComp lay them out, drawn by seed.

write_numbered(folder, 0, [{"url": …, "caption": …}], image_ND, text_ND)
write_packed(folder, "00ab", [{"uid": …}], b32=(image_ND, text_ND), l14=(…))
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

Array = npt.NDArray[Any]


def drawn(rows: int, dimension: int, seed: int, *, scale: float = 1.0) -> Array:
    """Unit rows in float16, or rows of about that length."""
    found = np.random.default_rng(seed).normal(size=(rows, dimension))
    return (scale * found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float16)


def write_numbered(
    folder: Path, number: int, rows: Sequence[dict[str, Any]], image_ND: Array, text_ND: Array, *, digits: int = 1
) -> None:
    name = f"{number:0{digits}d}"
    for side, array in (("img_emb", image_ND), ("text_emb", text_ND)):
        (folder / side).mkdir(parents=True, exist_ok=True)
        np.save(folder / side / f"{side}_{name}.npy", array)
    write_table(folder / "metadata" / f"metadata_{name}.parquet", rows)


def write_packed(
    folder: Path, name: str, rows: Sequence[dict[str, Any]], *, packed: bool = False, **models: tuple[Array, Array]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {f"{model}_{side}": array for model, both in models.items()
              for side, array in zip(("img", "txt"), both, strict=True)}  # fmt: skip
    (np.savez_compressed if packed else np.savez)(folder / f"{name}.npz", **arrays)
    write_table(folder / f"{name}.parquet", rows)


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
