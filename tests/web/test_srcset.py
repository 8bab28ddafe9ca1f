"""Candidates as the HTML standard splits them."""

from __future__ import annotations

import pytest

from vlcorpus.web.srcset import largest


@pytest.mark.parametrize(
    ("srcsets", "url"),
    [
        (["a.jpg 1x, b.jpg 2x"], "b.jpg"),
        (["a.jpg 2x, b.jpg"], "a.jpg"),
        (["a.jpg, b.jpg"], "a.jpg"),
        (["a,1.jpg 300w, b,2.jpg 1200w"], "b,2.jpg"),
        (["a.jpg 300w", "b.jpg 600w, c.jpg 600w"], "b.jpg"),
        (["a.jpg 9x", "b.jpg 10w"], "b.jpg"),
        (["data:image/gif;base64,R0 1x, b.jpg 1.5x"], "b.jpg"),
        (["a.jpg 300w 200h, b.jpg 200w"], "a.jpg"),
        (["a.jpg 99999999999999w, b.jpg 1x"], "a.jpg"),
        (["\n a.jpg\t300w ,\n b.jpg 400w,"], "b.jpg"),
        (["", " , ,"], None),
        ([], None),
    ],
)
def test_largest(srcsets: list[str], url: str | None) -> None:
    assert largest(srcsets) == url
