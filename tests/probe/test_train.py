from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests.probe.drawn import CLASSES, pairs
from tests.probe.looped import Arrays, Patchy, Plain, source, weights
from vlcorpus.clip.model import as_encoder
from vlcorpus.clip.towers import build
from vlcorpus.clip.words import tokenize
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.probe.evaluate import classifier
from vlcorpus.probe.measures import zero_shot
from vlcorpus.probe.pack import Pack, gather
from vlcorpus.probe.train import (
    TrainSettings,
    TrainStep,
    learning_rate,
    native_bf16,
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
    return zero_shot(
        encoder.encode_images(test.images(np.arange(len(test)))), classifier(encoder, CLASSES), labels
    ).metrics["top1"]


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


def test_the_cosine_is_open_clips() -> None:
    from open_clip_train.scheduler import cosine_lr

    settings = TrainSettings(steps=60, schedule="cosine", warmup=0.2, learning_rate=5e-4)
    theirs = cosine_lr(torch.optim.SGD([torch.zeros(1)]), 5e-4, 12, 60)
    for step in range(60):
        assert learning_rate(step, settings) == pytest.approx(theirs(step), rel=1e-12)


def test_patches_are_whole_in_the_last_tenth() -> None:
    model = Patchy()
    shares: list[float] = []
    settings = TrainSettings(steps=20, batch_size=16, precision="fp32", patch_dropout=0.5)
    train(model, source("a", 40), settings, on_step=lambda step: shares.append(model.dropped[-1]))
    assert model.dropped == [0.5, 0.0]
    assert shares == [0.5] * 18 + [0.0] * 2
    with pytest.raises(UsageError, match="no patches"):
        train(Plain(), source("a", 40), settings)


def test_compiled_it_learns_the_same() -> None:
    """Whether a compiler is here or not: the graph is caught as a whole and run by torch itself."""
    found = []
    for compiled in (False, "aot_eager"):
        model = Plain()
        settings = TrainSettings(steps=4, batch_size=16, precision="fp32", compile=compiled)
        train(model, source("a", 40), settings)
        found.append(weights(model))
        torch.compiler.reset()
    for name, value in found[0].items():
        assert torch.allclose(value, found[1][name], atol=1e-6)


def test_frozen_weights_stay_as_they_are() -> None:
    model = Plain()
    model.image.requires_grad_(False)
    before = weights(model)
    train(model, source("a", 40), TrainSettings(steps=3, batch_size=16, precision="fp32"))
    after = weights(model)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"words.weight", "text.weight", "text.bias", "logit_scale"}


def test_features_are_trained_on_as_they_are() -> None:
    class Heads(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.image, self.text = torch.nn.Linear(6, 4), torch.nn.Linear(5, 4)
            self.logit_scale = torch.nn.Parameter(torch.tensor(2.0))

        def encode_image(self, image: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.normalize(self.image(image.float()), dim=1)

        def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
            assert tokens.dtype == torch.float16
            return torch.nn.functional.normalize(self.text(tokens.float()), dim=1)

    generator = np.random.default_rng(0)
    hidden = generator.normal(size=(200, 3))
    made = [(hidden @ generator.normal(size=(3, width))).astype(np.float16) for width in (6, 5)]
    curve = train(Heads(), Arrays("f", made[0], (made[1],)), TrainSettings(steps=60, batch_size=50, precision="fp32"))
    assert curve.steps[-1].loss < 0.8 * curve.steps[0].loss


def test_captions_of_several_layers_are_all_read() -> None:
    read: list[int] = []

    class Told(Arrays):
        def texts(self, rows_B: np.ndarray, draw_B: np.ndarray, /) -> np.ndarray:
            read.extend((draw_B * 2).astype(int))
            return super().texts(rows_B, draw_B)

    two = source("a", 40, layers=2)
    train(Plain(), Told("a", two.images_N, two.texts_LN), TrainSettings(steps=6, batch_size=40, precision="fp32"))
    assert 80 < sum(read) < 160


def test_sources_that_do_not_go_together() -> None:
    settings = TrainSettings(steps=1, batch_size=16, precision="fp32")
    with pytest.raises(UsageError, match="two sources are called 'a'"):
        train(Plain(), [source("a", 40), source("a", 40)], settings)
    small = Arrays("b", np.zeros((40, 3, 16, 16), np.uint8), (np.ones((40, 12), np.int16),))
    with pytest.raises(SourceError, match="unequal shapes"):
        train(Plain(), [source("a", 40), small], settings)
    with pytest.raises(SourceError, match="float32"):
        train(Plain(), Arrays("c", np.zeros((40, 3, 16, 16), np.float32), small.texts_LN), settings)
    with pytest.raises(SourceError, match="empty: b"):
        train(Plain(), [source("a", 40), Arrays("b", small.images_N[:0], small.texts_LN)], settings)
    with pytest.raises(SourceError, match="nothing"):
        train(Plain(), [], settings)


def test_texts_of_unequal_length_meet_in_a_batch() -> None:
    short = source("a", 40)
    longer = Arrays("b", short.images_N, (np.pad(short.texts_LN[0], ((0, 0), (0, 5))),))
    settings = TrainSettings(steps=2, batch_size=16, precision="fp32")
    assert train(Plain(), [short, longer], settings).seen == {"a": 16, "b": 16}
