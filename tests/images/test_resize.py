from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.images.drawn import photo
from vlcorpus.errors import UsageError
from vlcorpus.images.resize import MODES, resize, scaled_size

# (width, height): {mode: (width, height) at size 256}; the sizes that img2dataset 1.47 gives.
SIZES = {
    (600, 300): {
        "no": (600, 300),
        "keep_ratio": (512, 256),
        "keep_ratio_largest": (256, 128),
        "center_crop": (256, 256),
        "border": (256, 256),
    },
    (333, 517): {
        "no": (333, 517),
        "keep_ratio": (256, 397),
        "keep_ratio_largest": (165, 256),
        "center_crop": (256, 256),
        "border": (256, 256),
    },
    (1000, 3): {
        "no": (1000, 3),
        "keep_ratio": (85333, 256),
        "keep_ratio_largest": (256, 1),
        "center_crop": (256, 256),
        "border": (256, 256),
    },
    (100, 60): {
        "no": (100, 60),
        "keep_ratio": (427, 256),
        "keep_ratio_largest": (256, 154),
        "center_crop": (256, 256),
        "border": (256, 256),
    },
}


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def gold(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    """Lanczos in floats, plane by plane."""
    planes = [Image.fromarray(rgb[..., plane].astype(np.float32)) for plane in range(3)]
    return np.stack([plane.resize((width, height), Image.Resampling.LANCZOS) for plane in planes], -1).clip(0, 255)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES)
def test_sizes(size: tuple[int, int], mode: str) -> None:
    rgb = np.zeros((size[1], size[0], 3), np.uint8)
    if SIZES[size][mode][0] < 10_000:
        small = resize(rgb, size=256, mode=mode, only_if_bigger=False)
        assert small.shape == (*SIZES[size][mode][::-1], 3)
        assert small.dtype == np.uint8 and small.flags.c_contiguous
    if mode in ("no", "keep_ratio", "keep_ratio_largest"):
        assert (scaled_size(*size, size=256, mode=mode, only_if_bigger=False) or size) == SIZES[size][mode]


@pytest.mark.parametrize("mode", MODES)
def test_a_small_picture_is_left_alone(mode: str) -> None:
    rgb = photo(1, 100, 60)
    assert resize(rgb, size=256, mode=mode) is rgb
    assert (resize(rgb, size=80, mode=mode) is rgb) == (mode in ("no", "keep_ratio", "center_crop"))


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (2, 3000), (257, 256)])
def test_odd_shapes(shape: tuple[int, int]) -> None:
    rgb = np.full((*shape, 3), 77, np.uint8)
    small = resize(rgb, size=256)
    assert max(small.shape) <= 256 and (small == 77).all()


@pytest.mark.parametrize("size", [400, 300, 240, 200, 185, 150, 120, 90, 70, 40])
def test_it_is_close_to_lanczos_and_closer_than_area(size: int) -> None:
    ours, area = [], []
    for seed in range(6):
        rgb = photo(seed, 480, 361)
        width, height = scaled_size(480, 361, size=size, mode="keep_ratio_largest") or (0, 0)
        expected = gold(rgb, width, height)
        ours.append(psnr(resize(rgb, size=size), expected))
        area.append(psnr(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), expected))
    assert np.median(ours) >= 36
    assert np.median(ours) >= np.median(area) - 0.4


def test_the_middle_is_cropped() -> None:
    rgb = np.zeros((90, 300, 3), np.uint8)
    rgb[:, 105:195] = 200
    square = resize(rgb, size=45, mode="center_crop")
    assert square.shape == (45, 45, 3) and (square[:, 2:-2] == 200).all()


@pytest.mark.parametrize("mode", ["center_crop", "border", "keep_ratio"])
def test_what_is_done_between_scaling_and_cropping_sees_the_whole(mode: str) -> None:
    rgb = photo(7, 300, 120)
    seen = []

    def inverted(pixels: np.ndarray) -> np.ndarray:
        seen.append(pixels.shape)
        return 255 - pixels

    turned = resize(rgb, size=50, mode=mode, scaled=inverted, background=(255, 255, 255))
    plain = resize(rgb, size=50, mode=mode, background=(0, 0, 0))
    assert seen == [(20, 50, 3) if mode == "border" else (50, 125, 3)]
    assert np.abs(turned.astype(int) - (255 - plain)).max() <= 4
    small = photo(8, 40, 30)
    assert np.array_equal(resize(small, size=50, mode=mode, scaled=inverted), 255 - small)


def test_the_border_is_even_and_of_the_background() -> None:
    square = resize(np.zeros((100, 200, 3), np.uint8), size=50, mode="border", background=(9, 8, 7))
    assert (square[:12] == (9, 8, 7)).all() and (square[12:37] == 0).all() and (square[37:] == (9, 8, 7)).all()


def test_a_picture_does_not_shift() -> None:
    rgb = photo(5, 512, 384)
    mirrored = np.ascontiguousarray(rgb[::-1, ::-1])
    for size in (300, 100):
        turned = resize(mirrored, size=size)[::-1, ::-1]
        assert np.abs(resize(rgb, size=size).astype(int) - turned).max() <= 2


def test_unknown_words_are_named() -> None:
    with pytest.raises(UsageError, match="keep_ration"):
        resize(photo(1), size=10, mode="keep_ration")  # type: ignore[arg-type]
