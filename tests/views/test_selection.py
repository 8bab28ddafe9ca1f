from __future__ import annotations

import io
import json
import random
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset

from tests.corpora import Built, do
from vlcorpus.errors import CorpusError, UsageError, VlcorpusError
from vlcorpus.io import table, tar
from vlcorpus.stages.export import Export
from vlcorpus.stages.takedown import Takedown
from vlcorpus.views import selected_files
from vlcorpus.views.collection import open_collection
from vlcorpus.views.corpus_collection import CorpusCollection
from vlcorpus.views.foreign import FolderCollection
from vlcorpus.views.selected_files import FORMATS, estimate, written
from vlcorpus.views.selection import Selection, of_mask, of_rows, of_scores, of_uids


def opened(built: Built) -> CorpusCollection:
    found = open_collection(built.corpus.path)
    assert isinstance(found, CorpusCollection)
    return found


def made(collection: Any, selection: Selection, format: str) -> bytes:
    return b"".join(written(collection, selection, format))


def some(collection: CorpusCollection, count: int = 25, seed: int = 1) -> Selection:
    rows = np.array(sorted(random.Random(seed).sample(range(collection.rows), count)), np.int64)
    return Selection(rows, np.linspace(-0.5, 0.9, count, dtype=np.float32))


def uids(collection: CorpusCollection, rows: Sequence[int]) -> list[str]:
    return [str(pair.uid) for pair in collection.pairs(rows)]


@pytest.mark.parametrize("floor", [None, -1.0, 0.1, 0.9])
@pytest.mark.parametrize("most", [None, 0, 1, 50, 10_000])
@pytest.mark.parametrize("masked", [False, True])
def test_scores_choose_what_a_plain_sort_chooses(floor: float | None, most: int | None, masked: bool) -> None:
    draw = np.random.default_rng(5)
    scores = np.round(draw.uniform(-1, 1, 2_000), 2).astype(np.float32)  # with many ties
    scores[draw.random(2_000) < 0.1] = np.nan
    mask = draw.random(2_000) < 0.5 if masked else None
    found = of_scores(scores, mask_N=mask, floor=floor, most=most)
    rows = [
        row
        for row in range(2_000)
        if not np.isnan(scores[row])
        and (floor is None or scores[row] >= np.float32(floor))
        and (mask is None or mask[row])
    ]
    if most is not None:
        rows = sorted(sorted(rows, key=lambda row: (-scores[row], row))[:most])
    assert found.rows_M.tolist() == rows
    assert found.similarity_M is not None and found.similarity_M.tolist() == scores[rows].tolist()


def test_a_mask_chooses_its_rows() -> None:
    mask, removed = np.array([1, 0, 1, 1, 1], bool), np.array([0, 0, 1, 0, 0], bool)
    assert of_mask(mask).rows_M.tolist() == [0, 2, 3, 4]
    assert of_mask(mask, removed_N=removed, most=2).rows_M.tolist() == [0, 3]


def test_uids_are_found_in_corpus_order_each_once(small_corpus: Built) -> None:
    collection = opened(small_corpus)
    rows = random.Random(2).sample(range(collection.rows), 20)
    named = uids(collection, rows)
    assert of_uids(collection, [*named, named[3].upper(), f" {named[4]} "]).rows_M.tolist() == sorted(rows)
    assert of_uids(collection, []).rows_M.tolist() == []


def test_uids_without_a_row_are_named(small_corpus: Built) -> None:
    collection = opened(small_corpus)
    fetched = table.rows(small_corpus.corpus.layer("shards").path("00000.parquet"), "shards")
    failed = next(row["uid"] for row in fetched if row["status"] != "success")
    with pytest.raises(VlcorpusError, match=failed):
        of_uids(collection, [*uids(collection, [0, 1]), failed])
    for wrong in ("xyz", "0123", "é" * 32, "0" * 31 + "g"):
        with pytest.raises(UsageError):
            of_uids(collection, [wrong])
    for row in (-1, collection.rows, 2**80):
        with pytest.raises(UsageError):
            of_rows(collection, [0, row])


def test_uids_are_a_line_each(small_corpus: Built) -> None:
    collection = opened(small_corpus)
    selection = some(collection)
    lines = made(collection, selection, "uids").decode().splitlines()
    assert lines == uids(collection, selection.rows_M.tolist())
    assert estimate(collection, selection, "uids") == 33 * len(selection) == len("\n".join(lines)) + 1


def test_lines_of_json_and_the_table_say_the_same(small_corpus: Built) -> None:
    collection = opened(small_corpus)
    corpus, selection = small_corpus.corpus, some(collection)
    lines = [json.loads(line) for line in made(collection, selection, "jsonl").splitlines()]
    read = pq.read_table(pa.BufferReader(made(collection, selection, "parquet")))
    stored = {
        (shard, row["uid"].hex()): row["similarity"]
        for shard in collection.shards
        for row in table.rows(corpus.layer("scores/similarity").path(f"{shard}.parquet"), "score-similarity")
    }
    hashes = {
        row["uid"].hex(): row["phash"]
        for shard in collection.shards
        for row in table.rows(corpus.layer("scores/phash").path(f"{shard}.parquet"), "score-phash")
    }
    assert len(lines) == len(selection) == len(read)
    assert selection.similarity_M is not None
    pairs = collection.pairs(selection.rows_M.tolist())
    for line, row, pair, near in zip(lines, read.to_pylist(), pairs, selection.similarity_M.tolist(), strict=True):
        assert (row["uid"], row["key"], row["url"], row["caption"]) == (pair.uid, pair.key, pair.url, pair.caption)
        assert row["similarity"] == stored[pair.shard, str(pair.uid)] and row["query_similarity"] == near
        assert row["phash"] == hashes[str(pair.uid)]
        assert line == {name: value for name, value in row.items() if value is not None}
    assert read.schema.field("similarity").type == pa.float32() and read.schema.field("phash").type == pa.uint64()


def test_explicit_pairs_have_no_similarity_to_a_query(small_corpus: Built) -> None:
    collection = opened(small_corpus)
    selection = of_rows(collection, [3, 1])
    lines = [json.loads(line) for line in made(collection, selection, "jsonl").splitlines()]
    assert all("query_similarity" not in line and "similarity" in line for line in lines) and len(lines) == 2
    read = pq.read_table(pa.BufferReader(made(collection, selection, "parquet")))
    assert read.column("query_similarity").null_count == 2


def test_webdataset_reads_the_tar(small_corpus: Built, tmp_path: Path) -> None:
    collection = opened(small_corpus)
    selection = some(collection)
    path = tmp_path / "subset.tar"
    path.write_bytes(made(collection, selection, "webdataset"))
    samples = list(webdataset.WebDataset(str(path), shardshuffle=False))
    pairs = collection.pairs(selection.rows_M.tolist())
    assert len(samples) == len(pairs) == len(list(tar.read_samples(path)))
    assert selection.similarity_M is not None
    for number, (sample, pair) in enumerate(zip(samples, pairs, strict=True)):
        about = json.loads(sample["json"])
        assert sample["__key__"] == about["key"] == f"00000{number:02d}"
        assert sample["txt"].decode() == about["caption"] == pair.caption
        assert (about["uid"], about["url"]) == (pair.uid, pair.url)
        assert sample["jpg"] == collection.picture(pair.row)
        assert about["query_similarity"] == float(selection.similarity_M[number])
    size = estimate(collection, selection, "webdataset")
    assert size is not None and 0.5 < size / path.stat().st_size < 2


def test_samples_are_those_that_export_writes(own_corpus: Built, tmp_path: Path) -> None:
    """The same pairs, exported by the stage, have the same members."""
    built = own_corpus
    collection = opened(built)
    do(built.corpus.path, [Export(out=str(tmp_path / "out"), decision="filtered", shard_rows=1_000)])
    exported = list(tar.read_samples(tmp_path / "out/all/00000.tar"))
    wanted = [json.loads(sample.members["json"])["uid"] for sample in exported]
    path = tmp_path / "subset.tar"
    path.write_bytes(made(collection, of_uids(collection, wanted), "webdataset"))
    found = list(tar.read_samples(path))
    for one, other in zip(exported, found, strict=True):
        assert one.members.keys() == other.members.keys()
        told, expected = json.loads(other.members["json"]), json.loads(one.members["json"])
        del told["key"], expected["key"]
        assert told == expected
        assert {name: body for name, body in one.members.items() if name != "json"} == {
            name: body for name, body in other.members.items() if name != "json"
        }


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_selection_gives_the_same_bytes(small_corpus: Built, format: str) -> None:
    collection = opened(small_corpus)
    selection = some(collection)
    first = made(collection, selection, format)
    assert first == made(opened(small_corpus), selection, format) and first
    if format == "webdataset":
        with tarfile.open(fileobj=io.BytesIO(first)) as read:
            assert {(each.mtime, each.uid, each.uname, each.mode) for each in read} == {(0, 0, "", 0o444)}


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_selected_is_a_whole_file(small_corpus: Built, tmp_path: Path, format: str) -> None:
    collection = opened(small_corpus)
    found = made(collection, of_rows(collection, []), format)
    if format == "parquet":
        assert len(pq.read_table(pa.BufferReader(found))) == 0
    elif format == "webdataset":
        (tmp_path / "x.tar").write_bytes(found)
        assert list(tar.read_samples(tmp_path / "x.tar")) == []
    else:
        assert found == b""


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_taken_down_is_in_no_file(own_corpus: Built, format: str) -> None:
    """Also where it was chosen before."""
    collection = opened(own_corpus)
    selection = some(collection)
    gone = uids(collection, selection.rows_M.tolist())[::5]
    before = made(collection, selection, format)
    do(own_corpus.corpus.path, [Takedown(lists=tuple(gone))])
    for reader in (collection, opened(own_corpus)):
        after = made(reader, selection, format)
        assert len(after) < len(before)
        found = named(after, format)
        assert not set(found) & set(gone)
        assert sorted([*found, *gone]) == sorted(uids(collection, selection.rows_M.tolist()))
    again = opened(own_corpus)
    assert set(uids(again, of_uids(again, named(before, format)).rows_M.tolist())) == set(found)


def named(body: bytes, format: str) -> list[str]:
    """The uids of a file."""
    if format == "uids":
        return body.decode().split()
    if format == "jsonl":
        return [json.loads(line)["uid"] for line in body.splitlines()]
    if format == "parquet":
        return [str(uid) for uid in pq.read_table(pa.BufferReader(body)).column("uid").to_pylist()]
    with tarfile.open(fileobj=io.BytesIO(body)) as read:
        members = [each for each in read if each.name.endswith(".json")]
        return [json.load(read.extractfile(each))["uid"] for each in members]  # type: ignore[arg-type]


def test_blocks_are_small_and_their_size_changes_nothing(small_corpus: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = opened(small_corpus)
    selection = of_rows(collection, range(collection.rows))
    whole = {format: made(collection, selection, format) for format in ("uids", "jsonl", "webdataset")}
    monkeypatch.setattr(selected_files, "BLOCK", 3)
    monkeypatch.setattr(selected_files, "_CHUNK", 1)
    for format, body in whole.items():
        chunks = list(written(collection, selection, format))
        assert b"".join(chunks) == body and len(chunks) > 10 and max(map(len, chunks)) < 100_000
    read = pq.read_table(pa.BufferReader(made(collection, selection, "parquet")))
    assert read.column("uid").to_pylist() == whole["uids"].decode().split()


def test_a_damaged_shard_ends_the_tar_with_an_error(own_corpus: Built) -> None:
    collection = opened(own_corpus)
    selection = of_rows(collection, range(collection.rows))
    own_corpus.corpus.layer("shards").path("00002.tar").write_bytes(b"\x00" * 600)
    with pytest.raises(VlcorpusError):
        made(collection, selection, "webdataset")
    own_corpus.corpus.layer("shards").path("00002.tar").unlink()
    with pytest.raises(CorpusError):
        estimate(collection, selection, "webdataset")


def folder(path: Path, uids: Sequence[str | None] | None) -> FolderCollection:
    """What clip-retrieval leaves of three strangers' pairs, with a column more than ours."""
    for name in ("img_emb", "metadata"):
        (path / name).mkdir()
    np.save(path / "img_emb/img_emb_0.npy", np.eye(3, 8, dtype=np.float16))
    columns = {
        "image_path": pa.array(["a.jpg", "../../b.jpg", "c.jpg"]),
        "caption": pa.array(["a\ncat\x1b", "b", "c"]),
        "punsafe": pa.array([0.5, float("nan"), None], pa.float32()),
        "tags": pa.array([["x"], [], None]),
    }
    if uids is not None:
        columns["uid"] = pa.array(uids, pa.string())
    pq.write_table(pa.table(columns), path / "metadata/metadata_0.parquet")
    return FolderCollection(path)


def test_a_folder_gives_lists_and_no_pictures(tmp_path: Path) -> None:
    foreign = folder(tmp_path, ["x:A", "x:1", "x:2"])
    selection = of_uids(foreign, ["x:A"])
    assert selection.rows_M.tolist() == [0] and made(foreign, selection, "uids") == b"x:A\n"
    line = made(foreign, selection, "jsonl")
    assert line.count(b"\n") == 1
    own = {"uid": "x:A", "key": "a.jpg", "caption": "a\ncat\x1b"}
    assert json.loads(line) == own | {"image_path": "a.jpg", "punsafe": 0.5}
    lines = made(foreign, of_rows(foreign, range(3)), "jsonl").splitlines()
    assert ["punsafe" in json.loads(each) for each in lines] == [True, False, False]
    read = pq.read_table(pa.BufferReader(made(foreign, selection, "parquet")))
    assert read.column("punsafe").to_pylist() == [0.5] and "tags" not in read.column_names
    with pytest.raises(UsageError, match="no stored images"):
        written(foreign, selection, "webdataset")
    with pytest.raises(UsageError):
        written(foreign, selection, "zip")
    with pytest.raises(VlcorpusError, match="no embedding of x:9"):
        of_uids(foreign, ["x:9"])
    assert estimate(foreign, selection, "jsonl") is None


@pytest.mark.parametrize("uids", [None, [None] * 3, [""] * 3, ["a\nb"] * 3, ["x" * 200] * 3])
def test_uids_that_are_no_line_are_refused(tmp_path: Path, uids: Sequence[str | None] | None) -> None:
    foreign = folder(tmp_path, uids)
    with pytest.raises(VlcorpusError):
        made(foreign, of_rows(foreign, [0]), "uids")
