"""dedup in parts: the bytes that all rows in one place give."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.knn.test_hamming import brute
from tests.stages.given import run_here
from tests.stages.lending import processes, shuffled
from tests.stages.running import quiet
from vlcorpus.corpus import Corpus
from vlcorpus.io import table
from vlcorpus.io.attempt import Stopped, stopping
from vlcorpus.io.commit import Commit
from vlcorpus.knn.groups import groups
from vlcorpus.stages import relay
from vlcorpus.stages.base import UnitCommit
from vlcorpus.stages.dedup import Dedup
from vlcorpus.stages.import_ import Import
from vlcorpus.stages.samples import column, with_image
from vlcorpus.stages.score import Score
from vlcorpus.stages.sharing import lent


def drawn(folder: Path, seed: int, *counts: int) -> Corpus:
    """Rows of shards/ and perceptual hashes: crowded, in chains and repeated; some missing, some of one image or the
    same bytes, some without an image."""
    rng = random.Random(seed)
    centres = [rng.getrandbits(64) for _ in range(4)] + [0]
    corpus = Corpus.create(folder)
    for number, count in enumerate(counts):
        shard = corpus.shard_name(number)
        rows, hashes = [], []
        for place in range(count):
            uid, status = rng.randbytes(16), "failed_to_download" if rng.random() < 0.1 else "success"
            image = rng.randrange(60).to_bytes(16, "big") if rng.random() < 0.2 else uid
            sha256 = rng.randrange(30).to_bytes(32, "little") if rng.random() < 0.2 else rng.randbytes(32)
            value = rng.choice(centres) if rng.random() < 0.4 else rng.getrandbits(64)
            for bit in rng.sample(range(64), rng.choice([0, 0, 1, 2, 5])):
                value ^= 1 << bit
            rows.append(
                {
                    "uid": uid.hex(), "image_id": image.hex(), "key": corpus.key(shard, place), "status": status,
                    "image_key": corpus.key(shard, place), "url": "http://a.test", "caption": "",
                    "sha256": None if rng.random() < 0.1 else sha256.hex(),
                }
            )  # fmt: skip
            if status == "success":
                hashes.append({"uid": uid, "phash": None if rng.random() < 0.2 else value})
        written(corpus, "shards", "shards", shard, rows, sum(row["status"] == "success" for row in rows))
        written(corpus, "scores/phash", "score-phash", shard, hashes, len(hashes))
    return corpus


def written(corpus: Corpus, layer: str, name: str, shard: str, rows: list[dict[str, object]], kept: int) -> None:
    stage = Score(score="phash") if layer.startswith("scores") else Import(source="toy")
    with UnitCommit(stage, corpus, corpus.layer(layer), shard, {"toy": shard}) as commit:
        table.write(commit, f"{shard}.parquet", table.columns(rows, name), name)
        commit.finish(seen=len(rows), kept=kept, rejected={"timeout": len(rows) - kept})


def slow(corpus: Corpus, radius: int, folder: Path) -> bytes:
    """groups.parquet as one process makes it that holds every row, by comparing every two."""
    uids, images, digests, hashes = [], [], [], []
    for shard in corpus.layer("shards").units():
        rows = with_image(corpus, shard, ("uid", "image_id", "sha256"))
        uids += [bytes.fromhex(row["uid"]) for row in rows]
        images += [row["image_id"] for row in rows]
        digests += [row["sha256"] for row in rows]
        own = [bytes.fromhex(row["uid"]) for row in rows]
        hashes += column(corpus, "scores/phash", shard, "score-phash", "phash", own)
    hashed = np.array([row for row, value in enumerate(hashes) if value is not None], np.int64)
    pairs = hashed[brute(np.array([hashes[row] for row in hashed], np.uint64), radius)].reshape(-1, 2).tolist()
    for names in (images, digests):
        first: dict[str, int] = {}
        pairs += [(first.setdefault(name, row), row) for row, name in enumerate(names) if name is not None]
    group = groups(len(uids), pairs).tolist()
    sizes, copies = Counter(group), Counter(digests)
    smallest = {number: min(uid for uid, own in zip(uids, group, strict=True) if own == number) for number in sizes}
    listed = [
        {
            "uid": uid,
            "group": smallest[own],
            "kind": "exact" if digest is not None and copies[digest] > 1 else "near",
        }
        for uid, own, digest in zip(uids, group, digests, strict=True)
        if sizes[own] > 1
    ]
    with Commit(folder, "x.json") as commit:
        table.write(commit, "groups.parquet", table.columns(listed, "duplicates"), "duplicates")
    return (folder / "groups.parquet").read_bytes()


def made(corpus: Corpus, radius: int) -> bytes:
    Dedup(radius=radius).open(corpus)("all", quiet)
    layer = corpus.layer("duplicates/default")
    assert sorted(path.name for path in layer.folder.iterdir()) == ["all_stats.json", "groups.parquet"]
    return layer.path("groups.parquet").read_bytes()


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of one shard or two, buckets of a few rows."""
    monkeypatch.setattr(relay, "PART_ROWS", 60)
    monkeypatch.setattr(relay, "BUCKET_ROWS", 90)


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 5, 8, 12])
def test_the_bytes_of_every_two_rows_compared(tmp_path: Path, radius: int, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = drawn(tmp_path / "c", radius, 40, 0, 90, 25, 60, 1)
    wanted = slow(corpus, radius, tmp_path / "slow")
    assert made(corpus, radius) == wanted
    stats = corpus.layer("duplicates/default").stats("all")
    monkeypatch.setattr(relay, "PART_ROWS", 60)
    monkeypatch.setattr(relay, "BUCKET_ROWS", 90)
    asked: list[str] = []
    assert made(corpus, radius) == wanted
    for seed in range(3):
        with lent(shuffled(seed, asked)):
            assert made(corpus, radius) == wanted
    assert set(asked) == {"rows", "bucket", "named"} | ({"near"} if radius else set())
    now = corpus.layer("duplicates/default").stats("all")
    assert stats is not None and now is not None
    for name in ("seen", "kept", "groups", "members", "largest", "outputs", "fingerprint"):
        assert stats[name] == now[name], name


def test_workers_in_processes_of_their_own(tmp_path: Path, small: None) -> None:
    corpus = drawn(tmp_path / "c", 3, 40, 90, 25, 60)
    with processes(2) as lend, lent(lend):
        assert made(corpus, 3) == slow(corpus, 3, tmp_path / "slow")


def test_many_copies_of_one_picture(tmp_path: Path, small: None) -> None:
    """A blank picture in every shard, and nothing else."""
    corpus = Corpus.create(tmp_path / "c")
    for number in range(4):
        shard = corpus.shard_name(number)
        uids = [bytes([number, place]) + bytes(14) for place in range(80)]
        rows = [
            {
                "uid": uid.hex(), "image_id": uid.hex(), "key": "0", "status": "success", "image_key": "0",
                "url": "http://a.test", "caption": "", "sha256": "00" * 32 if place % 2 else None,
            }
            for place, uid in enumerate(uids)
        ]  # fmt: skip
        written(corpus, "shards", "shards", shard, rows, len(rows))
        hashes: list[dict[str, object]] = [{"uid": uid, "phash": 0} for uid in uids]
        written(corpus, "scores/phash", "score-phash", shard, hashes, len(hashes))
    assert made(corpus, 3) == slow(corpus, 3, tmp_path / "slow")
    stats = corpus.layer("duplicates/default").stats("all")
    assert stats is not None and (stats["groups"], stats["largest"]) == (1, 320)


def test_what_a_killed_run_left_is_removed(tmp_path: Path, small: None) -> None:
    corpus = drawn(tmp_path / "c", 1, 40, 90, 25)
    layer = corpus.layer("duplicates/default")

    class Killed(BaseException): ...

    def dies(stage: object, corpus: object, does: str, arguments: object) -> list[object]:
        raise Killed

    stale = relay.Relay(layer, "an earlier run")
    stale.put(("rows", 0, 1), np.zeros(3))
    (layer.folder / relay.FOLDER / "half written").write_bytes(b"x")
    with pytest.raises(Killed), lent(dies):
        made(corpus, 3)
    assert not (layer.folder / relay.FOLDER).exists()
    assert made(corpus, 3) == slow(corpus, 3, tmp_path / "slow")


def test_a_process_that_is_to_end_begins_no_further_part(tmp_path: Path, small: None) -> None:
    corpus = drawn(tmp_path / "c", 1, 40, 90, 25)
    stopping.set()
    try:
        with pytest.raises(Stopped):
            made(corpus, 3)
    finally:
        stopping.clear()
    assert not corpus.layer("duplicates/default").units()
    assert made(corpus, 3) == slow(corpus, 3, tmp_path / "slow")


def test_a_digest_of_another_length_is_no_other(tmp_path: Path) -> None:
    corpus = drawn(tmp_path / "c", 5, 3)
    path = corpus.layer("shards").path("00000.parquet")
    rows = table.read(path, "shards").to_pylist()
    for row, digest in zip(rows, ("ab" * 20, "AB" * 20, "ab" * 16), strict=True):
        row |= {"sha256": digest, "status": "success"}
    written(corpus, "shards", "shards", "00000", rows, 3)
    hashes: list[dict[str, object]] = [{"uid": bytes.fromhex(row["uid"]), "phash": None} for row in rows]
    written(corpus, "scores/phash", "score-phash", "00000", hashes, 3)
    run_here(corpus, [])
    made(corpus, 3)
    found = table.read(corpus.layer("duplicates/default").path("groups.parquet"), "duplicates").to_pylist()
    assert [row["uid"].hex() for row in found] == [row["uid"] for row in rows[:2]]
