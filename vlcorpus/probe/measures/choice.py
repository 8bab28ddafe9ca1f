"""A choice between a few: which text belongs to a picture, which picture to a text, which pictures to a cue.

    >>> pair_choice(image_ND, right_ND, wrong_ND).metrics["accuracy"]                # SugarCrepe
    0.74
    >>> winoground(image_N2D, text_N2D).metrics                                      # Thrush and others 2022
    {'text_score': 0.31, 'image_score': 0.11, 'group_score': 0.08}
    >>> association(picture_ND, cue_ND, case_N, wanted_N).metrics["jaccard"]         # WinoGAViL, Bitton and others 2022
    0.52

A tie is a miss, but under `theirs`, where of equals the first is chosen, as CLIP_benchmark does.
"""

from __future__ import annotations

from math import comb

import numpy as np

from vlcorpus.probe.measures.measured import Flags, Floats, Measured, Rows, cosines, finite


def pair_choice(image_ND: Floats, right_ND: Floats, wrong_ND: Floats) -> Measured:
    """accuracy: how often the right text is nearer than the wrong one. Theirs: text_acc and acc are the same with ties
    for the right one; image_acc, with one image to choose from, is 1."""
    right, wrong = cosines(image_ND, right_ND), cosines(image_ND, wrong_ND)
    ours = (right > wrong).astype(np.float64)
    first = ((right >= wrong) & finite(image_ND)).astype(np.float64)
    named = {"text_acc": first, "acc": first}
    theirs = {name: float(each.mean()) for name, each in named.items()} | {"image_acc": 1.0}
    chance = {"accuracy": 0.5, "text_acc": 0.5, "acc": 0.5}
    return Measured({"accuracy": float(ours.mean())}, {"accuracy": ours}, chance, None, theirs, named)


def winoground(image_N2D: Floats, text_N2D: Floats) -> Measured:
    """Two images and two texts a case. text_score: for both images the own text is nearer than the other. image_score:
    for both texts the own image is. group_score: both."""
    similarity_N22 = np.einsum("nid,ntd->nit", image_N2D.astype(np.float64), text_N2D.astype(np.float64))
    similarity_N22 = np.nan_to_num(similarity_N22, nan=-1.0, posinf=-1.0, neginf=-1.0)
    own0, own1 = similarity_N22[:, 0, 0], similarity_N22[:, 1, 1]
    text1_of_0, text0_of_1 = similarity_N22[:, 0, 1], similarity_N22[:, 1, 0]
    known = np.isfinite(image_N2D).all((1, 2)) & np.isfinite(text_N2D).all((1, 2))
    hits = {
        "text_score": (own0 > text1_of_0) & (own1 > text0_of_1),
        "image_score": (own0 > text0_of_1) & (own1 > text1_of_0),
    }
    named = {  # the first of equals is number 0
        "text_acc": (own0 >= text1_of_0) & (own1 > text0_of_1) & known,
        "image_acc": (own0 >= text0_of_1) & (own1 > text1_of_0) & known,
    }
    hits["group_score"] = hits["text_score"] & hits["image_score"]
    named["acc"] = named["text_acc"] & named["image_acc"]
    values = {name: each.astype(np.float64) for name, each in hits.items()}
    theirs = {name: each.astype(np.float64) for name, each in named.items()}
    chance = {"text_score": 0.25, "image_score": 0.25, "group_score": 1 / 6}
    chance |= {"text_acc": 0.25, "image_acc": 0.25, "acc": 1 / 6}
    return Measured(
        {name: float(each.mean()) for name, each in values.items()},
        values,
        chance,
        None,
        {name: float(each.mean()) for name, each in theirs.items()},
        theirs,
    )


def association(picture_ND: Floats, cue_ND: Floats, case_N: Rows, wanted_N: Flags) -> Measured:
    """jaccard of the pictures nearest to the cue, as many as belong to it, and those that do; a value a case.

    A row is a picture of a case: its vector, its cue's, the number of the case, and whether it belongs. Of pictures
    equally near those that do not belong come first. Theirs are WinoGAViL's figures by the number of pictures, as
    DataComp names them: jaccard_score_5-6 and jaccard_score_10-12, where the suite has such cases.
    """
    near_N = np.where(finite(picture_ND), cosines(picture_ND, cue_ND), -np.inf)
    scores, sizes, chances = [], [], []
    for case in np.unique(case_N):
        mine = case_N == case
        wanted = wanted_N[mine]
        belong = int(wanted.sum())
        if not belong:
            raise ValueError(f"case {case} has no picture that belongs to its cue")
        best = np.lexsort((wanted, -near_N[mine]))[:belong]
        hits = int(wanted[best].sum())
        scores.append(hits / (2 * belong - hits))
        sizes.append(len(wanted))
        chances.append(_guessing(len(wanted), belong))
    score, size, guess = np.array(scores, np.float64), np.array(sizes), np.array(chances)
    groups = {"avg_jaccard_score": size > 0, "jaccard_score_5-6": size <= 6, "jaccard_score_10-12": size >= 10}
    groups |= {f"jaccard_score_{number}": size == number for number in (5, 6, 10, 12)}
    there = {name: flags for name, flags in groups.items() if flags.any()}
    values = {name: score[flags] for name, flags in there.items()}
    chance = {"jaccard": float(guess.mean())} | {name: float(guess[flags].mean()) for name, flags in there.items()}
    theirs = {name: float(each.mean()) for name, each in values.items()}
    return Measured({"jaccard": float(score.mean())}, {"jaccard": score}, chance, None, theirs, values)


def _guessing(pictures: int, belong: int) -> float:
    """Mean jaccard of a random choice of as many pictures as belong."""
    ways = comb(pictures, belong)
    return sum(
        comb(belong, hits) * comb(pictures - belong, belong - hits) / ways * hits / (2 * belong - hits)
        for hits in range(max(0, 2 * belong - pictures), belong + 1)
    )
