"""What a download will take, before it begins: images, bandwidth, disk and time.

    forecast(corpus, Download(image_size=256))                by shards that were made with these settings before
    forecast(corpus, Download(image_size=256), sample=200)    by 200 images, really fetched, prepared and thrown away

The sample is the images with the smallest `image_id`, which is a hash: as good as drawn, and the same each time. Every
figure has an interval of 95 %: of the sample's mean, and of nothing else; servers differ from hour to hour.
Without shards and without a sample only the images are counted.
"""

from __future__ import annotations

import heapq
import math
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus
from ..pipeline.plan import state

if TYPE_CHECKING:
    from ..stages.download import Download

SHARDS, SAMPLE, NOTHING = "finished shards", "a sample", "nothing"
_SAMPLE_BYTES = 2_048  # of an image's tar members beside the image: headers, words, JSON
_NORMAL = 1.96


@dataclass(frozen=True)
class Range:
    """An estimate and its interval."""

    low: float
    middle: float
    high: float

    def times(self, factor: float) -> Range:
        return Range(self.low * factor, self.middle * factor, self.high * factor)


@dataclass(frozen=True)
class Forecast:
    """rows, images: still to be fetched. basis: SHARDS, SAMPLE or NOTHING; of: images that it rests on. successes:
    images that will be stored; fetched, stored: bytes; seconds: with `workers`, if servers are no slower for more."""

    rows: int
    images: int
    basis: str
    of: int = 0
    workers: int = 1
    successes: Range | None = None
    fetched: Range | None = None
    stored: Range | None = None
    seconds: Range | None = None
    reasons: dict[str, int] = field(default_factory=dict)


def forecast(corpus: Corpus, stage: Download, *, sample: int | None = None, workers: int = 1) -> Forecast:
    units = [unit for unit in stage.units(corpus) if state(stage, corpus, unit) != "done"]
    rows, images, smallest = _wanted(corpus, stage, units, sample or 0)
    if sample is not None and smallest:
        return _by_sample(stage, smallest, rows, images, workers)
    done = [stats for unit in stage.units(corpus) if (stats := _done(corpus, stage, unit)) is not None]
    return _by_shards(done, rows, images, workers)


def _wanted(
    corpus: Corpus, stage: Download, units: Sequence[str], sample: int
) -> tuple[int, int, list[dict[str, Any]]]:
    """(rows, images, the rows of the images with the smallest names) of some units."""
    from ..io import table

    layer = corpus.layer("candidates")
    rows = images = 0

    def each() -> Iterator[tuple[bytes, str, int]]:
        nonlocal rows, images
        for unit in units:
            path = layer.path(f"{unit}.parquet")
            refused = stage.refused(corpus, unit, table.read(path, "candidates", only=["uid"]).to_pylist())
            names = table.read(path, "candidates", only=["image_id"]).column("image_id").to_pylist()
            first: dict[bytes, int] = {}
            for number, name in enumerate(names):
                if number not in refused:
                    first.setdefault(name, number)
                    rows += 1
            images += len(first)
            yield from ((name, unit, number) for name, number in first.items())

    every = each()
    chosen = heapq.nsmallest(sample, every)
    deque(every, maxlen=0)  # of none wanted, none is looked at
    found = []
    for unit in sorted({unit for _, unit, _ in chosen}):
        listed = table.read(layer.path(f"{unit}.parquet"), "candidates").to_pylist()
        found += [listed[number] for _, where, number in chosen if where == unit]
    return rows, images, found


def _by_sample(stage: Download, rows: list[dict[str, Any]], wanted_rows: int, images: int, workers: int) -> Forecast:
    from ..io.journal import Journal
    from ..stages import making

    make = making.engine(stage, stage.image_settings())
    reasons: Counter[str] = Counter()
    fetched, stored = [], []
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder), "sample", fingerprint="") as journal:
        for _, outcome in make(rows, list(range(len(rows))), journal):
            if outcome.row["reason"] is not None:
                reasons[outcome.row["reason"]] += 1
            fetched.append(float(outcome.row.get("original_bytes") or 0))
            size = sum(map(len, outcome.members.values()))
            stored.append(float(size + _SAMPLE_BYTES) if size else 0.0)
    took = time.monotonic() - start
    count = len(rows)
    return Forecast(
        rows=wanted_rows,
        images=images,
        basis=SAMPLE,
        of=count,
        workers=workers,
        successes=_share(count - reasons.total(), count).times(images),
        fetched=_mean(fetched).times(images),
        stored=_mean(stored).times(images),
        seconds=Range(took, took, took).times(images / count / workers),
        reasons=dict(reasons.most_common()),
    )


def _done(corpus: Corpus, stage: Download, unit: str) -> dict[str, Any] | None:
    """The stats of a shard that was made with these settings."""
    stats = corpus.layer("shards").stats(unit)
    if stats is None or stats.get("fingerprint") != stage.fingerprint(corpus, unit) or not stats["seen"]:
        return None
    return stats


def _by_shards(done: Sequence[dict[str, Any]], rows: int, images: int, workers: int) -> Forecast:
    """Shard by shard, each counting as one observation: rows of a shard are no independent draws."""
    if not done:
        return Forecast(rows=rows, images=images, basis=NOTHING, workers=workers)
    seen = [stats["seen"] for stats in done]
    per_row = [
        _ratio([float(value) for value in values], seen).times(rows)
        for values in (
            [stats["kept"] for stats in done],
            [stats.get("fetched_bytes", 0) for stats in done],
            [sum(each["bytes"] for each in stats["outputs"].values()) for stats in done],
            [stats["duration"] for stats in done],
        )
    ]
    rejected = sum((Counter(stats["rejected"]) for stats in done), Counter[str]())
    return Forecast(
        rows=rows,
        images=images,
        basis=SHARDS,
        of=sum(seen),
        workers=workers,
        successes=per_row[0],
        fetched=per_row[1],
        stored=per_row[2],
        seconds=per_row[3].times(1 / workers),
        reasons=dict(rejected.most_common()),
    )


def _share(hits: int, count: int) -> Range:
    """Wilson's interval of a share (Wilson 1927)."""
    z2 = _NORMAL**2
    middle = (hits + z2 / 2) / (count + z2)
    half = _NORMAL / (count + z2) * math.sqrt(hits * (count - hits) / count + z2 / 4)
    return Range(max(0.0, middle - half), hits / count, min(1.0, middle + half))


def _mean(values: Sequence[float]) -> Range:
    """The interval of a mean, by the normal distribution."""
    count = len(values)
    mean = sum(values) / count
    variance = sum((value - mean) ** 2 for value in values) / max(1, count - 1)
    half = _NORMAL * math.sqrt(variance / count)
    return Range(max(0.0, mean - half), mean, mean + half)


def _ratio(values: Sequence[float], seen: Sequence[int]) -> Range:
    """The same of sums over sums; of one observation there is no interval, and it is all of it."""
    whole = sum(values) / sum(seen)
    if len(values) == 1:
        return Range(whole, whole, whole)
    spread = _mean([value / count for value, count in zip(values, seen, strict=True)])
    return Range(max(0.0, whole - (spread.middle - spread.low)), whole, whole + (spread.high - spread.middle))
