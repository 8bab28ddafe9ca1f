"""Checkpoints of transformers and sentence-transformers: the same vectors as theirs, or a refusal."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import transformers
from PIL import Image

from tests.clip.checkpoints import CLIP_PIXELS, SIZE, SQUASHED, write_model, write_sentence
from tests.clip.drawn import photo, tiny_directory
from vlcorpus.clip.huggingface import pixels
from vlcorpus.clip.model import describe, load
from vlcorpus.clip.preprocess import normalise, prepare
from vlcorpus.clip.references import NotHere, is_local, locate
from vlcorpus.clip.two import towers
from vlcorpus.errors import SourceError, UsageError

TEXTS = ["a red dog", "", "two boat ein Hund", "a " * 40, "dog"]
PHOTOS = [photo(50, 40), photo(32, 32, 1), photo(33, 90, 2), photo(41, 75, 3)]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def unit(rows: torch.Tensor) -> np.ndarray:
    return torch.nn.functional.normalize(rows.float(), dim=1).numpy()


def near(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert np.abs((ours * theirs).sum(1) - 1).max() < 1e-5
    assert np.abs(theirs @ theirs.T - 1).max() > 1e-2, "the towers tell nothing apart"


def tokens(folder: Path, texts: list[str], **more: Any) -> Any:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return tokenizer(texts, truncation=True, return_tensors="pt", **more)


@pytest.mark.parametrize("kind", ["clip", "siglip", "altclip", "chinese_clip"])
@pytest.mark.parametrize("parts", [False, True])
def test_both_towers_are_transformers_own(tmp_path: Path, kind: str, parts: bool) -> None:
    theirs = write_model(tmp_path / "tiny", kind, parts=parts)
    assert parts == (tmp_path / "tiny" / "model.safetensors.index.json").is_file()
    encoder = load(f"hf:{tmp_path / 'tiny'}")
    assert encoder.dimension == (32 if kind == "siglip" else 24)
    assert encoder.scale == pytest.approx(float(theirs.logit_scale.detach().exp()))
    squares = np.stack([encoder.preprocess(rgb) for rgb in PHOTOS])
    how = pixels(SQUASHED if kind == "siglip" else CLIP_PIXELS, SIZE)
    padding = {"padding": "max_length", "max_length": 16} if kind == "siglip" else {"padding": True, "max_length": 16}
    words = tokens(tmp_path / "tiny", TEXTS, **padding)
    given = {"input_ids": words["input_ids"]} if kind == "siglip" else {
        name: words[name] for name in ("input_ids", "attention_mask")
    }  # fmt: skip
    with torch.no_grad():
        want_images = theirs.get_image_features(normalise(torch.from_numpy(squares), how)).pooler_output
        want_texts = theirs.get_text_features(**given).pooler_output
    near(encoder.encode_images(squares), unit(want_images))
    near(encoder.encode_texts(TEXTS), unit(want_texts))
    name, tag, short = encoder.slug.split(".")
    assert (name, tag, len(short)) == ("tiny", "local", 8)
    assert describe(f"hf:{tmp_path / 'tiny'}") == encoder.card


def test_nothing_is_said_and_nothing_changed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_model(tmp_path / "tiny", "clip")
    says = transformers.utils.logging
    before = says.get_verbosity(), says.is_progress_bar_enabled(), torch.get_rng_state().tolist()
    capfd.readouterr()
    load(f"hf:{tmp_path / 'tiny'}")
    assert capfd.readouterr() == ("", "")
    assert (says.get_verbosity(), says.is_progress_bar_enabled(), torch.get_rng_state().tolist()) == before


def test_padding_and_neighbours_change_vectors_by_rounding_only(tmp_path: Path) -> None:
    for kind in ("clip", "altclip", "chinese_clip"):
        write_model(tmp_path / kind, kind)
        encoder = load(f"hf:{tmp_path / kind}")
        alone = np.concatenate([encoder.encode_texts([text]) for text in TEXTS])
        assert np.abs(encoder.encode_texts(TEXTS) - alone).max() < 1e-6


@pytest.mark.parametrize("settings", [CLIP_PIXELS, SQUASHED])
@pytest.mark.parametrize("resample", [2, 3])
def test_pixels_are_their_image_processors(settings: dict[str, Any], resample: int) -> None:
    """transformers resizes with torchvision or with Pillow; we are within 2 of 255 of Pillow's."""
    settings = settings | {"resample": resample}
    kind = transformers.CLIPImageProcessor if "do_center_crop" in settings else transformers.SiglipImageProcessor
    theirs = kind(**{key: value for key, value in settings.items() if key != "image_processor_type"})
    how = pixels(settings, SIZE)
    for rgb in [*PHOTOS, photo(64, 75), photo(75, 64), photo(256, 341), photo(20, 31)]:
        want = theirs(Image.fromarray(rgb), return_tensors="pt")["pixel_values"]
        got = normalise(torch.from_numpy(prepare(rgb, how))[None], how)
        steps = (got - want).abs() * 255 * torch.tensor(how.std).view(1, 3, 1, 1)
        assert steps.max() <= 2.01, rgb.shape


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"do_resize": False}, "do_resize"),
        ({"do_normalize": False}, "do_normalize"),
        ({"rescale_factor": 1 / 127.5}, "rescales by"),
        ({"resample": 1}, "resamples by 1"),
        ({"size": {"shortest_edge": 40}}, "resizes to"),
        ({"size": {"longest_edge": SIZE}}, "resizes to"),
        ({"crop_size": {"height": 16, "width": 16}}, "resizes to"),
        ({"do_center_crop": False}, "resizes to"),
        ({"do_pad": True}, "do_pad"),
        ({"image_std": [0, 1, 1]}, "divides by"),
        ({"image_mean": "x"}, "mean"),
    ],
)
def test_pixels_that_are_not_followed_exactly(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        pixels(CLIP_PIXELS | change, SIZE)


def test_older_and_newer_words_for_the_same_pixels() -> None:
    older = {"size": SIZE, "crop_size": SIZE, "feature_extractor_type": "CLIPFeatureExtractor", "do_center_crop": True}
    assert pixels(older, SIZE) == pixels(CLIP_PIXELS, SIZE)
    assert pixels(SQUASHED | {"do_center_crop": None, "crop_size": None, "pad_size": None}, SIZE).resize == "squash"


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("bias", [False, True])
def test_a_text_tower_of_another_origin(tmp_path: Path, pooling: str, bias: bool) -> None:
    clip = write_model(tmp_path / "clip", "clip")
    theirs, dense = write_sentence(tmp_path / "many", pooling=pooling, bias=bias)
    reference = f"image=hf:{tmp_path / 'clip'},text=hf:{tmp_path / 'many'}"
    encoder = load(reference)
    words = tokens(tmp_path / "many", TEXTS, padding=True, max_length=8)
    with torch.no_grad():
        found = theirs(words["input_ids"], words["attention_mask"]).last_hidden_state
        mask = words["attention_mask"].unsqueeze(2).float()
        pooled = found[:, 0] if pooling == "cls" else (found * mask).sum(1) / mask.sum(1)
        want = unit(dense(pooled))
    near(encoder.encode_texts(TEXTS), want)
    alone = load(f"hf:{tmp_path / 'clip'}")
    squares = np.stack([encoder.preprocess(rgb) for rgb in PHOTOS])
    assert (encoder.encode_images(squares) == alone.encode_images(squares)).all()
    assert encoder.scale == pytest.approx(float(clip.logit_scale.detach().exp()))
    image, text, short = encoder.slug.split(".")
    assert (image, text, len(short)) == ("clip-local", "many", 8)
    assert describe(reference) == encoder.card and is_local(reference)


def test_the_slug_covers_both_towers(tmp_path: Path) -> None:
    write_model(tmp_path / "clip", "clip")
    write_sentence(tmp_path / "many")
    reference = f"image=hf:{tmp_path / 'clip'},text=hf:{tmp_path / 'many'}"
    slug = describe(reference).slug
    shutil.copytree(tmp_path / "many", tmp_path / "other" / "many")
    moved = f"image=hf:{tmp_path / 'clip'},text=hf:{tmp_path / 'other' / 'many'}"
    assert describe(moved).slug == slug
    about = tmp_path / "other" / "many" / "1_Pooling" / "config.json"
    about.write_text(json.dumps({"pooling_mode": "cls"}))
    assert describe(moved).slug != slug
    write_model(tmp_path / "other" / "clip", "clip", seed=1)
    changed = f"image=hf:{tmp_path / 'other' / 'clip'},text=hf:{tmp_path / 'many'}"
    assert describe(changed).slug != slug
    before = describe(f"hf:{tmp_path / 'clip'}").slug
    config = tmp_path / "clip" / "preprocessor_config.json"
    config.write_text(config.read_text().replace("0.26862954", "0.27"))
    assert describe(f"hf:{tmp_path / 'clip'}").slug != before


def test_towers_that_do_not_fit(tmp_path: Path) -> None:
    tiny_directory(tmp_path / "tiny")
    write_sentence(tmp_path / "many")
    with pytest.raises(UsageError, match="32 dimensions") as caught:
        load(f"image={tmp_path / 'tiny'},text=hf:{tmp_path / 'many'}")
    assert "24" in caught.value.message
    with pytest.raises(UsageError, match="no image tower") as caught:
        load(f"hf:{tmp_path / 'many'}")
    assert "image=" in caught.value.hint
    for wrong in ("image=a/b", "text=a,image=b", "image=,text=b", "image=a,text=", "image=a,text=image=b,text=c"):
        with pytest.raises(UsageError, match="image and a text tower"):
            describe(wrong)


def test_two_towers_of_one_model_are_that_model(tmp_path: Path) -> None:
    tiny_directory(tmp_path / "tiny")
    whole, twice = load(str(tmp_path / "tiny")), load(f"image={tmp_path / 'tiny'},text={tmp_path / 'tiny'}")
    assert (whole.encode_texts(TEXTS) == twice.encode_texts(TEXTS)).all()
    assert whole.slug != twice.slug
    assert towers(f"image={tmp_path},text=a,b") == (str(tmp_path), "a,b")


def _edited(folder: Path, name: str, **change: Any) -> None:
    settings = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(settings | change))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("config.json", {"model_type": "blip"}, "type 'blip'"),
        ("config.json", {"auto_map": {"AutoModel": "evil.Model"}}, "run code"),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.T", None]}}, "run code"),
        ("config.json", {"quantization_config": {"quant_method": "bitsandbytes"}}, "quantised"),
        ("config.json", {"text_config": {"num_hidden_layers": 10**9}}, "layers"),
        ("config.json", {"vision_config": {"image_size": 10**6}}, "images of"),
        ("config.json", {"vision_config": {"image_size": 48}}, "resizes to"),
        ("config.json", {"projection_dim": 7}, "cannot be built|no fitting weights"),
    ],
)
def test_checkpoints_that_are_refused(tmp_path: Path, name: str, change: dict[str, Any], message: str) -> None:
    write_model(tmp_path / "tiny", "clip")
    _edited(tmp_path / "tiny", name, **change)
    with pytest.raises(SourceError, match=message):
        load(f"hf:{tmp_path / 'tiny'}")


def test_nothing_pickled_and_nothing_half_filled(tmp_path: Path) -> None:
    made = write_model(tmp_path / "tiny", "clip")
    weights = tmp_path / "tiny" / "model.safetensors"
    state = dict(made.state_dict())
    del state["text_projection.weight"]
    safetensors.torch.save_file(state, weights, metadata={"format": "pt"})
    with pytest.raises(SourceError, match="no fitting weights for 1 tensors"):
        load(f"hf:{tmp_path / 'tiny'}")
    weights.unlink()
    torch.save(made.state_dict(), tmp_path / "tiny" / "pytorch_model.bin")
    with pytest.raises(SourceError, match=r"no model\.safetensors") as caught:
        load(f"hf:{tmp_path / 'tiny'}")
    assert "safetensors" in caught.value.hint
    index = tmp_path / "tiny" / "model.safetensors.index.json"
    for part in ("../secret.safetensors", "/etc/x.safetensors", "gone.safetensors"):
        index.write_text(json.dumps({"weight_map": {"a": part}}))
        with pytest.raises(SourceError, match="has no part"):
            load(f"hf:{tmp_path / 'tiny'}")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("modules.json", [], "0 modules"),
        ("modules.json", [{"type": "os.system", "path": ""}], "not read"),
        ("modules.json", [{"type": "sentence_transformers.models.Transformer", "path": "../x"}], "not read"),
        ("modules.json", [{"type": "sentence_transformers.models.CLIPModel", "path": ""}] * 2, "CLIPModel"),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pools by"),
        ("1_Pooling/config.json", {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, "pools by"),
        ("1_Pooling/config.json", {"pooling_mode": "lasttoken"}, "pools by lasttoken"),
        ("2_Dense/config.json", {"in_features": 32, "out_features": 24, "activation_function": "os.system"}, "os.sys"),
        ("2_Dense/config.json", {"in_features": 9, "out_features": 24, "bias": False}, "makes 24 of 9"),
        ("config.json", {"model_type": "gpt2"}, "type 'gpt2'"),
    ],
)
def test_text_towers_that_are_refused(tmp_path: Path, name: str, content: Any, message: str) -> None:
    write_sentence(tmp_path / "many")
    if name == "2_Dense/config.json" and "bias" in content:
        content = content | {"activation_function": "torch.nn.modules.linear.Identity"}
    (tmp_path / "many" / name).write_text(json.dumps(content))
    with pytest.raises(SourceError, match=message):
        locate(f"hf:{tmp_path / 'many'}")


def test_the_hub_is_asked_only_for_what_is_not_here(tmp_path: Path) -> None:
    write_model(tmp_path / "tiny", "clip")
    with pytest.raises(NotHere, match="hf:org/tiny"):
        locate("hf:org/tiny", cache_dir=tmp_path / "cache", download=False)
    home = tmp_path / "cache" / "models--org--tiny"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("abc")
    shutil.copytree(tmp_path / "tiny", home / "snapshots" / "abc")
    located = locate("hf:org/tiny", cache_dir=tmp_path / "cache", download=False)
    assert (located.name, located.tag, located.kind) == ("tiny", "org", "transformers")
    here, there = describe(f"hf:{tmp_path / 'tiny'}"), describe("hf:org/tiny", cache_dir=tmp_path / "cache")
    assert here.weights_hash == there.weights_hash and here.slug[-8:] == there.slug[-8:]
    for wrong in ("hf:", "hf:tiny", "hf:a/b/c"):
        with pytest.raises(UsageError, match="names no checkpoint"):
            locate(wrong)
    with pytest.raises(SourceError, match="not a folder"):
        locate("hf:/nowhere/tiny")


def test_what_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_model(tmp_path / "tiny", "clip")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(SourceError, match="needs the package transformers") as caught:
        load(f"hf:{tmp_path / 'tiny'}")
    assert caught.value.hint == "pip install 'vlcorpus[transformers]'"
