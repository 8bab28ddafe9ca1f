"""Vectors as .npy files: fp16 rows, written through a commit, read memory-mapped.

write(commit, "img_emb/img_emb_00000.npy", rows)     rows: (N, D) float16
read(path)                                           -> (N, D) float16, read-only, memory-mapped
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import CorpusError
from .commit import Commit

Vectors = npt.NDArray[np.float16]


def write(commit: Commit, path: str, rows: Vectors) -> None:
    """Write (N, D) float16 rows in C order."""
    if rows.ndim != 2 or rows.dtype != np.float16:
        raise ValueError(f"{path} wants (N, D) float16, got {rows.shape} {rows.dtype}")
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f2", "fortran_order": False, "shape": rows.shape})
    with commit.file(path) as sink:
        sink.write(header.getvalue())
        sink.write(np.ascontiguousarray(rows).data)


def read(path: Path) -> Vectors:
    """(N, D) float16 rows, memory-mapped. Object arrays are refused; CorpusError where the file is not such rows."""
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise CorpusError(f"cannot read {path}: {error}", "run `vlcorpus verify` on the corpus") from error
    if not isinstance(rows, np.ndarray) or rows.ndim != 2 or rows.dtype != np.float16:
        raise CorpusError(f"{path} does not hold (N, D) float16 rows", "run `vlcorpus verify` on the corpus")
    return rows
