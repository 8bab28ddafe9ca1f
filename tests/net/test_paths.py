from __future__ import annotations

import random

import pytest
from protego import Protego

from vlcorpus.net.paths import MAX_CHARACTERS, Pattern, comparable, longest, pattern

SITE = "https://example.com"


def known(text: str) -> Pattern:
    found = pattern(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("/", "/a", True),
        ("*", "/a", True),
        ("/a", "/ab", True),
        ("/a", "/A", False),
        ("/a$", "/a", True),
        ("/a$", "/ab", False),
        ("/*.jpg", "/x/y.jpg?z", True),
        ("/*.jpg$", "/x/y.jpg?z", False),
        ("/a*b*c", "/a-c-b-c", True),
        ("/a*b*c", "/a-c-b", False),
        ("/a**b", "/axb", True),
        ("/*a$", "/a", True),
        ("/a*a$", "/a", False),
        ("/%7Ejoe", "/~joe", True),
        ("/~joe", "/%7ejoe", True),
        ("/é", "/%C3%A9", True),
        ("/a%2Fb", "/a/b", False),
        ("/a%2fb", "/a%2Fb", True),
        ("/foo-%24", "/foo-$", True),
        ("/a%2A", "/ab", False),
        ("/a%2A", "/a*", True),
        ("/a?b=*", "/a?b=c", True),
        ("/%", "/%zz", True),
    ],
)
def test_one_pattern(text: str, path: str, expected: bool) -> None:
    assert known(text).matches(comparable(SITE + path)) is expected


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://a.example", "/"),
        ("https://a.example?x=/y", "/%3Fx=/y"),
        ("https://a.example/b#c", "/b"),
        ("https://a.example/%41%2f%25%e9", "/A%2F%25%E9"),
    ],
)
def test_what_is_compared(url: str, path: str) -> None:
    assert comparable(url) == path


def test_nothing_is_no_pattern() -> None:
    assert pattern("") is None
    assert pattern("/" + "a" * MAX_CHARACTERS) is None
    assert pattern("/*") == Pattern(("/", ""), False, 2)


def test_everything() -> None:
    assert [text for text in ("/", "*", "/*", "**", "/a", "*a", "/$", "*$", "/*/") if known(text).is_everything] == [
        "/", "*", "/*", "**",
    ]  # fmt: skip


def test_rules_are_weighed_as_protego_does() -> None:
    draw = random.Random(7)
    pieces = ["a", "b", "/", "/", "*", ".jpg", "%41", "%2F", "é", "=", "?", "%7e", "ab"]
    refused = 0
    for _ in range(3000):
        rules = [
            (draw.random() < 0.4, "/" + "".join(draw.choices(pieces, k=draw.randrange(5))) + draw.choice(["", "", "$"]))
            for _ in range(draw.randrange(1, 6))
        ]
        text = "User-agent: us\n" + "".join(f"{'Allow' if yes else 'Disallow'}: {path}\n" for yes, path in rules)
        reference = Protego.parse(text)
        ours = [(yes, known(path)) for yes, path in rules]
        for _ in range(4):
            url = f"{SITE}/" + "".join(draw.choices([one for one in pieces if one != "*"], k=draw.randrange(7)))
            expected = reference.can_fetch(url, "us")
            assert longest(ours, comparable(url))[1] is expected, (text, url)
            refused += not expected
    assert refused > 1000


def test_a_hostile_pattern_ends() -> None:
    path = comparable(f"{SITE}/" + "a" * 8000)
    assert not known("/" + "*a" * 12_000 + "*b").matches(path)
    assert known("/" + "*" * 20_000).matches(path)
