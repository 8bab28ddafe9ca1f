"""What is handed out and when: bounded, later steps first, and by parts."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.pipeline.toys import Grow, Prune, Reap, Sow
from vlcorpus.corpus import Corpus
from vlcorpus.errors import ShardsFailed, VlcorpusError
from vlcorpus.pipeline.executor import Done, Failed, Halted, Result, Task
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.pipeline.ranks import Part
from vlcorpus.pipeline.run import Event, Stop, run
from vlcorpus.pipeline.walk import AHEAD
from vlcorpus.stages.base import Stage


class Here:
    """Does units in this process, and remembers how many waited."""

    slots = 1

    def __init__(self, stop_after: int | None = None, stop: Stop | None = None) -> None:
        self._waiting: deque[Task] = deque()
        self._left, self._stop = stop_after, stop
        self.most = 0

    def submit(self, task: Task) -> None:
        self._waiting.append(task)
        self.most = max(self.most, len(self._waiting))

    def results(self) -> Iterator[Result]:
        while self._waiting:
            task = self._waiting.popleft()
            if self._left == 0:
                assert self._stop is not None
                self._stop.ask()
                self._waiting.clear()
                yield Halted(task)
                return
            self._left = None if self._left is None else self._left - 1
            try:
                task.stage.open(task.corpus)(task.unit, lambda *progress: None)
            except VlcorpusError as error:
                yield Failed(task, error)
            else:
                yield Done(task)

    def stop(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus.create(tmp_path / "c")


def go(corpus: Corpus, stages: Sequence[Stage], part: Part | None = None) -> list[Event]:
    return list(run(make_plan(corpus, stages, part=part), Here()))


def made(events: Sequence[Event], kind: str = "committed") -> list[str]:
    return [f"{event.layer}/{event.unit}" for event in events if event.kind == kind]


WALK: tuple[Stage, ...] = (Sow(count=7), Grow(), Prune(), Reap())


def test_some_tens_are_handed_out_however_many_there_are(corpus: Corpus) -> None:
    executor = Here()
    events = list(run(make_plan(corpus, [Sow(count=150), Grow(), Prune(), Reap()]), executor))
    kinds = Counter(event.kind for event in events)
    assert kinds["committed"] == kinds["started"] == 1 + 150 + 150 + 1
    assert executor.most <= 2 * (2 + AHEAD)
    assert [event.todo for event in events if event.kind == "planned"] == [1, 150, 150, 1]


def test_parts_do_their_units_and_the_last_one_the_rest(corpus: Corpus, tmp_path: Path) -> None:
    whole = Corpus.create(tmp_path / "whole")
    go(whole, WALK)
    events = [go(corpus, WALK, Part(number, 3)) for number in (2, 1, 3)]
    every = [name for each in events for name in made(each)]
    assert len(set(every)) == len(every) == 1 + 7 + 7 + 1
    assert made(events[0])[0] == "seeds/all" and "harvest/all" in made(events[2])
    assert [event.message for event in events[0] if event.kind == "waiting"] == [
        "reap waits for 5 units of other parts (grow 5)"
    ]
    assert [event.message for event in events[1] if event.kind == "waiting"] == [
        "reap waits for 2 units of other parts (grow 2)"
    ]
    assert not made(events[2], "waiting")
    assert {name.rpartition("/")[2] for name in made(events[1]) if name.startswith("plants")} == {
        "00000", "00003", "00006",
    }  # fmt: skip
    for layer, name in (("plants", "00003.txt"), ("harvest", "total.txt")):
        assert corpus.layer(layer).path(name).read_text() == whole.layer(layer).path(name).read_text()
    assert not made(go(corpus, WALK)) and not made(go(corpus, WALK, Part(1, 3)))


def test_a_reduction_that_another_part_has_taken_is_left_to_it(corpus: Corpus) -> None:
    with corpus.lock_reduction("seeds") as ours:
        assert ours
        events = go(corpus, WALK, Part(1, 2))
        assert [event.message for event in events] == ["sow is being done by another part"]
    assert made(go(corpus, WALK, Part(1, 2)))[0] == "seeds/all"


def test_other_settings_of_one_part_hold_up_the_rest(corpus: Corpus) -> None:
    """What is stale in another part is no whole: what it was made with is not what the reduction stands for."""
    go(corpus, WALK)
    changed = (Sow(count=7), Grow(factor=2), Reap())
    events = go(corpus, changed, Part(1, 2))
    assert "harvest/all" not in made(events) and "reap waits for 3 units" in events[-1].message
    assert made(go(corpus, changed, Part(2, 2)))[-1] == "harvest/all"
    assert corpus.layer("harvest").path("total.txt").read_text() == str(2 * 21)


def test_more_parts_than_units(corpus: Corpus) -> None:
    for number in range(1, 10):
        last = go(corpus, WALK, Part(number, 9))
    assert made(last, "whole") == ["seeds/", "plants/", "shoots/", "harvest/"]


def test_a_failed_unit_of_a_part_fails_its_run_and_waits_for_nobody(corpus: Corpus) -> None:
    stages = (Sow(count=7), Grow(fail_at="00002"), Reap())
    plan = make_plan(corpus, stages, part=Part(1, 2))
    with pytest.raises(ShardsFailed, match="1 units failed"):
        list(run(plan, Here(), wait=True))
    go(corpus, (Sow(count=7), Grow(), Reap()), Part(2, 2))
    assert made(go(corpus, (Sow(count=7), Grow(), Reap()), Part(1, 2))) == ["plants/00002", "harvest/all"]


def test_a_run_that_is_asked_to_end_ends_and_goes_on(corpus: Corpus) -> None:
    stop = Stop()
    events = list(run(make_plan(corpus, WALK), Here(stop_after=4, stop=stop), stop=stop))
    stop.close()
    assert len(made(events)) == 4 and len(made(events, "halted")) == 1
    assert not made(events, "failed") and events[-1].kind == "halted"
    assert len(made(go(corpus, WALK))) == 16 - 4
