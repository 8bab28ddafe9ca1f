"""How well each class is recognised, before and after, with what got worse marked.

    >>> rows = recalls("birds", labels_N, {"raw": hits_nN, "kept": hits_nN}, baseline="raw")
    >>> rows[0].label, rows[0].difference, rows[0].regression
    ('auk', -0.21, True)

An average hides that a filter threw out what one class was learned from. Differences are paired over seeds and crossed
with the class's pictures; marked is what remains after Holm's correction for all classes and arms of the task. Fewer
pictures than agree by luck that rarely can mark nothing: of six that all got worse, one chance in 32 is luck.
1,000 classes of 50 pictures take a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlcorpus.probe.crossed import over_both
from vlcorpus.probe.holm import adjusted


@dataclass(frozen=True)
class Recall:
    """One class for one arm. Recalls are shares, means over the seeds."""

    task: str
    label: str
    arm: str
    pictures: int
    baseline_recall: float
    recall: float
    difference: float
    lower: float | None
    upper: float | None
    """None when there is one seed, or one picture, only"""
    regression: bool


def recalls(
    task: str,
    labels_N: Sequence[str],
    hits: Mapping[str, NDArray[np.float64]],
    baseline: str,
    *,
    confidence: float = 0.95,
    factor: float | None = None,
) -> list[Recall]:
    """Class by class and arm by arm. hits: (n, N) of each arm, 1 where the guess was the label; the same n seeds."""
    names, class_N = np.unique(np.asarray(labels_N, dtype=object).astype(str), return_inverse=True)
    order_N = np.argsort(class_N, kind="stable")
    ends = np.cumsum(np.bincount(class_N))
    found: list[tuple[Recall, float | None]] = []
    for place, label in enumerate(names):
        own = order_N[ends[place - 1] if place else 0 : ends[place]]
        before = hits[baseline][:, own]
        for arm, hits_nN in hits.items():
            if arm == baseline:
                continue
            after = hits_nN[:, own]
            change = over_both(after - before, factor=factor)
            half = change.half(confidence) if len(own) > 1 else None
            lower, upper = (None, None) if half is None else (change.mean - half, change.mean + half)
            p = None if change.p is None else max(change.p, 2.0 ** (1 - len(own)))
            means = float(before.mean()), float(after.mean())
            found.append((Recall(task, str(label), arm, len(own), *means, change.mean, lower, upper, False), p))
    marked = adjusted([p for _, p in found])
    return [
        row if p is None or p > 1 - confidence or row.difference >= 0 else _marked(row)
        for (row, _), p in zip(found, marked, strict=True)
    ]


def _marked(row: Recall) -> Recall:
    return Recall(**(vars(row) | {"regression": True}))
