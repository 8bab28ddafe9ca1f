"""The k highest, exactly, whatever the ties, the groups, and how few rows may be collected at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from vlcorpus.scores import selection
from vlcorpus.scores.selection import TopK, number, ordered


def run(values: Any, uids: Any, groups: Any, count: Any, parts: int = 7) -> TopK:
    top = TopK(count, groups=1 if groups is None else int(groups.max(initial=0)) + 1)
    while not top.settled:
        for part in np.array_split(np.arange(len(values)), parts):
            top.see(
                ordered(values[part]),
                lambda places, part=part: uids[part][places],
                None if groups is None else groups[part],
            )
        top.end_of_pass()
    return top


@pytest.mark.parametrize("collected", [1 << 20, 3, 0])
@pytest.mark.parametrize("seed", range(40))
def test_the_last_row_that_is_taken_is_that_of_a_sort(
    seed: int, collected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "COLLECTED", collected)
    chance = np.random.default_rng(seed)
    n, kind = int(chance.integers(0, 120)), chance.choice(["f4", "f8", "i8", "u8"])
    spread = chance.integers(0, 10, n) / 4 if chance.random() < 0.5 else chance.normal(size=n) * 1e3
    values = (np.abs(spread) if kind == "u8" else spread).astype(kind)
    uids = chance.integers(0, 3 if chance.random() < 0.3 else 2**63, (n, 2)).astype(np.uint64)
    uids[:, 1] = chance.permutation(n)
    groups = None if chance.random() < 0.5 else chance.integers(0, 4, n)
    share = chance.random()
    top = run(values, uids, groups, lambda sizes: (sizes * share).astype(np.int64))
    for group in range(len(top.sizes)):
        own = np.arange(n) if groups is None else np.flatnonzero(groups == group)
        order = sorted(own, key=lambda row: (-values[row].item(), *uids[row].tolist()))
        taken = int(len(own) * share)
        if not taken:
            assert top.cut(group) is None
            continue
        last = order[taken - 1]
        assert top.cut(group) == (int(ordered(values[[last]])[0]), *uids[last].tolist())
        assert number(top.cut(group)[0], values.dtype) == values[last]  # type: ignore[index]


@pytest.mark.parametrize("kind", ["f4", "f8", "i4", "i8", "u8"])
def test_keys_have_the_order_of_numbers_and_give_them_back(kind: str) -> None:
    values = np.array([-3, -1, 0, 1, 2, 2**31 - 1], "i8").astype(kind if kind[0] != "u" else "i8")
    values = np.abs(values).astype(kind) if kind[0] == "u" else values
    if kind[0] == "f":
        values = np.concatenate([values, np.array([np.inf, -np.inf, 1e-40, -1e-40, 0.1], kind)])
    order = np.argsort(values, kind="stable")
    keys = ordered(values)
    assert np.array_equal(np.sort(keys), keys[order])
    assert [number(int(key), values.dtype) for key in keys] == values.tolist()


def test_minus_zero_is_zero() -> None:
    for kind in ("f4", "f8"):
        assert ordered(np.array([-0.0], kind)) == ordered(np.array([0.0], kind))


def test_parts_and_their_order_change_nothing() -> None:
    chance = np.random.default_rng(0)
    values, uids = chance.integers(0, 5, 500).astype("f4"), chance.integers(0, 2**63, (500, 2)).astype(np.uint64)
    cuts = set()
    for parts in (1, 3, 500):
        order = chance.permutation(500)
        cuts.add(run(values[order], uids[order], None, lambda sizes: sizes // 3, parts).cut())
    assert len(cuts) == 1
