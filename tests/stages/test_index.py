from __future__ import annotations

import json
from pathlib import Path

import faiss
import numpy as np
import pytest

from tests.stages.given import committed, give, given_corpus, pairs, run_here, write_probe
from tests.stages.test_embed import TWO_CAPTIONS, read
from vlcorpus.corpus import Corpus
from vlcorpus.errors import UsageError
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.index import Index


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = given_corpus(tmp_path / "c", 20, 0, 15)
    give(corpus, "00003", TWO_CAPTIONS)
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p", broken="dog")), Index()])
    return corpus


def opened(corpus: Corpus, side: str) -> faiss.Index:
    faiss.omp_set_num_threads(1)
    return faiss.read_index(str(corpus.path / "index" / corpus.layers("embeddings")[0] / f"{side}.index"))


def whole(corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    parts = [read(corpus, shard)[:2] for shard in corpus.layer("shards").units()]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def test_faiss_finds_what_a_full_scan_finds(corpus: Corpus) -> None:
    image_ND, text_ND = whole(corpus)
    for side, rows, queries in (("image", image_ND, text_ND), ("text", text_ND, image_ND)):
        index = opened(corpus, side)
        assert (index.ntotal, index.d, index.metric_type) == (38, image_ND.shape[1], faiss.METRIC_INNER_PRODUCT)
        usable = queries[np.isfinite(queries).all(1)][:12]
        products = usable.astype(np.float64) @ np.nan_to_num(rows).astype(np.float64).T
        scores, found = index.search(usable, 5)
        assert np.allclose(scores, -np.sort(-products, axis=1)[:, :5], atol=1e-6)
        assert np.allclose(np.take_along_axis(products, found, 1), scores, atol=1e-6)


def test_index_json_says_what_it_is(corpus: Corpus) -> None:
    (slug,) = corpus.layers("embeddings")
    about = json.loads((corpus.path / "index" / slug / "index.json").read_text())
    assert (about["model"], about["rows"]) == (slug, 38)
    assert about["shards"] == {"00000": 20, "00001": 0, "00002": 15, "00003": 3}
    assert about["recall_at_10"]["image"] == 1.0
    stats = corpus.layer(f"index/{slug}").stats("all")
    assert stats is not None and stats["seen"] == stats["kept"] == 38


def test_growth_makes_it_stale(corpus: Corpus) -> None:
    assert not committed(run_here(corpus, [Index()]))
    give(corpus, "00004", pairs(100, 4))
    assert committed(run_here(corpus, [Index()])) == ["embeddings/00004", "index/all"]
    assert opened(corpus, "image").ntotal == 42


def test_no_pairs(tmp_path: Path) -> None:
    probe = write_probe(tmp_path / "p")
    corpus = given_corpus(tmp_path / "c", 0)
    run_here(corpus, [Embed(model=probe), Index()])
    assert opened(corpus, "text").ntotal == 0
    with pytest.raises(UsageError, match="needs candidates"):
        run_here(Corpus.create(tmp_path / "bare"), [Embed(model=probe), Index()])


def test_only_vectors_that_failed(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 1)
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p", broken="dog")), Index()])
    about = json.loads((corpus.path / "index" / corpus.layers("embeddings")[0] / "index.json").read_text())
    assert about["recall_at_10"] == {"text": None}
