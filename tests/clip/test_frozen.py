"""Frozen encoders: the features of timm and transformers, whatever came beside; known again, or refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
import transformers
from PIL import Image

from tests.clip.checkpoints import write_model
from tests.clip.drawn import photo
from tests.clip.frozen_encoders import IMAGE, write_words
from vlcorpus.clip import frozen, known
from vlcorpus.clip.model import load
from vlcorpus.clip.preprocess import prepare
from vlcorpus.clip.timm_tower import pixels
from vlcorpus.errors import SourceError, UsageError

TEXTS = ["a red dog", "", "two boat ein Hund", "a " * 40, "dog", "a cat", "red"]


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(known.VARIABLE, raising=False)


def squares(size: int, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, size, size), dtype=np.uint8)


def test_the_features_are_timms_and_transformers_own(tmp_path: Path) -> None:
    theirs = write_words(tmp_path / "words")
    encoders = frozen.open(f"image={IMAGE},text=hf:{tmp_path / 'words'}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = timm.create_model("test_resnet", num_classes=0).eval()
    batch = squares(encoders.image_size, 3)
    with torch.inference_mode():
        wanted = model((torch.from_numpy(batch).float() / 255 - 0.5) / 0.5).numpy()
    found = encoders.image_features(batch)
    assert found.dtype == np.float16 and found.shape == (3, encoders.image_dimension)
    np.testing.assert_allclose(found, wanted, rtol=2e-3, atol=2e-3)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "words")
    rows = []
    for text in TEXTS:  # one by one, so that there is no padding
        with torch.inference_mode():
            tokens = tokenizer([text], truncation=True, max_length=16, return_tensors="pt")
            rows.append(theirs(tokens["input_ids"]).last_hidden_state[0].mean(0).numpy())
    found = encoders.text_features(TEXTS)
    assert found.dtype == np.float16 and found.shape == (7, 32) == (7, encoders.text_dimension)
    np.testing.assert_allclose(found, np.stack(rows), rtol=2e-3, atol=2e-3)
    assert encoders.image_features(batch[:0]).shape == (0, encoders.image_dimension)
    assert encoders.text_features([]).shape == (0, 32)


@pytest.mark.parametrize("padding", ["right", "left"])
def test_a_row_does_not_hang_on_its_company(tmp_path: Path, padding: str) -> None:
    write_words(tmp_path / "words", padding=padding)
    encoders = frozen.open(f"image={IMAGE},text={tmp_path / 'words'}")
    batch = squares(encoders.image_size, 19)
    whole = encoders.image_features(batch)
    for rows in ([4], [18, 3], list(range(18, -1, -1))):
        np.testing.assert_array_equal(encoders.image_features(batch[rows]), whole[rows])
    texts = [" ".join(["a", "dog", "red"][: 1 + n % 3] * (1 + n % 5)) for n in range(45)]
    whole = encoders.text_features(texts)
    assert len(np.unique(whole, axis=0)) > 5
    for rows in ([44], [7, 1], list(range(44, -1, -1))):
        np.testing.assert_array_equal(encoders.text_features([texts[row] for row in rows]), whole[rows])


def test_towers_see_blocks_of_one_size(tmp_path: Path) -> None:
    # Another size takes other kernels, whose last bits differ: rarely enough that float16 hides it in a small test.
    write_words(tmp_path / "words")
    encoders = frozen.open(f"image={IMAGE},text=hf:{tmp_path / 'words'}")
    seen: dict[str, set[int]] = {"image": set(), "text": set()}
    image, text = encoders._towers

    def noted(side: str, forward: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
        def through(batch: torch.Tensor) -> torch.Tensor:
            seen[side].add(len(batch))
            return forward(batch)

        return through

    encoders._towers = (
        replace(image, forward=noted("image", image.forward)),
        replace(text, forward=noted("text", text.forward)),
    )
    for count in (1, 8, 19):
        encoders.image_features(squares(encoders.image_size, count))
        encoders.text_features(TEXTS * count)
    assert seen == {"image": {8}, "text": {16}}


@pytest.mark.parametrize(
    "settings",
    [
        {"crop_pct": 0.875, "crop_mode": "center", "interpolation": "bicubic"},
        {"crop_pct": 0.95, "crop_mode": "center", "interpolation": "bilinear"},
        {"crop_pct": 1.0, "crop_mode": "center", "interpolation": "bicubic"},
        {"crop_pct": 0.9, "crop_mode": "squash", "interpolation": "bicubic"},
    ],
)
@pytest.mark.parametrize("shape", [(50, 40), (64, 64), (61, 90), (200, 75)])
def test_pixels_are_timms(settings: dict[str, Any], shape: tuple[int, int]) -> None:
    whole = {"input_size": (3, 64, 64), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.1), **settings}
    rgb = photo(*shape)
    how = pixels("timm:x", whole)
    theirs = timm.data.create_transform(**whole, is_training=False, normalize=False)(Image.fromarray(rgb))
    assert np.abs(prepare(rgb, how).astype(int) - np.asarray(theirs).astype(int)).max() <= 2
    assert how.mean == (0.5, 0.4, 0.3) and how.std == (0.2, 0.3, 0.1)


def test_pixels_that_are_not_followed_are_refused() -> None:
    whole: dict[str, Any] = {"input_size": (3, 64, 64), "mean": 0.5, "std": 0.5, "interpolation": "bicubic"}
    for wrong in (
        {"crop_mode": "border"}, {"crop_pct": 1.2}, {"input_size": (1, 64, 64)}, {"input_size": (3, 64, 32)},
        {"interpolation": "lanczos"}, {"std": (0.0, 0.5, 0.5)},
    ):  # fmt: skip
        with pytest.raises(SourceError):
            pixels("timm:x", whole | wrong)


def test_weights_of_ones_own_with_and_without_a_classifier(tmp_path: Path) -> None:
    write_words(tmp_path / "words")
    text = f"text=hf:{tmp_path / 'words'}"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = timm.create_model("test_resnet", num_classes=7)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "whole.safetensors")
    torch.save({"state_dict": model.state_dict()}, tmp_path / "whole.pt")
    model.reset_classifier(0)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "trunk.safetensors")
    made = [
        frozen.open(f"image=timm:test_resnet@{tmp_path / name},{text}")
        for name in ("whole.safetensors", "whole.pt", "trunk.safetensors")
    ]
    assert len({each.key for each in made}) == 1
    batch = squares(made[0].image_size, 2)
    for each in made[1:]:
        np.testing.assert_array_equal(each.image_features(batch), made[0].image_features(batch))
    assert frozen.open(f"image={IMAGE},{text}").key != made[0].key
    for wrong, kind in (
        ("timm:test_vit@" + str(tmp_path / "whole.pt"), SourceError),
        ("timm:test_resnet@" + str(tmp_path / "none.pt"), SourceError),
        ("timm:test_resnet", SourceError),
        ("timm:test_resnet@", UsageError),
        ("timm:test_resnet@random:-1", UsageError),
        ("timm:test_resnot", UsageError),
        (f"hf:{tmp_path / 'words'}", SourceError),
    ):
        with pytest.raises(kind):
            frozen.open(f"image={wrong},{text}", cache_dir=tmp_path / "empty")
    for reference in (IMAGE, f"image={IMAGE},text={IMAGE}"):
        with pytest.raises(UsageError):
            frozen.open(reference)
    (tmp_path / "evil.pt").write_bytes(b"cos\nsystem\n(S'touch evil'\ntR.")
    with pytest.raises(SourceError, match="more than tensors"):
        frozen.open(f"image=timm:test_resnet@{tmp_path / 'evil.pt'},{text}")


def test_the_key_names_what_features_hang_on(tmp_path: Path) -> None:
    write_words(tmp_path / "words")
    reference = f"image={IMAGE},text=hf:{tmp_path / 'words'}"
    first = frozen.open(reference)
    write_words(tmp_path / "copy")
    assert frozen.open(f"image={IMAGE},text=hf:{tmp_path / 'copy'}").key == first.key
    settings = json.loads((tmp_path / "copy" / "config.json").read_text())
    (tmp_path / "copy" / "config.json").write_text(json.dumps(settings | {"n_heads": 4}))
    assert frozen.open(f"image={IMAGE},text=hf:{tmp_path / 'copy'}").key != first.key
    write_words(tmp_path / "copy", padding="left")
    assert frozen.open(f"image={IMAGE},text=hf:{tmp_path / 'copy'}").key != first.key
    write_words(tmp_path / "copy", seed=2)
    assert frozen.open(f"image={IMAGE},text=hf:{tmp_path / 'copy'}").key != first.key


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_towers_of_a_dual_encoder_can_be_frozen(tmp_path: Path, kind: str) -> None:
    write_model(tmp_path / "tiny", kind)
    reference = f"hf:{tmp_path / 'tiny'}"
    encoders = frozen.open(f"image={reference},text={reference}")
    theirs = load(reference)
    batch = squares(encoders.image_size, 5)
    for found, wanted in (
        (encoders.image_features(batch), theirs.encode_images(batch)),
        (encoders.text_features(TEXTS), theirs.encode_texts(TEXTS)),
    ):
        rows = found.astype(np.float32)
        np.testing.assert_allclose(rows / np.linalg.norm(rows, axis=1, keepdims=True), wanted, atol=2e-3)


def test_encoders_are_found_again_and_no_paths_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_words(tmp_path / "words")
    monkeypatch.chdir(tmp_path)
    first = frozen.open(f"image={IMAGE},text=hf:words")
    about = json.loads(json.dumps(first.about()))
    assert str(tmp_path) not in json.dumps(about)
    assert about["image"]["reference"] == IMAGE and about["text"]["reference"] is None
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    again = frozen.reopen(about)
    assert again.key == first.key and again.about() == about
    # Another machine, which has the encoder elsewhere.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    with pytest.raises(SourceError) as caught:
        frozen.reopen(about)
    assert known.VARIABLE in caught.value.hint
    monkeypatch.setenv(known.VARIABLE, f"image={IMAGE},text=hf:../words")
    assert frozen.reopen(about).key == first.key
    monkeypatch.delenv(known.VARIABLE)
    assert frozen.reopen(about).key == first.key, "it was opened here since"
    write_words(tmp_path / "words", seed=2)
    with pytest.raises(SourceError, match="another than the probe was trained on"):
        frozen.reopen(about)


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": 2},
        {"image": None},
        {"text": {}},
        {"text.reference": "/etc/passwd"},
        {"text.reference": "hf:/etc"},
        {"text.reference": "hf:../../words"},
        {"text.reference": "hf:a/.."},
        {"image.reference": "timm:test_resnet@/tmp/x.pt"},
        {"image.reference": "local-dir:x"},
        {"image.reference": ["a"]},
        {"text.digest": "../../x"},
        {"text.digest": "0" * 64},
        {"image.dimension": 1 << 40},
        {"image.image_size": -1},
        {"image.preprocessing": []},
        {"image.name": None},
    ],
)
def test_hostile_entries_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    write_words(tmp_path / "words")
    about = frozen.open(f"image={IMAGE},text=hf:{tmp_path / 'words'}").about()
    for key, value in wrong.items():
        side, _, inner = key.partition(".")
        about = about | {side: about[side] | {inner: value} if inner else value}
    with pytest.raises(SourceError):
        frozen.reopen(about)


@pytest.mark.parametrize("package", ["timm", "transformers"])
def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    write_words(tmp_path / "words")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SourceError, match=package) as caught:
        frozen.open(f"image={IMAGE},text=hf:{tmp_path / 'words'}")
    assert "vlcorpus[heads]" in caught.value.hint
