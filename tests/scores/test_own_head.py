"""A head that raises at a picture costs that picture; one that gives something else than numbers is named."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from vlcorpus.errors import SourceError
from vlcorpus.scores.own_head import Judge, said


def pictures(*shades: int) -> list[np.ndarray]:
    return [np.full((4, 5 + place, 3), shade, np.uint8) for place, shade in enumerate(shades)]


def mean(images: list[np.ndarray]) -> list[float]:
    return [float(image.mean()) for image in images]


def raises_at_9(images: list[np.ndarray]) -> list[float]:
    if any(image.max() == 9 for image in images):
        raise ValueError("nine is\n \x1b[31mtoo\u202e much, see /home/me/heads/nine.py and ../a/b")
    return mean(images)


def test_numbers_of_any_kind_are_float32() -> None:
    kinds: list[Callable[[list[float]], Any]] = [
        list,
        tuple,
        np.array,
        lambda values: np.array(values, np.float16),
        lambda values: np.array(values, np.int64),
        lambda values: torch.tensor(values, requires_grad=True),
        lambda values: torch.tensor(values, dtype=torch.bfloat16),
    ]
    for kind in kinds:
        judge = Judge(lambda images, kind=kind: kind(mean(images)), "toy")
        got = judge(pictures(1, 2, 3))
        assert got.dtype == np.float32 and got.tolist() == [1, 2, 3]
    assert Judge(lambda images: [True, False], "toy")(pictures(1, 2)).tolist() == [1, 0]
    assert Judge(mean, "toy")([]).shape == (0,)


def test_what_is_not_finite_has_no_number() -> None:
    got = Judge(lambda images: [1.0, float("nan"), float("inf"), 1e300], "toy")(pictures(1, 2, 3, 4))
    assert np.isnan(got).tolist() == [False, True, True, True]


def test_only_the_picture_that_fails_has_no_number() -> None:
    judge = Judge(raises_at_9, "toy")
    got = np.concatenate([judge(pictures(1, 9, 3)), judge(pictures(4, 5)), judge(pictures(9)), judge(pictures(9, 6))])
    assert np.isnan(got).tolist() == [False, True, False, False, False, True, True, False]
    assert got[~np.isnan(got)].tolist() == [1, 3, 4, 5, 6]
    assert (judge.rows, judge.failed) == (8, 3)
    assert judge.first_error == "ValueError: nine is \\u001b[31mtoo\\u202e much, see nine.py and ../a/b"
    judge.check()


def test_a_batch_that_is_too_large_is_done_one_by_one() -> None:
    def small(images: list[np.ndarray]) -> list[float]:
        if len(images) > 1:
            raise MemoryError
        return mean(images)

    judge = Judge(small, "toy")
    assert judge(pictures(1, 2, 3)).tolist() == [1, 2, 3]
    assert (judge.failed, judge.first_error) == (0, None)


def test_pairs_of_embeddings_are_tried_one_by_one_too() -> None:
    def dot(image_ND: np.ndarray, text_ND: np.ndarray) -> np.ndarray:
        assert image_ND.shape == text_ND.shape and image_ND.ndim == 2
        if (image_ND[:, 0] == 9).any():
            raise RuntimeError
        return (image_ND * text_ND).sum(1)  # type: ignore[no-any-return]

    judge = Judge(dot, "toy")
    image, text = np.arange(8, 12, dtype=np.float32)[:, None] * np.ones(3, np.float32), np.ones((4, 3), np.float32)
    got = judge(image, text)
    assert np.isnan(got).tolist() == [False, True, False, False] and got[3] == 33
    assert judge.first_error == "RuntimeError"


def test_a_head_that_always_fails_is_broken() -> None:
    judge = Judge(raises_at_9, "toy")
    judge(pictures(*[9] * 9))
    judge.check()
    judge(pictures(9))
    with pytest.raises(SourceError, match="head toy failed at all of 10 rows: ValueError: nine is"):
        judge.check()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ([1.0, 2.0], r"shape \(2,\) for 3 rows"),
        ([[1.0], [2.0], [3.0]], r"shape \(3, 1\) for 3 rows"),
        (1.0, r"shape \(\) for 3 rows"),
        (None, "values of type object"),
        (["a", "b", "c"], "values of type <U1"),
        ([1.0, None, 2.0], "values of type object"),
        ([1j, 2j, 3j], "values of type complex128"),
        ([[1.0], [2.0, 3.0], []], "no array of numbers"),
        (np.zeros(3, "M8[s]"), "values of type datetime64"),
    ],
)
def test_anything_but_numbers_is_an_error_that_names_the_head(answer: Any, says: str) -> None:
    with pytest.raises(SourceError, match=f"head toy gave .*{says}") as wrong:
        Judge(lambda images: answer, "toy")(pictures(1, 2, 3))
    assert "shape (3,)" in wrong.value.hint


def test_an_error_is_one_short_line() -> None:
    assert said(KeyError("x" * 500)) == "KeyError: '" + "x" * 189
    assert said(ValueError()) == "ValueError"
    assert said(OSError("cannot open '/tmp/a/b.pt'")) == "OSError: cannot open 'b.pt'"
