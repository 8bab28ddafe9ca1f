"""Zero-shot classification: each image goes to the class whose text is nearest.

    >>> found = zero_shot(image_ND, class_CD, labels_N, scale=100.0, groups=regions, grouped_by="region")
    >>> found.metrics["top1"], found.metrics["ece"], found.metrics["worst_region_top1"]
    (0.63, 0.04, 0.51)
    >>> found.theirs["acc1"], found.theirs["acc_wg"]           # as CLIP_benchmark and DataComp count
    (0.63, 0.51)

Ours and theirs differ in ties alone: with us a tie counts against the model, so one that says the same of everything
has nothing right; with them the first of the equals is the guess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from vlcorpus.probe.measures.measured import Flags, Floats, Measured, Rows, Values, finite, similarities

BINS = 15
_LEAST_CLASSES = 5  # from which CLIP_benchmark gives acc5


def zero_shot(
    image_ND: Floats,
    class_CD: Floats,
    labels_N: Rows,
    scale: float = 100.0,
    groups: Sequence[str] | None = None,
    grouped_by: str = "group",
) -> Measured:
    """top1, top5 (more than five classes), mean_per_class_recall (over classes that occur), nll and ece.

    nll is of softmax(scale * similarity) in nats: three times as sensitive as top1 for the same compute. ece is the
    expected calibration error of the guess's own probability, 15 bins of equal width (Guo and others 2017).
    mean_per_class_recall is of the guesses, of equals the first: scikit-learn's balanced accuracy.
    groups: the group of each image; the worst group's accuracies, over groups that occur, come beside the others.
    """
    count, classes = len(image_ND), len(class_CD)
    if count == 0 or len(labels_N) != count:
        raise ValueError(f"{count} images and {len(labels_N)} labels")
    rank_N, first_N, guess_N = (np.empty(count, np.int64) for _ in range(3))
    nll_N, sure_N = np.empty(count), np.empty(count)
    for block, similarity in similarities(image_ND, class_CD):
        label_B = labels_N[block]
        own = similarity[np.arange(len(similarity)), label_B][:, None]
        rank_N[block] = (similarity >= own).sum(1)
        before = np.arange(classes)[None, :] < label_B[:, None]
        first_N[block] = 1 + (similarity > own).sum(1) + ((similarity == own) & before).sum(1)
        guess_N[block] = similarity.argmax(1)
        logits = scale * similarity.astype(np.float64)
        top = logits.max(1, keepdims=True)
        total = np.exp(logits - top).sum(1, keepdims=True)
        nll_N[block] = (top + np.log(total) - scale * own)[:, 0]
        sure_N[block] = 1 / total[:, 0]
    known = finite(image_ND)
    rank_N[~known] = first_N[~known] = classes + 1
    guess_N[~known] = -1
    values = {f"top{k}": (rank_N <= k).astype(np.float64) for k in (1, 5) if k == 1 or classes > k} | {"nll": nll_N}
    theirs = {f"acc{k}": (first_N <= k).astype(np.float64) for k in (1, 5) if k == 1 or classes >= _LEAST_CLASSES}
    metrics = {name: float(each.mean()) for name, each in values.items()}
    metrics["mean_per_class_recall"] = mean_recall(guess_N, labels_N)
    metrics["ece"] = calibration_error(sure_N, guess_N == labels_N)
    chance = {"top1": 1 / classes, "mean_per_class_recall": 1 / classes, "nll": math.log(classes)}
    chance |= {"top5": 5 / classes} if classes > 5 else {}
    named = {name: float(each.mean()) for name, each in theirs.items()}
    named["F1-macro_all"] = macro_f1(guess_N, labels_N)
    chance |= {f"acc{k}": min(1.0, k / classes) for k in (1, 5)}
    if groups is not None:
        for name, each in values.items():
            if name != "nll":
                metrics[f"worst_{grouped_by}_{name}"] = worst_group(each, groups)
                chance[f"worst_{grouped_by}_{name}"] = chance[name]
        named["acc_wg"] = named[f"acc_worst_{grouped_by}"] = worst_group(theirs["acc1"], groups)
        chance["acc_wg"] = chance[f"acc_worst_{grouped_by}"] = chance["acc1"]
        if "acc5" in theirs:
            named["acc_top5_wg"], chance["acc_top5_wg"] = worst_group(theirs["acc5"], groups), chance["acc5"]
    return Measured(metrics, values, chance, guess_N, named, theirs)


def mean_recall(guess_N: Rows, labels_N: Rows) -> float:
    """Share of right guesses in each class that occurs, and the mean over those."""
    right = guess_N == labels_N
    return float(np.mean([right[labels_N == label].mean() for label in np.unique(labels_N)]))


def macro_f1(guess_N: Rows, labels_N: Rows) -> float:
    """F1 of each class that occurs, and the mean over those (iWildCam's measure in WILDS)."""
    scores = []
    for label in np.unique(labels_N):
        wanted, said = labels_N == label, guess_N == label
        scores.append(2 * (wanted & said).sum() / (wanted.sum() + said.sum()))
    return float(np.mean(scores))


def worst_group(values_N: Values, groups: Sequence[str]) -> float:
    """The least of the groups' means."""
    _, group_N = np.unique(np.asarray(groups), return_inverse=True)
    return float((np.bincount(group_N, weights=values_N) / np.bincount(group_N)).min())


def calibration_error(sure_N: Floats, right_N: Flags, bins: int = BINS) -> float:
    """How far a guess's probability is from how often such guesses are right: bins (0, 1/15], (1/15, 2/15] and so on,
    weighed by their images."""
    bin_N = np.clip(np.ceil(sure_N * bins).astype(np.int64) - 1, 0, bins - 1)
    gap = np.bincount(bin_N, weights=right_N - sure_N, minlength=bins)
    return float(np.abs(gap).sum() / len(sure_N))
