from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from vlcorpus.errors import UsageError, VlcorpusError
from vlcorpus.knn.query import LONGEST, MOST_TERMS, Term, combine, parse, written

UID = "0123456789abcdef0123456789abcdef"


def text(words: str, weight: float = 1.0) -> Term:
    return Term(weight, "text", words)


@pytest.mark.parametrize(
    ("typed", "terms"),
    [
        ("a red car", [text("a red car")]),
        ("  a   red\tcar ", [text("a red car")]),
        ("a black-and-white dog", [text("a black-and-white dog")]),
        ("red + blue - green", [text("red + blue - green")]),
        ('a sign that says "stop"', [text('a sign that says "stop"')]),
        ("photo: two cats", [text("photo: two cats")]),
        ("3 cats", [text("3 cats")]),
        ("日本の犬", [text("日本の犬")]),
        ('"red car"', [text("red car")]),
        ('+"red car" -toy', [text("red car"), text("toy", -1)]),
        ("+red car -toy", [text("red car"), text("toy", -1)]),
        ("+ red car - toy", [text("red car"), text("toy", -1)]),
        ("+black-and-white dog -cat", [text("black-and-white dog"), text("cat", -1)]),
        ("-toy", [text("toy", -1)]),
        ('0.5*"blue sky"', [text("blue sky", 0.5)]),
        ('-.25 * "blue sky" 2.*x', [text("blue sky", -0.25), text("x", 2)]),
        ("1e-2*x", [text("x", 0.01)]),
        ("+photo from 2024 -3*cats", [text("photo from 2024"), text("cats", -3)]),
        (f"uid:{UID}", [Term(1, "uid", UID)]),
        (f"-0.2*uid:{UID} +dog", [Term(-0.2, "uid", UID), text("dog")]),
        ("image:photo.jpg vector:q.npy", [Term(1, "image", "photo.jpg"), Term(1, "vector", "q.npy")]),
        ('image:"my photo.jpg" -text:drawing of it', [Term(1, "image", "my photo.jpg"), text("drawing of it", -1)]),
        ('text:"-not a sign"', [text("-not a sign")]),
        (r'"a \"quoted\" \\ word"', [text(r"a " + '"quoted"' + " \\ word")]),
        ("upload:9f3a", [Term(1, "upload", "9f3a")]),
        ("+dog's bowl", [text("dog's bowl")]),
    ],
)
def test_what_is_typed_and_what_it_means(typed: str, terms: list[Term]) -> None:
    assert list(parse(typed)) == terms
    assert list(parse(written(terms))) == terms


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("+", "a term is missing (character 1 "),
        ("+dog -", "a term is missing (character 6 "),
        ("+dog 2*", "a term is missing (character 6 "),
        ("--dog", "'-' stands where a term was expected (character 2 "),
        ("+2*3*dog", "'3' stands where a term was expected (character 4 "),
        ("0*dog", "a weight of 0 (character 1 "),
        ("1e9*dog", "a weight of 1e9 "),
        ("1e999*dog", "a weight of 1e999 "),
        ('+"dog', 'a " is never closed (character 2 '),
        ('"dog"s', "'s' stands right behind a text (character 6 "),
        ('+""', "an empty text (character 2 "),
        ("uid:", "uid: without a value (character 5 "),
        ("image: photo.jpg", "image: without a value"),
        ("+\ud800", "not a character of Unicode (character 2 "),
        ('image:"a\x00b"', "a value with a zero character"),
        ("x" * (LONGEST + 1), "10,001 characters"),
        ("+a " * (MOST_TERMS + 1), f"more than {MOST_TERMS} terms (character 97 "),
    ],
)
def test_what_is_no_query_is_refused_with_its_place(typed: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(typed)
    assert said in caught.value.message and caught.value.hint


def test_as_many_terms_and_characters_as_are_allowed() -> None:
    assert len(parse("+a " * MOST_TERMS)) == MOST_TERMS
    assert parse("x" * LONGEST) == (text("x" * LONGEST),)
    assert len(parse('"' + "\\" * (LONGEST - 2) + '"')) == 1  # no pattern takes long


def test_the_sum_is_that_of_unit_vectors_in_float64() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((4, 32)) * [[1e-6], [1], [1e6], [3]]
    weights = [1, -0.5, 0.25, 2]
    slow = sum(weight * row / np.linalg.norm(row) for weight, row in zip(weights, vectors, strict=True))
    found = combine(weights, vectors)
    assert found.dtype == np.float32
    assert np.allclose(found, slow / np.linalg.norm(slow), atol=1e-7)
    assert np.array_equal(combine([5], vectors[:1]), combine([1], 7 * vectors[:1]))
    assert np.allclose(combine([-1], vectors[:1]), -combine([1], vectors[:1]))


def test_what_cancels_out_or_has_no_direction_is_refused() -> None:
    row = np.random.default_rng(1).standard_normal(16).astype(np.float32)
    with pytest.raises(VlcorpusError, match="cancel"):
        combine([1, -1], [row, 3 * row])
    with pytest.raises(VlcorpusError, match="cancel"):
        combine([1, -1], [row, row * np.float32(1.0000001)])
    for bad in (np.zeros(16), np.full(16, np.nan), np.full(16, np.inf)):
        with pytest.raises(VlcorpusError, match="no direction"):
            combine([1, 1], [row, bad])
    with pytest.raises(ValueError, match="weights"):
        combine([1], [row, row])


def test_reading_a_query_loads_nothing_heavy() -> None:
    code = "import sys, vlcorpus.knn.query as q; q.parse('+a -b'); assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
