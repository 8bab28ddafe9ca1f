from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpora import Built, do, reseal, rewrite
from vlcorpus import expression
from vlcorpus.corpus import Corpus, Layer
from vlcorpus.errors import CorpusError, SourceError, UsageError, VlcorpusError
from vlcorpus.io import table
from vlcorpus.knn.query import parse
from vlcorpus.stages import columns, samples
from vlcorpus.stages.takedown import Takedown
from vlcorpus.views.collection import Collection, Pair, open_collection
from vlcorpus.views.foreign import FolderCollection


def layer_of(corpus: Corpus) -> Layer:
    return corpus.layer(f"embeddings/{corpus.layers('embeddings')[0]}")


def metadata(corpus: Corpus) -> list[dict[str, Any]]:
    """Rows of all tables beside the vectors, in order, with their shard and place."""
    layer = layer_of(corpus)
    return [
        row | {"shard": shard, "place": place}
        for shard in layer.units()
        for place, row in enumerate(table.rows(layer.path(f"metadata/metadata_{shard}.parquet"), "embeddings-metadata"))
    ]


def one(pair: Collection, row: int, *columns: str) -> Pair:
    return pair.pairs([row], columns)[0]


def test_rows_are_numbered_through_the_shards(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    found, listed = open_collection(corpus.path), metadata(corpus)
    assert (found.rows, found.name, found.model) == (len(listed), corpus.name, corpus.layers("embeddings")[0])
    assert found.shards == corpus.layer("shards").units() and found.sides == ("image", "text")
    assert found.starts.tolist() == [0, *np.cumsum([sum(r["shard"] == s for r in listed) for s in found.shards])]
    assert found.dimension == found.searcher("text").dimension and found.notes == []
    for row, pair in enumerate(found.pairs(range(found.rows))):
        told = listed[row]
        assert (pair.row, pair.shard, pair.place) == (row, told["shard"], told["place"])
        assert (pair.uid, pair.key, pair.caption, pair.url) == tuple(told[n] for n in ("uid", "key", "caption", "url"))
        assert (pair.width, pair.height, dict(pair.more)) == (told["width"], told["height"], {})
    assert [pair.row for pair in found.pairs([5, 0, 5])] == [5, 0, 5]
    with pytest.raises(UsageError, match="no row"):
        found.pairs([found.rows])
    with pytest.raises(UsageError, match="no row"):
        found.pairs([-1])


def test_further_columns_are_those_of_the_catalogue(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    found, known = open_collection(corpus.path), columns.catalogue(corpus)
    assert found.columns() == known.types
    want = {
        row["uid"].hex(): (row["similarity"], row["short_side"])
        for shard in known.shards()
        for row in known.read(shard, ("similarity", "short_side")).to_pylist()
    }
    for pair in found.pairs(range(found.rows), ("similarity", "short_side")):
        assert (pair.more["similarity"], pair.more["short_side"]) == want[str(pair.uid)]
    with pytest.raises(UsageError, match="no column 'similarty'"):
        found.pairs([0], ["similarty"])


def test_a_pair_is_found_by_uid_beginning_and_key(small_corpus: Built) -> None:
    found, listed = open_collection(small_corpus.corpus.path), metadata(small_corpus.corpus)
    for row, told in enumerate(listed):
        assert found.row_of(told["uid"]) == found.row_of(told["uid"].upper()) == row
        assert found.row_of(told["uid"][:14]) == found.row_of(told["key"]) == row
    with pytest.raises(VlcorpusError, match="has no embedding"):
        found.row_of("0" * 32)
    with pytest.raises(UsageError, match="neither a uid nor a key"):
        found.row_of("photo.jpg")
    with pytest.raises(UsageError, match="too short"):
        found.row_of("abc")


def test_a_beginning_of_several_uids_is_refused(own_corpus: Built) -> None:
    def alike(rows: list[dict[str, Any]]) -> None:
        for number, row in enumerate(rows[:2]):
            row["uid"] = f"abcdef{number:026x}"

    layer = layer_of(own_corpus.corpus)
    rewrite(layer, "00001", "metadata/metadata_00001.parquet", alike)
    with pytest.raises(UsageError, match="2 uids begin with abcdef"):
        open_collection(own_corpus.corpus.path).row_of("abcdef")


EXPRESSIONS = (
    "similarity >= 0.0",
    "short_side >= 64 and contains(caption, 'circle')",
    "missing(similarity) or not similarity > -0.2",
    "domain(url) == 'world.test' and width between 10 and 10000",
    "key in ('00003', '00017', '00031')",
    "width < 0",
)


@pytest.mark.parametrize("where", EXPRESSIONS)
def test_a_mask_is_the_expression_of_every_row(small_corpus: Built, where: str) -> None:
    corpus = small_corpus.corpus
    found, known = open_collection(corpus.path), columns.catalogue(corpus)
    kept = set()
    for shard in known.shards():
        rows = known.read(shard, expression.names(where))
        answer = expression.compile(where, known.types).mask(rows).to_pylist()
        kept |= {uid.hex() for uid, keep in zip(rows.column("uid").to_pylist(), answer, strict=True) if keep}
    mask = found.mask(where)
    assert mask.dtype == bool and mask.tolist() == [row["uid"] in kept for row in metadata(corpus)]
    mask[:] = True  # the caller's own
    assert found.mask(where).tolist() == [row["uid"] in kept for row in metadata(corpus)]


@pytest.mark.parametrize("where", ["width >", "widht > 3", "width", "width > 'a'"])
def test_what_is_no_condition_is_refused(small_corpus: Built, where: str) -> None:
    with pytest.raises(UsageError):
        open_collection(small_corpus.corpus.path).mask(where)


def test_columns_and_pictures_follow_the_uid_where_embeddings_stand_in_another_order(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    before = open_collection(corpus.path)
    where = "similarity > 0.05"
    kept = {str(one(before, row).uid) for row in np.flatnonzero(before.mask(where))}
    bodies = {str(one(before, row).uid): before.picture(row) for row in range(before.rows)}
    assert 0 < len(kept) < before.rows
    layer = layer_of(corpus)
    for shard in layer.units():
        rows = len(np.load(layer.path(f"img_emb/img_emb_{shard}.npy")))
        order = np.random.default_rng(int(shard)).permutation(rows)
        for word in ("img", "text"):
            path = layer.path(f"{word}_emb/{word}_emb_{shard}.npy")
            np.save(path, np.load(path)[order])
        path = layer.path(f"metadata/metadata_{shard}.parquet")
        pq.write_table(pq.read_table(path).take(order), path)
        reseal(layer, shard)
    after = open_collection(corpus.path)
    assert [one(after, row).uid for row in range(3)] != [one(before, row).uid for row in range(3)]
    assert {str(one(after, row).uid) for row in np.flatnonzero(after.mask(where))} == kept
    for row in range(after.rows):
        pair = one(after, row, "similarity")
        assert after.picture(row) == bodies[str(pair.uid)]
        assert pair.more == one(before, before.row_of(str(pair.uid)), "similarity").more


def test_groups_are_those_that_were_stored(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    found, stored = open_collection(corpus.path), samples.groups(corpus, "default")
    groups = found.groups(range(found.rows))
    own = [stored.get(bytes.fromhex(row["uid"])) for row in metadata(corpus)]
    assert [number >= 0 for number in groups] == [group is not None for group in own] and (groups >= 0).any()
    for a in range(found.rows):
        assert [groups[a] >= 0 and groups[a] == other for other in groups] == [
            own[a] is not None and own[a] == other for other in own
        ]
    assert found.groups([]).tolist() == []


def test_without_stored_groups_no_pair_has_one(own_corpus: Built) -> None:
    shutil.rmtree(own_corpus.corpus.path / "duplicates")
    found = open_collection(own_corpus.corpus.path)
    assert found.groups([0, 1]).tolist() == [-1, -1]


def test_a_picture_is_the_stored_one(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    found = open_collection(corpus.path)
    stored = {pair.uid.hex(): pair.body for shard in found.shards for pair in samples.stored(corpus, shard)}
    assert found.has_pictures
    for row in range(found.rows):
        assert found.picture(row) == stored[str(one(found, row).uid)]


@pytest.mark.parametrize("path", ["../../../etc/passwd", "/etc/passwd", "00001.tar", "nothing"])
def test_a_key_that_is_not_in_the_tar_is_no_picture(own_corpus: Built, path: str) -> None:
    corpus = own_corpus.corpus
    rewrite(layer_of(corpus), "00000", "metadata/metadata_00000.parquet", lambda rows: rows[0].update(image_path=path))
    assert open_collection(corpus.path).picture(0) is None


def test_what_was_taken_down_is_gone_without_a_rebuild(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    first = metadata(corpus)[7]
    do(corpus.path, [Takedown(lists=(first["uid"],), named="one")])
    found = open_collection(corpus.path)
    removed = found.removed()
    assert removed is not None and np.flatnonzero(removed).tolist() == [7]
    assert found.picture(7) is None and found.picture(6) is not None
    assert np.isnan(found.searcher().scores(found.encode(parse(f"uid:{metadata(corpus)[6]['uid']}")[0]))[7])
    with pytest.raises(VlcorpusError, match="was taken down"):
        found.encode(parse(f"uid:{first['uid']}")[0])
    assert open_collection(corpus.path).notes == []


def cut_rows(layer: Layer) -> None:
    path = layer.path("text_emb/text_emb_00001.npy")
    np.save(path, np.load(path)[:-1])
    reseal(layer, "00001")


def cut_table(layer: Layer) -> None:
    path = layer.path("metadata/metadata_00001.parquet")
    found = pq.read_table(path)
    pq.write_table(found.slice(0, len(found) - 1), path)
    reseal(layer, "00001")


def cut_file(layer: Layer) -> None:
    path = layer.path("img_emb/img_emb_00001.npy")
    os.truncate(path, path.stat().st_size - 2)


def older(layer: Layer) -> None:
    stats = layer.stats("00001") or {}
    reseal(layer, "00001", inputs=stats["inputs"] | {"shards": "0" * 32})


def longer(layer: Layer) -> None:
    for word in ("img", "text"):
        path = layer.path(f"{word}_emb/{word}_emb_00001.npy")
        rows = np.load(path)
        np.save(path, np.concatenate([rows, rows], axis=1))
    reseal(layer, "00001")


def gone(layer: Layer) -> None:
    layer.path("img_emb/img_emb_00001.npy").unlink()


@pytest.mark.parametrize("damage", [cut_rows, cut_table, cut_file, older, longer, gone])
def test_embeddings_that_disagree_are_refused(own_corpus: Built, damage: Callable[[Layer], None]) -> None:
    damage(layer_of(own_corpus.corpus))
    with pytest.raises(CorpusError) as caught:
        open_collection(own_corpus.corpus.path)
    assert "`vlcorpus" in caught.value.hint


def test_shards_that_are_not_embedded_are_told_of(own_corpus: Built) -> None:
    layer = layer_of(own_corpus.corpus)
    layer.path(layer.marker("00001")).unlink()
    found = open_collection(own_corpus.corpus.path)
    assert "00001" not in found.shards and "1 shards are not embedded yet" in found.notes[0]


def test_neither_pairs_nor_vectors_need_torch(small_corpus: Built, tmp_path: Path) -> None:
    uid = metadata(small_corpus.corpus)[0]["uid"]
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from vlcorpus.knn.query import parse\n"
        "from vlcorpus.views.collection import open_collection\n"
        "from vlcorpus.views.searching import search\n"
        f"found = open_collection(Path({str(small_corpus.corpus.path)!r}))\n"
        f"hits = search(found, parse('+uid:{uid} -0.1*uid:{uid}'), k=3, where='width > 1', folded=False).hits\n"
        "assert len(hits) == 3 and found.can_encode\n"
        "assert found.picture(0)\n"
        "assert 'torch' not in sys.modules, 'torch'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)


def test_threads_read_what_one_reads(small_corpus: Built) -> None:
    alone = open_collection(small_corpus.corpus.path)

    def asked(found: Collection, row: int) -> tuple[object, ...]:
        pair = one(found, row, "similarity")
        return pair, found.picture(row), found.row_of(str(pair.uid)), found.mask(f"width >= {row % 3}").tolist()

    want = [asked(alone, row) for row in range(alone.rows)]
    shared = open_collection(small_corpus.corpus.path)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(2):
            assert list(pool.map(lambda row: asked(shared, row), range(alone.rows))) == want


# -- folders of clip-retrieval's


def write_folder(
    folder: Path, sizes: tuple[int, ...] = (5, 3, 7), *, dtype: str = "float16", arrow: bool = False, uid: bool = True
) -> tuple[np.ndarray, np.ndarray, list[dict[str, Any]]]:
    """A folder as clip-retrieval writes it, numbers without zeros in front; its rows in lexical order of the files."""
    rng = np.random.default_rng(len(sizes))
    names = sorted(f"{number + 8}" for number in range(len(sizes)))
    images, texts, rows = [], [], []
    for word in ("img_emb", "text_emb", "metadata"):
        (folder / word).mkdir(parents=True)
    for name, size in zip(names, sizes, strict=True):
        both = rng.standard_normal((2, size, 12))
        both = (both / np.linalg.norm(both, axis=-1, keepdims=True)).astype(dtype)
        for word, side, listed in (("img", both[0], images), ("text", both[1], texts)):
            np.save(folder / f"{word}_emb/{word}_emb_{name}.npy", side)
            listed.append(side)
        own = [
            {
                "image_path": f"/etc/{name}/{place}",
                "caption": f"picture {name} {place}",
                "url": f"http://a.test/{name}/{place}.jpg" if place else None,
                "number": len(rows) + place,
                "tags": ["a", "b"],
            }
            | ({"uid": f"{name}-{place}"} if uid else {})
            for place in range(size)
        ]
        made = pa.Table.from_pylist(own)
        if arrow:
            with pa.ipc.new_file(folder / f"metadata/{name}.arrow", made.schema) as sink:
                sink.write_table(made, max_chunksize=2)
        else:
            pq.write_table(made, folder / f"metadata/metadata_{name}.parquet", row_group_size=2)
        rows += own
    return np.concatenate(images), np.concatenate(texts), rows


@pytest.mark.parametrize("arrow", [False, True], ids=["parquet", "arrow"])
def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path, arrow: bool) -> None:
    images, texts, rows = write_folder(tmp_path / "f", arrow=arrow)
    found = open_collection(tmp_path / "f")
    assert isinstance(found, FolderCollection)
    assert (found.rows, found.dimension, found.sides, found.shards) == (15, 12, ("image", "text"), ("10", "8", "9"))
    assert found.starts.tolist() == [0, 5, 8, 15] and found.name == "f" and not found.has_pictures
    order = [14, 0, 7, 8, 3]
    assert np.array_equal(found.searcher("image").vectors(order), images[order].astype(np.float32))
    assert np.array_equal(found.searcher("text").vectors(order), texts[order].astype(np.float32))
    for pair, row in zip(found.pairs(order, ["number"]), order, strict=True):
        told = rows[row]
        assert (pair.row, pair.uid, pair.key) == (row, told["uid"], told["image_path"])
        assert (pair.caption, pair.url, pair.more) == (told["caption"], told["url"], {"number": row})
        assert found.shards.index(pair.shard) == np.searchsorted([5, 8, 15], row, side="right")
    assert found.mask("number >= 6 and not missing(url)").tolist() == [
        row["number"] >= 6 and row["url"] is not None for row in rows
    ]
    assert found.row_of("9-3") == 11 and found.groups([1, 2]).tolist() == [-1, -1]
    assert [found.picture(row) for row in range(15)] == [None] * 15  # no path of a table is followed
    assert {"number": "int64", "caption": "string"}.items() <= found.columns().items()
    with pytest.raises(UsageError, match="no column 'numbr'"):
        found.mask("numbr > 1")
    with pytest.raises(UsageError, match="no column"):
        found.pairs([0], ["numbr"])
    with pytest.raises(VlcorpusError, match="no pair 9-9"):
        found.row_of("9-9")


def test_a_folder_without_tables_uids_or_texts(tmp_path: Path) -> None:
    images, _, _ = write_folder(tmp_path / "f", uid=False, dtype="float32")
    found = open_collection(tmp_path / "f")
    with pytest.raises(UsageError, match="no uids"):
        found.row_of("9-3")
    assert one(found, 3).uid is None
    shutil.rmtree(tmp_path / "f/metadata")
    shutil.rmtree(tmp_path / "f/text_emb")
    bare = open_collection(tmp_path / "f")
    assert bare.sides == ("image",) and bare.columns() == {} and one(bare, 6).key == "8:1"
    assert np.array_equal(bare.searcher().vectors([6]), images[[6]])
    with pytest.raises(UsageError, match="no text vectors"):
        bare.searcher("text")


def test_queries_of_a_folder(tmp_path: Path) -> None:
    images, _, _ = write_folder(tmp_path / "f")
    found = open_collection(tmp_path / "f")
    assert not found.can_encode
    with pytest.raises(UsageError, match="does not say which model") as caught:
        found.encode(parse("a dog")[0])
    assert "--model" in caught.value.hint
    wide = images[11].astype(np.float64)
    assert np.allclose(found.encode(parse("uid:9-3")[0]), wide / np.linalg.norm(wide), atol=1e-6)
    np.save(tmp_path / "q.npy", 3 * np.arange(1.0, 13.0)[None])
    query = found.encode(parse(f'vector:"{tmp_path / "q.npy"}"')[0])
    assert query.dtype == np.float32 and np.allclose(query * np.linalg.norm(np.arange(1.0, 13.0)), np.arange(1.0, 13.0))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.ones(11), "shape"),
        (np.ones((2, 12)), "shape"),
        (np.ones(12, dtype=int), "int64"),
        (np.full(12, np.nan), "no direction"),
        (np.zeros(12), "no direction"),
        (np.array([{}] * 12, dtype=object), "cannot read"),
        (None, "cannot read"),
    ],
    ids=["short", "two", "ints", "nan", "zero", "objects", "none"],
)
def test_vectors_that_are_none_are_refused(tmp_path: Path, array: np.ndarray | None, said: str) -> None:
    write_folder(tmp_path / "f")
    if array is not None:
        np.save(tmp_path / "q.npy", array, allow_pickle=True)
    with pytest.raises(VlcorpusError, match=said):
        open_collection(tmp_path / "f").encode(parse(f'vector:"{tmp_path / "q.npy"}"')[0])


def fewer_texts(folder: Path) -> None:
    np.save(folder / "text_emb/text_emb_9.npy", np.zeros((6, 12), np.float16))


def fewer_descriptions(folder: Path) -> None:
    path = folder / "metadata/metadata_9.parquet"
    pq.write_table(pq.read_table(path).slice(0, 6), path)


def moved_descriptions(folder: Path) -> None:
    """The same number of rows in all, in other files."""
    first, last = (folder / f"metadata/metadata_{name}.parquet" for name in ("8", "9"))
    both = pa.concat_tables([pq.read_table(first), pq.read_table(last)])
    pq.write_table(both.slice(0, 2), first)
    pq.write_table(both.slice(2), last)


def other_dimension(folder: Path) -> None:
    np.save(folder / "img_emb/img_emb_9.npy", np.zeros((7, 13), np.float16))


def damaged_table(folder: Path) -> None:
    os.truncate(folder / "metadata/metadata_9.parquet", 100)


def damaged_array(folder: Path) -> None:
    os.truncate(folder / "img_emb/img_emb_9.npy", 100)


def pickled(folder: Path) -> None:
    np.save(folder / "img_emb/img_emb_9.npy", np.array([{}] * 7, dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    "damage",
    [fewer_texts, fewer_descriptions, moved_descriptions, other_dimension, damaged_table, damaged_array, pickled],
)
def test_a_folder_that_disagrees_is_refused(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    write_folder(tmp_path / "f")
    damage(tmp_path / "f")
    with pytest.raises((CorpusError, SourceError)):
        open_collection(tmp_path / "f")


def test_arrow_files_with_other_rows_are_refused(tmp_path: Path) -> None:
    write_folder(tmp_path / "f", arrow=True)
    (tmp_path / "f/metadata/9.arrow").unlink()
    with pytest.raises(CorpusError, match="8 rows, and the arrays 15"):
        open_collection(tmp_path / "f")


def test_neither_a_corpus_nor_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no corpus at"):
        open_collection(tmp_path)
    (tmp_path / "img_emb").mkdir()
    with pytest.raises(CorpusError, match="no vectors"):
        open_collection(tmp_path)


def indexed(folder: Path, rows: np.ndarray, kind: str) -> None:
    import faiss

    index = faiss.index_factory(rows.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    wide = rows.astype(np.float32)
    index.train(wide)
    index.add(wide)
    faiss.write_index(index, str(folder / "image.index"))


@pytest.mark.parametrize("kind", ["HNSW15", "IVF4,Flat", "OPQ4_12,IVF4,PQ4x4", "Flat"])
def test_an_index_beside_the_vectors_is_asked_and_scores_stay_exact(tmp_path: Path, kind: str) -> None:
    images, _, _ = write_folder(tmp_path / "f", (300, 200, 500))
    indexed(tmp_path / "f", images, kind)
    found, bare = open_collection(tmp_path / "f"), images.astype(np.float64)
    query = images[77].astype(np.float32) / np.linalg.norm(images[77].astype(np.float32))
    near = found.searcher().top(query, 3)
    assert near.how == "index" and near.rows[0] == 77 and found.notes == []
    assert near.scores.tolist() == (bare[near.rows] @ query.astype(np.float64)).astype(np.float32).tolist()
    assert found.searcher("text").top(query, 3).how == "scan"


@pytest.mark.parametrize("what", ["fewer", "damaged", "other"])
def test_an_index_that_does_not_fit_is_not_asked(tmp_path: Path, what: str) -> None:
    images, _, _ = write_folder(tmp_path / "f", (300, 200, 500))
    if what == "damaged":
        (tmp_path / "f/image.index").write_bytes(b"IHNf" + bytes(500))
    else:
        indexed(tmp_path / "f", images[:-1] if what == "fewer" else images[:, :6], "Flat")
    found = open_collection(tmp_path / "f")
    assert found.searcher().top(images[7].astype(np.float32), 3).how == "scan"
    assert len(found.notes) == 1 and found.notes[0].startswith("image.index cannot be used")
