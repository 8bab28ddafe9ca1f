from __future__ import annotations

import numpy as np
import pytest

from tests.images.drawn import photo
from vlcorpus.images.blur import bad_box, blur


@pytest.mark.parametrize(
    ("boxes", "wrong"),
    [
        ([[0.1, 0.2, float("nan"), 0.5]], "not four numbers"),
        ([[0.1, 0.2, float("inf"), 0.5]], "not four numbers"),
        ([[0.1, 0.2, 0.3]], "not four numbers"),
        ([[0.1, 0.2, 0.3, 0.4, 0.5]], "not four numbers"),
        ([[0.1, 0.2, "0.3", 0.4]], "not four numbers"),
        ([[0.1, 0.2, None, 0.4]], "not four numbers"),
        ([[0, 0, True, 1]], "not four numbers"),
        (["0123"], "not four numbers"),
        ([None], "not four numbers"),
        ([0.1, 0.2, 0.3, 0.4], "not four numbers"),
        ([[0, 0, 1, 1], [0.4, 0.1, 0.2, 0.5]], "box 1 ends before it begins"),
        ([[0.1, 0.5, 0.2, 0.4]], "ends before it begins"),
        ([[-0.1, 0, 1, 1]], "outside 0-1"),
        ([[0, 0, 100, 200]], "outside 0-1"),
        ("[[0, 0, 1, 1]]", "no list"),
        ({"x": 1}, "no list"),
        (3, "no list"),
    ],
)
def test_bad_boxes_are_told(boxes: object, wrong: str) -> None:
    assert wrong in (bad_box(boxes) or "")


@pytest.mark.parametrize(
    "boxes",
    [[], [[0, 0, 1, 1]], ((0.1, 0.1, 0.2, 0.2),), np.array([[0.1, 0.1, 0.2, 0.2]]), [np.float32([0, 0, 1, 1])]],
)
def test_good_boxes_are_of_any_kind(boxes: object) -> None:
    assert bad_box(boxes) is None
    assert blur(photo(1), boxes).shape == (120, 160, 3)  # type: ignore[arg-type]


def test_only_the_box_and_its_rim_change() -> None:
    rgb = photo(1)
    soft = blur(rgb, [[0.25, 0.25, 0.5, 0.5]])
    changed = np.abs(soft.astype(int) - rgb).max(-1) > 1
    rows, columns = np.nonzero(changed.any(1))[0], np.nonzero(changed.any(0))[0]
    assert 22 <= rows[0] <= 30 and 60 <= rows[-1] <= 70 and 30 <= columns[0] <= 40 and 80 <= columns[-1] <= 90
    inside, was = soft[35:55, 45:75].astype(float), rgb[35:55, 45:75].astype(float)
    assert np.abs(np.diff(inside, axis=1)).mean() < np.abs(np.diff(was, axis=1)).mean() / 3


def test_no_box_changes_nothing() -> None:
    rgb = photo(1)
    assert blur(rgb, []) is rgb
