from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.clip.drawn import tiny_directory
from tests.stages.given import (
    Given,
    committed,
    give,
    given_corpus,
    pairs,
    picture,
    run_here,
    write_probe,
)
from tests.stages.running import contents, do
from vlcorpus.clip.model import load
from vlcorpus.corpus import Corpus
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.images.decode import Decoded, decode
from vlcorpus.io import table, tar, vectors
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.samples import stored
from vlcorpus.stages.score import Score
from vlcorpus.stages.train_probe import TrainProbe

TWO_CAPTIONS = [
    Given("http://a.test/one.jpg", "a red boat", picture(900)),
    Given("http://a.test/one.jpg", "my holiday", picture(900)),
    Given("http://a.test/lost.jpg", "lost"),
    Given("http://a.test/two.jpg", "a red boat", picture(901)),
]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = given_corpus(tmp_path / "c", 9, 5)
    give(corpus, "00002", TWO_CAPTIONS)
    return corpus


def read(corpus: Corpus, shard: str, slug: str | None = None) -> tuple[np.ndarray, np.ndarray, list[dict[str, object]]]:
    folder = corpus.path / "embeddings" / (slug or corpus.layers("embeddings")[0])
    return (
        np.array(vectors.read(folder / "img_emb" / f"img_emb_{shard}.npy"), np.float32),
        np.array(vectors.read(folder / "text_emb" / f"text_emb_{shard}.npy"), np.float32),
        table.read(folder / "metadata" / f"metadata_{shard}.parquet", "embeddings-metadata").to_pylist(),
    )


def one_by_one(corpus: Corpus, shard: str, model: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Each pair encoded alone, in float32."""
    encoder = load(model)
    images, texts, uids = [], [], []
    for pair in stored(corpus, shard):
        rgb = decode(pair.body)
        assert isinstance(rgb, Decoded)
        images.append(encoder.encode_images(encoder.preprocess(rgb.rgb)[None])[0])
        texts.append(encoder.encode_texts([pair.caption])[0])
        uids.append(pair.row["uid"])
    return np.stack(images), np.stack(texts), uids


def check_shard(corpus: Corpus, shard: str, model: str) -> None:
    image_ND, text_ND, about = read(corpus, shard)
    want_image, want_text, uids = one_by_one(corpus, shard, model)
    assert [row["uid"] for row in about] == uids
    assert [row["caption"] for row in about] == [pair.caption for pair in stored(corpus, shard)]
    for made, want in ((image_ND, want_image), (text_ND, want_text)):
        # Stored in fp16, so the nearest half of what was encoded alone, or its neighbour.
        assert np.abs(made - want.astype(np.float16).astype(np.float32)).max() <= np.spacing(np.float16(0.5))
        assert np.abs((made * want).sum(1) / np.linalg.norm(made, axis=1) - 1).max() < 1e-6


def test_every_row_is_its_pair_as_if_encoded_alone(corpus: Corpus, tmp_path: Path) -> None:
    probe = write_probe(tmp_path / "p")
    events = run_here(corpus, [Embed(model=probe, batch_size=4)])
    assert committed(events) == [f"embeddings/{shard}" for shard in ("00000", "00001", "00002")]
    for shard in corpus.layer("shards").units():
        check_shard(corpus, shard, probe)


def test_an_open_clip_folder_and_a_probe_side_by_side(corpus: Corpus, tmp_path: Path) -> None:
    tiny_directory(tmp_path / "tiny")
    run_here(corpus, [Embed(model=str(tmp_path / "tiny"), batch_size=3)])
    check_shard(corpus, "00000", str(tmp_path / "tiny"))
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p"))])
    known = corpus.layers("embeddings")
    assert len(known) == 2
    with pytest.raises(UsageError, match="several models") as caught:
        run_here(corpus, [Score(score="similarity")])
    assert all(slug in caught.value.message for slug in known)
    for slug in known:  # what is listed can be typed
        run_here(corpus, [Score(score="similarity", model=slug)])
        stats = corpus.layer("scores/similarity").stats("00000")
        assert stats is not None and stats["source"] == f"embeddings/{slug}"


def test_an_image_is_encoded_once(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p"), batch_size=1)])
    image_ND, text_ND, about = read(corpus, "00002")
    assert (image_ND[0] == image_ND[1]).all() and (image_ND[0] != image_ND[2]).any()
    assert (text_ND[0] == text_ND[2]).all() and (text_ND[0] != text_ND[1]).any()
    assert [row["image_path"] for row in about] == ["00002000", "00002000", "00002003"]
    assert [row["key"] for row in about] == ["00002000", "00002001", "00002003"]
    keys = {entry.key for entry in tar.scan(corpus.path / "shards" / "00002.tar")}
    assert {row["image_path"] for row in about} <= keys


def test_batches_change_vectors_by_rounding_only(tmp_path: Path) -> None:
    probe = write_probe(tmp_path / "p")
    found = []
    for size in (1, 4, 64):
        corpus = given_corpus(tmp_path / f"c{size}", 9)
        run_here(corpus, [Embed(model=probe, batch_size=size)])
        found.append(read(corpus, "00000"))
    for image_ND, text_ND, about in found[1:]:
        assert about == found[0][2] and (text_ND == found[0][1]).all()
        assert np.abs(image_ND - found[0][0]).max() <= np.spacing(np.float16(0.5))


def test_workers_do_not_change_a_byte(tmp_path: Path) -> None:
    probe = write_probe(tmp_path / "p")
    made = []
    for workers in (0, 2):
        corpus = given_corpus(tmp_path / f"c{workers}", 6, 6, 6)
        stages = [Embed(model=probe), Score(score="similarity"), Score(score="phash")]
        do(corpus, stages, workers=workers) if workers else run_here(corpus, stages)
        made.append(contents(corpus, "embeddings") | contents(corpus, "scores"))
    assert made[0] == made[1]


def test_the_layout_is_clip_retrievals(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p"))])
    (slug,) = corpus.layers("embeddings")
    folder = corpus.path / "embeddings" / slug
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == [
        *(f"{shard}.json" for shard in ("00000", "00001", "00002")),
        *(f"img_emb/img_emb_{shard}.npy" for shard in ("00000", "00001", "00002")),
        *(f"metadata/metadata_{shard}.parquet" for shard in ("00000", "00001", "00002")),
        *(f"text_emb/text_emb_{shard}.npy" for shard in ("00000", "00001", "00002")),
    ]
    assert np.load(folder / "img_emb" / "img_emb_00000.npy").dtype == np.float16


def test_a_vector_that_failed_is_seen(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 16)
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p", broken="dog")), Score(score="similarity")])
    _, text_ND, about = read(corpus, "00000")
    broken = ["dog" in str(row["caption"]) for row in about]
    assert sum(broken) == 2 and (~np.isfinite(text_ND)).all(1).tolist() == broken
    scores = table.read(corpus.path / "scores" / "similarity" / "00000.parquet", "score-similarity")
    assert [value is None for value in scores.column("similarity").to_pylist()] == broken


def test_a_probe_of_the_corpus_trained_in_the_same_plan(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 12)
    train = TrainProbe(probe="own", steps=1, batch_size=4)
    run_here(corpus, [train, Embed(model="probe:own"), Score(score="similarity", model="probe:own")])
    (slug,) = corpus.layers("embeddings")
    assert slug.startswith("conv-nano.own.")
    again = run_here(corpus, [Score(score="similarity", model="probe:own")])
    assert not committed(again)
    with pytest.raises(UsageError, match="needs probes/other"):
        run_here(corpus, [Embed(model="probe:other")])


def test_how_a_model_is_named_does_not_matter(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    probe = write_probe(tmp_path / "p")
    run_here(corpus, [Embed(model=probe)])
    monkeypatch.chdir(tmp_path)
    assert not committed(run_here(corpus, [Embed(model="p")]))
    assert not committed(run_here(corpus, [Embed(model=f"{tmp_path}/c/../p")]))
    stats = corpus.layer(f"embeddings/{corpus.layers('embeddings')[0]}").stats("00000")
    assert stats is not None and stats["settings"]["model"] == "../p"


def test_shards_that_shrink_and_grow_are_embedded_again(corpus: Corpus, tmp_path: Path) -> None:
    stages = [Embed(model=write_probe(tmp_path / "p")), Score(score="similarity"), Score(score="phash")]
    run_here(corpus, stages)
    give(corpus, "00000", pairs(0, 4))
    give(corpus, "00001", pairs(100, 12))
    give(corpus, "00003", pairs(200, 3))
    made = committed(run_here(corpus, stages))
    assert sorted(made) == sorted(
        f"{layer}/{shard}"
        for layer in ("embeddings", "scores/similarity", "scores/phash")
        for shard in ("00000", "00001", "00003")
    )
    assert [len(read(corpus, shard)[2]) for shard in ("00000", "00001", "00003")] == [4, 12, 3]


def test_a_model_that_was_moved(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p")), Score(score="similarity")])
    (tmp_path / "p").rename(tmp_path / "q")
    give(corpus, "00003", pairs(200, 3))
    with pytest.raises(SourceError, match=f"no model at {tmp_path / 'p'}"):
        run_here(corpus, [Score(score="similarity")])
    run_here(corpus, [Embed(model=str(tmp_path / "q"))])
    assert committed(run_here(corpus, [Score(score="similarity")])) == ["scores/similarity/00003"]
