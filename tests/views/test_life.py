from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.corpora import Built
from vlcorpus import identity
from vlcorpus.errors import CorpusError
from vlcorpus.io import table, tar, vectors
from vlcorpus.views.find import Found, find
from vlcorpus.views.judging import judgement
from vlcorpus.views.life import Life, life


def rows(built: Built, layer: str, name: str) -> list[dict[str, Any]]:
    place = built.corpus.layer(layer)
    return [row for shard in place.units() for row in table.rows(place.path(f"{shard}.parquet"), name)]


def lives(built: Built) -> list[Life]:
    corpus = built.corpus
    return [life(corpus, find(corpus, row["key"]), export=built.out) for row in rows(built, "shards", "shards")]


@pytest.fixture(scope="module")
def told(small_corpus: Built) -> list[Life]:
    return lives(small_corpus)


def test_every_candidate_is_told_as_it_stands_on_disk(small_corpus: Built, told: list[Life]) -> None:
    candidates, shards = rows(small_corpus, "candidates", "candidates"), rows(small_corpus, "shards", "shards")
    assert len(told) == len(candidates) == len(shards)
    for each, candidate, fetched in zip(told, candidates, shards, strict=True):
        assert each.uid == candidate["uid"].hex() and each.rejected is None
        assert each.found["page_url"] == candidate["page_url"] and each.found["offset"] == candidate["offset"]
        assert each.fetched == fetched and each.key == fetched["key"]
        assert each.page is not None and each.page["url"] == candidate["page_url"]


def test_the_stored_image_is_at_the_offset_told(small_corpus: Built, told: list[Life]) -> None:
    corpus = small_corpus.corpus
    samples = {
        (shard, sample.key): sample.members
        for shard in corpus.layer("shards").units()
        for sample in tar.read_samples(corpus.layer("shards").path(f"{shard}.tar"))
    }
    checked = 0
    for each in told:
        if each.stored is None:
            assert each.fetched is not None and each.fetched["reason"] is not None
            assert not each.embedded and not each.scores and not each.decisions and not each.splits
            continue
        members = samples[each.shard, each.stored.key]
        assert each.stored.members.keys() == members.keys()
        for extension, (offset, length) in each.stored.members.items():
            assert tar.read_at(corpus.path / each.stored.tar, offset, length) == members[extension]
        checked += 1
    assert checked > 60


def test_embeddings_scores_and_splits_are_those_of_the_pair(small_corpus: Built, told: list[Life]) -> None:
    corpus = small_corpus.corpus
    similarity = {
        row["uid"].hex(): row["similarity"] for row in rows(small_corpus, "scores/similarity", "score-similarity")
    }
    phash = {row["uid"].hex(): row["phash"] for row in rows(small_corpus, "scores/phash", "score-phash")}
    split = {row["uid"].hex(): row["split"] for row in rows(small_corpus, "splits/default", "splits")}
    for each in told:
        if each.stored is None:
            assert each.uid not in similarity
            continue
        assert each.scores == {"similarity": similarity[each.uid], "phash": phash[each.uid]}
        assert each.splits == {"default": split[each.uid]}
        (embedded,) = each.embedded
        layer = corpus.layer(f"embeddings/{embedded.model}")
        row = vectors.read(layer.path(f"img_emb/img_emb_{each.shard}.npy"))[embedded.row].astype(np.float64)
        assert embedded.image_norm == pytest.approx(np.linalg.norm(row))
        about = table.read(layer.path(f"metadata/metadata_{each.shard}.parquet"), "embeddings-metadata")
        assert about.column("uid")[embedded.row].as_py() == each.uid


def test_decisions_tell_value_threshold_and_verdict(small_corpus: Built, told: list[Life]) -> None:
    kept = {row["uid"].hex(): row["keep"] for row in rows(small_corpus, "decisions/filtered", "decisions")}
    stats = small_corpus.corpus.layer("decisions/filtered").stats("all")
    assert stats is not None
    threshold = stats["predicates"][0]["cut"]["threshold"]
    verdicts = set()
    for each in told:
        if each.stored is None:
            continue
        by_name = {decided.decision: decided for decided in each.decisions}
        assert by_name.keys() == {"filtered", "random"}
        (one,) = by_name["filtered"].judgements
        assert (one.rule, one.column, one.threshold) == ("similarity in the top 0.3", "similarity", threshold)
        assert one.value == each.scores["similarity"]
        assert one.passed == by_name["filtered"].keep == kept[each.uid]
        assert one.passed == (one.value >= threshold)
        verdicts.add(one.passed)
    assert verdicts == {True, False}


def test_groups_tell_members_and_who_stands_for_them(small_corpus: Built, told: list[Life]) -> None:
    layer = small_corpus.corpus.layer("duplicates/default")
    groups = {row["uid"].hex(): row["group"].hex() for row in table.rows(layer.path("groups.parquet"), "duplicates")}
    order = [each.uid for each in told if each.stored is not None]
    kept = {row["uid"].hex() for row in rows(small_corpus, "decisions/filtered", "decisions") if row["keep"]}
    assert groups
    for each in told:
        if each.uid not in groups:
            assert each.groups == ()
            continue
        (group,) = each.groups
        members = [uid for uid in order if groups.get(uid) == groups[each.uid]]
        assert [member.uid for member in group.members] == members
        assert group.keepers["all"] == members[0]
        assert group.keepers["filtered"] == next((uid for uid in members if uid in kept), None)


def test_exports_are_told(small_corpus: Built, told: list[Life]) -> None:
    exported = {
        row["uid"]: (path.parent.name, row["key"])
        for path in small_corpus.out.glob("*/*.parquet")
        for row in table.rows(path, "exports")
    }
    assert exported
    for each in told:
        assert [(place.split, place.key) for place in each.exports] == (
            [exported[each.uid]] if each.uid in exported else []
        )


def test_a_refused_pair_has_its_reason(small_corpus: Built) -> None:
    planted = next(pair for pair in small_corpus.site.planted if pair.fault == "noai_page")
    corpus = small_corpus.corpus
    each = life(corpus, find(corpus, identity.uid(planted.url, planted.alt_text).hex()))
    assert (each.rejected, each.key, each.fetched) == ("optout", None, None)
    assert each.found["page_url"] == planted.page_url and each.found["url"] == planted.url


def test_a_pair_of_a_folder_has_no_page(small_corpus: Built) -> None:
    trusted = small_corpus.trusted
    each = life(trusted, find(trusted, trusted.key("00000", 0)))
    assert each.page is None and each.found["file"] and each.stored is not None
    assert each.embedded == () and each.scores == {} and each.decisions == ()


def test_a_shard_that_is_not_that_of_its_candidates_is_an_error(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    (corpus.path / "shards/00000.parquet").write_bytes((corpus.path / "shards/00001.parquet").read_bytes())
    place = find(corpus, corpus.key("00000", 0))
    assert isinstance(place, Found)
    with pytest.raises(CorpusError, match="is not that candidate"):
        life(corpus, place)


def test_a_candidate_not_yet_fetched_is_told_so_far(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    (corpus.path / "shards/00000_stats.json").unlink()
    each = life(corpus, find(corpus, corpus.key("00000", 0)))
    assert each.fetched is None and each.stored is None and each.embedded == ()
    assert len(each.decisions) == 2 and each.scores  # what was made of it earlier is still there


@pytest.mark.parametrize(
    ("stored", "rule", "value", "threshold"),
    [
        ({"predicate": "AtLeast", "column": "width", "threshold": 64, "cut": None}, "width >= 64", 80, 64),
        ({"predicate": "Where", "expression": "width > 9 or language == 'en'", "columns": ["width", "language"],
          "says": "width > 9 or so", "cut": None}, "width > 9 or so", {"width": 80, "language": "en"}, None),
        ({"predicate": "Where", "expression": "width > 9", "columns": ["width"], "cut": None}, "width > 9", 80, None),
        ({"predicate": "OfTomorrow", "column": "width", "cut": None}, "OfTomorrow width", 80, None),
        ({"predicate": "TopFraction", "column": "width", "fraction": 0.0, "cut": {"threshold": None, "uid": None}},
         "width in the top 0", 80, None),
        ({"predicate": "Cap", "rows": 3, "column": "width", "by": "language", "cut": {"groups": [["en", 7, "00"]]}},
         "at most 3 of each language, the highest width", 80, 7),
        ({"predicate": "RandomRows", "rows": None, "fraction": 0.5, "seed": 3, "cut": None},
         "drawn by uid: a share of 0.5, seed 3", None, None),
    ],
)  # fmt: skip
def test_each_predicate_in_words(stored: dict[str, Any], rule: str, value: Any, threshold: Any) -> None:
    one = judgement(stored, {"width": 80, "language": "en"}, failed=True)
    assert (one.rule, one.value, one.threshold, one.passed) == (rule, value, threshold, False)
