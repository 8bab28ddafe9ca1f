from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vlcorpus.views.kept import Kept


def test_the_least_recently_used_goes_first() -> None:
    made: list[int] = []

    def value(number: int) -> int:
        return kept.get(number, lambda: made.append(number) or number)

    kept: Kept[int] = Kept(3)
    for number in (1, 2, 3, 1, 4, 1, 2):
        assert value(number) == number
    assert made == [1, 2, 3, 4, 2]  # 2 went when 4 came, since 1 had been asked for again


def test_sizes_are_added_up_and_the_latest_stays() -> None:
    kept: Kept[bytes] = Kept(10, len)
    made: list[int] = []

    def value(size: int) -> bytes:
        return kept.get(size, lambda: made.append(size) or bytes(size))

    for size in (4, 5, 4, 2, 5, 4, 100, 100, 4):
        assert len(value(size)) == size
    assert made == [4, 5, 2, 5, 4, 100, 4]


def test_what_is_put_is_held_until_it_has_to_go() -> None:
    kept: Kept[bytes] = Kept(10, len)
    kept.put("a", bytes(4))
    kept.put("b", bytes(4))
    assert kept.held("a") == bytes(4) and kept.held("c") is None
    kept.put("c", bytes(4))  # b was asked for longest ago
    assert kept.held("b") is None and kept.held("a") == bytes(4)
    kept.put("a", bytes(6))  # in its place: with c as many bytes as may be kept
    assert (kept.held("a"), kept.held("c")) == (bytes(6), bytes(4))
    assert kept.get("a", lambda: b"") == bytes(6)


def test_what_raises_is_not_kept() -> None:
    kept: Kept[int] = Kept(3)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: 1 // 0)
    assert kept.get("a", lambda: 5) == 5


def test_threads_make_a_value_once_and_others_beside_it() -> None:
    kept: Kept[int] = Kept(100)
    both, made = threading.Barrier(2, timeout=30), list[str]()

    def make(name: str) -> int:
        made.append(name)
        both.wait()  # passes only when both names are being made at the same time
        return len(name)

    with ThreadPoolExecutor(8) as pool:
        names = ["a", "bb"] * 4
        found = list(pool.map(lambda name: kept.get(name, lambda: make(name)), names))
    assert found == [1, 2] * 4 and sorted(made) == ["a", "bb"]
