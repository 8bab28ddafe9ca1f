"""Decisions: exact fractions, ties by uid, nothing depends on order or shards, nothing missing is kept unasked."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.scores.decide import Decision, count_masks, decide
from vlcorpus.scores.predicates import (
    AtLeast,
    Cap,
    Drawn,
    Predicate,
    RandomRows,
    Resolved,
    TopFraction,
    TopRows,
    Weights,
    Where,
)
from vlcorpus.scores.prepared import Prepared, draws, halves
from vlcorpus.scores.resolve import resolve

NONE = Weights()


def table(columns: dict[str, Any], seed: int = 0) -> pa.Table:
    rows = len(next(iter(columns.values())))
    drawn = np.random.default_rng(seed).integers(0, 256, (rows, 16), dtype=np.uint8)
    return pa.table({"uid": pa.array([row.tobytes() for row in drawn], pa.binary(16)), **columns})


def prepared(predicates: Sequence[Predicate], rows: pa.Table, weights: Weights = NONE) -> Prepared:
    return Prepared(predicates, weights, {each.name: str(each.type) for each in rows.schema})


def decided(
    predicates: Sequence[Predicate], rows: pa.Table, missing: Any = "drop", weights: Weights = NONE
) -> Decision:
    ready = prepared(predicates, rows, weights)
    return decide(ready, resolve(ready, lambda names: [rows], missing), rows, missing)


def kept(predicates: Sequence[Predicate], rows: pa.Table, missing: Any = "drop") -> list[int]:
    return np.flatnonzero(decided(predicates, rows, missing).keep).tolist()


def floats(*values: float | None) -> pa.Array:
    return pa.array(values, pa.float32())


def test_fail_mask_first_fail_and_weight() -> None:
    rows = table({"s": floats(0.31, 0.12, math.nan, 0.28, 0.1), "width": [640, 640, 640, 90, 90]})
    found = decided([AtLeast("s", 0.28), Where("width >= 200"), Where("width <= 640")], rows)
    assert found.keep.tolist() == [True, False, False, False, False]
    assert found.fail_mask.tolist() == [0b00, 0b01, 0b01, 0b10, 0b11]
    assert found.first_fail.tolist() == [-1, 0, 0, 1, 0]
    assert found.weight.tolist() == [1, 0, 0, 0, 0]
    assert (found.missing.tolist(), found.failed.tolist()) == ([1, 0, 0], [3, 2, 0])
    assert found.first_missing.tolist() == [1, 0, 0]


def test_a_stored_float32_is_at_least_its_own_decimal() -> None:
    assert kept([AtLeast("s", 0.7)], table({"s": floats(0.7)})) == [0]


@pytest.mark.parametrize("absent", [None, math.nan])
def test_what_is_missing_is_kept_only_when_asked(absent: float | None) -> None:
    rows = table({"s": floats(0.9, absent, 0.1)})
    for predicate in (
        AtLeast("s", 0.5),
        Where("s >= 0.5"),
        TopFraction("s", 0.5),
        TopRows("s", 1),
        Where("not s < 0.5"),
    ):
        assert kept([predicate], rows) == [0], predicate
        assert kept([predicate], rows, "keep") == [0, 1], predicate
        with pytest.raises(CorpusError, match="1 of 3 rows have no value for"):
            decided([predicate], rows, "error")


@pytest.mark.parametrize(
    ("n", "fraction", "count"), [(10, 0.3, 3), (10, 0.29, 2), (100, 0.07, 7), (7, 1.0, 7), (7, 0.0, 0), (3, 0.1, 0)]
)
def test_top_fraction_is_exact(n: int, fraction: float, count: int) -> None:
    scores = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    assert set(kept([TopFraction("s", fraction)], table({"s": scores}))) == set(np.argsort(-scores)[:count].tolist())


def test_ties_by_uid_or_all_as_datacomp_does() -> None:
    rows = table({"s": floats(0.5, None, 0.5, 0.9, 0.5, None, 0.1, 0.5, 0.1, 0.1)})
    uids = rows.column("uid").to_pylist()
    tied = sorted((0, 2, 4, 7), key=lambda row: uids[row])
    assert kept([TopFraction("s", 0.5)], rows) == sorted([3, *tied[:3]]), "4 of the 8 with a score"
    assert kept([TopFraction("s", 0.5, "keep")], rows) == [0, 2, 3, 4, 7], "row 4 downwards has 0.5"
    assert kept([TopFraction("s", 0.7, "keep")], rows) == [0, 2, 3, 4, 6, 7, 8, 9]
    assert kept([TopFraction("s", 1.0, "keep")], rows) == [0, 2, 3, 4, 6, 7, 8, 9]


def test_the_fraction_of_each_group() -> None:
    rows = table({"s": floats(*np.arange(12) / 10), "language": ["en"] * 8 + ["de"] * 3 + [None]})
    assert kept([TopFraction("s", 0.5, by="language")], rows) == [4, 5, 6, 7, 10]
    assert kept([TopFraction("s", 0.5, by="language")], rows, "keep") == [4, 5, 6, 7, 10, 11]


def test_caps_and_targets_count_what_passed_before() -> None:
    rows = table(
        {"s": floats(0.9, 0.8, 0.7, 0.6, 0.5, 0.4), "site": ["a", "a", "a", "b", "b", "b"], "w": [1, 9, 9, 1, 9, 9]}
    )
    assert kept([Cap(1, "site", "s")], rows) == [0, 3]
    assert kept([Where("w > 5"), Cap(1, "site", "s")], rows) == [1, 4]
    assert kept([Where("w > 5"), Cap(1, "site", "s"), TopRows("s", 1)], rows) == [1]
    assert kept([TopRows("s", 1), Where("w > 5")], rows) == [], "the first of all does not pass"
    assert kept([TopRows("s", 100)], rows) == list(range(6))
    drawn = kept([Cap(2, "site", seed=3)], rows)
    assert Counter("aaabbb"[row] for row in drawn) == {"a": 2, "b": 2}


def test_weights_are_a_column_times_a_soft_cap() -> None:
    rows = table({"s": floats(2.5, 1, 0, None, 1, 1), "site": ["a", "a", "a", "a", "b", None]})
    found = decided([Where("s > 0")], rows, weights=Weights("s", 1, "site"))
    assert found.keep.tolist() == [True, True, False, False, True, True]
    assert found.weight.tolist() == [1.25, 0.5, 0, 0, 1, 1], "two of a are kept and count as one"


def test_drawn_rows_have_their_probability_and_keep_their_draw() -> None:
    rows = table({"p": pa.array(np.repeat([0.0, 0.3, 1.0, 2.0], 5000).astype(np.float32))})
    own = kept([Drawn("p", 1)], rows)
    share = [sum(low <= row < low + 5000 for row in own) / 5000 for low in (0, 5000, 10000, 15000)]
    assert share[0] == 0 and share[2] == share[3] == 1 and abs(share[1] - 0.3) < 0.03
    assert own != kept([Drawn("p", 2)], rows)
    more = rows.set_column(1, "p", pa.array(np.repeat([0.0, 0.5, 1.0, 2.0], 5000).astype(np.float32)))
    assert set(own) <= set(kept([Drawn("p", 1)], more)), "a higher probability keeps whom a lower one kept"


def test_draws_of_one_seed_do_not_hang_on_each_other() -> None:
    rows = table({"p": pa.array(np.full(20_000, 0.5, np.float32)), "one": ["a"] * 20_000})
    for other in (Drawn("p", 3), Cap(10_000, "one", seed=3)):
        both = kept([RandomRows(fraction=0.5, seed=3), other], rows)
        least = 0.5 if isinstance(other, Cap) else 0.25  # a cap counts what passed before it
        assert abs(len(both) / 20_000 - least) < 0.02
    found = decided([RandomRows(fraction=0.5, seed=3), Drawn("p", 3)], rows)
    assert found.failed.tolist() != [0, 0] and len(set(found.fail_mask.tolist())) == 4


def test_random_rows_are_exact_and_random_fractions_stay_drawn() -> None:
    rows = table({"s": floats(*[0.5] * 1000)})
    drawn = kept([RandomRows(rows=137, seed=4)], rows)
    assert len(drawn) == 137 and drawn != kept([RandomRows(rows=137, seed=5)], rows)
    numbers = draws(halves(rows.column("uid").chunk(0)), 4)
    assert set(drawn) == set(np.argsort(numbers)[:137].tolist())
    share = kept([RandomRows(fraction=0.2, seed=4)], rows)
    assert abs(len(share) - 200) < 50
    assert set(kept([RandomRows(fraction=0.1, seed=4)], rows)) < set(share)
    assert kept([RandomRows(fraction=0.0)], rows) == [] and kept([RandomRows(fraction=1.0)], rows) == list(range(1000))


PREDICATES: list[Predicate] = [
    Where("width >= 20"),
    AtLeast("s", 0.2),
    TopFraction("s", 0.6, by="site"),
    Where('site != "b" or width < 60'),
    RandomRows(fraction=0.9, seed=2),
    Cap(40, "site", "s"),
    TopRows("s + 0.01 * width", 70),
]


def random_rows(seed: int, n: int = 400) -> pa.Table:
    chance = np.random.default_rng(seed)
    scores = (chance.integers(0, 12, n) / 12).astype(np.float32)
    absent = chance.random(n) < 0.1
    sites = [None if chance.random() < 0.05 else "abc"[int(chance.integers(3))] for _ in range(n)]
    return table({"s": pa.array(scores, mask=absent), "width": chance.integers(1, 100, n), "site": sites}, seed)


def slowly(rows: pa.Table, missing: str) -> list[int]:
    """The same predicates, row by row: the mask of each row."""
    listed = rows.to_pylist()
    numbers = draws(halves(rows.column("uid").chunk(0)), 2).tolist()
    masks = [0] * len(listed)
    absent_passes = missing == "keep"

    def fail(bit: int, passes: Sequence[bool | None]) -> None:
        for row, each in enumerate(passes):
            if not (absent_passes if each is None else each):
                masks[row] |= 1 << bit

    def best(own: list[int], count: int, value: Any) -> set[int]:
        return set(sorted(own, key=lambda row: (-value(listed[row]), listed[row]["uid"]))[:count])

    fail(0, [row["width"] >= 20 for row in listed])
    fail(1, [None if row["s"] is None else row["s"] >= np.float32(0.2) for row in listed])
    top: set[int] = set()
    for site in "abc":
        own = [n for n, row in enumerate(listed) if row["site"] == site and row["s"] is not None]
        top |= best(own, math.floor(len(own) * 6 / 10), lambda row: row["s"])
    fail(2, [None if row["s"] is None or row["site"] is None else n in top for n, row in enumerate(listed)])
    wide = [(None if row["site"] is None else row["site"] != "b", row["width"] < 60) for row in listed]
    fail(3, [True if other or site else None if site is None else False for site, other in wide])
    fail(4, [number < 0.9 * 2**64 for number in numbers])
    capped: set[int] = set()
    for site in "abc":
        own = [n for n, row in enumerate(listed) if row["site"] == site and row["s"] is not None and not masks[n]]
        chosen = best(own, 40, lambda row: row["s"])
        last = max(((-listed[n]["s"], listed[n]["uid"]) for n in chosen), default=None)
        every = [n for n, row in enumerate(listed) if row["site"] == site and row["s"] is not None]
        capped |= {n for n in every if last is not None and (-listed[n]["s"], listed[n]["uid"]) <= last}
    fail(5, [None if row["s"] is None or row["site"] is None else n in capped for n, row in enumerate(listed)])
    value = lambda row: row["s"] + 0.01 * row["width"]  # noqa: E731
    chosen = best([n for n, row in enumerate(listed) if row["s"] is not None and not masks[n]], 70, value)
    last = max(((-value(listed[n]), listed[n]["uid"]) for n in chosen), default=None)
    fail(
        6,
        [
            None if row["s"] is None else last is not None and (-value(row), row["uid"]) <= last
            for row in listed
        ],
    )  # fmt: skip
    return masks


@pytest.mark.parametrize("missing", ["drop", "keep"])
@pytest.mark.parametrize("seed", range(12))
def test_every_verdict_is_that_of_the_slow_rule(seed: int, missing: str) -> None:
    rows = random_rows(seed)
    found = decided(PREDICATES, rows, missing)
    want = slowly(rows, missing)
    assert found.fail_mask.tolist() == want
    assert found.keep.tolist() == [mask == 0 for mask in want]
    assert found.first_fail.tolist() == [(mask & -mask).bit_length() - 1 for mask in want]
    assert found.failed.tolist() == [sum(mask >> bit & 1 for mask in want) for bit in range(len(PREDICATES))]
    assert count_masks(found.fail_mask, len(PREDICATES)) == dict(sorted(Counter(want).items()))
    assert count_masks(found.fail_mask, 60) == dict(sorted(Counter(want).items()))


def test_shards_and_their_order_change_nothing() -> None:
    rows = random_rows(3)
    ready = prepared(PREDICATES, rows)
    whole = resolve(ready, lambda names: [rows])
    want = decide(ready, whole, rows).fail_mask.tolist()
    parts = [rows.slice(start, 37) for start in range(0, len(rows), 37)]
    fresh = prepared(PREDICATES, rows)
    cut = resolve(fresh, lambda names: reversed(parts))
    assert cut.as_json() == whole.as_json() or _sorted(cut) == _sorted(whole)
    assert [mask for part in parts for mask in decide(fresh, cut, part).fail_mask.tolist()] == want


def _sorted(resolved: Resolved) -> list[Any]:
    """Groups are numbered as they are met, so that they stand in another order."""
    told = resolved.as_json()
    for each in told:
        if each["cut"] and "groups" in each["cut"]:
            each["cut"]["groups"].sort()
    return told


def test_cuts_come_back_from_json_and_decide_the_same() -> None:
    rows = random_rows(5)
    weights = Weights("width", 30, "site")
    ready = prepared(PREDICATES, rows, weights)
    resolved = resolve(ready, lambda names: [rows])
    told = json.loads(json.dumps([resolved.as_json(), resolved.weights_as_json()]))
    again = Resolved.from_json(*told)
    assert again == resolved
    fresh = prepared(again.predicates, rows, again.weights)
    one, other = decide(ready, resolved, rows), decide(fresh, again, rows)
    assert one.fail_mask.tolist() == other.fail_mask.tolist() and one.weight.tolist() == other.weight.tolist()


def test_a_cut_divides_rows_that_came_later() -> None:
    first, later = random_rows(1), random_rows(2)
    ready = prepared([TopFraction("s", 0.5)], first)
    resolved = resolve(ready, lambda names: [first])
    threshold = resolved.cuts[0].threshold  # type: ignore[union-attr]
    keep = decide(ready, resolved, later).keep
    scores = later.column("s").to_pylist()
    assert all(keep[row] == (score > threshold) for row, score in enumerate(scores) if score not in (None, threshold))


@pytest.mark.parametrize(
    ("predicate", "said"),
    [
        (AtLeast("nothing", 1), "no column 'nothing'"),
        (AtLeast("site", 1), "is text, but a number is wanted"),
        (TopFraction("site", 0.5), "is text, but a number is wanted"),
        (TopFraction("s", 0.5, by="s"), "groups are of texts or whole numbers"),
        (Where("width"), "yes or no"),
    ],
)
def test_wrong_columns_are_refused_before_a_row_is_read(predicate: Predicate, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        prepared([predicate], random_rows(0))


def test_wrong_numbers_are_refused() -> None:
    for make in (
        lambda: TopFraction("s", 1.5), lambda: TopRows("s", -1), lambda: RandomRows(),
        lambda: RandomRows(rows=1, fraction=0.5), lambda: AtLeast("s", math.nan), lambda: Weights(soft_cap=3),
        lambda: prepared([AtLeast("s", math.inf)], random_rows(0)),
        lambda: prepared([Where("width > 1")] * 65, random_rows(0)),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            make()


def test_no_rows_are_no_trouble() -> None:
    rows = random_rows(0).slice(0, 0)
    found = decided(PREDICATES, rows, weights=Weights(soft_cap=2, by="site"))
    assert found.keep.tolist() == [] and found.failed.tolist() == [0] * len(PREDICATES)
    ready = prepared(PREDICATES, rows)
    assert decide(ready, resolve(ready, lambda names: []), rows).keep.tolist() == []
