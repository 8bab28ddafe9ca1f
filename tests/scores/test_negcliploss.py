"""negCLIPLoss: equal to the formula in float64, and the same whatever order the rows come in."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from tests.scores.vectors import rows, uids, unit
from vlcorpus.errors import UsageError
from vlcorpus.scores.negcliploss import in_batch, rounds


def slow(image: npt.NDArray[np.float16], text: npt.NDArray[np.float16], temperature: float) -> npt.NDArray[np.float64]:
    """The formula of the paper, one row after the other."""
    a, b = unit(image), unit(text)
    found = []
    for i in range(len(a)):
        to_texts = np.array([a[i] @ b[j] for j in range(len(b))]) / temperature
        to_images = np.array([a[j] @ b[i] for j in range(len(a))]) / temperature
        sums = sum(np.log(np.exp(x - x.max()).sum()) + x.max() for x in (to_texts, to_images))
        found.append(a[i] @ b[i] - temperature / 2 * sums)
    return np.array(found)


@pytest.mark.parametrize("temperature", [0.01, 0.07, 1.0, 1e-4])
def test_equals_the_formula(temperature: float) -> None:
    image, text = rows(0, around=2), rows(1, around=2)
    text[:50] = image[:50]
    expected = slow(image, text, temperature)
    for block in (7, 64, 1024):
        got = in_batch(image, text, temperature=temperature, block=block)
        assert got.dtype == np.float64 and np.abs(got - expected).max() < 1e-5
    assert got.max() <= 0


def test_the_example_of_the_module() -> None:
    both = np.eye(2, dtype=np.float16)
    assert in_batch(both, both, temperature=1.0) == pytest.approx([1 - np.log(np.e + 1)] * 2)


def test_opposite_rows_underflow_nowhere() -> None:
    image = np.concatenate([rows(0, 20), -rows(0, 20)])
    text = image[::-1].copy()
    expected = slow(image, text, 0.01)
    assert np.isfinite(expected).all() and np.abs(in_batch(image, text) - expected).max() < 1e-5


def test_a_generic_caption_scores_lower_than_its_cosine_says() -> None:
    image = rows(3, 100, around=4)
    text = image.copy()
    middle = unit(image).mean(0)
    text[0] = (middle / np.linalg.norm(middle)).astype(np.float16)
    cosines = (unit(image) * unit(text)).sum(1)
    assert cosines[0] < 1 and in_batch(image, text).argmin() == 0


def test_length_does_not_count() -> None:
    image, text = rows(0), rows(1)
    longer = image.astype(np.float32) * np.linspace(0.1, 30, len(image), dtype=np.float32)[:, None]
    assert np.abs(in_batch(longer, text) - in_batch(image, text)).max() < 1e-6


def test_threads_agree() -> None:
    image, text = rows(0, 700, 64), rows(1, 700, 64)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = in_batch(image, text)
        torch.set_num_threads(2)
        assert np.abs(in_batch(image, text) - one).max() < 1e-7
    finally:
        torch.set_num_threads(before)


def test_rounds_are_partitions_by_uid_alone() -> None:
    own = uids(0, 203)
    cut = [[own[rows_B] for rows_B in round_] for round_ in rounds(own, batches=3, batch_rows=50, seed=1)]
    assert [len(batch) for batch in cut[0]] == [51, 51, 51, 50]
    for round_ in cut:
        assert len(np.unique(np.concatenate(round_), axis=0)) == 203
    assert not np.array_equal(cut[0][0], cut[1][0])
    shuffled = own[np.random.default_rng(0).permutation(203)]
    again = [[shuffled[rows_B] for rows_B in round_] for round_ in rounds(shuffled, batches=3, batch_rows=50, seed=1)]
    for before, after in zip(cut, again, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


def test_no_batch_is_small() -> None:
    for count in range(1, 400, 7):
        sizes = [len(batch) for batch in next(rounds(uids(0, count), batches=1, batch_rows=100, seed=0))]
        assert max(sizes) - min(sizes) <= 1 and (len(sizes) == 1 or min(sizes) >= 66), (count, sizes)


def test_rows_without_direction_and_unknown_devices_are_refused() -> None:
    image = rows(0)
    image[3] = 0
    with pytest.raises(ValueError, match="without direction"):
        in_batch(image, rows(1))
    with pytest.raises(UsageError, match="device 'abacus'"):
        in_batch(rows(0), rows(1), device="abacus")
