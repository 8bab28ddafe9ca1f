from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest

from vlcorpus.audit.binomial import below
from vlcorpus.pipeline.forecasting.breaks import worst
from vlcorpus.pipeline.forecasting.projection import (
    Asked,
    Projection,
    World,
    fleet,
    index_bytes,
    load,
    project,
    requests_of,
    through,
)
from vlcorpus.pipeline.forecasting.terms import Machine, Measured

WORLD = World(shard_rows=10_000, digits=5, looked=2_000, images=1_900, hosts=300, top=40)
BIG = Machine(cores=64, gpus=8, ram=256.0, disk=2_000.0, net=25.0, price=2.5)


def stage(name: str = "embed", **changes: Any) -> Measured:
    values: dict[str, Any] = {
        "stage": name, "label": name, "layer": name, "basis": "measured", "why": "450 rows of this corpus",
        "sampled": 500, "seen": 450, "kept": 450, "per_row": 0.002, "bytes_row": 100.0, "bytes_shard": 5_000.0,
        "files": 3,
    }  # fmt: skip
    return Measured(**(values | changes))


FETCHED = stage("download", layer="shards", seen=500, kept=450, per_row=0.006, fetched_row=40_000.0, files=3)
JUDGED = stage(
    "filter", layer="decisions/a", seen=450, kept=120, per_row=2e-6, serial_row=1e-6, reduction=True, bytes_row=20.0
)
GROUPED = stage("dedup", layer="duplicates/default", per_row=1e-5, serial_row=1e-5, reduction=True, growth="n log n")
WRITTEN = stage("export", layer="out:all", seen=120, kept=110, per_row=0.001, bytes_row=40_000.0)
WALK = (FETCHED, stage(), JUDGED, GROUPED, WRITTEN)


def walk(rows: int, *machines: Machine, stages: tuple[Measured, ...] = WALK, **more: Any) -> Projection:
    return project(rows, stages, WORLD, Asked(machines or (BIG,), **more))


def value(found: Projection, name: str) -> float:
    (only,) = (each.value for each in found.amounts if each.name == name)
    assert only is not None
    return only


@pytest.mark.parametrize("rows", [1, 12_345, 10**8, 10**10])
def test_equals_a_row_by_row_sum(rows: int) -> None:
    """Against arithmetic done the long way, stage after stage and shard after shard."""
    found = walk(rows, count=3)
    shards = 0
    left = rows
    while left > 0:
        shards, left = shards + 1, left - WORLD.shard_rows
        if shards > 2_000_000:
            break
    seconds = gone = busy = alone = disk = 0.0
    for each in WALK:
        here = rows * each.seen / 500
        growth = 1.0
        if each is GROUPED and here > 450:
            growth = (math.log(here) / math.log(2)) / (math.log(450) / math.log(2))
        cores = (each.per_row or 0) * here * growth
        one = each.serial_row * here * growth
        network = each.fetched_row * here * 8 / 25e9
        gone += max((cores - one) / 64, network)
        busy += cores
        alone += one
        disk += each.bytes_row * here + each.bytes_shard * shards
    seconds = gone / 3 + alone
    (machines,) = found.fleets
    assert machines.seconds == pytest.approx(seconds)
    assert machines.machine_hours == pytest.approx((gone + alone) / 3_600)
    assert machines.cost == pytest.approx((gone + alone) / 3_600 * 2.5)
    assert value(found, "shards") == shards
    assert value(found, "disk in all") == pytest.approx(disk)
    assert sum(each.busy or 0 for each in found.loads) == pytest.approx(busy)
    assert value(found, "stored pairs") == pytest.approx(rows * 0.9)
    assert value(found, "kept by filter") == pytest.approx(rows * 0.9 * (120 / 450))
    assert value(found, "written by export") == pytest.approx(rows * 0.9 * (120 / 450) * (110 / 120))


def test_more_rows_never_take_less() -> None:
    chance = random.Random(3)
    sizes = sorted({1, *(int(10 ** chance.uniform(0, 11)) for _ in range(40))})
    before: Projection | None = None
    for rows in sizes:
        found = walk(rows, count=2)
        if before is not None:
            for old, new in zip(before.amounts, found.amounts, strict=True):
                assert (old.name, old.unit) == (new.name, new.unit)
                if not old.unit.endswith("/s"):
                    assert (new.value or 0) >= (old.value or 0), (rows, old, new)
            assert (found.fleets[0].seconds or 0) >= (before.fleets[0].seconds or 0)
        before = found


def test_machines_are_the_fewest_for_the_days() -> None:
    for rows in (10**6, 10**8, 10**9):
        (found,) = walk(rows, days=2.0).fleets
        assert found.count is not None and found.seconds is not None
        assert found.seconds <= 2 * 86_400 * (1 + 1e-9)
        if found.count > 1:
            (fewer,) = walk(rows, count=found.count - 1).fleets
            assert (fewer.seconds or 0) > 2 * 86_400


def test_what_one_worker_does_is_not_divided() -> None:
    slow = replace(JUDGED, per_row=0.01, serial_row=0.01)
    (few,) = walk(10**8, stages=(slow,), count=1).fleets
    (many,) = walk(10**8, stages=(slow,), count=1_000).fleets
    assert few.seconds == many.seconds == pytest.approx(0.01 * 0.9e8)
    (none,) = walk(10**8, stages=(slow,), days=7.0).fleets
    assert none.count is None and none.seconds is None and "one worker" in none.why
    broken = [each.name for each in worst(walk(10**8, stages=(slow,)).breaks, 10**8)]
    assert "one worker's part of filter" in broken


def test_a_gpus_rate_is_of_gpus() -> None:
    of = stage(per_row=0.001, gpu=True, device="H200")
    (found,) = walk(10**9, stages=(of,), count=2).fleets
    assert found.seconds == pytest.approx(0.9e9 * 0.001 / 16)
    (without,) = walk(10**9, Machine(cores=64), stages=(of,), count=2).fleets
    assert without.seconds is None and "H200" in without.why and "none" in without.why


def test_the_network_bounds_a_download() -> None:
    of = replace(FETCHED, per_row=1e-9)
    (found,) = walk(10**9, stages=(of,), count=4).fleets
    assert found.seconds == pytest.approx(10**9 * 40_000 * 8 / 25e9 / 4)


def test_without_a_price_there_are_machine_hours() -> None:
    (found,) = walk(10**8, replace(BIG, price=None), count=1).fleets
    assert found.cost is None and (found.machine_hours or 0) > 0


def test_what_is_not_known_stays_unknown() -> None:
    found = walk(10**8, stages=(replace(FETCHED, per_row=None, why="the images came by import"),))
    (line,) = (each for each in found.amounts if each.name == "download")
    assert line.value is None and "came by import" in line.why


@pytest.mark.parametrize(("hits", "trials"), [(0, 40), (1, 40), (20, 40), (39, 40), (40, 40), (450, 500)])
def test_intervals_are_clopper_and_pearsons(hits: int, trials: int) -> None:
    """Each limit is the share at which that many hits, or more extreme ones, have a chance of 2.5 %."""
    middle, low, high = through(10**6, hits, trials)
    assert middle == pytest.approx(10**6 * hits / trials)
    assert 0 <= low <= middle <= high <= 10**6

    def at_least(share: float) -> float:
        return sum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(hits, trials + 1))

    if hits:
        assert at_least(low / 10**6) == pytest.approx(0.025, rel=1e-4)
        assert below(low / 10**6, hits, trials - hits + 1) == pytest.approx(0.025, rel=1e-4)
    if hits < trials:
        share = high / 10**6
        at_most = sum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(hits + 1))
        assert at_most == pytest.approx(0.025, rel=1e-4)


def test_no_success_at_all() -> None:
    lost = (replace(FETCHED, kept=0), stage(seen=0, kept=0, per_row=0.0), stage("export", seen=0, kept=0, per_row=0.0))
    found = walk(10**9, stages=lost)
    assert value(found, "stored pairs") == 0.0
    (line,) = (each for each in found.amounts if each.name == "stored pairs")
    assert line.high is not None and 0 < line.high < 10**9 * 0.02  # 0 of 500: below one in a hundred, most likely
    assert all(each.busy == 0 for each in found.loads[1:])


def test_an_empty_sample_says_nothing_rather_than_something() -> None:
    assert through(10**6, 0, 0) == (0.0, 0.0, 10**6)
    assert project(10**6, (), WORLD, Asked((BIG,))).breaks == ()


def test_requests_and_names() -> None:
    (of,) = (load(10**6, each, WORLD) for each in (FETCHED,))
    requests, names = requests_of([of], WORLD)
    assert names == pytest.approx(10**6 * 300 / 2_000)
    assert requests == pytest.approx(10**6 * 1_900 / 2_000 + 3 * names)
    assert requests_of([load(10**6, stage(), WORLD)], WORLD) == (0.0, 0.0)


def test_breaks_are_where_they_are_said_to_be() -> None:
    """Each limit, worked out from its own words, and in order of what is reached first."""
    world = replace(WORLD, dimension=512, index=(4 * 10**9, 10.0), open_files=1_024)
    grouped = replace(GROUPED, memory_row=100.0, memory_flat=1e9)
    stages = (FETCHED, stage(), JUDGED, grouped, stage("index", per_row=1e-5))
    found = project(10**9, stages, world, Asked((BIG,), days=7.0)).breaks
    at = {each.name: each.at for each in found}
    week = 7 * 86_400
    assert at["names of shards"] == 10**5 * 10_000
    assert at["the busiest host"] == pytest.approx(week / (40 / 2_000 * 1_900 / 2_000))
    assert at["a shared DNS resolver"] == pytest.approx(100 * week / (300 / 2_000))
    assert at["listing a layer"] == pytest.approx(10**6 / 3 * 10_000)
    assert at["open files of a search"] == 1_024 * 10_000
    assert at["memory of dedup"] == pytest.approx((256e9 - 1e9) / 100 / 0.9)
    assert at["one machine's network"] == pytest.approx(25e9 / 8 * week / 40_000)
    disk = sum(each.bytes_row * each.seen / 500 + each.bytes_shard / 10_000 for each in stages)
    disk += index_bytes(stages[-1], 0.9e9, world) / 1e9
    assert at["one machine's disk"] == pytest.approx(2e12 / disk)
    assert at["codes of the index"] == pytest.approx(4e9 / at_a_row(512) / 0.9, rel=0.01)  # and the middles of lists
    assert [each.at for each in found] == sorted(each.at for each in found)
    assert all(each.computed and each.remedy for each in found)


def at_a_row(dimension: int) -> float:
    """Bytes of a code in a list: a bit a number, eight for factors, eight for the id."""
    return dimension / 8 + 8 + 8


def test_worst_is_what_is_reached_or_the_next() -> None:
    found = walk(10**9).breaks
    assert worst(found, 1) == found[:1]
    reached = worst(found, 10**10)
    assert len(reached) > 1 and all(each.at < 10**10 for each in reached)


def test_an_index_that_fits_is_of_codes_and_one_that_does_not_is_none() -> None:
    of = stage("index")
    world = replace(WORLD, dimension=512, index=(10**15, 10.0))
    assert index_bytes(of, 10**9, world) > 2 * 10**9 * at_a_row(512)
    assert index_bytes(of, 1_000, world) == 0.0
    assert index_bytes(of, 10**9, replace(world, index=(10**9, 10.0))) == 0.0
    assert index_bytes(stage(), 10**9, world) == 0.0


def test_every_line_says_what_it_rests_on() -> None:
    found = walk(10**9)
    assert all(each.why and each.basis for each in found.amounts)
    assert {each.unit for each in found.amounts} <= {
        "rows", "count", "bytes", "core hours", "GPU hours", "worker hours", "bit/s", "1/s",
    }  # fmt: skip


def test_a_fleet_has_no_machines_less_than_one() -> None:
    assert fleet([], BIG, 7.0, None).count == 1
