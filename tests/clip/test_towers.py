from __future__ import annotations

import pytest
import torch

from vlcorpus.clip.towers import build
from vlcorpus.errors import UsageError


@pytest.mark.parametrize(("architecture", "parameters"), [("conv-nano", 677_281), ("conv-micro", 902_209)])
def test_shapes_and_unit_rows(architecture: str, parameters: int) -> None:
    model = build(architecture, seed=0).eval()
    assert sum(weight.numel() for weight in model.parameters()) == parameters
    image_ND = model.encode_image(torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8))
    text_ND = model.encode_text(torch.tensor([[5, 6, 0], [7, 0, 0], [0, 0, 0]], dtype=torch.int16))
    for rows in (image_ND, text_ND):
        assert rows.shape == (3, 128)
        assert rows.dtype == torch.float32
    assert torch.allclose(image_ND.norm(dim=1), torch.ones(3), atol=1e-6)
    assert torch.allclose(text_ND[:2].norm(dim=1), torch.ones(2), atol=1e-6)


def test_bytes_and_floats_mean_the_same() -> None:
    model = build("conv-nano", dimension=32, seed=0).eval()
    image = torch.randint(0, 256, (4, 3, 48, 40), dtype=torch.uint8)
    assert torch.allclose(model.encode_image(image), model.encode_image(image.float() / 255), atol=1e-6)


def test_padding_does_not_count_and_order_does_not_either() -> None:
    model = build("conv-nano", seed=0).eval()
    first, padded, turned = (
        model.encode_text(torch.tensor([row])) for row in ([5, 9], [5, 9, 0, 0, 0], [9, 5])
    )  # fmt: skip
    assert torch.allclose(first, padded, atol=1e-6)
    assert torch.allclose(first, turned, atol=1e-6)


def test_the_seed_alone_makes_the_weights() -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = build("conv-nano", seed=7).state_dict()
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    same, other = build("conv-nano", seed=7).state_dict(), build("conv-nano", seed=8).state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["image.layers.0.weight"], other["image.layers.0.weight"])


def test_unknown_words() -> None:
    with pytest.raises(UsageError) as caught:
        build("conv-nanu", seed=0)
    assert caught.value.hint == "did you mean 'conv-nano'?"
    for name, value in (("dimension", 10**9), ("image_size", 1), ("vocabulary", 10**9)):
        with pytest.raises(UsageError, match=name):
            build("conv-nano", seed=0, **{name: value})
