"""Towers computed where something hangs on it, compared with open_clip's own."""

from __future__ import annotations

from typing import Any

import open_clip
import pytest
import torch
from open_clip.transformer import Transformer
from torch import Tensor

from vlcorpus.clip import blocks

VISION: dict[str, Any] = {"image_size": 32, "layers": 3, "width": 32, "patch_size": 8, "head_width": 16}
TEXT: dict[str, Any] = {"context_length": 12, "vocab_size": 64, "width": 32, "heads": 2, "layers": 3}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def model(vision: dict[str, Any] | None = None, text: dict[str, Any] | None = None, **more: Any) -> Any:
    kind = open_clip.model.CustomTextCLIP if more.pop("custom", False) else open_clip.model.CLIP
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = kind(16, VISION | (vision or {}), TEXT | (text or {}), **more)
        for weight in made.parameters():  # biases and norms of zeros and ones hide what is left out
            weight.data.add_(torch.randn_like(weight) * 0.05)
    return made.eval()


def pixels() -> Tensor:
    return torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def tokens(end: int = 63) -> Tensor:
    made = torch.randint(3, 60, (5, 12), generator=torch.Generator().manual_seed(2))
    for row, length in enumerate((1, 4, 7, 10, 2)):
        made[row, length] = end
        made[row, length + 1 :] = 0
    return made


def slopes(clip: Any, vectors: Tensor) -> dict[str, Tensor]:
    clip.zero_grad(set_to_none=True)
    direction = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(3))
    (vectors.float() * direction).sum().backward()
    return {name: weight.grad.clone() for name, weight in clip.named_parameters() if weight.grad is not None}


def assert_same(clip: Any, theirs: Tensor, ours: Tensor) -> None:
    assert torch.allclose(ours, theirs, atol=2e-6, rtol=1e-5)
    wanted, found = slopes(clip, theirs), slopes(clip, ours)
    assert wanted.keys() == found.keys()
    for name, slope in wanted.items():
        assert torch.allclose(found[name], slope, rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize(
    ("vision", "more"),
    [
        ({}, {}),
        ({"layers": 1}, {"quick_gelu": True}),
        ({"ls_init_value": 0.1, "no_ln_pre": True}, {}),
        ({"final_ln_after_pool": True, "pos_embed_type": "sin_cos_2d"}, {}),
    ],
)
def test_images_and_their_gradients_are_open_clips(vision: dict[str, Any], more: dict[str, Any]) -> None:
    clip = model(vision, **more)
    assert blocks.sees(clip)
    assert_same(clip, clip.encode_image(pixels()), blocks.picture(clip.visual, pixels()))


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ({}, {}),
        ({"layers": 1}, {"quick_gelu": True}),
        ({"proj_type": "none", "width": 16}, {}),
        ({"pool_type": "eos", "eos_id": 2}, {"custom": True}),
        ({"ls_init_value": 0.1, "proj_bias": True}, {"custom": True}),
    ],
)
def test_texts_and_their_gradients_are_open_clips(text: dict[str, Any], more: dict[str, Any]) -> None:
    clip = model(None, text, **more)
    assert blocks.reads(clip)
    given = tokens(text.get("eos_id", 63))
    assert_same(clip, clip.encode_text(given), blocks.words(clip, given))


def test_a_compiled_step_takes_texts_of_one_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = model()
    packed = blocks.words(clip, tokens())
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert_same(clip, packed, blocks.words(clip, tokens()))


def test_a_text_cut_behind_its_end_and_one_without_an_end() -> None:
    clip = model()
    given = torch.cat([tokens(), torch.zeros(1, 12, dtype=torch.long)])
    want = clip.encode_text(given)
    assert torch.allclose(blocks.words(clip, given), want, atol=2e-6)
    assert torch.allclose(blocks.words(clip, given[:, :11]), want, atol=2e-6)


def test_half_precision_is_as_near_as_open_clips() -> None:
    clip = model()
    exact = torch.cat([clip.encode_image(pixels()), clip.encode_text(tokens())])
    with torch.autocast("cpu", torch.bfloat16):
        theirs = torch.cat([clip.encode_image(pixels()), clip.encode_text(tokens())]).float()
        ours = torch.cat([blocks.picture(clip.visual, pixels()), blocks.words(clip, tokens())]).float()
    assert (ours - exact).abs().max() < 2 * (theirs - exact).abs().max()


@pytest.mark.parametrize(
    ("vision", "text"),
    [
        ({"pool_type": "avg"}, {"no_causal_mask": True}),
        ({"attentional_pool": True}, {"pool_type": "last"}),
        ({"qk_norm": True}, {"embed_cls": True}),
    ],
)
def test_towers_of_another_make_are_left_to_open_clip(vision: dict[str, Any], text: dict[str, Any]) -> None:
    block = {"block_type": "custom"} if "qk_norm" in vision else {}
    clip = model(vision | block, text, custom=True)
    assert not blocks.sees(clip) and not blocks.reads(clip)


def test_a_tower_that_gives_other_vectors_is_left_to_open_clip() -> None:
    class Later(Transformer):
        """What a later open_clip might put before its pooling."""

        def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
            rows: Tensor = super().forward(x, attn_mask=attn_mask)
            return rows + rows.mean(1, keepdim=True)

    clip = model()
    clip.visual.transformer.__class__ = clip.transformer.__class__ = Later
    assert not blocks.sees(clip) and not blocks.reads(clip)
