"""From what a sample took to what any number of candidates will take: rows, time, machines, disk, network, cost.

    world = World(shard_rows=10_000, digits=5, looked=9_000, images=8_700, hosts=700, top=200)
    found = project(10**9, measured, world, Asked(machines=(Machine(cores=64, price=2.5),), days=7.0))
    found.amounts          [Amount("stored pairs", 8.1e8, "rows", low=7.7e8, high=8.4e8, basis="measured", why=...)]
    found.fleets           [Fleet(machine, count=12, seconds=5.9e5, machine_hours=1_930, cost=4_825.0, ...)]
    found.breaks           what does not hold at that size, worst first (forecasting.breaks.py)

Pure functions: no corpus, no clock, no machine. Rows go through the stages by the shares of the sample; the interval is
that of a share of so many draws, as if rows were independent. Time is linear in the rows but for `growth`, and machines
are taken to lose nothing by being many. What one worker does alone is not divided. Intervals are of shares alone: rates
are as good as the machine that measured them is like the one that will do the work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...audit.binomial import limits
from .terms import Basis, Machine, Measured

REQUESTS_A_HOST = 3
"""robots.txt, tdmrep.json and ai.txt, each once for each host and shard."""


@dataclass(frozen=True)
class World:
    """looked: rows of the shards that were looked at; of these images: different ones, hosts: those of each shard,
    summed, top: rows of the host that has most. dimension: numbers of an embedding; index: bytes and milliseconds that
    it may take. open_files: of one running program."""

    shard_rows: int
    digits: int
    looked: int
    images: int
    hosts: int
    top: int = 0
    dimension: int = 0
    index: tuple[int, float] | None = None
    open_files: int = 0


@dataclass(frozen=True)
class Asked:
    """machines: kinds, each projected alone. count: of how many; else as many as `days` needs."""

    machines: tuple[Machine, ...]
    days: float = 7.0
    count: int | None = None


@dataclass(frozen=True)
class Amount:
    """A line: `value` in `unit` with an interval where there is one; None is not known. why: what it rests on."""

    name: str
    value: float | None
    unit: str
    why: str
    basis: Basis = "assumed"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Load:
    """A stage at this size. busy: seconds of cores (of GPUs where gpu), of which one worker does `serial` alone."""

    of: Measured
    rows: float
    low: float
    high: float
    shards: int
    busy: float | None
    serial: float
    bytes: float
    files: int
    fetched: float


@dataclass(frozen=True)
class Fleet:
    """Some machines of one kind. seconds: None where this kind cannot do it, and `why` says so. busy: what one machine
    would take for all that machines share; alone: what one worker takes for the rest."""

    machine: Machine
    count: int | None
    seconds: float | None
    machine_hours: float | None
    cost: float | None
    busy: float
    alone: float
    why: str = ""


@dataclass(frozen=True)
class Break:
    """What stops holding, from so many candidates on. computed: the sum that says so; remedy: what to do."""

    name: str
    at: float
    computed: str
    remedy: str
    basis: Basis = "assumed"


@dataclass(frozen=True)
class Projection:
    rows: int
    loads: tuple[Load, ...]
    amounts: tuple[Amount, ...]
    fleets: tuple[Fleet, ...]
    breaks: tuple[Break, ...]


def project(rows: int, measured: Sequence[Measured], world: World, asked: Asked) -> Projection:
    from .amounts import amounts
    from .breaks import breaks

    loads = tuple(load(rows, each, world) for each in measured)
    fleets = tuple(fleet(loads, machine, asked.days, asked.count) for machine in asked.machines)
    return Projection(
        rows=rows,
        loads=loads,
        amounts=amounts(rows, loads, world, fleets, asked.days),
        fleets=fleets,
        breaks=breaks(rows, loads, world, fleets, asked),
    )


def load(rows: int, of: Measured, world: World) -> Load:
    """One stage at `rows` candidates."""
    middle, low, high = through(rows, of.seen, of.sampled)
    factor = grown(of, middle)
    shards = shards_of(rows, world)
    return Load(
        of=of,
        rows=middle,
        low=low,
        high=high,
        shards=shards,
        busy=None if of.per_row is None else of.per_row * middle * factor,
        serial=of.serial_row * middle * factor,
        bytes=of.bytes_row * middle + of.bytes_shard * shards + index_bytes(of, middle, world),
        files=of.files * shards + of.files_once,
        fetched=of.fetched_row * middle,
    )


def through(rows: int, hits: int, trials: int) -> tuple[float, float, float]:
    """(middle, low, high) of the rows that come so far, by `hits` of `trials` in the sample. More hits than trials are
    no share (a pair that is written twice), and have no interval."""
    if trials <= 0:
        return 0.0, 0.0, float(rows)
    middle = rows * hits / trials
    if hits > trials:
        return middle, middle, middle
    low, high = limits(float(hits), float(trials))
    return middle, rows * low, rows * high


def grown(of: Measured, rows: float) -> float:
    """By how much a row costs more than in the sample."""
    if of.growth == "n" or of.seen < 2 or rows <= of.seen:
        return 1.0
    return math.log2(rows) / math.log2(of.seen)


def index_bytes(of: Measured, rows: float, world: World) -> float:
    """What an index of so many rows takes for both sides, which a sample's does not show: it is of another kind."""
    if of.stage != "index" or world.index is None or not world.dimension or rows < 1:
        return 0.0
    from ...knn.choose import choose

    memory, latency = world.index
    chosen = choose(int(rows), world.dimension, memory=memory, latency=latency)
    return 0.0 if chosen.kind == "exact" else 2.0 * chosen.bytes


def shards_of(rows: float, world: World) -> int:
    return math.ceil(rows / world.shard_rows)


def fleet(loads: Sequence[Load], machine: Machine, days: float, count: int | None) -> Fleet:
    """So many machines, or the fewest that are done within `days`."""
    gpu = next((each.of for each in loads if each.of.gpu), None)
    if gpu is not None and machine.gpus == 0:
        why = f"{gpu.label} was measured on a GPU ({gpu.device}), and this machine has none"
        return Fleet(machine, None, None, None, None, 0.0, 0.0, why)
    busy, alone = shared_seconds(loads, machine), alone_seconds(loads)
    if count is None:
        room = days * 86_400 - alone
        if room <= 0:
            why = (
                f"one worker takes {alone / 86_400:.3g} days for what is not shared out: no number of machines will do"
            )
            return Fleet(machine, None, None, *_costs(machine, busy + alone), busy, alone, why)
        count = max(1, math.ceil(busy / room - 1e-9))
    return Fleet(machine, count, busy / count + alone, *_costs(machine, busy + alone), busy, alone)


def _costs(machine: Machine, seconds: float) -> tuple[float, float | None]:
    """Machine hours, where all but one are given back while one works alone, and their price."""
    hours = seconds / 3_600
    return hours, None if machine.price is None else hours * machine.price


def shared_seconds(loads: Sequence[Load], machine: Machine) -> float:
    """What one machine would take for all that more of them can share: each stage by its cores or GPUs, or by the
    network where that is slower."""
    total = 0.0
    for each in loads:
        units = machine.gpus if each.of.gpu else machine.cores
        work = max(0.0, (each.busy or 0.0) - each.serial) / units
        total += max(work, each.fetched * 8 / (machine.net * 1e9))
    return total


def alone_seconds(loads: Sequence[Load]) -> float:
    """What does not become less by more machines: one worker's part of reductions, and each stage's start."""
    return sum(each.serial + each.of.start for each in loads)


def requests_of(loads: Sequence[Load], world: World) -> tuple[float, float]:
    """(requests, look-ups of names) of the download, at most: one an image and three a host and shard."""
    fetching = next((each for each in loads if each.of.stage == "download"), None)
    if fetching is None or not world.looked:
        return 0.0, 0.0
    hosts = fetching.rows * world.hosts / world.looked
    return fetching.rows * world.images / world.looked + REQUESTS_A_HOST * hosts, hosts
