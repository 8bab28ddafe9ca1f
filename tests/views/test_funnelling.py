"""Funnels and comparisons are those of counting rows one by one; what is foreseen is what is then decided."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.corpora import copy, small
from tests.stages.given import run_here
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.io import table
from vlcorpus.stages.filter import Filter
from vlcorpus.views import funnelling, predeciding

A = Filter(where=("text_words > 5 and aspect <= 3",), top_fraction=0.5, by="language", decision="a")
B = Filter(min_sim=0.0, cap=15, by="source", decision="b")
C = Filter(of="candidates", where=("text_words > 5",), decision="c")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    corpus = copy(small(), tmp_path_factory.mktemp("funnels")).corpus
    run_here(corpus, [A, B, C])
    return corpus


def masks(corpus: Corpus, name: str) -> dict[bytes, int]:
    layer = corpus.layer(f"decisions/{name}")
    rows = (row for unit in layer.units() for row in table.rows(layer.path(f"{unit}.parquet"), "decisions"))
    return {row["uid"]: row["fail_mask"] for row in rows}


@pytest.mark.parametrize("name", ["a", "b", "c", "filtered", "random"])
def test_a_funnel_counts_its_rows(corpus: Corpus, name: str) -> None:
    told, found = funnelling.funnel(corpus, name), list(masks(corpus, name).values())
    assert (told.seen, told.kept) == (len(found), found.count(0))
    left = found
    for bit, step in enumerate(told.steps):
        rejected = [mask for mask in left if mask >> bit & 1]
        assert (step.entering, step.rejected) == (len(left), len(rejected))
        assert step.marginal == sum(mask >> bit & 1 for mask in found)
        assert step.alone == found.count(1 << bit) and step.kept_without == told.kept + step.alone
        left = [mask for mask in left if not mask >> bit & 1]
    assert len(left) == told.kept
    assert told.of == ("candidates" if name == "c" else "images")


def test_two_decisions_are_compared_pair_by_pair(corpus: Corpus) -> None:
    one, other = masks(corpus, "a"), masks(corpus, "b")
    kept = [{uid for uid, mask in each.items() if mask == 0} for each in (one, other)]
    found = funnelling.compare(corpus, "a", "b", samples=4, seed=1)
    assert (found.both, found.only_first, found.only_second) == (
        len(kept[0] & kept[1]), len(kept[0] - kept[1]), len(kept[1] - kept[0]),
    )  # fmt: skip
    assert found.both + found.only_first + found.only_second + found.neither == len(one)
    assert found.jaccard == len(kept[0] & kept[1]) / len(kept[0] | kept[1])
    assert len(found.sample_first) == min(4, found.only_first) and found.sample_first
    for side, sample in enumerate((found.sample_first, found.sample_second)):
        for each in sample:
            uid = bytes.fromhex(each.uid)
            assert uid in kept[side] and uid not in kept[1 - side] and each.fails
    assert funnelling.compare(corpus, "a", "b", samples=4, seed=1) == found
    assert funnelling.compare(corpus, "a", "a").jaccard == 1


def test_a_decision_on_candidates_is_compared_over_the_pairs_with_images(corpus: Corpus) -> None:
    found = funnelling.compare(corpus, "a", "c")
    assert found.of == "images" and found.only_first == 0, "c asks less"
    assert found.both + found.only_second + found.neither == len(masks(corpus, "a")) < len(masks(corpus, "c"))
    assert funnelling.compare(corpus, "c", "c").of == "candidates"


def test_what_is_not_there_is_said(corpus: Corpus) -> None:
    with pytest.raises(UsageError, match="no decisions/nothing"):
        funnelling.funnel(corpus, "nothing")
    with pytest.raises(CorpusError, match="earlier version"):
        layer = corpus.layer("decisions/filtered")
        path, before = layer.path(layer.marker("all")), layer.path(layer.marker("all")).read_text()
        try:
            path.write_text(before.replace('"masks"', '"other"'))
            funnelling.funnel(corpus, "filtered")
        finally:
            path.write_text(before)


@pytest.mark.parametrize("stage", [A, B, C], ids="abc")
def test_what_is_foreseen_is_what_is_decided(corpus: Corpus, stage: Filter) -> None:
    before = sorted(path for path in corpus.path.rglob("*") if path.is_file())
    found = predeciding.exact(corpus, stage)
    assert found.funnel == funnelling.funnel(corpus, stage.decision_name()) and found.changed == 0
    stats = corpus.layer(stage.made()).stats("all")
    assert stats is not None and stats["rejected"] == dict(sorted(found.rejected.items()))
    assert sorted(path for path in corpus.path.rglob("*") if path.is_file()) == before
    assert predeciding.by_sample(corpus, stage) is None, "too few shards to draw from"


def test_the_interval_of_a_sample_covers_the_share_of_all() -> None:
    """500 corpora of 60 shards whose shares differ much, of which 12 are drawn."""
    chance = np.random.default_rng(0)
    covered = 0
    for _ in range(500):
        sizes = chance.integers(500, 1500, 60)
        kept = chance.binomial(sizes, chance.beta(4, 8, 60))
        drawn = chance.permutation(60)[:12]
        found = predeciding.ratio(kept[drawn].tolist(), sizes[drawn].tolist(), 60)
        covered += found.low <= kept.sum() / sizes.sum() <= found.high
    assert 0.93 <= covered / 500 <= 0.99
    assert predeciding.ratio([3], [10], 5).high == 1.0 and predeciding.ratio([], [], 5).middle == 0


def test_a_sample_of_shards_stands_for_all(tmp_path: Path) -> None:
    from tests.stages.given import give, given_corpus, pairs, write_similarities
    from tests.stages.test_filter import similarity_of, uids_of

    corpus = given_corpus(tmp_path / "c", 20)
    for number in range(1, 20):
        give(corpus, f"{number:05}", pairs(1000 * number, 20))
    write_similarities(corpus, {uid: similarity_of(uid) for uid in uids_of(corpus)})
    guess = predeciding.by_sample(corpus, Filter(min_sim=0.5))
    assert guess is not None and (guess.shards, guess.of, guess.rows) == (12, 20, 240)
    assert guess.kept.low < guess.kept.middle < guess.kept.high
    funnel = predeciding.exact(corpus, Filter(min_sim=0.5)).funnel
    assert guess.kept.low <= funnel.kept / funnel.seen <= guess.kept.high
