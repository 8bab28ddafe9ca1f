from __future__ import annotations

import dataclasses

import numpy as np
import open_clip
import pytest
import torch

from tests.probe.drawn import CLASSES, pairs
from vlcorpus.clip.model import as_encoder
from vlcorpus.clip.towers import build
from vlcorpus.clip.words import tokenize
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.probe.evaluate import classifier
from vlcorpus.probe.measures import zero_shot
from vlcorpus.probe.pack import Pack, gather
from vlcorpus.probe.train import (
    RECIPES,
    TrainSettings,
    TrainStep,
    _order,
    clip_loss,
    learning_rate,
    native_bf16,
    siglip_loss,
    train,
)

SETTINGS = TrainSettings(steps=40, batch_size=128, precision="fp32", seed=1)


def _pack(count: int, seed: int = 0) -> tuple[Pack, np.ndarray]:
    rows = list(pairs(count, seed))
    pack = gather(
        ((uid, rgb, caption) for uid, rgb, caption, _ in rows),
        lambda rgb: rgb.transpose(2, 0, 1),
        lambda captions: tokenize(captions, 16, 4096),
    )
    return pack, np.array([CLASSES.index(name) for *_, name in rows])


def _accuracy(model: torch.nn.Module) -> float:
    test, labels = _pack(400, 50)
    encoder = as_encoder(model, {})
    return zero_shot(encoder.encode_images(test.images), classifier(encoder, CLASSES), labels).metrics["top1"]


@pytest.fixture(scope="module")
def corpus() -> Pack:
    return _pack(1000)[0]


def test_it_learns(corpus: Pack) -> None:
    model = build("conv-nano", seed=0)
    steps: list[TrainStep] = []
    curve = train(model, corpus, SETTINGS, on_step=steps.append)
    assert _accuracy(model) > 0.7
    assert not model.training
    assert tuple(steps) == curve.steps
    assert curve.samples_seen == curve.steps[-1].samples_seen == 40 * 128
    assert curve.repetitions == pytest.approx(5.12)
    assert curve.precision == "fp32"
    assert np.mean([step.loss for step in steps[-5:]]) < 0.6 * steps[0].loss
    assert np.mean([step.accuracy for step in steps[-5:]]) > 0.08


def test_with_one_anothers_texts_it_stays_at_chance(corpus: Pack) -> None:
    model = build("conv-nano", seed=0)
    train(model, corpus.mismatched(seed=5), SETTINGS)
    assert _accuracy(model) < 0.2


def test_siglip_learns(corpus: Pack) -> None:
    model = build("conv-nano", seed=0)
    train(model, corpus, dataclasses.replace(SETTINGS, loss="siglip"))
    assert _accuracy(model) > 0.5


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_seed_gives_the_same_bits(corpus: Pack, precision: str) -> None:
    if precision == "bf16" and not native_bf16():
        pytest.skip("bf16 is emulated here")
    settings = dataclasses.replace(SETTINGS, steps=6, precision=precision)
    weights = []
    for disturbance in (1, 2):
        torch.manual_seed(disturbance)
        model = build("conv-nano", seed=0)
        curve = train(model, corpus, settings)
        weights.append(({name: value.clone() for name, value in model.state_dict().items()}, curve.steps))
    (first, steps), (second, again) = weights
    assert steps == again
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = build("conv-nano", seed=0)
    train(other, corpus, dataclasses.replace(settings, seed=2))
    assert not torch.equal(other.state_dict()["image.head.weight"], first["image.head.weight"])


def test_torch_is_left_as_it_was(corpus: Pack) -> None:
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(3)
    state = torch.get_rng_state()
    train(build("conv-nano", seed=0), corpus, dataclasses.replace(SETTINGS, steps=1))
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == (threads, strict)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_pack_smaller_than_a_batch_repeats_within_it() -> None:
    curve = train(build("conv-nano", seed=0), _pack(20)[0], TrainSettings(steps=3, batch_size=64, precision="fp32"))
    assert curve.samples_seen == 192
    assert curve.repetitions == pytest.approx(9.6)


def test_every_epoch_sees_every_row_once() -> None:
    batches = _order(10, TrainSettings(steps=1, batch_size=4))
    drawn = np.concatenate([next(batches) for _ in range(10)])
    for epoch in range(4):
        assert sorted(drawn[10 * epoch : 10 * epoch + 10]) == list(range(10))
    assert drawn[:10].tolist() != drawn[10:20].tolist()


def test_losses_are_open_clips() -> None:
    generator = torch.Generator().manual_seed(0)
    image, text = (torch.nn.functional.normalize(torch.randn(9, 5, generator=generator), dim=1) for _ in range(2))
    scale, bias = torch.tensor(7.0), torch.tensor(-2.0)
    want = open_clip.ClipLoss()(image, text, scale)
    assert torch.allclose(clip_loss(scale * image @ text.T), want, atol=1e-6)
    want = open_clip.loss.SigLipLoss()(image, text, scale, bias)
    assert torch.allclose(siglip_loss(scale * image @ text.T + bias), want, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 10, 200])
def test_the_rate_rises_and_falls(steps: int) -> None:
    settings = TrainSettings(steps=steps)
    rates = [learning_rate(step, settings) for step in range(steps)]
    assert all(0 < rate <= settings.learning_rate for rate in rates)
    assert rates[0] == pytest.approx(settings.learning_rate / 25)
    if steps == 200:
        peak = int(np.argmax(rates))
        assert peak == 30
        assert rates[: peak + 1] == sorted(rates[: peak + 1])
        assert rates[peak:] == sorted(rates[peak:], reverse=True)
        assert rates[-1] < 0.001 * settings.learning_rate


def test_nothing_to_train_on() -> None:
    with pytest.raises(SourceError, match="empty"):
        train(build("conv-nano", seed=0), gather([], lambda rgb: rgb, lambda texts: tokenize(texts)), SETTINGS)


def test_a_loss_that_is_no_number_is_an_error(corpus: Pack) -> None:
    model = build("conv-nano", seed=0)
    with torch.no_grad():
        model.image.head.weight[0, 0] = float("nan")
    with pytest.raises(SourceError, match="step 0"):
        train(model, corpus, SETTINGS)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch_size", 1),
        ("learning_rate", 2.0),
        ("warmup", -0.1),
        ("loss", "triplet"),
        ("precision", "fp8"),
    ],
)
def test_settings_out_of_bounds(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=name):
        TrainSettings(**{"steps": 1, name: value})


def test_recipes() -> None:
    assert list(RECIPES) == ["nano", "demo", "micro"]
    for name, recipe in RECIPES.items():
        assert recipe.name == name
        assert recipe.settings(seed=3) == TrainSettings(steps=recipe.steps, seed=3)
        build(recipe.architecture, seed=0)
