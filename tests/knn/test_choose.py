"""The choice hangs on counts alone, and is the first kind that is quick enough and fits."""

from __future__ import annotations

import pytest

from vlcorpus.knn.choose import choose

GB = 1 << 30


@pytest.mark.parametrize(
    ("rows", "dimension", "memory", "latency", "cores", "kind"),
    [
        (0, 512, 4 * GB, 10, 1, "exact"),
        (50_000, 512, 4 * GB, 10, 1, "exact"),
        (150_000, 512, 4 * GB, 10, 1, "exact"),
        (200_000, 512, 4 * GB, 10, 1, "rabitq"),
        (1_000_000, 512, 4 * GB, 10, 1, "rabitq"),
        (1_000_000, 512, 4 * GB, 10, 8, "exact"),
        (1_000_000, 512, 4 * GB, 5, 1, "ivf"),
        (1_000_000, 512, 4 * GB, 100, 1, "exact"),
        (1_000_000, 1152, 4 * GB, 10, 1, "ivf"),
        (5_000_000, 512, 4 * GB, 10, 1, "ivf"),
        (5_000_000, 512, 4 * GB, 10, 8, "rabitq"),
        (50_000, 512, 50_000_000, 10, 1, "rabitq"),  # the rows themselves do not fit
        (5_000_000, 512, 400_000_000, 10, 1, "rabitq"),  # nor do lists
        (5_000_000, 512, 100_000_000, 10, 1, "exact"),  # nor codes
    ],
)
def test_the_rule(rows: int, dimension: int, memory: int, latency: float, cores: int, kind: str) -> None:
    found = choose(rows, dimension, memory=memory, latency=latency, cores=cores)
    assert found.kind == kind and found.why.startswith("as ")
    assert found.bytes <= memory or (kind == "exact" and rows)
    assert choose(rows, dimension, memory=memory, latency=latency, cores=cores) == found


def test_bytes_are_those_of_the_index() -> None:
    assert choose(1_000_000, 512, memory=4 * GB, latency=10).bytes == pytest.approx(73_100_000, rel=0.001)
    assert choose(50_000, 512, memory=4 * GB, latency=10).bytes == 51_200_000
