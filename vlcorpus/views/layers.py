"""Which layers a corpus has, and what lies in them.

present(corpus)                             every layer on disk, in the order of the walk
units(layer)                                its committed units, a reduction's "all" last
table_of("scores/phash", "00000.parquet")   -> "score-phash"
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..corpus import Corpus, Layer
from ..errors import CorpusError
from ..stages import places, scorers

ALL = "all"
SINGLE = ("candidates", "shards")
SHARDED = ("embeddings", "scores", "decisions", "splits")  # one unit for each shard, whatever else
_ORDER = (
    "sources/",
    *SINGLE,
    "captions/",
    "embeddings/",
    "scores/",
    "decisions/",
    "duplicates/",
    "takedowns/",
    "splits/",
    "index/",
    "probes/",
    "evaluations/",
    "comparisons/",
    "sweeps/",
    "reports",
)


def head(layer: str) -> str:
    """`scores` of `scores/phash`."""
    return layer.partition("/")[0]


def heads() -> tuple[str, ...]:
    """First parts of all layer names, in the order of the walk."""
    return tuple(name.rstrip("/") for name in _ORDER)


def present(corpus: Corpus) -> tuple[Layer, ...]:
    """The layers that are on disk, in the order of the walk."""
    found: list[Layer] = []
    for name in _ORDER:
        if name.endswith("/"):
            found += [corpus.layer(name + each) for each in corpus.layers(name.rstrip("/"))]
        elif corpus.layer(name).there():
            found.append(corpus.layer(name))
    return tuple(found)


def units(layer: Layer) -> tuple[str, ...]:
    """The committed units, "all" last where there is one."""
    return (*layer.units(), ALL) if is_there(layer, ALL) else layer.units()


def is_there(layer: Layer, unit: str) -> bool:
    """Whether a unit is committed, damaged or not; its stats are not read."""
    return layer.is_file(layer.marker(unit))


def stats_or_none(layer: Layer, unit: str) -> dict[str, Any] | None:
    """The stats of a unit; None also where they are damaged."""
    try:
        return layer.stats(unit)
    except CorpusError:
        return None


def export_layers(out: str | Path) -> tuple[Layer, ...]:
    """The layers of an export: its folder, then one for each split. CorpusError where it is no export."""
    top = places.export(str(out))
    found = (top, *(top.below(split) for split in places.folders(top)))
    if not any(units(layer) for layer in found):
        raise CorpusError(f"no export at {out}", f"write one: `vlcorpus export CORPUS {out}`")
    return found


@dataclass(frozen=True)
class _Kind:
    """Where a table's files lie: layer, folder inside the layer, table name."""

    head: str
    folder: str
    table: str


_KINDS = (
    _Kind("candidates", "", "candidates"),
    _Kind("candidates", "rejected", "candidates-rejected"),
    _Kind("sources", "pages", "pages"),
    _Kind("sources", "pairs", "extracted"),
    _Kind("sources", "scores", "extracted-scores"),
    _Kind("shards", "", "shards"),
    _Kind("embeddings", "metadata", "embeddings-metadata"),
    _Kind("decisions", "", "decisions"),
    _Kind("duplicates", "", "duplicates"),
    _Kind("splits", "", "splits"),
)


def table_of(layer: str, output: str) -> str | None:
    """The declared table of a parquet file that a layer lists as an output; None where there is none."""
    if not output.endswith(".parquet"):
        return None
    if layer.startswith("out:"):
        return "exports"
    folder = Path(output).parent.as_posix().removeprefix(".")
    if head(layer) == "scores":
        return scorers.table_of(layer)
    if head(layer) == "evaluations":
        return "pictures" if Path(output).name == "pictures.parquet" else "answers"
    if head(layer) == "takedowns":
        return "takedowns-asked" if output == "asked.parquet" else "takedowns"
    for kind in _KINDS:
        if kind.head == head(layer) and kind.folder == folder:
            return kind.table
    return None


def as_counts(value: Any) -> dict[str, int]:
    """`rejected` of a stats file as text -> number, or ValueError."""
    if not isinstance(value, dict) or not all(type(number) is int for number in value.values()):
        raise ValueError(f"rejected is {json.dumps(value)[:80]}")
    return {str(reason): number for reason, number in value.items()}
