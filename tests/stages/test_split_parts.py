"""split in parts: the bytes that one process gives which holds every group and every split."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from tests.stages.lending import processes, shuffled
from tests.stages.running import contents, quiet
from tests.stages.test_dedup_parts import drawn
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError
from vlcorpus.io import table
from vlcorpus.io.commit import Commit
from vlcorpus.stages import relay
from vlcorpus.stages.base import UnitCommit
from vlcorpus.stages.dedup import Dedup
from vlcorpus.stages.samples import with_image
from vlcorpus.stages.sharing import lent
from vlcorpus.stages.split import NAMES, Split

THIRDS = Split(train=0.4, validation=0.3, test=0.3, seed=5)


def uids_of(corpus: Corpus) -> dict[str, list[bytes]]:
    shards = corpus.layer("shards").units()
    return {shard: [bytes.fromhex(row["uid"]) for row in with_image(corpus, shard)] for shard in shards}


def regroup(corpus: Corpus, seed: int) -> None:
    """Groups of one's own, in any order, as a takedown or an older grouping may leave them."""
    rng = random.Random(seed)
    uids = [uid for own in uids_of(corpus).values() for uid in own]
    rng.shuffle(uids)
    rows: list[dict[str, object]] = []
    while len(uids) > 20:
        own = [uids.pop() for _ in range(rng.choice([2, 2, 3, 7]))]
        rows += [{"uid": uid, "group": min(own), "kind": "near"} for uid in own]
    rng.shuffle(rows)
    with UnitCommit(Dedup(), corpus, corpus.layer("duplicates/default"), "all", {"toy": str(seed)}) as commit:
        table.write(commit, "groups.parquet", table.columns(rows, "duplicates"), "duplicates")
        commit.finish(seen=len(rows), kept=len(rows))


def drawn_split(stage: Split, group: bytes) -> str:
    state = hashlib.blake2b(group, digest_size=8, key=stage.seed.to_bytes(8, "little"))
    place = int.from_bytes(state.digest(), "little") / 2**64
    shares = (stage.train, stage.validation, stage.test)
    for name, share in zip(NAMES, shares, strict=True):
        if place < share:
            return name
        place -= share
    return next(name for name, share in zip(NAMES, shares, strict=True) if share)


def slow(corpus: Corpus, stage: Split, folder: Path) -> dict[str, bytes | str]:
    layer = corpus.layer("splits/default")
    rows = table.read(corpus.layer("duplicates/default").path("groups.parquet"), "duplicates").to_pylist()
    group_of = {row["uid"]: row["group"] for row in rows}
    settled: dict[bytes, str] = {}
    for name in layer.names("*.parquet"):
        settled.update((row["uid"], row["split"]) for row in table.rows(layer.path(name), "splits"))
    follows: dict[bytes, str] = {}
    for uid, split in sorted(settled.items()):
        follows.setdefault(group_of.get(uid, uid), split)
    found: dict[str, bytes | str] = {name: layer.path(name).read_bytes() for name in layer.names("*.parquet")}
    for shard, uids in uids_of(corpus).items():
        made = []
        for uid in uids:
            group = group_of.get(uid, uid)
            made.append({"uid": uid, "split": settled.get(uid) or follows.get(group) or drawn_split(stage, group)})
        with Commit(folder, f"{shard}.json") as commit:
            table.write(commit, f"{shard}.parquet", table.columns(made, "splits"), "splits")
        found[f"{shard}.parquet"] = (folder / f"{shard}.parquet").read_bytes()
    return found


def redone(corpus: Corpus, folder: Path) -> None:
    """Split, and look whether it is what the slow way gives."""
    wanted = slow(corpus, THIRDS, folder)
    THIRDS.open(corpus)("all", quiet)
    assert contents(corpus, "splits/default") == wanted


def interrupt(corpus: Corpus, rng: random.Random) -> None:
    """As a redo leaves it that was killed among its commits, with some tables made anew by another."""
    layer = corpus.layer("splits/default")
    layer.path("all_stats.json").unlink()
    for shard in layer.units():
        if rng.random() < 0.5:
            layer.path(f"{shard}.json").unlink()
    rows = table.read(layer.path("00001.parquet"), "splits").to_pylist()
    for row in rows:
        row["split"] = rng.choice(NAMES)
    with Commit(layer.folder, "x.json") as commit:
        table.write(commit, "00001.parquet", table.columns(rows, "splits"), "splits")


def grown(folder: Path, seed: int) -> None:
    """A corpus that grows, whose groups move, whose redo is interrupted, and of which a shard goes."""
    rng = random.Random(seed)
    corpus = drawn(folder / "c", seed, 40, 0, 60)
    regroup(corpus, seed)
    redone(corpus, folder / "slow")
    redone(corpus, folder / "slow")
    regroup(corpus, seed + 100)
    redone(corpus, folder / "slow")
    drawn(folder / "c", seed, 40, 0, 60, 50, 30)  # the same rows, and more
    regroup(corpus, seed + 200)
    redone(corpus, folder / "slow")
    interrupt(corpus, rng)
    regroup(corpus, seed + 300)
    redone(corpus, folder / "slow")
    drawn(folder / "c", seed + 1, 45)  # other rows in the first shard
    corpus.layer("shards").path("00002_stats.json").unlink()
    regroup(corpus, seed + 400)
    redone(corpus, folder / "slow")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "PART_ROWS", 50)
    monkeypatch.setattr(relay, "BUCKET_ROWS", 70)


@pytest.mark.parametrize("seed", range(3))
def test_the_bytes_of_the_slow_way(tmp_path: Path, seed: int) -> None:
    grown(tmp_path, seed)


@pytest.mark.parametrize("seed", range(3))
def test_the_bytes_of_the_slow_way_in_parts(tmp_path: Path, seed: int, small: None) -> None:
    asked: list[str] = []
    with lent(shuffled(seed, asked)):
        grown(tmp_path, seed)
    assert set(asked) == {"uids", "members", "meet", "follow", "assign"}


def test_workers_in_processes_of_their_own(tmp_path: Path, small: None) -> None:
    with processes(2) as lend, lent(lend):
        grown(tmp_path, 9)


def test_no_file_stays_but_the_tables(tmp_path: Path, small: None) -> None:
    corpus = drawn(tmp_path / "c", 1, 40, 60)
    regroup(corpus, 1)
    redone(corpus, tmp_path / "slow")
    names = sorted(path.name for path in corpus.layer("splits/default").folder.iterdir())
    assert names == ["00000.json", "00000.parquet", "00001.json", "00001.parquet", "all_stats.json"]


def test_draws_are_those_of_each(tmp_path: Path) -> None:
    groups = [random.Random(number).randbytes(16) for number in range(2_000)]
    for stage in (THIRDS, Split(train=0, test=1), Split(train=1 - 1e-10, test=1e-10), Split(train=0.1, test=0.9)):
        wanted = [drawn_split(stage, group) for group in groups]
        assert [NAMES[number] for number in stage.draws(groups).tolist()] == wanted
        assert stage.draw(groups[0]) == wanted[0]


def test_a_split_of_another_name_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    corpus = drawn(tmp_path / "c", 1, 40)
    regroup(corpus, 1)
    redone(corpus, tmp_path / "slow")
    layer = corpus.layer("splits/default")
    rows = table.read(layer.path("00000.parquet"), "splits").to_pylist()
    with Commit(layer.folder, "x.json") as commit:
        rows[0]["split"] = "holdout"
        table.write(commit, "00000.parquet", table.columns(rows, "splits"), "splits")
    with pytest.raises(CorpusError, match="split of another name"):
        THIRDS.open(corpus)("all", quiet)
    assert layer.stats("all") is not None
