from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pyarrow as pa
import pytest

from vlcorpus import schema
from vlcorpus.scores import automaton
from vlcorpus.scores.entities import MOST, Entities
from vlcorpus.web.words.match import fold, in_word


def finder(*terms: str | tuple[str, str]) -> Entities:
    return Entities([(each, each) if isinstance(each, str) else each for each in terms], fold=fold, in_word=in_word)


def found(terms: Sequence[str | tuple[str, str]], text: str) -> list[str]:
    answer = finder(*terms).find([text])
    names: list[str] = answer["entities"][0].as_py()
    assert answer["first_entity"][0].as_py() == (names[0] if names else None)
    return names


def slow(terms: Sequence[str], text: str) -> list[str]:
    """Every place of the text, from left to right; the longest whole term there."""
    folded, place, names = fold(text), 0, []
    while place < len(folded):
        here = [
            term
            for term in terms
            if folded.startswith(fold(term), place)
            and not (place and in_word(folded[place - 1]) and in_word(fold(term)[0]))
            and not (in_word(fold(term)[-1]) and in_word((folded + " ")[place + len(fold(term))]))
        ]
        if here:
            names.append(max(here, key=lambda term: len(fold(term))))
            place += len(fold(names[-1]))
        else:
            place += 1
    return names


@pytest.mark.parametrize(
    ("terms", "text", "want"),
    [
        (["dog", "hot dog"], "A Dog eats a HOT  DOG", ["dog", "hot dog"]),
        (["dog"], "hotdogs and dogs and doghouse", []),
        (["dog"], "dog's, #dog; (dog)!", ["dog"]),
        (["new york city", "york", "city hall"], "New York City Hall", ["new york city"]),
        (["new york city", "york"], "new york", ["york"]),
        (["猫", "黒猫"], "黒猫です、白い猫", ["黒猫", "猫"]),
        (["قطة"], "قطة سوداء على كرسي", ["قطة"]),
        (["แมว"], "แมวดำนอนบนเก้าอี้", ["แมว"]),
        (["Straße"], "eine STRASSE", ["Straße"]),
        ([("dog", "n02084071"), ("hound", "n02084071")], "a hound, a dog", ["n02084071"]),
        (["c++"], "I like C++.", ["c++"]),
        (["a b"], "a\nb a\tb", ["a b"]),
        (["dog"], "", []),
    ],
)
def test_whole_words_the_longest_first(terms: list[str], text: str, want: list[str]) -> None:
    assert found(terms, text) == want


def test_occurrences_count_and_names_do_not_repeat() -> None:
    answer = finder(("dog", "d"), ("cat", "c")).find(["dog cat dog Dog", "no", "cat"])
    assert answer["entity_count"].to_pylist() == [4, 0, 1]
    assert answer["first_entity"].to_pylist() == ["d", None, "c"]
    assert answer["entities"].to_pylist() == [["d", "c"], [], ["c"]]


def test_sixteen_are_named_at_most() -> None:
    terms = [f"w{number}" for number in range(40)]
    answer = finder(*terms).find([" ".join(terms)])
    assert answer["entity_count"].to_pylist() == [40]
    assert answer["entities"][0].as_py() == terms[:MOST]


@pytest.mark.parametrize("at_once", [1, 50, 1 << 20])
def test_like_a_slow_search(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automaton, "AT_ONCE", at_once)
    rng = random.Random(11)
    words = ["a", "b", "ab", "ba", "a b", "b-a", "猫", "黒猫", "a.", "ß"]
    terms = [*words, "b a b", "猫 a", "ab ab"]
    texts = ["".join(rng.choices([*words, " ", " ", "\n", "-"], k=rng.randrange(15))) for _ in range(2000)]
    answer = finder(*terms).find(texts)
    for row, text in enumerate(texts):
        want = slow(terms, text)
        assert answer["entity_count"][row].as_py() == len(want), text
        assert answer["entities"][row].as_py() == list(dict.fromkeys(want))[:MOST], text


def test_hostile_texts() -> None:
    finds = finder("a", "aa", "aaa")
    answer = finds.find(["a" * 1_000_000, "a " * 500_000, "\x00\ud7ff\U0010ffff", "ﷺ" * 1000])
    assert answer["entity_count"].to_pylist() == [0, 500_000, 0, 0]
    assert re.fullmatch("a", answer["first_entity"][1].as_py())


def test_no_terms_and_no_texts() -> None:
    assert finder().find(["a"])["entities"].to_pylist() == [[]]
    answer = finder("a").find([])
    declared = schema.table("score-entities").arrow()
    assert all(declared.field(name).type == column.type for name, column in answer.items())
    assert isinstance(answer["entities"], pa.ListArray) and not len(answer["entities"])
