"""Whether the rows add up: every row in is a row out, kept or with a reason, and what one layer kept the next has seen.

imbalance({"seen": 3, "kept": 1, "rejected": {"timeout": 1}})    -> "3 rows in, but 1 kept and 1 rejected"
across({"candidates": {"00000": stats}, "shards": …})     -> [Imbalance("shards", "00000", "candidates kept …")]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .layers import SHARDED, as_counts, head

Stats = Mapping[str, Any]


@dataclass(frozen=True)
class Imbalance:
    """Rows that do not add up: in a unit, or between a unit of two layers."""

    layer: str
    unit: str
    what: str


def number(stats: Stats, name: str) -> int:
    """A count of a stats file; 0 where it is none."""
    value = stats.get(name)
    return value if type(value) is int else 0


def imbalance(stats: Stats) -> str | None:
    """What does not add up in the stats of one unit, or None."""
    try:
        lost = sum(as_counts(stats["rejected"]).values())
        seen, kept = stats["seen"], stats["kept"]
        if type(seen) is not int or type(kept) is not int:
            raise TypeError("seen and kept are no numbers")
    except (KeyError, TypeError, ValueError) as error:
        return f"its counts cannot be read ({error})"
    return None if seen == kept + lost else f"{seen} rows in, but {kept} kept and {lost} rejected"


def within(read: Mapping[str, Mapping[str, Stats | None]]) -> list[Imbalance]:
    """Units whose own counts do not add up; `read` is layer -> unit -> stats."""
    found = []
    for layer, by_unit in read.items():
        for unit, stats in by_unit.items():
            wrong = imbalance(stats) if stats is not None else None
            if wrong:
                found.append(Imbalance(layer, unit, wrong))
    return found


def follows(layer: str, stats: Mapping[str, Stats | None]) -> str | None:
    """The layer whose kept rows a layer has, unit by unit; None where it has no units of another. `stats` are its own:
    scores that came with a list are of candidates, whether or not these ever have an image."""
    if layer == "shards":
        return "candidates"
    if head(layer) not in SHARDED:
        return None
    return "candidates" if any((each or {}).get("of") == "candidates" for each in stats.values()) else "shards"


def across(read: Mapping[str, Mapping[str, Stats | None]]) -> list[Imbalance]:
    """Units that have not seen what the layer before them kept."""
    found = []
    for layer, by_unit in read.items():
        before = follows(layer, by_unit)
        for unit, stats in by_unit.items():
            source = read.get(before, {}).get(unit) if before is not None else None
            if source is None or stats is None or number(stats, "seen") == number(source, "kept"):
                continue
            what = f"{before} kept {number(source, 'kept')} rows, and it has seen {number(stats, 'seen')}"
            found.append(Imbalance(layer, unit, what))
    return found
