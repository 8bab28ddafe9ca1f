"""Phrases against a plain regular expression a phrase, and the rules one by one."""

from __future__ import annotations

import gzip
import random
import re
from pathlib import Path

import pyarrow as pa
import pytest

from vlcorpus.errors import SourceError
from vlcorpus.web.words import match
from vlcorpus.web.words.match import Terms, fold

# What of the texts below makes a word longer.
IN_WORD = "[^\\W黒猫がねこ고양이]"


def slow(terms: list[str], text: str) -> str | None:
    """Every phrase looked for on its own: the earliest start, then the longest, then the first listed."""
    text = fold(text)
    found: list[tuple[int, int, int]] = []
    for number, term in enumerate(terms):
        folded = fold(term)
        if not folded:
            continue
        before = f"(?<!{IN_WORD})" if re.match(IN_WORD, folded) else ""
        after = f"(?!{IN_WORD})" if re.search(f"{IN_WORD}$", folded) else ""
        hit = re.search(f"{before}{re.escape(folded)}{after}", text)
        if hit:
            found.append((hit.start(), -len(folded), number))
    return terms[min(found)[2]].strip() if found else None


WORDS = [
    "cat",
    "Cat",
    "cats",
    "red",
    "red cat",
    "straße",
    "ΣΊΣΥΦΟΣ",
    "c++",
    "#1",
    "猫",
    "ねこ",
    "고양이",
    "a",
    "_a",
    "é",
    "𝒳",
]


def test_random_texts_against_a_regular_expression_a_phrase() -> None:
    chance = random.Random(5)
    between = ["", " ", "  ", "\n", "-", "_", "s", ".", "\u3000", "黒", "が", "ﬁ", "1"]
    for _ in range(400):
        terms = [chance.choice(["", " "]).join(chance.choices(WORDS, k=chance.choice([1, 1, 2]))) for _ in range(6)]
        made = Terms(terms)
        texts = [
            "".join(
                each + chance.choice(between) for each in chance.choices([*WORDS, *between], k=chance.randint(0, 6))
            )
            for _ in range(20)
        ]
        wanted = [slow(terms, text) for text in texts]
        alike = [None if each is None else fold(each) for each in wanted]
        assert [None if (found := made.matches(text)) is None else fold(found) for text in texts] == alike
        kept, matched = made.mask(pa.array(texts))
        assert matched.to_pylist() == [made.matches(text) for text in texts]
        assert kept.to_pylist() == [each is not None for each in wanted]


@pytest.mark.parametrize(
    ("term", "text", "found"),
    [
        ("cat", "a CAT.", True),
        ("cat", "cats", False),
        ("cat", "bobcat", False),
        ("cat", "cat_2", False),
        ("cat", "the cat's bed", True),
        ("cat", "#cat", True),
        ("cat", "cat-like", True),
        ("Red Panda", "a red \t\n panda", True),
        ("red panda", "redpanda", False),
        ("red panda", "a red\u00a0panda", True),
        ("strasse", "Die Straße im Regen", True),
        ("café", "CAFE\u0301 noir", True),
        ("cafe", "cafe\u0301", False),
        ("ﬁsh", "fish", True),
        ("donaudampf", "Donau\u00addampf", True),
        ("c++", "learn c++17", True),
        ("c", "learn c++", True),
        ("猫", "黒猫です", True),
        ("cat", "黒いcatです", True),
        ("ﾈｺ", "カワイイネコ", True),
        ("แมว", "รูปแมวดำ", True),
        ("고양이", "고양이가 잔다", True),
        ("कल", "यह कला है", False),
        ("कल", "कल आना", True),
        ("می", "می\u200cخواهم", False),
        ("ё", "елка", False),
        ("🐈", "x🐈y", True),
    ],
)
def test_rules(term: str, text: str, found: bool) -> None:
    assert Terms([term]).matches(text) == (term if found else None)
    assert Terms([term, "never found"]).mask([text])[0].to_pylist() == [found]


def test_the_earliest_wins_then_the_longest_then_the_first_listed() -> None:
    terms = Terms(["panda", "red", "red panda", "the", "Red  Panda"])
    assert terms.matches("a red panda") == "red panda"
    assert terms.matches("pandas and a panda, the red one") == "panda"
    assert len(terms) == 4


def test_a_refused_phrase_does_not_hide_a_shorter_or_later_one() -> None:
    terms = Terms(["red panda", "red", "and"])
    assert terms.matches("red pandas") == "red"
    assert Terms(["bob cat", "cat"]).matches("xbob cat") == "cat"


def test_texts_are_not_read_across_rows() -> None:
    terms = Terms(["red panda", "cat"])
    kept, matched = terms.mask(["a red", "panda", None, "", "cat", "bob", "cat\n", "\ncat red\npanda"])
    assert kept.to_pylist() == [False, False, False, False, True, False, True, True]
    assert matched.to_pylist() == [None, None, None, None, "cat", None, "cat", "cat"]
    assert kept.null_count == 0


def test_more_texts_than_are_walked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{number} {'cat' if number % 3 else 'dog'} {number}" for number in range(50)]
    terms = Terms(["cat", "7"])
    whole = terms.mask(texts)
    monkeypatch.setattr(match, "_AT_ONCE", 7)
    assert terms.mask(texts) == whole
    assert whole[1].to_pylist() == [terms.matches(text) for text in texts]


def test_every_kind_of_text_column_is_read() -> None:
    terms = Terms(["cat"])
    for column in (
        pa.array(["a cat", None], pa.large_string()),
        pa.array(["a cat", None]).dictionary_encode(),
        pa.chunked_array([["a cat"], [None]], pa.string()),
        pa.array(["x", "a cat", None])[1:],
        ["a cat \ud800", None],
    ):
        kept, matched = terms.mask(column)
        assert kept.to_pylist() == [True, False]
        assert matched.to_pylist() == ["cat", None]
    assert terms.mask([])[0].to_pylist() == []
    assert Terms([]).mask(["a"])[0].to_pylist() == [False]


def test_long_texts_fold_as_their_words_do() -> None:
    words = ["Straße", "CAFE\u0301", "ﬁsh", "猫", "x" * 300, "red\u00a0panda", "Donau\u00addampf"] * 30
    assert fold(" ".join(words)) == " ".join(fold(word) for word in words)


def test_marks_in_disorder_cost_no_more_than_their_number() -> None:
    # In one piece this would take minutes.
    text = "a" + "\u0334\u0301\u0323" * 300_000 + " cat"
    assert Terms(["cat"]).matches(text) == "cat"


def written(tmp_path: Path, body: bytes) -> Path:
    path = tmp_path / "terms.txt"
    path.write_bytes(body)
    return path


def test_a_file_of_phrases(tmp_path: Path) -> None:
    body = "\ufeff# animals\r\n\r\n  red panda \r\n# no\nкот\nRED PANDA\n猫".encode()
    terms = Terms.read(written(tmp_path, body))
    assert len(terms) == 3
    assert terms.matches("Red Panda") == "red panda"
    assert terms.matches("рыжий Кот") == "кот"
    assert Terms.read(written(tmp_path, gzip.compress(body))).matches("黒猫") == "猫"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no phrase"),
        (b"# only\n\n  \n", "no phrase"),
        (b"cat\n\xff\xfecat\n", "line 2 .* not in UTF-8"),
        (b"\xff\xfec\0a\0t\0", "not in UTF-8"),
        (b"cat\n" + b"x" * 201 + b"\n", "line 2 .* 200 characters"),
        (b"x" * 1_100_000, "line 1 .* too long"),
        (b"PAR1....", "a parquet file"),
        (gzip.compress(b"cat\n" * 100, mtime=0)[:-20], "damaged"),
    ],
)
def test_a_file_that_is_no_list(tmp_path: Path, body: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        Terms.read(written(tmp_path, body))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        Terms.read(tmp_path / "none.txt")
    with pytest.raises(SourceError, match="cannot be read"):
        Terms.read(tmp_path)


@pytest.mark.parametrize(
    ("limit", "value", "said"),
    [("MAX_TERMS", 3, "phrases"), ("MAX_TOTAL", 8, "characters"), ("MAX_READ", 10, "than 10")],
)
def test_a_list_that_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, said: str
) -> None:
    monkeypatch.setattr(match, limit, value)
    with pytest.raises(SourceError, match=said):
        Terms.read(written(tmp_path, b"one\ntwo\nthree\nfour\n"))
