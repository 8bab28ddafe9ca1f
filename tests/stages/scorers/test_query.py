from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.stages.given import committed, give, pairs, picture, run_here, write_probe
from tests.stages.scorers.embedded import DIMENSION, SLUG, both, scored, toy_corpus, write_embeddings
from vlcorpus.corpus import Corpus
from vlcorpus.errors import SourceError, UsageError, VlcorpusError
from vlcorpus.knn import scan
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.score import Score
from vlcorpus.views.freshness import Freshness


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    every = pairs(0, 21)
    return toy_corpus(tmp_path / "c", every[:13], every[13:], hurt={every[4].uid: float("nan"), every[14].uid: 0.0})


def vector(folder: Path, seed: int) -> str:
    np.save(folder / f"{seed}.npy", np.random.default_rng(seed).standard_normal(DIMENSION))
    return str(folder / f"{seed}.npy")


def test_the_product_with_the_sum_of_the_terms(corpus: Corpus, tmp_path: Path) -> None:
    uids, image, _ = both(corpus)
    query = f"+vector:2 -0.5*uid:{uids[7].hex()} 2*vector:1"
    files = (vector(tmp_path, 1), vector(tmp_path, 2))
    run_here(corpus, [Score(score="query", named="mine", query=query, query_files=files)])
    one, two = (np.load(file) / np.linalg.norm(np.load(file)) for file in files)
    own = image[7].astype(np.float64)
    want = two - 0.5 * own / np.linalg.norm(own) + 2 * one
    want /= np.linalg.norm(want)
    found = scored(corpus, "query-mine")
    assert list(found) == uids
    bad = [4, 14]
    assert [place for place, row in enumerate(found.values()) if row["query"] is None] == bad
    for place, row in enumerate(found.values()):
        if place not in bad:
            assert row["query"] == pytest.approx(image[place].astype(np.float64) @ want, abs=1e-6)
    stats = corpus.layer("scores/query-mine").stats("00001") or {}
    assert (stats["model"], stats["source"], stats["of"]) == (SLUG, f"embeddings/{SLUG}", "images")
    assert stats["settings"]["query_files"] == ["../1.npy", "../2.npy"]  # so that both can move together


def test_it_is_what_a_search_says(corpus: Corpus, tmp_path: Path) -> None:
    file = vector(tmp_path, 3)
    run_here(corpus, [Score(score="query", named="a", query="vector:1", query_files=(file,))])
    query = (np.load(file) / np.linalg.norm(np.load(file))).astype(np.float32)
    _, image, _ = both(corpus)
    want = scan.scores([image], query)
    found = [row["query"] for row in scored(corpus, "query-a").values()]
    assert [value if value is not None else "none" for value in found] == [
        float(value) if np.isfinite(value) else "none" for value in want
    ]


def test_texts_and_images_go_through_the_model_of_the_embeddings(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=1000)
    give(corpus, "00000", pairs(0, 6))
    probe = write_probe(tmp_path / "p")
    run_here(corpus, [Embed(model=probe)])
    slug = corpus.layers("embeddings")[0]
    (tmp_path / "photo.jpg").write_bytes(picture(3))
    run_here(corpus, [Score(score="query", named="a", query="image:1", query_files=(str(tmp_path / "photo.jpg"),))])
    run_here(corpus, [Score(score="query", named="b", query="a dog and 3")])
    uids, image, _ = both(corpus, slug)
    like, said = (np.array([row["query"] for row in scored(corpus, f"query-{name}").values()]) for name in "ab")
    assert like.argmax() == 3 and like[3] > 0.99
    encoded = next(row for row, pair in enumerate(pairs(0, 6)) if pair.uid == uids[3])
    assert encoded == 3 and said.shape == (6,) and np.abs(said).max() <= 1.001
    from vlcorpus.clip.model import load

    query = load(probe).encode_texts(["a dog and 3"])[0].astype(np.float64)
    assert np.allclose(said, image.astype(np.float64) @ query, atol=1e-5)


def test_it_is_done_until_what_it_says_changes(corpus: Corpus, tmp_path: Path) -> None:
    file = vector(tmp_path, 1)

    def score(query: str, *files: str) -> list[str]:
        return committed(run_here(corpus, [Score(score="query", named="a", query=query, query_files=files)]))

    every = ["scores/query-a/00000", "scores/query-a/00001"]
    assert score("vector:1", file) == every
    assert score("vector:1", file) == []
    assert score("+vector:1", file) == []  # the same terms
    shutil.copy(file, tmp_path / "moved.npy")
    assert score("vector:1", str(tmp_path / "moved.npy")) == []  # the same content
    assert score("-vector:1", file) == every
    np.save(file, np.arange(1.0, DIMENSION + 1))
    assert score("-vector:1", file) == every
    assert score(f"uid:{both(corpus)[0][3].hex()}") == every
    assert score(f"uid:{both(corpus)[0][3].hex()[:12]}") == []  # the same pair


def test_a_decision_by_it_grows_with_the_corpus(corpus: Corpus, tmp_path: Path) -> None:
    stages = [
        Score(score="query", named="a", query="vector:1", query_files=(vector(tmp_path, 1),)),
        Filter(score="query_a", target_rows=5, decision="mine"),
    ]
    run_here(corpus, stages)
    before = {uid for uid, row in scored(corpus, "query-a").items() if row["query"] is not None}
    give(corpus, "00002", pairs(21, 12))
    write_embeddings(corpus)
    assert "scores/query-a/00002" in committed(run_here(corpus, stages))
    values = {uid: row["query"] for uid, row in scored(corpus, "query-a").items() if row["query"] is not None}
    best = sorted(values, key=lambda uid: (-values[uid], uid))[:5]
    stats = corpus.layer("decisions/mine").stats("all") or {}
    assert stats["kept"] == 5 and stats["predicates"][0]["cut"]["threshold"] == pytest.approx(values[best[-1]])
    assert len(values) == len(before) + 12
    assert committed(run_here(corpus, stages)) == []


def test_whether_it_is_fresh_can_be_said_from_anywhere(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = vector(tmp_path, 1)
    run_here(corpus, [Score(score="query", named="a", query="vector:1", query_files=(file,))])
    monkeypatch.chdir(tmp_path.parent)
    layer = corpus.layer("scores/query-a")
    assert Freshness(corpus).of("00000", layer.stats("00000") or {}) == "fresh"
    np.save(file, np.arange(1.0, DIMENSION + 1))
    assert Freshness(corpus).of("00000", layer.stats("00000") or {}) == "stale"
    Path(file).unlink()
    assert Freshness(corpus).of("00000", layer.stats("00000") or {}) == "unknown"
    run_here(corpus, [Filter(score="query_a", target_rows=3, decision="later")])  # what was scored is still there
    assert (corpus.layer("decisions/later").stats("all") or {})["kept"] == 3


@pytest.mark.parametrize(
    ("query", "files", "error", "said"),
    [
        (None, (), UsageError, "has no --query"),
        ("+", (), UsageError, "a term is missing"),
        ("image:1", (), UsageError, "number of no file"),
        ("vector:2", ("q.npy",), UsageError, "number of no file"),
        ("upload:a", (), UsageError, "a server holds"),
        ("image:1", ("none.jpg",), SourceError, "cannot read"),
        ("vector:1", ("none.npy",), SourceError, "cannot read"),
        ("uid:abcdef0123", (), VlcorpusError, "has no embedding"),
        ("uid:zz", (), UsageError, "neither a uid nor a key"),
        ("a dog", (), UsageError, "names no model"),
    ],
)
def test_what_cannot_be_is_refused(
    corpus: Corpus, query: str | None, files: tuple[str, ...], error: type[VlcorpusError], said: str
) -> None:
    with pytest.raises(VlcorpusError, match=said) as caught:
        run_here(corpus, [Score(score="query", named="a", query=query, query_files=files, model=SLUG)])
    assert caught.value.hint and (isinstance(caught.value, error) or "units failed" in caught.value.message)


def test_other_scores_do_not_read_a_query(corpus: Corpus) -> None:
    with pytest.raises(UsageError, match="similarity does not read --query"):
        run_here(corpus, [Score(score="similarity", query="a")])
