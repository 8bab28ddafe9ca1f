"""What a corpus kept of its own making: how long crawls, imports and downloads took, read in the stats of their units.

    downloaded(corpus, drawn)      [Measured(stage="download", basis="corpus", per_row=..., ...)], or none
    brought(corpus, 500)           of crawl or import

These are times of a clock, waiting included, not of a processor: a worker that has two shards under way counts each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from ...corpus import Corpus, Layer
from ...stages import registry
from .sample import Drawn
from .terms import Measured

MOST_UNITS = 1_000


def downloaded(corpus: Corpus, drawn: Drawn) -> list[Measured]:
    """Of the images that are there. Their rate is not known where no download of ours fetched them."""
    layer = corpus.layer("shards")
    stats = list(_stats(layer))
    own = [each for each in stats if each.get("stage") == "download" and each["seen"]]
    seen = sum(each["seen"] for each in own)
    seconds = sum(each["duration"] for each in own)
    at_once = max((int(each["settings"].get("shards_at_once", 1)) for each in own), default=1)
    kept = sum(_success(corpus, unit, numbers) for unit, numbers in drawn.rows)
    why = "the images came by import" if not own else f"stats of {len(own):,} shards, {seen:,} rows, as fetched then"
    rows = sum(each["seen"] for each in stats)
    return [
        Measured(
            stage="download",
            label="download",
            layer="shards",
            basis="corpus",
            why=why,
            sampled=drawn.count,
            seen=drawn.count,
            kept=kept,
            per_row=seconds / at_once / seen if seen else None,
            wall_row=seconds / seen if seen else None,
            bytes_row=sum(_bytes(each) for each in stats) / rows if rows else 0.0,
            files=max((len(each["outputs"]) + 1 for each in stats), default=0),
            follows="candidates",
            fetched_row=sum(each.get("fetched_bytes", 0) for each in own) / seen if seen else 0.0,
        )
    ]


def _success(corpus: Corpus, unit: str, numbers: tuple[int, ...]) -> int:
    from ...io import table

    path = corpus.layer("shards").path(f"{unit}.parquet")
    statuses = table.read(path, "shards", only=["status"]).column("status").to_pylist()
    return sum(statuses[number] == "success" for number in numbers)


def brought(corpus: Corpus, sampled: int) -> list[Measured]:
    """Of what gave the candidates: all that the stats of sources/ and candidates/ say it took."""
    candidates = list(_stats(corpus.layer("candidates")))
    rows = sum(each["seen"] for each in candidates)
    if not rows:
        return []
    stages = sorted({str(each.get("stage")) for each in candidates})
    seconds = sum(each["duration"] for each in candidates)
    for name in corpus.layers("sources"):
        seconds += sum(each["duration"] for each in _stats(corpus.layer(f"sources/{name}")))
    kept = sum(each["kept"] for each in candidates)
    reads = all(name in registry.names() for name in stages)
    return [
        Measured(
            stage=stages[0] if reads else "import",
            label=" and ".join(stages),
            layer="candidates",
            basis="corpus",
            why=f"stats of sources/ and candidates/, {rows:,} rows, as brought then",
            sampled=sampled,
            seen=sampled,
            kept=sampled,
            per_row=seconds / kept if kept else None,
            wall_row=seconds / kept if kept else None,
            bytes_row=sum(_bytes(each) for each in candidates) / kept if kept else 0.0,
            files=max(len(each["outputs"]) + 1 for each in candidates),
        )
    ]


def _stats(layer: Layer) -> Iterator[dict[str, Any]]:
    """Of at most MOST_UNITS units, drawn by the hash of their names."""
    units = sorted(layer.units(), key=lambda unit: hashlib.blake2b(unit.encode()).digest())[:MOST_UNITS]
    for unit in sorted(units):
        stats = layer.stats(unit)
        if stats is not None and "seen" in stats and "duration" in stats:
            yield stats


def _bytes(stats: dict[str, Any]) -> int:
    return sum(int(each.get("bytes", 0)) for each in stats["outputs"].values())
