"""Columns by name, wherever they lie, row for row those of the layer that holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.corpora import copy, rewrite, small
from tests.stages.given import committed, run_here
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.io import table
from vlcorpus.stages import columns, rows
from vlcorpus.stages.columns import catalogue
from vlcorpus.stages.score import Score


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return copy(small(), tmp_path).corpus


def rows_of(corpus: Corpus, layer: str, name: str, shard: str) -> list[dict[str, Any]]:
    return list(table.rows(corpus.layer(layer).path(f"{shard}.parquet"), name))


def test_every_column_is_what_its_layer_says_of_the_pair(corpus: Corpus) -> None:
    known = catalogue(corpus)
    names = ("similarity", "phash", "language", "candidates.width", "width", "original_width", "aspect", "short_side")
    for shard in known.shards():
        found = known.read(shard, names).to_pylist()
        images = [row for row in rows_of(corpus, "shards", "shards", shard) if row["status"] == "success"]
        candidates = {row["uid"]: row for row in rows_of(corpus, "candidates", "candidates", shard)}
        scores = {row["uid"]: row for row in rows_of(corpus, "scores/similarity", "score-similarity", shard)}
        hashes = {row["uid"]: row for row in rows_of(corpus, "scores/phash", "score-phash", shard)}
        assert [row["uid"].hex() for row in found] == [row["uid"] for row in images]
        for row, image in zip(found, images, strict=True):
            uid, sides = row["uid"], (image["original_width"], image["original_height"])
            assert row["similarity"] == scores[uid]["similarity"] and row["phash"] == hashes[uid]["phash"]
            assert row["language"] == candidates[uid]["language"]
            assert row["candidates.width"] == candidates[uid]["width"]
            assert (row["width"], row["original_width"]) == (image["width"], image["original_width"])
            assert (row["short_side"], row["aspect"]) == (min(sides), max(sides) / min(sides))


def test_candidates_have_all_rows_and_only_what_is_known_of_all(corpus: Corpus) -> None:
    run_here(corpus, [Score(score="text")])
    known = catalogue(corpus, "candidates")
    assert "similarity" not in known and "status" not in known and "text_words" in known
    for shard in known.shards():
        found = known.read(shard, ("caption", "text_words", "language")).to_pylist()
        want = rows_of(corpus, "candidates", "candidates", shard)
        assert [(row["uid"], row["caption"], row["language"]) for row in found] == [
            (row["uid"], row["alt_text"], row["language"]) for row in want
        ]
        assert all(row["text_words"] == len(row["caption"].split()) for row in found)
    of_images = catalogue(corpus).read(shard, ("text_words", "alt_text")).to_pylist()
    assert all(row["text_words"] == len(row["alt_text"].split()) for row in of_images)


def test_a_named_score_has_its_name_behind(corpus: Corpus) -> None:
    made = committed(run_here(corpus, [Score(score="phash", named="again")]))
    assert made and all(each.startswith("scores/phash-again/") for each in made)
    found = catalogue(corpus).read("00000", ("phash", "phash_again"))
    assert found.column("phash").equals(found.column("phash_again"))
    assert catalogue(corpus).origin("phash_again").layer == "scores/phash-again"


def test_types_are_those_of_what_is_read(corpus: Corpus) -> None:
    known = catalogue(corpus)
    found = known.read("00000", tuple(known.types))
    words = {"float": "float32", "double": "float64", "fixed_size_binary[16]": "binary16"}
    words |= {"list<element: string>": "list<string>", "list<item: string>": "list<string>"}
    words |= {"timestamp[us, tz=UTC]": "timestamp"}
    for name, kind in known.types.items():
        assert words.get(str(found.schema.field(name).type), str(found.schema.field(name).type)) == kind, name


def test_what_is_not_there_names_what_makes_it(corpus: Corpus) -> None:
    known = catalogue(corpus)
    with pytest.raises(UsageError) as raised:
        known.origin("text_words")
    assert raised.value.hint == f"make it: `vlcorpus score {corpus.path} text`"
    with pytest.raises(UsageError) as raised:
        known.origin("punsafe")
    assert "a list brings it" in raised.value.hint
    with pytest.raises(UsageError) as raised:
        known.origin("similrity")
    assert "similarity" in raised.value.hint
    assert columns.kind_that_makes("similarity") == "similarity"
    assert columns.kind_that_makes("similarity", "candidates") is None


def test_layers_that_lack_a_shard_or_have_other_rows_are_refused(corpus: Corpus) -> None:
    layer = corpus.layer("scores/similarity")
    rewrite(layer, "00000", "00000.parquet", lambda rows: rows.reverse())
    known = catalogue(corpus)
    with pytest.raises(CorpusError, match="scores/similarity is not of the pairs of shard 00000"):
        known.read("00000", ("similarity",))
    layer.path(layer.marker("00001")).unlink()
    with pytest.raises(CorpusError, match="scores/similarity has no shard 00001"):
        known.read("00001", ("similarity",))
    rewrite(corpus.layer("shards"), "00002", "00002.parquet", lambda rows: rows.reverse())
    with pytest.raises(CorpusError, match="shards/00002 is not of the candidates"):
        known.read("00002", ())


@pytest.mark.parametrize("texts", [[], ["0" * 32], ["0f" * 16, "A" * 32], ["x" * 32], ["0" * 31, "0" * 33], ["é" * 16]])
def test_uids_in_hex_are_read_as_bytes(texts: list[str]) -> None:
    found = rows.binary(pa.array(texts, pa.string()))
    try:
        want = [bytes.fromhex(text) for text in texts]
        assert all(len(each) == 16 for each in want)
    except (ValueError, AssertionError):
        want = [bytes(16)] * len(texts)
    assert found.to_pylist() == want
    assert rows.binary(pa.array(["9" * 32, *texts], pa.string()).slice(1)).to_pylist() == want


def test_the_layer_of_a_score_is_known_by_its_columns_name() -> None:
    for name, layer in (
        ("similarity", "scores/similarity"),
        ("similarity_l14", "scores/similarity-l14"),
        ("similarity-l14.similarity", "scores/similarity-l14"),
        ("nearest_similarity", "scores/nearest"),
        ("nearest_similarity_mine", "scores/nearest-mine"),
        ("detected_language_cld3", "scores/language-cld3"),
    ):
        assert columns.layer_that_makes(name) == layer
    for name in ("similarity_", "similarity_L14", "aesthetic_score", "width", "language", "clip_l14_similarity_score"):
        assert columns.layer_that_makes(name) is None
    assert columns.layer_that_makes("detected_language_cld3", "candidates") == "scores/language-cld3"
    assert columns.layer_that_makes("similarity_l14", "candidates") is None, "of images alone"
