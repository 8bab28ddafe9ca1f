"""The methods paragraph: what the comparison knows, and nothing that it does not."""

from __future__ import annotations

import re

import pytest

from tests.report.drawn_contest import comparison
from tests.report.hostile import HOSTILE
from vlcorpus.report import methods
from vlcorpus.report.contest_rows import read


def test_it_says_what_a_reader_has_to_know() -> None:
    told = "\n".join(methods.paragraphs(read(comparison())))
    for words in (
        "each of 4 corpora by the recipe micro v2",
        "the suite exam (version 3) with evaluator 2",
        "5 seeds (0, 1, 2, 3, 4)",
        "the same 128,000 samples",
        "raw 20,000 (each seen 6.4 times), filtered 6,120 (each seen 20.9 times)",
        "random has a random subset of equal size and mismatched has captions that belong to other images",
        "The same for every arm: loss clip and architecture conv-micro.",
        "95 % intervals take seeds and pictures as two crossed random factors for 36 of 42 comparisons",
        "corrected for 42 comparisons after Holm (1979)",
        "ranked on things.top1",
        "mean of the main metrics of 5 tasks: things, colour, retrieval, count and attribute swaps; 2 tasks",
        "Software: vlcorpus 0.9.0, torch 2.14.0 and open_clip 3.3.0.",
    ):
        assert words in told, words


def test_it_makes_nothing_up() -> None:
    told = comparison()
    for gone in ("software", "about", "ranking", "averages", "suite_version", "evaluator_version"):
        del told[gone]
    told["rows"] = [row | {"p_holm": None, "smallest_detectable": None, "over": "seeds"} for row in told["rows"]]
    words = "\n".join(methods.paragraphs(read(told)))
    for absent in ("Software", "version", "evaluator", "Holm", "ranked", "average", "samples", "loss", "pictures as"):
        assert absent not in words
    assert "take the seeds as the only random factor" in words


def test_shares_that_seeds_trained_on_are_told() -> None:
    assert "one of 2 shares" in methods.paragraphs(read(comparison() | {"parts": 2}))[0]
    assert "shares of" not in methods.paragraphs(read(comparison()))[0]


def test_samples_that_differ_are_not_called_the_same() -> None:
    told = comparison()
    told["about"]["random"]["samples_seen"] = 1000
    words = methods.paragraphs(read(told))[0]
    assert "Between 1,000 and 128,000 samples were seen, not the same for every arm." in words
    assert "the same 128,000" not in words


def test_a_citation_holds_all_that_is_needed_to_weigh_it() -> None:
    told = comparison()
    row = next(row for row in told["rows"] if row["metric"] == "things.top1" and row["arm"] == "filtered")
    sentence = methods.citations(read(told))[0]
    for name, signed in (("mean", ""), ("baseline_mean", ""), ("difference", "+"), ("lower", ""), ("upper", "")):
        assert f"{100 * row[name]:{signed}.1f}" in sentence
    for words in ("95 % interval", "Holm-corrected p < 0.001", "seeds and pictures", "5 seeds", "suite exam 3"):
        assert words in sentence


@pytest.mark.parametrize(
    ("value", "words"), [(None, "–"), (0.0, "< 0.001"), (0.001, "= 0.001"), (0.0324, "= 0.032"), (1.0, "= 1.000")]
)
def test_a_probability_is_never_nought(value: float | None, words: str) -> None:
    assert methods.probability(value) == words


@pytest.mark.parametrize("payload", HOSTILE, ids=range(len(HOSTILE)))
def test_names_stay_words_of_markdown(payload: str) -> None:
    text = methods.methods(read(comparison(payload))).decode("utf-8")
    assert not re.search(r"(?<!\\)[>`*\[\]{}~|]|<(?! 0)|://|@", text)
    headings = re.findall(r"^#.*$", text, re.MULTILINE)
    assert headings == ["## Methods", "## Numbers"]
    assert not [letter for letter in text if ord(letter) < 32 and letter != "\n"]


def test_twenty_arms_are_not_named_one_by_one() -> None:
    told = read(comparison(arms={f"arm {place}": 0.0 for place in range(25)}))
    assert "14 more arms" in methods.paragraphs(told)[0]
    assert methods.citations(told)[-1] == "5 more arms: see comparison.csv."
