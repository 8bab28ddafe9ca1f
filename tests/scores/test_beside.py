"""The nearest rows on both sides of a cut are those of sorting everything."""

from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.scores.beside import Beside


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("most", [1, 5, 24, 5000])
def test_any_order_of_shards_gives_what_sorting_gives(order: int, most: int) -> None:
    chance = np.random.default_rng(0)
    shards, every = [], []
    for number, rows in enumerate([0, 3, 400, 1000]):
        values = chance.integers(0, 40, rows) / 40
        uids = chance.integers(0, 2**63, (rows, 2)).astype(np.uint64)
        wanted = chance.random(rows) < 0.8
        passed = values >= 0.5
        shards.append((f"{number}", values, uids, wanted, passed))
        every += [
            (abs(value - 0.5), *uid, f"{number}", row, value, side)
            for row, (value, uid, own, side) in enumerate(
                zip(values.tolist(), uids.tolist(), wanted.tolist(), passed.tolist(), strict=True)
            )
            if own
        ]
    beside = Beside(most)
    for shard, values, uids, wanted, passed in shards[::order]:
        beside.see(np.abs(values - 0.5), passed, wanted, values, uids, shard)
    for found, side in ((beside.passed, True), (beside.failed, False)):
        want = sorted(row[:6] for row in every if row[6] == side)[:most]
        assert [(near.distance, near.high, near.low, near.shard, near.row, near.value) for near in found] == want
