from __future__ import annotations

import json

import pytest

from vlcorpus.net.paths import comparable
from vlcorpus.net.tdmrep import MAX_BYTES, MAX_RULES, first, read

# The report's three groups.
REPORT = [
    {"location": "/directory-a/", "tdm-reservation": 1},
    {"location": "/directory-b/html/", "tdm-reservation": 1, "tdm-policy": "https://provider.example/policy.json"},
    {"location": "/directory-b/images/*.jpg", "tdm-reservation": 0},
]


def said(rules: object, path: str) -> tuple[bool, str | None] | None:
    rule = first(read(json.dumps(rules).encode()), comparable(f"https://provider.example{path}"))
    return None if rule is None else (rule.is_reserved, rule.policy)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/directory-a/x.pdf", (True, None)),
        ("/directory-A/x.pdf", None),
        ("/directory-b/html/", (True, "https://provider.example/policy.json")),
        ("/directory-b/images/a.jpg", (False, None)),
        ("/directory-b/images/deep/a.jpg?w=1", (False, None)),
        ("/directory-b/images/a.png", None),
        ("/", None),
    ],
)
def test_the_reports_example(path: str, expected: tuple[bool, str | None] | None) -> None:
    assert said(REPORT, path) == expected


@pytest.mark.parametrize(
    ("location", "path", "matches"),
    [
        ("/", "/any", True),
        ("*", "/any", True),
        ("/exactly$", "/exactly", True),
        ("/exactly$", "/exactly/not", False),
        ("/this/*/then", "/this/or/that/then", True),
        ("/foo-%24", "/foo-$", True),
        ("folder/", "/folder/a", True),
        ("*.jpg", "/a/b.jpg", True),
        ("", "/a", False),
    ],
)
def test_locations(location: str, path: str, matches: bool) -> None:
    assert said([{"location": location, "tdm-reservation": 1}], path) == ((True, None) if matches else None)


def test_the_first_match_counts_though_a_later_one_is_longer() -> None:
    rules = [{"location": "/a", "tdm-reservation": 0}, {"location": "/a/b/c", "tdm-reservation": 1}]
    assert said(rules, "/a/b/c") == (False, None)
    assert said(rules[::-1], "/a/b/c") == (True, None)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1, True), (0, False), ("1", True), (" 0 ", False), (True, True), (False, False), (2, None), (-1, None),
     ("yes", None), (None, None), ([1], None), ({}, None), (1.5, None), ("", None)],
)  # fmt: skip
def test_a_reservation_that_is_none_leaves_the_path_to_later_rules(value: object, expected: bool | None) -> None:
    rule = {"location": "/", "tdm-reservation": value}
    assert said([rule], "/a") == (None if expected is None else (expected, None))
    later = [rule, {"location": "/", "tdm-reservation": 1, "tdm-policy": "p"}]
    assert said(later, "/a") == ((True, "p") if expected is None else (expected, None))


def test_one_rule_without_brackets_and_a_byte_order_mark() -> None:
    assert said({"location": "/", "tdm-reservation": 1}, "/a") == (True, None)
    assert len(read(b'\xef\xbb\xbf[{"location": "/", "tdm-reservation": 1}]')) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00" * 1000,
        b"<html>not found</html>",
        b"[" * 200_000,
        b'{"a":' * 80_000,
        b"[" + b"9" * 400_000 + b"]",
        b'"location"',
        b"null",
        b"1e999999",
        b"NaN",
        b"\xff\xfe[\x00]\x00",
        b'[null, 1, "x", [], {}, {"location": 1, "tdm-reservation": 1}, {"location": ["/"], "tdm-reservation": 1}]',
        b'[{"tdm-reservation": 1}, {"location": "/"}]',
        b'[{"location": "/", "tdm-reservation": 1}]' + b" " * MAX_BYTES,
    ],
)
def test_what_is_no_such_file_says_nothing(body: bytes) -> None:
    assert read(body) == ()


def test_many_rules_and_odd_texts_are_bounded() -> None:
    rules = [{"location": f"/{n}", "tdm-reservation": 1} for n in range(5 * MAX_RULES)]
    assert len(read(json.dumps(rules).encode())) == MAX_RULES
    odd = {"location": "/\ud800", "tdm-reservation": 1, "tdm-policy": "\udfff"}
    (rule,) = read(json.dumps([odd]).encode())
    assert (rule.location + (rule.policy or "")).encode() == b"/??"
    assert read(json.dumps([{"location": "/" * 3000, "tdm-reservation": 1}]).encode()) == ()
