"""The probability of an unsafe image, by each of the published detectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import nn

from tests.scores import published_heads
from tests.scores.published_heads import answers
from tests.stages.given import given_corpus, run_here, write_probe
from tests.stages.scorers.test_aesthetic import WIDTH, scores, slug_of, spoil, write_weights
from tests.stages.scorers.test_head_files import write_saved_model
from vlcorpus.corpus import Corpus
from vlcorpus.errors import SourceError
from vlcorpus.io import vectors
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.score import Score
from vlcorpus.views.freshness import Freshness


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = given_corpus(tmp_path / "c", 9)
    run_here(corpus, [Embed(model=write_probe(tmp_path / "p"))])
    spoil(corpus, "00000", 3)
    return corpus


DETECTORS = {
    "laion-keras": published_heads.detector(WIDTH, 16, 32, 24, 1),
    "laion-h14": published_heads.detector_h14(WIDTH),
    "datacomp": published_heads.detector_datacomp(WIDTH),
}


@pytest.mark.parametrize("form", DETECTORS)
def test_is_what_torch_says_of_the_stored_rows(corpus: Corpus, tmp_path: Path, form: str) -> None:
    check(corpus, DETECTORS[form], write_weights(tmp_path, DETECTORS[form]), form)


def test_reads_a_saved_model(corpus: Corpus, tmp_path: Path) -> None:
    model = DETECTORS["laion-keras"]
    write_saved_model(tmp_path / "saved", model)
    check(corpus, model, str(tmp_path / "saved"), "laion-keras")


def check(corpus: Corpus, model: nn.Module, weights: str, form: str) -> None:
    run_here(corpus, [Score(score="nsfw", weights=weights)])
    values = scores(corpus, "nsfw", "unsafe_probability")["00000"]
    rows = vectors.read(corpus.layer(f"embeddings/{slug_of(corpus)}").path("img_emb/img_emb_00000.npy"))
    want = answers(model, np.asarray(rows)).clip(0, 1)
    assert [value is None for value in values] == [row == 3 for row in range(9)]
    assert np.nanmax(np.abs(np.array(values, float) - want)) < 1e-6
    stats = corpus.layer("scores/nsfw").stats("00000")
    assert stats is not None and stats["head"]["form"] == form and stats["model"] == slug_of(corpus)
    assert Freshness(corpus).of("00000", stats) == "fresh"


def test_an_aesthetic_head_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    weights = write_weights(tmp_path, published_heads.aesthetic_v2(dimension=WIDTH))
    with pytest.raises(SourceError, match=r"head\.pth: laion-v2 is a head of aesthetic, not of nsfw"):
        make_plan(corpus, [Score(score="nsfw", weights=weights)])
