from __future__ import annotations

from vlcorpus.probe.ranking import ranked


def _places(means: dict[str, float], p: dict[tuple[str, str], float | None], **more: bool) -> dict[str, int]:
    return {each.arm: each.place for each in ranked(means, p, sure=0.05, **more)}


def test_places_are_shared_where_not_told_apart() -> None:
    means = {"raw": 0.31, "kept": 0.54, "random": 0.30}
    p = {("kept", "raw"): 0.001, ("kept", "random"): 0.001, ("raw", "random"): 0.6}
    found = ranked(means, p, sure=0.05)
    assert [(each.arm, each.place, each.better_than) for each in found] == [
        ("kept", 1, ("raw", "random")),
        ("raw", 2, ()),
        ("random", 2, ()),
    ]


def test_a_third_that_is_told_from_neither_joins_two() -> None:
    p = {("a", "b"): 0.5, ("b", "c"): 0.5, ("a", "c"): 0.001}
    found = ranked({"a": 3, "b": 2, "c": 1}, p, sure=0.05)
    assert [each.place for each in found] == [1, 1, 1]
    assert found[0].better_than == ("c",)


def test_all_pairs_are_corrected_for() -> None:
    means = {"a": 3.0, "b": 2.0, "c": 1.0}
    p = {("a", "b"): 0.03, ("b", "c"): 0.03, ("a", "c"): 0.03}  # three times 0.03 is more than 0.05
    assert _places(means, p) == {"a": 1, "b": 1, "c": 1}
    p = {("a", "b"): 0.016, ("b", "c"): 0.016, ("a", "c"): 0.016}
    assert _places(means, p) == {"a": 1, "b": 2, "c": 3}


def test_lower_may_be_better_and_one_seed_tells_nothing() -> None:
    assert _places({"a": 3.0, "b": 2.0}, {("a", "b"): 0.01}, lower_is_better=True) == {"b": 1, "a": 2}
    assert _places({"a": 3.0, "b": 2.0}, {("a", "b"): None}) == {"a": 1, "b": 1}
