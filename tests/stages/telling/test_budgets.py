"""How often a budget repeats what is kept, and when the filter is to blame."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlcorpus.corpus import Corpus
from vlcorpus.stages.columns import Catalogue
from vlcorpus.stages.telling.budgets import SCALES, Passes, repetitions
from vlcorpus.stages.telling.shown import Shown


def shown(seen: int, kept: int, *, weight: float | None = None, of: str = "images") -> Shown:
    corpus = Corpus(Path("nowhere"), "nowhere", 5, 100, 0)
    stats = {"seen": seen, "kept": kept, "weight": float(kept) if weight is None else weight, "predicates": []}
    stats["weights"] = None if weight is None else {"column": "w"}
    return Shown(corpus, "strict", stats, Catalogue(corpus, of, {}))


def test_datacomps_small_scale() -> None:
    """Its top 30 % are seen 3.3 times, its image-based filter with it 9.2 times."""
    for kept, passes, reading in ((3_840_000, "3.3", "as good as new"), (1_400_000, "9.1", "worth less each time")):
        told = repetitions(shown(12_800_000, kept), tuple(SCALES))
        first = told.section.rows[0]
        assert first == ("12.8 M (DataComp small)", "1.0", passes, reading)
        assert told.notice == "" or "128 M" in told.notice


def test_a_strict_filter_is_warned_of_and_a_small_corpus_is_not() -> None:
    strict = repetitions(shown(12_800_000, 1_000_000), (12_800_000,))
    assert strict.section.rows[0][3] == "too often: the filter is strict for this"
    assert "repeat each 12.8 times" in strict.notice and "seen 1.0 times" in strict.notice
    small = repetitions(shown(6_000, 1_800), tuple(SCALES))
    assert small.notice == ""
    assert {row[3] for row in small.section.rows} == {"all rows are too few for this"}
    mild = repetitions(shown(12_800_000, 1_000_000), (12_800_000,), most=13)
    assert mild.notice == "" and mild.section.rows[0][3] == "worth less each time"


@pytest.mark.parametrize("kept", [0, 1, 7, 1000])
@pytest.mark.parametrize("budget", [1, 10, 4001, 10**6])
def test_passes_against_counting_them(kept: int, budget: int) -> None:
    passes = Passes.of(budget, 1000, kept)
    assert passes.whole == budget / 1000
    assert passes.kept == (budget / kept if kept else float("inf"))
    assert passes.by_filter(10) == (budget <= 10 * 1000 and budget > 10 * kept)


def test_weights_count_and_nothing_kept_is_no_warning() -> None:
    told = repetitions(shown(1000, 500, weight=50.0), (1000,))
    assert told.section.rows[0][2] == "20.0" and "by weight, of 500 kept" in told.section.note
    nothing = repetitions(shown(1000, 0), (1000,))
    assert nothing.notice == "" and nothing.section.rows[0][2] == "∞"
    assert "cannot be fetched" in repetitions(shown(10, 5, of="candidates"), (10,)).section.note
