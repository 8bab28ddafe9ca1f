from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.clip.drawn import photo
from tests.stages.given import Given, committed, give, given_corpus, pairs, run_here, write_probe
from tests.stages.running import contents, do
from vlcorpus.clip.model import load
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.images.decode import Decoded, decode
from vlcorpus.images.encode import encode
from vlcorpus.io import table
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.samples import stored
from vlcorpus.stages.score import Score

SYMMETRIC = np.concatenate([half := photo(40, 24, 7), half[:, ::-1]], axis=1)


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = given_corpus(tmp_path / "c", 9)
    mirror = encode(SYMMETRIC, quality=95)
    one, text = pairs(50, 1)[0], "a boat"
    give(corpus, "00001", [one, Given(one.url, "my holiday", one.body), Given("http://a.test/m.jpg", text, mirror)])
    return corpus


def scores(corpus: Corpus, kind: str, column: str) -> list[float | None]:
    layer = corpus.layer(f"scores/{kind}")
    return [
        value
        for shard in layer.units()
        for value in table.read(layer.path(f"{shard}.parquet"), f"score-{kind}").column(column).to_pylist()
    ]


def test_it_is_the_cosine_with_the_mirrored_picture(corpus: Corpus, tmp_path: Path) -> None:
    probe = write_probe(tmp_path / "p")
    run_here(corpus, [Embed(model=probe), Score(score="flipped", batch_size=4), Score(score="similarity")])
    encoder = load(probe)
    want = []
    for shard in corpus.layer("shards").units():
        for pair in stored(corpus, shard):
            picture = decode(pair.body)
            assert isinstance(picture, Decoded)
            square = np.ascontiguousarray(encoder.preprocess(picture.rgb)[None, ..., ::-1])
            want.append(float(encoder.encode_images(square)[0] @ encoder.encode_texts([pair.caption])[0]))
    found = np.array(scores(corpus, "flipped", "similarity_flipped"))
    assert np.abs(found - want).max() < 1e-3  # halves on the way
    plain = np.array(scores(corpus, "similarity", "similarity"))
    assert np.abs(found - plain)[:-1].max() > 1e-2, "a mirror shows something else"
    assert abs(found[-1] - plain[-1]) < 1e-2, "unless it is symmetric"
    stats = corpus.layer("scores/flipped").stats("00001")
    assert stats is not None and (stats["of"], stats["images"], stats["kept"]) == ("images", 2, 3)
    assert stats["model"] == encoder.slug and stats["source"] == f"embeddings/{encoder.slug}"


def test_workers_and_devices_do_not_change_a_byte(tmp_path: Path) -> None:
    probe = write_probe(tmp_path / "p")
    made = []
    for number, device in enumerate(("cpu", "cpu,cpu", "cpu")):
        corpus = given_corpus(tmp_path / f"c{number}", 6, 70)
        stages = [Embed(model=probe), Score(score="flipped", device=device)]
        do(corpus, stages, workers=2) if number == 2 else run_here(corpus, stages)
        made.append(contents(corpus, "scores"))
    assert made[0] == made[1] == made[2]


def test_what_has_no_vector_has_no_score(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 16)
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p", broken="dog")), Score(score="flipped")])
    broken = ["dog" in pair.caption for pair in stored(corpus, "00000")]
    assert [value is None for value in scores(corpus, "flipped", "similarity_flipped")] == broken


def test_the_recorded_model_is_used_wherever_it_was_moved(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p"))])
    (slug,) = corpus.layers("embeddings")
    run_here(corpus, [Score(score="flipped", model=slug)])
    (tmp_path / "p").rename(tmp_path / "q")
    give(corpus, "00001", pairs(300, 2))
    run_here(corpus, [Embed(model=str(tmp_path / "q"))])
    assert committed(run_here(corpus, [Score(score="flipped", model=str(tmp_path / "q"))])) == ["scores/flipped/00001"]


def test_another_model_in_its_place_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p"))])
    (tmp_path / "p").rename(tmp_path / "gone")
    write_probe(tmp_path / "p", seed=1)
    (slug,) = corpus.layers("embeddings")
    stage = Score(score="flipped", model=slug)
    with pytest.raises(CorpusError, match="no longer the model"):
        stage.open(corpus)


def test_settings_of_other_scores_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p"))])
    with pytest.raises(UsageError, match="flipped does not read --norm"):
        run_here(corpus, [Score(score="flipped", norm="2")])
