"""A kill test of the whole walk: killed anywhere, the same command gives the same bytes.

Points are drawn by seed over the n-th write, fsync, rename and event, never by a clock. benchmarks/kill_walk.py does
the same with 200 points.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.kill.harness import KINDS, Point, Run, Walk, contents, differences, do, draw, draw_workers, trial, unsound
from tests.kill.walk import PAIRS, folder_walk, served, web_walk

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the hook reads /proc")

POINTS, FOLDER_POINTS, WORKER_POINTS, SEED = 20, 3, 3, 20
STAGES = {
    "start", "crawl", "download", "embed", "score similarity", "score phash", "score clusters", "score text", "filter",
    "dedup", "takedown", "split", "index", "export", "train-probe", "evaluate", "compare", "report",
}  # fmt: skip


@dataclass(frozen=True)
class Known:
    """A walk, its undisturbed run and what that run wrote."""

    walk: Walk
    calm: Run
    wanted: dict[str, str]

    @classmethod
    def of(cls, walk: Walk) -> Known:
        calm = do(walk)
        assert calm.code == 0, calm.said
        assert not unsound(walk.home)
        return cls(walk, calm, contents(walk.home))

    def strike(self, point: Point) -> str:
        """The stage that was hit; fails the test where anything is wrong."""
        done = trial(self.walk, point, self.calm, self.wanted)
        assert not done.problems, (point, done.path, *done.problems)
        if point.workers == 1:
            assert done.stage == self.calm.operations[point.kind][point.n - 1].stage
        return done.stage


@dataclass(frozen=True)
class Walks:
    folder: Known
    web: Known


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walks]:
    place = tmp_path_factory.mktemp("kill")
    with served(place) as world:
        folder = Known.of(folder_walk(place))
        model = shutil.copytree(folder.walk.home / "corpus" / "probes" / "filter", place / "filter")
        yield Walks(folder, Known.of(web_walk(place, world, model=model)))


def test_the_walk_has_every_stage_and_several_shards(walks: Walks) -> None:
    assert {each.stage for kind in KINDS for each in walks.web.calm.operations[kind]} == STAGES
    for name in ("shards/00002.tar", "splits/default/00002.parquet", "scores/phash/00002.parquet"):
        assert f"corpus/{name}" in walks.web.wanted
    assert "exports/raw/train/00001.tar" in walks.web.wanted
    kept = sum(path.endswith(".safetensors") for path in walks.web.wanted)
    assert kept == 4 and PAIRS == 100


def test_nothing_gets_its_name_but_by_a_counted_rename(walks: Walks) -> None:
    """So no file is written past the operations at which the walk is killed."""
    for known in (walks.folder, walks.web):
        renamed = {each.path for each in known.calm.operations["rename"]}
        assert set(known.wanted) <= renamed
        assert "corpus/corpus.yaml" in renamed


def test_two_workers_write_the_same_bytes_and_a_second_run_writes_nothing(walks: Walks) -> None:
    for known in (walks.folder, walks.web):
        shutil.rmtree(known.walk.home)
        run = do(known.walk, workers=2)
        assert run.code == 0, run.said
        assert not differences(known.wanted, contents(known.walk.home))
        again = do(known.walk)
        touched = {each.path for kind in ("write", "fsync", "rename") for each in again.operations[kind]}
        assert again.code == 0 and touched <= {"corpus/.lock"}


@pytest.mark.parametrize("number", range(POINTS))
def test_a_killed_walk_resumes_to_the_same_bytes(walks: Walks, number: int) -> None:
    """The first points fall one in each stage, so that together they fall in all."""
    walks.web.strike(draw(walks.web.calm.operations, POINTS, seed=SEED, workers=(1, 2))[number])


@pytest.mark.parametrize("number", range(FOLDER_POINTS))
def test_a_killed_import_of_a_folder_resumes_to_the_same_bytes(walks: Walks, number: int) -> None:
    points = draw(walks.folder.calm.operations, FOLDER_POINTS, seed=SEED, workers=(1, 2), within={"import"})
    assert walks.folder.strike(points[number]) == "import"


@pytest.mark.parametrize("number", range(WORKER_POINTS))
def test_a_killed_worker_costs_one_attempt_and_the_run_goes_on(walks: Walks, number: int) -> None:
    walks.web.strike(draw_workers(walks.web.calm.operations, WORKER_POINTS, seed=SEED)[number])


def test_an_export_killed_after_its_first_tar_is_known_again(walks: Walks) -> None:
    """The folder then holds a tar, no table and no stats file: it must not be taken for somebody else's."""
    synced = [each.path for each in walks.folder.calm.operations["fsync"]]
    first = synced.index("exports/folder/all") + 1
    assert walks.folder.strike(Point("fsync", first)) == "export"


def test_a_torn_table_under_its_temporary_name_is_not_read(walks: Walks) -> None:
    """The split that is made again reads the tables that are there: half a table of its own must not be among them."""
    written = [each.path for each in walks.web.calm.operations["write"]]
    torn = next(n for n, path in enumerate(written, start=1) if "splits/default/.tmp-00001" in path) + 3
    assert walks.web.strike(Point("write", torn)) == "split"


def test_the_drawn_points_fall_in_every_stage(walks: Walks) -> None:
    operations = walks.web.calm.operations
    points = draw(operations, POINTS, seed=SEED, workers=(1, 2))
    alone = [point for point in points if point.workers == 1]
    assert {operations[point.kind][point.n - 1].stage for point in alone} == STAGES
    assert {point.kind for point in points} == set(KINDS) and len(alone) < len(points)
