"""Heads: the net as written down by hand, trained on features, saved, loaded as any encoder; or refused."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray

from tests.clip.frozen_encoders import IMAGE, write_words
from tests.probe.drawn import pairs
from vlcorpus.clip import frozen
from vlcorpus.clip.heads import Head, Heads, build_heads, heads_files
from vlcorpus.clip.model import describe, load
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.probe.settings import TrainSettings
from vlcorpus.probe.train import train


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


class Features:
    """Pairs of features in memory."""

    name = "drawn"

    def __init__(self, image_NF: NDArray[np.float16], text_NG: NDArray[np.float16]) -> None:
        self.image_NF, self.text_NG = image_NF, text_NG

    def __len__(self) -> int:
        return len(self.image_NF)

    def images(self, rows_B: NDArray[np.int64]) -> NDArray[np.float16]:
        return self.image_NF[rows_B]

    def texts(self, rows_B: NDArray[np.int64], draw_B: NDArray[np.float64]) -> NDArray[np.float16]:
        return self.text_NG[rows_B]


def test_a_head_is_what_is_written_down() -> None:
    head = build_heads(12, 9, dimension=8, seed=3).image.eval()
    with torch.no_grad():
        for weight in head.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    features = np.random.default_rng(0).normal(size=(5, 12))
    held = {name: value.detach().double().numpy() for name, value in head.state_dict().items()}
    projected = features @ held["project.weight"].T + held["project.bias"]
    bent = projected * 0.5 * (1 + np.vectorize(math.erf)(projected / math.sqrt(2)))
    joined = projected + bent @ held["change.weight"].T + held["change.bias"]
    centred = joined - joined.mean(1, keepdims=True)
    wanted = centred / np.sqrt(centred.var(1, keepdims=True) + 1e-5) * held["norm.weight"] + held["norm.bias"]
    found = head(torch.from_numpy(features).float()).detach().numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_dropout_is_beside_the_skip() -> None:
    head = Head(6, 1000, dropout=0.5).train()
    with torch.no_grad():
        head.change.weight.zero_()
        head.change.bias.fill_(1.0)
        head.project.bias.zero_()
        head.project.weight.zero_()
    head.norm = torch.nn.Identity()  # type: ignore[assignment]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        rows = head(torch.ones(1, 6))
    assert set(rows.unique().tolist()) == {0.0, 2.0}
    assert 400 < int((rows == 0).sum()) < 600


def test_weights_hang_on_the_arguments_alone() -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = build_heads(20, 30, dimension=16, seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    second, third = build_heads(20, 30, dimension=16, seed=5), build_heads(20, 30, dimension=16, seed=6)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not torch.equal(first.image.project.weight, third.image.project.weight)
    assert float(first.logit_scale.detach().exp()) == pytest.approx(1 / 0.07)
    with pytest.raises(UsageError):
        build_heads(20, 30, dimension=4, seed=0)
    for halves in (torch.ones(3, 20).half(), torch.ones(3, 20)):
        rows = first.encode_image(halves)
        assert rows.dtype == torch.float32
        np.testing.assert_allclose(rows.detach().norm(dim=1), 1, atol=1e-6)


def _trained(folder: Path, image: str, count: int, steps: int) -> tuple[frozen.Frozen, Heads, list[Any], Any]:
    write_words(folder / "words")
    encoders = frozen.open(f"image={image},text=hf:{folder / 'words'}")
    drawn = list(pairs(count, 0))
    squares = np.stack([encoders.preprocess(rgb) for _, rgb, _, _ in drawn])
    source = Features(encoders.image_features(squares), encoders.text_features([caption for _, _, caption, _ in drawn]))
    before = encoders.weights_digest()
    model = build_heads(encoders.image_dimension, encoders.text_dimension, dimension=32, seed=0)
    settings = TrainSettings(steps=steps, batch_size=32, seed=0, precision="fp32")
    curve = train(model, source, settings)
    assert encoders.weights_digest() == before
    np.testing.assert_array_equal(encoders.image_features(squares[:20]), source.image_NF[:20])
    return encoders, model, drawn, (source, squares, curve)


def test_trained_saved_loaded_the_same(tmp_path: Path) -> None:
    encoders, model, drawn, (source, squares, curve) = _trained(tmp_path, IMAGE, 200, 150)
    assert curve.steps[-1].loss < curve.steps[0].loss - 0.3
    files = heads_files(model, encoders.about(), {"name": "raw-0", "seed": 0})
    assert files == heads_files(model, encoders.about(), {"name": "raw-0", "seed": 0})
    assert str(tmp_path).encode() not in files["probe.json"]
    folder = tmp_path / "probe"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    encoder = load(str(folder))
    assert encoder.card == describe(str(folder))
    assert (encoder.card.kind, encoder.dimension, encoder.image_size) == ("heads", 32, encoders.image_size)
    assert encoder.slug.startswith("heads.raw-0.")
    assert encoder.scale == pytest.approx(float(model.logit_scale.detach().exp()))
    with torch.inference_mode():
        image_ND = model.encode_image(torch.from_numpy(source.image_NF)).numpy()
        text_ND = model.encode_text(torch.from_numpy(source.text_NG)).numpy()
    again = np.stack([encoder.preprocess(rgb) for _, rgb, _, _ in drawn])
    np.testing.assert_array_equal(again, squares)
    # Online features are rounded as those that were trained on.
    np.testing.assert_allclose(encoder.encode_images(squares[:50]), image_ND[:50], atol=2e-6)
    np.testing.assert_allclose(encoder.encode_images(squares[7:8]), image_ND[7:8], atol=2e-6)
    texts = [caption for _, _, caption, _ in drawn]
    np.testing.assert_allclose(encoder.encode_texts(texts), text_ND, atol=2e-6)
    np.testing.assert_allclose(encoder.encode_texts(texts[3:4]), text_ND[3:4], atol=2e-6)

    for precision in ("bf16", "fp16"):
        half = load(str(folder), precision=precision)
        for rows, wanted in (
            (half.encode_images(squares[:9]), image_ND[:9]),
            (half.encode_texts(texts[:9]), text_ND[:9]),
        ):
            assert (rows * wanted).sum(1).min() > 0.9

    # Other weights, or another encoder below, are another model.
    other = heads_files(build_heads(encoders.image_dimension, 32, dimension=32, seed=1), encoders.about(), {})
    (tmp_path / "other").mkdir()
    for name, content in other.items():
        (tmp_path / "other" / name).write_bytes(content)
    assert load(str(tmp_path / "other")).slug[-8:] != encoder.slug[-8:]
    with pytest.raises(UsageError, match="is a probe of heads"):
        frozen.open(f"image={folder},text=hf:{tmp_path / 'words'}")
    write_words(tmp_path / "words", seed=9)
    with pytest.raises(SourceError, match="text encoder"):
        load(str(folder))


def test_batch_norm_of_resnet_18_stays_as_it_is(tmp_path: Path) -> None:
    encoders, _, _, (_, _, curve) = _trained(tmp_path, "timm:resnet18@random:3", 40, 8)
    assert encoders.image_size == 224 and encoders.image_dimension == 512
    assert len(curve.steps) == 8


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": 9}, {"dimension": 1 << 40}, {"dimension": 16}, {"dimension": "32"}, {"image_size": 32},
        {"encoders": None}, {"encoders": {}}, {"weights_hash": "0"}, {"name": 3}, {"architecture": None},
        {"pixels.scale": -1}, {"pixels.mean": [0.1]}, {"pixels.more": 1}, {"pixels.resize": "x"},
        {"image.dimension": 7}, {"image.reference": "/etc/passwd"}, {"text.reference": "hf:../x"}, {"text.digest": "z"},
    ],
)  # fmt: skip
def test_hostile_settings_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    settings, _ = _written(tmp_path)
    for key, value in wrong.items():
        where, _, inner = key.partition(".")
        about = settings.get("encoders", {})
        place = {"pixels": about["image"]["preprocessing"], "image": about["image"], "text": about["text"]}
        (place[where] if inner else settings)[inner or where] = value
    (tmp_path / "probe.json").write_text(json.dumps(settings))
    with pytest.raises(SourceError):
        load(str(tmp_path), download=False)


@pytest.mark.parametrize("wrong", ["lacking", "more", "shape", "kind", "cut", "none"])
def test_hostile_weights_are_refused(tmp_path: Path, wrong: str) -> None:
    _, weights = _written(tmp_path)
    file = tmp_path / "weights.safetensors"
    if wrong == "lacking":
        del weights["image.norm.bias"]
    elif wrong == "more":
        weights["image.more"] = torch.zeros(1)
    elif wrong == "shape":
        weights["image.project.weight"] = torch.zeros(32, 3)
    elif wrong == "kind":
        weights["image.project.weight"] = weights["image.project.weight"].half()
    safetensors.torch.save_file(weights, file)
    if wrong == "cut":
        file.write_bytes(file.read_bytes()[:100])
    elif wrong == "none":
        file.unlink()
    with pytest.raises(SourceError):
        load(str(tmp_path), download=False)


def _written(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    how = {"size": 24, "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize": "shortest", "fill": 0}
    image = {"reference": IMAGE, "name": "x", "digest": "0" * 64, "dimension": 12, "image_size": 24}
    text = {"reference": "hf:org/words", "name": "x", "digest": "1" * 64, "dimension": 9}
    about = {"format": 1, "image": image | {"preprocessing": how}, "text": text}
    files = heads_files(build_heads(12, 9, dimension=32, seed=0), about, {"name": "raw"})
    for name, content in files.items():
        (folder / name).write_bytes(content)
    assert describe(str(folder)).dimension == 32
    return json.loads(files["probe.json"]), safetensors.torch.load(files["weights.safetensors"])
