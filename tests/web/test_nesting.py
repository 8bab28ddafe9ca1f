"""Usual pages pass untouched; what would nest too deep loses only what cannot be looked for."""

from __future__ import annotations

import pytest

from vlcorpus.web.nesting import FEW, MANY, MAX_ATTRIBUTES, MAX_DEPTH, SHORT, shallow

CARD = (
    b'<div class="card"><a href="/x"><b>A</b> <img src="a.jpg" alt="a cat"></a><p>One<br>two<ul><li>x<li>y</ul></div>'
)


def test_a_long_usual_page_passes_untouched() -> None:
    page = CARD * 5_000
    assert len(page) > SHORT
    assert shallow(page) == page


@pytest.mark.parametrize("depth", [10, MAX_DEPTH - 1])
def test_what_nests_within_bounds_passes_untouched(depth: int) -> None:
    page = (b"<div>" * depth + b"</div>" * depth) * (MANY // depth + 1)
    assert shallow(page) == page


@pytest.mark.parametrize("tag", ["div", "b", "object", "svg", "table", "span"])
def test_what_nests_deeper_keeps_images_and_links(tag: str) -> None:
    page = f'<{tag}><a href="/x"><img src="a.jpg" alt="a cat"></a>'.encode() * MANY
    left = shallow(page)
    assert f"<{tag}>".encode() not in left
    assert left.count(b"<img ") == left.count(b"<a href") == MANY


def test_a_few_tags_that_are_copied_into_many_others_are_too_deep() -> None:
    page = b"".join(b"<div><b id=%d></div>" % number for number in range(MANY // 4))
    assert b"<b " not in shallow(page)
    assert shallow(b"<div>" * (MANY // 4)) == b"<div>" * (MANY // 4)


@pytest.mark.parametrize("closing", ["</b>", "</p>", "</table>", "</x>"])
def test_closing_tags_that_close_nothing_do_not_hide_depth(closing: str) -> None:
    assert b"<div>" not in shallow(f"<div>{closing}<i>".encode() * FEW)


def test_a_tag_with_too_many_attributes_loses_them() -> None:
    names = " ".join(f"a{number}=1" for number in range(MAX_ATTRIBUTES + 10)).encode()
    page = b"<p " + names + b">" + b"x" * SHORT
    assert shallow(page) == b"<p>" + b"x" * SHORT
    long_value = b'<img alt="' + b"word " * SHORT + b'" src=a>'
    assert shallow(long_value) == long_value
    quoted = b'<p x=">" ' + names + b">" + b"x" * SHORT
    assert shallow(quoted) == b"<p>" + b"x" * SHORT
