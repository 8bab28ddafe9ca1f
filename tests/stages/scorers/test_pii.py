from __future__ import annotations

from pathlib import Path

from tests.stages.given import run_here
from tests.stages.scorers.texts import corpus_of, scored, stats
from vlcorpus.scores.pii import COLUMNS, KINDS, spans
from vlcorpus.stages.score import Score

TEXTS = (
    ["write to jo@mail.example.org", "call +49 30 1234567", "a cat on a chair", "server 192.0.2.7"],
    ["DE89 3704 0044 0532 0130 00", "by @paper_folder", "www.example.org", "48.8584, 2.2945", ""],
)


def test_each_candidate_has_what_stands_in_its_text(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", *TEXTS)
    run_here(corpus, [Score(score="pii")])
    found = scored(corpus, "pii")
    texts = [text for shard in TEXTS for text in shard]
    for row, text in zip(found, texts, strict=True):
        named = {each.kind for each in spans(text, KINDS)}
        assert [row[f"has_{kind}"] for kind in KINDS] == [kind in named for kind in KINDS]
        assert row["pii"] == bool(spans(text))
    assert [sum(row[name] for row in found) for name in COLUMNS] == [1, 1, 1, 1, 1, 1, 1, 4]
    assert stats(corpus, "pii")["of"] == "candidates"
