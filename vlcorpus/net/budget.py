"""The bytes of bodies that each batch holds: above the limit its transfers pause and its next ones wait.

    budget = Budget(most=256_000_000)
    budget.began(wire, job.batch)           and `ended` when the transfer is over
    budget.may_hold(wire)                   asked by the wire before it takes bytes; False pauses it
    budget.charge(wire, 16_384)             told by the wire
    budget.resumable()                      wires that may go on

The eldest transfer of a batch may always go on, so that one ends: a batch holds its limit and one body at most.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from vlcorpus.net.job import Batch, Job

Wire = TypeVar("Wire")


class Budget(Generic[Wire]):
    """most: bytes of one batch."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._batches: dict[Wire, Batch] = {}
        self._paused: set[Wire] = set()

    def began(self, wire: Wire, batch: Batch) -> None:
        self._batches[wire] = batch

    def ended(self, wire: Wire) -> None:
        del self._batches[wire]
        self._paused.discard(wire)

    def is_spent(self, batch: Batch) -> bool:
        return batch.held >= self._most

    def park(self, job: Job) -> None:
        """The job waits until some of its batch's bodies are taken."""
        job.batch.parked.append(job)
        job.batch.starved = True

    def release(self, batch: Batch, size: int) -> list[Job]:
        """Bytes were taken or dropped: the parked jobs that may go on, the last parked first."""
        batch.held -= size
        if not batch.parked or self.is_spent(batch):
            return []
        freed, batch.parked = batch.parked[::-1], []
        return freed

    def may_hold(self, wire: Wire) -> bool:
        batch = self._batches[wire]
        if batch.held < self._most or self._is_eldest(wire, batch):
            return True
        self._paused.add(wire)
        batch.starved = True
        return False

    def charge(self, wire: Wire, size: int) -> None:
        self._batches[wire].held += size

    def resumable(self) -> list[Wire]:
        if not self._paused:
            return []
        found = []
        for wire, batch in self._batches.items():
            if wire in self._paused and (batch.held < self._most or self._is_eldest(wire, batch)):
                found.append(wire)
        self._paused.difference_update(found)
        return found

    def _is_eldest(self, wire: Wire, batch: Batch) -> bool:
        return wire == next(one for one, its in self._batches.items() if its is batch)
