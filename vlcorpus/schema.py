"""The tables that vlcorpus writes: names, types, units and meanings, read from schemas/*.json.

table("decisions").names             -> ("uid", "keep", "fail_mask", "first_fail", "weight")
table("candidates").arrow()          -> a pyarrow.Schema (pyarrow is imported here, not before)
reasons()["image"]["not_an_image"]   -> "The bytes are no image."
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from . import assets
from .errors import UsageError, nearest

if TYPE_CHECKING:
    import pyarrow

VERSION = 1  # of a corpus as a whole; corpus.yaml carries it


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    meaning: str
    unit: str | None
    nullable: bool
    volatile: bool


@dataclass(frozen=True)
class Table:
    name: str
    path: str
    version: int
    meaning: str
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def volatile(self) -> tuple[str, ...]:
        """Columns that differ between two equal runs (times)."""
        return tuple(column.name for column in self.columns if column.volatile)

    def column(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise UsageError(f"no column {name!r} in table {self.name!r}", nearest(name, self.names))

    def arrow(self) -> pyarrow.Schema:
        import pyarrow

        types = {
            "string": pyarrow.string(),
            "int32": pyarrow.int32(),
            "int64": pyarrow.int64(),
            "uint64": pyarrow.uint64(),
            "float32": pyarrow.float32(),
            "float64": pyarrow.float64(),
            "bool": pyarrow.bool_(),
            "binary16": pyarrow.binary(16),
            "list<string>": pyarrow.list_(pyarrow.string()),
            "timestamp": pyarrow.timestamp("us", tz="UTC"),
        }
        fields = [pyarrow.field(each.name, types[each.type], nullable=each.nullable) for each in self.columns]
        marks = {"vlcorpus.table": self.name, "vlcorpus.table_version": str(self.version)}
        return pyarrow.schema(fields, metadata=marks)


@cache
def tables() -> dict[str, Table]:
    """Every table, by name."""
    found = {}
    for path in sorted(assets.folder("schemas").glob("*.json")):
        text = json.loads(path.read_text("utf-8"))
        if "table" in text:
            found[text["table"]] = _table(text)
    return found


def _table(text: dict[str, Any]) -> Table:
    columns = tuple(
        Column(
            name=each["name"],
            type=each["type"],
            meaning=each["meaning"],
            unit=each.get("unit"),
            nullable=each.get("nullable", False),
            volatile=each.get("volatile", False),
        )
        for each in text["columns"]
    )
    return Table(text["table"], text["path"], text["version"], text["meaning"], columns)


def table(name: str) -> Table:
    """The table called `name`; UsageError with the nearest name if there is none."""
    known = tables()
    if name not in known:
        raise UsageError(f"no table {name!r}", nearest(name, known))
    return known[name]


@cache
def reasons() -> dict[str, dict[str, str]]:
    """The closed lists of reasons: what refused a row -> reason -> meaning."""
    text = json.loads((assets.folder("schemas") / "reasons.json").read_text("utf-8"))
    return {kind: meanings for kind, meanings in text.items() if kind != "meaning"}
