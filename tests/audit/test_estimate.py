"""The estimators against every sample that could have been drawn of a small population."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pytest

from vlcorpus.audit.estimate import Side, count, overall, portion, share

KEPT = ([1, 1, 0, 1], [1, 0, 1, 1, 1, 0])
DROPPED = ([0, 1, 0, 0, 0], [0, 0, 0, 1])
SIZES = (2, 3), (2, 2)


def samples(strata: Sequence[Sequence[int]], sizes: Sequence[int]) -> Iterator[Side]:
    """Every choice of so many rows of each stratum, each as likely as any other."""
    for chosen in itertools.product(*(itertools.combinations(each, n) for each, n in zip(strata, sizes, strict=True))):
        yield Side.of([len(each) for each in strata], sizes, [sum(each) for each in chosen])


def truth(*strata: Sequence[int]) -> float:
    return sum(map(sum, strata)) / sum(map(len, strata))


def test_a_share_is_right_on_average_over_every_sample() -> None:
    for strata, sizes in ((KEPT, SIZES[0]), (DROPPED, SIZES[1])):
        found = [share(side).value for side in samples(strata, sizes)]
        assert sum(found) / len(found) == pytest.approx(truth(*strata))  # type: ignore[arg-type]
        totals = [count(side).value for side in samples(strata, sizes)]
        assert sum(totals) / len(totals) == pytest.approx(sum(map(sum, strata)))  # type: ignore[arg-type]


def test_intervals_hold_the_truth_in_nearly_every_sample() -> None:
    kept, dropped = list(samples(KEPT, SIZES[0])), list(samples(DROPPED, SIZES[1]))
    for sides, value in ((kept, truth(*KEPT)), (dropped, truth(*DROPPED))):
        assert sum(share(side).low <= value <= share(side).high for side in sides) / len(sides) > 0.95
    good, lost = sum(map(sum, KEPT)), sum(map(sum, DROPPED))
    wanted = {portion: good / (good + lost), overall: truth(*KEPT, *DROPPED)}
    pairs = [(one, other) for one in kept for other in dropped]
    for estimator, value in wanted.items():
        found = {key: estimator(*sides) for key, sides in {(*a.good, *b.good): (a, b) for a, b in pairs}.items()}
        held = [found[*a.good, *b.good] for a, b in pairs]
        inside = [each.low <= value <= each.high for each in held if each.value is not None]
        assert sum(inside) / len(inside) >= 0.9  # of nine labels


def test_a_stratum_counts_as_what_it_is_of_the_population() -> None:
    found = share(Side.of([9_000, 1_000], [10, 100], [10, 50]))
    assert found.value == pytest.approx(0.95)  # not 60 of 110
    assert found.low < 0.95 < found.high < 1


def test_a_census_leaves_no_doubt() -> None:
    kept, dropped = Side.of([3, 5], [3, 5], [3, 4]), Side.of([10], [10], [2])
    for found, value in ((share(kept), 7 / 8), (portion(kept, dropped), 7 / 9), (overall(kept, dropped), 9 / 18)):
        assert (found.value, found.low, found.high) == pytest.approx((value, value, value))


def test_what_was_seen_is_certain() -> None:
    found = share(Side.of([10], [8], [5]))
    assert found.low >= 0.5 and found.high <= 0.7  # 5 are good and 3 are not, whatever the other 2 are


def test_all_good_is_not_certainty() -> None:
    one = share(Side.of([10_000], [20], [20]))
    assert one.value == 1 and one.low == pytest.approx(0.8316, abs=1e-3) and one.high == 1
    apart = share(Side.of([5_000, 5_000], [10, 10], [10, 10]))
    assert apart.low == pytest.approx(one.low, abs=1e-3)  # strata of equal weight cost nothing
    uneven = share(Side.of([9_000, 1_000], [10, 10], [10, 10]))
    assert uneven.low < one.low - 0.05  # and lopsided ones do


def test_recall_counts_what_the_labels_of_dropped_pairs_cannot_rule_out() -> None:
    found = portion(Side.of([1_000], [100], [90]), Side.of([99_000], [100], [0]))
    assert found.value == 1 and found.high == 1
    assert found.low < 0.25  # 3 % of 99,000 dropped ones may be good
    most = portion(Side.of([1_000], [100], [0]), Side.of([1_000], [100], [50]))
    assert most.value == 0 and most.low == 0 and 0 < most.high < 0.15


def test_strata_without_labels_go_to_their_neighbours() -> None:
    side = Side.of([10, 20, 30, 40], [0, 5, 0, 8], [0, 5, 0, 4])
    merged = side.merged()
    assert (merged.rows.tolist(), merged.labelled.tolist(), merged.good.tolist()) == ([60, 40], [5, 8], [5, 4])
    assert share(side).value == pytest.approx(0.6 + 0.4 * 0.5)
    nothing = share(Side.of([10], [0], [0]))
    assert (nothing.value, nothing.low, nothing.high) == (None, 0, 1)
    assert portion(Side.of([10], [5], [0]), Side.of([10], [5], [0])).value is None
    assert portion(Side.of([10], [5], [5]), Side.of([10], [0], [0])).value is None


def test_a_side_without_rows_is_no_doubt() -> None:
    assert portion(Side.of([10], [5], [5]), Side.of([], [], [])).value == 1
    assert portion(Side.of([10], [5], [5]), Side.of([], [], [])).low == 1
    assert portion(Side.of([], [], []), Side.of([10], [5], [5])).high == 0
    assert overall(Side.of([10], [10], [5]), Side.of([], [], [])).value == 0.5


@pytest.mark.parametrize("wrong", [([3], [4], [1]), ([3], [2], [3]), ([3], [2], [-1]), ([3, 4], [1], [1])])
def test_numbers_that_cannot_be_are_a_bug(wrong: tuple[list[int], list[int], list[int]]) -> None:
    with pytest.raises(ValueError, match=r"labels|equal length"):
        Side.of(*wrong)
