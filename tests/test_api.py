from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vlcorpus
import vlcorpus.api
from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.world.trusted import write_trusted


def test_the_whole_room_is_what_is_promised() -> None:
    assert {name for name in vlcorpus.__all__} == {"__version__", "create", "open", "stage"}
    with pytest.raises(AttributeError, match="no attribute 'shut'"):
        vlcorpus.shut  # noqa: B018


def test_stages_are_checked_as_on_the_command_line() -> None:
    assert vlcorpus.stage("filter", min_sim=0.28).decision_name() == "similarity-0.28"  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="unknown key 'min_smi'"):
        vlcorpus.stage("filter", min_smi=0.28)
    with pytest.raises(UsageError, match="no stage 'fliter'"):
        vlcorpus.stage("fliter")
    with pytest.raises(CorpusError, match="no corpus at"):
        vlcorpus.open("nowhere")


def test_a_walk_in_python(tmp_path: Path) -> None:
    write_trusted(tmp_path / "pictures", 20, seed=3)
    own = vlcorpus.create(tmp_path / "c", shard_rows=8)
    own.do(vlcorpus.stage("import", source=str(tmp_path / "pictures"), image_size=32))
    own.do(vlcorpus.stage("filter", random_fraction=0.5, decision="half"), vlcorpus.stage("split", train=0.5, test=0.5))
    everything = [pair.uid for pair in own.samples()]
    half = [pair.uid for pair in vlcorpus.open(tmp_path / "c").samples(decision="half")]
    assert len(everything) == 20 and 0 < len(half) < 20
    assert half == [uid for uid in everything if uid in set(half)]
    parts = [{pair.uid for pair in own.samples(split="default", part=part)} for part in ("train", "test")]
    assert parts[0] | parts[1] == set(everything) and not parts[0] & parts[1]
    assert all(pair.body[:2] == b"\xff\xd8" and pair.caption for pair in own.samples())


def test_importing_vlcorpus_loads_nothing_heavy() -> None:
    code = "import sys, vlcorpus; print(sorted({'torch', 'numpy', 'pyarrow', 'typer'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> vlcorpus.api.OpenCorpus:
    """23 pairs in four shards, a decision, a grouping of none, and a second caption layer that lacks some texts."""
    folder = tmp_path_factory.mktemp("api")
    write_trusted(folder / "pictures", 23, seed=4)
    corpus = vlcorpus.create(folder / "c", shard_rows=6)
    corpus.do(vlcorpus.stage("import", source=str(folder / "pictures"), image_size=32))
    corpus.do(vlcorpus.stage("filter", random_fraction=0.7, decision="most"))
    layer = corpus.corpus.layer("captions/second").folder
    layer.mkdir(parents=True)
    for pair in corpus.samples():
        pairs.setdefault(pair.shard, []).append(pair)
    for shard, own in pairs.items():
        rows = {"uid": [pair.uid for pair in own][1:], "caption": [f"second {pair.key}" for pair in own][1:]}
        pq.write_table(pa.table(rows), layer / f"{shard}.parquet")
    return corpus


pairs: dict[str, list[Any]] = {}


def uids(samples: Iterable[Any]) -> list[bytes]:
    return [pair.uid for pair in samples]


@pytest.mark.parametrize("shuffle", [None, 3])
@pytest.mark.parametrize(("world", "workers"), [(1, 1), (1, 3), (2, 1), (3, 4), (5, 9)])
def test_every_pair_once_over_ranks_and_workers(own: Any, world: int, workers: int, shuffle: int | None) -> None:
    whole = uids(own.samples(decision="most", shuffle=shuffle, epoch=2))
    dealt = {
        (rank, worker): own.samples(
            decision="most", shuffle=shuffle, epoch=2, rank=rank, world=world, worker=worker, workers=workers
        )
        for rank in range(world)
        for worker in range(workers)
    }
    found = {place: uids(samples) for place, samples in dealt.items()}
    assert sorted(uid for each in found.values() for uid in each) == sorted(whole)
    for (rank, worker), each in found.items():
        assert each == whole[rank::world][worker::workers], "the order is one, whoever reads"
        assert len(dealt[rank, worker]) == len(whole[rank::world])
        assert dealt[rank, worker].total == len(whole)


def test_epochs_are_shuffled_anew_and_again_the_same(own: Any) -> None:
    samples = own.samples(shuffle=0)
    first = uids(samples)
    assert uids(samples) == first and sorted(first) == sorted(uids(own.samples()))
    samples.set_epoch(1)
    assert uids(samples) != first and uids(own.samples(shuffle=0, epoch=1)) == uids(samples)
    assert uids(own.samples(shuffle=1)) != first


def test_ranks_are_torchrun_s(own: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert uids(own.samples()) == uids(own.samples(rank=0, world=1))[1::2]
    monkeypatch.setenv("RANK", "2")
    with pytest.raises(UsageError, match="RANK is 2 and WORLD_SIZE is 2"):
        len(own.samples())
    with pytest.raises(UsageError, match="rank is 1 and world is None"):
        own.samples(rank=1)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_dataset_of_a_loader(own: Any, workers: int) -> None:
    import torch.utils.data

    samples = own.samples(shuffle=0)
    assert isinstance(samples, torch.utils.data.IterableDataset)
    loader: Any = torch.utils.data.DataLoader(
        samples,
        batch_size=4,
        num_workers=workers,
        collate_fn=uids,
        persistent_workers=workers > 0,
        multiprocessing_context="fork" if workers else None,
    )
    seen = []
    for epoch in (0, 1):
        samples.set_epoch(epoch)
        batches = [batch for batch in loader if len(batch) <= 4]
        seen.append([uid for batch in batches for uid in batch])
        assert sorted(seen[-1]) == sorted(uids(own.samples())) and len(batches) >= len(loader)
    assert seen[0] != seen[1], "workers that stay hear of the epoch"
    assert workers or seen[1] == uids(own.samples(shuffle=0, epoch=1))


def test_samples_pickle(own: Any) -> None:
    samples = own.samples(decision="most", shuffle=5, epoch=3)
    again = pickle.loads(pickle.dumps(samples))
    assert uids(again) == uids(samples) and again.epoch == 3 and again.torch() is again


def test_captions_by_probability(own: Any) -> None:
    keys = {pair.uid: pair.key for pair in own.samples()}
    lacking = {own_pairs[0].uid for own_pairs in pairs.values()}
    drawn = {}
    for epoch in range(20):
        mixed = own.samples(captions={"alt_text": 0.75, "second": 0.25}, shuffle=0, epoch=epoch)
        drawn[epoch] = {pair.uid: pair.caption == f"second {keys[pair.uid]}" for pair in mixed}
        assert uids(mixed) == uids(own.samples(shuffle=0, epoch=epoch)), "captions are no part of the order"
    assert not any(found[uid] for found in drawn.values() for uid in lacking), "what is missing is the first layer's"
    others = [found[uid] for found in drawn.values() for uid in found if uid not in lacking]
    assert sum(others) / len(others) == pytest.approx(0.25, abs=0.08)
    assert [pair.caption for pair in own.samples(captions="second")][1].startswith("second ")
    shared = own.samples(captions=("txt=3", "second=1"), shuffle=0, epoch=7, rank=1, world=3)
    assert {pair.uid: pair.caption == f"second {pair.key}" for pair in shared}.items() <= drawn[7].items()
    for wrong in ("second=x", "second=0", ("second", "second"), ("second", "txt=1"), "../second"):
        with pytest.raises(UsageError, match="captions"):
            own.samples(captions=wrong)


def test_torch_is_not_loaded_for_samples(own: Any) -> None:
    code = (
        "import sys, vlcorpus; samples = vlcorpus.open(sys.argv[1]).samples(shuffle=0);"
        "print(len([pair.body for pair in samples]), 'torch' in sys.modules, type(samples.torch()).__name__)"
    )
    words = [sys.executable, "-c", code, str(own.corpus.path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["23", "False", "TorchSamples"]
