"""Two processes, as torchrun starts them, train one probe: rank 0 plans and commits, the other only trains."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stages.given import given_corpus
from tests.stages.test_train_probe import about
from vlcorpus.clip.model import load
from vlcorpus.errors import UsageError
from vlcorpus.pipeline.executor import Task
from vlcorpus.pipeline.together import Together, leads
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.train_probe import TrainProbe

# What the command does where there are several processes.
PROGRAM = """
import sys
from pathlib import Path
from vlcorpus.corpus import Corpus
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.pipeline.run import run
from vlcorpus.pipeline.together import Together, follow, follows, leads
from vlcorpus.stages.train_probe import TrainProbe
corpus = Corpus.open(Path(sys.argv[1]))
probe = TrainProbe(probe="two", seeds=(0, 1), steps=3, batch_size=8, checkpoint_every=1)
broken = TrainProbe(probe="broken", steps=3, batch_size=9)
if follows([probe]):
    follow(corpus)
else:
    assert leads([probe])
    with corpus.lock("test"), Together() as executor:
        try:
            for event in run(make_plan(corpus, [broken, probe]), executor):
                print(event.kind, event.layer, event.unit, event.message, flush=True)
        except Exception as error:
            print(type(error).__name__, error, flush=True)
"""


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def test_two_processes_train_one_probe(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 12, 8)
    environment = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(corpus.path)],
            env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=240) for process in ranks]
    finally:
        for process in ranks:
            process.kill()
    assert [process.returncode for process in ranks] == [0, 0], said
    assert said[1][0] == "", "the other says nothing"
    assert "committed probes/two seed-0" in said[0][0] and "committed probes/two seed-1" in said[0][0]
    assert "failed probes/broken seed-0 a batch of 9 does not part into 2 processes" in said[0][0]
    for seed in (0, 1):
        stats = about(corpus, "two", seed)
        assert (stats["processes"], stats["samples_seen"], stats["kept"]) == (2, 24, 20)
        assert load(str(corpus.path / f"probes/two/seed-{seed}")).slug
    assert not list((corpus.path / "probes").rglob(".*"))


def test_other_stages_are_done_before(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 3)
    assert not leads([TrainProbe()]), "there is one process"
    with pytest.raises(UsageError, match="torchrun is for train-probe, and decisions/d has to be made first"):
        Together().submit(Task(Filter(random_fraction=0.5, decision="d"), corpus, "all"))
