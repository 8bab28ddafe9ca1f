"""Cutting sources into candidate shards: nothing lost, images together, the same cuts whatever happens in between."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.placement.plainly import Seen, flat, place
from tests.stages.running import contents, do, done, here, rows, write_list
from vlcorpus import schema
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError
from vlcorpus.identity import image_id, uid
from vlcorpus.io import table
from vlcorpus.placement.keys import with_identities
from vlcorpus.stages.base import Stage, UnitCommit
from vlcorpus.stages.candidates import cut, in_order, writers
from vlcorpus.stages.import_ import Import
from vlcorpus.views.verify import verify

Pairs = list[tuple[str, str]]
Row = dict[str, Any]


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
    assert done(do(corpus, [stage])) == [f"{stage.layer(corpus).name}/00000", "candidates/all"]
    assert done(do(corpus, [stage]), "unchanged") == ["candidates/all"]
    elsewhere = Import(source=write_list(tmp_path / "moved" / "list.csv", pairs))
    assert done(do(corpus, [elsewhere]), "unchanged") == ["candidates/all"]
    changed = Import(source=write_list(tmp_path / "list.csv", [*pairs, ("http://a.test/new.jpg", "new")]))
    assert done(do(corpus, [changed]))[-1] == "candidates/all"
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


# Below: cut itself, on drawn sources, against the plain way.


@dataclass(frozen=True, kw_only=True)
class Bring(Stage):
    """Stands for a stage that brings candidates."""

    name = "import"
    makes = "candidates"


@dataclass(frozen=True)
class Case:
    """A drawn corpus: sources in the order they come, and how each is cut."""

    sources: tuple[list[Row], ...]
    against: list[Row]
    caps: dict[str, int | None]


def draw_rows(rng: random.Random, count: int) -> list[Row]:
    images, texts, refused = rng.choice((2, 15, 500)), rng.choice((2, 30)), rng.choice((0.0, 0.2))
    rows: list[Row] = []
    for _ in range(count):
        image, text = rng.randrange(images), rng.randrange(texts)
        hashed = image % 5 == 4
        rows.append(
            {
                "url": None if hashed else f"http://a.test/{image}.jpg",
                "image_hash": image.to_bytes(16, "big") if hashed else None,
                "alt_text": rng.choice((f"Text {text}", f"text  {text}")) if text else None,
                "position": rng.choice((None, 3)),
                "language_score": rng.choice((None, 0.5)),
                "optout": rng.choice((None, ["noai|meta|robots"])),
                "record_offset": rng.randrange(1_000),
                "reason": "bad_url" if rng.random() < refused else None,
            }
        )
    return rows


def draw_case(seed: int) -> Case:
    rng = random.Random(seed)
    sources = tuple(draw_rows(rng, rng.choice((0, 1, 50, 150))) for _ in range(rng.choice((1, 2, 3))))
    caps = {name: rng.choice((None, 1, 3)) for name in ("max_texts_per_image", "max_images_per_text")}
    return Case(sources, draw_rows(rng, 60) if rng.random() < 0.5 else [], caps)


def bring_parts(corpus: Corpus, source: str, rows: list[Row], rng: random.Random) -> None:
    layer = corpus.layer(f"sources/{source}")
    cuts = sorted(rng.choices(range(len(rows) + 1), k=rng.choice((0, 2))))
    for number, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(rows)], strict=True)):
        part = table.columns(rows[start:stop], "extracted")
        part = with_identities(part) if rng.random() < 0.8 else part
        with UnitCommit(Bring(), corpus, layer, f"{number:05d}", {"part": str(number)}) as commit:
            table.write(commit, f"pairs/{commit.unit}.parquet", part, "extracted")
            refused = Counter(row["reason"] for row in rows[start:stop] if row["reason"])
            commit.finish(seen=len(part), kept=len(part) - refused.total(), rejected=refused)
    with UnitCommit(Bring(), corpus, layer, "files", {}) as commit:
        commit.finish(seen=0, kept=0)


def as_seen(row: Row) -> Seen:
    text = row["alt_text"] or ""
    image = row["url"] or row["image_hash"]
    return Seen((image, text), image, " ".join(text.casefold().split()), row["reason"])


def cut_source(corpus: Corpus, source: str, **options: Any) -> tuple[int, int, Counter[str]]:
    return cut(Bring(), corpus, source, kind="list", tell=lambda seen, kept: None, **options)


def bring(path: Path, case: Case, seed: int, **options: Any) -> Corpus:
    """The corpus of a case."""
    rng = random.Random(seed)
    earlier = Corpus.create(path / "earlier")
    bring_parts(earlier, "s0", case.against, rng)
    cut_source(earlier, "s0")
    corpus = Corpus.create(path / "c", shard_rows=rng.choice((5, 30, 10_000)))
    for number, given in enumerate(case.sources):
        bring_parts(corpus, f"s{number}", given, rng)
        cut_source(corpus, f"s{number}", against=[earlier.path], **case.caps, **options)
    return corpus


@pytest.mark.parametrize("seed", range(24))
def test_candidates_are_what_the_plain_way_gives(tmp_path: Path, seed: int) -> None:
    case = draw_case(seed)
    corpus = bring(tmp_path, case, seed, memory=random.Random(seed).choice((0, 20_000, 1 << 30)))
    elsewhere = [as_seen(row) for row in case.against if row["reason"] is None]
    here: list[Seen] = []
    wanted = []
    for number, source in enumerate(case.sources):
        seen = [as_seen(row) for row in source]
        slices = place(
            seen,
            size=corpus.shard_rows,
            most_texts=case.caps["max_texts_per_image"],
            most_images=case.caps["max_images_per_text"],
            here=here,
            elsewhere=elsewhere,
        )
        here += [seen[offset] for offset, reason in sorted(flat(slices)) if reason is None]
        wanted += [(f"s{number}", place_in, rows) for place_in, rows in enumerate(slices)]
    candidates = corpus.layer("candidates")
    assert candidates.units() == tuple(f"{shard:05d}" for shard in range(len(wanted)))
    found: dict[tuple[str, bool], list[Row]] = {}
    for good, name in ((True, "candidates"), (False, "candidates-rejected")):
        for row in rows(corpus, name):
            found.setdefault((row.pop("in"), good), []).append(row)
    for shard, (source, number, slice_rows) in zip(candidates.units(), wanted, strict=True):
        stats = candidates.stats(shard)
        assert stats is not None and (stats["source"], stats["slice"]) == (source, number)
        assert stats["rejected"] == Counter(reason for _, reason in slice_rows if reason)
        for good in (True, False):
            there = found.get((shard, good), [])
            plain = [(offset, reason) for offset, reason in slice_rows if (reason is None) == good]
            assert [(row["offset"], row.get("reason")) for row in there] == plain
            for row in there:
                check_row(row, source, case.sources[int(source[1:])][row["offset"]])


def check_row(found: Row, source: str, given: Row) -> None:
    """A row has all that its source gave, and its names."""
    assert found["source"] == source
    text = given["alt_text"]
    if "reason" not in found:
        text = text or ""
    if given["reason"] is not None:
        assert found["uid"] is None and found["image_id"] is None
    elif given["url"] is not None:
        assert (found["uid"], found["image_id"]) == (uid(given["url"], text or ""), image_id(given["url"]))
    else:
        assert found["image_id"] == given["image_hash"]
        assert found["uid"] == uid(given["image_hash"].hex(), text or "")
    assert found["alt_text"] == text
    kept = ("url", "position", "language_score", "optout", "record_offset")
    assert {name: found[name] for name in kept} == {name: given[name] for name in kept}


def everything(corpus: Corpus) -> dict[str, Any]:
    """All that is written of candidates, but times."""
    candidates = corpus.layer("candidates")
    stats = {unit: dict(candidates.stats(unit) or {}) for unit in candidates.units()}
    for each in stats.values():
        for name in schema.table("stats").volatile:
            each.pop(name, None)
    return {"files": contents(corpus, "candidates"), "stats": stats}


@pytest.mark.parametrize("seed", range(6))
def test_memory_does_not_show(tmp_path: Path, seed: int) -> None:
    case = draw_case(1_000 + seed)
    calm = everything(bring(tmp_path / "a", case, seed))
    assert everything(bring(tmp_path / "b", case, seed, memory=0)) == calm
    assert everything(bring(tmp_path / "c", case, seed, memory=30_000)) == calm


@pytest.mark.parametrize("seed", range(15))
def test_what_is_lost_comes_back_the_same(tmp_path: Path, seed: int) -> None:
    """Any shards, of any source, are lost; whatever was brought in since, the same cut makes them again."""
    case = draw_case(2_000 + seed)
    corpus = bring(tmp_path, case, seed)
    calm = everything(corpus)
    rng = random.Random(seed)
    candidates = corpus.layer("candidates")
    for _ in range(3):
        source = f"s{rng.randrange(len(case.sources))}"
        for unit in candidates.units():
            stats = candidates.stats(unit)
            if stats is not None and stats["source"] == source and rng.random() < 0.5:
                candidates.path(f"{unit}.json").unlink()
                if rng.random() < 0.5:
                    candidates.path(f"{unit}.parquet").unlink()
        again = cut_source(corpus, source, against=[tmp_path / "earlier"], **case.caps, memory=rng.choice((0, 1 << 30)))
        assert everything(corpus) == calm
        own = [each for each in calm["stats"].values() if each["source"] == source]
        assert again[:2] == (sum(each["seen"] for each in own), sum(each["kept"] for each in own))
        assert again[2] == sum((Counter(each["rejected"]) for each in own), Counter())


def test_what_a_killed_cut_left_is_removed_and_nothing_is_left(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    bring_parts(corpus, "s0", draw_rows(random.Random(1), 50), random.Random(1))
    left = corpus.path / ".tmp-cut-another"
    left.mkdir()
    (left / "pairs.tmp").write_bytes(b"half")
    assert [note.what for note in verify(corpus).notes] == ["left by an interrupted run; the same command removes it"]
    cut_source(corpus, "s0", memory=0)
    assert sorted(each.name for each in corpus.path.iterdir()) == ["candidates", "corpus.yaml", "sources"]
    assert not verify(corpus).notes and not verify(corpus).findings


def test_a_part_that_cannot_be_read_leaves_nothing_behind(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    bring_parts(corpus, "s0", draw_rows(random.Random(1), 50), random.Random(1))
    corpus.layer("sources/s0").path("pairs/00000.parquet").write_bytes(b"no table")
    with pytest.raises(CorpusError, match="cannot read"):
        cut_source(corpus, "s0", memory=0)
    assert sorted(each.name for each in corpus.path.iterdir()) == ["corpus.yaml", "sources"]


def test_what_lies_beneath_a_null_does_not_show(tmp_path: Path) -> None:
    given = draw_rows(random.Random(3), 50)
    calm = []
    for path in (tmp_path / "a", tmp_path / "b"):
        corpus = Corpus.create(path, shard_rows=7)
        bring_parts(corpus, "s0", given, random.Random(path.name == "b"))
        cut_source(corpus, "s0", memory=0 if path.name == "b" else 1 << 30)
        candidates = corpus.layer("candidates")
        calm.append([(candidates.stats(unit) or {})["outputs"] for unit in candidates.units()])
    assert calm[0] == calm[1]


def test_earlier_candidates_of_an_earlier_version_are_known(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    given = [row | {"reason": None} for row in draw_rows(random.Random(2), 40)]
    bring_parts(corpus, "s0", given, random.Random(2))
    cut_source(corpus, "s0")
    path = corpus.layer("candidates").path("00000.parquet")
    old = table.read(path, "candidates").drop_columns(["text_source", "position", "optout", "source_kind"])
    pq.write_table(old.replace_schema_metadata(old.schema.metadata | {b"vlcorpus.table_version": b"1"}), path)
    bring_parts(corpus, "s1", given, random.Random(3))
    assert cut_source(corpus, "s1", max_images_per_text=5) == (40, 0, Counter(duplicate_pair=40))


@pytest.mark.parametrize("parts", [0, 1, 3])
def test_a_source_without_rows(tmp_path: Path, parts: int) -> None:
    corpus = Corpus.create(tmp_path / "c")
    for number in range(parts):
        with UnitCommit(Bring(), corpus, corpus.layer("sources/s0"), f"{number:05d}", {}) as commit:
            table.write(commit, f"pairs/{commit.unit}.parquet", table.columns([], "extracted"), "extracted")
            commit.finish(seen=0, kept=0)
    assert cut_source(corpus, "s0") == (0, 0, Counter())
    assert corpus.layer("candidates").units() == ()


@pytest.mark.parametrize("threads", [1, 3])
def test_shards_are_written_side_by_side_and_told_in_order(threads: int) -> None:
    first = threading.Event()

    def write(number: int) -> int:
        if threads > 1 and number == 0:
            assert first.wait(60)  # only another one can end this
        first.set()
        if number == 30:
            raise OSError(number)
        return number

    told: list[int] = []
    with pytest.raises(OSError, match="30"):
        for number in in_order(write, iter(range(100)), threads=threads):
            told.append(number)
    assert told == list(range(30))
    assert [writers(rows) for rows in (1, 10_000, 100_000, 1_000_000)] == [4, 4, 2, 1]
