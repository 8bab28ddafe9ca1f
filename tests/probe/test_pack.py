from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.probe.drawn import pairs
from vlcorpus.probe.pack import Pack, Stack, gather
from vlcorpus.probe.parts import named


def _words(captions: list[str]) -> np.ndarray:
    """One number a letter, eight letters."""
    return np.array([[ord(letter) for letter in caption.ljust(8, "\0")[:8]] for caption in captions], np.int16)


def _all(pack: Pack, draw: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rows = np.arange(len(pack))
    return pack.images(rows), pack.texts(rows, np.full(len(rows), draw))


def test_rows_stay_together() -> None:
    samples = [(uid, rgb, caption) for uid, rgb, caption, _ in pairs(1100, 0)]
    pack = gather(iter(samples), lambda rgb: rgb.transpose(2, 0, 1), _words)
    images, tokens = _all(pack)
    assert images.shape == (1100, 3, 32, 32)
    for row in (0, 1023, 1024, 1099):
        assert bytes(pack.uids_N16[row]) == named([samples[row][0]]).tobytes()
        assert (images[row] == samples[row][1].transpose(2, 0, 1)).all()
        assert (tokens[row] == _words([samples[row][2]])[0, : tokens.shape[1]]).all()


def test_columns_of_padding_are_dropped() -> None:
    rgb = np.zeros((4, 4, 3), np.uint8)
    pack = gather([("a", rgb, "x"), ("b", rgb, "xyz"), ("c", rgb, "")], lambda rgb: rgb.transpose(2, 0, 1), _words)
    assert _all(pack)[1].shape == (3, 3)
    assert _all(pack.take([0, 2]))[1].shape == (2, 1), "of the rows that are left"
    assert _all(gather([("a", rgb, "")], lambda rgb: rgb.transpose(2, 0, 1), _words))[1].shape == (1, 1)


def test_nothing_is_a_pack_too() -> None:
    assert len(gather([], lambda rgb: rgb, _words)) == 0
    assert len(gather([], lambda rgb: rgb, _words).mismatched(0)) == 0


def test_take_gives_rows_in_the_order_asked_for_and_copies_nothing() -> None:
    images = np.arange(5 * 3 * 4, dtype=np.uint8).reshape(5, 3, 2, 2)
    pack = Pack.of(images, np.arange(1, 6)[:, None])
    part = pack.take([4, 0, 4]).take([1, 2])
    assert _all(part)[1][:, 0].tolist() == [1, 5]
    assert (part.images(np.array([0])) == images[0]).all()
    assert part.pixels is pack.pixels and pack.pixels.parts[0] is images


@pytest.mark.parametrize("sizes", [(7,), (3, 0, 4), (1,) * 7])
def test_files_are_read_as_one(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    whole = np.random.default_rng(0).integers(0, 256, (7, 3, 4, 4), np.uint8)
    parts, start = [], 0
    for number, size in enumerate(sizes):
        np.save(tmp_path / f"{number}.npy", whole[start : start + size])
        parts.append(np.load(tmp_path / f"{number}.npy", mmap_mode="r"))
        start += size
    rows = np.array([6, 0, 3, 3, 2, 5])
    assert (Stack(tuple(parts)).rows(rows) == whole[rows]).all()


def test_a_draw_chooses_the_caption_layer() -> None:
    images = np.zeros((4, 3, 2, 2), np.uint8)
    pack = Pack.of(images, np.full((4, 1), 1), np.full((4, 1), 2), shares=(0.75, 0.25))
    rows = np.arange(4)
    assert pack.texts(rows, np.array([0.0, 0.7499, 0.75, 0.9999]))[:, 0].tolist() == [1, 1, 2, 2]
    drawn = np.random.default_rng(0).random(4000)
    share = (pack.texts(np.zeros(4000, np.int64), drawn) == 2).mean()
    assert share == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("count", [2, 3, 50])
def test_mismatched_moves_every_text(count: int) -> None:
    pack = Pack.of(np.zeros((count, 3, 2, 2), np.uint8), np.arange(count)[:, None])
    moved = _all(pack.mismatched(seed=1))[1][:, 0]
    assert sorted(moved) == list(range(count))
    assert (moved != np.arange(count)).all()
    assert (_all(pack.mismatched(seed=1))[1][:, 0] == moved).all()


def test_mismatched_gives_no_picture_any_caption_of_its_own() -> None:
    """Several captions of a picture, and rows that stand there twice."""
    one = Pack.of(np.zeros((9, 3, 2, 2), np.uint8), np.arange(9)[:, None])
    image_N = np.array([0, 0, 0, 1, 2, 2, 3, 4, 4])
    pack = Pack(one.name, one.pixels, one.words, image_N, one.text_KN, one.uids_N16).take([*range(9), 0, 3, 3])
    moved = pack.mismatched(seed=3)
    assert (image_N[moved.text_KN[0]] != moved.image_N).all()
    assert (moved.image_N == pack.image_N).all()


def test_arrays_that_do_not_fit() -> None:
    image, token, uid = np.zeros((2, 3, 4, 4), np.uint8), np.zeros((2, 3), np.int16), named("ab")
    for images, tokens, uids in (
        (image, token, uid[:1]),
        (image[:1], token, uid),
        (image.astype(np.float32), token, uid),
        (image[:, :1], token, uid),
        (image, token.astype(np.float32), uid),
    ):
        with pytest.raises(ValueError):
            Pack.of(images, tokens, uids=uids)
    with pytest.raises(ValueError, match="rows 2 to 2 of 2"):
        Pack("p", Stack((image,)), Stack((token,)), np.array([2]), np.array([[0]]), uid[:1])
