"""Contrastive losses, on one machine or over the processes of a group.

    >>> loss, accuracy = contrast("clip", image_ND, text_ND, scale, bias, group)

| loss | of | rule |
|---|---|---|
| clip   | cosines of images and texts | cross entropy both ways (Radford and others 2021) |
| siglip | cosines of images and texts | each pair judged alone, summed over an image's texts (Zhai and others 2023) |
| simclr | cosines of two views of each image | NT-Xent: one view among all 2N - 1 others (Chen and others 2020) |

The first two are open_clip's ClipLoss and SigLipLoss. In a group each process has a slice of the batch and judges its
own rows against everybody's columns (`local`), or everybody's rows (as open_clip's without --local-loss): the mean of
the processes' gradients is one machine's gradient both ways.

Cost: N x N numbers, three times; nothing beside a model's step, up to batches of some ten thousand.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from vlcorpus.probe.distributed import ALONE, Group

TEMPERATURE = 0.1
"""Of simclr, as in SLIP (Mu and others 2021); learnt by the others."""


def clip_loss(logits_NN: Tensor) -> Tensor:
    """Cross entropy in both directions, the diagonal being right."""
    own = torch.arange(len(logits_NN), device=logits_NN.device)
    return (functional.cross_entropy(logits_NN, own) + functional.cross_entropy(logits_NN.T, own)) / 2


def siglip_loss(logits_NN: Tensor, own: Tensor | None = None) -> Tensor:
    """Each pair judged alone. own: (N,) the column of each row's own text; the diagonal unless given."""
    if own is None:
        own = torch.arange(len(logits_NN), device=logits_NN.device)
    column = own[:, None]
    against_NN = logits_NN.scatter(1, column, -logits_NN.gather(1, column))
    return -functional.logsigmoid(-against_NN).sum() / len(logits_NN)


def simclr_loss(first_ND: Tensor, second_ND: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """Two views of each image, unit rows."""
    return contrast("simclr", first_ND, second_ND, torch.tensor(1 / temperature), None)[0]


def contrast(
    kind: str, first_ND: Tensor, second_ND: Tensor, scale: Tensor, bias: Tensor | None, group: Group = ALONE
) -> tuple[Tensor, Tensor]:
    """(loss, share of rows whose own column is the nearest), of one process's slice of the batch.

    first and second: images and texts, or two views. scale: factor on cosines. bias: siglip's.
    """
    first, second = _single(first_ND), _single(second_ND)
    all_first, all_second = first, second
    offset = 0
    if group.world > 1:
        all_first, all_second = group.gathered(first), group.gathered(second)
        if group.local:
            offset = len(first) * group.rank
        else:
            first, second = all_first, all_second
    own = torch.arange(offset, offset + len(first), device=first.device)
    if kind == "simclr":
        return _among_views(torch.cat([first, second]), torch.cat([all_first, all_second]), own, scale)
    logits_NM = scale * (first @ all_second.T)
    if kind == "siglip":
        if bias is not None:
            logits_NM = logits_NM + bias
        loss = siglip_loss(logits_NM, own)
    else:
        back_NM = logits_NM.T if len(first) == len(all_first) else scale * (second @ all_first.T)
        loss = (functional.cross_entropy(logits_NM, own) + functional.cross_entropy(back_NM, own)) / 2
    return loss, (logits_NM.detach().argmax(1) == own).float().mean()


def _single(vectors_ND: Tensor) -> Tensor:
    """In single precision at least: halves would round the cosines that matter most."""
    return vectors_ND.float() if vectors_ND.element_size() < 4 else vectors_ND


def _among_views(view_RD: Tensor, all_AD: Tensor, own: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Rows are N first views and N second ones; columns everybody's, in the same order."""
    half = len(all_AD) // 2
    itself, other = torch.cat([own, own + half]), torch.cat([own + half, own])
    logits_RA = scale * (view_RD @ all_AD.T)
    logits_RA = logits_RA.scatter(1, itself[:, None], -torch.inf)
    return functional.cross_entropy(logits_RA, other), (logits_RA.detach().argmax(1) == other).float().mean()
