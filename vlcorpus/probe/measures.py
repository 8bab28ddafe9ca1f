"""What a model is worth, from its vectors alone. Pure functions of arrays; nothing here knows a model or a file.

    >>> zero_shot(image_ND, class_CD, labels_N, scale=100.0).metrics["top1"]
    0.63
    >>> retrieval(image_ND, text_MD, image_of_text_M).metrics["text_to_image_r10"]
    0.87

Suffixes name shapes: N images, M texts, C classes, D dimensions. A vector that is not finite is as far from everything
as can be, so its image is a miss and never an error. Similarities are made in blocks: 100,000 images against 100,000
texts need 400 MB, not 40 GB.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
Rows = NDArray[np.integer[Any]]

RECALLS = (1, 5, 10)

_BLOCK = 1024
_SHIFTS = 10
_FOLDS = 5
_RIDGE = 1e-2  # of the mean variance of a direction


@dataclass(frozen=True)
class Measured:
    metrics: dict[str, float]
    hits: dict[str, Flags]
    """Metric to one flag for each image (or text), where the metric is their mean"""
    chance: dict[str, float]
    """What guessing gives"""


def zero_shot(image_ND: Floats, class_CD: Floats, labels_N: Rows, scale: float = 100.0) -> Measured:
    """top1, top5 (more than five classes), mean_per_class_recall (over classes that occur) and nll.

    nll is of softmax(scale * similarity) in nats: three times as sensitive as top1 for the same compute. A tie counts
    against the model, so one that says the same of everything has nothing right.
    """
    count, classes = len(image_ND), len(class_CD)
    if count == 0 or len(labels_N) != count:
        raise ValueError(f"{count} images and {len(labels_N)} labels")
    rank_N, nll_N = np.empty(count, np.int64), np.empty(count)
    for block, similarity in _similarities(image_ND, class_CD):
        own = similarity[np.arange(len(similarity)), labels_N[block]][:, None]
        rank_N[block] = (similarity >= own).sum(1)
        logits = scale * similarity.astype(np.float64)
        top = logits.max(1, keepdims=True)
        nll_N[block] = (top + np.log(np.exp(logits - top).sum(1, keepdims=True)) - scale * own)[:, 0]
    hits = {f"top{k}": rank_N <= k for k in (1, 5) if k == 1 or classes > k}
    present = np.unique(labels_N)
    recalls = [hits["top1"][labels_N == label].mean() for label in present]
    metrics = {name: float(flags.mean()) for name, flags in hits.items()}
    metrics |= {"mean_per_class_recall": float(np.mean(recalls)), "nll": float(nll_N.mean())}
    chance = {"top1": 1 / classes, "mean_per_class_recall": 1 / classes, "nll": math.log(classes)}
    return Measured(metrics, hits, chance | ({"top5": 5 / classes} if classes > 5 else {}))


def retrieval(image_ND: Floats, text_MD: Floats, image_of_text_M: Rows) -> Measured:
    """Recall at 1, 5 and 10 and the median rank, both ways, and the AUC of matched against mismatched pairs.

    An image with several texts is found when the best of them is. Half of those exactly as near, rounded down, count as
    nearer: two images with the same caption do not spoil each other, and a model that has collapsed is not rewarded.
    The AUC still tells models apart when every recall is near chance.
    """
    count, texts = len(image_ND), len(text_MD)
    if count < 2 or len(image_of_text_M) != texts or len(np.unique(image_of_text_M)) != count:
        raise ValueError(f"{count} images and {texts} texts: every image needs a text, and two images are the least")
    text_rank_M = np.empty(texts, np.int64)
    for block, similarity in _similarities(text_MD, image_ND):
        own = similarity[np.arange(len(similarity)), image_of_text_M[block]][:, None]
        text_rank_M[block] = 1 + (similarity > own).sum(1) + ((similarity == own).sum(1) - 1) // 2
    image_rank_N = np.empty(count, np.int64)
    for block, similarity in _similarities(image_ND, text_MD):
        mine = image_of_text_M[None, :] == np.arange(count)[block, None]
        best = np.where(mine, similarity, -np.inf).max(1, keepdims=True)
        others = np.where(mine, -np.inf, similarity)
        image_rank_N[block] = 1 + (others > best).sum(1) + (others == best).sum(1) // 2
    metrics: dict[str, float] = {}
    hits: dict[str, Flags] = {}
    chance: dict[str, float] = {"auc": 0.5}
    per_image = texts / count
    for way, rank, wanted, among in (
        ("image_to_text", image_rank_N, per_image, texts),
        ("text_to_image", text_rank_M, 1.0, count),
    ):
        for k in RECALLS:
            hits[f"{way}_r{k}"] = rank <= k
            metrics[f"{way}_r{k}"] = float((rank <= k).mean())
            chance[f"{way}_r{k}"] = 1 - (1 - min(1.0, k / among)) ** wanted
        metrics[f"{way}_median_rank"] = float(np.median(rank))
    metrics["auc"] = _matched_auc(image_ND, text_MD, image_of_text_M)
    return Measured(metrics, hits, chance)


def pair_choice(image_ND: Floats, right_ND: Floats, wrong_ND: Floats) -> Measured:
    """How often the right text is nearer than the wrong one; a tie is a miss."""
    hits = _cosines(image_ND, right_ND) > _cosines(image_ND, wrong_ND)
    return Measured({"accuracy": float(hits.mean())}, {"accuracy": hits}, {"accuracy": 0.5})


def linear_probe(image_ND: Floats, labels_N: Rows) -> Measured:
    """accuracy of a ridge regression from vectors to classes, in closed form, five folds by row number.

    Tells what the images' vectors hold, whatever the texts are worth; for small probes it separates two corpora as well
    as nll does. Vectors that are not finite count as zeros.
    """
    count, classes = len(image_ND), int(labels_N.max()) + 1
    if count < 2 * _FOLDS or len(labels_N) != count:
        raise ValueError(f"{count} images and {len(labels_N)} labels: {2 * _FOLDS} are the least")
    vectors = np.where(np.isfinite(image_ND).all(1, keepdims=True), image_ND, 0).astype(np.float64)
    wanted_NC = np.eye(classes)[labels_N]
    fold_N = np.arange(count) % _FOLDS
    guess_N = np.empty(count, np.int64)
    for fold in range(_FOLDS):
        learn, test = fold_N != fold, fold_N == fold
        mean_D, mean_C = vectors[learn].mean(0), wanted_NC[learn].mean(0)
        seen = vectors[learn] - mean_D
        gram = seen.T @ seen
        gram[np.diag_indices_from(gram)] += _RIDGE * max(np.trace(gram) / len(gram), 1e-12)
        weights = np.linalg.solve(gram, seen.T @ (wanted_NC[learn] - mean_C))
        guess_N[test] = ((vectors[test] - mean_D) @ weights + mean_C).argmax(1)
    hits = guess_N == labels_N
    commonest = np.bincount(labels_N).max() / count
    return Measured({"accuracy": float(hits.mean())}, {"accuracy": hits}, {"accuracy": float(commonest)})


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


def _matched_auc(image_ND: Floats, text_MD: Floats, image_of_text_M: Rows) -> float:
    """Each text with its own image against the same text with images further along."""
    count = len(image_ND)
    shifts = sorted({1 + step * (count - 1) // _SHIFTS for step in range(_SHIFTS)} - {0, count})
    scores = [_cosines(image_ND[(image_of_text_M + shift) % count], text_MD) for shift in [0, *shifts]]
    labels = np.arange(len(scores))[:, None] == np.zeros(len(text_MD))[None, :]
    return auc(np.concatenate(scores), labels.reshape(-1))


def _cosines(left_ND: Floats, right_ND: Floats) -> Floats:
    cosines: Floats = np.nan_to_num((left_ND * right_ND).sum(1, dtype=np.float64), nan=-1.0, posinf=-1.0, neginf=-1.0)
    return cosines


def _similarities(left_ND: Floats, right_MD: Floats) -> Iterator[tuple[slice, Floats]]:
    """(block of rows, their similarity to every right row), with -1 where there is none."""
    for start in range(0, len(left_ND), _BLOCK):
        block = slice(start, min(start + _BLOCK, len(left_ND)))
        with np.errstate(invalid="ignore"):
            similarity = left_ND[block] @ right_MD.T
        yield block, np.nan_to_num(similarity, nan=-1.0, posinf=-1.0, neginf=-1.0)
