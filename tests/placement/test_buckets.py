"""What goes in comes out, whatever the memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vlcorpus.placement.buckets import BUCKETS, Buckets, SortedPairs


@pytest.mark.parametrize("memory", [0, 500, 20_000, 1 << 30])
def test_each_bucket_has_its_rows_in_the_order_they_came(tmp_path: Path, memory: int) -> None:
    rng = np.random.default_rng(memory)
    added = [rng.integers(0, 1 << 63, (size, 3), dtype=np.uint64) for size in (0, 1, 5, 700, 0, 300)]
    with Buckets(3, tmp_path / "rows.tmp", memory=memory) as buckets:
        for rows in added:
            buckets.add(rows, rows[:, 0].astype(np.uint8))
        whole = np.concatenate(added)
        assert buckets.rows == len(whole)
        for bucket in range(BUCKETS):
            wanted = whole[whole[:, 0].astype(np.uint8) == bucket]
            assert np.array_equal(buckets.take(bucket), wanted)
    assert (tmp_path / "rows.tmp").exists() == (memory < whole.nbytes)


@pytest.mark.parametrize("most", [1, 2, 255, 256, 257, 1000, 1 << 40, 1 << 62])
@pytest.mark.parametrize("memory", [0, 1 << 30])
def test_pairs_are_sorted(tmp_path: Path, most: int, memory: int) -> None:
    rng = np.random.default_rng(most)
    pairs = SortedPairs(tmp_path, "pairs", most=most, memory=memory)
    added = [rng.integers(0, min(most, 3 + step * most), (200, 2)) for step in range(3)]
    for each in added:
        pairs.add(each[:, 0], each[:, 1])
    wanted = np.array(sorted(map(tuple, np.concatenate(added).tolist())))
    assert np.array_equal(np.column_stack(pairs.sorted()), wanted)


def test_no_pairs(tmp_path: Path) -> None:
    pairs = SortedPairs(tmp_path / "never made", "pairs", most=0, memory=0)
    assert [len(each) for each in pairs.sorted()] == [0, 0]
    assert not list(tmp_path.iterdir())
