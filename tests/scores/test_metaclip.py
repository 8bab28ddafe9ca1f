from __future__ import annotations

import random

import numpy as np
import pytest

from vlcorpus.scores import automaton
from vlcorpus.scores.metaclip import (
    Entries,
    entry_probability,
    limit_of_share,
    padded,
    probability,
    rarest,
    spaced,
    tail_share,
)


def matched(entries: list[str], text: str, *, worldwide: bool = False) -> list[str]:
    listed = Entries(entries, worldwide=worldwide)
    return [entries[number] for number in listed.match([text]).numbers.tolist()]


def slow_match(entries: list[str], text: str, *, worldwide: bool = False) -> list[int]:
    return [number for number, each in enumerate(entries) if padded(each, worldwide=worldwide) in spaced(text)]


@pytest.mark.parametrize(
    ("entries", "text", "want"),
    [
        (["cat", "black cat", "Cat"], "a black cat on a chair", ["cat", "black cat"]),
        (["cat"], "Cats, cat-like, concat", []),
        (["cat"], "cat, cat. cat", ["cat"]),
        (["black cat"], "black  cat", []),
        (["cat"], "a\tcat\nsleeps", ["cat"]),
        (["U.S."], "the U.S. flag", []),
        (["o'clock"], "five o'clock!", ["o'clock"]),
        (["cat"], "(cat)", []),
        (["12"], "12: the number", ["12"]),
        (["猫", "黒猫", "犬"], "黒猫です", ["猫", "黒猫"]),
        (["แมว"], "แมวดำนอน", ["แมว"]),
        (["ネコ"], "黒いネコと犬", ["ネコ"]),
        (["고양이"], "고양이가 잔다", []),
        (["Tシャツ"], "白いTシャツ", []),
        (["Tシャツ"], "白い Tシャツ", ["Tシャツ"]),
        (["قطة"], "قطة سوداء", ["قطة"]),
        (["cat"], "", []),
    ],
)
def test_an_entry_stands_between_spaces(entries: list[str], text: str, want: list[str]) -> None:
    assert matched(entries, text) == want


def test_worldwide_puts_no_space_beside_punctuation() -> None:
    assert matched(["c++", "(cat)"], "xc+++ a(cat)b") == []
    assert matched(["c++", "(cat)"], "x c+++ a(cat)b", worldwide=True) == ["c++", "(cat)"]
    assert padded("cat", worldwide=True) == padded("cat") == " cat "


@pytest.mark.parametrize("worldwide", [False, True])
@pytest.mark.parametrize("at_once", [1, 40, 1 << 20])
def test_matching_like_a_substring_search(worldwide: bool, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(automaton, "AT_ONCE", at_once)
    rng = random.Random(7)
    parts = ["a", "b", "猫", ".", "+", " ", " ", "\n", "\0", "é", "ab", "c"]
    entries = list(
        dict.fromkeys("".join(rng.choices([*parts[:6], "+", "é"], k=rng.randrange(1, 5))) for _ in range(150))
    )
    entries = [each for each in entries if each.strip()]
    texts = ["".join(rng.choices(parts, k=rng.randrange(14))) for _ in range(800)]
    listed = Entries(entries, worldwide=worldwide)
    matches = listed.match(texts)
    begin = 0
    for text, end in zip(texts, matches.ends.tolist(), strict=True):
        assert matches.numbers[begin:end].tolist() == slow_match(entries, text, worldwide=worldwide), text
        begin = end


def test_balancing_like_a_slow_one() -> None:
    rng = random.Random(2)
    entries = [f"w{number}" for number in range(30)]
    texts = [" ".join(rng.choices(entries, weights=[2**-n for n in range(30)], k=rng.randrange(5))) for _ in range(900)]
    listed = Entries(entries)
    matches = listed.match(texts)
    counts = listed.counts(matches)
    assert counts.tolist() == [sum(each in text.split() for text in texts) for each in entries]
    limit = 40
    each = entry_probability(counts, limit)
    found, rare = probability(matches, each), rarest(matches, counts)
    for row, text in enumerate(texts):
        named = sorted({int(word[1:]) for word in text.split()})
        lost = 1.0
        for number in named:
            lost *= 1 - (1.0 if counts[number] <= limit else limit / counts[number])
        assert abs(found[row] - (1 - lost if named else 0)) < 1e-12
        assert rare[row] == (min(named, key=lambda number: (counts[number], number)) if named else -1)
    assert found[matches.counts == 0].max(initial=0) == 0


def test_copies_count_as_if_they_were_there() -> None:
    listed = Entries(["a", "b"])
    thrice = listed.counts(listed.match(["a b", "a", "a", "a"]))
    assert listed.counts(listed.match(["a b", "a"]), np.array([1, 3])).tolist() == thrice.tolist() == [4, 1]


def slow_share(counts: list[int], limit: int) -> float:
    return sum(each for each in counts if each < limit) / sum(counts)


def slow_limit(counts: list[int], share: float) -> int:
    """Of the sorted counts the first whose running sum comes closest to the share."""
    ordered, total, running, best = sorted(counts), sum(counts), 0, (2.0, 0)
    for each in ordered:
        running += each
        away = abs(running / total - share)
        if away < best[0]:
            best = (away, each)
    return max(1, best[1])


def test_limits_of_other_languages_have_the_same_tail() -> None:
    rng = random.Random(9)
    for _ in range(200):
        english = [int(rng.paretovariate(0.6)) for _ in range(rng.randrange(2, 300))]
        other = [int(rng.paretovariate(0.7)) - 1 for _ in range(rng.randrange(2, 300))]
        if not sum(other):
            continue
        limit = rng.choice([1, 5, 40, 10_000_000])
        share = tail_share(np.array(english), limit)
        assert share == slow_share(english, limit)
        assert limit_of_share(np.array(other), share) == slow_limit(other, share)


def test_the_ends_of_the_tail() -> None:
    counts = np.array([0, 0, 5, 100])
    assert tail_share(counts, 1) == 0 and limit_of_share(counts, 0.0) == 1, "never a limit of nothing"
    assert tail_share(counts, 1000) == 1 and limit_of_share(counts, 1.0) == 100, "all is tail, all is kept"
    nothing = np.zeros(3, np.int64)
    assert tail_share(nothing, 5) == 1 and limit_of_share(nothing, 0.5) == 1
    assert entry_probability(counts, 1).tolist() == [1, 1, 0.2, 0.01]
    assert entry_probability(counts, 20).tolist() == [1, 1, 1, 0.2]


def test_entries_that_are_written_twice_are_the_first() -> None:
    assert matched(["a", "b", "a"], "a b a") == ["a", "b"]


def test_hostile_texts() -> None:
    listed = Entries(["a", "aa", " ", "\0"])
    matches = listed.match(["a" * 1_000_000, "a " * 500_000, "\0", ". " * 400_000, ""])
    assert matches.counts.tolist()[:2] == [0, 1]
    assert len(matches.ends) == 5
    assert not len(Entries([]).match(["a", ""]).numbers)
    assert Entries(["a"]).match([]).ends.tolist() == []
