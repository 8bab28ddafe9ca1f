"""index --compat clip-retrieval: faiss and clip-retrieval's own ways of reading find every pair where it belongs."""

from __future__ import annotations

import json
from pathlib import Path

import faiss
import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.knn.plain import build_index, index_bytes
from tests.stages.given import committed, give, given_corpus, pairs, run_here, write_probe
from vlcorpus.corpus import Corpus
from vlcorpus.errors import UsageError
from vlcorpus.pipeline.plan import make_plan, state
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.index import Index
from vlcorpus.stages.takedown import Takedown


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = given_corpus(tmp_path / "c", 12, 0, 9)
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p", broken="dog"))])
    return corpus


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("_stats.json"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(found)}


def joined(out: Path, side: str) -> tuple[faiss.Index, np.ndarray, list[dict[str, object]]]:
    """As clip-retrieval joins them: an index, and files in the order of their names."""
    word = {"image": "img", "text": "text"}[side]
    index = faiss.read_index(str(out / f"{side}.index"), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY)
    rows = np.concatenate([np.load(path) for path in sorted((out / f"{word}_emb").glob("**/*.npy"))])
    tables = [pq.read_table(path) for path in sorted((out / "metadata").glob("*.parquet"))]
    return index, rows, [row for each in tables for row in each.to_pylist()]


@pytest.mark.parametrize("kind", ["auto", "hnsw"])
def test_ids_embeddings_and_metadata_are_in_one_order(corpus: Corpus, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    run_here(corpus, [Index(compat="clip-retrieval", out=str(out), kind=kind)])
    faiss.omp_set_num_threads(1)
    for side in ("image", "text"):
        index, rows, about = joined(out, side)
        assert index.ntotal == len(rows) == len(about) == 21 and index.metric_type == faiss.METRIC_INNER_PRODUCT
        good = np.flatnonzero(np.isfinite(rows).all(axis=1))
        assert len(good) > 0 and (side == "image") == (len(good) == 21)
        wide = rows.astype(np.float32)
        for row in good.tolist():
            scores, _, found = index.search_and_reconstruct(wide[row : row + 1], 3)
            assert np.allclose(found[0][0], wide[row], atol=1e-3) or np.isclose(scores[0][0], scores[0][1])
            assert about[row]["url"] == pairs(row, 1)[0].url and about[row]["caption"] == pairs(row, 1)[0].text
        told = json.loads((out / f"{side}.json").read_text())
        assert told["nb vectors"] == 21 and told["size in bytes"] == (out / f"{side}.index").stat().st_size
    (options,) = json.loads((out / "indices_paths.json").read_text()).values()
    assert options["indice_folder"] == "." and set(options["columns_to_return"]) <= set(about[0])


def test_the_file_is_what_faiss_itself_would_write(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_here(corpus, [Index(compat="clip-retrieval", out=str(out))])
    for side in ("image", "text"):
        _, rows, _ = joined(out, side)
        assert (out / f"{side}.index").read_bytes() == index_bytes(build_index([rows]))


def test_the_embeddings_are_second_names_of_the_corpus_own(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Index(compat="clip-retrieval", out=str(tmp_path / "out"))])
    (slug,) = corpus.layers("embeddings")
    for name in ("img_emb/img_emb_00000.npy", "metadata/metadata_00002.parquet"):
        assert (tmp_path / "out" / name).samefile(corpus.path / "embeddings" / slug / name)


def test_what_is_taken_down_is_in_none_of_them(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    stage = Index(compat="clip-retrieval", out=str(out))
    run_here(corpus, [stage])
    run_here(corpus, [Takedown(lists=(f"url:{pairs(3, 1)[0].url}",), named="t")])
    assert state(stage, corpus, "all") == "stale"
    run_here(corpus, [stage])
    wanted = [each.url for each in pairs(0, 21) if each != pairs(3, 1)[0]]
    for side in ("image", "text"):
        index, rows, about = joined(out, side)
        assert index.ntotal == len(rows) == 20 and [row["url"] for row in about] == wanted
    stats = corpus.layer(f"out:{out}").stats("all")
    assert stats is not None and stats["rejected"] == {"taken_down": 1} and stats["kept"] == 20
    give(corpus, "00003", pairs(40, 3))
    assert [each.name for each in make_plan(corpus, [stage]).added] == ["embed", "takedown"]
    assert committed(run_here(corpus, [stage]))[-1] == f"out:{out}/all"
    assert joined(out, "image")[0].ntotal == 23


def test_the_same_again_and_a_smaller_one_leaves_nothing_behind(corpus: Corpus, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    run_here(corpus, [Index(compat="clip-retrieval", out=str(one))])
    run_here(corpus, [Index(compat="clip-retrieval", out=str(two))])
    assert files(one) == files(two)
    assert not committed(run_here(corpus, [Index(compat="clip-retrieval", out=str(one))]))
    (slug,) = corpus.layers("embeddings")
    for path in (*corpus.path.glob("*/00002*"), *(corpus.path / "embeddings" / slug).rglob("*00002*")):
        path.unlink()
    run_here(corpus, [Index(compat="clip-retrieval", out=str(one))])
    assert len(joined(one, "image")[1]) == 12 and not list(one.rglob("*00002*"))


def test_a_folder_with_other_things_in_it_is_left_alone(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("x")
    for values, said in (
        ({"out": str(tmp_path / "out")}, "not empty"),
        ({"out": str(tmp_path / "out" / "mine.txt")}, "is a file"),
        ({"out": None}, "belong together"),
        ({"out": str(tmp_path / "new"), "kind": "rabitq"}, "does not open rabitq"),
        ({"out": str(tmp_path / "new"), "rebuild": True}, "of its own"),
        ({"out": "s3://bucket/x"}, "URL"),
    ):
        with pytest.raises(UsageError, match=said):
            make_plan(corpus, [Index(compat="clip-retrieval", **values)])
    with pytest.raises(UsageError, match="belong together"):
        make_plan(corpus, [Index(out=str(tmp_path / "new"))])
