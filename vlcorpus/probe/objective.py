"""One batch through the model, to gradients.

    >>> objective = Objective(model, settings, "bf16", bias, group)
    >>> figures = objective.backward(batch, seed)      # (2,): loss and accuracy, times the batch's weight

With `accumulate` the batch passes twice, a micro-batch at a time: first without gradients, for the vectors that the
loss of the whole batch is taken of; then again, each micro-batch handing on its vectors' share of the gradient (Gao
and others, "GradCache", 2021). The gradient is the whole batch's, as with open_clip's --accum-freq, at one evaluation
of the loss; memory is a micro-batch's. Random layers draw the same numbers both times. Batch norms count micro-batches.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from vlcorpus.probe.batches import Batch
from vlcorpus.probe.distributed import ALONE, Group
from vlcorpus.probe.losses import TEMPERATURE, contrast
from vlcorpus.probe.settings import TrainSettings


def first_bias(model: Any, settings: TrainSettings) -> nn.Parameter | None:
    """siglip's bias, for a model that has none. SigLIP's -10 suits batches of 32,000; -log(batch) balances any."""
    if settings.loss != "siglip" or getattr(model, "logit_bias", None) is not None:
        return None
    return nn.Parameter(torch.tensor(-math.log(settings.batch_size), device=model.logit_scale.device))


class Objective:
    def __init__(
        self, model: Any, settings: TrainSettings, precision: str, bias: nn.Parameter | None, group: Group = ALONE
    ) -> None:
        self.model, self.settings, self.group = model, settings, group
        self.device = model.logit_scale.device
        self._half = precision == "bf16"
        self._bias = bias if bias is not None else getattr(model, "logit_bias", None)
        self._image: Callable[[Tensor], Tensor] = model.encode_image
        if settings.compile:
            # Neither the loss, which is a thousandth of the work, nor the text tower: on an H200 with torch 2.11
            # inductor's masked attention gave other vectors than eager, by up to 0.06, and NaN with the loss inside.
            backend = settings.compile if isinstance(settings.compile, str) else "inductor"
            self._image = torch.compile(model.encode_image, backend=backend, dynamic=False)

    def backward(self, batch: Batch, seed: int) -> Tensor:
        """Adds the gradient of weight * loss to the model's. seed: of random layers."""
        if self.settings.accumulate == 1:
            torch.manual_seed(seed)
            loss, accuracy = self._loss(*self._vectors(*self._inputs(batch)))
            (loss * batch.weight).backward()  # type: ignore[no-untyped-call]
        else:
            loss, accuracy = self._in_pieces(batch, seed)
        return torch.stack([loss.detach(), accuracy]) * batch.weight

    def _inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return batch.views[0], batch.views[1] if batch.text is None else batch.text

    def _vectors(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Images and texts, or two views, to unit rows."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            if self.settings.loss != "simclr":
                return self._image(first), self.model.encode_text(second)
            both = self._image(torch.cat([first, second]))
            return both[: len(first)], both[len(first) :]

    def _loss(self, first_ND: Tensor, second_ND: Tensor) -> tuple[Tensor, Tensor]:
        kind = self.settings.loss
        if kind == "simclr":
            scale = torch.full((), 1 / TEMPERATURE, device=first_ND.device)
        else:
            scale = self.model.logit_scale.exp()
        return contrast(kind, first_ND, second_ND, scale, self._bias if kind == "siglip" else None, self.group)

    def _in_pieces(self, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
        pieces = list(zip(*(each.chunk(self.settings.accumulate) for each in self._inputs(batch)), strict=True))
        with torch.no_grad():
            held = []
            for number, piece in enumerate(pieces):
                torch.manual_seed(seed + number)
                held.append(self._vectors(*piece))
        first_ND, second_ND = (torch.cat(each).requires_grad_() for each in zip(*held, strict=True))
        loss, accuracy = self._loss(first_ND, second_ND)
        (loss * batch.weight).backward()  # type: ignore[no-untyped-call]
        size = len(pieces[0][0])
        assert first_ND.grad is not None and second_ND.grad is not None
        slopes = zip(torch.split(first_ND.grad, size), torch.split(second_ND.grad, size), strict=True)
        for number, (piece, slope) in enumerate(zip(pieces, slopes, strict=True)):
            torch.manual_seed(seed + number)
            torch.autograd.backward(self._vectors(*piece), slope)
        return loss, accuracy
