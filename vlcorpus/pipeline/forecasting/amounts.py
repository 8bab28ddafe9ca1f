"""The lines of a forecast that are no machine's: rows, shards, objects, disk, network, memory.

Each says what it rests on. Cost: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .projection import Amount, Load, World, index_bytes, requests_of, shards_of, through

if TYPE_CHECKING:
    from .projection import Fleet

KEYS_A_PAGE = 1_000
"""Names that S3 gives in one answer to a listing."""


def amounts(rows: int, loads: Sequence[Load], world: World, fleets: Sequence[Fleet], days: float) -> tuple[Amount, ...]:
    return (
        *_rows(rows, loads),
        *_work(loads),
        *_disk(loads, world),
        *_objects(rows, loads, world),
        *_network(loads, world, fleets, days),
        *_memory(loads, fleets),
    )


def _rows(rows: int, loads: Sequence[Load]) -> Iterator[Amount]:
    yield Amount("candidates", float(rows), "rows", "as asked", "given")
    names = {"download": "stored pairs", "filter": "kept by", "export": "written by"}
    for each in loads:
        if each.of.stage not in names:
            continue
        name = names[each.of.stage]
        of = each.of
        label = name if of.stage == "download" else f"{name} {of.label}"
        middle, low, high = through(rows, of.kept, of.sampled)
        share = f"{of.kept:,} of {of.sampled:,} sampled candidates"
        why = share + ("; near-duplicates seldom meet in a sample: an upper bound" if of.stage == "export" else "")
        yield Amount(label, middle, "rows", why, "measured", low, high)


def _work(loads: Sequence[Load]) -> Iterator[Amount]:
    for each in loads:
        of = each.of
        unit = "GPU hours" if of.gpu else "worker hours" if of.basis == "corpus" else "core hours"
        if each.busy is None:
            yield Amount(of.label, None, unit, f"not known: {of.why}", of.basis)
            continue
        yield Amount(of.label, each.busy / 3_600, unit, rate(each), of.basis)


def rate(each: Load) -> str:
    """What a stage's time rests on, in words."""
    of = each.of
    if not of.per_row:
        return of.why
    words = f"{_speed(1 / of.per_row)} rows/s a {'GPU' if of.gpu else 'core'} on {of.why}"
    if of.basis == "corpus":
        words = f"{_speed(1 / of.per_row)} rows/s a worker, waiting included: {of.why}"
    if of.basis in ("stated", "given"):
        words = f"{_speed(1 / of.per_row)} rows/s a {'GPU' if of.gpu else 'core'}: {of.why}"
    if of.growth != "n":
        words += f", assumed to grow as {of.growth}"
    elif of.basis != "given":
        words += ", assumed linear"
    if of.short and of.basis == "measured":
        words += f"; too short to measure, the most it can be (--sample {of.ask})"
    if of.stage == "download" and of.basis == "measured" and of.wall_row and of.wall_row > of.per_row:
        words += f"; waiting is not in it: {of.wall_row / of.per_row:.2g} workers a core hide it"
    if of.reduction and each.serial > 0:
        words += f"; {100 * each.serial / (each.busy or 1):.0f} % of it by one worker"
    return words


def _speed(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.10g}"


def _disk(loads: Sequence[Load], world: World) -> Iterator[Amount]:
    total = 0.0
    for each in loads:
        if each.bytes <= 0:
            continue
        total += each.bytes
        why = f"{each.of.bytes_row:,.0f} bytes a row, {each.of.bytes_shard:,.0f} a shard, assumed linear"
        if index_bytes(each.of, each.rows, world):
            why += "; codes of both sides as vlcorpus/knn/choose.py states"
        basis = "corpus" if each.of.basis == "corpus" else "measured"
        yield Amount(f"disk of {each.of.layer}", each.bytes, "bytes", why, basis)  # type: ignore[arg-type]
    yield Amount("disk in all", total, "bytes", "the sum, nothing removed meanwhile")


def _objects(rows: int, loads: Sequence[Load], world: World) -> Iterator[Amount]:
    shards = shards_of(rows, world)
    yield Amount("shards", float(shards), "count", f"{world.shard_rows:,} candidates each", "given")
    files = sum(each.files for each in loads)
    yield Amount("objects", float(files), "count", "as many a shard and layer as in the sample", "measured")
    yield Amount("PUT requests", float(files), "count", "one an object; parts of large ones come on top")
    made = {each.of.layer.partition("/")[0]: each.of.files for each in loads}
    gets = sum(shards * max(1, made.get(each.of.follows or "", 0)) for each in loads)
    yield Amount("GET requests", float(gets), "count", "each stage reads the files of the layer it follows once")
    largest = max((each.files for each in loads), default=0)
    yield Amount(
        "LIST requests", float(-(-largest // KEYS_A_PAGE)), "count", "the largest layer once, 1,000 names each"
    )


def _network(loads: Sequence[Load], world: World, fleets: Sequence[Fleet], days: float) -> Iterator[Amount]:
    fetched = sum(each.fetched for each in loads)
    if not fetched:
        return
    of = next(each.of for each in loads if each.fetched)
    why = f"{of.fetched_row:,.0f} bytes a row; bodies of stored images alone"
    yield Amount("network in", fetched, "bytes", why, of.basis)
    requests, lookups = requests_of(loads, world)
    why = f"{world.images / world.looked:.3g} images a row, robots.txt and two site files a host and shard; no retries"
    yield Amount("requests", requests, "count", why, "measured")
    why = f"{world.hosts / world.looked:.3g} hosts a row of a shard, each looked up anew for each shard: an upper bound"
    yield Amount("DNS look-ups", lookups, "count", why, "measured")
    seconds = next((each.seconds for each in fleets if each.seconds), None)
    why = "spread over the time of the first kind of machine" if seconds else f"spread over {days:g} days"
    seconds = seconds or days * 86_400
    yield Amount("bandwidth", fetched * 8 / seconds, "bit/s", why)
    yield Amount("requests a second", requests / seconds, "1/s", why)
    yield Amount("DNS look-ups a second", lookups / seconds, "1/s", why)


def _memory(loads: Sequence[Load], fleets: Sequence[Fleet]) -> Iterator[Amount]:
    workers = [each for each in loads if each.of.memory and not each.of.reduction]
    if workers:
        most = max(workers, key=lambda each: each.of.memory or 0)
        cores = fleets[0].machine.cores if fleets else 1
        why = f"{cores} workers of {most.of.label}, the largest at {(most.of.memory or 0) / 1e6:,.0f} MB each"
        yield Amount("memory of a machine's workers", float(most.of.memory or 0) * cores, "bytes", why, "measured")
    for each in loads:
        if each.of.reduction and (each.of.memory_row or each.of.memory_flat):
            of = each.of
            value = of.memory_row * each.rows + of.memory_flat
            why = f"{of.memory_flat / 1e6:,.0f} MB a worker's part"
            why += f", and {of.memory_row:.3g} bytes a row in one place" if of.memory_row else ", whatever the rows"
            yield Amount(f"memory of {of.label}", value, "bytes", why, "stated")
