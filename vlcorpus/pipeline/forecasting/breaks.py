"""What stops holding first as a corpus grows, computed from what was measured and from limits that are named here.

    breaks(rows, loads, world, fleets, asked)      [Break("names of shards", at=1e9, computed="10^5 names ...", ...)]

Each limit is turned into the number of candidates at which it is reached; the list begins with what is reached first.
A limit that the sample says nothing of is not in it. What no number shows (rights, people, a source that goes away) is
in docs/scale.md, not here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from .amounts import KEYS_A_PAGE
from .projection import Asked, Break, Fleet, Load, World, requests_of

POLITE = 1.0
"""Requests a second to one host that nobody minds: an assumption."""
LOOKUPS = 100.0
"""Names a second that a resolver which others share bears: an assumption."""
PAGES = 1_000
"""Pages of a listing, some 0.1 s each, that one waits for at the start of every command: an assumption."""
DAY = 86_400.0


def breaks(rows: int, loads: Sequence[Load], world: World, fleets: Sequence[Fleet], asked: Asked) -> tuple[Break, ...]:
    if not loads:
        return ()
    found = [
        *_names(world),
        *_hosts(rows, loads, world, asked),
        *_alone(rows, loads, asked),
        *_listing(rows, loads),
        *_mapped(loads, world),
        *_lookups(rows, loads, world, asked),
        *_index(rows, loads, world, fleets),
        *_memory(rows, loads, fleets),
        *_disk(rows, loads, fleets),
        *_network(rows, loads, fleets, asked),
    ]
    return tuple(sorted(found, key=lambda each: (each.at, each.name)))


def _names(world: World) -> Iterator[Break]:
    at = float(10**world.digits) * world.shard_rows
    yield Break(
        "names of shards",
        at,
        f"10^{world.digits} names of {world.digits} digits x {world.shard_rows:,} rows a shard",
        "more --shard-digits or larger --shard-rows when the corpus is created",
        "measured",
    )


def _hosts(rows: int, loads: Sequence[Load], world: World, asked: Asked) -> Iterator[Break]:
    requests, _ = requests_of(loads, world)
    if not requests or not world.top:
        return
    share = world.top / world.looked
    at = POLITE * asked.days * DAY / (share * world.images / world.looked)
    yield Break(
        "the busiest host",
        at,
        f"{100 * share:.3g} % of the images are on one host; {asked.days:g} days at {POLITE:g} request a second",
        "more days, a cap for each host before the download, or ask its owner for a copy",
        "measured",
    )


def _alone(rows: int, loads: Sequence[Load], asked: Asked) -> Iterator[Break]:
    slow = [each for each in loads if each.serial > 0 and each.of.basis != "corpus"]
    if not slow:
        return
    worst = max(slow, key=lambda each: each.serial)
    at = rows * asked.days * DAY / worst.serial
    short = worst.of.short and worst.of.basis == "measured"
    yield Break(
        f"one worker's part of {worst.of.label}",
        at,
        f"{worst.of.serial_row * 1e6:.3g} us a row by one worker against {asked.days:g} days"
        + (f"; the rate is a bound, --sample {worst.of.ask} says more" if short else ""),
        "decide or group on parts of the corpus, or give it the days",
        worst.of.basis,
    )


def _listing(rows: int, loads: Sequence[Load]) -> Iterator[Break]:
    most = max(loads, key=lambda each: each.files)
    if most.files:
        at = PAGES * KEYS_A_PAGE * rows / most.files
        yield Break(
            "listing a layer",
            at,
            f"{PAGES * KEYS_A_PAGE:,} objects in {most.of.layer}: {PAGES:,} requests for one listing",
            "larger shards; fewer, longer commands; a folder of a million files is slow on disks, too",
        )


def _mapped(loads: Sequence[Load], world: World) -> Iterator[Break]:
    if world.dimension and world.open_files:
        yield Break(
            "open files of a search",
            float(world.open_files) * world.shard_rows,
            f"{world.open_files:,} files (ulimit -n, vm.max_map_count), one a shard of embeddings, mapped at once",
            "a higher limit on the machine that indexes and serves, or larger shards",
            "measured",
        )


def _lookups(rows: int, loads: Sequence[Load], world: World, asked: Asked) -> Iterator[Break]:
    _, lookups = requests_of(loads, world)
    if lookups:
        yield Break(
            "a shared DNS resolver",
            LOOKUPS * asked.days * DAY * rows / lookups,
            f"{lookups / rows:.3g} look-ups a candidate, {LOOKUPS:g} a second for {asked.days:g} days",
            "a caching resolver of its own on every machine",
        )


def _index(rows: int, loads: Sequence[Load], world: World, fleets: Sequence[Fleet]) -> Iterator[Break]:
    if world.index is None or not world.dimension:
        return
    from ...knn.choose import choose

    embedded = next((each for each in loads if each.of.stage == "embed"), None)
    share = embedded.rows / rows if embedded is not None else 1.0
    memory, latency = world.index
    per_row = choose(10**9, world.dimension, memory=1 << 62, latency=latency).bytes / 1e9
    if not per_row or not share:
        return
    said = f"{per_row:.0f} bytes a row of {world.dimension} numbers and side"
    yield Break(
        "codes of the index",
        memory / per_row / share,
        f"{said} against the recipe's {memory / 1e9:.3g} GB: above it every stored row is read for each query",
        "--set index.memory=... as far as the machine has it; an index for each part of the corpus",
        "stated",
    )
    ram = max((each.machine.ram for each in fleets), default=0.0)
    if ram:
        yield Break(
            "the index in a machine's memory",
            ram * 1e9 / (2 * per_row) / share,
            f"{said}, images and texts, against {ram:g} GB",
            "a machine with more memory, or one index a part of the corpus",
            "stated",
        )


def _memory(rows: int, loads: Sequence[Load], fleets: Sequence[Fleet]) -> Iterator[Break]:
    grow = [each for each in loads if each.of.memory_row and each.rows]
    ram = max((each.machine.ram for each in fleets), default=0.0)
    if not grow or not ram:
        return
    worst = max(grow, key=lambda each: each.of.memory_row * each.rows)
    room = ram * 1e9 - worst.of.memory_flat
    yield Break(
        f"memory of {worst.of.label}",
        max(0.0, room) / worst.of.memory_row * rows / worst.rows,
        f"{worst.of.memory_row:,.0f} bytes a row in one worker against {ram:g} GB",
        "one machine with more memory for this stage alone",
        "stated",
    )


def _disk(rows: int, loads: Sequence[Load], fleets: Sequence[Fleet]) -> Iterator[Break]:
    total = sum(each.bytes for each in loads)
    disk = max((each.machine.disk for each in fleets), default=0.0)
    if total and disk:
        yield Break(
            "one machine's disk",
            disk * 1e9 * rows / total,
            f"{total / rows:,.0f} bytes a candidate over all layers against {disk:g} GB",
            "an object store for the corpus (s3://, gs://), shards taken down to the size that is trained on",
            "measured",
        )


def _network(rows: int, loads: Sequence[Load], fleets: Sequence[Fleet], asked: Asked) -> Iterator[Break]:
    fetched = sum(each.fetched for each in loads)
    net = max((each.machine.net for each in fleets), default=0.0)
    if fetched and net:
        yield Break(
            "one machine's network",
            net * 1e9 / 8 * asked.days * DAY * rows / fetched,
            f"{fetched / rows:,.0f} bytes a candidate, {net:g} Gbit/s for {asked.days:g} days",
            "more machines, or a decision over the candidates before the download",
            "measured",
        )


def worst(found: Sequence[Break], rows: int) -> tuple[Break, ...]:
    """Those that so many rows go beyond; where there is none, the next."""
    reached = tuple(each for each in found if each.at < rows)
    return reached or tuple(each for each in found[:1] if math.isfinite(each.at))
