"""Commits into an object store: no stats without their objects, whatever fails and whenever the writer is killed."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import stores
from tests.stores import BUCKET, FAULTS, Bucket, Proxy, at
from vlcorpus.corpus import Corpus
from vlcorpus.io.attempt import Attempt, Superseded, as_
from vlcorpus.io.commit import Commit

UNITS = tuple(f"{number:05d}" for number in range(7))
KILLS = 50
URL = f"s3://{BUCKET}/birds"
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["vlcorpus.corpus", "s3fs", "aiobotocore.session", "yaml"])


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with stores.server() as url:
        yield url


@pytest.fixture(scope="module")
def proxy(endpoint: str) -> Iterator[Proxy]:
    with Proxy(endpoint) as proxy:
        yield proxy


@pytest.fixture
def bucket(endpoint: str, proxy: Proxy) -> Iterator[Bucket]:
    found = Bucket(endpoint)
    proxy.fault = None
    yield found
    proxy.fault = None


def body(unit: str, run: int) -> bytes:
    return f"{unit} of run {run}".encode() * 2000


def write(environment: dict[str, str], mirror: str, run: int) -> None:
    """What a run does: every unit anew."""
    os.environ |= environment | {"VLCORPUS_MIRROR": mirror}
    stores.impatient()
    layer = Corpus.create(URL).layer("shards")
    for unit in UNITS:
        with Commit(layer.making, layer.marker(unit), stored=layer.stored) as commit:
            commit.write(f"{unit}.tar", body(unit, run))
            commit.write(f"below/{unit}.parquet", body(unit, run)[::-1])
            commit.done({"run": run})


def ran(proxy: Proxy, mirror: Path, run: int) -> int | None:
    """Run it in a process of its own, which the proxy may kill; its exit code."""
    process = _FORKS.Process(target=write, args=(stores.environment(proxy.url), str(mirror), run))
    process.start()
    proxy.kill = process.pid
    process.join()
    return process.exitcode


def broken(bucket: Bucket) -> list[str]:
    """Stats in the bucket one of whose objects is not there, or is another than they say."""
    objects = bucket.objects()
    found = []
    for name, text in objects.items():
        if not name.endswith("_stats.json"):
            continue
        for output, told in json.loads(text)["outputs"].items():
            there = objects.get(f"birds/shards/{output}")
            if there is None or (len(there), hashlib.sha256(there).hexdigest()) != (told["bytes"], told["sha256"]):
                found.append(f"{name}: {output}")
    return found


def whole(bucket: Bucket, run: int) -> bool:
    objects = bucket.objects("birds/shards/")
    wanted = {f"birds/shards/{unit}.tar": body(unit, run) for unit in UNITS}
    wanted |= {f"birds/shards/below/{unit}.parquet": body(unit, run)[::-1] for unit in UNITS}
    stats = {name for name in objects if name.endswith("_stats.json")}
    return {name: objects[name] for name in wanted if name in objects} == wanted and len(stats) == len(UNITS)


def test_killed_at_every_point(bucket: Bucket, proxy: Proxy, tmp_path: Path) -> None:
    """A first run stores, a second one stores other bytes under the same names and is killed; a third one ends it."""
    assert ran(proxy, tmp_path / "first", 1) == 0 and whole(bucket, 1)
    start = len(proxy.asked)
    assert ran(proxy, tmp_path / "counted", 2) == 0 and whole(bucket, 2)
    requests = len(proxy.asked) - start
    assert requests >= KILLS, "there are as many points"
    unfinished = 0
    for number in range(KILLS):
        run = 3 + number
        point, how = number * requests // KILLS, ("kill", "kill-after")[number % 2]
        proxy.fault = at(point, how, first=len(proxy.asked))
        code = ran(proxy, tmp_path / "mirror", run)
        proxy.fault = None
        assert code == -9, f"{how} at request {point} of {requests}"
        assert broken(bucket) == [], f"{how} at request {point} of {requests}"
        unfinished += not whole(bucket, run)
    assert unfinished == KILLS or unfinished == KILLS - 1, "all but perhaps the last point are in the middle of a run"
    assert ran(proxy, tmp_path / "mirror", 100) == 0
    assert whole(bucket, 100) and broken(bucket) == []


@pytest.mark.parametrize("wrong", FAULTS)
def test_any_request_may_fail_in_passing(bucket: Bucket, proxy: Proxy, tmp_path: Path, wrong: str) -> None:
    """Every seventh request fails; the run ends well all the same."""
    if wrong == "silence":
        numbers = {len(proxy.asked) + 5, len(proxy.asked) + 23}
        proxy.fault = lambda number, method, path: wrong if number in numbers else None
    else:
        proxy.fault = lambda number, method, path: wrong if number % 7 == 0 else None
    code = ran(proxy, tmp_path / "mirror", 1)
    proxy.fault = None
    assert code == 0 and whole(bucket, 1) and broken(bucket) == [] and bucket.unfinished() == 0


@pytest.mark.parametrize("path", [r"00002\.tar", r"00002_stats\.json", r"below/00002"])
def test_what_cannot_be_stored_is_not_committed(bucket: Bucket, proxy: Proxy, tmp_path: Path, path: str) -> None:
    assert ran(proxy, tmp_path / "mirror", 1) == 0
    proxy.fault = stores.every("500", "PUT", path, 1_000_000)
    assert ran(proxy, tmp_path / "mirror", 2) == 1
    proxy.fault = None
    assert broken(bucket) == []
    stats = {name: json.loads(text)["run"] for name, text in bucket.objects().items() if name.endswith("_stats.json")}
    runs = [stats.get(f"birds/shards/{unit}_stats.json") for unit in UNITS]
    assert runs == [2, 2, None, 1, 1, 1, 1]
    assert ran(proxy, tmp_path / "other machine", 3) == 0 and whole(bucket, 3)


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Corpus]:
    import fsspec

    monkeypatch.setenv("VLCORPUS_MIRROR", str(tmp_path / "mirror"))
    yield Corpus.create("memory://crops/birds")
    fsspec.filesystem("memory").rm("/crops", recursive=True)


def test_of_two_attempts_one_commits(memory: Corpus) -> None:
    """Both are contested; the first that has something to put in place wins, and the other leaves nothing."""
    layer = memory.layer("shards")
    won: list[str] = []

    def attempt(copy: str) -> Attempt:
        return Attempt(copy=copy, contested=True, claim=lambda: (won or won.append(copy) or won)[0] == copy)  # type: ignore[func-returns-value]

    def commit() -> Commit:
        return Commit(layer.making, layer.marker("00000"), stored=layer.stored)

    with as_(attempt("")):
        first = commit().__enter__()
    with as_(attempt("2")):
        second = commit().__enter__()
        second.write("00000.tar", b"second")
    with as_(attempt("")), pytest.raises(Superseded):
        first.write("00000.tar", b"first")
    with as_(attempt("2")):
        second.done({"by": 2})
    assert layer.path("00000.tar").read_bytes() == b"second" and (layer.stats("00000") or {})["by"] == 2


def test_readers_see_a_unit_whole_while_it_is_made_anew(memory: Corpus) -> None:
    layer = memory.layer("shards")

    def commit() -> Commit:
        return Commit(layer.making, layer.marker("00000"), stored=layer.stored)

    with commit() as made:
        made.write("00000.tar", b"old")
        made.done({})
    with commit() as anew:
        anew.write("00000.tar", b"new")
        assert layer.stats("00000") is None and layer.path("00000.tar").read_bytes() == b"old"
        anew.done({})
    assert layer.path("00000.tar").read_bytes() == b"new" and layer.units() == ("00000",)
