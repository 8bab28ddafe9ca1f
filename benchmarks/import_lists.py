"""Rows a second of `vlcorpus import` for lists in LAION's format, and where the time goes.

    python benchmarks/import_lists.py --rows 1000000 --files 2 --rounds 3
    python benchmarks/import_lists.py --rows 10000000 --files 20 --rounds 1 --only import --workers 1 2
    python benchmarks/import_lists.py --rows 1000000 --files 2 --phases

Writes seeded parquet lists (SAMPLE_ID, URL of about 90 characters, TEXT of about 45, HEIGHT, WIDTH, LICENSE, NSFW,
similarity), then measures in turn, in rounds, in processes of their own:

    floor        pyarrow reads the same columns, nothing else
    rows         the careful reader, row by row
    columns      the columnar reader (web.lists.parts)
    identities   the columnar reader, and uid and image_id of each row
    import       the whole plan with --workers workers: read, identify, write, cut into candidate shards, scores

Figures are medians of CPU and wall seconds, those of workers included; the ratio to the floor is of CPU seconds.
--phases does the import in one process and prints its phases, and what they waited for fsync in all their threads.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORDS = (
    *(
        "the",
        "of",
        "and",
        "a",
        "in",
        "for",
        "with",
        "on",
        "new",
        "black",
        "white",
        "home",
        "design",
        "photo",
        "red",
        "art",
    ),
    *(
        "blue",
        "vintage",
        "set",
        "free",
        "wedding",
        "print",
        "old",
        "wooden",
        "garden",
        "style",
        "small",
        "large",
        "case",
    ),
    *(
        "kitchen",
        "summer",
        "portrait",
        "woman",
        "man",
        "city",
        "sunset",
        "beach",
        "dress",
        "shoes",
        "leather",
        "cotton",
    ),
    *("2019", "2020", "stock", "vector", "illustration", "background", "isolated", "iPhone", "Samsung", "hotel"),
)
WAYS = ("floor", "rows", "columns", "identities", "import")


def write_lists(folder: Path, rows: int, files: int, seed: int) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    for number in range(files):
        chance = random.Random(f"{seed}/{number}")
        size = rows // files
        hosts = [f"{chance.choice(WORDS).lower()}{chance.randrange(10**6)}.example" for _ in range(5_000)]
        urls, texts = [], []
        for row in range(size):
            folder_part = "/".join(chance.choices(WORDS, k=3)).lower()
            name = f"{chance.getrandbits(96):024x}-{row}"
            query = "?w=640&h=480" if chance.random() < 0.15 else ""
            urls.append(f"https://cdn.{chance.choice(hosts)}/media/{folder_part}/{name}.jpg{query}")
            texts.append(" ".join(chance.choices(WORDS, k=chance.randrange(3, 13))))
            if row % 50 == 49:  # one image with several captions, and one with the very same
                urls[-1] = urls[-2]
            if row % 500 == 499:
                texts[-1] = texts[-2]
            if row % 1000 == 999:
                urls[-1] = f"data:image/gif;base64,{row}"
        drawn = np.random.default_rng([seed, number])
        table = pa.table(
            {
                "SAMPLE_ID": pa.array(drawn.integers(0, 2**40, size)),
                "URL": urls,
                "TEXT": texts,
                "HEIGHT": pa.array(drawn.integers(200, 2000, size), pa.int32()),
                "WIDTH": pa.array(drawn.integers(200, 2000, size), pa.int32()),
                "LICENSE": pa.array(["?"] * size),
                "NSFW": pa.array([("UNLIKELY", "UNSURE", "NSFW")[each] for each in drawn.integers(0, 3, size)]),
                "similarity": pa.array(drawn.uniform(0.28, 0.5, size)),
            }
        )
        pq.write_table(table, folder / f"part-{number:05d}.parquet", row_group_size=500_000)


def work(way: str, folder: Path, corpus: Path, workers: int) -> None:
    """One measurement, in a process of its own: prints seconds as JSON."""
    import vlcorpus.stages.candidates
    from vlcorpus.web.lists import parts as list_parts
    from vlcorpus.web.lists import rows as lists

    assert vlcorpus.stages.candidates and list_parts  # loading libraries is not what is measured
    files = sorted(folder.glob("*.parquet"))
    opened = [(path, *lists.opened(path, None, None, None, ())) for path in files]
    start, cpu = time.monotonic(), time.process_time()
    count = 0
    if way == "floor":
        from vlcorpus.web.lists.files import parquet_batches

        for path, _, columns in opened:
            for batch in parquet_batches(path, columns.names, size=16_384):
                count += len(batch)
    elif way == "rows":
        for path in files:
            for _ in lists.rows(path):
                count += 1
    elif way in ("columns", "identities"):
        from vlcorpus.placement.keys import with_identities
        from vlcorpus.web.lists.parts import parts

        for path, format, columns in opened:
            for part in parts(path, format, columns, name=path.name):
                count += len(with_identities(part.pairs) if way == "identities" else part.pairs)
    else:
        from vlcorpus.corpus import Corpus
        from vlcorpus.pipeline.executor import LocalExecutor
        from vlcorpus.pipeline.plan import make_plan
        from vlcorpus.pipeline.run import run
        from vlcorpus.stages.import_ import Import

        made = Corpus.create(corpus)
        stage = Import(source=str(folder))
        with LocalExecutor(workers) as executor:
            for event in run(make_plan(made, [stage]), executor):
                if event.kind == "committed" and event.unit == "all":
                    count = event.seen
    own, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        json.dumps(
            {
                "rows": count,
                "cpu": time.process_time() - cpu + others.ru_utime + others.ru_stime,
                "wall": time.monotonic() - start,
                "peak": max(own.ru_maxrss, others.ru_maxrss) / 1024,
            }
        )
    )


def phases(folder: Path, corpus: Path) -> None:
    """Print what the phases of an import take, one after the other in this process."""
    import vlcorpus.stages.candidates as candidates
    import vlcorpus.stages.import_lists as import_lists
    import vlcorpus.stages.import_scores as import_scores
    from vlcorpus.corpus import Corpus
    from vlcorpus.stages.import_ import LIST, Import

    synced: list[float] = []
    fsync = os.fsync

    def timed(file: int) -> None:
        start = time.monotonic()
        fsync(file)
        synced.append(time.monotonic() - start)

    os.fsync = timed
    made = Corpus.create(corpus)
    stage = Import(source=str(folder))

    def tell(seen: int, kept: int) -> None:
        pass

    steps = {
        "digests": lambda: stage.source_id,
        "read": lambda: import_lists.read_missing(stage, made, tell),
        "cut": lambda: candidates.cut(stage, made, stage.source_id, kind=LIST, tell=tell),
        "scores": lambda: import_scores.write(stage, made, stage.source_id),
    }
    taken = []
    for name, step in steps.items():
        synced.clear()
        start, cpu = time.monotonic(), time.process_time()
        step()
        taken.append((name, time.process_time() - cpu, time.monotonic() - start, len(synced), sum(synced)))
    layer = stage.layer(made)
    rows = sum((layer.stats(part) or {})["seen"] for part in layer.units())
    print(" " * 12 + "".join(f"{head:>12}" for head in ("CPU s", "wall s", "us/row", "fsyncs", "fsync s")))
    for name, used, wall, times, waited in taken:
        print(f"{name:12}{used:12.2f}{wall:12.2f}{1e6 * used / rows:12.3f}{times:12}{waited:12.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--lists", type=Path, help="Where the lists are kept between runs.")
    parser.add_argument("--profile", action="store_true", help="Print where the whole import spends its CPU time.")
    parser.add_argument("--workers", type=int, nargs="+", default=[1])
    parser.add_argument("--phases", action="store_true", help="Print what each phase of an import takes.")
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--corpus", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        work(given.one, given.lists, given.corpus, given.workers[0])
        return
    with tempfile.TemporaryDirectory() as name:
        folder = given.lists or Path(name) / "lists"
        if not folder.is_dir():
            write_lists(folder, given.rows, given.files, given.seed)
        if given.profile or given.phases:
            (profile if given.profile else phases)(folder, Path(name) / "corpus")
            return
        ways = [(way, count) for way in given.only for count in (given.workers if way == "import" else [1])]
        seen: dict[str, list[dict[str, float]]] = {
            f"{way} {count}" if way == "import" else way: [] for way, count in ways
        }
        for _ in range(given.rounds):
            for label, (way, count) in zip(seen, ways, strict=True):
                shutil.rmtree(Path(name) / "corpus", ignore_errors=True)
                command = [sys.executable, __file__, "--one", way, "--lists", str(folder), "--workers", str(count)]
                done = subprocess.run(
                    [*command, "--corpus", f"{name}/corpus"], capture_output=True, text=True, check=True
                )
                seen[label].append(json.loads(done.stdout))
        floor = statistics.median(each["cpu"] for each in seen["floor"]) if seen.get("floor") else None
        heads = ("rows", "CPU s", "wall s", "us/row", "rows/s", "peak MB", "x floor")
        print(" " * 12 + "".join(f"{head:>12}" for head in heads))
        for way, runs in seen.items():
            cpu, wall, peak = (statistics.median(run[each] for run in runs) for each in ("cpu", "wall", "peak"))
            rows = runs[0]["rows"]
            row = [
                f"{rows:.0f}",
                f"{cpu:.2f}",
                f"{wall:.2f}",
                f"{1e6 * cpu / rows:.2f}",
                f"{rows / wall:,.0f}",
                f"{peak:.0f}",
            ]
            print(f"{way:12}" + "".join(f"{value:>12}" for value in [*row, f"{cpu / floor:.1f}" if floor else ""]))


def profile(folder: Path, corpus: Path) -> None:
    import cProfile
    import pstats

    with cProfile.Profile() as found:
        phases(folder, corpus)
    pstats.Stats(found).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
