from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpora import Built
from vlcorpus.errors import VlcorpusError
from vlcorpus.views import tables
from vlcorpus.views.browsing import LONGEST_PATH, folder_tables, layers, located, signature
from vlcorpus.views.rows import opened
from vlcorpus.views.status import status


def test_layers_are_told_as_status_tells_them(small_corpus: Built) -> None:
    told = status(small_corpus.corpus).layers
    found = layers(small_corpus.corpus)
    assert [each.layer for each in found] == [each.name for each in told]
    for shelf, each in zip(found, told, strict=True):
        assert (shelf.units, shelf.seen, shelf.kept, shelf.rejected, shelf.bytes) == (
            each.units, each.seen, each.kept, each.rejected, each.bytes,
        )  # fmt: skip
    shards = next(each for each in found if each.layer == "shards")
    assert sum(shards.rejected.values()) == shards.seen - shards.kept > 0


def test_every_table_of_the_corpus_lies_in_a_layer_and_opens(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    found = {each.path: each for shelf in layers(corpus) for each in shelf.tables}
    assert found == {each.path: each for each in tables.listing(corpus.path)}
    for path, each in found.items():
        assert opened(located(corpus.path, path)).rows == each.rows


def test_a_layer_is_listed_again_only_once_it_was_committed_again(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    known: dict[str, Any] = {}
    first = layers(corpus, known)
    assert all(one is other for one, other in zip(first, layers(corpus, known), strict=True))
    layer = corpus.layer("splits/default")
    stats = layer.path(layer.marker("00001"))
    stats.write_text(stats.read_text().replace('"seen"', '"seen" '))
    again = {each.layer: each for each in layers(corpus, known)}
    assert [each.layer for each in first if again[each.layer] is not each] == ["splits/default"]
    assert signature(layer) == known["splits/default"][0]


def test_damaged_stats_and_unreadable_tables_are_counted(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    corpus.layer("shards").path("00001_stats.json").write_text("{")
    corpus.layer("scores/phash").path("00002.parquet").write_bytes(b"PAR1")
    found = {each.layer: each for each in layers(corpus)}
    assert found["shards"].damaged == ("00001",) and found["shards"].units == 3
    assert found["scores/phash"].tables[0].unreadable == ("00002.parquet",)


def test_a_folder_that_is_no_corpus_has_its_tables(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    folder = corpus.path / "embeddings" / corpus.layers("embeddings")[0]
    found = folder_tables(folder)
    assert [(each.layer, each.tables[0].table) for each in found] == [("metadata", "embeddings-metadata")]
    assert opened(located(folder / "metadata", ".")).rows == found[0].seen


@pytest.mark.parametrize(
    "path",
    [
        "", "/etc", "/etc/passwd", "..", "../outside", "shards/..", "shards/../../outside/x.parquet", "./shards",
        "shards//00000.parquet", "shards/", "shards\\00000.parquet", ".lock", ".hidden/x.parquet", "shards/.x.parquet",
        "shards/00000.tar", "shards/00000_stats.json", "corpus.yaml", "nowhere", "probes", "shards/\0.parquet",
        "shards/\ud800", "x" * (LONGEST_PATH + 1), "/".join(["x"] * 400), "y" * 300,
    ],
)  # fmt: skip
def test_what_names_no_table_of_the_corpus_is_refused(own_corpus: Built, path: str) -> None:
    corpus = own_corpus.corpus
    (corpus.path.parent / "outside").mkdir()
    for place in (corpus.path.parent / "outside/x.parquet", corpus.path / "shards/.x.parquet"):
        pq.write_table(pa.table({"secret": [1]}), place)
    with pytest.raises(VlcorpusError) as caught:
        located(corpus.path, path)
    assert str(corpus.path.parent) not in caught.value.message + caught.value.hint


def test_links_that_lead_out_of_the_corpus_are_refused(own_corpus: Built, tmp_path: Path) -> None:
    corpus = own_corpus.corpus
    secret = tmp_path / "secret"
    secret.mkdir()
    pq.write_table(pa.table({"secret": [1]}), secret / "s.parquet")
    (corpus.path / "linked").symlink_to(secret)
    (corpus.path / "scores/phash/99999.parquet").symlink_to(secret / "s.parquet")
    (corpus.path / "circle").symlink_to(corpus.path / "circle")
    for path in ("linked", "linked/s.parquet", "scores/phash", "scores/phash/99999.parquet", "circle", "circle/x"):
        with pytest.raises(VlcorpusError, match="no table at that path"):
            located(corpus.path, path)
    listed = next(each for each in layers(corpus) if each.layer == "scores/phash").tables[0]
    assert listed.unreadable == ("99999.parquet",) and "secret" not in str(listed)


def test_links_within_the_corpus_are_followed(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    (corpus.path / "again").symlink_to(corpus.path / "shards")
    assert [file.name for file in located(corpus.path, "again")] == [f"{n:05d}.parquet" for n in range(4)]


def test_a_pipe_is_no_table(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    os.mkfifo(corpus.path / "shards/pipe.parquet")
    assert len(located(corpus.path, "shards")) == 4
    with pytest.raises(VlcorpusError):
        located(corpus.path, "shards/pipe.parquet")


def test_a_corpus_behind_a_link_is_itself(small_corpus: Built, tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to(small_corpus.corpus.path)
    assert len(located(tmp_path / "here", "decisions/filtered")) == 4
