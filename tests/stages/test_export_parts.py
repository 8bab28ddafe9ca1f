"""The shards of an export are parts that any worker may write: in whatever order and however often, the same bytes."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import pytest

from tests.stages.given import given_corpus
from tests.stages.lending import processes, shuffled
from vlcorpus.corpus import Corpus
from vlcorpus.stages.export import Export
from vlcorpus.stages.export_samples import Jobs, Part
from vlcorpus.stages.sharing import lent

STATS = re.compile(r"all_stats\.json|all/\d+\.json")


def quiet(*progress: object) -> None:
    pass


def slow(parts: list[Part], start: int, count: int) -> list[tuple[str, int, int]]:
    """Every sample of all parts in a list: shard, number of the pair, copy."""
    every = [
        (part.shard, number, copy)
        for part in parts
        for number, copies in zip(part.numbers_T.tolist(), part.copies_T.tolist(), strict=True)
        for copy in range(copies)
    ]
    return every[start : start + count]


@pytest.mark.parametrize("seed", range(40))
def test_a_shard_is_of_the_samples_that_stand_there(seed: int) -> None:
    rng = random.Random(seed)
    parts = []
    for shard in range(rng.randint(1, 5)):
        size = rng.randint(1, 7)
        copies = [rng.randint(1, 4) for _ in range(size)]
        uids_T16 = np.array([[shard, number, *[0] * 14] for number in range(size)], np.uint8)
        counts = (np.arange(size, dtype=np.int32), np.array(copies, np.int32))
        parts.append(Part(f"{shard:05d}", *counts, np.ones(size), uids_T16))
    rows = rng.randint(1, 9)
    jobs = Jobs("train", parts, {}, digits=5, shard_rows=rows, endings=(), resumes=False)
    total = len(slow(parts, 0, 10**6))
    assert len(jobs) == -(-total // rows) and sum(map(jobs.samples, range(len(jobs)))) == total
    for number, job in enumerate(jobs):
        assert job.shard == f"{number:05d}" and job.samples == jobs.samples(number)
        assert slow(list(job.parts), job.first, job.samples) == slow(parts, number * rows, rows)
        assert all(len(part.numbers_T) for part in job.parts), "no part that it has nothing of"
        for part in job.parts:
            assert part.uids_T16[:, 0].tolist() == [int(part.shard)] * len(part.numbers_T)
            assert part.uids_T16[:, 1].tolist() == part.numbers_T.tolist()
    with pytest.raises(IndexError):
        jobs[len(jobs)]


def files(folder: Path) -> dict[str, bytes]:
    """All but stats, which tell times."""
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in names.items() if not STATS.fullmatch(name)}


@pytest.mark.parametrize("format", ["webdataset", "parquet", "files"])
def test_the_same_bytes_from_other_workers(tmp_path: Path, format: str) -> None:
    corpus: Corpus = given_corpus(tmp_path / "c", 20, 12)
    given = {"shard_rows": 7, "output_format": format}
    Export(out=str(tmp_path / "plain"), **given).open(corpus)("all", quiet)
    wanted = files(tmp_path / "plain")
    assert len([name for name in wanted if "0000" in name]) > 3
    with lent(shuffled(1)):
        Export(out=str(tmp_path / "shuffled"), **given).open(corpus)("all", quiet)
    assert files(tmp_path / "shuffled") == wanted
    with processes(2) as lend, lent(lend):
        Export(out=str(tmp_path / "spread"), **given).open(corpus)("all", quiet)
    assert files(tmp_path / "spread") == wanted
