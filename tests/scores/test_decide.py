"""Decisions: exact fractions, ties by uid, nothing depends on order or shards, nothing missing is kept unasked."""

from __future__ import annotations

import json

import numpy as np
import pytest

from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.scores.decide import AtLeast, AtMost, OneOf, RandomRows, Resolved, TopFraction, decide, resolve


def make_uids(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 16), dtype=np.uint8)


def kept(predicates, columns, uids, missing="drop"):
    return decide(resolve(predicates, columns, uids), columns, uids, missing).keep


def test_fail_mask_first_fail_and_weight() -> None:
    columns = {
        "similarity": np.array([0.31, 0.12, np.nan, 0.28, 0.1], np.float32),
        "width": np.array([640, 640, 640, 90, 90]),
    }
    predicates = [AtLeast("similarity", 0.28), AtLeast("width", 200), AtMost("width", 640)]
    decision = decide(resolve(predicates, columns, make_uids(5)), columns, make_uids(5))
    assert decision.keep.tolist() == [True, False, False, False, False]
    assert decision.fail_mask.tolist() == [0b00, 0b01, 0b01, 0b10, 0b11]
    assert decision.first_fail.tolist() == [-1, 0, 0, 1, 0]
    assert decision.weight.tolist() == [1, 0, 0, 0, 0]
    assert decision.missing.tolist() == [1, 0, 0]


def test_a_stored_float32_is_at_least_its_own_decimal() -> None:
    columns = {"similarity": np.array([0.7], np.float32)}
    assert kept([AtLeast("similarity", 0.7)], columns, make_uids(1)).tolist() == [True]


@pytest.mark.parametrize(
    ("n", "fraction", "count"), [(10, 0.3, 3), (10, 0.29, 2), (100, 0.07, 7), (7, 1.0, 7), (7, 0.0, 0), (3, 0.1, 0)]
)
def test_top_fraction_is_exact(n: int, fraction: float, count: int) -> None:
    columns = {"s": np.random.default_rng(n).standard_normal(n).astype(np.float32)}
    keep = kept([TopFraction("s", fraction)], columns, make_uids(n))
    assert keep.sum() == count
    assert set(np.flatnonzero(keep)) == set(np.argsort(-columns["s"])[:count])


def test_top_fraction_counts_rows_with_a_score_and_breaks_ties_by_uid() -> None:
    scores = np.array([0.5, np.nan, 0.5, 0.9, 0.5, np.nan, 0.1, 0.5, 0.1, 0.1], np.float32)
    uids = make_uids(10)
    columns = {"s": scores}
    tied = sorted((0, 2, 4, 7), key=lambda row: uids[row].tobytes())
    keep = kept([TopFraction("s", 0.5)], columns, uids)  # 4 of the 8 with a score
    assert sorted(np.flatnonzero(keep)) == sorted([3, *tied[:3]])


def test_uid_order_is_byte_order_over_all_sixteen_bytes() -> None:
    uids = np.zeros((4, 16), np.uint8)
    uids[0, 15], uids[1, 15], uids[2, 0], uids[3, 7] = 2, 255, 1, 1
    keep = kept([TopFraction("s", 0.5)], {"s": np.zeros(4, np.float32)}, uids)
    assert keep.tolist() == [True, True, False, False]


def test_ties_all_is_the_rule_of_datacomp() -> None:
    scores = np.array([5, 4, 3, 3, 3, 2, 1, 0, 0, 0], np.float64)
    columns = {"s": scores}
    threshold = sorted(scores, reverse=True)[int(len(scores) * 0.3)]
    assert np.array_equal(kept([TopFraction("s", 0.3, ties="all")], columns, make_uids(10)), scores >= threshold)
    assert kept([TopFraction("s", 1.0, ties="all")], columns, make_uids(10)).all()


def test_random_rows_are_exact_in_number_and_independent_of_order() -> None:
    uids = make_uids(500)
    one = kept([RandomRows(rows=100, seed=1)], {}, uids)
    assert one.sum() == 100
    order = np.random.default_rng(5).permutation(500)
    assert np.array_equal(kept([RandomRows(rows=100, seed=1)], {}, uids[order]), one[order])
    other = kept([RandomRows(rows=100, seed=2)], {}, uids)
    assert 5 < (one & other).sum() < 40  # chance: 20
    assert kept([RandomRows(rows=900)], {}, uids).all() and not kept([RandomRows(rows=0)], {}, uids).any()


def test_random_fraction_is_stable_as_the_corpus_grows() -> None:
    uids = make_uids(4000)
    predicate = [RandomRows(fraction=0.25, seed=3)]
    whole = kept(predicate, {}, uids)
    assert 900 < whole.sum() < 1100
    assert np.array_equal(kept(predicate, {}, uids[:100]), whole[:100])
    wider = kept([RandomRows(fraction=0.5, seed=3)], {}, uids)
    assert not (whole & ~wider).any()
    assert kept([RandomRows(fraction=1.0)], {}, uids).all() and not kept([RandomRows(fraction=0.0)], {}, uids).any()


def test_shards_in_any_order_give_the_same_decision() -> None:
    rng = np.random.default_rng(0)
    n = 300
    columns = {"s": rng.integers(0, 5, n).astype(np.float32), "w": rng.integers(0, 900, n)}
    columns["s"][rng.random(n) < 0.1] = np.nan
    uids = make_uids(n)
    predicates = [TopFraction("s", 0.4), AtLeast("w", 200), RandomRows(rows=150, seed=9)]
    resolved = resolve(predicates, columns, uids)
    stored = Resolved.from_json(json.loads(json.dumps(resolved.as_json())))
    assert stored == resolved
    whole = decide(resolved, columns, uids)
    for _ in range(3):
        rows = rng.permutation(n)
        shuffled = resolve(predicates, {name: values[rows] for name, values in columns.items()}, uids[rows])
        assert shuffled == resolved
        for shard in np.array_split(rows, 7):
            part = decide(stored, {name: values[shard] for name, values in columns.items()}, uids[shard])
            assert np.array_equal(part.fail_mask, whole.fail_mask[shard])


def test_missing_values_of_every_kind() -> None:
    uids = make_uids(3)
    for values in (
        np.array([1.0, np.nan, 0.0]),
        np.array([1.0, None, 0.0], object),
        np.array([1.0, float("nan"), 0.0], object),
        np.ma.masked_array([1, 7, 0], [False, True, False]),
    ):
        for predicate in (AtLeast("s", 0.5), TopFraction("s", 0.5), OneOf("s", (1,))):
            assert kept([predicate], {"s": values}, uids).tolist() == [True, False, False], (values, predicate)
            assert kept([predicate], {"s": values}, uids, "keep").tolist() == [True, True, False]
            with pytest.raises(CorpusError, match="1 of 3 rows have no s"):
                kept([predicate], {"s": values}, uids, "error")
    assert kept([AtMost("s", -1)], {"s": np.full(3, np.nan)}, uids).tolist() == [False] * 3
    assert kept([TopFraction("s", 1.0)], {"s": np.full(3, np.nan)}, uids).tolist() == [False] * 3


def test_one_of_text() -> None:
    assert kept(
        [OneOf("language", ("en", "de"))], {"language": np.array(["en", None, "fr", "de"], object)}, make_uids(4)
    ).tolist() == [
        True,
        False,
        False,
        True,
    ]


def test_weights_of_kept_rows() -> None:
    columns = {"s": np.array([1.0, 0.0, 1.0])}
    resolved = resolve([AtLeast("s", 0.5)], columns, make_uids(3))
    assert decide(resolved, columns, make_uids(3), weight=np.array([2.0, 3.0, 0.5])).weight.tolist() == [2.0, 0.0, 0.5]


def test_wrong_words() -> None:
    with pytest.raises(UsageError, match="no score column 'similarty'") as caught:
        kept([AtLeast("similarty", 1)], {"similarity": np.zeros(1)}, make_uids(1))
    assert "similarity" in caught.value.hint
    for wrong in (
        lambda: AtLeast("s", float("nan")),
        lambda: TopFraction("s", 1.5),
        RandomRows,
        lambda: RandomRows(rows=1, fraction=0.1),
    ):
        with pytest.raises(UsageError):
            wrong()
    with pytest.raises(UsageError, match="65 predicates"):
        resolve([RandomRows(rows=1)] * 65, {}, make_uids(1))


def test_sixty_four_predicates_fit() -> None:
    columns = {"s": np.array([0.0, 1.0])}
    decision = decide(resolve([AtLeast("s", 0.5)] * 64, columns, make_uids(2)), columns, make_uids(2))
    assert decision.fail_mask.tolist() == [2**64 - 1, 0]
