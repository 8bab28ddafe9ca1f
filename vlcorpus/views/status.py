"""What a corpus has: its layers, how far each is, whether the rows add up, and what to do next.

    seen = status(Corpus.open(path))
    seen.layers[1].kept            rows of candidates
    seen.imbalances                () where every row in is a row out
    seen.next                      "vlcorpus filter birds --top-fraction 0.3"

Reads the stats files only, never a table or a tar: about 0.3 ms a unit. A damaged stats file is counted, not raised.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..corpus import Corpus, Layer
from .balance import Imbalance, across, follows, number, within
from .freshness import STALE, UNKNOWN, Freshness
from .layers import ALL, as_counts, head, present, stats_or_none, units

_TAIL = 262_144  # bytes of a log that are read


@dataclass(frozen=True)
class LayerStatus:
    """One layer. units: committed; todo: units of the layer it follows that it lacks; unknown: units whose freshness
    cannot be told. Rows are those of all its units; of a probe, those that one seed was trained on."""

    name: str
    units: int
    todo: int
    stale: int
    unknown: int
    damaged: tuple[str, ...]
    seen: int
    kept: int
    rejected: dict[str, int]
    bytes: int
    made: float | None
    """Seconds since 1970 at which the latest unit was committed."""


@dataclass(frozen=True)
class LastRun:
    """The run that wrote to the log last. ended: seconds since 1970 of its last event; message: its last failure."""

    log: str
    ended: float
    event: str
    stage: str
    message: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Holder:
    """Who writes to the corpus now."""

    pid: int
    host: str
    command: str


@dataclass(frozen=True)
class Status:
    path: str
    name: str
    shard_rows: int
    layers: tuple[LayerStatus, ...]
    imbalances: tuple[Imbalance, ...]
    last_run: LastRun | None
    holder: Holder | None
    next: str = ""
    stale_stats: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    """Stats of a stale unit of each layer that has one, as they stand on disk."""

    def layer(self, name: str) -> LayerStatus | None:
        return next((each for each in self.layers if each.name == name), None)

    def below(self, folder: str) -> tuple[LayerStatus, ...]:
        """The layers `folder/*` that have a committed unit."""
        return tuple(each for each in self.layers if head(each.name) == folder and each.units)


def status(corpus: Corpus) -> Status:
    """What the corpus has. Never fails on a damaged or half-made layer."""
    from .advice import advise

    freshness = Freshness(corpus)
    read: dict[str, dict[str, dict[str, Any] | None]] = {}
    found = []
    stale: dict[str, dict[str, Any]] = {}
    for layer in present(corpus):
        read[layer.name] = {unit: stats_or_none(layer, unit) for unit in units(layer)}
        found.append(_layer(corpus, layer, read[layer.name], freshness, stale))
    made = Status(
        path=corpus.place,
        name=corpus.name,
        shard_rows=corpus.shard_rows,
        layers=tuple(found),
        imbalances=(*within(read), *across(read)),
        last_run=_last_run(corpus.layer("log")),
        holder=_holder(corpus),
        stale_stats=stale,
    )
    return Status(**{**vars(made), "next": advise(corpus, made)})


def _layer(
    corpus: Corpus,
    layer: Layer,
    read: dict[str, dict[str, Any] | None],
    freshness: Freshness,
    stale_stats: dict[str, dict[str, Any]],
) -> LayerStatus:
    good = {unit: stats for unit, stats in read.items() if stats is not None}
    states = Counter[str]()
    for unit, stats in good.items():
        state = freshness.of(unit, stats)
        states[state] += 1
        if state == STALE:
            stale_stats.setdefault(layer.name, stats)
    seen, kept, rejected = rows_of(layer, good)
    todo = _wanted(corpus, layer, read) - read.keys()
    ends = [float(stats["end_time"]) for stats in good.values() if isinstance(stats.get("end_time"), int | float)]
    return LayerStatus(
        name=layer.name,
        units=len(good),
        todo=len(todo),
        stale=states[STALE],
        unknown=states[UNKNOWN],
        damaged=tuple(unit for unit, stats in read.items() if stats is None),
        seen=seen,
        kept=kept,
        rejected=rejected,
        bytes=sum(bytes_of(stats) for stats in good.values()),
        made=max(ends, default=None),
    )


def _wanted(corpus: Corpus, layer: Layer, read: dict[str, dict[str, Any] | None]) -> set[str]:
    """The units that a layer ought to have: those of the layer it follows."""
    before = follows(layer.name, read)
    wanted = set(corpus.layer(before).units()) if before is not None else set[str]()
    if before == "candidates" and layer.name != "shards":
        # Only some sources brought scores: of others there is nothing to make.
        sources = {str(stats.get("source")).rpartition("/")[2] for stats in read.values() if stats is not None}
        candidates = corpus.layer(before)
        return {unit for unit in wanted if (stats_or_none(candidates, unit) or {}).get("source") in sources}
    return wanted


def rows_of(layer: Layer, good: dict[str, dict[str, Any]]) -> tuple[int, int, dict[str, int]]:
    """Rows of a layer: those of its shards, of its reduction, or (probes) of the largest of its units."""
    if head(layer.name) == "sources" and ALL in good:
        chosen = [good[ALL]]
    else:
        chosen = [stats for unit, stats in good.items() if unit != ALL] or list(good.values())
    if head(layer.name) == "probes":
        chosen = sorted(chosen, key=lambda stats: number(stats, "seen"))[-1:]
    rejected = Counter[str]()
    for stats in chosen:
        with contextlib.suppress(ValueError):
            rejected += Counter(as_counts(stats.get("rejected")))
    seen, kept = (sum(number(stats, name) for stats in chosen) for name in ("seen", "kept"))
    return seen, kept, dict(rejected.most_common())


def bytes_of(stats: dict[str, Any]) -> int:
    """Bytes of all that a unit wrote."""
    return sum(number(each, "bytes") for each in stats["outputs"].values() if isinstance(each, dict))


def _last_run(logs: Layer) -> LastRun | None:
    """From the log that was written to last: its last event, and the last failure where that was one."""
    found = [each for path in logs.paths(logs.names("*.jsonl")) if (each := _last_event(path)) is not None]
    return max(found, key=lambda each: each.ended, default=None)


def _last_event(log: Path) -> LastRun | None:
    with open(log, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
        lines = file.read(_TAIL).splitlines()
    for line in reversed(lines):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            event = json.loads(line)
            return LastRun(
                log.name,
                float(event["time"]),
                str(event["kind"]),
                str(event["stage"]),
                str(event.get("message", "")),
                str(event.get("hint", "")),
            )
    return None


def _holder(corpus: Corpus) -> Holder | None:
    """Who holds the lock, or the lease; None where nobody does."""
    told = corpus.holder()
    return Holder(int(told["pid"]), str(told["host"]), str(told["command"])) if told is not None else None
