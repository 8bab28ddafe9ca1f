"""Run stages as the command line does: plan, execute, commit."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from vlcorpus import schema
from vlcorpus.corpus import Corpus
from vlcorpus.io import table
from vlcorpus.pipeline.executor import LocalExecutor
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.pipeline.ranks import Part
from vlcorpus.pipeline.run import Event, run
from vlcorpus.stages.base import Stage


def do(corpus: Corpus, stages: Sequence[Stage], *, workers: int = 1, part: Part | None = None) -> list[Event]:
    with LocalExecutor(workers) as executor:
        return list(run(make_plan(corpus, stages, part=part), executor))


def here(corpus: Corpus, stage: Stage) -> None:
    """All units of one stage in this process, done or not: for what needs many small runs."""
    stage.check(corpus)
    work = stage.open(corpus)
    for unit in stage.units(corpus):
        work(unit, quiet)


def quiet(*progress: object) -> None:
    """Tells nobody."""


def done(events: Sequence[Event], kind: str = "committed") -> list[str]:
    """Units with that event, in order, as `layer/unit`."""
    return [f"{event.layer}/{event.unit}" for event in events if event.kind == kind]


def rows(corpus: Corpus, table_name: str) -> list[dict[str, Any]]:
    """Every row of a table, shard by shard, with its shard's name under `in`."""
    layer = corpus.layer(table_name.partition("-")[0])
    below = "rejected/" if table_name == "candidates-rejected" else ""
    return [
        row | {"in": shard}
        for shard in layer.units()
        for row in table.rows(layer.path(f"{below}{shard}.parquet"), table_name)
    ]


def contents(corpus: Corpus, layer: str) -> dict[str, bytes | str]:
    """The bytes of every file of a layer but its stats files, whose times differ; of tables with volatile columns the
    digest of the others."""
    folder = corpus.layer(layer).folder
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json")
    return {path.relative_to(folder).as_posix(): _content(path) for path in sorted(files)}


def _content(path: Path) -> bytes | str:
    if path.suffix == ".parquet":
        name = (pq.read_schema(path).metadata or {}).get(b"vlcorpus.table", b"").decode()
        if name and schema.table(name).volatile:
            return table.digest(table.read(path, name), name)
    return path.read_bytes()


def write_list(path: Path, pairs: Iterable[tuple[str, str]]) -> str:
    """A csv list of (URL, text); its path as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("url", "caption"), *pairs])
    return str(path)
