"""Small corpora made by the real stages: what the reading commands are tested on.

A picture world of 80 planted pairs, its crawl in four shards, every layer, three exports, probes of two steps.

    small()                          built once a test session, read only
    copy(small(), tmp_path)          a copy of one's own, to be damaged
    build_small(tmp_path)            built anew, in about 9 s
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vlcorpus.corpus import Corpus, Layer
from vlcorpus.errors import VlcorpusError
from vlcorpus.io import table, vectors
from vlcorpus.pipeline import recipe as recipes
from vlcorpus.pipeline.executor import LocalExecutor
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.pipeline.run import run
from vlcorpus.stages.base import Stage
from vlcorpus.world.exam import write_exam
from vlcorpus.world.server import Served
from vlcorpus.world.site import Site, WorldSettings, write_site
from vlcorpus.world.trusted import write_trusted

SHARD_ROWS = 30
_shared: set[Path] = set()


@dataclass(frozen=True)
class Built:
    """folder holds all of it: trusted/ (a corpus with the probe that judges), corpus/, exports/, world/."""

    folder: Path
    site: Site

    @property
    def corpus(self) -> Corpus:
        return Corpus.open(self.folder / "corpus")

    @property
    def trusted(self) -> Corpus:
        return Corpus.open(self.folder / "trusted")

    @property
    def out(self) -> Path:
        return self.folder / "exports" / "filtered"


def do(path: Path, stages: Sequence[Stage], *, shard_rows: int | None = None) -> Corpus:
    """Run stages over the corpus at `path`, creating it where the first stage may; one worker."""
    assert path not in _shared, "tests share this corpus: copy it first"
    creates = stages[0].creates
    corpus = Corpus.create(path, shard_rows=shard_rows) if creates else Corpus.open(path)
    with corpus.lock("tests"), LocalExecutor(1) as executor:
        for event in run(make_plan(corpus, stages), executor, log=corpus.log(stages[-1].name)):
            if event.kind == "failed":
                raise VlcorpusError(f"{event.stage} {event.unit}: {event.message}\n{event.trace}", event.hint)
    return corpus


def do_recipe(name: str, path: Path, *, shard_rows: int, overrides: Sequence[str] = ()) -> Corpus:
    """Run a recipe that ships, with overrides as `--set` takes them."""
    loaded = recipes.load(recipes.find(name), corpus=path, overrides=overrides)
    return do(path, loaded.stages, shard_rows=shard_rows)


def build_small(folder: Path, *, pairs: int = 80, seed: int = 5) -> Built:
    """The demo's walk over a tiny picture world: every layer there is, with models that have learned nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    site = write_site(folder / "world" / "site", WorldSettings(pairs=pairs, seed=seed, pairs_per_page=20))
    write_trusted(folder / "world" / "trusted", 40, seed)
    write_exam(folder / "world" / "exam", 80, seed)
    few = ["train-probe.steps=2", "train-probe.batch_size=16"]
    do_recipe("demo-filter", folder / "trusted", shard_rows=SHARD_ROWS, overrides=few)
    with Served(site.root) as served:
        where = served.connect_to[0]
        network = [f"{stage}.connect_to=['{where}']" for stage in ("crawl", "download")]
        truth = f"report.truth={site.root.parent / 'planted.jsonl'}"
        seeds = "train-probe.seeds=[0, 1]"
        do_recipe("demo", folder / "corpus", shard_rows=SHARD_ROWS, overrides=[*few, *network, truth, seeds])
    return Built(folder, site)


def small() -> Built:
    """The corpus that tests share: look, do not touch."""
    built = _small()
    if isinstance(built, Exception):
        raise built
    return built


@functools.cache
def _small() -> Built | Exception:
    """Built once; where that fails, every test that wants it fails at once with the same error."""
    folder = Path(tempfile.mkdtemp(prefix="vlcorpus-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        built = build_small(folder)
    except Exception as error:
        return error
    _shared.update((built.corpus.path, built.trusted.path))
    return built


def copy(built: Built, to: Path) -> Built:
    """Corpus and exports once more, to be damaged; times of files are kept."""
    for name in ("corpus", "exports", "trusted"):
        shutil.copytree(built.folder / name, to / name)
    return Built(to, built.site)


def overwrite(path: Path, at: int, payload: bytes) -> None:
    """Put other bytes into a file in place."""
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(payload)


def cut(path: Path, size: int) -> None:
    """End a file early."""
    os.truncate(path, size)


def reseal(layer: Layer, unit: str, **changes: object) -> None:
    """Make a unit's stats file true to its files again, so that only a deeper check can see what was done to them."""
    stats = layer.stats(unit)
    assert stats is not None
    for name, about in stats["outputs"].items():
        payload = layer.path(name).read_bytes()
        about |= {"bytes": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}
    layer.path(layer.marker(unit)).write_text(json.dumps(stats | changes))


def rewrite(layer: Layer, unit: str, output: str, change: Callable[[list[dict[str, Any]]], object]) -> None:
    """Change the rows of a table in place and reseal its unit."""
    path = layer.path(output)
    found = pq.read_table(path)
    rows = found.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=found.schema), path)
    reseal(layer, unit)


def embedded(corpus: Corpus) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """All image and text rows of the first model in float64, and their uids."""
    layer = corpus.layer(f"embeddings/{corpus.layers('embeddings')[0]}")
    sides = [
        np.concatenate([vectors.read(layer.path(f"{side}_emb/{side}_emb_{shard}.npy")) for shard in layer.units()])
        for side in ("img", "text")
    ]
    uids = [
        row["uid"]
        for shard in layer.units()
        for row in table.rows(layer.path(f"metadata/metadata_{shard}.parquet"), "embeddings-metadata")
    ]
    return sides[0].astype(np.float64), sides[1].astype(np.float64), uids
