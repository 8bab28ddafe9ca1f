"""Images by their texts and texts by their images.

    >>> found = retrieval(image_ND, text_MD, image_of_text_M)
    >>> found.metrics["text_to_image_r10"], found.theirs["image_retrieval_recall@10"]
    (0.87, 0.87)

Ours and CLIP_benchmark's agree but for ties. With us half of those exactly as near, rounded down, count as nearer: two
images with the same caption do not spoil each other, and a model that has collapsed is not rewarded. With them the
earlier of the equals is nearer. Both say an image with several texts is found when the best of them is.
"""

from __future__ import annotations

import numpy as np

from vlcorpus.probe.measures.measured import Floats, Measured, Rows, Values, auc, cosines, finite, similarities

RECALLS = (1, 5, 10)

_SHIFTS = 10
_THEIR_NAMES = {"image_to_text": "text_retrieval_recall", "text_to_image": "image_retrieval_recall"}


def retrieval(image_ND: Floats, text_MD: Floats, image_of_text_M: Rows) -> Measured:
    """Recall at 1, 5 and 10 and the median rank, both ways, and the AUC of matched against mismatched pairs.

    The AUC still tells models apart when every recall is near chance. Theirs has DataComp's mean_recall@1, too.
    """
    count, texts = len(image_ND), len(text_MD)
    if count < 2 or len(image_of_text_M) != texts or len(np.unique(image_of_text_M)) != count:
        raise ValueError(f"{count} images and {texts} texts: every image needs a text, and two images are the least")
    ranks = {
        "image_to_text": _of_images(image_ND, text_MD, image_of_text_M),
        "text_to_image": _of_texts(image_ND, text_MD, image_of_text_M),
    }
    metrics: dict[str, float] = {}
    values: dict[str, Values] = {}
    chance: dict[str, float] = {"auc": 0.5}
    theirs: dict[str, float] = {}
    their_values: dict[str, Values] = {}
    for way, wanted, among in (("image_to_text", texts / count, texts), ("text_to_image", 1.0, count)):
        ours, first = ranks[way]
        for k in RECALLS:
            name, named = f"{way}_r{k}", f"{_THEIR_NAMES[way]}@{k}"
            values[name] = (ours <= k).astype(np.float64)
            metrics[name] = float(values[name].mean())
            chance[name] = chance[named] = 1 - (1 - min(1.0, k / among)) ** wanted
            if k <= among:  # theirs is not defined otherwise
                their_values[named] = (first <= k).astype(np.float64)
                theirs[named] = float(their_values[named].mean())
        metrics[f"{way}_median_rank"] = float(np.median(ours))
    theirs["mean_recall@1"] = (theirs["text_retrieval_recall@1"] + theirs["image_retrieval_recall@1"]) / 2
    chance["mean_recall@1"] = (chance["image_to_text_r1"] + chance["text_to_image_r1"]) / 2
    metrics["auc"] = _matched_auc(image_ND, text_MD, image_of_text_M)
    return Measured(metrics, values, chance, None, theirs, their_values)


def _of_texts(image_ND: Floats, text_MD: Floats, image_of_text_M: Rows) -> tuple[Rows, Rows]:
    """Rank of each text's image among the images: by our rule, by theirs."""
    ours, first = (np.empty(len(text_MD), np.int64) for _ in range(2))
    place = np.arange(len(image_ND))[None, :]
    for block, similarity in similarities(text_MD, image_ND):
        owner = image_of_text_M[block]
        own = similarity[np.arange(len(similarity)), owner][:, None]
        nearer, equal = (similarity > own).sum(1), similarity == own
        ours[block] = 1 + nearer + (equal.sum(1) - 1) // 2
        first[block] = 1 + nearer + (equal & (place < owner[:, None])).sum(1)
    lost = ~(finite(text_MD) & finite(image_ND)[image_of_text_M])
    ours[lost] = first[lost] = len(image_ND) + 1
    return ours, first


def _of_images(image_ND: Floats, text_MD: Floats, image_of_text_M: Rows) -> tuple[Rows, Rows]:
    """Rank of each image's best text among the texts: by our rule, by theirs."""
    ours, first = (np.empty(len(image_ND), np.int64) for _ in range(2))
    place = np.arange(len(text_MD))[None, :]
    for block, similarity in similarities(image_ND, text_MD):
        mine = image_of_text_M[None, :] == np.arange(len(image_ND))[block, None]
        best = np.where(mine, similarity, -np.inf).max(1, keepdims=True)
        others = np.where(mine, -np.inf, similarity)
        nearer, equal = (others > best).sum(1), others == best
        ours[block] = 1 + nearer + equal.sum(1) // 2
        where = np.where(mine, similarity, -np.inf).argmax(1)
        first[block] = 1 + nearer + (equal & (place < where[:, None])).sum(1)
    lost = ~finite(image_ND)
    ours[lost] = first[lost] = len(text_MD) + 1
    return ours, first


def _matched_auc(image_ND: Floats, text_MD: Floats, image_of_text_M: Rows) -> float:
    """Each text with its own image against the same text with images further along."""
    count = len(image_ND)
    shifts = sorted({1 + step * (count - 1) // _SHIFTS for step in range(_SHIFTS)} - {0, count})
    scores = [cosines(image_ND[(image_of_text_M + shift) % count], text_MD) for shift in [0, *shifts]]
    labels = np.arange(len(scores))[:, None] == np.zeros(len(text_MD))[None, :]
    return auc(np.concatenate(scores), labels.reshape(-1))
