"""CPU seconds and memory of exporting uids: a decision over N rows to DataComp's subset file, beside numpy's own sort.

    python benchmarks/subset.py --rows 12800000                   all rows kept
    python benchmarks/subset.py --rows 12800000 --keep 0.3        three of ten
    python benchmarks/subset.py --rows 12800000 --uids given      the list's uids, from texts of 32 hex digits
    python benchmarks/subset.py --rows 12800000 --weights         weights of 0 to 4
    python benchmarks/subset.py --rows 64000000 --shard-rows 100000 --peer none

Writes a corpus of seeded candidates and a decision over them, then runs in turn, in rounds, in processes of their own:

    export    `vlcorpus export --output-format uids`, as one process: plan, read, sort, write, card
    numpy     numpy.load's uids in memory already: a structured .sort() and .save, as DataComp's baselines.py does

Figures are medians of CPU and wall seconds and the largest resident memory; the export's include starting Python.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from vlcorpus.corpus import Corpus
from vlcorpus.io import table
from vlcorpus.stages.base import UnitCommit
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.import_ import Import

DECISION = "bench"


def uids_of(rng: np.random.Generator, rows: int) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), rows, [None, pa.py_buffer(rng.bytes(16 * rows))])


def hex_of(uids: pa.Array) -> pa.Array:
    text = uids.buffers()[1].to_pybytes().hex()
    ends = np.arange(len(uids) + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(len(uids), pa.py_buffer(ends), pa.py_buffer(text.encode()))


def write_corpus(folder: Path, rows: int, shard_rows: int, keep: float, *, given: bool, weighted: bool) -> Corpus:
    corpus = Corpus.create(folder, shard_rows=shard_rows)
    rng = np.random.default_rng(0)
    stage, judge = Import(source="bench"), Filter(of="candidates", random_fraction=keep, decision=DECISION)
    candidates, decisions = corpus.layer("candidates"), corpus.layer(f"decisions/{DECISION}")
    kept = 0
    for number, start in enumerate(range(0, rows, shard_rows)):
        shard, count = f"{number:05d}", min(shard_rows, rows - start)
        uids = uids_of(rng, count)
        columns = {
            "uid": uids,
            "image_id": uids,
            "alt_text": pa.array([""] * count),
            "source": pa.array(["bench"] * count),
            "offset": np.arange(start, start + count),
        }
        if given:
            columns["given_uid"] = hex_of(uids_of(rng, count))
        whole = {each.name: columns.get(each.name, pa.nulls(count, each.type)) for each in schema_of("candidates")}
        with UnitCommit(stage, corpus, candidates, shard, {}) as commit:
            written = table.from_columns(whole, "candidates")
            table.write(commit, f"{shard}.parquet", written, "candidates", varied=("uid", "image_id", "given_uid"))
            commit.finish(seen=count, kept=count, source="bench", slice=number)
        taken = rng.random(count) < keep
        weights = rng.random(count, np.float32) * 4 if weighted else np.ones(count, np.float32)
        made = {
            "uid": uids,
            "keep": taken,
            "fail_mask": (~taken).astype(np.uint64),
            "first_fail": np.where(taken, -1, 0).astype(np.int32),
            "weight": np.where(taken, weights, 0).astype(np.float32),
        }
        with UnitCommit(judge, corpus, decisions, shard, {}) as commit:
            table.write(commit, f"{shard}.parquet", table.from_columns(made, "decisions"), "decisions", varied=("uid",))
            commit.finish(seen=count, kept=int(taken.sum()), rejected={"not_drawn": int((~taken).sum())})
        kept += int(taken.sum())
    with UnitCommit(judge, corpus, decisions, "all", {"candidates": candidates.digest_all()}) as commit:
        commit.finish(seen=rows, kept=kept, rejected={"not_drawn": rows - kept}, of="candidates", predicates=[])
    return corpus


def schema_of(name: str) -> pa.Schema:
    from vlcorpus import schema

    return schema.table(name).arrow()


def export(corpus: Path, out: Path, uids: str | None) -> None:
    """What `vlcorpus export` does, in this process."""
    from vlcorpus.pipeline.plan import make_plan
    from vlcorpus.stages.export import Export

    opened = Corpus.open(corpus)
    stage = Export(out=str(out), decision=DECISION, output_format="uids", uids=uids)
    (step,) = make_plan(opened, [stage]).steps
    step.stage.open(opened)("all", lambda *_: None)


def sort_as_datacomp(file: Path) -> float:
    """Seconds of CPU of .sort() and .save of the file's uids, in another order."""
    uids = np.load(file)
    np.random.default_rng(1).shuffle(uids.view("<u8").reshape(-1, 2))
    before = time.process_time()
    uids.sort()
    np.save(file.with_name("numpy.npy"), uids)
    return time.process_time() - before


def measured(arguments: list[str]) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, "--child", *arguments], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def child(what: str, *arguments: str) -> None:
    wall = time.perf_counter()
    if what == "export":
        export(Path(arguments[0]), Path(arguments[1]), None if arguments[2] == "none" else arguments[2])
        cpu = time.process_time()
    else:
        cpu = sort_as_datacomp(Path(arguments[0]))
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": cpu, "wall": time.perf_counter() - wall, "mb": most}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--shard-rows", type=int, default=10_000)
    parser.add_argument("--keep", type=float, default=1.0)
    parser.add_argument("--uids", choices=("own", "given"), default="own")
    parser.add_argument("--weights", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer", choices=("numpy", "none"), default="numpy")
    parser.add_argument("--folder", type=Path, help="Where to write; a temporary folder if not given.")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(*given.child)
        return
    folder = Path(tempfile.mkdtemp(prefix="vlcorpus-subset-", dir=given.folder))
    try:
        write_corpus(
            folder / "c", given.rows, given.shard_rows, given.keep, given=given.uids == "given", weighted=given.weights
        )
        found: dict[str, list[dict[str, float]]] = {}
        for _ in range(given.rounds):
            shutil.rmtree(folder / "out", ignore_errors=True)
            made = measured(["export", str(folder / "c"), str(folder / "out"), given.uids])
            found.setdefault("export", []).append(made)
            if given.peer == "numpy":
                file = folder / "out" / "all" / "00000.npy"
                found.setdefault("numpy", []).append(measured(["numpy", str(file)]))
        told = json.loads((folder / "out" / "all_stats.json").read_text())
        print(f"{given.rows:,} rows, {told['kept']:,} kept, {told['entries']:,} entries of {told['uids']} uids")
        for name, runs in found.items():
            cpu, wall, most = (statistics.median(run[key] for run in runs) for key in ("cpu", "wall", "mb"))
            print(f"{name:8} {cpu:7.2f} CPU s  {wall:7.2f} s  {most:7.0f} MB")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
