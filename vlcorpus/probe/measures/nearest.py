"""What the images' vectors hold: each image is named by its nearest neighbours.

    >>> nearest(image_ND, labels_N).metrics                                     # each image against all the others
    {'knn20': 0.66, 'knn1': 0.61}
    >>> nearest(image_ND, labels_N, train_MD, train_labels_M).metrics           # against training rows

No penalty to choose and nothing to learn; N x M similarities, in blocks: 10,000 images among 50,000 take 20 s.
"""

from __future__ import annotations

import numpy as np

from vlcorpus.probe.measures.measured import Floats, Measured, Rows, finite, similarities

NEIGHBOURS = 20
TEMPERATURE = 0.07  # of a vote, as in Wu and others 2018 and DINO


def nearest(
    image_ND: Floats,
    labels_N: Rows,
    train_MD: Floats | None = None,
    train_labels_M: Rows | None = None,
    neighbours: int = NEIGHBOURS,
) -> Measured:
    """knn20: the class with most votes of the 20 nearest by cosine, a vote weighing exp(cosine / 0.07). knn1: the class
    of the nearest. Of equals the earlier row, and the smaller class number.

    Without training rows an image's neighbours are the other images. Guesses are those of knn20. Vectors that are not
    finite have no neighbours, are none, and are misses.
    """
    own = train_MD is None or train_labels_M is None
    among_MD, class_M = (
        (image_ND, labels_N) if train_MD is None or train_labels_M is None else (train_MD, train_labels_M)
    )
    count, rows = len(image_ND), len(among_MD)
    if len(labels_N) != count or not count or rows - own < 1:
        raise ValueError(f"{count} images, {len(labels_N)} labels and {rows - own} neighbours")
    usable, classes = finite(among_MD), int(max(class_M.max(), labels_N.max())) + 1
    k = min(neighbours, rows - own)
    guess_N, first_N = np.empty(count, np.int64), np.empty(count, np.int64)
    for block, similarity in similarities(image_ND, among_MD):
        similarity[:, ~usable] = -np.inf
        if own:
            similarity[np.arange(len(similarity)), np.arange(count)[block]] = -np.inf
        place = _best(similarity, k)
        near = np.take_along_axis(similarity, place, 1).astype(np.float64)
        weight = np.exp((near - near[:, :1].clip(-1)) / TEMPERATURE)
        votes = np.zeros((len(near), classes))
        np.add.at(votes, (np.arange(len(near))[:, None], class_M[place]), weight)
        guess_N[block], first_N[block] = votes.argmax(1), class_M[place[:, 0]]
    guess_N[~finite(image_ND)] = first_N[~finite(image_ND)] = -1
    values = {
        f"knn{neighbours}": (guess_N == labels_N).astype(np.float64),
        "knn1": (first_N == labels_N).astype(np.float64),
    }
    shares = np.bincount(class_M, minlength=classes) / rows
    chance = {
        f"knn{neighbours}": float((labels_N == shares.argmax()).mean()),
        "knn1": float(shares @ (np.bincount(labels_N, minlength=classes) / count)),
    }
    return Measured({name: float(each.mean()) for name, each in values.items()}, values, chance, guess_N)


def _best(similarity: Floats, k: int) -> Rows:
    """(B, k) places of the largest in each row, of equals the earlier, the largest first."""
    place = np.sort(np.argpartition(similarity, -k, axis=1)[:, -k:], axis=1)
    near = np.take_along_axis(similarity, place, 1)
    place = np.take_along_axis(place, np.argsort(-near, axis=1, kind="stable"), 1)
    for row in np.flatnonzero((similarity >= near.min(1, keepdims=True)).sum(1) > k):  # equals at the border
        place[row] = np.argsort(-similarity[row], kind="stable")[:k]
    found: Rows = place
    return found
