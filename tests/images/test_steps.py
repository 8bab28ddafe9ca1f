from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.images.drawn import photo, saved
from vlcorpus.images.steps import Window, reduce

WHOLE = photo(3, 640, 481)


def gold(rgb: np.ndarray, width: int, height: int) -> np.ndarray:
    """Lanczos in floats, plane by plane."""
    planes = [Image.fromarray(rgb[..., plane].astype(np.float32)) for plane in range(3)]
    return np.stack([plane.resize((width, height), Image.Resampling.LANCZOS) for plane in planes], -1)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-6, np.mean((a.astype(float) - b) ** 2))))


@pytest.mark.parametrize("width", [500, 333, 256, 213, 160, 111, 64, 44])
def test_a_window_is_a_part_of_the_whole(width: int) -> None:
    height = round(width * 481 / 640)
    whole = reduce(WHOLE, (640, 481), (width, height), Window(0, 0, width, height))
    for left, top in ((0, 0), (3, 7), (width // 2 - 9, 9), (width - 20, height - 20)):
        part = reduce(WHOLE, (640, 481), (width, height), Window(left, top, 20, 20))
        cut = whole[top : top + 20, left : left + 20]
        # Rounding and a thirty-second of a source pixel; where an edge was reflected, a little sharpening.
        assert psnr(part, cut) > 38 and psnr(part[1:-1, 1:-1], cut[1:-1, 1:-1]) > 40


@pytest.mark.parametrize("to", [(639, 480), (320, 240), (320, 241), (160, 120), (159, 120), (80, 60), (41, 31)])
def test_no_row_is_out_of_place(to: tuple[int, int]) -> None:
    # A slope must stay the same slope to its last row and column, whatever was halved and left over.
    slope = np.linspace(20, 230, 640)[None] * 0.6 + np.linspace(20, 230, 481)[:, None] * 0.4
    rgb = np.repeat(slope.round().astype(np.uint8)[..., None], 3, 2)
    small = reduce(rgb, (640, 481), to, Window(0, 0, *to))
    assert np.abs(small - gold(rgb, *to))[2:-2, 2:-2].max() <= 2


@pytest.mark.parametrize(("scale", "flag"), [(2, cv2.IMREAD_REDUCED_COLOR_2), (4, cv2.IMREAD_REDUCED_COLOR_4)])
@pytest.mark.parametrize("left", [1.05, 1.25, 1.6, 2.1, 3.0])
def test_what_a_jpeg_decoder_reduced_goes_on_to_the_same_picture(scale: int, flag: int, left: float) -> None:
    losses = []
    for seed in range(4):
        rgb = photo(seed, 803, 601)
        body = np.frombuffer(saved(rgb, "JPEG", quality=92), np.uint8)
        full, part = cv2.imdecode(body, cv2.IMREAD_COLOR), cv2.imdecode(body, flag)
        to = round(803 / scale / left), round(601 / scale / left)
        expected = gold(full, *to)
        ours = reduce(np.asarray(part, np.uint8), (803, 601), to, Window(0, 0, *to))
        losses.append(psnr(ours, expected) - psnr(cv2.resize(full, to, interpolation=cv2.INTER_AREA), expected))
    assert np.median(losses) >= (-4.5 if left < 1.2 else -0.8)


def test_flat_stays_flat() -> None:
    for value in (0, 1, 77, 254, 255):
        flat = np.full((481, 640, 3), value, np.uint8)
        for width in (600, 300, 200, 100, 33):
            height = width * 3 // 4
            small = reduce(flat, (640, 481), (width, height), Window(0, 0, width, height))
            assert (small == value).all() and small.shape == (height, width, 3)
