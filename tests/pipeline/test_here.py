"""Everything in this process: the same units, in the order that they become ready."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.pipeline.crew_toys import Gather, Linger, fifo
from tests.pipeline.toys import Grow, Prune, Sow, walk
from vlcorpus.corpus import Corpus
from vlcorpus.errors import ShardsFailed
from vlcorpus.io import attempt
from vlcorpus.pipeline.executor import Failed, Halted, Task
from vlcorpus.pipeline.here import HereExecutor
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.pipeline.run import run


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus.create(tmp_path / "c")


def test_a_walk(corpus: Corpus) -> None:
    with HereExecutor() as executor:
        events = list(run(make_plan(corpus, [*walk(), Gather(count=3)]), executor))
    assert corpus.layer("harvest").path("total.txt").read_text() == "60"
    assert corpus.layer("gathered").path("squares.json").read_text() == "[0, 1, 4]"
    assert not [event for event in events if event.kind in ("failed", "lost")]


def test_later_stages_go_first(corpus: Corpus) -> None:
    with HereExecutor() as executor:
        events = list(run(make_plan(corpus, [Sow(count=2), Grow(), Prune()]), executor))
    order = [(event.stage, event.unit) for event in events if event.kind == "committed"]
    assert order[1:] == [(stage, f"{number:05d}") for number in range(2) for stage in ("grow", "prune")]


def test_a_bug_fails_its_unit_with_a_trace(corpus: Corpus) -> None:
    with HereExecutor() as executor, pytest.raises(ShardsFailed, match="ZeroDivisionError: a bug"):
        list(run(make_plan(corpus, walk(bug_at="00001")), executor))
    assert corpus.layer("plants").units() == ("00000", "00002", "00003")
    executor.submit(Task(Grow(bug_at="00001"), corpus, "00001"))
    (failed,) = executor.results()
    assert isinstance(failed, Failed) and "in grow" in failed.trace


def test_stop_ends_the_unit_at_its_next_pause(corpus: Corpus, tmp_path: Path) -> None:
    begun = fifo(tmp_path / "begun")
    stage = Linger(begun=str(begun))

    def stop() -> None:
        os.close(os.open(begun, os.O_RDONLY))
        executor.stop()

    with HereExecutor() as executor:
        for unit in ("00000", "00001"):
            executor.submit(Task(stage, corpus, unit))
        stopper = threading.Thread(target=stop)
        stopper.start()
        assert list(executor.results()) == [Halted(Task(stage, corpus, "00000"))]
        stopper.join()
    assert not attempt.stopping.is_set(), "another run may begin"
