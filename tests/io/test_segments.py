"""Journals that are kept elsewhere while they grow: another machine goes on with them, whatever was torn on the way."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from vlcorpus.errors import VlcorpusError
from vlcorpus.io import segments
from vlcorpus.io.attempt import Attempt, Stopped, Superseded, as_
from vlcorpus.io.blocks import Blocks
from vlcorpus.io.journal import COPIES, PREFIX, Journal, discard

Kept = dict[int, tuple[dict[str, Any], dict[str, bytes]]]
NAME = f"{PREFIX}00000"


class Machine:
    """A folder of its own, before a store that several have."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder, self.store = folder, store
        self.full = False
        self.recalled: list[str] = []
        for each in (folder, store):
            each.mkdir(exist_ok=True)

    def keep(self, name: str) -> None:
        if self.full:
            raise VlcorpusError("the store takes nothing")
        shutil.copyfile(self.folder / name, self.store / name)

    def recall(self, name: str) -> Path:
        if (self.store / name).exists():
            self.recalled.append(name)
            shutil.copyfile(self.store / name, self.folder / name)
        return self.folder / name

    def forget(self, name: str) -> None:
        (self.store / name).unlink(missing_ok=True)

    def kept(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted(path.name for path in self.store.iterdir() if path.name.startswith(prefix)))

    def journal(self, fingerprint: str = "a") -> Journal:
        return Journal(self.folder, "00000", fingerprint=fingerprint, elsewhere=self)


def entry(number: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    return {"status": "success", "number": number}, {"jpg": random.Random(number).randbytes(900)}


def held(journal: Journal) -> Kept:
    return {number: (row, journal.members(number)) for number, row in journal.done.items()}


def fill(machine: Machine, numbers: range, *, ends: bool = True, fingerprint: str = "a") -> None:
    """Work that ends as it is asked to, or as by a kill."""
    journal = machine.journal(fingerprint)
    journal.__enter__()
    for number in numbers:
        journal.add(number, *entry(number))
    if ends:
        journal.__exit__(Stopped, Stopped(), None)
    else:
        journal.__exit__(None)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "SEGMENT_BYTES", 4_000)


def test_another_machine_goes_on_behind_what_was_done(tmp_path: Path) -> None:
    store = tmp_path / "store"
    fill(Machine(tmp_path / "one", store), range(10))
    with Machine(tmp_path / "two", store).journal() as journal:
        assert held(journal) == {number: entry(number) for number in range(10)}
    fill(Machine(tmp_path / "two", store), range(10, 14))
    with Machine(tmp_path / "three", store).journal() as journal:
        assert held(journal) == {number: entry(number) for number in range(14)}
        journal.remove()
    assert list(store.iterdir()) == []


def test_a_machine_that_goes_without_a_word_costs_what_was_not_kept(tmp_path: Path) -> None:
    store = tmp_path / "store"
    fill(Machine(tmp_path / "one", store), range(20), ends=False)
    with Machine(tmp_path / "two", store).journal() as journal:
        found = held(journal)
    assert found == {number: entry(number) for number in range(len(found))} and 4 <= len(found) < 20


def test_the_same_machine_needs_only_what_is_new(tmp_path: Path) -> None:
    one = Machine(tmp_path / "one", tmp_path / "store")
    fill(one, range(20), ends=False)
    again = Machine(tmp_path / "one", tmp_path / "store")
    with again.journal() as journal:
        assert len(journal.done) == 20
    assert again.recalled in ([], [again.kept(NAME)[-1]]), "at most one that was under way when it was killed"


def test_what_another_machine_did_meanwhile_wins(tmp_path: Path) -> None:
    store = tmp_path / "store"
    one, two = Machine(tmp_path / "one", store), Machine(tmp_path / "two", store)
    fill(one, range(6))
    one.full = True
    fill(one, range(6, 8))
    fill(two, range(20, 26))
    one.full = False
    with one.journal() as journal:
        assert set(journal.done) == {*range(6), *range(20, 26)} and held(journal)[23] == entry(23)


@pytest.mark.parametrize("seed", range(30))
def test_a_torn_or_missing_segment_ends_it_there(tmp_path: Path, seed: int) -> None:
    store, draws = tmp_path / "store", random.Random(seed)
    fill(Machine(tmp_path / "one", store), range(25))
    names = sorted(path.name for path in store.iterdir())
    assert len(names) >= 4
    victim = store / draws.choice(names)
    body = victim.read_bytes()
    if seed % 3 == 0:
        victim.unlink()
    elif seed % 3 == 1:
        victim.write_bytes(body[: draws.randrange(len(body))])
    else:
        at = draws.randrange(len(body))
        victim.write_bytes(body[:at] + bytes([body[at] ^ 1 << draws.randrange(8)]) + body[at + 1 :])
    two = Machine(tmp_path / "two", store)
    with two.journal() as journal:
        found = held(journal)
    assert found == {number: entry(number) for number in range(len(found))} and len(found) < 25
    assert all(name < victim.name for name in two.kept(NAME)), "what is behind it is of no use to anybody"
    fill(two, range(len(found), 25))
    with Machine(tmp_path / "three", store).journal() as journal:
        assert len(journal.done) == 25


def test_segments_of_other_settings_are_not_joined(tmp_path: Path) -> None:
    store = tmp_path / "store"
    fill(Machine(tmp_path / "one", store), range(25))
    two = Machine(tmp_path / "two", store)
    fill(two, range(100, 103), fingerprint="b")
    with Machine(tmp_path / "three", store).journal("b") as journal:
        assert set(journal.done) == set(range(100, 103))
    assert len(two.kept(NAME)) == 1


def test_a_store_that_takes_nothing_costs_no_work_here(tmp_path: Path) -> None:
    one = Machine(tmp_path / "one", tmp_path / "store")
    one.full = True
    fill(one, range(20))
    with one.journal() as journal:
        assert len(journal.done) == 20
    assert [path.name for path in one.folder.iterdir()] == [NAME]


def test_discarded_is_gone_everywhere(tmp_path: Path) -> None:
    one = Machine(tmp_path / "one", tmp_path / "store")
    fill(one, range(20))
    with as_(Attempt(copy="2")):
        fill(one, range(3))
    discard(one.folder, "00000", one)
    assert list(one.folder.iterdir()) == [] and list(one.store.iterdir()) == []


def test_attempts_at_the_same_time_have_journals_of_their_own(tmp_path: Path) -> None:
    one = Machine(tmp_path / "one", tmp_path / "store")
    with one.journal() as first:
        first.add(1, *entry(1))
        with as_(Attempt(copy="2")), one.journal() as second:
            assert second.done == {}
            second.add(2, *entry(2))
        assert set(first.done) == {1} and (one.folder / COPIES / f"{NAME}~2").is_file()
        with as_(Attempt(copy="2")), pytest.raises(Superseded), one.journal():
            raise Superseded
    assert [path.name for path in one.folder.iterdir()] == [NAME]


def test_blocks_are_there_again(tmp_path: Path) -> None:
    import numpy as np

    rows = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)

    def blocks() -> Blocks:
        return Blocks(Journal(tmp_path, "00000", fingerprint="a"))

    with blocks() as kept:
        for start in range(0, 40, 16):
            kept.add("image", rows[start : start + 16])
            kept.add("text", rows[start : start + 4])
    with blocks() as kept:
        assert np.array_equal(np.concatenate(kept.of("image")), rows.astype(np.float16))
        assert [len(part) for part in kept.of("text")] == [4, 4, 4] and kept.of("other") == []
        kept.remove()
    assert list(tmp_path.iterdir()) == []
