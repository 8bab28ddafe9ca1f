from __future__ import annotations

from pathlib import Path

import pytest

from tests.stages.given import committed, run_here
from tests.stages.running import contents, do
from tests.stages.scorers.texts import candidates, corpus_of, scored, stats
from vlcorpus.errors import UsageError
from vlcorpus.stages.score import Score

TEXTS = (
    ["A black cat on a chair", "IMG_2034.jpg", "photo 3", ""],
    ["猫が椅子の上で寝ている", "Buy shoes online", "a  b"],
)


def test_a_row_for_each_candidate(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", *TEXTS)
    run_here(corpus, [Score(score="text")])
    found = scored(corpus, "text")
    assert [row["text_words"] for row in found] == [6, 1, 2, 0, 1, 3, 2]
    assert [row["text_length"] for row in found] == [22, 12, 7, 0, 11, 16, 4]
    assert [row["file_name_like"] for row in found] == [False, True, False, False, False, False, False]
    assert [row["placeholder_like"] for row in found] == [False, True, True, True, False, False, False]
    assert [row["seo_like"] for row in found] == [False, False, False, False, False, True, False]
    assert stats(corpus, "text")["of"] == "candidates" and stats(corpus, "text")["source"] == "candidates"


def test_the_same_bytes_at_any_number_of_workers(tmp_path: Path) -> None:
    made = []
    for workers in (1, 2):
        corpus = corpus_of(tmp_path / str(workers), *TEXTS)
        do(corpus, [Score(score="text"), Score(score="pii"), Score(score="language")], workers=workers)
        made.append(contents(corpus, "scores"))
    assert made[0] == made[1] and len(made[0]) == 6


def test_growth_scores_new_shards_only(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", *TEXTS)
    run_here(corpus, [Score(score="text")])
    candidates(corpus, "00002", ["a new text"])
    assert committed(run_here(corpus, [Score(score="text")])) == ["scores/text/00002"]


def test_settings_of_other_scores_are_refused(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", *TEXTS)
    with pytest.raises(UsageError, match="does not read --terms"):
        run_here(corpus, [Score(score="text", terms="x.txt")])
