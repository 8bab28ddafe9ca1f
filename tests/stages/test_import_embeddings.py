"""Embeddings that came with a list: each pair gets its own vectors, and all that follows takes them as any others."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stages.given import Given, give, picture, run_here, write_probe
from tests.stages.running import contents, do, done, here, quiet, rows
from tests.views.imported import Row, write_tool_shard
from tests.web.vectors import drawn, write_numbered, write_packed, write_table
from vlcorpus import schema
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, SourceError, UsageError
from vlcorpus.images.prepare import ImageSettings
from vlcorpus.io import table, vectors
from vlcorpus.knn.query import parse
from vlcorpus.stages import shards
from vlcorpus.stages.base import UnitCommit
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.import_ import Import
from vlcorpus.stages.import_embeddings import ImportEmbeddings
from vlcorpus.stages.index import Index
from vlcorpus.stages.outcome import Fetched
from vlcorpus.stages.score import Score
from vlcorpus.stages.vector_rows import WAYS, Pairs, find
from vlcorpus.views.collection import open_collection
from vlcorpus.views.searching import Hit, search
from vlcorpus.views.verify import verify
from vlcorpus.web.folders.vectors import described, look

TEXTS = ["a dog", "a cat", "a car", "a dog", "", "é", "a boat", "a cat"]


def tool_rows(start: int, count: int) -> list[Row]:
    """Every fourth could not be had."""
    return [
        Row(f"http://a.test/{n}.jpg", TEXTS[n % 8], b"" if n % 4 == 3 else picture(n))
        for n in range(start, start + count)
    ]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """What img2dataset fetched: two shards, taken over as they stand, 9 pairs with images."""
    for shard in range(2):
        write_tool_shard(tmp_path / "tool", f"{shard:05d}", tool_rows(6 * shard, 6))
    made = Corpus.create(tmp_path / "c", shard_rows=6)
    do(made, [Import(source=str(tmp_path / "tool"))])
    assert [(made.layer("shards").stats(unit) or {})["taken"] for unit in made.layer("shards").units()] == [
        "linked"
    ] * 2
    return made


def pairs(corpus: Corpus) -> list[dict[str, Any]]:
    """The pairs with images, in order, with what the list called them."""
    given = [row["given_uid"] for row in rows(corpus, "candidates")]
    listed = zip(rows(corpus, "shards"), given, strict=True)
    return [row | {"given_uid": uid} for row, uid in listed if row["status"] == "success"]


def stored(corpus: Corpus, layer: str) -> tuple[Any, Any, list[dict[str, Any]]]:
    """All vectors and metadata of a layer, shard after shard."""
    place = corpus.layer(layer)
    sides = (
        np.concatenate([vectors.read(place.path(f"{side}_emb/{side}_emb_{unit}.npy")) for unit in place.units()])
        for side in ("img", "text")
    )
    about = [
        row
        for unit in place.units()
        for row in table.rows(place.path(f"metadata/metadata_{unit}.parquet"), "embeddings-metadata")
    ]
    return *sides, about


TABLES: dict[str, tuple[tuple[str, str], ...]] = {
    "uid": (("uid", "uid"),),
    "url and text": (("URL", "url"), ("TEXT", "caption"), ("uid", "key")),
    "given uid and text": (("key", "given_uid"), ("caption", "caption")),
    "image path and text": (("image_path", "given_uid"), ("caption", "caption")),
}
"""Way -> the columns of a table that is found so: (its name, what of the pair stands there)."""


def write_given(
    folder: Path, listed: Sequence[dict[str, Any]], columns: Sequence[tuple[str, str]], *, files: int = 3, seed: int = 1
) -> dict[str, tuple[Any, Any]]:
    """Vectors of pairs in clip-retrieval's layout, in any order, among others. Returns uid -> (image, text)."""
    order = list(listed)
    random.Random(seed).shuffle(order)
    image, text = drawn(len(order) + files, 8, seed), drawn(len(order) + files, 8, seed + 100)
    expected = {row["uid"]: (image[n], text[n]) for n, row in enumerate(order)}
    order += [
        {name: f"another {n} {name}" for name in ("url", "caption", "uid", "key", "given_uid", "image_key")}
        for n in range(files)
    ]
    for number in range(files):
        own = range(number, len(order), files)
        about = [{theirs: order[n][ours] for theirs, ours in columns} for n in own]
        write_numbered(folder, number, about, image[own], text[own])
    return expected


@pytest.mark.parametrize("way", TABLES)
def test_every_pair_gets_its_own_vectors(corpus: Corpus, tmp_path: Path, way: str) -> None:
    expected = write_given(tmp_path / "given", pairs(corpus), TABLES[way])
    assert done(do(corpus, [ImportEmbeddings(folders=(str(tmp_path / "given"),))])) == ["embeddings/all"]
    image, text, about = stored(corpus, "embeddings/given.given")
    assert [row["uid"] for row in about] == [row["uid"] for row in pairs(corpus)]
    np.testing.assert_array_equal(image, [expected[row["uid"]][0] for row in about])
    np.testing.assert_array_equal(text, [expected[row["uid"]][1] for row in about])
    stats = corpus.layer("embeddings/given.given").stats("all") or {}
    assert (stats["matched"], stats["seen"], stats["kept"], stats["dimension"]) == (way, 9, 9, 8)
    assert verify(corpus).findings == ()


def test_the_layer_is_what_embed_makes(corpus: Corpus, tmp_path: Path) -> None:
    """What `embed` made, given as another tool's output in other files, comes back byte for byte."""
    embed = Embed(model=write_probe(tmp_path / "p"))
    run_here(corpus, [embed])
    own = f"embeddings/{corpus.layers('embeddings')[0]}"
    image, text, about = stored(corpus, own)
    order = np.random.default_rng(1).permutation(len(about))
    for number, part in enumerate(np.array_split(order, 4)):
        write_numbered(tmp_path / "given", number, [about[n] for n in part], image[part], text[part], digits=4)
    here(corpus, ImportEmbeddings(folders=(str(tmp_path / "given"),)))
    assert contents(corpus, "embeddings/given.given") == contents(corpus, own)
    here(corpus, ImportEmbeddings(folders=(str(corpus.layer(own).folder),), model="again/once"))
    assert contents(corpus, "embeddings/again.once.given") == contents(corpus, own)


def test_scores_and_decisions_follow_at_once(corpus: Corpus, tmp_path: Path) -> None:
    expected = write_given(tmp_path / "given", pairs(corpus), TABLES["url and text"])
    given = ImportEmbeddings(folders=(str(tmp_path / "given"),), model="ViT-B-32/openai")
    do(corpus, [given, Score(score="similarity"), Filter(min_sim=0.0), Index()])
    found = {
        row["uid"].hex(): row["similarity"]
        for unit in corpus.layer("scores/similarity").units()
        for row in table.rows(corpus.layer("scores/similarity").path(f"{unit}.parquet"), "score-similarity")
    }
    for uid, (image, text) in expected.items():
        image, text = image.astype(np.float64), text.astype(np.float64)
        want = image @ text / np.linalg.norm(image) / np.linalg.norm(text)
        assert found[uid] == pytest.approx(want, abs=1e-6)
    stats = corpus.layer("decisions/similarity-0").stats("all") or {}
    assert stats["model"] == "ViT-B-32.openai.given" and stats["kept"] == sum(value >= 0 for value in found.values())
    assert corpus.layers("index") == ("ViT-B-32.openai.given",)
    assert verify(corpus).findings == ()
    uid = pairs(corpus)[2]["uid"]
    found = search(open_collection(corpus.path), parse(f"uid:{uid}"), k=3).hits
    assert found and uid not in [hit.uid for hit in found]


def test_a_text_is_searched_with_the_model_that_was_named(corpus: Corpus, tmp_path: Path) -> None:
    probe = write_probe(tmp_path / "p")
    run_here(corpus, [Embed(model=probe)])
    own = corpus.layers("embeddings")[0]
    here(corpus, ImportEmbeddings(folders=(str(corpus.layer(f"embeddings/{own}").folder),), model=probe))
    named = next(name for name in corpus.layers("embeddings") if name.endswith(".given"))

    def dogs(model: str) -> tuple[Hit, ...]:
        return search(open_collection(corpus.path, model=model), parse("a dog"), k=5).hits

    want = dogs(own)
    assert dogs(named) == want
    shutil.rmtree(corpus.layer(f"embeddings/{own}").folder)
    assert dogs(probe) == want
    here(corpus, ImportEmbeddings(folders=(str(corpus.layer(f"embeddings/{named}").folder),), model=None))
    with pytest.raises(UsageError, match=r"the model that made .* is not known"):
        dogs(next(each for each in corpus.layers("embeddings") if each != named))


def fetched(corpus: Corpus) -> None:
    """What download would make of all candidates, every third image of a shard lost."""
    layer = corpus.layer("candidates")
    for unit in layer.units():
        listed = table.read(layer.path(f"{unit}.parquet"), "candidates").to_pylist()

        def fetch(wanted: list[int]) -> Iterator[tuple[int, Fetched]]:
            for number in wanted:
                lost = number % 3 == 2
                yield number, Fetched(reason="timeout") if lost else Fetched(body=picture(number))

        inputs = {"candidates": layer.digest(unit)}
        commit = UnitCommit(Import(source="given"), corpus, corpus.layer("shards"), unit, inputs)
        shards.write(commit, corpus, unit, listed, shards.made(fetch, ImageSettings(image_size=32)), quiet)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("columns", [("uid", "url", "text"), ("uid",)])
def test_datacomps_list_and_arrays(tmp_path: Path, columns: tuple[str, ...], packed: bool) -> None:
    """The list is imported and downloaded; then its arrays are brought, which are wanted too early before."""
    expected = {}
    for number in range(3):
        listed = [
            {"uid": f"{100 * number + n:032x}", "url": f"http://a.test/{number}/{n}.jpg", "text": TEXTS[n]}
            for n in range(6)
        ]
        write_table(tmp_path / "list" / f"{number:05x}.parquet", listed)
        b32, l14 = ((drawn(6, size, number), drawn(6, size, 50 + number)) for size in (8, 16))
        told = [{name: row[name] for name in columns} for row in listed]
        write_packed(tmp_path / "given", f"{number:05x}", told, packed=packed, b32=b32, l14=l14)
        expected |= {row["uid"]: (l14[0][n], l14[1][n]) for n, row in enumerate(listed)}
    corpus = Corpus.create(tmp_path / "c", shard_rows=4)
    do(corpus, [Import(source=str(tmp_path / "list"))])
    stage = ImportEmbeddings(folders=(str(tmp_path / "given"),), arrays="l14")
    with pytest.raises(CorpusError, match="has an image yet") as early:
        do(corpus, [stage])
    assert early.value.hint.startswith(f"download first: `vlcorpus download {corpus.path}`")
    assert corpus.layers("embeddings") == ()
    fetched(corpus)
    do(corpus, [stage])
    image, text, about = stored(corpus, "embeddings/l14.given")
    uids = [row["given_uid"] for row in pairs(corpus)]
    assert len(about) == len(uids) == 18 - 4
    np.testing.assert_array_equal(image, [expected[uid][0] for uid in uids])
    np.testing.assert_array_equal(text, [expected[uid][1] for uid in uids])
    with pytest.raises(UsageError, match="b32, l14"):
        do(corpus, [ImportEmbeddings(folders=(str(tmp_path / "given"),))])


def test_a_corpus_of_ours_embedded_by_another_tool(tmp_path: Path) -> None:
    """Tables that name samples by their keys, as clip-retrieval writes them of shards/."""
    corpus = Corpus.create(tmp_path / "c", shard_rows=100)
    given = [Given(f"http://a.test/{n}.jpg", TEXTS[n % 8], picture(n)) for n in range(6)]
    give(corpus, "00000", given)
    give(corpus, "00001", [Given(f"http://b.test/{n}.jpg", "a dog", picture(n)) for n in range(6)])
    expected = write_given(tmp_path / "given", pairs(corpus), (("image_path", "image_key"), ("caption", "caption")))
    do(corpus, [ImportEmbeddings(folders=(str(tmp_path / "given"),))])
    image, _, about = stored(corpus, "embeddings/given.given")
    np.testing.assert_array_equal(image, [expected[row["uid"]][0] for row in about])
    assert (corpus.layer("embeddings/given.given").stats("all") or {})["matched"] == "key and text"


def test_pairs_without_a_vector_are_refused_or_null(corpus: Corpus, tmp_path: Path) -> None:
    listed = pairs(corpus)
    lost = {listed[1]["uid"], listed[7]["uid"]}
    write_given(tmp_path / "given", [row for row in listed if row["uid"] not in lost], TABLES["uid"])
    stage = ImportEmbeddings(folders=(str(tmp_path / "given"),))
    with pytest.raises(SourceError, match=r"2 of 9 pairs have no vector .*, the first in shard 00000") as told:
        do(corpus, [stage])
    assert "--missing null" in told.value.hint and corpus.layers("embeddings") == ()
    null = ImportEmbeddings(folders=stage.folders, missing="null")
    do(corpus, [null, Score(score="similarity"), Filter(min_sim=-1.0)])
    layer = corpus.layer("embeddings/given.given")
    assert [(layer.stats(unit) or {})["rejected"] for unit in layer.units()] == [{"no_vector": 1}] * 2
    image, text, about = stored(corpus, layer.name)
    gone = [row["uid"] in lost for row in about]
    assert np.isnan(image).all(1).tolist() == np.isnan(text).all(1).tolist() == gone
    assert (corpus.layer("decisions/similarity--1").stats("all") or {})["rejected"] == {"missing_score": 2}
    found = verify(corpus)
    assert found.findings == ()
    assert {note.what for note in found.notes} == {"no vector was given for 1 rows; their score is missing"}


def test_vectors_without_direction_are_counted(corpus: Corpus, tmp_path: Path) -> None:
    write_given(tmp_path / "given", pairs(corpus), TABLES["uid"], files=1)
    image = np.load(tmp_path / "given/img_emb/img_emb_0.npy")
    text = np.load(tmp_path / "given/text_emb/text_emb_0.npy")
    image[0], image[1, 2], text[1], text[2] = 0, np.nan, np.inf, 0
    image[3] *= 100
    write_numbered(tmp_path / "given", 0, pq.read_table(tmp_path / "given/metadata/metadata_0.parquet").to_pylist(),
                   image, text)  # fmt: skip
    do(corpus, [ImportEmbeddings(folders=(str(tmp_path / "given"),))])
    stats = corpus.layer("embeddings/given.given").stats("all") or {}
    assert (stats["kept"], stats["rejected"]) == (6, {"bad_vector": 3})
    assert set(stats["rejected"]) <= set(schema.reasons()["embeddings"])
    made, _, _ = stored(corpus, "embeddings/given.given")
    norms = np.linalg.norm(made.astype(np.float32), axis=1)
    assert np.isnan(norms).sum() == 2 and np.nanmax(np.abs(norms - 1)) < 2e-3
    assert verify(corpus).findings == ()


def test_embeddings_of_something_else_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    write_given(tmp_path / "given", [], TABLES["url and text"])
    for missing in ("refuse", "null"):
        with pytest.raises(SourceError, match="names none of the 9 pairs"):
            do(corpus, [ImportEmbeddings(folders=(str(tmp_path / "given"),), missing=missing)])
    assert corpus.layers("embeddings") == ()
    with pytest.raises(SourceError, match="no folder of embeddings"):
        do(corpus, [ImportEmbeddings(folders=(str(tmp_path / "nowhere"),))])
    with pytest.raises(UsageError, match="no embeddings are named"):
        do(corpus, [ImportEmbeddings(folders=())])


def test_short_identifiers_are_not_believed_without_words(corpus: Corpus, tmp_path: Path) -> None:
    """Keys as 000000012 are in every list: here those of another one, with other words or with none."""
    listed = [row | {"caption": "other words"} for row in pairs(corpus)]
    write_given(tmp_path / "given", listed, TABLES["image path and text"])
    write_given(tmp_path / "bare", pairs(corpus), (("key", "key"),))
    for name in ("given", "bare"):
        with pytest.raises(SourceError, match="names none"):
            do(corpus, [ImportEmbeddings(folders=(str(tmp_path / name),))])


def test_several_folders_are_one_layer(corpus: Corpus, tmp_path: Path) -> None:
    listed = pairs(corpus)
    expected = write_given(tmp_path / "one", listed[:6], TABLES["uid"], seed=1)
    expected = write_given(tmp_path / "two", listed[3:], TABLES["url and text"], seed=2) | expected
    both = (str(tmp_path / "one"), str(tmp_path / "two"))
    do(corpus, [ImportEmbeddings(folders=both)])
    image, _, about = stored(corpus, "embeddings/one.given")
    np.testing.assert_array_equal(image, [expected[row["uid"]][0] for row in about])
    assert (corpus.layer("embeddings/one.given").stats("all") or {})["matched"] == "uid, url and text"
    write_numbered(tmp_path / "two", 9, [{"uid": "x"}], drawn(1, 4, 1), drawn(1, 4, 2))
    for name in ("img_emb", "text_emb", "metadata"):
        for number in range(3):
            for path in (tmp_path / "two" / name).glob(f"*_{number}.*"):
                path.unlink()
    with pytest.raises(SourceError, match=r"vectors of 4 numbers, and .* of 8"):
        do(corpus, [ImportEmbeddings(folders=both)])


def test_it_goes_on_where_it_was_killed(corpus: Corpus, tmp_path: Path) -> None:
    write_given(tmp_path / "given", pairs(corpus), TABLES["uid"])
    stage = ImportEmbeddings(folders=(str(tmp_path / "given"),))
    do(corpus, [stage])
    layer = corpus.layer("embeddings/given.given")
    whole = contents(corpus, layer.name)
    first = layer.path("00000.json").read_bytes()
    for name in ("00001.json", "all_stats.json", "img_emb/img_emb_00001.npy"):
        layer.path(name).unlink()
    do(corpus, [stage])
    assert contents(corpus, layer.name) == whole and layer.path("00000.json").read_bytes() == first
    assert done(do(corpus, [stage]), "unchanged") == ["embeddings/all"]


def test_folders_may_go_once_they_were_read(corpus: Corpus, tmp_path: Path) -> None:
    write_given(tmp_path / "given", pairs(corpus), TABLES["uid"])
    stage = ImportEmbeddings(folders=(str(tmp_path / "given"),))
    do(corpus, [stage])
    shutil.copytree(tmp_path / "given", tmp_path / "moved")
    shutil.rmtree(tmp_path / "given")
    assert done(do(corpus, [stage]), "unchanged") == ["embeddings/all"]
    moved = ImportEmbeddings(folders=(str(tmp_path / "moved"),), model="given")
    assert done(do(corpus, [moved]), "unchanged") == ["embeddings/all"]


def test_other_vectors_and_new_pairs_are_taken_in(corpus: Corpus, tmp_path: Path) -> None:
    write_given(tmp_path / "given", pairs(corpus), TABLES["uid"])
    stage = ImportEmbeddings(folders=(str(tmp_path / "given"),))
    do(corpus, [stage, Score(score="similarity")])
    before = contents(corpus, "embeddings/given.given")
    expected = write_given(tmp_path / "given", pairs(corpus), TABLES["uid"], seed=7)
    assert done(do(corpus, [stage])) == ["embeddings/all"]
    assert contents(corpus, "embeddings/given.given") != before
    write_tool_shard(tmp_path / "more", "00000", [Row("http://b.test/1.jpg", "new", picture(77))])
    do(corpus, [Import(source=str(tmp_path / "more"))])
    with pytest.raises(SourceError, match=r"1 of 10 pairs have no vector .*, the first in shard 00002"):
        do(corpus, [stage])
    new = write_given(tmp_path / "new", pairs(corpus)[9:], TABLES["uid"], seed=9)
    do(corpus, [ImportEmbeddings(folders=(*stage.folders, str(tmp_path / "new")))])
    image, _, about = stored(corpus, "embeddings/given.given")
    np.testing.assert_array_equal(image, [(expected | new)[row["uid"]][0] for row in about])


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, "my.data.given"),
        ({"model": "ViT-B-32/laion2b_s34b_b79k"}, "ViT-B-32.laion2b_s34b_b79k.given"),
        ({"arrays": "b32"}, "b32.given"),
        ({"model": "../../etc"}, "etc.given"),
        ({"model": "/"}, "embeddings.given"),
        ({"model": "x" * 500}, "x" * 100 + ".given"),
    ],
)
def test_the_layer_is_named(tmp_path: Path, settings: dict[str, str], name: str) -> None:
    stage = ImportEmbeddings(folders=(str(tmp_path / "my data"),), **settings)
    assert stage.slug == name


def plainly(listed: list[dict[str, Any]], folder: Path, way: str) -> list[tuple[int, int]]:
    """(file, row) of each pair, or (-1, -1), from dictionaries."""
    from vlcorpus import identity

    own = {
        "uid": lambda row: row["uid"],
        "url and text": lambda row: row["uid"],
        "given uid and text": lambda row: (row["given_uid"], row["caption"]) if row["given_uid"] else None,
        "given uid": lambda row: row["given_uid"] if len(row["given_uid"] or "") >= 16 else None,
        "image path and text": lambda row: (row["given_uid"], row["caption"]) if row["given_uid"] else None,
        "key and text": lambda row: (row["image_key"], row["caption"]),
    }[way]
    theirs = {
        "uid": lambda row: (row["uid"] or "").lower(),
        "url and text": lambda row: identity.uid(row["url"], row["alt_text"]).hex() if row["reason"] is None else None,
        "given uid and text": lambda row: (row["uid"], row["alt_text"]),
        "given uid": lambda row: row["uid"] if row["alt_text"] is None else None,
        "image path and text": lambda row: (row["path"], row["alt_text"]),
        "key and text": lambda row: (row["path"], row["alt_text"]),
    }[way]
    first: dict[Any, tuple[int, int]] = {}
    for number, file in enumerate(look(folder).files):
        told = [row for part in described(file) for row in part.to_pylist()]
        for place, row in enumerate(told):
            first.setdefault(theirs(row), (number, place))
    keys = [own(row) for row in listed]
    return [(-1, -1) if key is None or keys.count(key) > 1 else first.get(key, (-1, -1)) for key in keys]


@pytest.mark.parametrize("seed", range(8))
def test_rows_are_those_that_a_dictionary_finds(tmp_path: Path, seed: int) -> None:
    """Few words and identifiers, so that there are duplicates on both sides."""
    random_ = random.Random(seed)
    words = ["a", "b", "é\U0001f600"]
    names = ["1", "2", "000000003", "f" * 16, "0123456789abcdef" * 2, None]
    listed = [
        {"url": f"http://a.test/{n % 17}", "text": random_.choice(words), "uid": random_.choice(names)}
        for n in range(40)
    ]
    pq.write_table(pa.Table.from_pylist(listed), tmp_path / "list.parquet")
    corpus = Corpus.create(tmp_path / "c", shard_rows=9)
    do(corpus, [Import(source=str(tmp_path / "list.parquet"))])
    fetched(corpus)
    own = pairs(corpus)
    columns = random_.sample(["url", "caption", "uid", "image_path"], random_.choice([2, 3, 4]))
    for number in range(3):
        told = []
        for _ in range(random_.choice([1, 20])):
            of = random_.choice(own)
            row = {
                "url": random_.choice([of["url"], None, "http://[", "http://a.test/3"]),
                "caption": random_.choice([of["caption"], None, "a"]),
                "uid": random_.choice([of["uid"], of["uid"].upper(), of["given_uid"], *names]),
                "image_path": random_.choice([of["image_key"], of["given_uid"], *names]),
            }
            told.append({name: row[name] for name in columns})
        kinds = pa.schema([(name, pa.string()) for name in columns])
        write_numbered(tmp_path / "given", number, [{}], drawn(len(told), 4, 1), drawn(len(told), 4, 2))
        pq.write_table(pa.Table.from_pylist(told, kinds), tmp_path / f"given/metadata/metadata_{number}.parquet")
    if not {"uid", "image_path", "url"} & set(columns):
        return
    found = find(Pairs(corpus), [look(tmp_path / "given")], lambda seen, kept: None)
    by_way = {way.name: plainly(own, tmp_path / "given", way.name) for way in WAYS}
    counts = {name: sum(file >= 0 for file, _ in places) for name, places in by_way.items()}
    best = max(counts, key=lambda name: counts[name])
    assert found.ways == ((best,) if counts[best] else ())
    assert list(zip(found.file.tolist(), found.row.tolist(), strict=True)) == (
        by_way[best] if counts[best] else [(-1, -1)] * len(own)
    )
