from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.stages.given import Given, committed, give, given_corpus, pairs, run_here, write_probe, write_similarities
from tests.stages.running import contents, do, write_list
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.io import table
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.stages.download import Download
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.import_ import Import
from vlcorpus.stages.samples import with_image
from vlcorpus.stages.score import Score
from vlcorpus.views.freshness import Freshness


def uids_of(corpus: Corpus) -> list[bytes]:
    shards = corpus.layer("shards").units()
    return [bytes.fromhex(row["uid"]) for shard in shards for row in with_image(corpus, shard)]


def similarity_of(uid: bytes) -> float | None:
    """One of eleven values, drawn by the uid; a few have none."""
    draw = hashlib.sha256(uid).digest()[0] % 12
    return None if draw == 11 else draw / 10


def scored_corpus(folder: Path, *counts: int) -> Corpus:
    corpus = given_corpus(folder, *counts)
    write_similarities(corpus, {uid: similarity_of(uid) for uid in uids_of(corpus)})
    return corpus


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scored_corpus(tmp_path_factory.mktemp("filter") / "c", 30, 20, 10).path


@pytest.fixture
def corpus(made: Path, tmp_path: Path) -> Corpus:
    shutil.copytree(made, tmp_path / "c")
    return Corpus.open(tmp_path / "c")


def filter_here(corpus: Corpus, stage: Filter) -> list[str]:
    """The filter alone: the similarities that are there are not made again."""
    stage.check(corpus)
    stage.open(corpus)("all", lambda seen, kept: None)
    return kept(corpus, stage.decision_name())


def decided(corpus: Corpus, name: str) -> list[dict[str, Any]]:
    layer = corpus.layer(f"decisions/{name}")
    return [row for shard in layer.units() for row in table.rows(layer.path(f"{shard}.parquet"), "decisions")]


def kept(corpus: Corpus, name: str) -> list[str]:
    return [row["uid"].hex() for row in decided(corpus, name) if row["keep"]]


def stats_of(corpus: Corpus, name: str) -> dict[str, Any]:
    stats = corpus.layer(f"decisions/{name}").stats("all")
    assert stats is not None
    return stats


def best(uids: list[bytes], count: int) -> set[str]:
    """The slow rule: highest similarity first, of equal ones the smallest uid."""
    there = sorted((-value, uid) for uid in uids if (value := similarity_of(uid)) is not None)
    return {uid.hex() for _, uid in there[:count]}


def test_a_threshold_keeps_what_is_at_or_above_it(corpus: Corpus) -> None:
    found = filter_here(corpus, Filter(min_sim=0.3))
    want = [uid.hex() for uid in uids_of(corpus) if (similarity_of(uid) or 0) >= 0.3]
    assert found == want, "0.3 itself is kept, in the precision in which it is stored"
    stats = stats_of(corpus, "similarity-0.3")
    absent = sum(similarity_of(uid) is None for uid in uids_of(corpus))
    assert stats["rejected"] == {"below_threshold": 60 - len(want) - absent, "missing_score": absent}
    assert (stats["seen"], stats["kept"], stats["model"]) == (60, len(want), "toy.model.00000000")


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_a_top_fraction_is_exact_and_ties_go_by_uid(corpus: Corpus, share: float) -> None:
    uids = uids_of(corpus)
    there = sum(similarity_of(uid) is not None for uid in uids)
    assert set(filter_here(corpus, Filter(top_fraction=share))) == best(uids, int(share * there))


def test_what_becomes_of_pairs_without_a_score(corpus: Corpus) -> None:
    absent = {uid.hex() for uid in uids_of(corpus) if similarity_of(uid) is None}
    assert absent
    assert absent.isdisjoint(filter_here(corpus, Filter(min_sim=0.5, decision="drop")))
    assert absent <= set(filter_here(corpus, Filter(min_sim=0.5, missing="keep", decision="keep")))
    with pytest.raises(CorpusError, match=r"have no value for: similarity >= 0\.5"):
        filter_here(corpus, Filter(min_sim=0.5, missing="error", decision="error"))


def test_every_failed_predicate_is_marked(corpus: Corpus) -> None:
    filter_here(corpus, Filter(min_sim=0.4, random_fraction=0.5, decision="both"))
    for row in decided(corpus, "both"):
        low = (similarity_of(row["uid"]) or 0) < 0.4
        assert bool(row["fail_mask"] & 1) == low
        assert row["first_fail"] == (0 if low else 1 if row["fail_mask"] & 2 else -1)
        assert row["keep"] == (row["fail_mask"] == 0) and row["weight"] == float(row["keep"])
    stats = stats_of(corpus, "both")
    assert stats["seen"] == stats["kept"] + sum(stats["rejected"].values())
    for shard in corpus.layer("decisions/both").units():
        part = corpus.layer("decisions/both").stats(shard)
        assert part is not None and part["seen"] == part["kept"] + sum(part["rejected"].values())


def test_a_random_control_has_the_size_of_what_it_is_like(corpus: Corpus, tmp_path: Path) -> None:
    size = len(filter_here(corpus, Filter(top_fraction=0.4, decision="top")))
    found = filter_here(corpus, Filter(random_like="top"))
    assert len(found) == size and set(found) != set(kept(corpus, "top"))
    other = filter_here(corpus, Filter(random_like="top", seed=1))
    assert len(other) == size and set(other) != set(found)
    turned = Corpus.create(tmp_path / "turned")  # the same pairs in other shards and another order
    for shard, (start, count) in enumerate([(30, 30), (0, 5), (5, 25)]):
        give(turned, f"{shard:05d}", pairs(start, count)[::-1])
    write_similarities(turned, {uid: similarity_of(uid) for uid in uids_of(turned)})
    filter_here(turned, Filter(top_fraction=0.4, decision="top"))
    assert set(kept(turned, "top")) == set(kept(corpus, "top"))
    assert set(filter_here(turned, Filter(random_like="top"))) == set(found)


def grow(corpus: Corpus) -> None:
    give(corpus, "00003", pairs(100, 40))
    write_similarities(corpus, {uid: similarity_of(uid) for uid in uids_of(corpus)})


def test_growth_moves_the_threshold_and_frozen_keeps_it(corpus: Corpus) -> None:
    before = filter_here(corpus, Filter(top_fraction=0.3, decision="top"))
    cuts = stats_of(corpus, "top")["predicates"]
    grow(corpus)
    frozen = filter_here(corpus, Filter(top_fraction=0.3, decision="top", frozen=True))
    stats = stats_of(corpus, "top")
    assert stats["predicates"] == cuts and stats["changed"] == 0
    assert frozen[: len(before)] == before
    moved = filter_here(corpus, Filter(top_fraction=0.3, decision="top"))
    stats = stats_of(corpus, "top")
    assert stats["predicates_before"] == cuts != stats["predicates"]
    assert stats["changed"] == len(set(frozen) ^ set(moved))
    there = sum(similarity_of(uid) is not None for uid in uids_of(corpus))
    assert set(moved) == best(uids_of(corpus), int(0.3 * there))


def test_frozen_and_plain_are_told_apart(tmp_path: Path) -> None:
    """After a frozen run the plain command still has the threshold to move."""
    corpus = given_corpus(tmp_path / "c", 12)
    plain, frozen = (Filter(top_fraction=0.5, decision="top", frozen=each) for each in (False, True))
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p")), plain])
    give(corpus, "00001", pairs(100, 12))
    assert "decisions/top/all" in committed(run_here(corpus, [frozen]))
    assert not committed(run_here(corpus, [frozen]))
    for unit in ("00000", "00001", "all"):
        stats = corpus.layer("decisions/top").stats(unit)
        assert stats is not None and Freshness(corpus).of(unit, stats) == "fresh"
    assert committed(run_here(corpus, [plain])) == ["decisions/top/all"]
    assert not committed(run_here(corpus, [plain]))


def test_frozen_survives_an_interrupted_redo(corpus: Corpus) -> None:
    stage = Filter(top_fraction=0.3, decision="top", frozen=True)
    filter_here(corpus, Filter(top_fraction=0.3, decision="top"))
    cuts = stats_of(corpus, "top")["predicates"]
    grow(corpus)
    corpus.layer("decisions/top").path("all_stats.json").unlink()
    filter_here(corpus, stage)
    assert stats_of(corpus, "top")["predicates"] == cuts


def test_a_name_stands_for_its_settings(corpus: Corpus) -> None:
    filter_here(corpus, Filter(min_sim=0.3, decision="mine"))
    with pytest.raises(UsageError, match=r"exists with min_sim 0\.3, not 0\.4"):
        filter_here(corpus, Filter(min_sim=0.4, decision="mine"))
    corpus.layer("decisions/mine").path("all_stats.json").unlink()  # interrupted
    with pytest.raises(UsageError, match=r"exists with min_sim 0\.3, not 0\.4"):
        filter_here(corpus, Filter(min_sim=0.4, decision="mine"))
    filter_here(corpus, Filter(min_sim=0.3, decision="mine"))


def test_names_tell_the_settings() -> None:
    assert Filter(min_sim=0.28).decision_name() == "similarity-0.28"
    assert Filter(top_fraction=0.3).decision_name() == "similarity-top-0.3"
    assert Filter(random_like="x", seed=2).decision_name() == "random-like-x-2"
    assert Filter(min_sim=0.2, random_fraction=0.5).decision_name() == "similarity-0.2-and-random-0.5-0"
    assert Filter().decision_name() == "all"
    assert Filter(min_sim=0.2, decision="mine").decision_name() == "mine"


def test_thresholds_of_another_model_are_refused(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 12)
    one, other = write_probe(tmp_path / "one"), write_probe(tmp_path / "other", seed=1)
    run_here(corpus, [Embed(model=one), Filter(min_sim=0.0)])
    (first,) = corpus.layers("embeddings")
    with pytest.raises(UsageError, match=r"those of conv-nano\.one") as caught:
        run_here(corpus, [Filter(min_sim=0.1, model=other)])
    assert f"score again: `vlcorpus score {corpus.path} similarity --model {other}`" in caught.value.hint
    run_here(corpus, [Score(score="similarity", model=other)])
    (second,) = set(corpus.layers("embeddings")) - {first}
    for stage in (Filter(min_sim=0.0), Filter(min_sim=0.0, frozen=True)):
        with pytest.raises(UsageError) as caught:
            run_here(corpus, [stage])
        assert first in caught.value.message and second in caught.value.message
    assert stats_of(corpus, "similarity-0")["model"] == first, "what was decided stays"
    run_here(corpus, [Filter(min_sim=0.0, decision="other", model=other)])
    assert stats_of(corpus, "other")["model"] == second


def test_workers_do_not_change_a_byte(tmp_path: Path) -> None:
    probe = write_probe(tmp_path / "p")
    found = []
    for workers in (0, 2):
        corpus = given_corpus(tmp_path / f"c{workers}", 8, 8)
        stages = [Embed(model=probe), Filter(top_fraction=0.5), Filter(random_fraction=0.5)]
        do(corpus, stages, workers=workers) if workers else run_here(corpus, stages)
        found.append(contents(corpus, "decisions"))
    assert found[0] == found[1] and len(found[0]) == 4


def test_what_a_filter_needs_is_put_in_front(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    run_here(corpus, [Import(source=write_list(tmp_path / "list.csv", [("http://a.test/1.jpg", "a dog")]))])
    probe = write_probe(tmp_path / "p")
    plan = make_plan(corpus, [Filter(min_sim=0.2, model=probe)])
    assert plan.added == (Download(), Embed(model=probe), Score(score="similarity", model=probe))
    assert make_plan(corpus, [Filter(random_fraction=0.5)]).added == (Download(),)


def test_what_is_put_in_front_is_as_it_was_made_before(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 6)
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p"), precision="bf16"), Filter(min_sim=0.0)])
    give(corpus, "00001", pairs(50, 6))
    tmp_path.joinpath("c").rename(tmp_path / "moved")
    corpus = Corpus.open(tmp_path / "moved")
    plan = make_plan(corpus, [Filter(min_sim=0.0)])
    embed, score = plan.added
    assert isinstance(embed, Embed) and embed.precision == "bf16" and embed.model == str(tmp_path / "p")
    assert isinstance(score, Score)
    made = committed(run_here(corpus, [Filter(min_sim=0.0)]))
    assert made == ["embeddings/00001", "scores/similarity/00001", "decisions/similarity-0/all"]


def test_nothing_to_decide_on(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "empty")
    assert filter_here(corpus, Filter(random_fraction=0.5)) == []
    give(corpus, "00000", [])
    give(corpus, "00001", [Given("http://a.test/lost.jpg", "lost")])
    write_similarities(corpus, {})
    for stage in (Filter(min_sim=0.2), Filter(top_fraction=0.5), Filter(random_like="similarity-0.2")):
        assert filter_here(corpus, stage) == []
        assert stats_of(corpus, stage.decision_name())["seen"] == 0


def test_no_absolute_path_is_kept(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 6)
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p")), Filter(min_sim=0.0, model=str(tmp_path / "p"))])
    for path in sorted(corpus.path.rglob("*.json")):
        assert str(tmp_path) not in path.read_text(), path
        json.loads(path.read_text())
