"""Views: faiss looking at stored fp16 rows where they lie, in a memory-mapped .npy file, without a copy.

    rows = numpy.load("img_emb_00000.npy", mmap_mode="r")       (10_000, 512) float16
    View.of(rows).near(query, 10)                               55 ns a row; the file is read, never written

An index of kind SQfp16 keeps its rows as plain fp16 numbers one after the other, which is what a .npy file holds. So
the vector of codes of an empty index is pointed at the rows. With a mask, no page is read but those of rows that it
lets through. Products are fp32, in faiss's order of summing: `products.slack` says how far off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import faiss as _faiss
import numpy as np
import numpy.typing as npt

from .products import Float32s

faiss: Any = _faiss  # its own types leave out much of what it has

_VIEWED = ("is_owned", "view_data", "view_size", "c_ptr", "c_size")


@dataclass(frozen=True)
class View:
    """faiss's index, and the rows it looks at: as long as the view lives, they stay in memory."""

    index: Any
    rows_ND: npt.NDArray[np.float16]

    @classmethod
    def of(cls, rows_ND: npt.NDArray[np.floating]) -> View | None:
        """None where faiss cannot look at the rows as they are: rows of another type, rows that are not one after the
        other in memory, none at all, or a faiss whose indices only hold rows of their own."""
        if rows_ND.ndim != 2 or rows_ND.dtype != np.float16 or not rows_ND.size:
            return None
        if not rows_ND.flags.c_contiguous or not rows_ND.flags.aligned:
            return None
        index = faiss.index_factory(rows_ND.shape[1], "SQfp16", faiss.METRIC_INNER_PRODUCT)
        codes = index.codes
        if index.code_size != rows_ND.shape[1] * 2 or not all(hasattr(codes, name) for name in _VIEWED):
            return None
        stored = rows_ND.view(np.ndarray).reshape(-1).view(np.uint8)
        start = faiss.swig_ptr(stored)
        codes.is_owned = False
        codes.view_data, codes.view_size = start, stored.size
        codes.c_ptr, codes.c_size = start, stored.size
        index.ntotal = len(rows_ND)
        return cls(index, rows_ND)

    def near(
        self, query_D: Float32s, k: int, mask: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Float32s, npt.NDArray[np.int64]]:
        """The k rows of greatest product, descending: float32 (K,), int64 (K,), K <= k. `mask`: bool (N,), True may be
        found. Rows that are not finite may be among them."""
        options = None
        if mask is not None:
            bits = np.packbits(mask, bitorder="little")
            options = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
        scores, rows = self.index.search(query_D[None, :], k, params=options)
        held = rows[0] >= 0
        return scores[0][held], rows[0][held]
