from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.scores.vectors import unit
from tests.stages.given import committed, given_corpus, pairs, picture, run_here, write_probe
from tests.stages.running import contents, do
from tests.stages.scorers.embedded import DIMENSION, both, scored, toy_corpus, vectors_of
from vlcorpus.corpus import Corpus
from vlcorpus.errors import ShardsFailed, SourceError, UsageError
from vlcorpus.io import table
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.score import Score


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return toy_corpus(tmp_path / "c", pairs(0, 13), pairs(13, 8))


def near_of(count: int, side: int = 9) -> np.ndarray:
    return vectors_of([bytes([each] * 16) for each in range(count)], side)


def values(corpus: Corpus, layer: str = "normsim") -> np.ndarray:
    return np.array([row["normsim"] for row in scored(corpus, layer).values()], np.float64)


def expected(corpus: Corpus, near: np.ndarray, norm: str = "inf") -> np.ndarray:
    cosines = unit(both(corpus)[1]) @ unit(near).T
    return cosines.max(1) if norm == "inf" else np.sqrt((cosines**2).sum(1))


@pytest.mark.parametrize("norm", ["inf", "2"])
@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_vectors_in_a_file(corpus: Corpus, tmp_path: Path, norm: str, kind: type) -> None:
    near = near_of(30)
    np.save(tmp_path / "near.npy", near.astype(kind))
    run_here(corpus, [Score(score="normsim", near=str(tmp_path / "near.npy"), norm=norm)])
    assert list(scored(corpus, "normsim")) == both(corpus)[0]
    assert np.abs(values(corpus) - expected(corpus, near, norm)).max() < 1e-6
    stats = corpus.layer("scores/normsim").stats("00001")
    assert stats is not None and (stats["near"], stats["near_lost"], stats["model"]) == (30, 0, "toy.given")


def test_a_folder_of_embeddings(corpus: Corpus, tmp_path: Path) -> None:
    near = near_of(30)
    (tmp_path / "e" / "img_emb").mkdir(parents=True)
    np.save(tmp_path / "e" / "img_emb" / "img_emb_0.npy", near[:20])
    np.save(tmp_path / "e" / "img_emb" / "img_emb_1.npy", near[20:])
    for named, folder in (("whole", tmp_path / "e"), ("own", tmp_path / "e" / "img_emb")):
        run_here(corpus, [Score(score="normsim", near=str(folder), named=named)])
        assert np.abs(values(corpus, f"normsim-{named}") - expected(corpus, near)).max() < 1e-6


def test_another_corpus(corpus: Corpus, tmp_path: Path) -> None:
    other = toy_corpus(tmp_path / "other", pairs(100, 4), pairs(10, 3))
    run_here(corpus, [Score(score="normsim", near=str(other.path))])
    assert np.abs(values(corpus) - expected(corpus, both(other)[1])).max() < 1e-6
    assert (values(corpus) > 1 - 1e-6).sum() == 3, "those that both have"
    alien = toy_corpus(tmp_path / "alien", pairs(0, 3), model="other")
    with pytest.raises(ShardsFailed, match=r"has no embeddings of toy\.given"):
        run_here(corpus, [Score(score="normsim", near=str(alien.path), named="b")])


def test_a_folder_of_images_is_encoded_with_the_recorded_model(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 6, 5)
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p"))])
    photos = tmp_path / "photos"
    (photos / "deeper").mkdir(parents=True)
    from vlcorpus.stages.samples import stored

    for number, pair in enumerate(list(stored(corpus, "00001"))[:3]):
        (photos / "deeper" / f"{number}.JPG").write_bytes(pair.body)
    (photos / "a.jpg").write_bytes(picture(77))
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    (photos / "empty.webp").write_bytes(b"")
    (photos / "notes.txt").write_text("not a picture")
    score = Score(score="normsim", near=str(photos), batch_size=2)
    run_here(corpus, [score])
    assert (values(corpus) > 1 - 1e-6).tolist() == [False] * 6 + [True] * 3 + [False] * 2
    stats = corpus.layer("scores/normsim").stats("00000")
    assert stats is not None and (stats["near"], stats["near_lost"]) == (4, 2)
    assert not committed(run_here(corpus, [score]))
    (photos / "a.jpg").write_bytes(picture(78))
    assert len(committed(run_here(corpus, [score]))) == 2, "other pictures are another score"


def test_workers_change_no_bit(corpus: Corpus, tmp_path: Path) -> None:
    np.save(tmp_path / "near.npy", near_of(30))
    made = set()
    for workers in (1, 2):
        do(corpus, [Score(score="normsim", near=str(tmp_path / "near.npy"), named=f"w{workers}")], workers=workers)
        made.add(str(contents(corpus, f"scores/normsim-w{workers}")))
    assert len(made) == 1


def test_rows_without_direction(tmp_path: Path) -> None:
    every = pairs(0, 6)
    corpus = toy_corpus(tmp_path / "c", every, hurt={every[1].uid: float("nan"), every[4].uid: 0.0})
    near = near_of(5)
    near[1], near[2, 0] = 0, np.nan
    np.save(tmp_path / "near.npy", near)
    run_here(corpus, [Score(score="normsim", near=str(tmp_path / "near.npy"))])
    assert [row["normsim"] is None for row in scored(corpus, "normsim").values()] == [
        False, True, False, False, True, False,
    ]  # fmt: skip
    stats = corpus.layer("scores/normsim").stats("00000")
    assert stats is not None and (stats["near"], stats["near_lost"]) == (3, 2)


def refused(corpus: Corpus, near: Path, words: str) -> None:
    with pytest.raises((SourceError, ShardsFailed, UsageError), match=words):
        run_here(corpus, [Score(score="normsim", near=str(near))])
    assert not corpus.layer("scores/normsim").units()


def test_what_a_stranger_may_give(corpus: Corpus, tmp_path: Path) -> None:
    place = tmp_path / "near.npy"
    refused(corpus, place, "is not there")
    np.save(place, near_of(5)[:, :-1])
    refused(corpus, place, f"has vectors of {DIMENSION - 1} numbers, and the embeddings of {DIMENSION}")
    np.save(place, near_of(5)[0])
    refused(corpus, place, "not \\(rows, dimension\\)")
    np.save(place, np.array([[print]], dtype=object), allow_pickle=True)
    refused(corpus, place, "not numbers of 2, 4 or 8 bytes")
    place.write_bytes(place.read_bytes()[:40])
    refused(corpus, place, "is no array that can be read")
    place.write_bytes(b"")
    refused(corpus, place, "is no array that can be read")
    np.save(place, np.zeros((5, DIMENSION), np.float16))
    refused(corpus, place, "no vector of .* has a direction")
    np.save(place, np.zeros((0, DIMENSION), np.float16))
    refused(corpus, place, "no vector of .* has a direction")
    (tmp_path / "near.txt").write_text("1 2 3")
    refused(corpus, tmp_path / "near.txt", "is no .npy file")
    (tmp_path / "empty").mkdir()
    refused(corpus, tmp_path / "empty", "neither images nor vectors")
    with pytest.raises(UsageError, match="normsim has no --near"):
        run_here(corpus, [Score(score="normsim")])


def test_images_that_no_model_here_can_encode(corpus: Corpus, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(picture(1))
    refused(corpus, photos, "the model of toy.given is not known here")
    given = given_corpus(tmp_path / "given", 3)
    run_here(given, [Embed(model=write_probe(tmp_path / "p"))])
    (photos / "a.jpg").write_bytes(b"no picture")
    refused(given, photos, "none of the 1 images")


def test_a_pipe_is_no_picture(tmp_path: Path, corpus: Corpus) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    os.mkfifo(photos / "a.jpg")
    (photos / "b.jpg").symlink_to(tmp_path / "nowhere.jpg")
    refused(corpus, photos, "neither images nor vectors")


def test_the_file_may_go_once_it_is_done(corpus: Corpus, tmp_path: Path) -> None:
    np.save(tmp_path / "near.npy", near_of(3))
    run_here(corpus, [Score(score="normsim", near=str(tmp_path / "near.npy"))])
    before = table.read(corpus.path / "scores" / "normsim" / "00000.parquet", "score-normsim")
    (tmp_path / "near.npy").unlink()
    with pytest.raises(SourceError, match="is not there"):
        run_here(corpus, [Score(score="normsim", near=str(tmp_path / "near.npy"))])
    assert table.read(corpus.path / "scores" / "normsim" / "00000.parquet", "score-normsim").equals(before)
