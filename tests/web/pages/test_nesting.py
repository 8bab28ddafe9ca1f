"""Usual pages pass untouched; what would nest too deep loses only what cannot be looked for."""

from __future__ import annotations

import random

import pytest
from selectolax.lexbor import LexborHTMLParser

from vlcorpus.web.pages.nesting import (
    FEW,
    MANY,
    MANY_ATTRIBUTES,
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    SHORT,
    _attributes,
    shallow,
)

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


WORDS = b"a/word " * (MANY_ATTRIBUTES // 2)


def test_a_tag_with_too_many_attributes_loses_them() -> None:
    names = " ".join(f"a{number}=1" for number in range(MAX_ATTRIBUTES + 10)).encode()
    rest = b">" + WORDS + b"<p class=a>"
    assert len(rest) < SHORT
    rest += b"x" * SHORT
    assert shallow(b"<p " + names + rest) == b"<p" + rest
    assert shallow(b'<p x=">" ' + names + rest) == b"<p" + rest
    assert shallow(b"<p " + b"/".join(names.split()) + rest) == b"<p" + rest
    long_value = b'<img alt="' + b"word " * SHORT + b'" src=a>'
    assert shallow(long_value) == long_value


def test_where_there_cannot_be_many_attributes_all_stay() -> None:
    names = b" ".join(b"a%d=1" % number for number in range(MAX_ATTRIBUTES + 10))
    page = b"<p " + names + b">" + b"x" * SHORT
    assert shallow(page) == page


@pytest.mark.parametrize("seed", range(5))
def test_attributes_are_never_estimated_too_few(seed: int) -> None:
    rng = random.Random(seed)
    # Whatever parts them, and what parts nothing.
    between = [
        " ",
        "\n",
        "\t",
        "\f",
        "\r",
        "/",
        " / ",
        "='x'",
        '="x"',
        "=' '",
        '=" \'"',
        "= '\"'",
        "=1 ",
        "==",
        "\x0b",
        "\x01",
    ]
    for _ in range(300):
        tag = "".join(f"a{number}{rng.choice(between)}" for number in range(rng.randrange(1, 60)))
        body = f"<p {tag}>".encode()
        element = LexborHTMLParser(body).css_first("p")
        assert element is not None
        assert len(element.attributes) <= _attributes(body)
