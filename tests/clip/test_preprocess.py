from __future__ import annotations

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from tests.clip.drawn import photo
from vlcorpus.clip.preprocess import CLIP_MEAN, CLIP_STD, Preprocessing, normalise, prepare, preprocessing
from vlcorpus.errors import SourceError

SIDES = [(480, 640), (641, 333), (64, 64), (40, 51), (65, 64), (300, 1300), (20, 30), (97, 301), (1999, 70), (70, 1601)]


@pytest.mark.parametrize("resize", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_within_two_of_open_clip(resize: str, interpolation: str) -> None:
    how = preprocessing({"resize_mode": resize, "interpolation": interpolation}, 64)
    theirs = open_clip.image_transform(64, is_train=False, resize_mode=resize, interpolation=interpolation)
    for height, width in SIDES:
        rgb = photo(height, width)
        want = theirs(Image.fromarray(rgb)).numpy() * np.array(CLIP_STD)[:, None, None]
        want = np.rint((want + np.array(CLIP_MEAN)[:, None, None]) * 255)
        got = prepare(rgb, how)
        assert got.dtype == np.uint8
        assert got.shape == (3, 64, 64)
        assert got.flags.c_contiguous
        assert np.abs(got - want).max() <= 2, (height, width)


def test_normalised_floats_are_open_clips() -> None:
    rgb = photo(90, 70)
    theirs = open_clip.image_transform(64, is_train=False)(Image.fromarray(rgb))
    ours = normalise(torch.from_numpy(prepare(rgb, Preprocessing(size=64)))[None], Preprocessing(size=64))[0]
    assert (ours - theirs).abs().max() <= 2 / 255 / min(CLIP_STD) + 1e-5


def test_bars_have_the_colour_asked_for() -> None:
    square = prepare(
        np.full((10, 40, 3), 200, np.uint8), preprocessing({"resize_mode": "longest", "fill_color": 7}, 32)
    )
    assert (square[:, :12] == 7).all() and (square[:, -12:] == 7).all()
    assert (square[:, 12:20] == 200).all()


def test_a_strip_stays_small() -> None:
    strip = np.zeros((1, 200_000, 3), np.uint8)
    strip[:, 100_000:] = 255
    square = prepare(strip, Preprocessing(size=64))
    assert square.shape == (3, 64, 64)
    assert square[:, :, :5].max() < 30 and square[:, :, -5:].min() > 225


def test_arrays_of_every_layout() -> None:
    rgb = photo(60, 80)
    want = prepare(rgb, Preprocessing(size=32))
    locked = rgb.copy()
    locked.flags.writeable = False
    for same in (locked, np.asfortranarray(rgb), rgb[::-1].copy()[::-1]):
        assert (prepare(same, Preprocessing(size=32)) == want).all()


@pytest.mark.parametrize(
    "bad",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_what_is_no_image(bad: np.ndarray) -> None:
    with pytest.raises(ValueError):
        prepare(bad, Preprocessing(size=8))


@pytest.mark.parametrize(
    "settings",
    [
        {"interpolation": "lanczos"},
        {"resize_mode": "stretch"},
        {"mean": [0.5, 0.5]},
        {"std": [1, 0, 1]},
        {"fill_color": 300},
    ],
)
def test_settings_that_cannot_be_followed(settings: dict[str, object]) -> None:
    with pytest.raises(SourceError):
        preprocessing(settings, 32)
