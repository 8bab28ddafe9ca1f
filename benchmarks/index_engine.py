"""The engine of search alone: building, measuring and asking an index of synthetic CLIP-like vectors.

    python benchmarks/index_engine.py --rows 200000                         1 minute, 0.2 GB of disk
    python benchmarks/index_engine.py --rows 1000000 --kind rabitq          3 minutes, 1 GB of disk
    python benchmarks/index_engine.py --rows 1000000 --kind ivf --outliers 2

Vectors are those of `vectors_world.py`, written as .npy shards into --folder (kept if given). Printed are CPU seconds
of building and of tuning (which measures recall for itself), the greatest resident size with and without pages of
files, the size of the file; then, with queries that tuning never saw, 200 text-like and 200 image-like ones: recall@10
against an exact search with its 95 % interval, CPU milliseconds of a query (p50, p99), and for masks that let 100, 50,
10 and 1 % of the rows through, recall of the filtered search and its time. One core: set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import faiss
import numpy as np
from vectors_world import World, write

from vlcorpus.knn import quantised, scan, tune
from vlcorpus.knn.choose import choose
from vlcorpus.knn.quantised import OpenIndex
from vlcorpus.knn.searcher import Searcher

QUERIES = 200
FILTERED = 40
K = 10


def resident() -> dict[str, float]:
    """MB: the greatest resident size so far, and what of today's is no page of a file."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    return {name: int(lines[name].split()[0]) / 1e3 for name in ("VmHWM", "RssAnon")}


def asked(searcher: Searcher, queries: np.ndarray, **how: Any) -> tuple[np.ndarray, list[np.ndarray]]:
    """CPU milliseconds of each query, and the rows found."""
    times, rows = [], []
    for query in queries:
        start = time.process_time()
        found = searcher.top(query, K, **how)
        times.append((time.process_time() - start) * 1e3)
        rows.append(found.rows)
    return np.array(times), rows


def shares(found: list[np.ndarray], exact_QK: np.ndarray) -> np.ndarray:
    return np.array([np.isin(exact, rows).sum() / K for rows, exact in zip(found, exact_QK, strict=True)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--shard-rows", type=int, default=10_000)
    parser.add_argument("--kind", default="auto", choices=("auto", *quantised.KINDS))
    parser.add_argument("--outliers", type=int, default=0, help="dimensions of large mean and variance")
    parser.add_argument("--folder", type=Path, help="where vectors are kept for the next run")
    given = parser.parse_args()
    world = World(outliers=given.outliers)
    with tempfile.TemporaryDirectory() as kept:
        folder = given.folder or Path(kept)
        shards = write(world, given.rows, folder, given.shard_rows)
        measure(world, shards, folder, given)


def measure(world: World, shards: list[np.ndarray], folder: Path, given: argparse.Namespace) -> None:
    texts, images = world.texts(QUERIES), world.held_out(QUERIES)
    choice = choose(given.rows, world.dimension, memory=4 << 30, latency=10)
    kind = choice.kind if given.kind == "auto" else given.kind
    print(f"{given.rows:,} rows of {world.dimension}, {len(shards)} shards; {choice.kind} by rule, {choice.why}")
    before = resident()["RssAnon"]
    start = time.process_time()
    index = quantised.build(shards, kind)
    built = time.process_time() - start
    after = resident()["RssAnon"] - before
    size = 0
    if index is not None:
        path = folder / "image.index"
        faiss.write_index(index, str(path))
        size = path.stat().st_size
        index = quantised.read(path, dimension=world.dimension, vectors=given.rows)
    print(f"built {kind}: {built:.1f} CPU s, {size / 1e6:.1f} MB, {after:.0f} MB more of memory afterwards")

    def searcher(parameters: Any) -> Searcher:
        return Searcher(shards, None if index is None else OpenIndex(index, kind, parameters))

    # The texts a corpus has are other texts than those that people ask.
    count = min(max(tune.WORK // given.rows, tune.FEWEST), tune.MOST)
    sets = {"text": world.texts(count, set=1), "image": world.held_out(count // tune.IMAGES)}
    start = time.process_time()
    found = tune.tune(searcher, {name: tune.Queries(each, np.full(len(each), -1)) for name, each in sets.items()})
    tuned = time.process_time() - start
    told = {name: f"{each.recall:.4f} [{each.low:.3f}, {each.high:.3f}]" for name, each in found.recalls.items()}
    print(f"tuned: {tuned:.1f} CPU s, {found.parameters}, its own recall {told}")

    best = searcher(found.parameters)
    for name, queries in (("text", texts), ("image", images)):
        exact = scan.top(shards, queries, K, chunk=4096)[1]
        times, rows = asked(best, queries)
        share = shares(rows, exact)
        low, high = tune.interval(share, K)
        print(
            f"{name}: recall@10 {share.mean():.4f} [{low:.3f}, {high:.3f}]"
            f"   p50 {np.median(times):.2f} ms, p99 {np.percentile(times, 99):.2f} ms"
        )
    draw = np.random.default_rng(0)
    best.top(texts[0], K, exact=True)
    for selectivity in (1.0, 0.5, 0.1, 0.01):
        mask = draw.random(given.rows) < selectivity
        exact = scan.top(shards, texts[:FILTERED], K, mask=mask, chunk=4096)[1]
        times, rows = asked(best, texts[:FILTERED], mask=mask)
        print(f"filter {selectivity:.0%}: recall@10 {shares(rows, exact).mean():.4f}   p50 {np.median(times):.2f} ms")
    print(f"greatest resident size {resident()['VmHWM']:.0f} MB, of it {resident()['RssAnon']:.0f} MB no file's pages")


if __name__ == "__main__":
    main()
