"""Candidates as the HTML standard splits them; the fast way beside the slow one."""

from __future__ import annotations

import random

import pytest

from vlcorpus.web.pages.srcset import MAX_CANDIDATES, _candidates, breakpoint_of, candidates


@pytest.mark.parametrize(
    ("srcset", "found"),
    [
        ("a.jpg 1x, b.jpg 2x", [("a.jpg", None, 1.0), ("b.jpg", None, 2.0)]),
        ("a.jpg, b.jpg 1.5x", [("a.jpg", None, 1.0), ("b.jpg", None, 1.5)]),
        ("a,1.jpg 300w, b,2.jpg 1200w", [("a,1.jpg", 300, 1.0), ("b,2.jpg", 1200, 1.0)]),
        ("a.jpg 300w,b.jpg 400w", [("a.jpg", 300, 1.0), ("b.jpg", 400, 1.0)]),
        ("data:image/gif;base64,R0 1x, b.jpg 2x", [("b.jpg", None, 2.0)]),
        ("https://e.example/{width}.jpg 300w, b.jpg 200w", [("b.jpg", 200, 1.0)]),
        ("a.jpg 300w 200h, b.jpg 200w", [("a.jpg", 300, 1.0), ("b.jpg", 200, 1.0)]),
        ("a.jpg 99999999999999w, b.jpg 0w", [("a.jpg", None, 1.0), ("b.jpg", None, 1.0)]),
        ("\n a.jpg\t300w ,\n b.jpg 400w,", [("a.jpg", 300, 1.0), ("b.jpg", 400, 1.0)]),
        (" , ,", []),
        ("", []),
    ],
)
def test_candidates(srcset: str, found: list[tuple[str, int | None, float]]) -> None:
    assert candidates(srcset) == found


@pytest.mark.parametrize("seed", range(5))
def test_the_same_as_one_at_a_time(seed: int) -> None:
    rng = random.Random(seed)
    parts = [
        "a.jpg",
        "b,c.png",
        " ",
        "\n",
        ",",
        ", ",
        "300w",
        "2x",
        "1.5x",
        "0w",
        "data:,",
        "{",
        "x" * 60,
        "7",
        "12w,",
        "\xa0",
        "²x",
    ]
    for _ in range(20_000):
        srcset = "".join(rng.choice(parts) for _ in range(rng.randrange(10)))
        assert candidates(srcset) == _candidates(srcset), srcset


@pytest.mark.parametrize("written", ["a.jpg 1w,", "a.jpg 1w ,", "a.jpg ", "a.jpg,", "x", ",", " "])
def test_a_million_candidates_are_a_hundred(written: str) -> None:
    assert len(candidates(written * 1_000_000)) <= MAX_CANDIDATES


@pytest.mark.parametrize(
    ("media", "least"),
    [
        ("", 0),
        ("(min-width: 600px)", 600),
        ("(MIN-WIDTH:40em) and (max-width: 70em)", 640),
        ("(width >= 800px)", 800),
        ("(max-width: 599.98px)", -1),
        ("(width < 600px)", -1),
        ("(orientation: portrait)", 0),
        ("(min-width: " + "9" * 10_000, 999999),
    ],
)
def test_the_screens_of_a_media_query(media: str, least: int) -> None:
    assert breakpoint_of(media) == least
