"""index: what is chosen, written and measured; growth, dead ids and kills; what is never asked."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from tests.stages.given import committed, give, given_corpus, pairs, run_here, write_probe
from tests.stages.running import here
from tests.stages.vectors import DIMENSION, MODEL, add, drawn, layer_of, remove, rows, vectors_corpus
from vlcorpus import schema
from vlcorpus.corpus import Corpus, Layer
from vlcorpus.errors import UsageError
from vlcorpus.knn import quantised
from vlcorpus.knn.searcher import Searcher
from vlcorpus.pipeline.plan import state
from vlcorpus.stages import index_about, index_growing
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.index import Index, bytes_of
from vlcorpus.stages.index_opened import opened
from vlcorpus.views.verify import verify

KINDS = ("rabitq", "ivf", "hnsw")


def layer(corpus: Corpus) -> Layer:
    return corpus.layer(f"index/{MODEL}")


def files(corpus: Corpus) -> dict[str, bytes | str]:
    """The layer's content without what varies."""
    found: dict[str, bytes | str] = {}
    for path in sorted(layer(corpus).folder.iterdir()):
        if path.name == "index.json":
            found[path.name] = index_about.digest(json.loads(path.read_text()))
        elif path.name != "all_stats.json":
            found[path.name] = path.read_bytes()
    return found


def searcher(corpus: Corpus, side: str = "image") -> Searcher:
    found, note = opened(corpus, layer_of(corpus), side)
    assert found is not None and note == ""
    return Searcher(rows(corpus, side), found)


def share_found(corpus: Corpus, side: str = "image", *, queries: int = 40) -> float:
    """Of text queries' 10 nearest rows, by every row."""
    asked = drawn(queries, 77)[1].astype(np.float32)
    by_index, by_row = searcher(corpus, side), Searcher(rows(corpus, side))
    hits = 0
    for query in asked:
        found, exact = by_index.top(query, 10), by_row.top(query, 10, exact=True)
        assert found.how == "index" and exact.how == "scan"
        own = dict(zip(found.rows.tolist(), found.scores.tolist(), strict=True))
        true = dict(zip(exact.rows.tolist(), exact.scores.tolist(), strict=True))
        assert all(true[row] == score for row, score in own.items() if row in true)
        hits += len(own.keys() & true.keys())
    return hits / (10 * queries)


def test_few_rows_are_all_read_and_nothing_is_built(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 20, 0, 15)
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p", broken="dog")), Index()])
    (slug,) = corpus.layers("embeddings")
    found = corpus.layer(f"index/{slug}")
    assert not list(found.folder.glob("*.index"))
    about = index_about.read(found)
    assert (about.model, about.rows, about.kind, about.image.file, about.text.file) == (slug, 35, "exact", None, None)
    assert [(each.shard, each.rows) for each in about.segments] == [("00000", 20), ("00001", 0), ("00002", 15)]
    assert about.image.recalls["text"]["recall"] == 1.0 and about.why
    assert opened(corpus, corpus.layer(f"embeddings/{slug}"), "image") == (None, "")
    assert not committed(run_here(corpus, [Index()]))
    give(corpus, "00004", pairs(100, 4))
    assert committed(run_here(corpus, [Index()])) == ["embeddings/00004", "index/all"]


def test_index_json_has_the_fields_that_its_schema_says(tmp_path: Path) -> None:
    corpus = vectors_corpus(tmp_path / "c", 300)
    here(corpus, Index(kind="rabitq"))
    text = json.loads(layer(corpus).path("index.json").read_text())
    assert tuple(text) == schema.table("index").names and schema.table("index").volatile == ("latency",)
    assert (
        index_about.digest(text) == index_about.digest(text | {"latency": {}}) != index_about.digest(text | {"why": ""})
    )
    stats = layer(corpus).stats("all")
    assert stats is not None and stats["outputs"]["index.json"]["digest"] == index_about.digest(text)
    assert text["latency"].keys() == {"image", "text"}


@pytest.mark.parametrize("kind", KINDS)
def test_text_queries_find_what_every_row_would_give(tmp_path: Path, kind: str) -> None:
    corpus = vectors_corpus(tmp_path / "c", 1500, 0, 900)
    here(corpus, Index(kind=kind))
    about = index_about.read(layer(corpus))
    for side in ("image", "text"):
        own = about.side(side)
        assert (
            own.kind == kind and own.vectors == 2400 and own.bytes == layer(corpus).path(f"{side}.index").stat().st_size
        )
        for asked in ("text", "image"):
            said = own.recalls[asked]
            assert said["queries"] > 0 and said["k"] == 10 and 0 <= said["low"] <= said["recall"] <= said["high"] <= 1
        assert own.recalls["text"]["recall"] >= 0.99 and own.sweep and own.factory
        assert share_found(corpus, side) > 0.95


def test_a_kind_is_chosen_by_what_is_asked_for_and_says_why(tmp_path: Path) -> None:
    corpus = vectors_corpus(tmp_path / "c", 2000)
    here(corpus, Index())
    assert index_about.read(layer(corpus)).kind == "exact"
    here(corpus, Index(latency=0.01))
    assert index_about.read(layer(corpus)).kind != "exact"
    here(corpus, Index(kind="hnsw"))
    about = index_about.read(layer(corpus))
    assert (about.kind, about.why) == ("hnsw", "as asked for")
    assert about.kind in Index(kind="hnsw").told(corpus)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_rows_give_the_same_bytes(tmp_path: Path, kind: str) -> None:
    one, two = vectors_corpus(tmp_path / "a", 700, 500), vectors_corpus(tmp_path / "b", 700, 500)
    here(one, Index(kind=kind))
    here(two, Index(kind=kind, rebuild=True))
    assert files(one) == files(two) and {"image.index", "text.index"} < files(one).keys()
    assert (
        state(Index(kind=kind), one, "all") == "done" and state(Index(kind=kind, rebuild=True), one, "all") == "stale"
    )
    assert state(Index(kind=kind, recall=0.9), one, "all") == "stale"


@pytest.mark.parametrize("kind", KINDS)
def test_new_shards_are_added_behind_the_old_ones(tmp_path: Path, kind: str) -> None:
    corpus = vectors_corpus(tmp_path / "c", 800, 600)
    here(corpus, Index(kind=kind))
    first = layer(corpus).path("image.index").read_bytes()
    add(corpus, "00002", 500)
    assert opened(corpus, layer_of(corpus), "image")[1].startswith("the index is stale")
    here(corpus, Index(kind=kind))
    about = index_about.read(layer(corpus))
    assert [each.shard for each in about.segments] == ["00000", "00001", "00002"] and about.image.vectors == 1900
    assert share_found(corpus) > 0.95
    (tmp_path / "first.index").write_bytes(first)
    added = quantised.read(tmp_path / "first.index", dimension=DIMENSION, vectors=1400, mapped=False)
    quantised.append(added, rows(corpus, "image")[2:])
    assert faiss.serialize_index(added).tobytes() == files(corpus)["image.index"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_shard_made_anew_leaves_dead_ids_that_are_never_given_out(tmp_path: Path, kind: str) -> None:
    corpus = vectors_corpus(tmp_path / "c", 100, 900, 700)
    here(corpus, Index(kind=kind))
    old = rows(corpus, "image")[0][3].astype(np.float32)
    add(corpus, "00000", 90, seed=55)
    here(corpus, Index(kind=kind))
    about = index_about.read(layer(corpus))
    assert [(each.shard, each.rows, each.dead) for each in about.segments] == [
        ("00000", 100, True), ("00001", 900, False), ("00002", 700, False), ("00000", 90, False),
    ]  # fmt: skip
    place = about.row_of_id(layer_of(corpus).units(), [90, 900, 700])
    assert place is not None and place[:100].tolist() == [-1] * 100 and place[100] == 90 and place[1700] == 0
    by_index = searcher(corpus)
    assert by_index.top(old, 1).scores[0] < 0.999
    for number in (0, 89, 90, 1600):
        assert by_index.top(by_index.vectors([number])[0], 1).rows.tolist() == [number]
    assert share_found(corpus) > 0.95


def test_more_than_a_fifth_of_dead_ids_builds_all_of_it_again(tmp_path: Path) -> None:
    corpus = vectors_corpus(tmp_path / "c", 300, 300, 300)
    here(corpus, Index(kind="rabitq"))
    add(corpus, "00001", 300, seed=55)
    here(corpus, Index(kind="rabitq"))
    about = index_about.read(layer(corpus))
    assert [(each.shard, each.dead) for each in about.segments] == [(f"0000{n}", False) for n in range(3)]
    remove(corpus, "00000")
    here(corpus, Index(kind="rabitq"))
    assert [each.shard for each in index_about.read(layer(corpus)).segments] == ["00001", "00002"]


def test_a_small_shard_that_is_gone_is_dead(tmp_path: Path) -> None:
    corpus = vectors_corpus(tmp_path / "c", 50, 500)
    here(corpus, Index(kind="rabitq"))
    remove(corpus, "00000")
    here(corpus, Index(kind="rabitq"))
    assert [each.dead for each in index_about.read(layer(corpus)).segments] == [True, False]
    assert share_found(corpus) > 0.95


@pytest.mark.parametrize("other", [{"seed": 1}, {"kind": "hnsw"}, {"memory": "1GB"}, {"cores": 2}])
def test_other_settings_build_all_of_it_again(tmp_path: Path, other: dict[str, Any]) -> None:
    one, two = vectors_corpus(tmp_path / "a", 400), vectors_corpus(tmp_path / "b", 400)
    here(one, Index(kind="rabitq"))
    for corpus in (one, two):
        add(corpus, "00001", 200)
        here(corpus, Index(**({"kind": "rabitq"} | other)))
    assert files(one) == files(two)


# What a killed run that adds to an index can leave: which files are new, and whether its journal is of this run.
LEFT = [(), ("image.index",), ("image.index", "text.index"), ("image.index", "text.index", "index.json")]


@pytest.mark.parametrize("same", [True, False], ids=["same-run", "other-run"])
@pytest.mark.parametrize("new", LEFT, ids=["none", "image", "both", "all"])
def test_a_kill_between_any_two_files_changes_nothing(tmp_path: Path, new: tuple[str, ...], same: bool) -> None:
    stage = Index(kind="ivf")
    calm = vectors_corpus(tmp_path / "calm", 800, 600)
    here(calm, stage)
    killed = Corpus.open(Path(shutil.copytree(calm.path, tmp_path / "killed")))
    for corpus in (calm, killed):
        add(corpus, "00002", 300)
    here(calm, stage)
    print_now = stage.fingerprint(killed, "all")
    before = index_growing.earlier(layer(killed), print_now)
    assert before is not None
    index_growing.begin(layer(killed), print_now if same else "of another run", before)
    layer(killed).path("all_stats.json").unlink()
    for name in new:
        shutil.copy(layer(calm).path(name), layer(killed).path(name))
    if new == LEFT[3]:
        layer(killed).path("image.index").touch()
    here(killed, stage)
    anew = not same and new  # files that are neither the old ones nor this run's are not trusted
    assert (files(killed) == files(calm)) == (not anew) and ".growing.json" not in files(killed)
    assert share_found(killed) > 0.95
    assert state(stage, killed, "all") == "done"


def test_what_a_finished_run_left_is_tidied_away(tmp_path: Path) -> None:
    corpus = vectors_corpus(tmp_path / "c", 300)
    here(corpus, Index(kind="rabitq"))
    layer(corpus).path(".growing.json").write_text("{}")
    Index(kind="rabitq").tidy(corpus, "all")
    assert ".growing.json" not in files(corpus)


def _head(path: Path) -> None:
    path.write_bytes(b"\x00" * 64)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _of_others(path: Path) -> None:
    text = json.loads(path.read_text())
    path.write_text(json.dumps(text | {"segments": [each | {"rows": each["rows"] - 1} for each in text["segments"]]}))


def _old(path: Path) -> None:
    path.write_text(json.dumps({"model": MODEL, "dimension": 64, "rows": 300, "shards": {"00000": 300}}))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("image.index", Path.unlink), ("image.index", _head), ("image.index", _cut), ("index.json", _head),
        ("index.json", _of_others), ("index.json", _old), ("all_stats.json", Path.unlink), ("all_stats.json", _head),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_never_asked(tmp_path: Path, name: str, damage: Any) -> None:
    corpus = vectors_corpus(tmp_path / "c", 300)
    here(corpus, Index(kind="rabitq"))
    damage(layer(corpus).path(name))
    found, note = opened(corpus, layer_of(corpus), "image")
    assert found is None and "so every row was read" in note


def test_an_index_of_other_vectors_is_stale(tmp_path: Path) -> None:
    corpus = vectors_corpus(tmp_path / "c", 300)
    assert opened(corpus, layer_of(corpus), "image") == (None, "")
    here(corpus, Index(kind="rabitq"))
    add(corpus, "00000", 300, seed=5)
    assert "stale" in opened(corpus, layer_of(corpus), "image")[1]


def test_no_pairs_and_only_vectors_that_failed(tmp_path: Path) -> None:
    probe = write_probe(tmp_path / "p", broken="dog")
    none, failed = given_corpus(tmp_path / "n", 0), given_corpus(tmp_path / "f", 1)
    for corpus in (none, failed):
        run_here(corpus, [Embed(model=probe), Index()])
        about = index_about.read(corpus.layer(f"index/{corpus.layers('embeddings')[0]}"))
        assert about.kind == "exact" and about.text.recalls.get("text", {}).get("recall") in {None, 1.0}
    with pytest.raises(UsageError, match="needs candidates"):
        run_here(Corpus.create(tmp_path / "bare"), [Embed(model=probe), Index()])


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_direction_keep_their_places(tmp_path: Path, kind: str) -> None:
    corpus = vectors_corpus(tmp_path / "c", 400)
    path = layer_of(corpus).path("img_emb/img_emb_00000.npy")
    stored = np.load(path)
    stored[5], stored[7] = 0, np.nan
    np.save(path, stored)
    here(corpus, Index(kind=kind))
    by_index = searcher(corpus)
    assert by_index.top(stored[8].astype(np.float32), 1).rows.tolist() == [8]
    assert not {5, 7} & set(by_index.top(stored[6].astype(np.float32), 50).rows.tolist())


def test_verify_looks_into_the_files(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 12)
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p")), Index(kind="rabitq")])
    said = verify(corpus)
    assert said.findings == () and said.checked["index rows"] == 12
    found = corpus.layer(f"index/{corpus.layers('embeddings')[0]}")
    text = json.loads(found.path("index.json").read_text())
    text["image"]["vectors"] = text["rows"] = 11
    payload = index_about.dumped(text)
    found.path("index.json").write_bytes(payload)
    stats = found.stats("all")
    assert stats is not None
    stats["outputs"]["index.json"] |= {"bytes": len(payload), "sha256": hashlib.sha256(payload).hexdigest()}
    found.path("all_stats.json").write_text(json.dumps(stats))
    wrong = [each.what for each in verify(corpus).findings]
    assert any("rows of its shards" in each for each in wrong) and any("vectors" in each for each in wrong)


def test_sizes_are_read_as_people_write_them() -> None:
    assert [bytes_of(text) for text in ("4GB", "200 mb", "512MiB", "1.5k", "77", "2T")] == [
        4_000_000_000, 200_000_000, 512 * 1024**2, 1500, 77, 2_000_000_000_000,
    ]  # fmt: skip
    for text in ("", "much", "4 pounds", "-1GB", "GB"):
        with pytest.raises(UsageError, match="size"):
            bytes_of(text)
