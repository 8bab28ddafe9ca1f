"""What a driver costs that has nothing to do but drive: memory and time a shard, over empty shards.

    python benchmarks/driver.py                          1,000, 10,000 and 100,000 shards; each in a process of its own
    python benchmarks/driver.py --shards 1000 --profile

Candidates without rows are bare stats files. A stage that writes an empty unit for each of them, and one that follows
it, go through plan and run as ever, with an executor that does the units in this process; that, too, writes bare stats,
for commits are the workers' to pay. What is measured is planning, looking at each unit, handing it out, its event and
its line in the log; `again` is the same command over what is done.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlcorpus.corpus import Corpus
from vlcorpus.pipeline.executor import Done, Result, Task
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.pipeline.run import run
from vlcorpus.stages.base import Stage, Tell, Work

SHARDS = (1_000, 10_000, 100_000)


@dataclass(frozen=True, kw_only=True)
class Pass(Stage):
    """An empty unit for each shard of candidates."""

    name = "pass"
    makes = "passed"
    follows = "candidates"

    def open(self, corpus: Corpus) -> Work:
        layer = self.layer(corpus)
        layer.folder.mkdir(exist_ok=True)

        def work(unit: str, tell: Tell) -> None:
            write(layer.folder / f"{unit}.json", self.fingerprint(corpus, unit))

        return work


@dataclass(frozen=True, kw_only=True)
class Follow(Pass):
    """The same after it."""

    name = "follow"
    makes = "followed"
    follows = "passed"


def write(path: Path, fingerprint: str) -> None:
    stats = {"stage": "import", "fingerprint": fingerprint, "seen": 0, "kept": 0, "rejected": {}, "settings": {}}
    outputs = {f"{path.stem}.parquet": {"bytes": 0, "sha256": f"{int(path.stem):064x}"}}
    path.write_text(json.dumps({**stats, "inputs": {}, "outputs": outputs}))


class Here:
    """Does units in this process; most: tasks that ever waited."""

    slots = 16

    def __init__(self) -> None:
        self._waiting: deque[Task] = deque()
        self._work: dict[Stage, Work] = {}
        self.most = 0
        self.seconds = 0.0  # of the units

    def submit(self, task: Task) -> None:
        self._waiting.append(task)
        self.most = max(self.most, len(self._waiting))

    def results(self) -> Iterator[Result]:
        while self._waiting:
            task = self._waiting.popleft()
            work = self._work.setdefault(task.stage, task.stage.open(task.corpus))
            begun = time.perf_counter()
            work(task.unit, _quiet)
            self.seconds += time.perf_counter() - begun
            yield Done(task)

    def stop(self) -> None:
        self._waiting.clear()

    def close(self) -> None: ...


def _quiet(*progress: object) -> None: ...


def candidates(corpus: Corpus, count: int) -> None:
    """Stats files of shards that hold nothing."""
    folder = corpus.layer("candidates").folder
    folder.mkdir()
    for number in range(count):
        write(folder / f"{number:05d}.json", "none")


def peak() -> float:
    """MB of this process, at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def once(count: int, *, profile: bool) -> None:
    """One row of the table."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        corpus = Corpus.create(Path(folder) / "c")
        candidates(corpus, count)
        before, begun = peak(), time.perf_counter()
        plan = make_plan(corpus, [Pass(), Follow()])
        planned = time.perf_counter() - begun
        for label in ("first", "again"):
            executor, begun = Here(), time.perf_counter()
            profiler = cProfile.Profile()
            if profile:
                profiler.enable()
            events = sum(1 for _ in run(plan, executor, log=corpus.log(label)))
            if profile:
                profiler.disable()
                pstats.Stats(profiler).sort_stats("cumulative").print_stats(35)
            took = time.perf_counter() - begun - executor.seconds
            units = 2 * count
            print(
                f"{count:>8,}  {label:5}  {took:8.2f} s  {1000 * took / units:6.3f} ms a unit  "
                f"{peak():6.1f} MB at most ({peak() - before:+.1f})  {executor.most:4} waited at most  "
                f"{events:,} events  doing the units {executor.seconds:.1f} s  plan {planned:.2f} s",
                flush=True,
            )
        layer = corpus.layer("passed")
        for name, call in (("units", layer.units), ("digest_all", layer.digest_all)):
            rss, begun = peak(), time.perf_counter()
            call()
            print(f"          layer.{name}: {time.perf_counter() - begun:.2f} s, {peak() - rss:+.1f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, nargs="*", default=SHARDS)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    typed = parser.parse_args()
    if typed.once:
        once(typed.shards[0], profile=typed.profile)
        return
    for count in typed.shards:
        more = ["--profile"] if typed.profile else []
        subprocess.run([sys.executable, __file__, "--once", "--shards", str(count), *more], check=True)


if __name__ == "__main__":
    main()
