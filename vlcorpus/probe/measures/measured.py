"""What a measure gives, and what all measures are made of.

    >>> for block, similarity in similarities(image_ND, class_CD): ...      # (slice, (B, C)) pieces of N x C
    >>> auc(scores, matched)
    0.97

Similarities are made in blocks: 100,000 images against 100,000 texts need 400 MB, not 40 GB. A vector that is not
finite is as far from everything as can be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
Rows = NDArray[np.integer[Any]]
Values = NDArray[np.float64]

_BLOCK = 1024


@dataclass(frozen=True)
class Measured:
    metrics: dict[str, float]
    values: dict[str, Values]
    """Metric to one value for each image (or text, or case), where the metric is their mean"""
    chance: dict[str, float]
    """What guessing gives"""
    guess_N: Rows | None = None
    """Number of the class that was guessed; -1 where the vector is not finite"""
    theirs: dict[str, float] = field(default_factory=dict)
    """The figures as CLIP_benchmark and DataComp define and name them, where they differ from ours"""
    their_values: dict[str, Values] = field(default_factory=dict)
    """As `values`, of theirs"""


def similarities(left_ND: Floats, right_MD: Floats) -> Iterator[tuple[slice, Floats]]:
    """(block of rows, their similarity to every right row), with -1 where there is none."""
    for start in range(0, len(left_ND), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(left_ND)))
        with np.errstate(invalid="ignore"):
            similarity = left_ND[block] @ right_MD.T
        yield block, np.nan_to_num(similarity, nan=-1.0, posinf=-1.0, neginf=-1.0)


def cosines(left_ND: Floats, right_ND: Floats) -> Floats:
    """Row by row, in float64, with -1 where there is none."""
    found: Floats = np.nan_to_num((left_ND * right_ND).sum(1, dtype=np.float64), nan=-1.0, posinf=-1.0, neginf=-1.0)
    return found


def finite(rows_ND: Floats) -> Flags:
    """Which rows are numbers throughout."""
    flags: Flags = np.asarray(np.isfinite(rows_ND).all(1))
    return flags


def auc(scores: Floats, labels: Flags) -> float:
    """The chance that a positive scores above a negative, ties counting half (Mann and Whitney), by ranks: n log n.

    Raises ValueError when a score is not finite, or one of the two sides is empty.
    """
    scores, labels = np.asarray(scores, np.float64), np.asarray(labels, bool)
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        raise ValueError(f"{positives} positives and {negatives} negatives")
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts
    rank = (below + (counts + 1) / 2)[place]
    return float((rank[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))
