from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.scores.test_negcliploss import slow
from tests.stages.given import committed, give, pairs, run_here
from tests.stages.running import do
from tests.stages.scorers.embedded import both, scored, toy_corpus, write_embeddings
from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.scores.negcliploss import rounds
from vlcorpus.stages.score import Score
from vlcorpus.stages.scorers import negcliploss


def test_is_the_mean_of_the_formula_over_the_drawn_batches(tmp_path: Path) -> None:
    corpus = toy_corpus(tmp_path / "c", pairs(0, 13), pairs(13, 8))
    run_here(corpus, [Score(score="negcliploss", batches=3, batch_size=6, temperature=0.05, seed=5)])
    uids, image, text = both(corpus)
    expected = np.zeros(21)
    named = np.frombuffer(b"".join(uids), np.uint8).reshape(-1, 16)
    for round_ in rounds(named, batches=3, batch_rows=6, seed=5):
        assert [len(batch) for batch in round_] == [6, 5, 5, 5]
        for batch in round_:
            expected[batch] += slow(image[batch], text[batch], 0.05) / 3
    found = scored(corpus, "negcliploss")
    assert list(found) == uids
    assert np.abs(np.array([row["negcliploss"] for row in found.values()]) - expected).max() < 1e-5
    stats = corpus.layer("scores/negcliploss").stats("all")
    assert stats is not None
    assert (stats["batches"], stats["batch_rows"], stats["temperature"], stats["of"]) == (3, 6, 0.05, "images")
    assert stats["model"] == "toy.given" and stats["seen"] == stats["kept"] == 21


def test_shards_order_workers_and_what_is_held_change_no_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = pairs(0, 24)
    score = Score(score="negcliploss", batches=2, batch_size=5)
    one = toy_corpus(tmp_path / "one", every[:10], every[10:])
    do(one, [score])
    other = toy_corpus(tmp_path / "other", every[15:], every[:3], every[3:15])
    do(other, [score], workers=2)
    assert scored(one, "negcliploss") == scored(other, "negcliploss")
    for held in (1, 7):
        monkeypatch.setattr(negcliploss, "HELD_ROWS", held)
        again = toy_corpus(tmp_path / f"held-{held}", every[:10], every[10:])
        run_here(again, [score])
        assert scored(again, "negcliploss") == scored(one, "negcliploss")


def test_rows_without_vectors_are_null_and_no_partner(tmp_path: Path) -> None:
    every = pairs(0, 12)
    hurt = {every[2].uid: float("nan"), every[5].uid: 0.0, every[6].uid: float("inf")}
    score = Score(score="negcliploss", batches=2)
    with_them = toy_corpus(tmp_path / "with", every, hurt=hurt)
    without = toy_corpus(tmp_path / "without", [each for each in every if each.uid not in hurt])
    for corpus in (with_them, without):
        run_here(corpus, [score])
    found = scored(with_them, "negcliploss")
    assert [row["negcliploss"] is None for row in found.values()] == [each.uid in hurt for each in every]
    assert {uid: row for uid, row in found.items() if uid not in hurt} == scored(without, "negcliploss")
    nobody = toy_corpus(tmp_path / "nobody", every, hurt={each.uid: 0.0 for each in every})
    run_here(nobody, [score])
    assert all(row["negcliploss"] is None for row in scored(nobody, "negcliploss").values())


def test_a_seed_is_other_batches_and_growth_makes_it_stale(tmp_path: Path) -> None:
    corpus = toy_corpus(tmp_path / "c", pairs(0, 12))
    score = Score(score="negcliploss", batches=1, batch_size=4)
    assert committed(run_here(corpus, [score]))
    assert not committed(run_here(corpus, [score])), "it is done"
    before = scored(corpus, "negcliploss")
    run_here(corpus, [Score(score="negcliploss", batches=1, batch_size=4, seed=1)])
    assert scored(corpus, "negcliploss") != before
    give(corpus, "00001", pairs(12, 5))
    write_embeddings(corpus)
    assert committed(run_here(corpus, [score])) and len(scored(corpus, "negcliploss")) == 17


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    corpus = toy_corpus(tmp_path / "c", pairs(0, 3))
    with pytest.raises(UsageError, match="a batch of one pair"):
        run_here(corpus, [Score(score="negcliploss", batch_size=1)])
    with pytest.raises(UsageError, match="negcliploss does not read --near"):
        run_here(corpus, [Score(score="negcliploss", near="x")])
    with pytest.raises(UsageError, match="device 'abacus' cannot be used"):
        run_here(corpus, [Score(score="negcliploss", device="abacus")])


def test_shards_of_other_dimensions_are_refused(tmp_path: Path) -> None:
    corpus = toy_corpus(tmp_path / "c", pairs(0, 3), pairs(3, 3))
    for side in ("img", "text"):
        place = corpus.path / "embeddings" / "toy.given" / f"{side}_emb" / f"{side}_emb_00001.npy"
        np.save(place, np.load(place)[:, :16])
    with pytest.raises(CorpusError, match="00001 has vectors of 16 numbers, others 24"):
        run_here(corpus, [Score(score="negcliploss")])
