"""negCLIPLoss: how well a pair fits each other, less how well both fit everybody else.

    score_i = s_ii - T/2 * ( log sum_j exp(s_ij / T) + log sum_j exp(s_ji / T) )        j over a random batch, i in it

s_ij is the cosine of image i and text j. This is T times the negative of the pair's own term of CLIP's loss, averaged
over several random batches: a generic caption, near to every image, gets a low score although its cosine is high. It is
at most 0 (the pair is in the batch); higher is better. Wang et al., "CLIPLoss and Norm-Based Data Selection Methods for
Multimodal Contrastive Learning" (NeurIPS 2024, arXiv 2405.19547; from the second version on it is called s-CLIPLoss).
The authors' code (ypwang61/negCLIPLoss_NormSim, baselines/vas2.py) cuts a random order of the rows into batches of
32,768, anew for each of 10 rounds, with T = 0.01 for OpenAI's models (0.07 for DFN's); their figures want 5 rounds at
least.

    image    text        T = 1, one batch of both
    (1, 0)   (1, 0)      1 - (log(e + 1) + log(e + 1)) / 2 = -0.313
    (0, 1)   (0, 1)      -0.313

Each round is cut evenly (20,000 rows at 8,192: 2 batches of 10,000): the sums grow with the batch, so that a small last
one would be another measure. Rows that have no direction take no part.

Cost: rounds * batch size * 2 D operations a row. On one core (AVX-512, fp32) see docs/scores-embeddings.md. Memory: one
block of similarities, and the batch. Not for a handful of rows: with fewer than some hundred, chance decides.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vlcorpus.draws import Uids
from vlcorpus.scores.directions import Stored, place, unit_rows
from vlcorpus.scores.draws import order

BATCH_ROWS = 8_192
TEMPERATURE = 0.01
BLOCK = 1_024
"""Rows and columns of the block of similarities that is held: 4 MiB of fp32, which a cache holds."""
_WIDE = 150.0
"""Nats that a block may span and still be summed with one exponential each: fp32 holds 2**-126 to 2**127."""
_TOP = 70.0


def rounds(uids: Uids, *, batches: int, batch_rows: int, seed: int) -> Iterator[list[npt.NDArray[np.int64]]]:
    """`batches` times, all rows cut into random batches: a list of row numbers (B,), in an order that depends on seed
    and uids alone. uids: uint8 (N, 16)."""
    parts = max(1, round(len(uids) / batch_rows))
    for number in range(batches):
        yield np.array_split(order(uids, seed, number), parts)


def in_batch(
    image_BD: Stored, text_BD: Stored, *, temperature: float = TEMPERATURE, device: str = "cpu", block: int = BLOCK
) -> npt.NDArray[np.float64]:
    """The score of each row of one batch, float64 (B,). Rows are float16 or float32 and must all have a direction
    (ValueError)."""
    where = place(device)
    image, good = unit_rows(image_BD, where)
    text, also_good = unit_rows(text_BD, where)
    if image.shape != text.shape or not (good.all() and also_good.all()):
        raise ValueError(f"a batch of {tuple(image.shape)} and {tuple(text.shape)} has rows without direction or pair")
    count = len(image)
    scaled = image / temperature
    sums_of_image = torch.full((count,), -math.inf, dtype=torch.float64, device=where)
    sums_of_text = sums_of_image.clone()
    for top in range(0, count, block):
        rows = slice(top, top + block)
        for left in range(0, count, block):
            columns = slice(left, left + block)
            across, down = _both_sums(scaled[rows] @ text[columns].T)
            sums_of_image[rows] = torch.logaddexp(sums_of_image[rows], across)
            sums_of_text[columns] = torch.logaddexp(sums_of_text[columns], down)
    own = torch.einsum("bd,bd->b", image.double(), text.double())
    found: npt.NDArray[np.float64] = (own - temperature / 2 * (sums_of_image + sums_of_text)).clamp(max=0).cpu().numpy()
    return found


def _both_sums(logits: Tensor) -> tuple[Tensor, Tensor]:
    """log of the sums of exponentials over columns (R,) and over rows (C,), float64, with one exponential for each
    logit where their range allows it. Changes `logits`."""
    low, high = (float(each) for each in torch.aminmax(logits))
    if high - low <= _WIDE:
        shift = high - _TOP
        logits -= shift
        powers = logits.exp_()
        return powers.sum(1).double().log() + shift, powers.sum(0).double().log() + shift
    return torch.logsumexp(logits, 1).double(), torch.logsumexp(logits, 0).double()
