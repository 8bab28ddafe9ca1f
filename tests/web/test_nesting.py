"""Usual pages pass untouched; what would nest too deep loses only what cannot be looked for."""

from __future__ import annotations

import pytest

from vlcorpus.web.nesting import FEW, MAX_ATTRIBUTES, MAX_DEPTH, SHORT, shallow

CARD = '<div class="card"><a href="/x"><b>A</b> <img src="a.jpg" alt="a cat"></a><p>One<br>two<ul><li>x<li>y</ul></div>'


def test_a_long_usual_page_passes_untouched() -> None:
    page = CARD * 5_000
    assert len(page) > SHORT
    assert shallow(page) == page


@pytest.mark.parametrize("depth", [10, MAX_DEPTH - 1])
def test_what_nests_within_bounds_passes_untouched(depth: int) -> None:
    page = ("<div>" * depth + "</div>" * depth) * (FEW // depth + 1)
    assert shallow(page) == page


@pytest.mark.parametrize("tag", ["div", "b", "object", "svg", "table", "span"])
def test_what_nests_deeper_keeps_images_and_links(tag: str) -> None:
    page = f'<{tag}><a href="/x"><img src="a.jpg" alt="a cat"></a>' * FEW
    left = shallow(page)
    assert f"<{tag}>" not in left
    assert left.count("<img ") == left.count("<a href") == FEW


@pytest.mark.parametrize("closing", ["</b>", "</p>", "</table>", "</x>"])
def test_closing_tags_that_close_nothing_do_not_hide_depth(closing: str) -> None:
    assert "<div>" not in shallow(f"<div>{closing}<i>" * FEW)


def test_a_tag_with_too_many_attributes_loses_them() -> None:
    names = " ".join(f"a{number}=1" for number in range(MAX_ATTRIBUTES + 10))
    page = f"<p {names}>" + "x" * SHORT
    assert shallow(page) == "<p>" + "x" * SHORT
    long_value = f'<img alt="{"word " * SHORT}" src=a>'
    assert shallow(long_value) == long_value
