from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.clip.drawn import photo
from vlcorpus.clip import stream
from vlcorpus.clip.encoder import Encoder
from vlcorpus.clip.model import as_encoder, load_copies, places, probe_files
from vlcorpus.clip.towers import build
from vlcorpus.errors import UsageError

PHOTOS = [photo(40 + number % 3, 44, number) for number in range(23)]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return as_encoder(build("conv-nano", seed=0), {})


def streamed(encoders: list[Encoder], size: int, loaders: int, *, mirrored: bool = False) -> np.ndarray:
    waits = stream.Waits()

    def fill(rgb: np.ndarray, square: np.ndarray) -> None:
        encoders[0].preprocess_into(rgb[..., ::-1].copy(), square)

    rows = stream.images(PHOTOS, fill, encoders, batch_size=size, loaders=loaders, waits=waits, mirrored=mirrored)
    found = np.concatenate(list(rows))
    assert waits.images == len(PHOTOS) and waits.device >= 0 and waits.loader >= 0
    assert waits.bound == ("loader" if waits.device > waits.loader else "device")
    return found


def test_threads_and_devices_change_no_bit(encoder: Encoder) -> None:
    for size in (1, 5, 64):
        pixels = np.stack([encoder.preprocess(rgb) for rgb in PHOTOS])
        want = np.concatenate([encoder.encode_images(pixels[at : at + size]) for at in range(0, len(pixels), size)])
        for lanes in (1, 2, 3):
            for loaders in (1, 4):
                assert (streamed([encoder] * lanes, size, loaders) == want).all(), (size, lanes, loaders)


def test_batches_change_vectors_by_rounding_only(encoder: Encoder) -> None:
    alone = streamed([encoder], 1, 1)
    for size in (2, 7, 23, 100):
        assert np.abs(streamed([encoder], size, 2) - alone).max() < 1e-6
        assert np.abs((streamed([encoder], size, 2) * alone).sum(1) - 1).max() < 1e-6


def test_mirrored_is_left_for_right(encoder: Encoder) -> None:
    turned = np.stack([np.ascontiguousarray(encoder.preprocess(rgb)[..., ::-1]) for rgb in PHOTOS])
    assert (streamed([encoder], 64, 2, mirrored=True) == encoder.encode_images(turned)).all()
    assert not np.allclose(streamed([encoder], 64, 2), encoder.encode_images(turned), atol=1e-3)


@pytest.mark.parametrize("lanes", [1, 2])
def test_texts_are_encoded_once_each(encoder: Encoder, lanes: int) -> None:
    captions = [f"picture {number % 700}" for number in range(1_000)]
    with stream.Texts(captions, [encoder] * lanes) as texts:
        rows = texts.rows()
    assert (rows == encoder.encode_texts(captions[:700])[[number % 700 for number in range(1_000)]]).all()
    with stream.Texts([], [encoder]) as texts:
        assert texts.rows().shape == (0, 128)


def test_an_error_ends_the_stream(encoder: Encoder) -> None:
    def fill(rgb: np.ndarray, square: np.ndarray) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(stream.images(PHOTOS, fill, [encoder], batch_size=4, loaders=2, waits=stream.Waits()))


def test_threads_are_as_before() -> None:
    before = torch.get_num_threads()
    with stream.compute_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_devices_by_name(tmp_path: Path) -> None:
    assert places("cpu, cpu") == [torch.device("cpu")] * 2
    for names, message in (("cpu,meta", "several kinds"), ("meta,meta", "twice"), ("cpu,", "cannot be used")):
        with pytest.raises(UsageError, match=message):
            places(names)
    for name, content in probe_files(build("conv-nano", seed=0), {}).items():
        (tmp_path / name).write_bytes(content)
    one, two = load_copies(str(tmp_path), "cpu,cpu")
    assert one.slug == two.slug and one.encode_texts(["a dog"]).tolist() == two.encode_texts(["a dog"]).tolist()
