"""The hook itself: it counts what it should and strikes where it should."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest

from tests.kill.harness import REPOSITORY, Run, Walk, differences, do, draw, draw_workers, unsound

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the hook reads /proc")


@pytest.fixture
def walk(tmp_path: Path) -> Walk:
    home = tmp_path / "home"
    return Walk("crawl", ("-m", "tests.kill.scribble", str(home)), home)


def names(walk: Walk) -> list[str]:
    return sorted(path.name for path in walk.home.rglob("*") if path.is_file())


def test_operations_of_all_processes_are_counted(walk: Walk) -> None:
    run = do(walk)
    assert (run.code, run.hit) == (0, None)
    assert {kind: len(each) for kind, each in run.operations.items()} == {
        "write": 2, "fsync": 1, "rename": 2, "event": 1,
    }  # fmt: skip
    assert [(each.worker, each.path) for each in run.operations["write"]] == [(False, "a"), (True, "c")]
    assert [each.path for each in run.operations["rename"]] == ["b", "b"]
    assert names(walk) == ["c", "run.jsonl"]


def test_a_write_is_torn(walk: Walk) -> None:
    run = do(walk, kind="write", at=1)
    assert (run.code, run.hit) == (-signal.SIGKILL, "a")
    assert (walk.home / "a").read_bytes() == b"01234"
    assert names(walk) == ["a"]


def test_an_event_is_torn(walk: Walk) -> None:
    run = do(walk, kind="event", at=1)
    assert (run.code, run.hit) == (-signal.SIGKILL, "log/run.jsonl")
    assert 0 < (walk.home / "log" / "run.jsonl").stat().st_size < 36


def test_the_blow_falls_before_a_rename(walk: Walk) -> None:
    assert do(walk, kind="rename", at=1).hit == "b"
    assert names(walk) == ["a"]


def test_a_workers_operation_kills_the_run_with_it(walk: Walk) -> None:
    run = do(walk, kind="fsync", at=1)
    assert (run.code, run.hit) == (-signal.SIGKILL, "c")
    assert names(walk) == ["b", "c", "run.jsonl"]


def test_a_worker_alone_can_be_killed_and_the_run_goes_on(walk: Walk) -> None:
    run = do(walk, kind="write", at=2, worker=True)
    assert (run.code, run.hit) == (0, "c")
    assert (walk.home / "c").read_bytes() == b"0123456789"
    assert len(run.operations["write"]) == 3


def test_the_runs_own_operations_spare_it_when_a_worker_is_meant(walk: Walk) -> None:
    run = do(walk, kind="write", at=1, worker=True)
    assert (run.code, run.hit) == (0, None)


def test_points_are_drawn_by_seed(walk: Walk) -> None:
    calm: Run = do(walk)
    drawn = draw(calm.operations, 12, seed=3, workers=(1, 2))
    assert drawn == draw(calm.operations, 12, seed=3, workers=(1, 2))
    assert drawn != draw(calm.operations, 12, seed=4, workers=(1, 2))
    assert all(1 <= point.n <= len(calm.operations[point.kind]) for point in drawn)
    assert {point.workers for point in drawn} == {1, 2} and sum(point.again is not None for point in drawn) == 4
    workers = draw_workers(calm.operations, 12, seed=3)
    assert {(point.kind, point.n) for point in workers} == {("write", 2), ("fsync", 1)}


def test_damage_and_differences_are_seen(tmp_path: Path) -> None:
    (tmp_path / "00000.tar").write_bytes(b"half")
    (tmp_path / ".tmp-00001.json-00001.tar").write_bytes(b"half, but nobody reads it")
    stats = {"fingerprint": "x", "outputs": {"a": {"sha256": "x"}, "b": {"sha256": "x"}}}
    (tmp_path / "0_stats.json").write_text(json.dumps(stats))
    (tmp_path / "b").write_bytes(b"")
    problems = unsound(tmp_path)
    assert problems[0].startswith("00000.tar cannot be read") and len(problems) == 3
    assert problems[1:] == ["0_stats.json lists a, which is not there", "b is not what 0_stats.json says"]
    assert differences({"a": "1", "b": "1"}, {"b": "2", "c": "1"}) == ["a is missing", "c is left over", "b differs"]


def test_the_hook_lies_in_the_repository_and_not_in_the_product() -> None:
    assert not [path for path in (REPOSITORY / "vlcorpus").rglob("*.py") if "VLKILL" in path.read_text("utf-8")]
