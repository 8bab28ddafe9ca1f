"""Exact duplicates among many keys, and the whole cut of a source into candidate shards.

    python benchmarks/dedup.py                        10 M keys, five ways, 3 rounds; and 1 M rows cut: 3 minutes
    python benchmarks/dedup.py --keys 100 --rows 0    100 M keys, ours and DuckDB only: 5 minutes, 5 GB of disk
    python benchmarks/dedup.py --rows 10              10 M rows cut: 5 GB of disk

Keys have 128 bits, drawn so that 53 of 100 are different. What each way does:

    search      placement: which keys stand more than once (Buckets and equal_runs), within --memory
    places      placement: all that a cut needs: image and pair of each row, the first row of each repeated image, what
                is refused, all in order (Search)
    duckdb      SELECT DISTINCT of keys in a table of two uint64, memory_limit --memory: how many there are
    duckdb+     the same rows as `search`, each with the first of its key: GROUP BY, then a join
    set         Python: a set of 16 bytes each
    unique      numpy.unique of structured keys

Each way runs alone, in a process of its own; loading and drawing keys is not timed. Figures are medians of CPU seconds
over rounds, ways interleaved; GB is the greatest resident size of the process, keys it was given included. The cut
reads parts of rows like LAION's (URL of 60, text of 65 letters; one image in 12 repeats, one pair in 25), and its
source of parts is written before, not timed.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

STEP = 65_536
DIFFERENT = 0.6847  # keys to draw from, per key: 53 of 100 are different


def drawn(count: int) -> Iterator[np.ndarray]:
    """Keys, uint64 (n, 2), without holding all of them."""
    rng = np.random.default_rng(0)
    pool = int(count * DIFFERENT)
    for start in range(0, count, STEP):
        number = rng.integers(0, pool, min(STEP, count - start), dtype=np.uint64)
        words = []
        for salt in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F):
            word = (number + np.uint64(salt & 0xFFFF)) * np.uint64(salt)
            word ^= word >> np.uint64(29)
            word *= np.uint64(0xBF58476D1CE4E5B9)
            words.append(word ^ (word >> np.uint64(32)))
        yield np.column_stack(words)


class Clock:
    """CPU seconds of what runs inside."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __enter__(self) -> None:
        self._start = time.process_time()

    def __exit__(self, *error: object) -> None:
        self.seconds += time.process_time() - self._start


def search(count: int, memory: int, folder: Path, clock: Clock) -> int:
    from vlcorpus.placement.buckets import BUCKETS, Buckets
    from vlcorpus.placement.duplicates import cached, equal_runs

    again = start = 0
    with Buckets(3, folder / "keys.tmp", memory=memory * 3 // 4) as buckets:
        for keys in drawn(count):
            with clock:
                rows = np.column_stack([keys, np.arange(start, start + len(keys), dtype=np.uint64)])
                buckets.add(rows, keys[:, 0].astype(np.uint8))
            start += len(keys)
        with clock:
            for bucket in range(BUCKETS):
                for rows in cached(buckets.take(bucket)):
                    _, head = equal_runs(rows[:, :2])
                    again += int(np.count_nonzero(~head))
    return again


def places(count: int, memory: int, folder: Path, clock: Clock) -> int:
    from vlcorpus.placement.duplicates import Search

    start = 0
    with Search(folder, rows=count, memory=memory) as found:
        for keys in drawn(count):
            with clock:
                offset = np.arange(start, start + len(keys))
                found.add(offset, keys, keys, keys[:, 0])
            start += len(keys)
        with clock:
            return len(found.places().refused)


def loaded(count: int, memory: int, folder: Path, clock: Clock) -> Any:
    import duckdb
    import pyarrow as pa

    settings = {"threads": 1, "memory_limit": f"{memory}B", "temp_directory": str(folder / "spill")}
    base = duckdb.connect(str(folder / "keys.duckdb"), config={**settings, "preserve_insertion_order": False})

    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        for keys in drawn(count):
            row = np.arange(start, start + len(keys))
            columns = [np.ascontiguousarray(keys[:, 0]), np.ascontiguousarray(keys[:, 1]), row]
            yield pa.record_batch(columns, names=["a", "b", "o"])
            start += len(keys)

    kinds = pa.schema([("a", pa.uint64()), ("b", pa.uint64()), ("o", pa.int64())])
    drawing = pa.RecordBatchReader.from_batches(kinds, batches())
    base.register("drawing", drawing)
    base.execute("CREATE TABLE keys AS SELECT * FROM drawing")
    return base


def duckdb(count: int, memory: int, folder: Path, clock: Clock) -> int:
    base = loaded(count, memory, folder, clock)
    with clock:
        ((different,),) = base.execute("SELECT count(*) FROM (SELECT DISTINCT a, b FROM keys)").fetchall()
    return count - int(different)


def duckdb_firsts(count: int, memory: int, folder: Path, clock: Clock) -> int:
    base = loaded(count, memory, folder, clock)
    with clock:
        base.execute(
            "CREATE TEMP TABLE more AS SELECT a, b, min(o) AS first FROM keys GROUP BY a, b HAVING count(*) > 1"
        )
        base.execute("CREATE TEMP TABLE again AS SELECT o, first FROM keys JOIN more USING (a, b) WHERE o > first")
    return int(base.execute("SELECT count(*) FROM again").fetchall()[0][0])


def python_set(count: int, memory: int, folder: Path, clock: Clock) -> int:
    known: set[bytes] = set()
    for keys in drawn(count):
        whole = keys.tobytes()
        listed = [whole[start : start + 16] for start in range(0, len(whole), 16)]
        with clock:
            known.update(listed)
    return count - len(known)


def unique(count: int, memory: int, folder: Path, clock: Clock) -> int:
    keys = np.concatenate(list(drawn(count))).view([("a", "<u8"), ("b", "<u8")]).ravel()
    with clock:
        return count - len(np.unique(keys))


WAYS: dict[str, Callable[[int, int, Path, Clock], int]] = {
    "search": search,
    "places": places,
    "duckdb": duckdb,
    "duckdb+": duckdb_firsts,
    "set": python_set,
    "unique": unique,
}
LARGE = ("search", "places", "duckdb", "duckdb+")


@dataclass(frozen=True)
class Row:
    way: str
    seconds: float
    wall: float
    gigabytes: float
    answer: int


def alone(way: str, count: int, memory: int) -> Row:
    """One way in a process of its own."""
    asked = [sys.executable, __file__, "--alone", way, "--count", str(count), "--memory", str(memory)]
    done = subprocess.run(asked, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{way} failed: {done.stderr}")
    return Row(**json.loads(done.stdout.splitlines()[-1]))


def once(way: str, count: int, memory: int) -> None:
    clock = Clock()
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        answer = (
            cut_rows(count, memory, Path(folder), clock)
            if way == "cut"
            else WAYS[way](count, memory, Path(folder), clock)
        )
    wall = time.monotonic() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps(Row(way, clock.seconds, wall, peak, answer).__dict__))


def cut_rows(count: int, memory: int, folder: Path, clock: Clock) -> int:
    """Rows rejected of a source like LAION's."""
    from vlcorpus.corpus import Corpus
    from vlcorpus.io import table
    from vlcorpus.placement.keys import with_identities
    from vlcorpus.stages.base import Stage, UnitCommit
    from vlcorpus.stages.candidates import cut

    class Bring(Stage):
        """Stands for import."""

        name = "import"
        makes = "candidates"

    corpus = Corpus.create(folder / "corpus")
    layer = corpus.layer("sources/list")
    rng = np.random.default_rng(0)
    naming = Clock()
    for number, start in enumerate(range(0, count, 100_000)):
        size = min(100_000, count - start)
        with UnitCommit(Bring(), corpus, layer, f"{number:05d}", {}) as commit:
            rows = laion_like(rng, start, size)
            with naming:
                rows = with_identities(rows)
            table.write(commit, f"pairs/{commit.unit}.parquet", rows, "extracted")
            commit.finish(seen=size, kept=size)
    with clock:
        _, _, rejected = cut(Bring(), corpus, "list", kind="list", tell=lambda seen, kept: None, memory=memory)
    print(f"with_identities: {naming.seconds / count * 1e6:.2f} us a row", file=sys.stderr)
    return rejected.total()


def laion_like(rng: np.random.Generator, start: int, size: int) -> Any:
    import pyarrow as pa

    from vlcorpus import schema

    image = np.arange(start, start + size)
    repeats = (rng.random(size) < 1 / 12) & (image > 0)
    image[repeats] = rng.integers(0, image[repeats])
    text = np.where(repeats & (rng.random(size) < 0.5), image, np.arange(start, start + size))
    words = np.array([f"{number * 2654435761 % 2**32:x}"[:6].capitalize() for number in range(4096)])
    hosts = [f"https://cdn{number}.example-{number * 7919 % 997}.com/images/" for number in range(1000)]
    urls = [f"{hosts[n % 1000]}{n * 2654435761 % 2**40:x}/{n}-large.jpg" for n in image.tolist()]
    seeds = (text[:, None] * np.arange(3, 12)) % 4096
    texts = [" ".join(row) for row in words[seeds].tolist()]
    given = {"url": pa.array(urls), "alt_text": pa.array(texts), "source_kind": pa.array(["list"] * size)}
    given |= {"source_file": pa.array(["laion.parquet"] * size), "record_offset": pa.array(np.arange(size))}
    wanted = schema.table("extracted").arrow()
    arrays = [given.get(field.name, pa.nulls(size, field.type)) for field in wanted]
    return pa.Table.from_arrays(arrays, schema=wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keys", type=float, default=10, help="millions of keys; 0 leaves the search away")
    parser.add_argument("--rows", type=float, default=1, help="millions of rows to cut; 0 leaves the cut away")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=2 << 30, help="bytes")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.alone:
        once(asked.alone, asked.count, asked.memory)
        return
    count = int(asked.keys * 1e6)
    ways = list(WAYS) if count <= 20_000_000 else list(LARGE)
    if count:
        found: dict[str, list[Row]] = {way: [] for way in ways}
        for _ in range(asked.rounds):
            for way in ways:
                found[way].append(alone(way, count, asked.memory))
        assert len({row.answer for rows in found.values() for row in rows}) == 1, "the ways disagree"
        first = statistics.median(row.seconds for row in found["search"])
        print(f"{count:,} keys, {count - found['search'][0].answer:,} different; memory {asked.memory / 1e9:.1f} GB")
        print(f"{'':<10}{'CPU s':>8}{'M keys/s':>10}{'GB':>7}{'of search':>11}")
        for way, rows in found.items():
            seconds = statistics.median(row.seconds for row in rows)
            peak = max(row.gigabytes for row in rows)
            print(f"{way:<10}{seconds:>8.2f}{count / seconds / 1e6:>10.1f}{peak:>7.2f}{seconds / first:>10.1f}x")
    total = int(asked.rows * 1e6)
    if total:
        rows = [alone("cut", total, asked.memory) for _ in range(asked.rounds)]
        seconds = statistics.median(row.seconds for row in rows)
        peak = max(row.gigabytes for row in rows)
        each = f"{seconds / total * 1e6:.2f} us a row, {total / seconds:,.0f} rows/s"
        print(f"cut: {total:,} rows, {rows[0].answer:,} rejected: {seconds:.1f} CPU s, {each}, {peak:.2f} GB")


if __name__ == "__main__":
    main()
