"""Scores that came with a list stand beside its candidates, and survive a kill."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stages.running import contents, do, done, here, rows, write_list
from vlcorpus import schema
from vlcorpus.corpus import Corpus
from vlcorpus.io import table
from vlcorpus.stages import import_lists, import_scores
from vlcorpus.stages.import_ import Import
from vlcorpus.views import tables
from vlcorpus.views.verify import verify


def write_laion(path: Path, count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of which some are rejected, some repeat an image far away, and each says in its text what its scores are."""
    chance = random.Random(seed)
    listed = []
    for number in range(count):
        similarity = chance.choice([None, number / 1000])
        url = chance.choice([f"http://a.test/{number}.jpg", f"http://a.test/{chance.randrange(5)}.jpg", "data:x"])
        nsfw = chance.choice(["UNLIKELY", "NSFW", None])
        text = f"{number} {similarity} {nsfw}"
        listed.append({"URL": url, "TEXT": text, "similarity": similarity, "NSFW": nsfw, "punsafe": number / 7})
    columns = {name: [each[name] for each in listed] for name in listed[0]}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, row_group_size=13)
    return listed


def scores(corpus: Corpus) -> list[dict[str, Any]]:
    layer = corpus.layer("scores/list")
    return [row for unit in layer.units() for row in table.rows(layer.path(f"{unit}.parquet"), "score-list")]


def test_each_candidate_has_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_lists, "SPAN_ROWS", 20)
    monkeypatch.setattr(import_scores, "HELD_PARTS", 2)
    write_laion(tmp_path / "lists" / "a.parquet", 100)
    write_list(tmp_path / "lists" / "b.csv", [("http://b.test/1.jpg", "no scores here")])
    write_laion(tmp_path / "lists" / "c.parquet", 30, seed=1)
    corpus = Corpus.create(tmp_path / "c", shard_rows=15)
    here(corpus, Import(source=str(tmp_path / "lists")))
    candidates, found = rows(corpus, "candidates"), scores(corpus)
    assert [each["uid"] for each in found] == [each["uid"] for each in candidates]
    assert len(found) > 60
    for candidate, own in zip(candidates, found, strict=True):
        if candidate["source_file"] == "b.csv":
            assert set(own) - {"uid"} == {name for name, value in own.items() if value is None}
            continue
        number, similarity, nsfw = candidate["alt_text"].split()
        assert own["similarity"] == (None if similarity == "None" else pytest.approx(float(similarity)))
        assert own["nsfw"] == (None if nsfw == "None" else nsfw)
        assert own["punsafe"] == pytest.approx(int(number) / 7)
    assert corpus.layer("scores/list").units() == corpus.layer("candidates").units()
    stats = corpus.layer("scores/list").stats("00000") or {}
    assert (stats["source"], stats["model"]) == (f"sources/{corpus.layers('sources')[0]}", None)
    assert verify(corpus).findings == ()
    seen = tables.inspect(corpus.path / "scores" / "list")
    assert (seen.table, seen.rows) == ("score-list", len(found))


def test_the_model_can_be_named_later(tmp_path: Path) -> None:
    write_laion(tmp_path / "a.parquet", 20)
    corpus = Corpus.create(tmp_path / "c")
    stage = Import(source=str(tmp_path / "a.parquet"))
    do(corpus, [stage])
    before = {layer: contents(corpus, layer) for layer in ("candidates", "scores/list", stage.layer(corpus).name)}
    named = Import(source=str(tmp_path / "a.parquet"), scores_model="ViT-B-32/openai")
    assert named.layer(corpus) == stage.layer(corpus)
    assert done(do(corpus, [named])) == ["candidates/all"]
    assert (corpus.layer("scores/list").stats("00000") or {})["model"] == "ViT-B-32/openai"
    assert {layer: contents(corpus, layer) for layer in before} == before
    assert done(do(corpus, [named]), "unchanged") == ["candidates/all"]


def test_a_list_without_scores_has_none(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    do(corpus, [Import(source=write_list(tmp_path / "a.csv", [("http://a.test/1.jpg", "a")]))])
    assert corpus.layers("scores") == ()


def test_a_killed_import_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_lists, "SPAN_ROWS", 20)
    write_laion(tmp_path / "a.parquet", 60)
    corpus = Corpus.create(tmp_path / "c", shard_rows=15)
    stage = Import(source=str(tmp_path / "a.parquet"))
    here(corpus, stage)
    names = ("candidates", "scores/list", stage.layer(corpus).name)
    whole = {name: contents(corpus, name) for name in names}
    stage.layer(corpus).path("all_stats.json").unlink()
    stage.layer(corpus).path("00002.json").unlink()
    stage.layer(corpus).path("pairs/00002.parquet").write_bytes(b"half")
    corpus.layer("scores/list").path("00001.json").unlink()
    kept = stage.layer(corpus).path("pairs/00001.parquet").stat().st_mtime_ns
    here(corpus, stage)
    assert {name: contents(corpus, name) for name in names} == whole
    assert stage.layer(corpus).path("pairs/00001.parquet").stat().st_mtime_ns == kept


def test_the_tables_of_scores_say_the_same() -> None:
    ours = schema.table("score-list").columns[1:]
    assert ours == schema.table("extracted-scores").columns


def test_a_list_of_known_pairs_brings_no_scores(tmp_path: Path) -> None:
    first = [{"URL": f"http://a.test/{n}.jpg", "TEXT": str(n), "similarity": n / 10} for n in range(4)]
    pq.write_table(pa.Table.from_pylist(first), tmp_path / "a.parquet")
    pq.write_table(pa.Table.from_pylist([{**each, "similarity": 1.0} for each in first]), tmp_path / "b.parquet")
    corpus = Corpus.create(tmp_path / "c", shard_rows=15)
    for name in ("a", "b"):
        here(corpus, Import(source=str(tmp_path / f"{name}.parquet")))
    assert [each["similarity"] for each in scores(corpus)] == pytest.approx([0.0, 0.1, 0.2, 0.3])
    assert not verify(corpus).findings
