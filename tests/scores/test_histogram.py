"""Histograms read in parts are those of all values at once."""

from __future__ import annotations

import numpy as np
import pytest

from vlcorpus.scores.histogram import BINS, Bins, Span, edges_for


def made(parts: list[np.ndarray], marks: list[float]) -> tuple[Bins, np.ndarray]:
    span = Span()
    for part in parts:
        span.see(part)
    every = np.concatenate(parts)
    bins = Bins(edges_for(span, every.astype(np.float64), marks), 2)
    for part in parts:
        bins.see(part, part.astype(np.float64) >= (marks[0] if marks else 0))
    return bins, every


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mark", [0.28, 0.0, -0.3, 1.0])
def test_no_bin_lies_on_both_sides_of_a_cut(dtype: type, mark: float) -> None:
    chance = np.random.default_rng(0)
    mark = float(dtype(mark))
    values = np.concatenate([chance.normal(0.2, 0.1, 5000), [mark] * 7]).astype(dtype)
    bins, every = made([values[:100], values[100:100], values[100:]], [mark])
    dropped, kept = bins.counts
    assert (dropped[bins.edges[:-1] >= mark] == 0).all() and (kept[bins.edges[1:] <= mark] == 0).all()
    assert mark in bins.edges and len(bins.edges) <= BINS + 3 and (np.diff(bins.edges) > 0).all()
    assert kept.sum() == (every >= mark).sum() and bins.counts.sum() == len(every)


def test_counts_are_those_of_the_definition() -> None:
    chance = np.random.default_rng(1)
    values = chance.normal(0, 1, 999)
    bins, every = made(np.array_split(values, 7), [0.5])
    last = len(bins.edges) - 2
    for place, (low, high) in enumerate(zip(bins.edges[:-1], bins.edges[1:], strict=True)):
        want = sum(
            low <= value < high or (place == last and value >= high) or (place == 0 and value < low) for value in every
        )
        assert bins.counts[:, place].sum() == want


def test_a_few_far_values_do_not_squeeze_the_rest() -> None:
    values = np.concatenate([np.linspace(100, 1000, 10_000), [30_000.0, 50_000.0, -9_000.0]])
    bins, every = made([values], [])
    assert bins.edges[0] > 0 and bins.edges[-1] < 2000
    assert (bins.below, bins.counts.sum()) == (sum(every < bins.edges[0]), len(every))
    assert bins.above == sum(every > bins.edges[-1]) >= 2
    span = Span(100.0, 50_000.0, 10, False)
    assert edges_for(span, values, [1500.0])[-1] >= 1500, "a cut is in sight"
    assert edges_for(span, values, [40_000.0])[-1] < 2000, "but one far away squeezes nothing"


@pytest.mark.parametrize(("low", "high", "mark"), [(0, 9, 3), (0, 300, 200), (-5, 5, 0.5), (7, 7, 7), (0, 9, 40)])
def test_whole_numbers_have_bins_of_whole_numbers(low: int, high: int, mark: float) -> None:
    values = np.arange(low, high + 1).repeat(2)
    bins, every = made([values], [mark])
    assert bins.counts.sum() == len(every)
    widths = np.diff(bins.edges)
    assert (widths == widths[0]).all() and float(widths[0]).is_integer()
    if widths[0] == 1:
        assert {int(count) for count in bins.counts.sum(0)} <= {0, 2}
    kept_below = bins.counts[1][bins.edges[1:] <= mark].sum()
    assert kept_below == 0 and bins.counts[0][bins.edges[:-1] >= mark].sum() == 0


def test_one_value_and_none() -> None:
    bins, _ = made([np.full(5, 0.3)], [])
    assert bins.counts.sum() == 5 and len(bins.edges) == 2 and bins.edges[0] < bins.edges[1]
    assert edges_for(Span(), np.zeros(0)).tolist() == [0.0, 1.0]
    empty = Bins(np.array([0.0, 1.0]), 2)
    empty.see(np.zeros(0), np.zeros(0, bool))
    assert empty.counts.sum() == 0
    huge, every = made([np.array([-1e300, 0.0, 1e300])], [0.0])
    assert huge.counts.sum() == len(every) and np.isfinite(huge.edges).all()
