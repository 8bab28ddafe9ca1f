"""Leases: of any number of runs one holds it; who is gone is found out; who was thought gone stops."""

from __future__ import annotations

import json
import multiprocessing
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError
from vlcorpus.io import attempt, lease
from vlcorpus.io.lease import Held, holder, leased
from vlcorpus.io.store import Store

FOLDER = ".lease/run"


@pytest.fixture
def store() -> Iterator[Store]:
    import fsspec

    yield Store("memory://leases/birds")
    fsspec.filesystem("memory").rm("/leases", recursive=True)
    attempt.stopping.clear()


def test_one_of_two(store: Store) -> None:
    with leased(store, FOLDER, {"command": "first"}):
        told = holder(store, FOLDER)
        assert told is not None and told["command"] == "first"
        with pytest.raises(Held) as held, leased(store, FOLDER, {"command": "second"}):
            pass
        assert held.value.about["command"] == "first"
    assert holder(store, FOLDER) is None
    with leased(store, FOLDER, {"command": "second"}):
        pass
    assert len(store.listed(FOLDER)) == 1, "one object stays, as a lock's file does"


def test_fifty_at_the_same_time(store: Store) -> None:
    """Of all that start together exactly one holds it."""
    for _ in range(5):
        gate, ended = threading.Barrier(10), threading.Barrier(10)

        def attempt_it(number: int, gate: threading.Barrier = gate, ended: threading.Barrier = ended) -> bool:
            gate.wait()
            try:
                with leased(store, FOLDER, {"command": str(number)}):
                    ended.wait()
                    return True
            except Held:
                ended.wait()
                return False

        with ThreadPoolExecutor(10) as pool:
            assert sum(pool.map(attempt_it, range(10))) == 1


def stored(store: Store, number: int, **about: object) -> None:
    store.write(f"{FOLDER}/{number:09d}.json", json.dumps(about).encode())


def nothing() -> None:
    pass


def test_of_a_process_that_is_gone(store: Store) -> None:
    process = multiprocessing.get_context("spawn").Process(target=nothing)
    process.start()
    process.join()
    with leased(store, FOLDER, {}):
        mine = holder(store, FOLDER)
    assert mine is not None
    stored(store, 7, **mine | {"pid": process.pid, "released": False})
    with leased(store, FOLDER, {"command": "next"}):
        assert (holder(store, FOLDER) or {})["command"] == "next"
        assert list(store.listed(FOLDER)) == [f"{FOLDER}/000000008.json"]


def test_of_another_machine(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is held as long as it was written lately, by the store's clock."""
    stored(store, 3, host="elsewhere", pid=1, command="far", id="x")
    with pytest.raises(Held), leased(store, FOLDER, {}):
        pass
    monkeypatch.setattr(lease, "LIFE", -1.0)
    with leased(store, FOLDER, {"command": "near"}):
        told = json.loads(store.read(f"{FOLDER}/000000004.json") or b"")
        assert told["command"] == "near"


def test_who_was_thought_gone_stops(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.01)
    with pytest.raises(CorpusError, match=r"taken over by another run \(pid 1 on elsewhere: far\)"):  # noqa: SIM117
        with leased(store, FOLDER, {"command": "slow"}):
            stored(store, 2, host="elsewhere", pid=1, command="far", id="x")
            assert attempt.stopping.wait(60), "the run is told to stop"
    assert json.loads(store.read(f"{FOLDER}/000000002.json") or b"")["command"] == "far", "theirs is left alone"


def test_beats_go_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.01)
    written = threading.Event()
    original = Store.write

    def write(self: Store, name: str, payload: bytes) -> object:
        told = original(self, name, payload)
        if json.loads(payload).get("beats", 0) >= 3:
            written.set()
        return told

    monkeypatch.setattr(Store, "write", write)
    with leased(store, FOLDER, {}):
        assert written.wait(60)
        assert not attempt.stopping.is_set()


def test_locks_of_a_corpus(store: Store) -> None:
    corpus = Corpus.create(store.url)
    with corpus.lock("all of it"):
        assert (corpus.holder() or {})["command"] == "all of it"
        for part in (None, "1/2"):
            with (
                pytest.raises(CorpusError, match=r"is in use \(pid \d+ on .*: all of it\)"),
                corpus.lock("x", part=part),
            ):
                pass
    with corpus.lock("one", part="1/2"), corpus.lock("two", part="2/2"):
        for part in (None, "1/2"):
            with pytest.raises(CorpusError, match="is in use"), corpus.lock("x", part=part):
                pass
        with corpus.lock_reduction("decisions/top") as ours, corpus.lock_reduction("decisions/top") as theirs:
            assert ours and not theirs
        with corpus.lock_reduction("decisions/top") as ours:
            assert ours
    assert corpus.holder() is None


def test_locks_of_a_folder(tmp_path: object) -> None:
    corpus = Corpus.create(f"{tmp_path}/birds")
    with corpus.lock("one", part="1/2"), corpus.lock("two", part="2/2"):
        with pytest.raises(CorpusError, match="is in use"), corpus.lock("all"):
            pass
        with corpus.lock_reduction("decisions/top") as ours, corpus.lock_reduction("decisions/top") as theirs:
            assert ours and not theirs
