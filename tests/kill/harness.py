"""Kills a walk at a drawn point, runs the same command again, and compares what came of it.

    calm = do(walk)                                   # undisturbed; calm.operations["write"][16] is the 17th write
    wanted = contents(walk.home)                      # path -> digest
    for point in draw(calm.operations, 20, seed=1):
        trial(walk, point, calm, wanted)              # -> Trial(stage="download", problems=())

A walk is a command that writes below one folder, its home. The product has no hook for this: hook/sitecustomize.py is
put on the run's PYTHONPATH and wraps the system calls of its processes. A SIGKILL loses nothing that was written, so
what is shown is that any order of completed operations can be resumed from, not what a power cut would do.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import safetensors

from tests.kill.hook.sitecustomize import RECORD
from vlcorpus import schema
from vlcorpus.io import table, tar
from vlcorpus.io.commit import TEMPORARY
from vlcorpus.stages import index_about
from vlcorpus.web.archives import warc

REPOSITORY = Path(__file__).resolve().parents[2]
HOOK = Path(__file__).resolve().parent / "hook"
KINDS = ("write", "fsync", "rename", "event")
LONGEST_SECONDS = 300.0


@dataclass(frozen=True)
class Walk:
    """A command that writes below `home` and nowhere else.

    gathers: its first stage, crawl or import. arguments: what follows `python`; `--workers N` is added. at_once: units
    that a worker may lose with its life.
    """

    gathers: str
    arguments: tuple[str, ...]
    home: Path
    at_once: int = 1


@dataclass(frozen=True)
class Operation:
    """One counted operation: who did it, on what (a path below home), for which stage."""

    worker: bool
    path: str
    stage: str


Operations = Mapping[str, Sequence[Operation]]


@dataclass(frozen=True)
class Point:
    """Where to kill: at the n-th (from 1) operation of a kind. again: a second blow at the resumed run's n-th."""

    kind: str
    n: int
    worker: bool = False
    workers: int = 1
    again: tuple[str, int] | None = None


@dataclass(frozen=True)
class Run:
    """What became of one run. hit: the path at which it was struck, None if it never was."""

    code: int
    hit: str | None
    operations: Operations
    said: str


@dataclass(frozen=True)
class Trial:
    """A kill point, the stage that it hit, and what was wrong afterwards: nothing, if all is well."""

    point: Point
    stage: str
    path: str
    problems: tuple[str, ...]


def do(walk: Walk, *, workers: int = 1, kind: str = "", at: int = 0, worker: bool = False) -> Run:
    """Run the walk's command to its end or its death, and return when every process of it is gone."""
    counter = walk.home.with_name(walk.home.name + ".counter")
    shutil.rmtree(counter, ignore_errors=True)
    counter.mkdir(parents=True)
    walk.home.mkdir(exist_ok=True)
    words = {"VLKILL_COUNTER": counter, "VLKILL_ROOT": walk.home, "PYTHONPATH": f"{HOOK}{os.pathsep}{REPOSITORY}"}
    if kind:
        words |= {"VLKILL_KIND": kind, "VLKILL_AT": at, "VLKILL_WHO": "worker" if worker else "run"}
    plain = {key: value for key, value in os.environ.items() if not key.startswith(("VLKILL_", "VLCORPUS_"))}
    child = subprocess.Popen(
        [sys.executable, *walk.arguments, "--workers", str(workers)],
        env=plain | {"OMP_NUM_THREADS": "1"} | {key: str(value) for key, value in words.items()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        # Workers inherit stderr, so its end is the end of the last of them.
        said = child.communicate(timeout=LONGEST_SECONDS)[1].decode("utf-8", "replace")
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        raise
    struck = counter / "struck"
    hit = os.fsdecode(struck.read_bytes()) if struck.exists() else None
    return Run(child.returncode, hit, _operations(counter, walk), said)


def _operations(counter: Path, walk: Walk) -> Operations:
    stages = iter([stage_of(f"corpus/{event['layer']}", walk.gathers) for event in events(walk.home)])
    found: dict[str, list[Operation]] = {}
    for kind in KINDS:
        place = counter / kind
        records = place.read_bytes() if place.exists() else b""
        assert len(records) % RECORD == 0
        found[kind] = []
        for start in range(0, len(records), RECORD):
            record = records[start : start + RECORD].rstrip()
            path = os.fsdecode(record[1:])
            stage = next(stages, "") if kind == "event" else stage_of(path, walk.gathers)
            found[kind].append(Operation(record[:1] == b"w", path, stage))
    return found


_STAGES = {
    "embeddings": "embed",
    "decisions": "filter",
    "duplicates": "dedup",
    "takedowns": "takedown",
    "splits": "split",
    "index": "index",
    "probes": "train-probe",
    "evaluations": "evaluate",
    "comparisons": "compare",
    "packs": "train-probe",
    "reports": "report",
}


def stage_of(path: str, gathers: str) -> str:
    """The stage that writes a path below home: `corpus/<layer>/…` or `exports/…`. scores/x is `score x`."""
    parts = path.split("/")
    if parts[0] == "exports" or "out:" in path:
        return "export"
    layer = parts[1] if len(parts) > 1 else ""
    if layer == "scores":
        return " ".join(["score", *parts[2:3]])
    if layer in {"sources", "candidates"} or (layer == "shards" and gathers == "import"):
        return gathers
    return "download" if layer == "shards" else _STAGES.get(layer, "start")


def draw(
    operations: Operations,
    count: int,
    *,
    seed: int,
    workers: Sequence[int] = (1,),
    within: Container[str] | None = None,
) -> list[Point]:
    """`count` points by seed: first one in each stage (`within` some, if given), then anywhere in these.

    A kind is drawn first, then n, so that the few renames get as many blows as the many writes. Every third run is
    struck again soon after it resumed. The points of the first round have the first of `workers` (with one worker the
    n-th operation is always the same one), the others take them in turn.
    """
    draws = random.Random(seed)
    every = sorted({each.stage for kind in KINDS for each in operations[kind]})
    stages = [stage for stage in every if within is None or stage in within]
    points: list[Point] = []
    for number in range(count):
        wanted = stages[number : number + 1] or stages
        kind, n = _one(draws, operations, KINDS, wanted)
        again = (draws.choice(("write", "fsync", "rename")), draws.randint(1, 12)) if number % 3 == 2 else None
        crew = workers[number % len(workers) if number >= len(stages) else 0]
        points.append(Point(kind, n, workers=crew, again=again))
    return points


def draw_workers(operations: Operations, count: int, *, seed: int) -> list[Point]:
    """`count` points at which a worker, and only it, is killed."""
    draws = random.Random(seed)
    kinds = ("write", "fsync", "rename")
    own = {kind: [each if each.worker else replace(each, stage="") for each in operations[kind]] for kind in kinds}
    stages = {each.stage for kind in kinds for each in own[kind]} - {""}
    drawn = (_one(draws, own, kinds, stages) for _ in range(count))
    return [Point(kind, n, worker=True) for kind, n in drawn]


def _one(draws: random.Random, operations: Operations, kinds: Sequence[str], stages: Container[str]) -> tuple[str, int]:
    """A kind, then one of its operations in these stages."""
    own = {kind: [n for n, each in enumerate(operations[kind], start=1) if each.stage in stages] for kind in kinds}
    kind = draws.choice([kind for kind in kinds if own[kind]])
    return kind, draws.choice(own[kind])


def trial(walk: Walk, point: Point, calm: Run, wanted: Mapping[str, str]) -> Trial:
    """From nothing: run, be killed at the point, run the same command to its end, compare with `wanted`."""
    shutil.rmtree(walk.home, ignore_errors=True)
    problems: list[str] = []
    run = do(walk, workers=point.workers, kind=point.kind, at=point.n, worker=point.worker)
    hit = run.hit
    if hit is None:
        problems.append(f"never struck: {run.code}, {run.said[-500:]}")
    elif point.worker:
        problems += _ended_well(run)
        lost = sum(event.get("kind") == "lost" for event in events(walk.home))
        if not 1 <= lost <= walk.at_once:
            problems.append(f"{lost} units lost a worker, not 1 to {walk.at_once}")
    else:
        if run.code != -signal.SIGKILL:
            problems.append(f"struck, but exit code {run.code}")
        problems += unsound(walk.home)
        if point.again is not None:
            second = do(walk, workers=point.workers, kind=point.again[0], at=point.again[1])
            problems += unsound(walk.home) if second.hit is not None else _ended_well(second)
        problems += _ended_well(do(walk, workers=point.workers))
    problems += unsound(walk.home) + differences(wanted, contents(walk.home))
    stage = calm.operations["event"][point.n - 1].stage if point.kind == "event" else stage_of(hit or "", walk.gathers)
    return Trial(point, stage, hit or "", tuple(problems))


def _ended_well(run: Run) -> list[str]:
    return [] if run.code == 0 else [f"exit code {run.code}: {run.said[-2000:]}"]


def events(home: Path) -> list[dict[str, Any]]:
    """The logged events, torn lines left away."""
    found = []
    for path in sorted(home.glob("*/log/*.jsonl")):
        for line in path.read_text("utf-8", "replace").splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


def unsound(home: Path) -> list[str]:
    """What a reader must never meet, also right after a kill: a final name whose file is not whole."""
    problems = []
    for path in _files(home):
        if path.name.startswith(TEMPORARY):
            continue
        try:
            _read(path)
        except Exception as error:  # whatever it is, the file cannot be read
            problems.append(f"{path.relative_to(home)} cannot be read: {type(error).__name__}: {error}")
    for marker in _files(home):
        stats = _stats(marker)
        for name, promised in (stats or {}).get("outputs", {}).items():
            output = marker.parent / name
            if not output.is_file():
                problems.append(f"{marker.relative_to(home)} lists {name}, which is not there")
            elif hashlib.sha256(output.read_bytes()).hexdigest() != promised["sha256"]:
                problems.append(f"{output.relative_to(home)} is not what {marker.name} says")
    return problems


def _read(path: Path) -> None:
    if path.suffix == ".tar":
        for _ in tar.read_samples(path):
            pass
    elif path.suffix == ".parquet":
        pq.read_table(path)
    elif path.suffix == ".npy":
        np.load(path, allow_pickle=False)
    elif path.suffix == ".safetensors":
        with safetensors.safe_open(path, "numpy") as weights:
            for name in weights.keys():  # noqa: SIM118 - it is no dict
                weights.get_tensor(name)
    elif path.name.endswith(".warc.gz"):
        if any(page.reason in {"bad_warc_record", "truncated_warc"} for page in warc.pages(path)):
            raise ValueError("a record is damaged")
    elif path.suffix == ".json":
        json.loads(path.read_text("utf-8"))


def contents(home: Path) -> dict[str, str]:
    """Digest of every file but logs and the lock, by path; without the volatile fields that schemas/ lists."""
    found = {}
    for path in _files(home):
        name = path.relative_to(home).as_posix()
        if "/log/" not in name and path.name not in {".lock", "corpus.yaml"}:
            found[name] = _digest(path)
    return found


def _digest(path: Path) -> str:
    stats = _stats(path)
    if stats is not None:
        for column in schema.table("stats").volatile:
            stats.pop(column, None)
        for output in stats["outputs"].values():
            if "digest" in output:  # of the content without volatile columns
                del output["sha256"], output["bytes"]
        return hashlib.sha256(json.dumps(stats).encode()).hexdigest()
    if path.name == "index.json":
        return index_about.digest(json.loads(path.read_text("utf-8")))
    if path.suffix == ".parquet" and not path.name.startswith(TEMPORARY):
        marks = pq.read_schema(path).metadata or {}
        name = marks.get(b"vlcorpus.table", b"").decode()
        if name and schema.table(name).volatile:
            return table.digest(table.read(path, name), name)
    if path.name.endswith(".warc.gz") and not path.name.startswith(TEMPORARY):
        # Without dates, and without robots.txt and its like, which each run asks for.
        pages = [each for each in warc.pages(path) if not each.site_file]
        found = [(page.url, page.status, page.body.decode("latin-1")) for page in pages]
        return hashlib.sha256(json.dumps(found).encode()).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _stats(path: Path) -> dict[str, Any] | None:
    """What a stats file says; None where the path is none."""
    if path.suffix != ".json" or path.name.startswith(TEMPORARY):
        return None
    found = json.loads(path.read_text("utf-8"))
    return found if isinstance(found, dict) and "fingerprint" in found else None


def differences(wanted: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    problems = [f"{name} is missing" for name in sorted(set(wanted) - set(found))]
    problems += [f"{name} is left over" for name in sorted(set(found) - set(wanted))]
    problems += [f"{name} differs" for name in sorted(set(wanted) & set(found)) if wanted[name] != found[name]]
    return problems


def _files(home: Path) -> list[Path]:
    return sorted(path for path in home.rglob("*") if path.is_file())
