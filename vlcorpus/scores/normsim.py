"""NormSim: how near an image is to a set of wanted images, as a norm of its cosines with all of them.

    wanted (1, 0), (0, 1)      image (0.6, 0.8)      inf: 0.8        2: sqrt(0.36 + 0.64) = 1.0

`inf` is the cosine with the nearest wanted image, `2` the square root of the sum of the squared cosines. Wang et al.,
"CLIPLoss and Norm-Based Data Selection Methods for Multimodal Contrastive Learning" (NeurIPS 2024, arXiv 2405.19547):
NormSim_p(x) = ( sum_t <x_t, x>^p )^(1/p) over the images of the target tasks. The authors' code takes the norm of
absolute values; for `inf` that differs from the nearest only where the image opposite to a wanted one counts more,
which cosines of CLIP's images, seldom below 0, do not do.

`2` is xᵀ S x with S the sum of all g gᵀ, so its cost and memory do not depend on how many are wanted: 0.3 ms a row of
512 numbers at most, in fp64. `inf` costs 2 D M operations a row, streams the M wanted vectors block by block, and gives
each row's cosine as computed in fp64 and rounded once, so that (but for two wanted images that are equally near within
fp32's rounding) devices and block sizes cannot change it. Rows without direction are nan; such wanted vectors do not
count. Not for pairs of everything with everything.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vlcorpus.scores.directions import Stored, place, same_dimension, unit_rows

ROWS = 8_192
NEAR = 4_096

Float32s = npt.NDArray[np.float32]
Float64s = npt.NDArray[np.float64]


def squares(near: Iterable[Stored], dimension: int, *, chunk: int = NEAR) -> Float64s:
    """S, the sum of g gᵀ over the directions g of all near vectors, float64 (D, D). `near` gives arrays (m, D).

    SourceError where they have another dimension.
    """
    total = np.zeros((dimension, dimension))
    for block_MD in _blocks(near, dimension, chunk):
        unit, _ = unit_rows(block_MD, torch.device("cpu"))
        wide = unit.double().numpy()
        total += wide.T @ wide
    return total


def norm_2(image_ND: Stored, squares_DD: Float64s, *, chunk: int = ROWS) -> Float32s:
    """NormSim_2 of each row, float32 (N,), nan where a row has no direction."""
    found = np.full(len(image_ND), np.nan, dtype=np.float32)
    for at in range(0, len(image_ND), chunk):
        unit, good = unit_rows(image_ND[at : at + chunk], torch.device("cpu"))
        wide = unit.double().numpy()
        total = np.einsum("nd,nd->n", wide @ squares_DD, wide)
        found[at : at + chunk] = np.where(good, np.sqrt(np.maximum(total, 0)), np.nan)
    return found


def norm_inf(
    image_ND: Stored, near: Iterable[Stored], *, device: str = "cpu", chunk: int = ROWS, near_chunk: int = NEAR
) -> Float32s:
    """The cosine of each row with the nearest of the near vectors, float32 (N,); nan where the row has no direction,
    or none of the near vectors has one. `near` gives arrays (m, D), the same ones each time it is iterated."""
    where = place(device)
    found = np.full(len(image_ND), np.nan, dtype=np.float32)
    for at in range(0, len(image_ND), chunk):
        part = slice(at, at + chunk)
        unit_RD, good_R = unit_rows(image_ND[part], where)
        if good_R.any():
            found[part] = np.where(good_R, _largest(unit_RD, near, near_chunk), np.nan)
    return found


def _largest(unit_RD: Tensor, near: Iterable[Stored], near_chunk: int) -> Float32s:
    where, (rows, dimension) = unit_RD.device, unit_RD.shape
    bar_R = torch.full((rows,), -torch.inf, device=where)
    best_R = torch.full((rows,), -torch.inf, dtype=torch.float64, device=where)
    slack = 4 * (dimension + 4) * float(np.finfo(np.float32).eps)
    for block_MD in _blocks(near, dimension, near_chunk):
        near_MD, good_M = unit_rows(block_MD, where)
        if not good_M.all():
            near_MD = near_MD[torch.from_numpy(good_M).to(where)]
        if not len(near_MD):
            continue
        value_R, place_R = (unit_RD @ near_MD.T).max(1)
        bar_R = torch.maximum(bar_R, value_R)
        closer = torch.nonzero(value_R >= bar_R - slack)[:, 0]
        exact = (unit_RD[closer].double() * near_MD[place_R[closer]].double()).sum(1)
        best_R[closer] = torch.maximum(best_R[closer], exact)
    best: Float32s = best_R.clamp(max=1.0).float().cpu().numpy()
    return np.where(np.isfinite(best), np.maximum(best, np.float32(-1)), np.float32(np.nan))


def _blocks(near: Iterable[Stored], dimension: int, chunk: int) -> Iterable[Stored]:
    for array_MD in near:
        same_dimension(np.empty((0, dimension)), array_MD, what="near vectors")
        for at in range(0, len(array_MD), chunk):
            yield array_MD[at : at + chunk]
