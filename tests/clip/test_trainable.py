"""Models to train: what is built, what training leaves alone, and what is saved of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from tests.clip.checkpoints import WORDS, write_tokenizer
from tests.clip.drawn import photo, tiny_directory
from vlcorpus.clip import trainable
from vlcorpus.clip.model import load
from vlcorpus.clip.trainable import Built
from vlcorpus.errors import SourceError, UsageError

TEXTS = ["a dog", "", "two dogs and a cat on a red sofa, photo", "dogs " * 40]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def _pixels(built: Built) -> torch.Tensor:
    rgb = [photo(120, 90), photo(48, 48), photo(60, 200), photo(33, 70)]
    return torch.from_numpy(np.stack([built.preprocess(each) for each in rgb]))


def _tokens(built: Built, texts: list[str] = TEXTS) -> torch.Tensor:
    return torch.from_numpy(built.tokenize(texts)).long()


def _trained(built: Built, steps: int = 3) -> None:
    """A few steps of the symmetric loss over four pairs."""
    model = built.model.train()
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=1e-2)
    pixels, tokens = _pixels(built), _tokens(built)
    for _ in range(steps):
        cosine = model.encode_image(pixels) @ model.encode_text(tokens).T
        loss = torch.nn.functional.cross_entropy(model.logit_scale.exp() * cosine, torch.arange(len(TEXTS)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()


def _saved(built: Built, folder: Path) -> Path:
    folder.mkdir()
    for name, body in built.files({"name": "raw", "seed": 0}).items():
        (folder / name).write_bytes(body)
    return folder


def _vectors(built: Built) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.inference_mode():
        return built.model.encode_image(_pixels(built)), built.model.encode_text(_tokens(built))


@pytest.mark.parametrize("name", ["conv-nano", "vit-nano"])
def test_weights_hang_on_the_seed_alone(name: str) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one, same, other = (trainable.build(name, seed=seed).model.state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", ["conv-nano", "vit-nano"])
def test_what_is_saved_gives_the_trained_vectors(name: str, tmp_path: Path) -> None:
    built = trainable.build(name, seed=0)
    _trained(built)
    images, texts = _vectors(built)
    encoder = load(str(_saved(built, tmp_path / "seed-0")))
    assert encoder.slug.startswith(f"{name}.raw.")
    assert np.allclose(encoder.encode_images(_pixels(built).numpy()), images.numpy(), atol=1e-6)
    assert np.allclose(encoder.encode_texts(TEXTS), texts.numpy(), atol=1e-6)
    assert encoder.scale == pytest.approx(float(built.model.logit_scale.detach().exp()))


def test_open_clip_loads_a_vit_probe(tmp_path: Path) -> None:
    built = trainable.build("vit-nano", seed=0)
    _trained(built)
    folder = _saved(built, tmp_path / "seed-0")
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS)
    images, texts = _vectors(built)
    model.eval()
    with torch.inference_mode():
        plain = torch.stack([transform(_picture(each)) for each in _pixels(built)])
        assert np.allclose(model.encode_image(plain, normalize=True), images, atol=1e-6)
        assert np.allclose(model.encode_text(tokens, normalize=True), texts, atol=1e-6)
    assert sorted(path.name for path in folder.iterdir()) == [
        "open_clip_config.json", "open_clip_model.safetensors", "probe.json",
    ]  # fmt: skip


def _picture(pixels: torch.Tensor):  # type: ignore[no-untyped-def]
    from PIL import Image

    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


@pytest.mark.parametrize("change", [{}, {"no_causal_mask": True}, {"pool_type": "last"}])
def test_texts_cut_behind_the_longest_give_the_whole_ones_vectors(change: dict[str, object], tmp_path: Path) -> None:
    text = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2} | change
    whole = tiny_directory(tmp_path / "tiny", text_cfg=text).eval()
    built = trainable.build(None, seed=0, start=f"local-dir:{tmp_path / 'tiny'}")
    tokens = _tokens(built, TEXTS[:3])
    with torch.inference_mode():
        want = whole.encode_text(tokens, normalize=True)
        longest = int((tokens != 0).sum(1).max())
        assert longest < 16
        for length in (16, longest):
            assert np.allclose(built.model.encode_text(tokens[:, :length]), want, atol=1e-6)


def test_gradients_of_cut_texts_are_those_of_whole_ones(tmp_path: Path) -> None:
    whole = tiny_directory(tmp_path / "tiny").train()
    built = trainable.build(None, seed=0, start=f"local-dir:{tmp_path / 'tiny'}")
    tokens = _tokens(built, TEXTS[:3])
    direction = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    (whole.encode_text(tokens, normalize=True) * direction).sum().backward()
    (built.model.train().encode_text(tokens) * direction).sum().backward()
    got = dict(built.model.clip.named_parameters())  # type: ignore[union-attr]
    for name, weight in whole.named_parameters():
        if weight.grad is not None:
            assert torch.allclose(got[name].grad, weight.grad, rtol=1e-4, atol=1e-4), name


def test_lora_leaves_the_weights_alone_and_merges(tmp_path: Path) -> None:
    pytest.importorskip("peft")
    tiny_directory(tmp_path / "tiny")
    reference = f"local-dir:{tmp_path / 'tiny'}"
    base = trainable.build(None, seed=0, start=reference)
    before = {name: value.clone() for name, value in base.model.clip.state_dict().items()}  # type: ignore[union-attr]
    built = trainable.build(None, seed=0, start=reference, lora_rank=4)
    assert all(torch.equal(one, two) for one, two in zip(_vectors(base), _vectors(built), strict=True))
    learnt = [name for name, weight in built.model.named_parameters() if weight.requires_grad]
    assert learnt and all("lora_" in name for name in learnt)
    _trained(built)
    held = {name.replace(".base_layer", ""): value for name, value in built.model.clip.state_dict().items()}  # type: ignore[union-attr]
    for name, value in before.items():
        assert torch.equal(held[name], value), name
    images, texts = _vectors(built)
    assert float((images - _vectors(base)[0]).abs().max()) > 1e-3
    folder = _saved(built, tmp_path / "merged")
    encoder = load(str(folder))
    assert np.abs(encoder.encode_images(_pixels(built).numpy()) - images.numpy()).max() < 2e-6
    assert np.abs(encoder.encode_texts(TEXTS) - texts.numpy()).max() < 2e-6
    plain = open_clip.create_model(f"local-dir:{folder}")
    assert set(plain.state_dict()) == set(before)
    images_again = _vectors(built)[0]  # saving merged a copy
    assert torch.equal(images_again, images)


def test_patches_are_left_out_in_training_only() -> None:
    model = trainable.build("vit-nano", seed=0, patch_dropout=0.5).model
    pixels = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    seen: list[int] = []
    model.clip.visual.ln_pre.register_forward_hook(lambda *said: seen.append(said[2].shape[1]))  # type: ignore[union-attr]
    model.train()
    model.encode_image(pixels)  # type: ignore[operator]
    model.patch_dropout(0.0)  # type: ignore[operator]
    model.encode_image(pixels)  # type: ignore[operator]
    model.patch_dropout(0.75)  # type: ignore[operator]
    model.eval()
    model.encode_image(pixels)  # type: ignore[operator]
    assert seen == [9, 17, 17]


def test_any_configuration_of_open_clip_can_be_trained_and_saved(tmp_path: Path) -> None:
    """A tower of timm's, a text tower that sees both ways, SigLIP's bias, which open_clip adds by name."""
    config = {
        "embed_dim": 32,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {"timm_model_name": "test_vit", "timm_pool": "token", "timm_proj": "linear", "image_size": 160},
        "text_cfg": {
            "context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1, "no_causal_mask": True,
            "pool_type": "last",
        },
    }  # fmt: skip
    (tmp_path / "odd-one.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path)
    with pytest.raises(UsageError, match="pictures of 160"):
        trainable.build("odd-one", seed=0, image_size=64)
    built = trainable.build("odd-one", seed=0, patch_dropout=0.5)
    model = built.model
    seen: list[int] = []
    trunk = model.clip.visual.trunk  # type: ignore[union-attr]
    trunk.blocks.register_forward_hook(lambda *said: seen.append(said[2].shape[1]))  # type: ignore[union-attr]
    _trained(built, 1)
    assert built.image_size == 160 and seen == [51]
    images, texts = _vectors(built)
    assert seen == [51, 101]
    folder = _saved(built, tmp_path / "seed-0")
    encoder = load(str(folder))
    assert np.allclose(encoder.encode_images(_pixels(built).numpy()), images.numpy(), atol=1e-6)
    assert np.allclose(encoder.encode_texts(TEXTS), texts.numpy(), atol=1e-6)
    again = open_clip.create_model(f"local-dir:{folder}")
    assert torch.equal(again.logit_bias, model.clip.logit_bias)  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="no attention"):
        trainable.build(None, seed=0, start=str(folder), lora_rank=4)


def test_a_tokenizer_of_transformers_is_saved_too(tmp_path: Path) -> None:
    text = {"context_length": 12, "vocab_size": 64, "width": 32, "heads": 2, "layers": 1, "no_causal_mask": True}
    tiny_directory(tmp_path / "tiny", text_cfg=text | {"hf_tokenizer_name": "org/words", "pool_type": "last"})
    write_tokenizer(tmp_path / "tiny")
    built = trainable.build(None, seed=0, start=f"local-dir:{tmp_path / 'tiny'}")
    assert built.tokenize(["a dog"]).tolist() == [[1, 4, 5, 2, *[0] * 8]]
    encoder = load(str(_saved(built, tmp_path / "probe")))
    assert np.allclose(encoder.encode_texts(["a red dog", ""]), built.model.encode_text(  # type: ignore[operator]
        _tokens(built, ["a red dog", ""])).detach(), atol=1e-6)  # fmt: skip
    write_tokenizer(tmp_path / "tiny", words=[*WORDS, "more"])
    assert trainable.build(None, seed=0, start=f"local-dir:{tmp_path / 'tiny'}").tokenizer_key != built.tokenizer_key


def test_a_start_goes_on_from_its_weights(tmp_path: Path) -> None:
    small = trainable.build("conv-nano", seed=5)
    _trained(small)
    folder = _saved(small, tmp_path / "small")
    again = trainable.build(None, seed=0, start=str(folder))
    assert all(torch.equal(one, two) for one, two in zip(_vectors(small), _vectors(again), strict=True))
    with pytest.raises(UsageError, match="no attention"):
        trainable.build(None, seed=0, start=str(folder), lora_rank=4)
    with pytest.raises(UsageError, match="pictures of 32"):
        trainable.build(None, seed=0, start=str(folder), image_size=64)
    with pytest.raises(UsageError, match="two models"):
        trainable.build(None, seed=0, start=f"image={folder},text={folder}")


def test_words_that_do_not_go_together() -> None:
    for words in ({}, {"architecture": "conv-nano", "start": "x"}, {"architecture": "conv-nano", "lora_rank": 4}):
        with pytest.raises(UsageError):
            trainable.build(words.pop("architecture", None), seed=0, **words)  # type: ignore[arg-type]
    with pytest.raises(UsageError) as told:
        trainable.build("vit-nan", seed=0)
    assert "vit-nano" in str(told.value.hint)
    with pytest.raises(UsageError, match="patches"):
        trainable.build("RN50", seed=0, patch_dropout=0.5)


def test_a_probe_that_says_it_is_open_clips_and_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "probe.json").write_text(json.dumps({"kind": "open_clip", "name": "x", "architecture": "y", "format": 1}))
    with pytest.raises(SourceError):
        load(str(folder))


def test_keys_name_pixels_and_tokens() -> None:
    nano, micro, vit = (trainable.build(name, seed=0) for name in ("conv-nano", "conv-micro", "vit-nano"))
    assert nano.preprocessing_key == micro.preprocessing_key == vit.preprocessing_key  # floats come later
    assert nano.tokenizer_key == micro.tokenizer_key != vit.tokenizer_key
    assert trainable.build("conv-nano", seed=0, image_size=48).preprocessing_key != nano.preprocessing_key


@pytest.mark.parametrize("name", ["conv-nano", "vit-nano"])
def test_small_towers_have_the_dimension_that_is_asked_for(name: str) -> None:
    built = trainable.build(name, seed=0, dimension=24)
    assert [each.shape for each in _vectors(built)] == [(4, 24), (4, 24)]
