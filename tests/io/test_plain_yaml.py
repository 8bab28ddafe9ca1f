from __future__ import annotations

import pytest
import yaml

from vlcorpus.io.plain_yaml import PlainYamlError, parse


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("true", True),
        ("[yes, no, on, off, y, n]", ["yes", "no", "on", "off", "y", "n"]),
        ("[0, -7, 1_000, 010, 0x1f, 1:30]", [0, -7, 1000, "010", "0x1f", "1:30"]),
        ("[1.5, .5, 1e3, 1E-3, 2., 1.e]", [1.5, 0.5, 1000.0, 0.001, 2.0, "1.e"]),
        ("[2020-01-01, '3', a: b]", ["2020-01-01", "3", {"a": "b"}]),
        ("on: {1: x}", {"on": {1: "x"}}),
        ("a: |\n  two\n  lines\n", {"a": "two\nlines\n"}),
        ("{<<: 1, =: 2}", {"<<": 1, "=": 2}),
    ],
)
def test_texts_numbers_and_nothing_else(text: str, value: object) -> None:
    found = parse(text)
    assert found == value and repr(found) == repr(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\na: 2", "line 2, column 1: 'a' stands here twice"),
        ("a: {b: 1, b: 2}", "'b' stands here twice"),
        ("a: &x 1", "line 1, column 4: anchors and aliases"),
        ("[1, *x]", "line 1, column 5: anchors and aliases"),
        ("a: !!set {1}", "line 1, column 4: tags are not read here"),
        ("a: !own 1", "tags are not read here"),
        ("{[1]: 2}", "a name is wanted here"),
        ("{{a: 1}: 2}", "a name is wanted here"),
        ("[" * 100_000, "nested too deep"),
        ("a: [", "line 1"),
        ("a: b: c", "line 1, column 5: mapping values are not allowed here"),
        ("--- 1\n--- 2", "expected a single document"),
        ("a: \x07", "special characters are not allowed"),
        ("9" * 5000, "digits"),
    ],
)
def test_what_is_left_out_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(PlainYamlError, match=words.replace("[", r"\[")) as raised:
        parse(text)
    assert "\n" not in str(raised.value)


def test_other_readers_of_yaml_keep_their_ways() -> None:
    parse("a: 1")
    assert yaml.safe_load("[on, 010, 2020]") == [True, 8, 2020]
