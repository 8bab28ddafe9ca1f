"""Stored vectors as directions: unit rows in fp32 on a device, and which rows have one.

    rows_ND, good_N = unit_rows(stored[:4096], place("cpu"))      what is zero or not finite is zero, and not good

Stored rows are fp16 unit vectors whose norms are off by up to 5e-4, so the norms, taken in fp64, are divided out.
Cost: 1 µs a row of 512 numbers on one core.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vlcorpus.errors import SourceError, UsageError

Stored = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]

_PIECE = 1_024


def place(device: str) -> torch.device:
    """The device of that name. UsageError where this machine has none."""
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"device {device!r} cannot be used: {str(error).splitlines()[0][:120]}", "try cpu") from error
    return found


def on_device(stored_ND: Stored, device: torch.device) -> Tensor:
    """(N, D) float32, a copy, from float16, float32 or float64, memory-mapped or not."""
    # torch wants memory of its own, and widens fp16 ten times faster than numpy.
    native = np.array(stored_ND, dtype=stored_ND.dtype.newbyteorder("="), order="C")
    return torch.from_numpy(native).to(device).float()


def norms(rows_ND: Tensor) -> Tensor:
    """Lengths of float32 rows, float64 (N,), from pieces that a cache holds."""
    pieces = (rows_ND[at : at + _PIECE] for at in range(0, len(rows_ND), _PIECE))
    squares = [piece.double().square_().sum(1) for piece in pieces]
    return torch.cat(squares).sqrt_() if squares else rows_ND.new_zeros(0, dtype=torch.float64)


def unit_rows(stored_ND: Stored, device: torch.device) -> tuple[Tensor, Bools]:
    """(N, D) float32 rows of length one on the device, and bool (N,): False where a row is zero or not finite; such a
    row is all zero."""
    rows_ND = on_device(stored_ND, device)
    norm_N = norms(rows_ND)
    good_N = torch.isfinite(norm_N) & (norm_N > 0)
    # Divided in fp64: the norm of numbers near the ends of fp32 is none of its numbers.
    if bool(((norm_N > 1e-30) & (norm_N < 1e30) | ~good_N).all()):
        rows_ND /= norm_N.float()[:, None]
    else:
        rows_ND = (rows_ND.double() / norm_N[:, None]).float()
    rows_ND[~good_N] = 0
    return rows_ND, good_N.cpu().numpy()


def good_rows(stored_ND: Stored, *, chunk: int = 16_384) -> Bools:
    """bool (N,): which rows have a direction."""
    parts = [unit_rows(stored_ND[at : at + chunk], torch.device("cpu"))[1] for at in range(0, len(stored_ND), chunk)]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)


def same_dimension(rows_ND: Stored, others_MD: Stored, *, what: str) -> None:
    """SourceError unless both have vectors of as many numbers."""
    if rows_ND.ndim != 2 or others_MD.ndim != 2 or rows_ND.shape[1] != others_MD.shape[1]:
        raise SourceError(
            f"{what} are {others_MD.shape} and the embeddings {rows_ND.shape}: not vectors of one model",
            "give vectors of the model that made the embeddings",
        )
