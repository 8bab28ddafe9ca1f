from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.pipeline.toys import Climb, Grow, Leak, Meet, Prune, Reap, Sow, walk
from vlcorpus.corpus import Corpus
from vlcorpus.errors import ShardsFailed, UsageError, VlcorpusError
from vlcorpus.pipeline.executor import LocalExecutor
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.pipeline.run import Event, run
from vlcorpus.stages.base import Stage


def do(corpus: Corpus, stages: Sequence[Stage], *, workers: int = 2, log: Path | None = None) -> list[Event]:
    events: list[Event] = []
    with LocalExecutor(workers) as executor:
        for event in run(make_plan(corpus, stages), executor, log=log):
            events.append(event)
    return events


def kinds(events: list[Event]) -> Counter[tuple[str, str]]:
    return Counter((event.stage, event.kind) for event in events if event.kind != "progress")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus.create(tmp_path / "c")


def total(corpus: Corpus) -> str:
    return corpus.layer("harvest").path("total.txt").read_text()


def test_the_whole_walk_then_nothing_again(corpus: Corpus) -> None:
    first = kinds(do(corpus, walk()))
    assert first["grow", "committed"] == 4 and first["reap", "committed"] == 1
    assert total(corpus) == "60"
    again = kinds(do(corpus, walk()))
    assert not any(kind in {"started", "committed"} for _, kind in again)
    assert again["grow", "unchanged"] == 4


def test_other_settings_make_stale_what_depends_on_them_and_no_more(corpus: Corpus) -> None:
    do(corpus, walk())
    changed = kinds(do(corpus, walk(factor=2)))
    assert changed["sow", "unchanged"] == 1
    assert changed["grow", "committed"] == 4 and changed["reap", "committed"] == 1
    assert total(corpus) == "12"
    same = kinds(do(corpus, walk(factor=2, slow=9)))
    assert same["grow", "unchanged"] == 4 and same["reap", "unchanged"] == 1


def test_a_corpus_that_grows_is_extended_not_restarted(corpus: Corpus) -> None:
    do(corpus, [Sow(count=2), Grow(), Reap()])
    grown = kinds(do(corpus, [Sow(count=3), Grow(), Reap()]))
    assert grown["grow", "unchanged"] == 2 and grown["grow", "committed"] == 1
    assert total(corpus) == "30"


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_results_do_not_depend_on_workers(tmp_path: Path, workers: int) -> None:
    corpus = Corpus.create(tmp_path / "c")
    do(corpus, walk(), workers=workers)
    assert total(corpus) == "60"


def test_a_shard_goes_on_while_the_next_one_is_made(corpus: Corpus) -> None:
    """One worker: each unit's follower runs before the next unit, so no stage waits for a whole layer."""
    do(corpus, [Sow()])
    events = do(corpus, [Grow(), Prune()], workers=1)
    order = [(event.stage, event.unit) for event in events if event.kind == "committed"]
    assert order == [(stage, f"{number:05d}") for number in range(4) for stage in ("grow", "prune")]


def test_a_killed_workers_unit_is_done_again(corpus: Corpus) -> None:
    events = do(corpus, walk(die_at="00002"))
    assert kinds(events)["grow", "lost"] == 1
    assert total(corpus) == "60"


def test_a_unit_that_kills_every_worker_fails_alone(corpus: Corpus) -> None:
    with pytest.raises(ShardsFailed, match="the worker died 3 times") as raised:
        do(corpus, walk(die_at="00002", deaths=99))
    assert raised.value.exit_code == 3
    assert corpus.layer("plants").units() == ("00000", "00001", "00003")
    assert corpus.layer("harvest").units() == ()


def test_a_stage_that_waits_does_two_units_at_once(corpus: Corpus) -> None:
    events = do(corpus, [Sow(count=4), Meet()], workers=1)
    assert kinds(events)["meet", "committed"] == 4
    assert corpus.layer("meetings").units() == ("00000", "00001", "00002", "00003")


def test_a_unit_that_gets_further_each_time_is_tried_again(corpus: Corpus) -> None:
    events = do(corpus, [Sow(count=1), Climb()], workers=1)
    assert kinds(events)["climb", "lost"] == 5 and kinds(events)["climb", "committed"] == 1
    assert [event.about for event in events if event.kind == "progress"][1] == {"reasons": {"steep": 1}}


def test_a_unit_that_gets_no_further_is_given_up(corpus: Corpus) -> None:
    with pytest.raises(VlcorpusError, match="the worker died 3 times"):
        do(corpus, [Sow(count=1), Climb(further=False)], workers=1)


def test_a_failed_unit_holds_back_only_what_needs_it(corpus: Corpus) -> None:
    with pytest.raises(ShardsFailed, match="00001 is stony ground"):
        do(corpus, walk(fail_at="00001"))
    assert corpus.layer("plants").units() == ("00000", "00002", "00003")
    resumed = kinds(do(corpus, walk()))
    assert resumed["grow", "committed"] == 1 and resumed["grow", "unchanged"] == 3
    assert total(corpus) == "60"


def test_a_bug_fails_its_unit_with_a_trace(corpus: Corpus) -> None:
    events: list[Event] = []
    with LocalExecutor(1) as executor, pytest.raises(ShardsFailed):
        for event in run(make_plan(corpus, walk(bug_at="00000")), executor):
            events.append(event)
    trace = next(event.trace for event in events if event.kind == "failed")
    assert "ZeroDivisionError: a bug" in trace


def test_lost_rows_are_noticed_at_the_commit(corpus: Corpus) -> None:
    do(corpus, [Sow(count=1)])
    with pytest.raises(VlcorpusError, match="3 rows in, 1 kept"):
        do(corpus, [Leak()])
    assert corpus.layer("leaks").units() == ()


def test_the_plan_tells_done_stale_and_to_do(corpus: Corpus) -> None:
    before = {
        each.stage: (each.done, each.stale, each.todo, each.later) for each in make_plan(corpus, walk()).outlook()
    }
    assert before == {"sow": (0, 0, 1, False), "grow": (0, 0, 0, True), "reap": (0, 0, 1, False)}
    do(corpus, walk())
    after = {each.stage: (each.done, each.stale, each.todo) for each in make_plan(corpus, walk(factor=3)).outlook()}
    assert after == {"sow": (1, 0, 0), "grow": (0, 4, 0), "reap": (0, 0, 1)}


def test_what_nothing_makes_is_refused_before_any_work(corpus: Corpus) -> None:
    with pytest.raises(UsageError, match="reap needs plants"):
        make_plan(corpus, [Reap()])


def test_events_are_logged_as_lines_of_json(corpus: Corpus) -> None:
    log = corpus.log("walk")
    do(corpus, walk(), log=log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["kind"] for line in lines if line["stage"] == "reap"] == ["started", "committed", "whole"]


def test_workers_die_with_a_killed_parent(tmp_path: Path) -> None:
    Corpus.create(tmp_path / "c")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    parent = subprocess.Popen([sys.executable, "-m", "tests.pipeline.hanging", str(tmp_path / "c"), str(fifo)])
    with open(fifo, "rb", buffering=0) as heard:
        assert int(heard.read(100)) != parent.pid
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert heard.read(100) == b"", "the fifo ends when the worker, its only writer, is gone"
