"""A real Ray of two machines on this one: the same bytes as local workers, whatever dies."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import vlcorpus
from tests.pipeline.crew_toys import After, Gather, Hold, Lag, Linger, Where, fifo
from tests.pipeline.toys import Grow, Sow, walk
from tests.stages.given import write_probe
from tests.stages.running import contents, write_list
from vlcorpus.corpus import Corpus
from vlcorpus.errors import ShardsFailed, UsageError, VlcorpusError
from vlcorpus.pipeline import cluster, crew
from vlcorpus.pipeline.cluster import RayExecutor
from vlcorpus.pipeline.executor import Executor, Halted, LocalExecutor, Lost, Result, Task, Told
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.pipeline.run import Event, run
from vlcorpus.stages.base import Stage
from vlcorpus.stages.dedup import Dedup
from vlcorpus.stages.download import Download
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.import_ import Import
from vlcorpus.stages.score import Score
from vlcorpus.stages.split import Split
from vlcorpus.world.planted import read_planted
from vlcorpus.world.server import Served
from vlcorpus.world.site import WorldSettings, write_site

pytest.importorskip("ray")

MACHINE = {"num_cpus": 1, "object_store_memory": 80 << 20, "include_dashboard": False}


@pytest.fixture(scope="module")
def machines() -> Iterator[Any]:
    """Two, of one CPU each; the second has what Ray takes for a GPU."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    two = Cluster(initialize_head=True, head_node_args=MACHINE)
    two.add_node(**MACHINE, num_gpus=1)
    yield two
    two.shutdown()


@pytest.fixture(scope="module")
def connected(machines: Any) -> Iterator[None]:
    """This process is connected once for all tests."""
    with RayExecutor(machines.address):
        yield


@pytest.fixture(scope="module")
def executor(connected: None) -> Iterator[RayExecutor]:
    """One for many runs: workers stay."""
    with RayExecutor() as shared:
        yield shared


@pytest.fixture
def fresh(executor: RayExecutor) -> Iterator[RayExecutor]:
    """Another one, which has the cluster for itself."""
    executor.close()
    with RayExecutor() as own:
        yield own


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = Corpus.create(tmp_path / "c")
    with LocalExecutor(1) as local:
        list(run(make_plan(corpus, [Sow(count=4)]), local))
    return corpus


def do(corpus: Corpus, stages: Sequence[Stage], executor: Executor) -> list[Event]:
    return list(run(make_plan(corpus, stages), executor))


def test_the_same_bytes_as_local_workers(executor: RayExecutor, tmp_path: Path) -> None:
    site = write_site(tmp_path / "site", WorldSettings(pairs=40, seed=3, pairs_per_page=20))
    planted = [
        pair for pair in read_planted(site.root.parent / "planted.jsonl") if pair.alt_text and "/images/" in pair.url
    ]
    source = write_list(tmp_path / "list.csv", ((pair.url, pair.alt_text) for pair in planted))
    model = write_probe(tmp_path / "model")
    with Served(site.root) as served:
        network = {"allow_private": ("127.0.0.0/8",), "connect_to": served.connect_to}
        stages: list[Stage] = [
            Import(source=source),
            Download(image_size=64, min_image_size=16, **network),  # type: ignore[arg-type]
            Embed(model=model),
            Score(score="similarity"),
            Filter(top_fraction=0.5, decision="half"),
            Dedup(radius=3),
            Split(train=0.8, test=0.2),
        ]
        local, far = (Corpus.create(tmp_path / name / "c", shard_rows=10) for name in ("local", "far"))
        with LocalExecutor(1) as processes:
            do(local, stages, processes)
        events = do(far, stages, executor)
    assert len({event.node for event in events if event.kind == "committed"}) == 2, "both machines worked"
    layers = ["candidates", "shards", "scores/similarity", "decisions/half", "duplicates/default", "splits/default"]
    for layer in [*layers, f"embeddings/{local.layers('embeddings')[0]}"]:
        assert contents(local, layer) == contents(far, layer), layer
        assert contents(local, layer), layer


def test_a_walk_with_a_killed_worker(executor: RayExecutor, tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    events = do(corpus, walk(die_at="00002"), executor)
    assert [event.unit for event in events if event.kind == "lost"] == ["00002"]
    assert corpus.layer("harvest").path("total.txt").read_text() == "60"


def test_a_unit_that_kills_every_worker_fails_alone(executor: RayExecutor, corpus: Corpus) -> None:
    with pytest.raises(ShardsFailed, match="the worker died 3 times"):
        do(corpus, [Grow(die_at="00002", deaths=99)], executor)
    assert corpus.layer("plants").units() == ("00000", "00001", "00003")


def test_a_bug_fails_its_unit_with_a_trace(executor: RayExecutor, corpus: Corpus) -> None:
    with pytest.raises(ShardsFailed, match="ZeroDivisionError: a bug"):
        do(corpus, [Grow(bug_at="00000")], executor)


def test_a_machine_dies_and_one_comes(machines: Any, executor: RayExecutor, corpus: Corpus, tmp_path: Path) -> None:
    """A third machine gets a worker because it is there; killed, what it had is done by the others."""
    gate = fifo(tmp_path / "gate")
    held = os.open(gate, os.O_RDWR)
    before = {node.name for node in executor.machines()}
    third = machines.add_node(**MACHINE)
    for unit in corpus.layer("seeds").units():
        executor.submit(Task(Hold(gate=str(gate)), corpus, unit))
    found: list[Result] = []
    for result in executor.results():
        found.append(result)
        if isinstance(result, Told) and result.node not in before and third is not None:
            machines.remove_node(third, allow_graceful=False)
            third = None
        if isinstance(result, Lost):
            os.write(held, b"go" * 100)
    os.close(held)
    (lost,) = (result for result in found if isinstance(result, Lost))
    assert lost.node and lost.node not in before
    layer = corpus.layer("held")
    assert [layer.path(f"{unit}.txt").read_text() for unit in layer.units()] == ["00000", "00001", "00002", "00003"]


def lagging(corpus: Corpus, tmp_path: Path, **more: bool) -> list[Stage]:
    release, told = str(fifo(tmp_path / "release")), str(fifo(tmp_path / "told"))
    return [Lag(release=release, told=told, **more), After(release=release, told=told)]  # type: ignore[arg-type]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is slower than its stage straggles at once."""
    monkeypatch.setattr(crew, "COPY_SECONDS", 0.0)


def test_a_straggler_is_copied_and_committed_once(
    executor: RayExecutor, corpus: Corpus, tmp_path: Path, soon: None
) -> None:
    events = do(corpus, lagging(corpus, tmp_path), executor)
    stats = corpus.layer("lagging").stats("00003")
    assert stats is not None and stats["copy"] == "2"
    heard = corpus.layer("heard").stats("00003")
    assert heard is not None and heard["heard"] == "superseded"
    assert corpus.layer("lagging").stats("00003") == stats
    committed = [event.unit for event in events if (event.stage, event.kind) == ("lag", "committed")]
    assert sorted(committed) == ["00000", "00001", "00002", "00003"]
    assert not [event for event in events if event.kind in ("failed", "lost")]
    assert not list(corpus.layer("lagging").folder.glob(".*")), "nothing is left of either attempt"


def test_a_claim_ends_with_its_worker(executor: RayExecutor, corpus: Corpus, tmp_path: Path, soon: None) -> None:
    do(corpus, lagging(corpus, tmp_path, die=True), executor)
    assert (corpus.path / "grave-copy").exists()
    heard = corpus.layer("heard").stats("00003")
    assert heard is not None and heard["heard"] == "superseded"


def test_pieces_are_spread_and_done_again(executor: RayExecutor, corpus: Corpus, tmp_path: Path) -> None:
    events = do(corpus, [Gather(meet=str(fifo(tmp_path / "meet")), die=True)], executor)
    layer = corpus.layer("gathered")
    assert json.loads(layer.path("squares.json").read_text()) == [number * number for number in range(40)]
    own, pids = json.loads(layer.path("pids.json").read_text())
    assert (corpus.path / "grave-piece").exists() and own in pids
    assert not [event for event in events if event.kind == "lost"], "the reduction's worker lived"


def test_a_failed_piece_fails_the_reduction(executor: RayExecutor, corpus: Corpus) -> None:
    with pytest.raises(VlcorpusError, match="3 is no number"):
        do(corpus, [Gather(fail_at=3)], executor)


def test_a_gpu_goes_to_what_wants_it(executor: RayExecutor, corpus: Corpus) -> None:
    def about() -> list[dict[str, str | None]]:
        layer = corpus.layer("places")
        return [(layer.stats(unit) or {})["about"] for unit in layer.units()]

    do(corpus, [Where(gpu=True)], executor)
    assert {each["CUDA_VISIBLE_DEVICES"] for each in about()} == {"0"}
    do(corpus, [Where()], executor)
    assert "0" not in {each["CUDA_VISIBLE_DEVICES"] for each in about()}
    assert {each["OMP_NUM_THREADS"] for each in about()} == {os.environ.get("OMP_NUM_THREADS", "1")}


def test_stop_halts_what_is_under_way(fresh: RayExecutor, corpus: Corpus) -> None:
    fresh.submit(Task(Linger(), corpus, "00000"))
    found: list[Result] = []
    for result in fresh.results():
        found.append(result)
        fresh.stop()
    assert found[-1] == Halted(Task(Linger(), corpus, "00000"))


def test_as_many_workers_as_are_wanted(executor: RayExecutor, corpus: Corpus) -> None:
    executor.close()
    with RayExecutor(workers=1) as one:
        assert one.slots == 2, "GPUs are beside them"
        do(corpus, [Where()], one)
    layer = corpus.layer("places")
    assert len({(layer.stats(unit) or {})["pid"] for unit in layer.units()}) == 1


def test_another_version_is_refused(fresh: RayExecutor, corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "__version__", "0.0.1")
    with pytest.raises(UsageError, match=f"has vlcorpus {vlcorpus.__version__}, and this machine 0.0.1") as raised:
        do(corpus, [Grow()], fresh)
    assert "on every machine" in raised.value.hint


def test_a_stage_that_no_machine_knows_fails(executor: RayExecutor, corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text(
        "from tests.pipeline.toys import Grow\nclass Alien(Grow):\n    name = 'alien'\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        elsewhere = importlib.import_module("elsewhere")
    finally:
        sys.path.remove(str(tmp_path))
    with pytest.raises(VlcorpusError, match=r"cannot read what it is to do .*elsewhere"):
        do(corpus, [elsewhere.Alien()], executor)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match="Ray is not installed") as raised:
        RayExecutor()
    assert raised.value.hint == "pip install 'vlcorpus[ray]'"


def test_executors_load_no_ray() -> None:
    code = "import sys, vlcorpus.pipeline.executor, vlcorpus.pipeline.cluster; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_ray_of_this_machines_own_says_nothing_and_leaves_signals_alone(tmp_path: Path) -> None:
    code = f"""
import signal
from pathlib import Path
from tests.pipeline.toys import walk
from vlcorpus.corpus import Corpus
from vlcorpus.pipeline.cluster import RayExecutor
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.pipeline.run import run

def mine(*_): ...
signal.signal(signal.SIGTERM, mine)
with RayExecutor(workers=2) as executor:
    assert executor.slots == 2 and signal.getsignal(signal.SIGTERM) is mine
    for event in run(make_plan(Corpus.create(Path({str(tmp_path / "c")!r})), walk(die_at="00001")), executor):
        pass
"""
    environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert Corpus.open(tmp_path / "c").layer("harvest").path("total.txt").read_text() == "60"
