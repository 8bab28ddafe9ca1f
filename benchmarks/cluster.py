"""What a cluster costs and brings: milliseconds a shard of each executor, and two machines of one core beside one.

    python benchmarks/cluster.py [--shards 500] [--pairs 4000] [--rounds 3] [--only overhead reach]
    python benchmarks/cluster.py --shards 50 --pairs 200 --rounds 1          a try, in two minutes

overhead: a stage that does nothing over empty units, committed as ever, on LocalExecutor and RayExecutor with one
worker; wall time a shard, beside HereExecutor's, which is what the commits alone cost. Goal: 50 ms.

reach: a Ray of two machines, each bound to one core of this one (so at least two are needed, and the server of the
images, Ray itself and the driver have to live beside them). The same work by one of them and by both, in turn: reading
WARC files (`extract`, what crawl puts in front of itself); downloading JPEGs of 640 x 480 to 256 from a server on the
loopback, a process of its own; embedding with a model that learned nothing. Seconds from a stage's first unit to its
last, medians of the rounds, after all workers have started and what the stages load is loaded. Goal: 1.6.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = str(ROOT)  # Ray's workers must find this module
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

from vlcorpus.corpus import Corpus  # noqa: E402
from vlcorpus.pipeline.cluster import RayExecutor  # noqa: E402
from vlcorpus.pipeline.executor import Executor, Failed, LocalExecutor, Task  # noqa: E402
from vlcorpus.pipeline.here import HereExecutor  # noqa: E402
from vlcorpus.pipeline.plan import make_plan  # noqa: E402
from vlcorpus.pipeline.run import run  # noqa: E402
from vlcorpus.spec import setting  # noqa: E402
from vlcorpus.stages.base import Stage, Tell, UnitCommit, Work  # noqa: E402

SHARDS = 16  # units of each of the three works
STORE = {"object_store_memory": 80 << 20, "include_dashboard": False}


@dataclass(frozen=True, kw_only=True)
class Seeds(Stage):
    """As many empty units as are wanted."""

    name = "seeds"
    makes = "seeds"
    creates = True

    count: int = setting(500, help="Units.")

    def open(self, corpus: Corpus) -> Work:
        def seeds(unit: str, tell: Tell) -> None:
            for number in range(self.count):
                with UnitCommit(self, corpus, self.layer(corpus), f"{number:05d}", {}) as commit:
                    commit.finish(seen=0, kept=0)
            with self.commit(corpus, unit) as commit:
                commit.finish(seen=0, kept=0)

        return seeds


@dataclass(frozen=True, kw_only=True)
class Empty(Stage):
    """Does nothing to each."""

    name = "empty"
    makes = "empty"
    follows = "seeds"

    def open(self, corpus: Corpus) -> Work:
        def empty(unit: str, tell: Tell) -> None:
            with self.commit(corpus, unit) as commit:
                commit.finish(seen=0, kept=0)

        return empty


@dataclass(frozen=True, kw_only=True)
class Muster(Stage):
    """Each unit is done when all are under way, so every worker has one."""

    name = "muster"
    makes = "muster"

    fifos: tuple[str, ...] = setting((), help="One for each unit but the first, which opens them all.")

    def open(self, corpus: Corpus) -> Work:
        def muster(unit: str, tell: Tell) -> None:
            own = self.fifos if unit == "0" else self.fifos[int(unit) - 1 : int(unit)]
            for fifo in own:
                os.close(os.open(fifo, os.O_WRONLY if unit == "0" else os.O_RDONLY))

        return muster


def begin(executor: Executor, corpus: Corpus, workers: int, folder: Path) -> None:
    """Have every worker started."""
    fifos = [folder / f"muster-{number}" for number in range(1, workers)]
    for fifo in fifos:
        fifo.unlink(missing_ok=True)
        os.mkfifo(fifo)
    stage = Muster(fifos=tuple(map(str, fifos)))
    for number in range(workers):
        executor.submit(Task(stage, corpus, str(number)))
    assert not any(isinstance(result, Failed) for result in executor.results())


def seconds(corpus: Corpus, stages: Sequence[Stage], executor: Executor) -> dict[str, float]:
    """Of each stage, from its first unit to its last."""
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for event in run(make_plan(corpus, stages), executor):
        if event.kind == "started":
            first.setdefault(event.stage, time.perf_counter())
        elif event.kind == "committed":
            last[event.stage] = time.perf_counter()
    return {name: last[name] - first[name] for name in last}


@contextmanager
def machines(count: int) -> Iterator[str]:
    """A Ray of machines of one CPU, each bound to a core of its own; its address."""
    from ray.cluster_utils import Cluster

    cores = sorted(os.sched_getaffinity(0))
    assert len(cores) >= count, f"{count} cores are needed"
    cluster = Cluster()
    try:
        for core in cores[:count]:
            os.sched_setaffinity(0, {core})  # what is started now inherits it
            cluster.add_node(num_cpus=1, **STORE)
    finally:
        os.sched_setaffinity(0, cores)
    try:
        yield cluster.address
    finally:
        cluster.shutdown()


def overhead(folder: Path, shards: int, rounds: int) -> None:
    corpus = Corpus.create(folder / "empty")
    with HereExecutor() as here:
        seconds(corpus, [Seeds(count=shards)], here)
    found: dict[str, list[float]] = {}
    with machines(1) as address:
        ways: dict[str, Callable[[], Any]] = {
            "here": HereExecutor,
            "local": lambda: LocalExecutor(1),
            "ray": lambda: RayExecutor(address),
        }
        for _ in range(rounds):
            for name, way in ways.items():
                with way() as executor:
                    begin(executor, corpus, 1, folder)
                    shutil.rmtree(corpus.path / "empty", ignore_errors=True)
                    took = seconds(corpus, [Empty()], executor)["empty"]
                found.setdefault(name, []).append(1000 * took / shards)
    print(f"\n{shards} empty shards, ms a shard     median     min     max")
    for name, values in found.items():
        print(f"{name:30} {statistics.median(values):8.2f} {min(values):7.2f} {max(values):7.2f}")


def reach(folder: Path, pairs: int, rounds: int) -> None:
    from vlcorpus.stages.crawl import Crawl
    from vlcorpus.stages.download import Download
    from vlcorpus.stages.embed import Embed
    from vlcorpus.stages.import_ import Import
    from vlcorpus.world.server import Served
    from vlcorpus.world.site import WorldSettings, write_site

    site = write_site(folder / "site", WorldSettings(pairs=400, seed=1, pairs_per_page=20))
    urls = photographs(site.root / "images", site.root.parent / "planted.jsonl", folder / "list.csv", pairs)
    archives(folder / "warc", site.root, pages=2 * pairs // SHARDS)
    model = untaught(folder / "model")
    with Served(site.root) as served:
        download = Download(
            image_size=256, min_image_size=16, shards_at_once=1, allow_private=("127.0.0.0/8",),
            connect_to=served.connect_to,
        )  # fmt: skip
        given = Corpus.create(folder / "given" / "c", shard_rows=-(-urls // SHARDS))
        with LocalExecutor(2) as local:
            seconds(given, [Import(source=str(folder / "list.csv")), download], local)
        few = Corpus.create(folder / "few" / "c", shard_rows=10)
        lines = (folder / "list.csv").read_text("utf-8").splitlines(keepends=True)[:41]
        (folder / "few.csv").write_text("".join(lines), "utf-8")
        with LocalExecutor(2) as local:
            seconds(few, [Import(source=str(folder / "few.csv")), download], local)
        works: dict[str, tuple[tuple[str, ...], Stage]] = {
            "extract": ((), Crawl(sources=(str(folder / "warc" / "*.warc.gz"),))),
            "download": (("candidates",), download),
            "embed": (("candidates", "shards"), Embed(model=model)),
        }
        found: dict[tuple[str, int], list[float]] = {}
        with machines(2) as address:
            for _ in range(rounds):
                for count in (1, 2):
                    with RayExecutor(address, workers=count) as executor:
                        begin(executor, given, count, folder)
                        for layers, stage in list(works.values())[1:]:  # so that what they load is loaded
                            seconds(anew(few, folder / "round" / "c", layers), [stage], executor)
                        for name, (layers, stage) in works.items():
                            corpus = anew(given, folder / "round" / "c", layers)
                            took = seconds(corpus, [stage], executor)[name]
                            found.setdefault((name, count), []).append(took)
    print(f"\n{urls} pairs in {SHARDS} shards, s     one     two   ratio   (all)")
    for name in works:
        one, two = (statistics.median(found[name, count]) for count in (1, 2))
        each = "  ".join(f"{a:.1f}/{b:.1f}" for a, b in zip(found[name, 1], found[name, 2], strict=True))
        print(f"{name:24} {one:11.2f} {two:7.2f} {one / two:7.2f}   {each}")


def anew(given: Corpus, path: Path, layers: Sequence[str]) -> Corpus:
    """The corpus with these layers alone."""
    shutil.rmtree(path.parent, ignore_errors=True)
    corpus = Corpus.create(path, shard_rows=given.shard_rows)
    for name in layers:
        shutil.copytree(given.path / name, path / name)
    return corpus


def photographs(folder: Path, planted: Path, path: Path, count: int) -> int:
    """As many JPEGs of 640 x 480 as a photograph has bytes (smooth noise, some 60 kB), and a list of them."""
    import csv

    import cv2
    import numpy as np

    from vlcorpus.world.planted import read_planted

    site = next(pair.url for pair in read_planted(planted) if "/images/" in pair.url).partition("/images/")[0]
    rng = np.random.default_rng(0)
    coarse = [rng.integers(0, 256, (side, side * 4 // 3, 3), np.uint8) for side in (6, 24, 96)]
    with open(path, "w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("url", "caption"))
        for number in range(count):
            parts = [cv2.resize(np.roll(each, number, (0, 1)), (640, 480)) for each in coarse]
            image = np.mean([np.roll(part, 7 * number, 1) for part in parts], axis=0).astype(np.uint8)
            (folder / f"photograph-{number}.jpg").write_bytes(cv2.imencode(".jpg", image)[1].tobytes())
            lines.writerow((f"{site}/images/photograph-{number}.jpg", f"noise number {number}"))
    return count


def archives(folder: Path, root: Path, pages: int) -> None:
    """As many WARC files as there are shards, of the site's pages over and over under other URLs."""
    from vlcorpus.net.response import Response
    from vlcorpus.web.archives.warc_file import WarcFile

    folder.mkdir()
    bodies = [path.read_bytes() for path in sorted((root / "pages").glob("*.html"))]
    for shard in range(SHARDS):
        with open(folder / f"{shard:05d}.warc.gz", "wb") as file:
            store = WarcFile(file)
            for page in range(pages):
                url = f"http://{shard}.test/pages/{page}/index.html"
                headers, body = (("content-type", "text/html"),), bodies[page % len(bodies)]
                store.add(Response(url=url, final_url=url, status=200, headers=headers, body=body, asked_at=1.8e9))


def untaught(folder: Path) -> str:
    from vlcorpus.clip.saved import probe_files
    from vlcorpus.clip.towers import build

    folder.mkdir()
    for name, payload in probe_files(build("conv-nano", seed=0), {"name": folder.name}).items():
        (folder / name).write_bytes(payload)
    return str(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shards", type=int, default=500)
    parser.add_argument("--pairs", type=int, default=4_000, help="photographs; twice as many pages")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=("overhead", "reach"), default=("overhead", "reach"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if "overhead" in chosen.only:
            overhead(Path(folder), chosen.shards, chosen.rounds)
        if "reach" in chosen.only:
            reach(Path(folder), chosen.pairs, chosen.rounds)


if __name__ == "__main__":
    from benchmarks.cluster import main as again  # the workers must find the stages by a name

    again()
