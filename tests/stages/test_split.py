from __future__ import annotations

import math
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.stages.given import Given, committed, give, given_corpus, pairs, picture, run_here
from tests.stages.running import contents, do
from tests.stages.test_dedup import groups_of, mixed
from vlcorpus.corpus import Corpus
from vlcorpus.errors import UsageError
from vlcorpus.identity import uid
from vlcorpus.io import table
from vlcorpus.stages.dedup import Dedup
from vlcorpus.stages.split import Split

HALVES = Split(train=0.5, test=0.5)


def splits_of(corpus: Corpus, name: str = "default") -> dict[bytes, str]:
    layer = corpus.layer(f"splits/{name}")
    rows = [row for shard in layer.units() for row in table.rows(layer.path(f"{shard}.parquet"), "splits")]
    return {row["uid"]: row["split"] for row in rows}


def test_shares_hold() -> None:
    """Of 20,000 groups each share lies within four standard deviations of what was asked."""
    stage = Split(train=0.7, validation=0.1, test=0.2)
    count = 20_000
    found = Counter(stage.draw(uid("http://a.test", str(number))) for number in range(count))
    for name, share in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        assert abs(found[name] - share * count) < 4 * math.sqrt(count * share * (1 - share))
    assert set(Split(train=1, test=0).draw(uid("", str(number))) for number in range(200)) == {"train"}


def test_groups_never_cross(tmp_path: Path) -> None:
    corpus = mixed(tmp_path / "c")
    for seed in range(8):
        run_here(corpus, [Split(train=0.5, test=0.5, seed=seed, split=f"s{seed}")])
        split_of = splits_of(corpus, f"s{seed}")
        assert len(split_of) == 13
        by_group: dict[bytes, set[str]] = {}
        for row in groups_of(corpus):
            by_group.setdefault(row["group"], set()).add(split_of[row["uid"]])
        assert by_group and all(len(names) == 1 for names in by_group.values())


def test_the_seed_changes_the_draw(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 30)
    run_here(corpus, [HALVES, Split(train=0.5, test=0.5, seed=1, split="other")])
    assert splits_of(corpus) != splits_of(corpus, "other")
    with pytest.raises(UsageError, match="exists with seed 0, not 1"):
        run_here(corpus, [Split(train=0.5, test=0.5, seed=1)])


def test_growth_never_moves_a_row(tmp_path: Path) -> None:
    """Also where a new pair joins two groups that were drawn apart."""
    corpus = given_corpus(tmp_path / "c", 24)
    run_here(corpus, [HALVES])
    before = splits_of(corpus)
    apart = next(
        (one, other)
        for one in pairs(0, 24)
        for other in pairs(0, 24)
        if before[one.uid] == "train" and before[other.uid] == "test"
    )
    bridge = [Given("http://b.test/x.jpg", str(number), each.body) for number, each in enumerate(apart)]
    give(corpus, "00001", [bridge[0], Given("http://b.test/x.jpg", "1", apart[0].body), *pairs(100, 10)])
    give(corpus, "00002", [Given("http://b.test/y.jpg", "copy of the other", apart[1].body)])
    run_here(corpus, [HALVES])
    after = splits_of(corpus)
    assert len(after) == 24 + 12 + 1
    assert {each: after[each] for each in before} == before
    assert after[bridge[0].uid] == "train", "what joins a group follows it"
    assert after[Given("http://b.test/y.jpg", "copy of the other").uid] == "test"
    # One image whose copies stand in both: both groups are one now, and still nobody moves.
    run_here(corpus, [Dedup(radius=12, duplicates="wide")])
    assert {each: splits_of(corpus)[each] for each in before} == before


def test_a_group_that_grows_together_keeps_its_members_splits(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 24)
    run_here(corpus, [HALVES])
    before = splits_of(corpus)
    one = next(each for each in pairs(0, 24) if before[each.uid] == "train")
    other = next(each for each in pairs(0, 24) if before[each.uid] == "test")
    shutil.rmtree(corpus.path / "duplicates")
    # The second caption of one's image comes with the bytes of the other: a chain through bytes and image.
    give(corpus, "00001", [Given(other.url, "another caption", one.body)])
    run_here(corpus, [HALVES])
    groups = {row["uid"]: row["group"] for row in groups_of(corpus)}
    assert groups[one.uid] == groups[other.uid]
    after = splits_of(corpus)
    assert (after[one.uid], after[other.uid]) == ("train", "test")
    assert after[Given(other.url, "another caption").uid] == after[min(one.uid, other.uid)]


def test_workers_and_interruptions_do_not_change_a_byte(tmp_path: Path) -> None:
    made = []
    for workers in (0, 2):
        corpus = mixed(tmp_path / f"c{workers}")
        do(corpus, [HALVES], workers=workers) if workers else run_here(corpus, [HALVES])
        made.append(contents(corpus, "splits") | contents(corpus, "duplicates"))
    corpus.layer("splits/default").path("all_stats.json").unlink()
    corpus.layer("splits/default").path("00001.json").unlink()
    assert committed(run_here(corpus, [HALVES])) == ["splits/default/all"]
    made.append(contents(corpus, "splits") | contents(corpus, "duplicates"))
    assert made[0] == made[1] == made[2]


def test_shares_that_do_not_add_up(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 2)
    with pytest.raises(UsageError, match=r"add up to 0\.92, not 1"):
        run_here(corpus, [Split(train=0.9)])


def test_no_pairs(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 0, 0)
    run_here(corpus, [HALVES])
    assert splits_of(corpus) == {} and corpus.layer("splits/default").units() == ("00000", "00001")


def test_the_same_picture_in_other_bytes_stays_together(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 3)
    give(corpus, "00001", [Given(f"http://b.test/{n}.jpg", "near", picture(1, quality=82 + n)) for n in range(12)])
    run_here(corpus, [HALVES])
    near = {split for each, split in splits_of(corpus).items() if each not in {own.uid for own in pairs(0, 3)}}
    assert len(near) == 1
