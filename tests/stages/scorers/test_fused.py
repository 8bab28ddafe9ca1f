from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.scores.test_ranks import slow
from tests.stages.given import Given, committed, given_corpus, pairs, run_here, write_similarities
from tests.stages.running import do, here
from tests.stages.scorers.embedded import scored, toy_corpus
from vlcorpus.corpus import Corpus
from vlcorpus.errors import UsageError
from vlcorpus.pipeline.plan import state
from vlcorpus.stages.score import Score


def test_the_mean_of_places_among_rows_that_have_all(tmp_path: Path) -> None:
    every = pairs(0, 20)
    every[3] = Given("http://a.test/none.jpg", "no image")
    corpus = toy_corpus(tmp_path / "c", every[:12], every[12:], hurt={every[8].uid: 0.0})
    similarities = {each.uid: [0.1, 0.2, 0.2, 0.3, None][place % 5] for place, each in enumerate(every)}
    write_similarities(corpus, similarities)
    here(corpus, Score(score="negcliploss", batches=1))
    here(corpus, Score(score="fused", columns=("similarity", "negcliploss"), shares=(2, 1)))
    loss = scored(corpus, "negcliploss")
    uids = [each.uid for each in every if each.body]
    whole = [uid for uid in uids if similarities[uid] is not None and loss[uid]["negcliploss"] is not None]
    assert 0 < len(whole) < len(uids)
    one = slow(np.array([similarities[uid] for uid in whole], np.float32))
    other = slow(np.array([loss[uid]["negcliploss"] for uid in whole], np.float32))
    expected = dict(zip(whole, (2 * one + other) / 3, strict=True))
    found = scored(corpus, "fused")
    assert list(found) == uids
    for uid, row in found.items():
        assert row["fused"] == (pytest.approx(expected[uid], abs=1e-7) if uid in expected else None)
    stats = corpus.layer("scores/fused").stats("all")
    assert stats is not None
    assert (stats["columns"], stats["shares"], stats["ranked"]) == (["similarity", "negcliploss"], [2, 1], len(whole))


def test_any_column_of_numbers_and_shares_below_0(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 7)
    values = [0.3, 0.1, 0.2, 0.7, 0.6, 0.5, 0.4]
    write_similarities(corpus, {each.uid: value for each, value in zip(pairs(0, 7), values, strict=True)})
    here(corpus, Score(score="fused", columns=("similarity",)))
    assert [row["fused"] for row in scored(corpus, "fused").values()] == pytest.approx(
        np.argsort(np.argsort(values)) / 6
    )
    here(corpus, Score(score="fused", columns=("similarity",), shares=(-3,), named="down"))
    down = [row["fused"] for row in scored(corpus, "fused-down").values()]
    assert down == pytest.approx(1 - np.argsort(np.argsort(values)) / 6)
    here(corpus, Score(score="fused", columns=("short_side", "similarity", "fused_down"), named="all"))
    assert [row["fused"] for row in scored(corpus, "fused-all").values()] == pytest.approx([0.5] * 7)


def test_shards_order_and_workers_change_no_bit(tmp_path: Path) -> None:
    every = pairs(0, 24)
    stages = [Score(score="similarity"), Score(score="negcliploss", batches=1)]
    stages.append(Score(score="fused", columns=("similarity", "negcliploss")))
    one = toy_corpus(tmp_path / "one", every[:10], every[10:])
    do(one, stages)
    other = toy_corpus(tmp_path / "other", every[15:], every[:3], every[3:15])
    do(other, stages, workers=2)
    assert scored(one, "fused") == scored(other, "fused")
    assert not committed(run_here(one, stages[2:]))


def test_a_column_that_can_be_made_is_made_first(tmp_path: Path) -> None:
    corpus = toy_corpus(tmp_path / "c", pairs(0, 6))
    made = committed(run_here(corpus, [Score(score="fused", columns=("similarity", "negcliploss"))]))
    assert sorted(made[:2]) == ["scores/negcliploss/all", "scores/similarity/00000"] and made[2:] == [
        "scores/fused/all"
    ]


def test_another_column_makes_it_stale(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 5)
    score = Score(score="fused", columns=("similarity",))
    made = set()
    for start in (0, 1):
        write_similarities(corpus, {each.uid: (start + place) % 5 / 5 for place, each in enumerate(pairs(0, 5))})
        assert state(score, corpus, "all") == ("stale" if start else "todo")
        here(corpus, score)
        assert state(score, corpus, "all") == "done"
        made.add(str(scored(corpus, "fused")))
    assert len(made) == 2


def refused(corpus: Corpus, words: str, **settings: object) -> None:
    with pytest.raises(UsageError, match=words):
        here(corpus, Score(score="fused", **settings))  # type: ignore[arg-type]


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 5)
    write_similarities(corpus, {each.uid: 0.1 for each in pairs(0, 5)})
    refused(corpus, "fused has no --columns")
    refused(corpus, "no column 'similarly'", columns=("similarly",))
    refused(corpus, "caption is string, which has no ranks", columns=("caption",))
    refused(corpus, "named twice", columns=("similarity", "similarity"))
    refused(corpus, "1 columns and 2 shares", columns=("similarity",), shares=(1, 2))
    refused(corpus, "a share of 0", columns=("similarity",), shares=(0,))
    refused(corpus, "a share of 0 or without end", columns=("similarity",), shares=(float("inf"),))
    refused(corpus, "what is to be made|needs scores/fused", columns=("fused",))
    assert not corpus.layer("scores/fused").units()
