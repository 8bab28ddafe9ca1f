"""The queue's rules, on real processes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.pipeline.crew_toys import Gather, Hold, Linger, fifo
from tests.pipeline.toys import Grow, Meet, Prune, Sow
from tests.stages.running import do
from vlcorpus.corpus import Corpus
from vlcorpus.errors import VlcorpusError
from vlcorpus.io import attempt
from vlcorpus.pipeline import crew
from vlcorpus.pipeline.executor import Done, Failed, Halted, LocalExecutor, Lost, Result, Task, Told
from vlcorpus.pipeline.messages import Piece
from vlcorpus.pipeline.roster import Given, Queue, Waiting, Worker, may_join
from vlcorpus.stages.base import Stage


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = Corpus.create(tmp_path / "c")
    do(corpus, [Sow(count=4)])
    return corpus


def gathered(corpus: Corpus) -> tuple[int, list[int]]:
    """The reduction's process, and those of its pieces; the squares are right."""
    layer = corpus.layer("gathered")
    squares = json.loads(layer.path("squares.json").read_text())
    assert squares == [number * number for number in range(len(squares))]
    own, pids = json.loads(layer.path("pids.json").read_text())
    return own, pids


def test_stages_that_work_are_done_one_by_one() -> None:
    waits, works = Meet(), Grow()

    def may(*stages: Stage) -> bool:
        return may_join(stages[:-1], stages[-1])

    assert may(waits) and may(works) and may(waits, waits) and may(waits, works) and may(works, waits)
    assert not (may(works, works) or may(waits, waits, waits) or may(waits, works, waits) or may(waits, works, works))


def test_a_reduction_that_waits_leaves_room_for_a_piece_and_no_more(corpus: Corpus) -> None:
    task = Task(Gather(), corpus, "all")
    piece = Piece(Gather(), corpus, "square", (1, 1))
    worker = Worker()
    worker.given[1] = Given(1, worker, Waiting(task))
    assert not worker.may_take(piece)
    worker.given[1].lent = 3
    assert worker.may_take(piece) and worker.idle() and not worker.may_take(Task(Grow(), corpus, "00000"))
    worker.given[2] = Given(2, worker, Waiting(piece))
    assert not worker.may_take(piece)


def test_pieces_go_first_then_later_stages(corpus: Corpus) -> None:
    queue = Queue()
    jobs = [Task(Grow(), corpus, "0", 1), Task(Prune(), corpus, "1", 2), Piece(Gather(), corpus, "square", 0)]
    jobs.append(Task(Prune(), corpus, "2", 2))
    for job in jobs:
        queue.put(Waiting(job), gpu=False)
    taken = []
    for _, _, waiting, take in queue.each():
        taken.append(waiting.job)
        take()
    assert taken == [jobs[2], jobs[1], jobs[3], jobs[0]] and not queue


def test_what_cannot_be_taken_holds_up_only_its_kind(corpus: Corpus) -> None:
    queue = Queue()
    for number in range(4):
        queue.put(Waiting(Task(Grow(), corpus, str(number))), gpu=number % 2 == 1)
    seen = []
    for gpu, count, waiting, take in queue.each():
        assert isinstance(waiting.job, Task)
        seen.append((gpu, count, waiting.job.unit))
        if gpu:
            take()
    assert seen == [(False, 2, "0"), (True, 2, "1"), (True, 1, "3")]


@pytest.mark.parametrize("workers", [1, 2])
def test_pieces_of_a_reduction_come_back_in_order(corpus: Corpus, workers: int) -> None:
    do(corpus, [Gather(count=100)], workers=workers)
    own, pids = gathered(corpus)
    assert len(pids) == 100 and (workers > 1 or set(pids) == {own})


def test_pieces_are_done_by_all_workers_the_reductions_own_too(corpus: Corpus, tmp_path: Path) -> None:
    do(corpus, [Gather(meet=str(fifo(tmp_path / "meet")))], workers=2)
    own, pids = gathered(corpus)
    assert own in pids[:2] and len(set(pids[:2])) == 2


def test_a_piece_whose_worker_dies_is_done_again(corpus: Corpus, tmp_path: Path) -> None:
    events = do(corpus, [Gather(meet=str(fifo(tmp_path / "meet")), die=True)], workers=2)
    gathered(corpus)
    assert (corpus.path / "grave-piece").exists()
    assert not [event for event in events if event.kind == "lost"], "the reduction's worker lived"


def test_a_reduction_whose_worker_dies_is_done_again(corpus: Corpus) -> None:
    events = do(corpus, [Gather(die_with=True)], workers=2)
    gathered(corpus)
    assert [event.unit for event in events if event.kind == "lost"] == ["all"]


def test_a_failed_piece_fails_the_reduction_with_its_error(corpus: Corpus) -> None:
    with pytest.raises(VlcorpusError, match="7 is no number") as raised:
        do(corpus, [Gather(fail_at=7)], workers=2)
    assert raised.value.hint == "take another"
    with LocalExecutor(2) as executor:
        executor.submit(Task(Gather(bug_at=30), corpus, "all"))
        failed = [result for result in executor.results() if isinstance(result, Failed)]
    assert "gather square: ZeroDivisionError" in failed[0].error.message and "in square" in failed[0].trace
    assert not corpus.layer("gathered").stats("all")


def taken(executor: LocalExecutor, stage: Stage, corpus: Corpus, *units: str) -> list[Result]:
    """What comes of units when the run is asked to stop as soon as one is under way."""
    for unit in units:
        executor.submit(Task(stage, corpus, unit))
    found: list[Result] = []
    for result in executor.results():
        found.append(result)
        if isinstance(result, Told):
            executor.stop()
    return [result for result in found if not isinstance(result, Told)]


def test_a_run_that_is_asked_to_stop_hands_out_nothing_more(corpus: Corpus) -> None:
    with LocalExecutor(1) as executor:
        found = taken(executor, Linger(), corpus, "00000", "00001")
    assert found == [Halted(Task(Linger(), corpus, "00000"))]


def test_a_lost_lease_stops_it_too(corpus: Corpus) -> None:
    """What holds the corpus sets this process' own mark, from a thread."""
    found: list[Result] = []
    try:
        with LocalExecutor(1) as executor:
            executor.submit(Task(Linger(), corpus, "00000"))
            for result in executor.results():
                found.append(result)
                attempt.stopping.set()
    finally:
        attempt.stopping.clear()
    assert found[-1] == Halted(Task(Linger(), corpus, "00000"))


def test_what_does_not_end_is_ended(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crew, "STOP_SECONDS", 0.0)
    with LocalExecutor(1) as executor:
        assert taken(executor, Linger(stubborn=True), corpus, "00000", "00001") == [
            Halted(Task(Linger(stubborn=True), corpus, "00000"))
        ]


def test_a_reduction_is_halted_while_it_waits_for_its_pieces(corpus: Corpus, tmp_path: Path) -> None:
    """Its first piece waits for a second one, which is never handed out."""
    stage = Gather(count=2, meet=str(fifo(tmp_path / "meet")))
    with LocalExecutor(2) as executor:
        executor.submit(Task(stage, corpus, "all", 0))
        found: list[Result] = []
        for result in executor.results():
            found.append(result)
            executor.stop()
    assert [type(result) for result in found if not isinstance(result, Told)] == [Halted]


def test_what_a_killed_worker_had_is_given_to_another(corpus: Corpus, tmp_path: Path) -> None:
    gate = fifo(tmp_path / "gate")
    held = os.open(gate, os.O_RDWR)
    with LocalExecutor(2) as executor:
        for unit in corpus.layer("seeds").units():
            executor.submit(Task(Hold(gate=str(gate)), corpus, unit))
        found: list[Result] = []
        for result in executor.results():
            found.append(result)
            if [type(each) for each in found].count(Told) == 2 and isinstance(result, Told):
                executor._workers[0].end()
            if isinstance(result, Lost):
                os.write(held, b"go" * 100)
    os.close(held)
    assert [result.exit_code for result in found if isinstance(result, Lost)] == [-9]
    assert sorted(result.task.unit for result in found if isinstance(result, Done)) == [
        "00000",
        "00001",
        "00002",
        "00003",
    ]
