from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpora import Built, do, embedded, reseal
from vlcorpus.clip.model import load
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, SourceError, UsageError, VlcorpusError
from vlcorpus.images.decode import Decoded, decode
from vlcorpus.io import table, tar
from vlcorpus.knn.query import Term, parse
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.takedown import Takedown
from vlcorpus.views.collection import Collection, open_collection
from vlcorpus.views.searching import Hits, near, search


def asked(corpus: Corpus, query: str, *, model: str | None = None, **more: object) -> Hits:
    return search(open_collection(corpus.path, model=model), parse(query), **{"folded": False, **more})  # type: ignore[arg-type]


def without_index(built: Built) -> Corpus:
    corpus = built.corpus
    for stats in (corpus.path / "index").glob("*/all_stats.json"):
        for each in stats.parent.iterdir():
            each.unlink()
    return corpus


@pytest.mark.parametrize("side", ["image", "text"])
def test_a_text_finds_what_a_full_comparison_finds(own_corpus: Built, side: str) -> None:
    images, texts, uids = embedded(own_corpus.corpus)
    encoder = load(str(own_corpus.folder.parent / own_corpus.trusted.path / "probes/filter/seed-0"))
    query = encoder.encode_texts(["a red circle"])[0].astype(np.float64)
    rows = images if side == "image" else texts
    order = sorted(range(len(uids)), key=lambda row: (-np.float32(rows[row] @ query), row))[:7]
    found = asked(without_index(own_corpus), "a red circle", k=7, side=side)
    assert (found.how, found.note, found.rows) == ("scan", "", len(uids))
    assert [hit.uid for hit in found.hits] == [uids[row] for row in order]
    assert [hit.row for hit in found.hits] == order
    assert [hit.rank for hit in found.hits] == list(range(1, 8))
    assert np.allclose([hit.similarity for hit in found.hits], rows[order] @ query, atol=1e-6)


def test_terms_are_summed_with_their_weights(small_corpus: Built) -> None:
    images, _, uids = embedded(small_corpus.corpus)
    encoder = load(str(small_corpus.folder.parent / small_corpus.trusted.path / "probes/filter/seed-0"))
    red, toy = encoder.encode_texts(["red circle", "toy"]).astype(np.float64)
    own = images[9] / np.linalg.norm(images[9])
    query = red - 0.5 * toy + 0.25 * own
    query /= np.linalg.norm(query)
    order = np.argsort(-(images @ query), kind="stable")[:20]
    found = asked(small_corpus.corpus, f'+"red circle" -0.5*toy 0.25*uid:{uids[9]}', k=20)
    assert np.allclose([hit.similarity for hit in found.hits], images[order] @ query, atol=1e-6)
    assert {hit.uid for hit in found.hits[:10]} <= {uids[row] for row in order}
    away = asked(small_corpus.corpus, f"-uid:{uids[9]} +0.001*uid:{uids[3]}", k=1)
    assert away.hits[0].similarity == pytest.approx(-(images @ own).min(), abs=2e-3)


def test_the_index_gives_the_same_pairs(small_corpus: Built) -> None:
    read = asked(small_corpus.corpus, "two blue squares", k=20, exact=True)
    found = asked(small_corpus.corpus, "two blue squares", k=20)
    assert read.how == "scan" and found.hits == read.hits


def test_a_pair_does_not_find_itself(small_corpus: Built) -> None:
    images, _, uids = embedded(small_corpus.corpus)
    for row in (0, len(uids) - 1):
        found = asked(small_corpus.corpus, f"uid:{uids[row]}", k=5)
        assert uids[row] not in [hit.uid for hit in found.hits] and len(found.hits) == 5
        products = images @ images[row] / np.linalg.norm(images[row])
        products[row] = -2
        assert np.allclose([hit.similarity for hit in found.hits], np.sort(products)[::-1][:5], atol=1e-3)
    both = asked(small_corpus.corpus, f"uid:{uids[0]} +0.1*uid:{uids[1]}", k=1)
    assert both.hits[0].uid == uids[0]  # a pair among others is as good as any


def test_hits_carry_what_the_table_says(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    found = asked(corpus, "a green triangle", k=3)
    for hit in found.hits:
        shard = corpus.layer("shards").path(f"{hit.shard}.parquet")
        row = next(row for row in table.rows(shard, "shards") if row["key"] == hit.key)
        assert (hit.uid, hit.caption, hit.url) == (row["uid"], row["caption"], row["url"])
        assert (hit.width, hit.height) == (row["width"], row["height"])


def test_a_stored_image_finds_its_own_pair_first(small_corpus: Built, tmp_path: Path) -> None:
    corpus = small_corpus.corpus
    sample = next(tar.read_samples(corpus.layer("shards").path("00001.tar")))
    file = tmp_path / "my query.jpg"
    file.write_bytes(sample.members["jpg"])
    assert isinstance(decode(sample.members["jpg"]), Decoded)
    found = asked(corpus, f'image:"{file}"', k=1)
    assert found.hits[0].similarity == pytest.approx(1, abs=2e-3)
    assert found.hits[0].uid == json.loads(sample.members["json"])["uid"]
    collection = open_collection(corpus.path)
    assert np.allclose(
        collection.encode_picture(sample.members["jpg"]), collection.encode(Term(1, "image", str(file))), atol=1e-6
    )


def test_more_than_there_are_gives_what_there_is(small_corpus: Built) -> None:
    _, _, uids = embedded(small_corpus.corpus)
    found = asked(small_corpus.corpus, "a circle", k=9_999)
    assert len(found.hits) == len(uids) and not found.more
    assert len(asked(small_corpus.corpus, f"uid:{uids[3]}", k=9_999).hits) == len(uids) - 1
    assert asked(small_corpus.corpus, "a circle", k=len(uids) - 1).more
    assert not asked(small_corpus.corpus, "a circle", k=len(uids)).more


def test_a_stale_index_is_not_asked(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    layer = corpus.layer(f"embeddings/{corpus.layers('embeddings')[0]}")
    path = layer.path("img_emb/img_emb_00000.npy")
    rows = np.load(path)
    np.save(path, np.roll(rows, 1, axis=0))
    reseal(layer, "00000")
    found = asked(corpus, "a circle", k=3)
    assert found.how == "scan" and "stale" in found.note


def test_a_damaged_index_is_not_asked(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    next((corpus.path / "index").glob("*/index.json")).write_bytes(b"\x00" * 64)
    found = asked(corpus, "a circle", k=3)
    assert found.how == "scan" and "cannot be used" in found.note and len(found.hits) == 3


def test_a_model_can_be_named_by_folder_or_reference(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    slug = corpus.layers("embeddings")[0]
    reference = str(small_corpus.trusted.path / "probes/filter")
    expected = asked(corpus, "a circle", k=3).hits
    assert asked(corpus, "a circle", k=3, model=slug).hits == expected
    assert asked(corpus, "a circle", k=3, model=reference).hits == expected


def test_another_model_is_refused(small_corpus: Built) -> None:
    with pytest.raises(UsageError, match=r"no embeddings of conv-nano\.raw"):
        open_collection(small_corpus.corpus.path, model="probe:raw")


def test_a_model_that_is_gone_is_asked_for(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    layer = corpus.layer(f"embeddings/{corpus.layers('embeddings')[0]}")
    stats = layer.stats(layer.units()[-1])
    assert stats is not None
    reseal(layer, layer.units()[-1], settings=stats["settings"] | {"model": "/nowhere/filter"})
    with pytest.raises(VlcorpusError) as caught:
        asked(corpus, "a circle")
    assert "--model" in caught.value.hint
    found = asked(corpus, "a circle", model=str(own_corpus.trusted.path / "probes/filter"))
    assert len(found.hits) == 10


def test_something_is_wanted(small_corpus: Built) -> None:
    with pytest.raises(UsageError, match="nothing is asked for"):
        search(open_collection(small_corpus.corpus.path), [])


def test_images_that_are_none_are_refused_with_the_reason(small_corpus: Built, tmp_path: Path) -> None:
    (tmp_path / "page.jpg").write_bytes(b"<html>not a picture</html>")
    for name, said in (("page.jpg", "not_an_image"), ("none.jpg", "cannot read"), (".", "cannot read")):
        with pytest.raises(SourceError, match=said):
            asked(small_corpus.corpus, f'image:"{tmp_path / name}"')
    with pytest.raises(UsageError, match="a server holds"):
        asked(small_corpus.corpus, "upload:1234")


def test_a_pair_without_an_image_has_no_embedding(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    rows = table.rows(corpus.layer("shards").path("00000.parquet"), "shards")
    failed = next(row for row in rows if row["status"] != "success")
    with pytest.raises(VlcorpusError, match="has no embedding"):
        asked(corpus, f"uid:{failed['uid']}")


def test_a_corpus_without_embeddings_says_how_to_make_them(small_corpus: Built) -> None:
    with pytest.raises(CorpusError) as caught:
        open_collection(small_corpus.trusted.path)
    assert "vlcorpus embed" in caught.value.hint


def test_of_several_models_the_scored_one_is_meant(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    slug = corpus.layers("embeddings")[0]
    do(corpus.path, [Embed(model="probe:raw")])
    assert len(corpus.layers("embeddings")) == 2
    assert asked(corpus, "a circle", k=3).model == slug
    assert asked(corpus, "a circle", k=3, model="probe:raw").model.startswith("conv-nano.raw.")


def test_what_was_taken_down_is_not_found(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    before = asked(corpus, "a red circle", k=6).hits
    do(corpus.path, [Takedown(lists=(str(before[0].uid), str(before[3].uid)), named="asked")])
    after = asked(corpus, "a red circle", k=4).hits
    assert [hit.row for hit in after] == [before[place].row for place in (1, 2, 4, 5)]


# -- filters, floors and folding, beside a slow reference


ROWS, DIMENSION = 3000, 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3,000 rows in five files of clusters that are near each other, some rows equal, some without direction."""
    path = tmp_path_factory.mktemp("folder")
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((400, DIMENSION))
    rows = centres[rng.integers(0, 400, ROWS)] + 0.12 * rng.standard_normal((ROWS, DIMENSION))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[rng.integers(0, ROWS, 40)] = rows[7]
    rows[[3, 999]] = 0
    draw = rng.random(ROWS)
    for word in ("img_emb", "text_emb", "metadata"):
        (path / word).mkdir()
    for number, part in enumerate(np.array_split(np.arange(ROWS), 5)):
        np.save(path / f"img_emb/img_emb_{number}.npy", rows[part].astype(np.float16))
        np.save(path / f"text_emb/text_emb_{number}.npy", rows[part][:, ::-1].astype(np.float16))
        made = pa.table({"uid": [f"u{row}" for row in part], "caption": ["c"] * len(part), "draw": draw[part]})
        pq.write_table(made, path / f"metadata/metadata_{number}.parquet")
    return path


def reference(
    found: Collection, query: np.ndarray, allowed: np.ndarray, k: int, floor: float | None
) -> list[tuple[int, float]]:
    """The best rows by comparing all of them in float64, one after the other."""
    rows = found.searcher("image").vectors(range(found.rows)).astype(np.float64)
    scored = [(float(np.float32(rows[row] @ query)), row) for row in np.flatnonzero(allowed) if rows[row].any()]
    kept = [(score, row) for score, row in scored if floor is None or score >= np.float32(floor)]
    return [(row, score) for score, row in sorted(kept, key=lambda each: (-each[0], each[1]))[:k]]


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1, 0.01])
@pytest.mark.parametrize("floor", [None, 0.35])
@pytest.mark.parametrize("k", [1, 10, 400])
def test_filters_are_exact_at_any_selectivity(folder: Path, share: float, floor: float | None, k: int) -> None:
    found = open_collection(folder)
    draw = np.concatenate([pq.read_table(path)["draw"].to_numpy() for path in sorted(folder.glob("metadata/*"))])
    for seed in range(3):
        query = np.random.default_rng(seed).standard_normal(DIMENSION).astype(np.float32)
        query /= np.linalg.norm(query)
        hits = near(found, query, k=k, where=f"draw < {share}", floor=floor, folded=False).hits
        want = reference(found, query.astype(np.float64), draw < share, k, floor)
        assert [hit.row for hit in hits] == [row for row, _ in want]
        assert [hit.similarity for hit in hits] == [score for _, score in want]
        assert len(hits) == k or floor is not None or len(hits) >= 0.8 * share * ROWS - 10


def test_filters_add_up(folder: Path) -> None:
    found = open_collection(folder)
    query = np.eye(DIMENSION, dtype=np.float32)[0]
    both = near(found, query, k=50, where=("draw < 0.5", "draw > 0.3 or draw < 0.1"), folded=False)
    one = near(found, query, k=50, where="draw < 0.5 and (draw > 0.3 or draw < 0.1)", folded=False)
    mask = found.mask("draw > 0.3 or draw < 0.1")
    masked = near(found, query, k=50, where="draw < 0.5", mask=mask, folded=False)
    assert both.hits == one.hits == masked.hits and len(both.hits) == 50
    assert near(found, query, k=50, where="draw < 0", folded=False).hits == ()
    assert near(found, query, k=50, floor=1.0, folded=False).hits == ()


def test_rows_can_be_left_out(folder: Path) -> None:
    found = open_collection(folder)
    every_hit = near(found, np.eye(DIMENSION, dtype=np.float32)[1], k=20, folded=False).hits
    gone = [every_hit[place].row for place in (0, 3, 19)]
    left = near(found, np.eye(DIMENSION, dtype=np.float32)[1], k=17, folded=False, without=gone).hits
    assert [hit.row for hit in left] == [hit.row for hit in every_hit if hit.row not in gone]


def stacks(rows: np.ndarray, order: list[int], nearness: float) -> list[list[int]]:
    """Hits in order, each behind the first top that it is near."""
    found: list[list[int]] = []
    for row in order:
        unit = rows[row] / np.linalg.norm(rows[row])
        near = [each for each in found if unit @ rows[each[0]] / np.linalg.norm(rows[each[0]]) >= nearness]
        if near:
            near[0].append(row)
        else:
            found.append([row])
    return found


@pytest.mark.parametrize("k", [1, 5, 30])
@pytest.mark.parametrize("nearness", [0.94, 0.8])
def test_stacks_are_filled_and_hold_every_hit_that_was_looked_at(folder: Path, k: int, nearness: float) -> None:
    found = open_collection(folder)
    rows = found.searcher().vectors(range(ROWS)).astype(np.float64)
    for seed in range(3):
        query = rows[50 + seed].astype(np.float32)
        hits = near(found, query, k=k, nearness=nearness)
        assert len(hits.hits) == k and hits.more
        looked = [each.row for hit in hits.hits for each in (hit, *hit.copies)]
        order = [row for row, _ in reference(found, query.astype(np.float64), np.ones(ROWS, bool), 3000, None)]
        # It looks at twice as many until there are more stacks than are wanted.
        looks = (stacks(rows, order[: (k + 1) << round], nearness) for round in range(9))
        want = next(each for each in looks if len(each) > k)
        assert [[each.row for each in (hit, *hit.copies)] for hit in hits.hits] == want[:k]
        assert len(looked) == len(set(looked))
        for hit in hits.hits:
            assert all(copy.similarity <= hit.similarity for copy in hit.copies)
            assert [copy.uid for copy in hit.copies] == [f"u{copy.row}" for copy in hit.copies]


def test_stored_groups_fold_what_is_not_near(small_corpus: Built) -> None:
    found = open_collection(small_corpus.corpus.path)
    groups = found.groups(range(found.rows))
    hits = search(found, parse("a circle"), k=found.rows, nearness=1.0)
    rows = [each.row for hit in hits.hits for each in (hit, *hit.copies)]
    assert sorted(rows) == list(range(found.rows)) and not hits.more
    stack_of = {each.row: hit.rank for hit in hits.hits for each in (hit, *hit.copies)}
    members = {number: np.flatnonzero(groups == number).tolist() for number in set(groups.tolist()) - {-1}}
    assert members and all(len({stack_of[row] for row in rows}) == 1 for rows in members.values())
    assert len(hits.hits) > 1


def test_similarities_do_not_hang_on_how_they_were_found(folder: Path) -> None:
    found = open_collection(folder)
    query = found.searcher().vectors([50])[0]
    scores = found.searcher().scores(query)
    for hit in near(found, query, k=100, folded=False).hits:
        assert hit.similarity == scores[hit.row]
