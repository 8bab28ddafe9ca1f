from __future__ import annotations

from vlcorpus.net.budget import Budget
from vlcorpus.net.job import Batch, Job


def test_above_the_limit_only_the_eldest_of_a_batch_goes_on() -> None:
    budget: Budget[str] = Budget(100)
    one, other = Batch(), Batch()
    for wire, batch in {"a": one, "b": one, "c": other}.items():
        budget.began(wire, batch)
    assert all(budget.may_hold(wire) for wire in "abc")
    budget.charge("a", 100)
    assert [budget.may_hold(wire) for wire in "abc"] == [True, False, True]
    assert (one.starved, other.starved, budget.is_spent(one), budget.is_spent(other)) == (True, False, True, False)
    assert budget.resumable() == []
    budget.ended("a")
    assert budget.resumable() == ["b"], "it is the eldest now"
    assert budget.resumable() == []


def test_jobs_that_were_parked_go_on_when_there_is_room() -> None:
    budget: Budget[str] = Budget(100)
    batch = Batch(held=150)
    jobs = [Job(batch, n, "", "https://example.com/") for n in range(3)]
    for job in jobs:
        budget.park(job)
    assert budget.release(batch, 50) == []
    assert budget.release(batch, 1) == jobs[::-1]
    assert (budget.release(batch, 9), batch.held, batch.starved) == ([], 90, True)
