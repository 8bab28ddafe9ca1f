from __future__ import annotations

import numpy as np
import pytest

from tests.probe.drawn import pairs
from vlcorpus.probe.pack import Pack, gather


def _words(captions: list[str]) -> np.ndarray:
    """One number a letter, eight letters."""
    return np.array([[ord(letter) for letter in caption.ljust(8, "\0")[:8]] for caption in captions], np.int16)


def test_rows_stay_together() -> None:
    samples = [(uid, rgb, caption) for uid, rgb, caption, _ in pairs(1100, 0)]
    pack = gather(iter(samples), lambda rgb: rgb.transpose(2, 0, 1), _words)
    assert len(pack) == 1100
    assert pack.images.shape == (1100, 3, 32, 32)
    for row in (0, 1023, 1024, 1099):
        assert pack.uids[row] == samples[row][0]
        assert (pack.images[row] == samples[row][1].transpose(2, 0, 1)).all()
        assert (pack.tokens[row] == _words([samples[row][2]])[0]).all()


def test_columns_of_padding_are_dropped() -> None:
    rgb = np.zeros((4, 4, 3), np.uint8)
    pack = gather([("a", rgb, "x"), ("b", rgb, "xyz"), ("c", rgb, "")], lambda rgb: rgb.transpose(2, 0, 1), _words)
    assert pack.tokens.shape == (3, 3)
    assert gather([("a", rgb, "")], lambda rgb: rgb.transpose(2, 0, 1), _words).tokens.shape == (1, 1)


def test_nothing_is_a_pack_too() -> None:
    assert len(gather([], lambda rgb: rgb, _words)) == 0


def test_take_gives_rows_in_the_order_asked_for() -> None:
    pack = Pack(np.arange(5 * 3 * 4, dtype=np.uint8).reshape(5, 3, 2, 2), np.arange(5)[:, None], tuple("abcde"))
    part = pack.take([4, 0, 4])
    assert part.uids == ("e", "a", "e")
    assert part.tokens[:, 0].tolist() == [4, 0, 4]
    assert (part.images[1] == pack.images[0]).all()


@pytest.mark.parametrize("count", [2, 3, 50])
def test_mismatched_moves_every_text(count: int) -> None:
    pack = Pack(np.zeros((count, 3, 2, 2), np.uint8), np.arange(count)[:, None], tuple(map(str, range(count))))
    moved = pack.mismatched(seed=1).tokens[:, 0]
    assert sorted(moved) == list(range(count))
    assert (moved != np.arange(count)).all()
    assert (pack.mismatched(seed=1).tokens == pack.mismatched(seed=1).tokens).all()


def test_arrays_that_do_not_fit() -> None:
    image, token = np.zeros((2, 3, 4, 4), np.uint8), np.zeros((2, 3), np.int16)
    for images, tokens, uids in (
        (image, token, ("a",)),
        (image[:1], token, ("a", "b")),
        (image.astype(np.float32), token, ("a", "b")),
        (image[:, :1], token, ("a", "b")),
        (image, token.astype(np.float32), ("a", "b")),
    ):
        with pytest.raises(ValueError):
            Pack(images, tokens, uids)
