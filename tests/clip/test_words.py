from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from vlcorpus.clip.words import CONTEXT, number, tokenize, words


@pytest.mark.parametrize(
    ("caption", "pieces"),
    [
        ("A red, RED square!", ["a", "red", "red", "square"]),
        ("Straße 12", ["strasse", "12"]),
        ("ｆｕｌｌ　ｗｉｄｔｈ", ["full", "width"]),
        ("cafe\u0301 café", ["café", "café"]),
        ("赤い花", ["赤", "赤い", "い", "い花", "花"]),
        ("iPhone用ケース", ["iphone", "用", "用ケ", "ケ", "ケー", "ー", "ース", "ス"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("ไทย", ["ไ", "ไท", "ท", "ทย", "ย"]),
        ("a_b-c", ["a", "b", "c"]),
        ("love😀😀", ["love", "😀", "😀"]),
        (" \t\n", []),
        ("…—!?", []),
    ],
)
def test_pieces(caption: str, pieces: list[str]) -> None:
    assert list(words(caption)) == pieces


def test_numbers_are_fixed_for_ever() -> None:
    assert [number(word, 4096) for word in ("red", "square", "花")] == [1696, 1966, 1954]


def test_numbers_do_not_depend_on_the_process() -> None:
    code = "from vlcorpus.clip.words import tokenize; print(tokenize(['a red square 赤い'], 8, 4096).tolist())"
    told = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert told == {f"{tokenize(['a red square 赤い'], 8, 4096).tolist()}\n"}


def test_rows_are_cut_and_padded() -> None:
    tokens = tokenize(["a b c d", "", "a"], 3, 4096)
    assert tokens.shape == (3, 3)
    assert (tokens[0] > 0).all()
    assert tokens[1].tolist() == [0, 0, 0]
    assert tokens[2].tolist() == [tokens[0, 0], 0, 0]
    assert tokenize([], 3, 4096).shape == (0, 3)


def test_numbers_stay_in_the_vocabulary() -> None:
    many = tokenize(
        [" ".join(f"w{number}" for number in range(start, start + 32)) for start in range(0, 3200, 32)], 32, 64
    )
    assert many.dtype == np.int16
    assert many.min() == 1
    assert many.max() == 63
    assert tokenize(["x"], 1, 65_536).dtype == np.int32


def test_a_hostile_caption_costs_little_and_breaks_nothing() -> None:
    tokens = tokenize(["\ud800 lone", "a" * 10_000_000, "﷽" * 100_000], CONTEXT, 4096)
    assert tokens.shape == (3, CONTEXT)


@pytest.mark.parametrize(("context", "vocabulary"), [(0, 4096), (CONTEXT + 1, 4096), (8, 1)])
def test_impossible_sizes(context: int, vocabulary: int) -> None:
    with pytest.raises(ValueError):
        tokenize(["a"], context, vocabulary)
