"""Which words go with og:image and twitter:image, and what is not said twice."""

from __future__ import annotations

import pytest

from vlcorpus.web.found import Pair
from vlcorpus.web.pages import jsonld
from vlcorpus.web.pages.describes import MAX_DESCRIBED, described
from vlcorpus.web.pages.join import Join

JOIN = Join("https://site.example/dir/")


def pairs(*metas: tuple[str, str]) -> list[tuple[str, str, str | None]]:
    found = described(metas, [], JOIN, ())
    assert all(pair.position is None and pair.image_source == pair.text_source for pair in found)
    return [(pair.url.removeprefix(JOIN.base), pair.alt_text, pair.text_source) for pair in found]


@pytest.mark.parametrize(
    ("metas", "found"),
    [
        ([("og:image", "a"), ("og:title", "T")], [("a", "T", "og")]),
        ([("og:title", "T"), ("og:image", "a"), ("og:description", "D")], [("a", "D", "og")]),
        ([("og:image", "a"), ("og:image:alt", "A"), ("og:description", "D")], [("a", "A", "og")]),
        (
            [("og:image", "a"), ("og:image:alt", "A"), ("og:image", "b"), ("og:title", "T")],
            [("a", "A", "og"), ("b", "T", "og")],
        ),
        (
            [("og:image", "a"), ("og:image:url", "x"), ("og:image:secure_url", "y"), ("og:title", "T")],
            [("a", "T", "og")],
        ),
        ([("og:image:url", "x"), ("og:title", "T")], [("x", "T", "og")]),
        ([("og:image", "data:,"), ("og:image:secure_url", "y"), ("og:title", "T")], [("y", "T", "og")]),
        ([("og:image", "a"), ("twitter:title", "T")], []),
        ([("og:image", "a"), ("og:title", " ")], []),
        ([("twitter:image:src", "a"), ("twitter:image:alt", "A")], [("a", "A", "twitter")]),
        ([("og:image:alt", "A"), ("og:title", "T")], []),
        (
            [("og:image", "a"), ("og:title", "T"), ("twitter:image", "a"), ("twitter:title", "T")],
            [("a", "T", "og")],
        ),
    ],
)
def test_words(metas: list[tuple[str, str]], found: list[tuple[str, str, str | None]]) -> None:
    assert pairs(*metas) == found


def test_what_was_given_is_not_repeated() -> None:
    given = [Pair("https://site.example/dir/a", "T", "alt", "src", None, 0)]
    metas = [("og:image", "a"), ("og:title", "T")]
    told = [jsonld.Image("a", "T", None, None), jsonld.Image("a", "U", 640, "480"), jsonld.Image("a", "U", 1, 1)]
    found = described(metas, told, JOIN, given)
    assert [(pair.alt_text, pair.text_source, pair.width, pair.height) for pair in found] == [("U", "jsonld", 640, 480)]


def test_what_cannot_be_fetched_is_rejected() -> None:
    found = described([("og:image", "x.svg"), ("og:title", "T")], [jsonld.Image("ftp://x", "y", -1, True)], JOIN, ())
    assert [pair.reason for pair in found] == ["svg", "bad_scheme"]
    assert found[1].width is None
    assert described([("og:image", "a"), ("og:title", "x" * 20_000)], [], JOIN, ())[0].reason == "text_too_long"


def test_bounds() -> None:
    metas = [(name, f"{number}") for number in range(100_000) for name in ("og:image", "og:image:alt")]
    assert len(described(metas, [], JOIN, ())) == MAX_DESCRIBED
