from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.images.colour import opaque, over


def every_pair() -> np.ndarray:
    """Each colour with each opacity: uint8 (256, 256, 4)."""
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    return np.stack([colour, colour, 255 - colour, alpha], -1).astype(np.uint8)


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (10, 200, 30)])
def test_colours_lie_on_the_background(background: tuple[int, int, int]) -> None:
    bgra = every_pair()
    share = bgra[..., 3:] / 255
    expected = share * bgra[..., :3] + (1 - share) * np.array(background[::-1])
    assert np.abs(over(bgra, background) - expected).max() <= (0.5 if background == (255, 255, 255) else 1)


def test_opaque() -> None:
    bgra = every_pair()
    assert not opaque(bgra)
    assert opaque(np.ascontiguousarray(bgra[255:]))
