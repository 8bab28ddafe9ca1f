"""index --adopt: indices that faiss, autofaiss and clip-retrieval's combiner write, and those that do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import faiss
import numpy as np
import pytest
from faiss.contrib.ondisk import merge_ondisk

from tests.stages.running import here
from tests.stages.test_index import files, layer, share_found
from tests.stages.vectors import DIMENSION, add, layer_of, rows, vectors_corpus
from vlcorpus.corpus import Corpus
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.pipeline.plan import state
from vlcorpus.stages import index_about
from vlcorpus.stages.index import Index
from vlcorpus.stages.index_opened import opened

# What autofaiss picks, by number of vectors and memory; and what it is searched with.
FACTORIES = {
    "Flat": "",
    "HNSW15": "efSearch=64",
    "HNSW32": "efSearch=64",
    "IVF16,Flat": "nprobe=8",
    "IVF16_HNSW32,SQ8": "nprobe=8",
    "OPQ16_64,IVF16_HNSW32,PQ16x4": "nprobe=16",
}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return vectors_corpus(tmp_path / "c", 700, 0, 600)


def stored(corpus: Corpus, side: str) -> np.ndarray:
    return np.concatenate(rows(corpus, side)).astype(np.float32)


def written(path: Path, vectors: np.ndarray, factory: str, metric: int = faiss.METRIC_INNER_PRODUCT) -> str:
    faiss.omp_set_num_threads(1)
    index = faiss.index_factory(vectors.shape[1], factory, metric)
    if factory.startswith("OPQ"):
        turn = faiss.downcast_VectorTransform(index.chain.at(0))
        turn.niter, turn.niter_pq, turn.niter_pq_0 = 2, 2, 4
    index.train(vectors)
    index.add(vectors)
    if FACTORIES.get(factory):
        faiss.ParameterSpace().set_index_parameters(index, FACTORIES[factory])
    faiss.write_index(index, str(path))
    return str(path)


@pytest.mark.parametrize("factory", FACTORIES)
def test_an_index_of_autofaiss_is_taken_over_and_measured(corpus: Corpus, tmp_path: Path, factory: str) -> None:
    given = {side: written(tmp_path / f"{side}.index", stored(corpus, side), factory) for side in ("image", "text")}
    stage = Index(adopt=given["image"], adopt_text=given["text"])
    here(corpus, stage)
    about = index_about.read(layer(corpus))
    assert (about.kind, about.image.kind, about.text.kind) == ("adopted",) * 3
    for side, path in given.items():
        assert layer(corpus).path(f"{side}.index").read_bytes() == Path(path).read_bytes()
    assert about.image.recalls["text"]["recall"] > 0.8 and share_found(corpus) > 0.8
    assert state(stage, corpus, "all") == "done" and state(Index(), corpus, "all") == "done"


def test_new_shards_are_added_to_it(corpus: Corpus, tmp_path: Path) -> None:
    here(corpus, Index(adopt=written(tmp_path / "i.index", stored(corpus, "image"), "IVF16,Flat")))
    (tmp_path / "i.index").unlink()
    add(corpus, "00003", 300)
    here(corpus, Index())
    about = index_about.read(layer(corpus))
    assert (about.kind, about.image.vectors) == ("adopted", 1600) and share_found(corpus) > 0.9
    assert (layer(corpus).stats("all") or {})["adopted"].keys() == {"image"}
    here(corpus, Index(rebuild=True))
    assert index_about.read(layer(corpus)).kind == "exact" and "image.index" not in files(corpus)
    assert "adopted" not in (layer(corpus).stats("all") or {})


def test_a_folder_with_an_index_on_disk(corpus: Corpus, tmp_path: Path) -> None:
    vectors = stored(corpus, "image")
    faiss.omp_set_num_threads(1)
    trained = faiss.index_factory(DIMENSION, "IVF8,Flat", faiss.METRIC_INNER_PRODUCT)
    trained.train(vectors)
    blocks = []
    for number, start in enumerate((0, 500)):
        block = faiss.clone_index(trained)
        block.add_with_ids(vectors[start : start + 800][: 500 if not start else None],
                           np.arange(start, 500 if not start else len(vectors)))  # fmt: skip
        blocks.append(str(tmp_path / f"block_{number}.index"))
        faiss.write_index(block, blocks[-1])
    folder = tmp_path / "image.index"
    folder.mkdir()
    merge_ondisk(trained, blocks, str(folder / "merged_index.ivfdata"))
    trained.nprobe = 8
    faiss.write_index(trained, str(folder / "populated.index"))
    here(corpus, Index(adopt=str(folder)))
    (folder / "merged_index.ivfdata").unlink()
    assert {path.name for path in layer(corpus).path("image.index").iterdir()} == {p for p in (
        "populated.index", "merged_index.ivfdata")}  # fmt: skip
    assert share_found(corpus) > 0.9
    add(corpus, "00003", 100)
    here(corpus, Index())
    assert index_about.read(layer(corpus)).kind == "exact" and not layer(corpus).path("image.index").exists()


def swapped(corpus: Corpus, path: Path) -> str:
    vectors = stored(corpus, "image")
    return written(path, np.concatenate([vectors[700:], vectors[:700]]), "HNSW32")


def one_shard_reversed(corpus: Corpus, path: Path) -> str:
    vectors = stored(corpus, "image")
    vectors[700:] = vectors[700:][::-1].copy()
    return written(path, vectors, "Flat")


def of_texts(corpus: Corpus, path: Path) -> str:
    return written(path, np.roll(stored(corpus, "text"), 1, axis=0), "Flat")


def shorter(corpus: Corpus, path: Path) -> str:
    return written(path, stored(corpus, "image")[:-1], "Flat")


def narrower(corpus: Corpus, path: Path) -> str:
    return written(path, np.ascontiguousarray(stored(corpus, "image")[:, :32]), "Flat")


def by_distance(corpus: Corpus, path: Path) -> str:
    return written(path, stored(corpus, "image"), "HNSW32", faiss.METRIC_L2)


def no_index(corpus: Corpus, path: Path) -> str:
    path.write_bytes(b"IxSQ" + b"\xff" * 200)
    return str(path)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (swapped, "order"), (one_shard_reversed, "of shard 00002|themselves"), (of_texts, "order"), (shorter, "1299"),
        (narrower, "32"), (by_distance, "inner product"), (no_index, "index"),
    ],
)  # fmt: skip
def test_an_index_of_other_rows_is_refused_and_the_old_one_stays(
    corpus: Corpus, tmp_path: Path, spoil: Callable[[Corpus, Path], str], said: str
) -> None:
    here(corpus, Index(kind="rabitq"))
    before = files(corpus)
    with pytest.raises(SourceError, match=said):
        here(corpus, Index(adopt=spoil(corpus, tmp_path / "image.index")))
    assert files(corpus) == before and opened(corpus, layer_of(corpus), "image")[1] == ""


def test_what_cannot_be_meant_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no index at"):
        Index(adopt=str(tmp_path / "none.index")).check(corpus)
    with pytest.raises(UsageError, match="has its kind"):
        Index(adopt=str(tmp_path), kind="hnsw").check(corpus)
    assert json.dumps(Index().told(corpus)) == "[]"
