from __future__ import annotations

import dataclasses

import numpy as np
import open_clip
import pytest
import torch
from torch.nn import functional

from tests.probe.looped import Arrays, Plain, source, weights
from vlcorpus.errors import UsageError
from vlcorpus.probe.batches import Batches
from vlcorpus.probe.losses import clip_loss, contrast, siglip_loss, simclr_loss
from vlcorpus.probe.mixing import Mixing
from vlcorpus.probe.objective import Objective, first_bias
from vlcorpus.probe.settings import TrainSettings
from vlcorpus.probe.train import train

SETTINGS = TrainSettings(steps=3, batch_size=24, precision="fp32", augment="none")


def _rows(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(functional.normalize(torch.randn(count, 5, generator=generator), dim=1) for _ in range(2))  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_losses_and_their_gradients_are_open_clips(kind: str) -> None:
    found = []
    for theirs in (False, True):
        image, text = (each.requires_grad_() for each in _rows(9))
        scale, bias = torch.tensor(7.0, requires_grad=True), torch.tensor(-2.0, requires_grad=True)
        if kind == "clip":
            loss = open_clip.ClipLoss()(image, text, scale) if theirs else contrast(kind, image, text, scale, None)[0]
        elif theirs:
            loss = open_clip.loss.SigLipLoss()(image, text, scale, bias)
        else:
            loss = contrast(kind, image, text, scale, bias)[0]
        loss.backward()
        found.append([loss.detach(), image.grad, text.grad, scale.grad] + ([bias.grad] if kind == "siglip" else []))
    for ours, other in zip(*found, strict=True):
        assert torch.allclose(ours, other, rtol=1e-6, atol=1e-6)


def test_losses_of_logits() -> None:
    image, text = _rows(9)
    logits = 7 * image @ text.T
    assert torch.allclose(clip_loss(logits), open_clip.ClipLoss()(image, text, torch.tensor(7.0)), atol=1e-6)
    want = open_clip.loss.SigLipLoss()(image, text, torch.tensor(7.0), torch.tensor(-2.0))
    assert torch.allclose(siglip_loss(logits - 2), want, atol=1e-6)
    sure = torch.full((4, 4), -60.0).fill_diagonal_(60.0)
    assert 0 <= siglip_loss(sure).item() < 1e-20


def test_simclr_is_nt_xent() -> None:
    """Against the paper's formula, written out."""
    first, second = _rows(6)
    view = torch.cat([first, second]).double()
    total = 0.0
    for i in range(12):
        j = (i + 6) % 12
        similar = torch.exp(view @ view[i] / 0.1)
        total += -torch.log(similar[j] / (similar.sum() - similar[i])).item()
    assert simclr_loss(first, second).item() == pytest.approx(total / 12, rel=1e-5)


def test_simclr_never_reads_a_text() -> None:
    class Silent(Arrays):
        def texts(self, rows_B: object, draw_B: object, /) -> np.ndarray:
            raise AssertionError("a text was read")

    made = source("a", 60)
    silent = Silent("a", made.images_N, ())
    model = Plain()
    before = weights(model)
    curve = train(model, silent, dataclasses.replace(SETTINGS, loss="simclr", steps=30, batch_size=32))
    after = weights(model)
    for name in ("words.weight", "text.weight", "logit_scale"):
        assert torch.equal(before[name], after[name])
    assert not torch.equal(before["image.0.weight"], after["image.0.weight"])
    assert np.mean([step.loss for step in curve.steps[-5:]]) < curve.steps[0].loss
    with pytest.raises(UsageError, match="simclr"):
        features = Arrays("f", np.zeros((40, 8), np.float16), (np.zeros((40, 8), np.float16),))
        train(Plain(), features, dataclasses.replace(SETTINGS, loss="simclr"))


def test_siglip_starts_at_balance_unless_the_model_has_a_bias() -> None:
    settings = dataclasses.replace(SETTINGS, loss="siglip")
    bias = first_bias(Plain(), settings)
    assert bias is not None and bias.item() == pytest.approx(-np.log(24))
    model = Plain(bias=True)
    assert first_bias(model, settings) is None
    train(model, source("a", 60), settings)
    assert model.logit_bias.item() != -3.0


@pytest.mark.parametrize("loss", ["clip", "siglip", "simclr"])
def test_micro_batches_give_the_whole_batchs_gradient(loss: str) -> None:
    found = []
    for pieces in (1, 4):
        settings = dataclasses.replace(SETTINGS, loss=loss, accumulate=pieces)
        pack = source("a", 60)
        batch = Batches((pack,), Mixing().plan([60], 3, 24), settings, torch.device("cpu")).at(0)[0]
        model = Plain(dtype=torch.float64)
        bias = first_bias(model, settings)
        figures = Objective(model, settings, "fp32", bias).backward(batch, 9)
        found.append((figures, {name: weight.grad for name, weight in model.named_parameters()}))
    (figures, whole), (pieced, parts) = found
    assert torch.allclose(figures, pieced, atol=1e-6)
    for name, slope in whole.items():
        assert (slope is None) == (parts[name] is None)
        if slope is not None:
            assert torch.allclose(slope, parts[name], rtol=1e-6, atol=1e-9)


def test_micro_batches_draw_the_same_twice() -> None:
    """The vectors of the second pass are those the loss was taken of."""
    passed: list[torch.Tensor] = []

    class Watched(Plain):
        def encode_image(self, image: torch.Tensor) -> torch.Tensor:
            passed.append(super().encode_image(image))
            return passed[-1]

    settings = dataclasses.replace(SETTINGS, accumulate=3)
    model = Watched(dropout=0.5)
    train(model, source("a", 60), dataclasses.replace(settings, steps=1))
    assert len(passed) == 6
    for first, second in zip(passed[:3], passed[3:], strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(passed[0], passed[1])
