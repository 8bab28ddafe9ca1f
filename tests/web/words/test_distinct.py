"""Taken by its rows, the different texts are the column again."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from vlcorpus.web.words.distinct import distinct

TEXTS = ["a cat", None, "", "a cat", "猫", None, "a dog", "猫"]


@pytest.mark.parametrize(
    "column",
    [
        TEXTS,
        tuple(TEXTS),
        pa.array(TEXTS),
        pa.array(TEXTS, pa.large_string()),
        pa.array(TEXTS, pa.string_view()),
        pa.array(TEXTS).dictionary_encode(),
        pa.array([None if text is None else text.encode() for text in TEXTS]),
        pa.array(["x", *TEXTS, "y"])[1:-1],
        pa.chunked_array([TEXTS[:3], [], TEXTS[3:]], pa.string()),
    ],
    ids=lambda column: str(getattr(column, "type", type(column).__name__)),
)
def test_every_kind_of_column(column: object) -> None:
    texts, rows = distinct(column)
    assert pa.array(texts).take(rows).to_pylist() == TEXTS
    assert sorted(texts) == ["", "a cat", "a dog", "猫"]


def test_random_columns() -> None:
    chance = random.Random(1)
    for _ in range(50):
        column = [chance.choice(["a", "b", "c", "é", None]) for _ in range(chance.randint(0, 20))]
        texts, rows = distinct(column)
        assert pa.array(texts, pa.string()).take(rows).to_pylist() == column
        assert len(set(texts)) == len(texts)


def test_nothing_at_all() -> None:
    assert distinct([])[0] == []
    texts, rows = distinct(pa.nulls(3))
    assert texts == []
    assert rows.to_pylist() == [None] * 3


def test_what_is_not_unicode_is_replaced() -> None:
    assert distinct(["a \ud800 b"])[0] == ["a \ufffd b"]
    assert distinct(pa.array([b"a \xff b"]))[0] == ["a \ufffd b"]
