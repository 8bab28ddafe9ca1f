"""A layer in a folder and in a store: the same answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from vlcorpus.corpus import Corpus, Layer, outside
from vlcorpus.io.commit import Commit


@pytest.fixture(params=["folder", "memory"])
def corpus(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Corpus]:
    if request.param == "folder":
        yield Corpus.create(tmp_path / "birds")
        return
    import fsspec

    monkeypatch.setenv("VLCORPUS_MIRROR", str(tmp_path))
    yield Corpus.create("memory://layered/birds")
    fsspec.filesystem("memory").rm("/layered", recursive=True)


def commit(layer: Layer, unit: str, **files: bytes) -> None:
    with Commit(layer.making, layer.marker(unit), stored=layer.stored) as made:
        for name, body in files.items():
            made.write(name.replace("__", "/"), body)
        made.done({"seen": len(files)})


def slow_digest(layer: Layer) -> str:
    units = [*layer.units(), *(["all"] if layer.stats("all") is not None else [])]
    parts = [(unit, layer.digest(unit)) for unit in units]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def test_units_stats_and_files(corpus: Corpus) -> None:
    layer = corpus.layer("embeddings/tiny")
    assert not layer.there() and layer.units() == () and layer.names() == () and layer.stats("00000") is None
    assert layer.digest_all() == slow_digest(layer)
    commit(layer, "00001", a__1=b"one", b=b"two")
    commit(layer, "00000", c=b"three")
    commit(layer, "all", d=b"four")
    assert layer.there() and layer.units() == ("00000", "00001")
    assert (layer.stats("00001") or {})["seen"] == 2 and layer.stats("00002") is None
    assert layer.digest_all() == slow_digest(layer)
    assert layer.names() == ("00000.json", "00001.json", "all_stats.json", "b", "c", "d")
    assert layer.names("*.json") == ("00000.json", "00001.json", "all_stats.json")
    assert layer.names("a/*") == ("a/1",) and set(layer.names("**/*")) == {*layer.names(), "a/1"}
    assert layer.path("a/1").read_bytes() == b"one" and not layer.path("none").exists()
    assert [path.read_bytes() for path in layer.paths(["b", "c"])] == [b"two", b"three"]
    assert layer.size("b") == 3 and layer.size("none") is None and layer.is_file("b") and not layer.is_file("a")
    assert layer.below("a").names() == ("1",) and layer.below("a").path("1").read_bytes() == b"one"
    assert corpus.layers("embeddings") == ("tiny",) and corpus.layers("scores") == ()


def test_small_files_and_hidden_ones(corpus: Corpus) -> None:
    layer = corpus.layer("shards")
    layer.write("sizes.json", b"{}")
    assert layer.path("sizes.json").read_bytes() == b"{}"
    layer.write("sizes.json", b"[]")
    assert layer.path("sizes.json").read_bytes() == b"[]"
    layer.remove("sizes.json")
    layer.remove("sizes.json")
    assert not layer.is_file("sizes.json")
    hidden = layer.recall(".journal-00000")
    hidden.parent.mkdir(parents=True, exist_ok=True)
    hidden.write_bytes(b"rows")
    layer.keep(".journal-00000")
    assert layer.recall(".journal-00000").read_bytes() == b"rows" and layer.names() == () and layer.units() == ()
    assert layer.kept(".journal-") == ((".journal-00000",) if layer.remote else ())
    layer.forget(".journal-00000")
    assert not layer.recall(".journal-00000").exists() and layer.kept(".journal-") == ()


def test_a_claim(corpus: Corpus) -> None:
    layer = corpus.layer("exports")
    with (
        pytest.raises(RuntimeError),
        Commit(layer.making, layer.marker("all"), claim=True, stored=layer.stored) as made,
    ):
        assert layer.claimed("all")
        made.write("a", b"1")
        raise RuntimeError
    corpus.refresh()
    assert layer.claimed("all") and layer.stats("all") is None
    with Commit(layer.making, layer.marker("all"), claim=True, stored=layer.stored) as made:
        made.done({})
    corpus.refresh()
    assert not layer.claimed("all") and layer.stats("all") is not None


def test_addresses(tmp_path: Path) -> None:
    assert Corpus.foreseen("memory://layered/new").place == "memory://layered/new"
    assert Corpus.foreseen(Path("memory://layered/new/")).place == "memory://layered/new", "a Path has lost a slash"
    assert Corpus.foreseen(f"file://{tmp_path}/new").path == tmp_path / "new"
    out = outside("memory://layered/out/train")
    assert out.remote and out.place == "memory://layered/out/train" and out.below("a").place.endswith("/train/a")
    assert not outside(str(tmp_path)).remote and outside(f"file://{tmp_path}").folder == tmp_path
