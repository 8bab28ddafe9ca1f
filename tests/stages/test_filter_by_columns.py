"""Filters by expressions, groups, caps, targets, weights and models: each against the rule said slowly."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.corpora import copy, small
from tests.stages.given import committed, run_here
from tests.stages.running import contents, do, write_list
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.io import table
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.stages.columns import catalogue
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.import_ import Import
from vlcorpus.stages.score import Score
from vlcorpus.views.status import status
from vlcorpus.views.verify import verify


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(small(), tmp_path_factory.mktemp("by-columns")).corpus.path


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Corpus:
    shutil.copytree(made, tmp_path / "corpus")
    shutil.copytree(made.parent / "trusted", tmp_path / "trusted")
    return Corpus.open(tmp_path / "corpus")


def rows(corpus: Corpus, *names: str, of: str = "images") -> list[dict[str, Any]]:
    known = catalogue(corpus, of)
    return [row for shard in known.shards() for row in known.read(shard, names).to_pylist()]


def decided(corpus: Corpus, name: str) -> list[dict[str, Any]]:
    layer = corpus.layer(f"decisions/{name}")
    return [row for unit in layer.units() for row in table.rows(layer.path(f"{unit}.parquet"), "decisions")]


def kept(corpus: Corpus, stage: Filter) -> set[bytes]:
    run_here(corpus, [stage])
    assert verify(corpus, quick=True).findings == () or not verify(corpus, quick=True).findings
    return {row["uid"] for row in decided(corpus, stage.decision_name()) if row["keep"]}


def stats_of(corpus: Corpus, stage: Filter, unit: str = "all") -> dict[str, Any]:
    found = corpus.layer(stage.made()).stats(unit)
    assert found is not None
    return found


def test_a_condition_is_taken_apart_and_its_score_is_made(corpus: Corpus) -> None:
    stage = Filter(where=('text_words > 6 and (language == "en" or aspect > 2) and similarity < 0.1',), decision="d")
    plan = make_plan(corpus, [stage])
    assert plan.added == (Score(score="text"),), "what is there is not made again"
    found = kept(corpus, stage)
    want = rows(corpus, "alt_text", "language", "aspect", "similarity")
    assert found == {
        row["uid"]
        for row in want
        if len(row["alt_text"].split()) > 6
        and (row["language"] == "en" or row["aspect"] > 2)
        and row["similarity"] is not None
        and row["similarity"] < 0.1
    }
    stats = stats_of(corpus, stage)
    assert [each["says"] for each in stats["predicates"]] == [
        "text_words > 6", 'language == "en" or aspect > 2', "similarity < 0.1",
    ]  # fmt: skip
    assert set(stats["inputs"]) == {"candidates", "shards", "scores/text", "scores/similarity"}
    assert stats["rejected"].keys() <= {"condition_fails", "missing_score"}
    assert sum(count for _, count in stats["masks"]) == stats["seen"]


def test_fractions_and_caps_of_groups(corpus: Corpus) -> None:
    listed = rows(corpus, "language", "similarity", "source")
    stage = Filter(top_fraction=0.25, by="language", decision="d")
    groups = Counter(row["language"] for row in listed if row["similarity"] is not None and row["language"])
    found = kept(corpus, stage)
    assert Counter(row["language"] for row in listed if row["uid"] in found) == Counter(
        {name: size // 4 for name, size in groups.items() if size // 4}
    )
    assert stats_of(corpus, stage)["predicates"][0]["cut"]["groups"]
    capped = kept(corpus, Filter(min_sim=-1, cap=5, by="language", decision="c"))
    best = {
        row["uid"]
        for name in groups
        for row in sorted(
            (row for row in listed if row["language"] == name and row["similarity"] is not None),
            key=lambda row: (-row["similarity"], row["uid"]),
        )[:5]
    }
    assert capped == best


def test_a_share_of_each_language_and_a_cap_of_each_source(corpus: Corpus) -> None:
    listed = rows(corpus, "language", "similarity", "position")
    stage = Filter(top_fraction=0.5, by='coalesce(language, "none")', cap=2, cap_by="position", decision="both")
    shares: set[bytes] = set()
    there = [row for row in listed if row["similarity"] is not None]
    for name in {row["language"] for row in there}:
        own = sorted(
            (row for row in there if row["language"] == name), key=lambda row: (-row["similarity"], row["uid"])
        )
        shares |= {row["uid"] for row in own[: len(own) // 2]}
    want: set[bytes] = set()
    for place in {row["position"] for row in there} - {None}:
        own = [row for row in there if row["position"] == place and row["uid"] in shares]
        want |= {row["uid"] for row in sorted(own, key=lambda row: (-row["similarity"], row["uid"]))[:2]}
    assert kept(corpus, stage) == want and want < shares


def test_a_target_counts_what_passes_everything_else(corpus: Corpus) -> None:
    listed = rows(corpus, "similarity", "alt_text")
    found = kept(corpus, Filter(where=("text_words > 6",), target_rows=10, decision="d"))
    long = [row for row in listed if len(row["alt_text"].split()) > 6 and row["similarity"] is not None]
    assert found == {row["uid"] for row in sorted(long, key=lambda row: (-row["similarity"], row["uid"]))[:10]}


def test_nearness_to_several_folders_stands_side_by_side(corpus: Corpus, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    (model,) = corpus.layers("embeddings")
    rows_of = np.load(corpus.layer(f"embeddings/{model}").path("img_emb/img_emb_00000.npy"))
    places = {"Red-Shoes.npy": "red_shoes", "blue hats.npy": "blue_hats"}
    for name in places:
        np.save(tmp_path / name, chance.normal(size=(3, rows_of.shape[1])).astype(np.float32))
    for name, column in places.items():
        stage = Filter(near=str(tmp_path / name), target_rows=9)
        found = kept(corpus, stage)
        listed = rows(corpus, f"normsim_{column}")
        best = sorted(listed, key=lambda row: (-row[f"normsim_{column}"], row["uid"]))[:9]
        assert found == {row["uid"] for row in best}
        assert stage.decision_name().startswith(f"normsim_{column}-best-9")
    assert {"normsim-red_shoes", "normsim-blue_hats"} <= set(corpus.layers("scores"))
    for name in places:
        assert committed(run_here(corpus, [Filter(near=str(tmp_path / name), target_rows=9)])) == []


def test_weights_and_soft_caps(corpus: Corpus) -> None:
    stage = Filter(weight="text_words / 4", soft_cap=6, by="language", decision="d")
    found = kept(corpus, stage)
    listed = rows(corpus, "language", "alt_text")
    assert found == {row["uid"] for row in listed if row["alt_text"].split()}
    sizes = Counter(row["language"] for row in listed if row["uid"] in found)
    weights = {row["uid"]: row["weight"] for row in decided(corpus, "d")}
    for row in listed:
        share = 1 if row["language"] is None else min(1, 6 / sizes[row["language"]])
        want = len(row["alt_text"].split()) / 4 * share if row["uid"] in found else 0
        assert weights[row["uid"]] == pytest.approx(want, rel=1e-6)
    assert stats_of(corpus, stage)["weight"] == pytest.approx(sum(weights.values()), rel=1e-5)


def test_candidates_are_decided_on_by_what_is_known_of_all(corpus: Corpus) -> None:
    stage = Filter(of="candidates", where=("text_words > 6",), decision="d")
    found = kept(corpus, stage)
    assert found == {
        row["uid"] for row in rows(corpus, "alt_text", of="candidates") if len(row["alt_text"].split()) > 6
    }
    assert stats_of(corpus, stage)["of"] == "candidates"
    with pytest.raises(UsageError, match="no column 'similarity'"):
        run_here(corpus, [Filter(of="candidates", min_sim=0.1)])
    assert not verify(corpus).findings


def test_what_was_decided_on_candidates_is_what_is_downloaded_next(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    pairs = [("http://a.test/1.jpg", "a dog in the snow"), ("http://a.test/2.jpg", "dog")]
    run_here(corpus, [Import(source=write_list(tmp_path / "list.csv", pairs))])
    assert status(corpus).next == f"vlcorpus download {corpus.path}"
    run_here(corpus, [Filter(of="candidates", where=("text_words > 2",), decision="long")])
    assert status(corpus).next == f"vlcorpus download {corpus.path} --decision long"


@pytest.mark.parametrize(
    ("settings", "said", "hint"),
    [
        ({"where": ("similarity > ",)}, "the expression ends", ""),
        ({"where": ("similrity > 0.3",)}, "no column 'similrity'", "similarity"),
        ({"where": ("punsafe < 0.5",)}, "no column 'punsafe'", "a list brings it"),
        ({"where": ("aesthetic > 5",)}, "filter needs scores/aesthetic", "score CORPUS aesthetic --weights WEIGHTS`"),
        ({"where": ("head_wm < 1",)}, "filter needs scores/head-wm", "score CORPUS head --named wm --head HEAD`"),
        ({"where": ("language > 3",)}, "cannot be compared", ""),
        ({"top_fraction": 0.5, "score": "language"}, "is text, but a number is wanted", ""),
        ({"cap": 5}, "a cap is of each group", "--by"),
        ({"by": "language"}, "--by groups nothing", "--cap"),
        ({"soft_cap": 5}, "a cap is of each group", "--by"),
        ({"cap_by": "language"}, "--cap-by groups nothing", "--cap"),
        ({"by": "language", "cap_by": "source", "cap": 2}, "--by groups nothing", "--top-fraction"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_done(
    corpus: Corpus, settings: dict[str, Any], said: str, hint: str
) -> None:
    before = sorted(corpus.path.rglob("*"))
    with pytest.raises(UsageError) as raised:
        make_plan(corpus, [Filter(**settings)])
    assert said in raised.value.message and hint in raised.value.hint
    assert sorted(corpus.path.rglob("*")) == before


def test_a_threshold_made_for_another_model_is_refused_unless_forced(corpus: Corpus) -> None:
    (model,) = corpus.layers("embeddings")
    name = model.rpartition(".")[0].replace(".", "/", 1)
    for good in (model, name, f"similarity={name}", f"phash={name}"):
        run_here(corpus, [Filter(min_sim=0.1, made_for=(good,), decision=f"d{len(good)}{good[:3]}")])
    for bad in ("ViT-B-32/openai", "similarity=ViT-L-14/openai", model[:-1] + "x"):
        with pytest.raises(UsageError, match=r"the threshold of similarity was made for .*, not for") as raised:
            run_here(corpus, [Filter(min_sim=0.1, made_for=(bad,), decision="bad")])
        assert "--any-model" in raised.value.hint
        assert not corpus.layer("decisions/bad").units()
    run_here(corpus, [Filter(min_sim=0.1, made_for=("ViT-B-32/openai",), any_model=True, decision="forced")])
    assert stats_of(corpus, Filter(decision="forced"))["models"] == {"similarity": model}


STAGES = (
    Filter(top_fraction=0.4, by="language", missing="keep", decision="groups"),
    Filter(where=("text_words > 5",), min_sim=0.0, cap=7, by="source", target_rows=12, decision="many"),
    Filter(random_fraction=0.5, soft_cap=4, by="language", decision="soft"),
)


def test_stored_cuts_applied_again_give_the_same_bytes(corpus: Corpus) -> None:
    for stage in STAGES:
        run_here(corpus, [stage])
        before = contents(corpus, stage.made())
        again = replace(stage, frozen=True)
        cuts = stats_of(corpus, stage)["predicates"]
        shutil.rmtree(corpus.layer(stage.made()).folder / "00000.parquet", ignore_errors=True)
        run_here(corpus, [again])
        assert contents(corpus, stage.made()) == before and stats_of(corpus, again)["predicates"] == cuts


def test_workers_and_places_change_no_byte(corpus: Corpus, tmp_path: Path) -> None:
    found = []
    for workers in (1, 2, 4):
        shutil.copytree(corpus.path, tmp_path / str(workers) / "corpus")
        shutil.copytree(corpus.path.parent / "trusted", tmp_path / str(workers) / "trusted")
        own = Corpus.open(tmp_path / str(workers) / "corpus")
        do(own, STAGES, workers=workers)
        found.append({name: contents(own, f"decisions/{name}") for name in ("groups", "many", "soft")})
    assert found[0] == found[1] == found[2]


def test_an_unchanged_decision_is_not_made_again(corpus: Corpus) -> None:
    assert len(committed(run_here(corpus, list(STAGES)))) >= 3
    assert committed(run_here(corpus, list(STAGES))) == []
    run_here(corpus, [Score(score="text", named="more")])
    assert committed(run_here(corpus, list(STAGES))) == [], "a score that is not read changes nothing"


def test_cuts_of_very_many_groups_stand_in_the_stats_of_the_whole_alone(corpus: Corpus) -> None:
    stage = Filter(cap=1, by="alt_text", decision="texts")
    run_here(corpus, [stage])
    whole, part = stats_of(corpus, stage), stats_of(corpus, stage, "00000")
    texts = {row["alt_text"] for row in rows(corpus, "alt_text")}
    if len(texts) > 256:
        assert "digest" in part["predicates"][0]["cut"]
    assert len(whole["predicates"][0]["cut"]["groups"]) == len(texts)
    assert len([row for row in decided(corpus, "texts") if row["keep"]]) == len(texts)
    json.dumps(whole)


def test_scores_of_several_models_are_not_mixed(corpus: Corpus) -> None:
    layer = corpus.layer("scores/similarity")
    path = layer.path(layer.marker("00001"))
    told = json.loads(path.read_text())
    path.write_text(json.dumps(told | {"source": "embeddings/other.model.00000000", "model": "other.model.00000000"}))
    stage = Filter(min_sim=0.1, decision="mixed")
    stage.check(corpus)
    with pytest.raises(CorpusError, match="several models"):
        stage.open(corpus)("all", lambda *told: None)
