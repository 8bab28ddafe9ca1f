from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.scores.vectors import unit
from tests.stages.given import committed, pairs, run_here
from tests.stages.scorers.embedded import DIMENSION, both, scored, toy_corpus
from tests.stages.scorers.test_normsim import near_of
from vlcorpus.corpus import Corpus
from vlcorpus.errors import ShardsFailed, SourceError, UsageError
from vlcorpus.stages.score import Score


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    every = pairs(0, 21)
    return toy_corpus(tmp_path / "c", every[:13], every[13:], hurt={every[4].uid: float("nan"), every[14].uid: 0.0})


def test_the_greatest_product_with_what_is_given(corpus: Corpus, tmp_path: Path) -> None:
    references = near_of(9, 5).astype(np.float32) * np.linspace(0.3, 1, 9, dtype=np.float32)[:, None]
    np.save(tmp_path / "r.npy", references)
    run_here(corpus, [Score(score="nearest", references=str(tmp_path / "r.npy"))])
    uids, image, _ = both(corpus)
    found = scored(corpus, "nearest")
    assert list(found) == uids
    bad = [4, 14]
    assert [place for place, row in enumerate(found.values()) if row["nearest"] is None] == bad
    good = np.delete(np.arange(21), bad)
    products = unit(image[good]) @ references.astype(np.float64).T
    rows = [row for row in found.values() if row["nearest"] is not None]
    assert [row["nearest"] for row in rows] == products.argmax(1).tolist()
    assert np.abs(np.array([row["nearest_similarity"] for row in rows]) - products.max(1)).max() < 1e-6
    assert all(row["nearest_wanted"] is None for row in found.values())
    stats = corpus.layer("scores/nearest").stats("00000")
    assert stats is not None and stats["references"] == 9 and "near" not in stats


def test_datacomps_rule(corpus: Corpus, tmp_path: Path) -> None:
    references, near = near_of(9, 5), near_of(6, 7)
    near[2] = 0
    np.save(tmp_path / "r.npy", references)
    np.save(tmp_path / "n.npy", near)
    score = Score(score="nearest", references=str(tmp_path / "r.npy"), near=str(tmp_path / "n.npy"))
    run_here(corpus, [score])
    wide = references.astype(np.float64)
    wanted = set((unit(near[[0, 1, 3, 4, 5]]) @ wide.T).argmax(1).tolist())
    found = scored(corpus, "nearest").values()
    for row in found:
        assert row["nearest_wanted"] == (None if row["nearest"] is None else row["nearest"] in wanted)
    assert {row["nearest_wanted"] for row in found} == {True, False, None}
    stats = corpus.layer("scores/nearest").stats("00001")
    assert stats is not None
    assert (stats["near"], stats["near_lost"], stats["references_wanted"]) == (5, 1, len(wanted))
    np.save(tmp_path / "n.npy", near[:1])
    assert len(committed(run_here(corpus, [score]))) == 2, "other wanted images are another score"


def test_the_centroids_of_clusters_give_the_clusters(corpus: Corpus) -> None:
    run_here(corpus, [Score(score="clusters", clusters=4)])
    own = corpus.path / "scores" / "clusters" / "centroids.npy"
    run_here(corpus, [Score(score="nearest", references=str(own))])
    clusters, nearest = scored(corpus, "clusters"), scored(corpus, "nearest")
    for uid, row in clusters.items():
        assert (row["cluster"], row["cluster_similarity"]) == (
            nearest[uid]["nearest"], nearest[uid]["nearest_similarity"],
        )  # fmt: skip


def test_what_a_stranger_may_give(corpus: Corpus, tmp_path: Path) -> None:
    place = tmp_path / "r.npy"
    cases = (
        (near_of(5, 5)[:, :-1], f"vectors of {DIMENSION - 1} numbers, and the embeddings of {DIMENSION}"),
        (np.array([[print]], dtype=object), "not numbers of 2, 4 or 8 bytes"),
        (np.zeros((4, DIMENSION), np.float16), "no reference has a direction"),
        (np.zeros((0, DIMENSION), np.float16), "not one vector or more"),
        (np.arange(10, dtype=np.int32).reshape(2, 5), "not numbers of 2, 4 or 8 bytes"),
    )
    for array, words in cases:
        np.save(place, array, allow_pickle=True)
        with pytest.raises((SourceError, ShardsFailed), match=words):
            run_here(corpus, [Score(score="nearest", references=str(place))])
    with pytest.raises(SourceError, match="cannot be read"):
        run_here(corpus, [Score(score="nearest", references=str(tmp_path / "none.npy"))])
    np.save(place, near_of(5, 5))
    with pytest.raises(SourceError, match="neither images nor vectors"):
        (tmp_path / "empty").mkdir()
        run_here(corpus, [Score(score="nearest", references=str(place), near=str(tmp_path / "empty"))])
    with pytest.raises(UsageError, match="nearest has no --references"):
        run_here(corpus, [Score(score="nearest")])
