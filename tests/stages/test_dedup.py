from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.stages.given import Given, committed, give, given_corpus, pairs, picture, run_here
from vlcorpus.corpus import Corpus
from vlcorpus.errors import UsageError
from vlcorpus.io import table
from vlcorpus.stages.base import UnitCommit
from vlcorpus.stages.dedup import Dedup
from vlcorpus.stages.samples import with_image
from vlcorpus.stages.score import Score
from vlcorpus.stages.split import Split

NEAR = picture(3, quality=93)
MIXED = [
    Given("http://b.test/copy.jpg", "the same bytes as picture 2", picture(2)),
    Given("http://b.test/near.jpg", "nearly picture 3", NEAR),
    Given("http://b.test/two.jpg", "one image", picture(500)),
    Given("http://b.test/two.jpg", "with two captions", picture(500)),
    Given("http://b.test/alone.jpg", "like no other", picture(501)),
]


def mixed(folder: Path) -> Corpus:
    corpus = given_corpus(folder, 8)
    give(corpus, "00001", MIXED)
    return corpus


def groups_of(corpus: Corpus, name: str = "default") -> list[dict[str, Any]]:
    return table.read(corpus.path / "duplicates" / name / "groups.parquet", "duplicates").to_pylist()


def slow(rows: list[tuple[bytes, bytes, str, int | None]], radius: int) -> dict[bytes, bytes]:
    """uid -> smallest uid of its group, by looking at every pair of rows until nothing changes."""
    name = {uid: uid for uid, *_ in rows}
    changed = True
    while changed:
        changed = False
        for (uid, image, sha, one), (other_uid, other_image, other_sha, two) in combinations(rows, 2):
            near = one is not None and two is not None and (one ^ two).bit_count() <= radius
            if (near or image == other_image or sha == other_sha) and name[uid] != name[other_uid]:
                name[uid] = name[other_uid] = min(name[uid], name[other_uid])
                changed = True
    sizes = list(name.values())
    return {uid: group for uid, group in name.items() if sizes.count(group) > 1}


def hashed_rows(corpus: Corpus) -> list[tuple[bytes, bytes, str, int | None]]:
    found = []
    for shard in corpus.layer("shards").units():
        hashes = table.read(corpus.path / "scores" / "phash" / f"{shard}.parquet", "score-phash").column("phash")
        for row, value in zip(
            with_image(corpus, shard, ("uid", "image_id", "sha256")), hashes.to_pylist(), strict=True
        ):
            found.append((bytes.fromhex(row["uid"]), bytes.fromhex(row["image_id"]), row["sha256"], value))
    return found


def test_groups_of_a_small_corpus(tmp_path: Path) -> None:
    corpus = mixed(tmp_path / "c")
    run_here(corpus, [Dedup(radius=3)])
    by_group: dict[bytes, set[str]] = {}
    texts = {each.uid: each.text for each in (*pairs(0, 8), *MIXED)}
    for row in groups_of(corpus):
        by_group.setdefault(row["group"], set()).add(texts[row["uid"]])
    assert sorted(map(sorted, by_group.values())) == [
        ["a house and 3", "nearly picture 3"],
        ["a tree and 2", "the same bytes as picture 2"],
        ["one image", "with two captions"],
    ]
    kinds = {texts[row["uid"]]: row["kind"] for row in groups_of(corpus)}
    assert kinds["nearly picture 3"] == kinds["a house and 3"] == "near"
    assert kinds["a tree and 2"] == kinds["one image"] == "exact"
    for group, members in by_group.items():
        assert group == min(uid for uid, text in texts.items() if text in members)
    stats = corpus.layer("duplicates/default").stats("all")
    assert stats is not None
    assert (stats["seen"], stats["kept"], stats["groups"], stats["members"], stats["largest"]) == (13, 13, 3, 6, 2)


@pytest.mark.parametrize("radius", [0, 1, 3, 6])
def test_groups_are_those_of_every_pair_compared(tmp_path: Path, radius: int) -> None:
    """Hashes of one's own: crowded, in chains, and some missing."""
    corpus = mixed(tmp_path / "c")
    rng = random.Random(radius)
    centres = [rng.getrandbits(64) for _ in range(3)]
    for shard in corpus.layer("shards").units():
        uids = [bytes.fromhex(row["uid"]) for row in with_image(corpus, shard)]
        hashes: list[int | None] = []
        for _ in uids:
            value = rng.choice(centres)
            for bit in rng.sample(range(64), rng.randrange(5)):
                value ^= 1 << bit
            hashes.append(None if rng.random() < 0.2 else value)
        rows = [{"uid": uid, "phash": value} for uid, value in zip(uids, hashes, strict=True)]
        layer = corpus.layer("scores/phash")
        with UnitCommit(Score(score="phash"), corpus, layer, shard, {"toy": shard}) as commit:
            table.write(commit, f"{shard}.parquet", table.columns(rows, "score-phash"), "score-phash")
            commit.finish(seen=len(rows), kept=len(rows))
    Dedup(radius=radius).open(corpus)("all", lambda seen, kept: None)
    assert {row["uid"]: row["group"] for row in groups_of(corpus)} == slow(hashed_rows(corpus), radius)


def test_growth_makes_groups_stale(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 4)
    run_here(corpus, [Dedup()])
    assert not groups_of(corpus) and not committed(run_here(corpus, [Dedup()]))
    give(corpus, "00001", [Given("http://b.test/copy.jpg", "again", picture(2))])
    assert committed(run_here(corpus, [Dedup()])) == ["scores/phash/00001", "duplicates/default/all"]
    assert len(groups_of(corpus)) == 2


def test_names_of_groupings(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 4)
    run_here(corpus, [Dedup(radius=1)])
    with pytest.raises(UsageError, match="exists with radius 1, not 2"):
        run_here(corpus, [Dedup(radius=2)])
    run_here(corpus, [Dedup(radius=2, duplicates="wide")])
    with pytest.raises(UsageError, match="split needs duplicates/wdie"):
        run_here(corpus, [Split(duplicates="wdie")])
    run_here(corpus, [Split(duplicates="wide")])


def test_no_pairs(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 0, 0)
    run_here(corpus, [Dedup()])
    assert groups_of(corpus) == []
