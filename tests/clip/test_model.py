from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import safetensors.torch
import torch
from PIL import Image

from tests.clip.drawn import photo, tiny_directory
from vlcorpus.clip.model import as_encoder, describe, load, probe_files
from vlcorpus.clip.towers import build
from vlcorpus.clip.words import number
from vlcorpus.errors import SourceError, UsageError


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _write(directory: Path, files: dict[str, bytes]) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return directory


def test_an_open_clip_directory_gives_open_clips_vectors(tmp_path: Path) -> None:
    theirs = tiny_directory(tmp_path / "tiny")
    state, handlers = torch.get_rng_state(), list(logging.getLogger().handlers)
    encoder = load(f"local-dir:{tmp_path / 'tiny'}")
    assert torch.equal(torch.get_rng_state(), state)
    assert logging.getLogger().handlers == handlers
    assert (encoder.dimension, encoder.image_size, encoder.card.kind) == (32, 48, "open_clip")
    assert encoder.scale == pytest.approx(1 / 0.07, rel=1e-3)
    photos = [photo(120, 90), photo(48, 48), photo(60, 200)]
    transform = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(size=48, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3)), is_train=False
    )
    texts = ["a dog", "", "two dogs " * 50]
    with torch.no_grad():
        want_images = theirs.encode_image(
            torch.stack([transform(Image.fromarray(rgb)) for rgb in photos]), normalize=True
        )
        tokens = open_clip.get_tokenizer(f"local-dir:{tmp_path / 'tiny'}")(texts)
        want_texts = theirs.encode_text(tokens, normalize=True)
    images = encoder.encode_images(np.stack([encoder.preprocess(rgb) for rgb in photos]))
    assert images.dtype == np.float32
    assert (images * want_images.numpy()).sum(1).min() > 0.9999
    assert np.allclose(encoder.encode_texts(texts), want_texts.numpy(), atol=1e-6)
    assert np.allclose(np.linalg.norm(images, axis=1), 1, atol=1e-6)


def test_the_activation_reaches_the_model_and_the_slug(tmp_path: Path) -> None:
    tiny_directory(tmp_path / "plain")
    tiny_directory(tmp_path / "quick", quick_gelu=True)
    plain, quick = (load(f"local-dir:{tmp_path / name}") for name in ("plain", "quick"))
    assert plain.card.weights_hash == quick.card.weights_hash
    assert plain.slug.rpartition(".")[2] != quick.slug.rpartition(".")[2]
    assert not np.allclose(plain.encode_texts(["a dog"]), quick.encode_texts(["a dog"]), atol=1e-4)


def test_a_checkpoint_for_a_known_architecture(tmp_path: Path) -> None:
    """Weights of one architecture in another are an error, not a half-loaded model."""
    tiny_directory(tmp_path / "tiny")
    with pytest.raises(SourceError, match="cannot be built") as caught:
        load(f"ViT-S-32-alt@{tmp_path / 'tiny' / 'open_clip_model.safetensors'}")
    assert "architecture" in caught.value.hint


def test_the_slug_follows_the_content(tmp_path: Path) -> None:
    tiny_directory(tmp_path / "one" / "tiny")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    slug = describe(f"local-dir:{tmp_path / 'one' / 'tiny'}").slug
    assert describe(str(tmp_path / "two" / "tiny")).slug == slug == load(str(tmp_path / "two" / "tiny")).slug
    name, tag, short = slug.split(".")
    assert (name, tag, len(short)) == ("tiny", "local", 8)
    config = tmp_path / "two" / "tiny" / "open_clip_config.json"
    config.write_text(config.read_text().replace("0.25", "0.26"))
    assert describe(str(tmp_path / "two" / "tiny")).slug != slug
    tiny_directory(tmp_path / "two" / "tiny", seed=1)
    assert (
        describe(str(tmp_path / "two" / "tiny")).weights_hash != describe(str(tmp_path / "one" / "tiny")).weights_hash
    )


def test_a_hostile_checkpoint_is_refused(tmp_path: Path) -> None:
    tiny_directory(tmp_path / "tiny")
    (tmp_path / "tiny" / "open_clip_model.safetensors").unlink()
    torch.save({"state_dict": {"a": torch.ones(1)}, "args": Path("x")}, tmp_path / "tiny" / "pytorch_model.bin")
    with pytest.raises(SourceError, match="more than tensors"):
        load(str(tmp_path / "tiny"))


def test_a_probe_is_the_same_after_a_round_trip(tmp_path: Path) -> None:
    model = build("conv-nano", dimension=64, vocabulary=1024, seed=3)
    files = probe_files(model, {"name": "raw/0 ../x", "steps": 5, "recipe": {"name": "nano"}})
    turned = {"recipe": {"name": "nano"}, "steps": 5, "name": "raw/0 ../x"}
    assert files == probe_files(build("conv-nano", dimension=64, vocabulary=1024, seed=3), turned)
    encoder = load(str(_write(tmp_path / "probe", files)))
    assert encoder.slug.startswith("conv-nano.raw-0-x.")
    assert encoder.slug == describe(str(tmp_path / "probe")).slug == as_encoder(model, {"name": "raw/0 ../x"}).slug
    assert (encoder.dimension, encoder.image_size, encoder.card.kind, encoder.scale) == (
        64,
        32,
        "probe",
        pytest.approx(10),
    )
    pixels = np.stack([encoder.preprocess(photo(50, 40)), encoder.preprocess(photo(32, 32))])
    before = as_encoder(model, {"name": "x"})
    assert (encoder.encode_images(pixels) == before.encode_images(pixels)).all()
    assert (encoder.encode_texts(["a red dog", "赤い犬"]) == before.encode_texts(["a red dog", "赤い犬"])).all()
    stored = json.loads(files["probe.json"])
    assert stored["recipe"] == {"name": "nano"}
    assert stored["weights_hash"] == encoder.card.weights_hash


def test_batches_do_not_change_vectors(tmp_path: Path) -> None:
    encoder = load(str(_write(tmp_path, probe_files(build("conv-micro", seed=0), {}))))
    pixels = np.stack([encoder.preprocess(photo(40, 40, seed)) for seed in range(9)])
    whole = encoder.encode_images(pixels)
    parts = np.concatenate([encoder.encode_images(part) for part in np.split(pixels, [1, 4])])
    assert np.abs(whole - parts).max() < 1e-6
    texts = [f"picture {number}" for number in range(300)]
    assert np.abs(encoder.encode_texts(texts)[290:] - encoder.encode_texts(texts[290:])).max() < 1e-6
    assert encoder.encode_images(pixels[:0]).shape == encoder.encode_texts([]).shape == (0, 128)


def test_half_precision_is_near(tmp_path: Path) -> None:
    directory = str(_write(tmp_path, probe_files(build("conv-nano", seed=0), {})))
    pixels = np.stack([load(directory).preprocess(photo(40, 40, seed)) for seed in range(4)])
    full, half = (load(directory, precision=name).encode_images(pixels) for name in ("fp32", "bf16"))
    assert half.dtype == np.float32
    assert (full * half).sum(1).min() > 0.999


def test_broken_rows_are_visible(tmp_path: Path) -> None:
    model = build("conv-nano", seed=0)
    with torch.no_grad():
        model.text.words.weight[number("dog", 4096)] = float("inf")
    encoder = as_encoder(model, {})
    rows = np.isfinite(encoder.encode_texts(["a dog", "a cat"]))
    assert rows.all(1).tolist() == [False, True]
    assert not rows[0].any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2"),
        ({"architecture": "conv-giga"}, "conv-giga"),
        ({"dimension": 64}, "not those of its architecture"),
        ({"dimension": 10**9}, "dimension"),
        ({"vocabulary": "4096"}, "vocabulary"),
        ({"image_size": True}, "image_size"),
        ({"name": None}, "names no probe"),
    ],
)
def test_a_probe_that_does_not_fit(tmp_path: Path, change: dict[str, object], message: str) -> None:
    files = probe_files(build("conv-nano", seed=0), {"name": "p"})
    stored = json.dumps(json.loads(files["probe.json"]) | change).encode()
    with pytest.raises((SourceError, UsageError), match=message):
        load(str(_write(tmp_path, files | {"probe.json": stored})))


def test_other_words(tmp_path: Path) -> None:
    directory = str(_write(tmp_path, probe_files(build("conv-nano", seed=0), {})))
    with pytest.raises(UsageError, match="fp8"):
        load(directory, precision="fp8")
    with pytest.raises(UsageError, match="nowhere"):
        load(directory, device="nowhere")
    with pytest.raises(ValueError, match="images are"):
        load(directory).encode_images(np.zeros((1, 3, 31, 32), np.uint8))
    with pytest.raises(ValueError, match="images are"):
        load(directory).encode_images(np.zeros((1, 3, 32, 32), np.float32))


def test_weights_are_plain_safetensors() -> None:
    files = probe_files(build("conv-nano", seed=0), {})
    weights = safetensors.torch.load(files["weights.safetensors"])
    assert {value.dtype for value in weights.values()} == {torch.float32, torch.int64}
