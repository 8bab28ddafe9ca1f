from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest

from tests.scores.vectors import unit
from tests.stages.given import committed, give, pairs, run_here
from tests.stages.lending import processes, shuffled
from tests.stages.running import contents, do, quiet
from tests.stages.scorers.embedded import DIMENSION, both, scored, toy_corpus, write_embeddings
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.scores import clusters
from vlcorpus.stages import relay
from vlcorpus.stages.score import Score
from vlcorpus.stages.sharing import lent


def test_every_row_has_the_nearest_centroid(tmp_path: Path) -> None:
    every = pairs(0, 40)
    corpus = toy_corpus(tmp_path / "c", every[:25], every[25:], hurt={every[3].uid: float("nan"), every[30].uid: 0.0})
    run_here(corpus, [Score(score="clusters", clusters=4)])
    centroids = np.load(corpus.path / "scores" / "clusters" / "centroids.npy", allow_pickle=False)
    assert (centroids.shape, centroids.dtype) == ((4, DIMENSION), np.float32)
    assert np.linalg.norm(centroids, axis=1) == pytest.approx(np.ones(4), abs=1e-6)
    uids, image, _ = both(corpus)
    found = scored(corpus, "clusters")
    assert list(found) == uids
    missing = [row["cluster"] is None for row in found.values()]
    assert missing == [each.uid in (every[3].uid, every[30].uid) for each in every]
    assert missing == [row["cluster_similarity"] is None for row in found.values()]
    good = ~np.array(missing)
    cosines = unit(image[good]) @ unit(centroids).T
    assert [row["cluster"] for row in found.values() if row["cluster"] is not None] == cosines.argmax(1).tolist()
    got = np.array([row["cluster_similarity"] for row in found.values() if row["cluster"] is not None])
    assert np.abs(got - cosines.max(1)).max() < 1e-6
    stats = corpus.layer("scores/clusters").stats("all")
    assert stats is not None and "centroids.npy" in stats["outputs"]
    assert (stats["clusters"], stats["trained_on"]) == (4, 38)
    assert stats["mean_similarity"] == pytest.approx(got.mean(), abs=1e-5)


def test_shards_order_and_workers_change_no_bit(tmp_path: Path) -> None:
    every = pairs(0, 30)
    score = Score(score="clusters", clusters=3, seed=4)
    one = toy_corpus(tmp_path / "one", every[:20], every[20:])
    do(one, [score])
    other = toy_corpus(tmp_path / "other", every[22:], every[:9], every[9:22])
    do(other, [score], workers=2)
    assert scored(one, "clusters") == scored(other, "clusters")
    files = [(corpus.path / "scores" / "clusters" / "centroids.npy").read_bytes() for corpus in (one, other)]
    assert files[0] == files[1]
    assert not committed(run_here(one, [score]))


def test_parts_in_any_order_done_twice_and_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The centroids are those of all rows drawn and trained on in one place."""
    every = pairs(0, 40)
    monkeypatch.setattr(clusters, "ROWS_EACH", 8)
    made = []
    for name in ("alone", "parts", "lent", "processes"):
        corpus = toy_corpus(tmp_path / name, every[:9], every[9:25], every[25:], hurt={every[3].uid: float("nan")})
        if name != "alone":
            monkeypatch.setattr(relay, "PART_ROWS", 16)
        work = Score(score="clusters", clusters=3, seed=2).open(corpus)
        with contextlib.ExitStack() as stack:
            if name == "lent":
                stack.enter_context(lent(shuffled(1)))
            elif name == "processes":
                stack.enter_context(lent(stack.enter_context(processes(2))))
            work("all", quiet)
        made.append(contents(corpus, "scores/clusters"))
        if name == "alone":
            uids, image, _ = both(corpus)
            good = np.isfinite(image).all(1)
            names = np.frombuffer(b"".join(uids), np.uint8).reshape(-1, 16)
            order = clusters.train_order(names, good, clusters=3, seed=2)
            assert len(order) == 24
            trained = clusters.train(image.astype(np.float16)[order], 3)
            assert (
                np.load(corpus.path / "scores" / "clusters" / "centroids.npy").tobytes() == trained.centroids.tobytes()
            )
    assert made[0] == made[1] == made[2] == made[3] and len(made[0]) == 4


def test_growth_clusters_anew(tmp_path: Path) -> None:
    corpus = toy_corpus(tmp_path / "c", pairs(0, 20))
    score = Score(score="clusters", clusters=3)
    run_here(corpus, [score])
    give(corpus, "00001", pairs(20, 5))
    write_embeddings(corpus)
    assert committed(run_here(corpus, [score])) == ["scores/clusters/all"]
    assert len(scored(corpus, "clusters")) == 25


def test_more_clusters_than_images(tmp_path: Path) -> None:
    corpus = toy_corpus(tmp_path / "c", pairs(0, 5))
    with pytest.raises(SourceError, match="6 clusters are wanted of 5 different embeddings"):
        run_here(corpus, [Score(score="clusters", clusters=6)])
    assert not (corpus.path / "scores" / "clusters" / "centroids.npy").exists()
    with pytest.raises(UsageError, match="clusters has no --clusters"):
        run_here(corpus, [Score(score="clusters")])
