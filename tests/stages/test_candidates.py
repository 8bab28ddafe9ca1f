"""Cutting sources into candidate shards: nothing lost, images together, the same cuts whatever happens in between."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import groupby
from pathlib import Path

import pytest

from tests.stages.running import contents, do, done, here, rows, write_list
from vlcorpus.corpus import Corpus
from vlcorpus.identity import image_id, uid
from vlcorpus.stages.import_ import Import

Pairs = list[tuple[str, str]]


def draw_pairs(seed: int, count: int, *, images: int = 12, texts: int = 4, bad: float = 0.1) -> Pairs:
    """A list with repeated images, repeated pairs and rows that name no image."""
    rng = random.Random(seed)
    return [
        ("", "no image")
        if rng.random() < bad
        else (f"http://a.test/{rng.randrange(images)}.jpg", f"text {rng.randrange(texts)}")
        for _ in range(count)
    ]


def import_list(corpus: Corpus, path: Path, pairs: Pairs) -> Import:
    stage = Import(source=write_list(path, pairs))
    here(corpus, stage)
    return stage


def kill(corpus: Corpus, stage: Import, *, keep: int) -> None:
    """Leave what a run leaves that is killed when `keep` shards of its source are there."""
    stage.layer(corpus).path("all_stats.json").unlink()
    candidates = corpus.layer("candidates")
    source = stage.layer(corpus).name.partition("/")[2]
    own = [unit for unit in candidates.units() if (candidates.stats(unit) or {})["source"] == source]
    for unit in own[keep:]:
        candidates.path(f"{unit}.json").unlink()


def check_cut(corpus: Corpus, lists: list[Pairs]) -> None:
    """What holds for every corpus, however its lists were brought in."""
    kept, rejected = rows(corpus, "candidates"), rows(corpus, "candidates-rejected")
    candidates = corpus.layer("candidates")
    for shard in candidates.units():
        stats = candidates.stats(shard)
        assert stats is not None and stats["seen"] == stats["kept"] + sum(stats["rejected"].values())
        assert stats["seen"] <= corpus.shard_rows
        assert stats["kept"] == sum(row["in"] == shard for row in kept)
        assert stats["rejected"] == Counter(row["reason"] for row in rejected if row["in"] == shard)
    for row in kept:
        assert row["uid"] == uid(row["url"], row["alt_text"]) and row["image_id"] == image_id(row["url"])
    assert len({row["uid"] for row in kept}) == len(kept)
    assert {(row["url"], row["alt_text"]) for row in kept} == {pair for pairs in lists for pair in pairs if pair[0]}
    by_source: dict[str, list[dict[str, object]]] = {}
    for row in (*kept, *rejected):
        by_source.setdefault(row["source"], []).append(row)
    found = [Counter((row["offset"], row["url"], row["alt_text"]) for row in each) for each in by_source.values()]
    given = [Counter((offset, *pair) for offset, pair in enumerate(pairs)) for pairs in lists]
    assert sorted(found, key=str) == sorted(given, key=str), "each row once, kept or rejected"


def check_images(corpus: Corpus, pairs: Pairs) -> None:
    """Of a corpus of one list: each image's rows together, images in the order of their first rows."""
    kept = rows(corpus, "candidates")
    runs = [(url, [row["offset"] for row in run]) for url, run in groupby(kept, key=lambda row: row["url"])]
    assert [url for url, _ in runs] == list(dict.fromkeys(url for url, _ in pairs if url))
    for url, offsets in runs:
        assert offsets == sorted(offsets)
        shards = {row["in"] for row in kept if row["url"] == url}
        assert len(shards) == 1 or sum(pair[0] == url for pair in pairs) > corpus.shard_rows


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shard_rows", [2, 7, 1000])
def test_every_row_has_its_place(tmp_path: Path, seed: int, shard_rows: int) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=shard_rows)
    pairs = draw_pairs(seed, 40)
    stage = import_list(corpus, tmp_path / "list.csv", pairs)
    check_cut(corpus, [pairs])
    check_images(corpus, pairs)
    whole = stage.layer(corpus).stats("all")
    assert whole is not None and whole["seen"] == 40 == whole["kept"] + sum(whole["rejected"].values())
    assert whole["rejected"]["empty_url"] == sum(not url for url, _ in pairs)
    assert whole["rejected"]["duplicate_pair"] == sum(n - 1 for pair, n in Counter(pairs).items() if pair[0])


def test_an_image_with_more_texts_than_a_shard_holds(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=4)
    pairs = [("http://a.test/1.jpg", "first"), *(("http://a.test/2.jpg", f"text {n}") for n in range(10))]
    import_list(corpus, tmp_path / "list.csv", [*pairs, ("http://a.test/3.jpg", "last")])
    sizes = Counter(row["in"] for row in rows(corpus, "candidates"))
    assert sizes == {"00000": 1, "00001": 4, "00002": 4, "00003": 3}


def test_the_first_of_equal_pairs_is_kept(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    a, b = ("http://a.test/1.jpg", "a cat"), ("http://a.test/1.jpg", "a dog")
    import_list(corpus, tmp_path / "list.csv", [a, b, a, a])
    assert [row["offset"] for row in rows(corpus, "candidates")] == [0, 1]
    assert [(row["offset"], row["reason"]) for row in rows(corpus, "candidates-rejected")] == [
        (2, "duplicate_pair"),
        (3, "duplicate_pair"),
    ]


def test_a_second_list_goes_on(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=10)
    first, second = draw_pairs(1, 35, bad=0), draw_pairs(2, 35, images=30, bad=0)
    do(corpus, [Import(source=write_list(tmp_path / "first.csv", first))])
    before = contents(corpus, "candidates")
    do(corpus, [Import(source=write_list(tmp_path / "second.csv", second))])
    after = contents(corpus, "candidates")
    assert after.items() >= before.items() and len(after) > len(before)
    check_cut(corpus, [first, second])
    numbers = [int(unit) for unit in corpus.layer("candidates").units()]
    assert numbers == list(range(len(numbers)))
    known = set(first) & set(second)
    rejected = {(row["url"], row["alt_text"]) for row in rows(corpus, "candidates-rejected") if row["in"] > "00003"}
    assert known and known <= rejected


def test_the_same_list_again_does_nothing(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=10)
    pairs = draw_pairs(3, 30)
    stage = Import(source=write_list(tmp_path / "list.csv", pairs))
    assert done(do(corpus, [stage])) == ["candidates/all"]
    assert done(do(corpus, [stage]), "unchanged") == ["candidates/all"]
    elsewhere = Import(source=write_list(tmp_path / "moved" / "list.csv", pairs))
    assert done(do(corpus, [elsewhere]), "unchanged") == ["candidates/all"]
    changed = Import(source=write_list(tmp_path / "list.csv", [*pairs, ("http://a.test/new.jpg", "new")]))
    assert done(do(corpus, [changed])) == ["candidates/all"]
    assert rows(corpus, "candidates")[-1]["alt_text"] == "new"


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_a_cut_that_was_killed_goes_on(tmp_path: Path, keep: int) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=8)
    stage = import_list(corpus, tmp_path / "list.csv", draw_pairs(4, 50))
    whole = contents(corpus, "candidates")
    untouched = [corpus.layer("candidates").stats(f"{number:05d}") for number in range(keep)]
    kill(corpus, stage, keep=keep)
    assert done(do(corpus, [stage])) == ["candidates/all"]
    assert contents(corpus, "candidates") == whole
    assert [corpus.layer("candidates").stats(f"{number:05d}") for number in range(keep)] == untouched
    assert done(do(corpus, [stage]), "unchanged") == ["candidates/all"]


@pytest.mark.parametrize("seed", range(6))
def test_another_source_in_between_disturbs_nothing(tmp_path: Path, seed: int) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=5)
    first, second = draw_pairs(seed, 40), draw_pairs(100 + seed, 40)
    stage = import_list(corpus, tmp_path / "first.csv", first)
    kill(corpus, stage, keep=1 + seed % 4)
    committed = {unit: corpus.layer("candidates").stats(unit) for unit in corpus.layer("candidates").units()}
    import_list(corpus, tmp_path / "second.csv", second)
    here(corpus, stage)
    check_cut(corpus, [first, second])
    assert {unit: corpus.layer("candidates").stats(unit) for unit in committed} == committed


def test_a_shard_that_is_lost_is_made_again_under_its_name(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=8)
    stage = import_list(corpus, tmp_path / "list.csv", draw_pairs(5, 50))
    import_list(corpus, tmp_path / "more.csv", draw_pairs(6, 20, images=50))
    candidates = corpus.layer("candidates")
    whole = contents(corpus, "candidates")
    others = {unit: candidates.stats(unit) for unit in candidates.units() if unit != "00001"}
    candidates.path("00001.json").unlink()
    candidates.path("00001.parquet").unlink()
    assert done(do(corpus, [stage])) == ["candidates/all"]
    assert contents(corpus, "candidates") == whole
    assert {unit: candidates.stats(unit) for unit in others} == others


def test_nothing_names_where_the_list_was(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        corpus = Corpus.create(tmp_path / folder / "c", shard_rows=10)
        here(corpus, Import(source=write_list(tmp_path / folder / "lists" / "list.csv", draw_pairs(7, 25))))
    first, second = (contents(Corpus.open(tmp_path / folder / "c"), "candidates") for folder in ("one", "two"))
    assert first == second
    for stats in (tmp_path / "one" / "c").rglob("*.json"):
        assert str(tmp_path) not in json.dumps(json.loads(stats.read_text()))
