"""Small corpora made by the real stages: what the reading commands are tested on.

    built = build_small(tmp)         80 planted pairs in three shards, every layer, two exports, two probes of two steps
    built.corpus, built.out          about 12 CPU seconds; copy the folder before damaging it: `copy(built, tmp)`
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlcorpus.corpus import Corpus
from vlcorpus.errors import VlcorpusError
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
