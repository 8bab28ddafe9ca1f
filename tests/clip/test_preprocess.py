from __future__ import annotations

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from tests.clip.drawn import photo
from vlcorpus.clip.preprocess import CLIP_MEAN, CLIP_STD, Preprocessing, normalise, prepare, prepare_into, preprocessing
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


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_stored_shards_are_within_two_of_open_clip(interpolation: str) -> None:
    """What `download --image-size 256` leaves, for a tower of 224 pixels."""
    theirs = open_clip.image_transform(224, is_train=False, interpolation=interpolation)
    how = preprocessing({"interpolation": interpolation}, 224)
    std, mean = np.array(CLIP_STD)[:, None, None], np.array(CLIP_MEAN)[:, None, None]
    for height, width in (
        (256, 256),
        (256, 341),
        (341, 256),
        (256, 455),
        (384, 256),
        (256, 257),
        (512, 384),
        (224, 300),
    ):
        for rgb in (photo(height, width), np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)):
            want = np.rint((theirs(Image.fromarray(rgb)).numpy() * std + mean) * 255)
            assert np.abs(prepare(rgb, how) - want).max() <= 2, (height, width)


def test_into_a_row_of_a_batch_and_with_blue_first() -> None:
    batch = np.full((3, 3, 32, 32), 9, np.uint8)
    for resize in ("shortest", "longest", "squash"):
        how = preprocessing({"resize_mode": resize}, 32)
        for height, width in ((60, 80), (32, 32), (33, 32), (20, 90)):
            rgb = photo(height, width)
            prepare_into(rgb, how, batch[1])
            assert (batch[1] == prepare(rgb, how)).all() and (batch[0] == 9).all() and (batch[2] == 9).all()
            prepare_into(np.ascontiguousarray(rgb[..., ::-1]), how, batch[1], bgr=True)
            assert (batch[1] == prepare(rgb, how)).all()


def test_where_an_odd_pixel_is_cut() -> None:
    """torchvision cuts 1.5 as 2 and 0.5 as 0; transformers cuts 1 and 0."""
    rgb = np.arange(4 * 7, dtype=np.uint8).reshape(4, 7, 1).repeat(3, 2)
    near, down = preprocessing({}, 4), preprocessing({}, 4, crop="down")
    assert prepare(rgb, near)[0, 0, 0] == 2 and prepare(rgb, down)[0, 0, 0] == 1
    assert (prepare(rgb[:, :5], near) == prepare(rgb[:, :5], down)).all()
    assert "crop" not in near.as_dict() and down.as_dict()["crop"] == "down"
