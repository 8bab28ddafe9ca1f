"""Low-rank changes: what they compute, what they leave alone, what is merged."""

from __future__ import annotations

import sys
from typing import Any

import open_clip
import pytest
import torch
from torch import Tensor
from torch.nn import functional

pytest.importorskip("peft")

from vlcorpus.clip import blocks, lora
from vlcorpus.errors import SourceError, UsageError

VISION: dict[str, Any] = {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8, "head_width": 16}
TEXT: dict[str, Any] = {"context_length": 12, "vocab_size": 64, "width": 32, "heads": 2, "layers": 2}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def model(**vision: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return open_clip.model.CLIP(16, VISION | vision, TEXT).eval()


def changed(clip: Any) -> Any:
    """With adapters that are not nothing."""
    found = lora.adapt(clip, 3, 0)
    generator = torch.Generator().manual_seed(4)
    for name, weight in found.named_parameters():
        if "lora_B" in name:
            weight.data.normal_(0, 0.2, generator=generator)
    return found


def given() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, 60, (3, 12), generator=generator)
    tokens[:, 5] = 63
    tokens[:, 6:] = 0
    return torch.randn(3, 3, 32, 32, generator=generator), tokens


def test_each_change_is_b_times_a_times_the_scale_once() -> None:
    before = model().state_dict()
    clip = changed(model())
    after = lora.merged(clip)
    assert after.keys() == before.keys()
    layers = {_plain(name): value for name, value in clip.state_dict().items()}
    moved = 0
    for name, value in before.items():
        place, _, last = name.rpartition(".")
        if f"{place}.lora_A.default.weight" not in layers or last not in ("weight", "in_proj_weight"):
            assert torch.equal(after[name], value), name
            continue
        moved += 1
        a, b = (layers[f"{place}.lora_{letter}.default.weight"] for letter in "AB")
        torch.testing.assert_close(after[name], value + 2 * (b @ a))
    assert moved == 4 * 4  # four matrices in each of four blocks


def _plain(name: str) -> str:
    return name.replace(".base_layer", "")


@pytest.mark.parametrize("vision", [{}, {"pool_type": "avg"}])
def test_vectors_are_those_of_the_merged_model(vision: dict[str, Any]) -> None:
    clip = changed(model(**vision))
    plain = model(**vision)
    plain.load_state_dict(lora.merged(clip))
    pixels, tokens = given()
    with torch.no_grad():
        for found, wanted in (
            (clip.encode_image(pixels), plain.encode_image(pixels)),
            (clip.encode_text(tokens), plain.encode_text(tokens)),
            (blocks.words(clip, tokens), plain.encode_text(tokens)),
        ):
            distance = functional.normalize(found, dim=1) - functional.normalize(wanted, dim=1)
            assert distance.abs().max() < 2e-6
        assert (plain.encode_image(pixels) - model(**vision).encode_image(pixels)).abs().max() > 1e-3


@pytest.mark.parametrize("way", ["open_clip's", "ours"])
def test_gradients_are_slopes(way: str) -> None:
    clip = changed(model()).double()
    pixels, tokens = given()
    pixels = pixels.double()

    def value() -> Tensor:
        if way == "ours":
            return blocks.picture(clip.visual, pixels).sum() + blocks.words(clip, tokens).sum()
        return clip.encode_image(pixels).sum() + clip.encode_text(tokens).sum()

    value().backward()  # type: ignore[no-untyped-call]
    learnt = {name: weight for name, weight in clip.named_parameters() if weight.requires_grad}
    assert learnt and all(".lora_" in name for name in learnt)
    for name, weight in learnt.items():
        if "resblocks.1" not in name:
            continue
        with torch.no_grad():
            weight[0, 1] += 1e-6
            above = value()
            weight[0, 1] -= 2e-6
            slope = (above - value()) / 2e-6
            weight[0, 1] += 1e-6
        assert weight.grad is not None
        torch.testing.assert_close(weight.grad[0, 1], slope, rtol=1e-5, atol=1e-6, msg=name)


def test_training_leaves_every_other_weight_to_the_bit() -> None:
    before = {name: value.clone() for name, value in model().state_dict().items()}
    clip = changed(model()).train()
    pixels, tokens = given()
    optimizer = torch.optim.AdamW([each for each in clip.parameters() if each.requires_grad], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        (clip.encode_image(pixels) * blocks.words(clip, tokens)).sum().backward()
        optimizer.step()
    held = {_plain(name): value for name, value in clip.state_dict().items() if ".lora_" not in name}
    assert held.keys() == before.keys()
    assert all(torch.equal(held[name], value) for name, value in before.items())


def test_the_seed_alone_draws_the_layers() -> None:
    state = torch.get_rng_state()
    one, same, other = (lora.adapt(model(), 2, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_what_cannot_be_changed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no attention"):
        lora.adapt(torch.nn.Sequential(torch.nn.Linear(2, 2)), 2, 0)
    with pytest.raises(UsageError, match="no attention"):
        lora.adapt(model(block_type="custom", qk_norm=True), 2, 0)
    with pytest.raises(UsageError, match="rank"):
        lora.adapt(model(), 0, 0)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(SourceError) as told:
        lora.adapt(model(), 2, 0)
    assert told.value.hint == "pip install 'vlcorpus[lora]'"
