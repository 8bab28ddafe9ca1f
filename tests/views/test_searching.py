from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.corpora import Built, do, reseal
from vlcorpus.clip.model import load
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, SourceError, UsageError, VlcorpusError
from vlcorpus.images.decode import Decoded, decode
from vlcorpus.io import table, tar, vectors
from vlcorpus.stages.embed import Embed
from vlcorpus.views.searching import search


def every(corpus: Corpus) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """All image and text rows in float64, and their uids."""
    layer = corpus.layer(f"embeddings/{corpus.layers('embeddings')[0]}")
    sides = [
        np.concatenate([vectors.read(layer.path(f"{side}_emb/{side}_emb_{shard}.npy")) for shard in layer.units()])
        for side in ("img", "text")
    ]
    uids = [
        row["uid"]
        for shard in layer.units()
        for row in table.rows(layer.path(f"metadata/metadata_{shard}.parquet"), "embeddings-metadata")
    ]
    return sides[0].astype(np.float64), sides[1].astype(np.float64), uids


def without_index(built: Built) -> Corpus:
    corpus = built.corpus
    stats = next((corpus.path / "index").glob("*/all_stats.json"))
    stats.unlink()
    return corpus


@pytest.mark.parametrize("side", ["image", "text"])
def test_a_text_finds_what_a_full_comparison_finds(own_corpus: Built, side: str) -> None:
    images, texts, uids = every(own_corpus.corpus)
    encoder = load(str(own_corpus.folder.parent / own_corpus.trusted.path / "probes/filter/seed-0"))
    query = encoder.encode_texts(["a red circle"])[0].astype(np.float64)
    rows = images if side == "image" else texts
    order = sorted(range(len(uids)), key=lambda row: (-np.float32(rows[row] @ query), row))[:7]
    corpus = without_index(own_corpus)
    found = search(corpus, text="a red circle", k=7, side=side)  # type: ignore[arg-type]
    assert (found.how, found.note, found.rows) == ("scan", "", len(uids))
    assert [hit.uid for hit in found.hits] == [uids[row] for row in order]
    assert [hit.rank for hit in found.hits] == list(range(1, 8))
    assert np.allclose([hit.similarity for hit in found.hits], rows[order] @ query, atol=1e-6)


def test_the_index_gives_the_same_pairs(small_corpus: Built, own_corpus: Built) -> None:
    asked = search(small_corpus.corpus, text="two blue squares", k=20)
    read = search(without_index(own_corpus), text="two blue squares", k=20)
    assert (asked.how, read.how) == ("index", "scan")
    assert np.allclose([hit.similarity for hit in asked.hits], [hit.similarity for hit in read.hits], atol=1e-6)
    assert sorted(hit.uid for hit in asked.hits[:10]) == sorted(hit.uid for hit in read.hits[:10])


def test_a_pair_does_not_find_itself(small_corpus: Built) -> None:
    images, _, uids = every(small_corpus.corpus)
    for row in (0, len(uids) - 1):
        found = search(small_corpus.corpus, uid=uids[row], k=5)
        assert uids[row] not in [hit.uid for hit in found.hits] and len(found.hits) == 5
        products = images @ images[row] / np.linalg.norm(images[row])
        products[row] = -2
        assert np.allclose([hit.similarity for hit in found.hits], np.sort(products)[::-1][:5], atol=1e-3)


def test_hits_carry_key_caption_and_url(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    for hit in search(corpus, text="a green triangle", k=3).hits:
        shard = corpus.layer("shards").path(f"{hit.key[: corpus.digits]}.parquet")
        row = next(row for row in table.rows(shard, "shards") if row["key"] == hit.key)
        assert (hit.uid, hit.caption, hit.url) == (row["uid"], row["caption"], row["url"])


def test_a_stored_image_finds_its_own_pair_first(small_corpus: Built, tmp_path: Path) -> None:
    corpus = small_corpus.corpus
    sample = next(tar.read_samples(corpus.layer("shards").path("00001.tar")))
    file = tmp_path / "query.jpg"
    file.write_bytes(sample.members["jpg"])
    assert isinstance(decode(sample.members["jpg"]), Decoded)
    found = search(corpus, image=file, k=1)
    assert found.hits[0].similarity == pytest.approx(1, abs=2e-3)
    assert found.hits[0].uid == json.loads(sample.members["json"])["uid"]


def test_more_than_there_are_gives_what_there_is(small_corpus: Built) -> None:
    _, _, uids = every(small_corpus.corpus)
    assert len(search(small_corpus.corpus, text="a circle", k=9_999).hits) == len(uids)
    assert len(search(small_corpus.corpus, uid=uids[3], k=9_999).hits) == len(uids) - 1


def test_a_stale_index_is_not_asked(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    layer = corpus.layer(f"embeddings/{corpus.layers('embeddings')[0]}")
    path = layer.path("img_emb/img_emb_00000.npy")
    rows = np.load(path)
    np.save(path, np.roll(rows, 1, axis=0))
    reseal(layer, "00000")
    found = search(corpus, text="a circle", k=3)
    assert found.how == "scan" and "stale" in found.note


@pytest.mark.parametrize("damage", ["index.json", "image.index"])
def test_a_damaged_index_is_not_asked(own_corpus: Built, damage: str) -> None:
    corpus = own_corpus.corpus
    next((corpus.path / "index").glob(f"*/{damage}")).write_bytes(b"\x00" * 64)
    found = search(corpus, text="a circle", k=3)
    assert found.how == "scan" and "cannot be used" in found.note and len(found.hits) == 3


def test_a_model_can_be_named_by_folder_or_reference(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    slug = corpus.layers("embeddings")[0]
    reference = str(small_corpus.trusted.path / "probes/filter")
    expected = search(corpus, text="a circle", k=3).hits
    assert search(corpus, text="a circle", k=3, model=slug).hits == expected
    assert search(corpus, text="a circle", k=3, model=reference).hits == expected


def test_another_model_is_refused(small_corpus: Built) -> None:
    with pytest.raises(UsageError, match=r"no embeddings of conv-nano\.raw"):
        search(small_corpus.corpus, text="a circle", model="probe:raw")


def test_a_model_that_is_gone_is_asked_for(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    layer = corpus.layer(f"embeddings/{corpus.layers('embeddings')[0]}")
    stats = layer.stats(layer.units()[-1])
    assert stats is not None
    reseal(layer, layer.units()[-1], settings=stats["settings"] | {"model": "/nowhere/filter"})
    with pytest.raises(VlcorpusError) as caught:
        search(corpus, text="a circle")
    assert "--model" in caught.value.hint
    found = search(corpus, text="a circle", model=str(own_corpus.trusted.path / "probes/filter"))
    assert len(found.hits) == 10


@pytest.mark.parametrize("query", [{}, {"text": "a", "uid": "0000000"}, {"text": "a", "image": Path("b"), "uid": "c"}])
def test_one_query_is_wanted(small_corpus: Built, query: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="one query is wanted"):
        search(small_corpus.corpus, **query)  # type: ignore[arg-type]


def test_images_that_are_none_are_refused_with_the_reason(small_corpus: Built, tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_bytes(b"<html>not a picture</html>")
    with pytest.raises(SourceError, match="not_an_image"):
        search(small_corpus.corpus, image=tmp_path / "page.jpg")
    with pytest.raises(SourceError, match="cannot read"):
        search(small_corpus.corpus, image=tmp_path / "none.jpg")
    with pytest.raises(SourceError, match="cannot read"):
        search(small_corpus.corpus, image=tmp_path)


def test_a_pair_without_an_image_has_no_embedding(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    rows = table.rows(corpus.layer("shards").path("00000.parquet"), "shards")
    failed = next(row for row in rows if row["status"] != "success")
    with pytest.raises(VlcorpusError, match="has no embedding"):
        search(corpus, uid=failed["uid"])


def test_a_corpus_without_embeddings_says_how_to_make_them(small_corpus: Built) -> None:
    with pytest.raises(CorpusError) as caught:
        search(small_corpus.trusted, text="a circle")
    assert "vlcorpus embed" in caught.value.hint


def test_of_several_models_the_scored_one_is_meant(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    slug = corpus.layers("embeddings")[0]
    do(corpus.path, [Embed(model="probe:raw")])
    assert len(corpus.layers("embeddings")) == 2
    assert search(corpus, text="a circle", k=3).model == slug
    assert search(corpus, text="a circle", k=3, model="probe:raw").model.startswith("conv-nano.raw.")
