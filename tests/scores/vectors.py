"""Random unit vectors as embeddings are stored."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def rows(seed: int, n: int = 203, d: int = 37, *, around: float = 0.0) -> npt.NDArray[np.float16]:
    """(n, d) float16 unit rows; `around` pulls them towards one direction, as CLIP's are."""
    x = np.random.default_rng(seed).standard_normal((n, d))
    x[:, 0] += around
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16)


def uids(seed: int, n: int = 203) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, 16), dtype=np.uint8)


def unit(x: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Rows of length one, in float64."""
    wide = x.astype(np.float64)
    found: npt.NDArray[np.float64] = wide / np.linalg.norm(wide, axis=1, keepdims=True)
    return found
