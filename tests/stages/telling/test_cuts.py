"""Where predicates divide numbers."""

from __future__ import annotations

from typing import Any

import pytest

from vlcorpus.scores.predicates import (
    AtLeast,
    Cap,
    Cut,
    Drawn,
    Predicate,
    RandomRows,
    Resolved,
    TopFraction,
    TopRows,
    Where,
)
from vlcorpus.stages.telling import cuts


def found(predicate: Predicate, cut: Any = None) -> list[tuple[str, str, float | None]]:
    (stored,) = Resolved((predicate,), (cut,)).as_json()
    return [(each.column, each.keeps, each.threshold) for each in cuts._cuts(0, "says", stored)]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("width >= 256", [("width", "above", 256.0)]),
        ("256 <= width", [("width", "above", 256.0)]),
        ("aspect < 3", [("aspect", "below", 3.0)]),
        ("-0.5 > a - b", [("a - b", "below", -0.5)]),
        ("words(alt_text) > 2", [("words(alt_text)", "above", 2.0)]),
        ("a between 1 and 5", [("a", "above", 1.0), ("a", "below", 5.0)]),
        ('language == "en"', []),
        ("a == 3", []),
        ("a >= b", []),
        ("1 < 2", []),
        ('found_at >= "2026-01-31"', []),
        ("not a >= 1", []),
        ("a >= 1 or b >= 2", []),
        ("has_email", []),
    ],
)
def test_conditions(text: str, want: list[tuple[str, str, float]]) -> None:
    assert found(Where(text)) == want


def test_other_predicates() -> None:
    assert found(AtLeast("similarity", 0.28)) == [("similarity", "above", 0.28)]
    assert found(TopFraction("similarity", 0.3), Cut(0.21, "ff")) == [("similarity", "above", 0.21)]
    assert found(TopFraction("similarity", 0.0), Cut(None)) == []
    assert found(TopRows("a + b", 10), Cut(0.5, "00")) == [("a + b", "above", 0.5)]
    assert found(Cap(5, "language", "similarity"), {"en": Cut(0.1, "00"), None: Cut(None)}) == [
        ("similarity", "above", None)
    ]
    assert found(Cap(5, "language"), {"en": Cut(12345, "00")}) == []
    assert found(RandomRows(rows=3), Cut(12345)) == [] and found(Drawn("p")) == []


def test_an_end_of_a_between_has_its_own_words() -> None:
    (stored,) = Resolved((Where("a between 1 and 5"),), (None,)).as_json()
    assert [each.words for each in cuts._cuts(0, "a between 1 and 5", stored)] == ["a from 1", "a up to 5"]
