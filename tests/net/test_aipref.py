from __future__ import annotations

import pytest

from vlcorpus.net.aipref import MAX_LABELS, SIGNAL, USAGE, preferences, split_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("train-ai=n", {"train-ai": "n"}),
        (" train-ai=y ,search=n", {"train-ai": "y", "search": "n"}),
        ("bots=n, train-ai=y", {"bots": "n", "train-ai": "y"}),
        ("Train-AI = N", {"train-ai": "n"}),
        ("train-ai=no", {"train-ai": "n"}),
        ("train-ai=n, train-ai=y", {"train-ai": "y"}),
        # The draft's own example: the last of equal labels counts, and what is no token says nothing.
        ('train-ai=y, train-ai, search=n, search="n"', {}),
        ("train-ai;allow=n, train-ai=y", {"train-ai": "y"}),
        ("train-ai=n;why=1", {"train-ai": "n"}),
        ('train-ai;has;parameters="?";', {}),
        ('x="train-ai=y, search=y", train-ai=n', {"train-ai": "n"}),
        ('x="never closed, train-ai=n', {}),
        ("train-ai=(n y), search=y", {"search": "y"}),
        ("train-ai=?0", {}),
        ("use=reference", {}),
        ("", {}),
        (",=,;=n,=n", {}),
        ("train ai=n", {}),
    ],
)
def test_content_usage(text: str, expected: dict[str, str]) -> None:
    assert preferences(text, USAGE) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("search=yes, ai-train=no", {"search": "yes", "ai-train": "no"}),
        ("search=yes,ai-train=no,use=reference", {"search": "yes", "ai-train": "no", "use": "reference"}),
        ("ai-train=n", {"ai-train": "no"}),
        ("use=sometimes", {}),
    ],
)
def test_content_signal(text: str, expected: dict[str, str]) -> None:
    assert preferences(text, SIGNAL) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("train-ai=n", ("", "train-ai=n")),
        ("/ai-ok/ train-ai=y", ("/ai-ok/", "train-ai=y")),
        ("/a\t \ttrain-ai=y, search=n", ("/a", "train-ai=y, search=n")),
        ("/a", ("/a", "")),
        ("", ("", "")),
    ],
)
def test_the_path_of_a_line(value: str, expected: tuple[str, str]) -> None:
    assert split_path(value) == expected


def test_floods_are_bounded() -> None:
    assert len(preferences(",".join(f"a{n}=n" for n in range(10_000)), USAGE)) == MAX_LABELS
    assert preferences('"' * 100_001, USAGE) == {}
    assert preferences('="\\' * 100_000, USAGE) == {}
