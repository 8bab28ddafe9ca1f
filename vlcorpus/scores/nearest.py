"""Nearest: which of K reference vectors each row is nearest to, and how near.

    references  0 (1, 0)   1 (0, 1)   2 (0, 2)
    row (3, 0)   -> 0, similarity 1.0
    row (0, 5)   -> 2, similarity 2.0        the inner product of the row's direction with the reference as it is given
    row (0, 0)   -> -1, nan                  no direction
    equal        -> the lower number

References are not made unit vectors, as DataComp's image-based filter does not (get_centroid_ids_gpu of its baselines:
argmax of the inner product with the means that k-means gave). Give unit vectors and it is the cosine.

A product in fp32 finds the references that can be the nearest; those few are computed anew in fp64 and compared as
fp32, so that devices, threads and block sizes cannot change the answer. References without direction are nobody's.

Cost: 2 D K operations a row, and 5 µs; memory 4 D K bytes and 32 MB. Not for millions of references.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from vlcorpus.errors import SourceError
from vlcorpus.scores.directions import Stored, norms, on_device, place, same_dimension, unit_rows

ROWS = 4_096
REFERENCES = 2_048
_PAIRS = 8_192

Int32s = npt.NDArray[np.int32]
Float32s = npt.NDArray[np.float32]


class References:
    """K reference vectors, ready on a device. (K, D) float16 or float32, K at least 1.

    SourceError where none has a direction, or there are more than an int32 can number.
    """

    def __init__(self, references_KD: Stored, *, device: str = "cpu", block: int = REFERENCES) -> None:
        if references_KD.ndim != 2 or not 0 < len(references_KD) < 2**31:
            raise SourceError(f"references are {references_KD.shape}, not one vector or more", "give (K, D) numbers")
        self.device = place(device)
        self.dimension = references_KD.shape[1]
        self.block = block
        self.count = len(references_KD)
        rows = on_device(references_KD, torch.device("cpu"))
        lengths = norms(rows).numpy()
        self.stored: Float32s = rows.numpy()
        self.good = np.isfinite(lengths) & (lengths > 0)
        if not self.good.any():
            raise SourceError("no reference has a direction: all are zero or not finite", "give other references")
        self.stored[~self.good] = 0
        self.longest = float(lengths[self.good].max())
        self.rows = on_device(self.stored, self.device)

    def nearest(self, rows_ND: Stored, *, chunk: int = ROWS) -> tuple[Int32s, Float32s]:
        """Number of the nearest reference, int32 (N,), -1 where a row has no direction, and the inner product of the
        row's direction with it, float32 (N,), nan there. SourceError where dimensions differ."""
        same_dimension(rows_ND, self.stored, what="references")
        number_N = np.full(len(rows_ND), -1, dtype=np.int32)
        value_N = np.full(len(rows_ND), np.nan, dtype=np.float32)
        for at in range(0, len(rows_ND), chunk):
            part = slice(at, at + chunk)
            number_N[part], value_N[part] = self._nearest(rows_ND[part])
        return number_N, value_N

    def _nearest(self, stored_RD: Stored) -> tuple[Int32s, Float32s]:
        unit_RD, good_R = unit_rows(stored_RD, self.device)
        kept = on_device(stored_RD, torch.device("cpu"))
        norm_R, kept_RD = norms(kept).numpy(), kept.numpy()
        best_R = np.full(len(stored_RD), -np.inf, dtype=np.float32)
        number_R = np.full(len(stored_RD), -1, dtype=np.int32)
        usable = torch.from_numpy(self.good).to(self.device)
        rows_usable = torch.from_numpy(good_R).to(self.device)
        bar = torch.full((len(stored_RD),), -torch.inf, device=self.device)
        # What rounding may do to both products that are compared (Higham's bound, four times).
        slack = 4 * (self.dimension + 4) * float(np.finfo(np.float32).eps) * self.longest
        for low in range(0, self.count, self.block):
            columns = slice(low, low + self.block)
            products = unit_RD @ self.rows[columns].T
            products[:, ~usable[columns]] = -torch.inf
            bar = torch.maximum(bar, products.max(1).values)
            close = (products >= (bar - slack)[:, None]) & rows_usable[:, None] & usable[columns]
            pairs = torch.nonzero(close).cpu().numpy()
            for at in range(0, len(pairs), _PAIRS):
                row_P, reference_P = pairs[at : at + _PAIRS].T
                reference_P = reference_P + low
                exact = np.einsum("pd,pd->p", kept_RD[row_P], self.stored[reference_P], dtype=np.float64)
                self._improve(best_R, number_R, row_P, reference_P, (exact / norm_R[row_P]).astype(np.float32))
        best_R[number_R < 0] = np.nan
        return number_R, best_R

    @staticmethod
    def _improve(
        best_R: Float32s,
        number_R: Int32s,
        row_P: npt.NDArray[np.int64],
        reference_P: npt.NDArray[np.int64],
        value_P: Float32s,
    ) -> None:
        """The best of what was found before and of these pairs, in place. References come in ascending order, so an
        equal one later is never taken."""
        ordered = np.lexsort((reference_P, -value_P, row_P))
        first = ordered[np.append(True, np.diff(row_P[ordered]) != 0)]
        first = first[value_P[first] > best_R[row_P[first]]]
        best_R[row_P[first]] = value_P[first]
        number_R[row_P[first]] = reference_P[first]
