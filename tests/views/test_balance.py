"""Scores that came with a list are of candidates: compared with them, and to do for no source that brought none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.corpora import reseal, rewrite
from tests.stages.given import picture
from tests.stages.running import do, write_list
from tests.views.imported import Row, write_scored_list, write_tool_shard
from vlcorpus.corpus import Corpus
from vlcorpus.stages.import_ import Import
from vlcorpus.views.balance import across, follows
from vlcorpus.views.find import find
from vlcorpus.views.life import life
from vlcorpus.views.status import status
from vlcorpus.views.verify import verify

ROWS = [
    Row("http://a.test/0.jpg", "a dog", picture(0), 0.25),
    Row("http://a.test/1.jpg", "a cat", b"", 0.5),
    Row("http://a.test/2.jpg", "a car", picture(2), None),
]


@pytest.fixture
def taken(tmp_path: Path) -> Corpus:
    """An img2dataset folder whose tar was linked, one row of three without image; then a list without scores."""
    write_tool_shard(tmp_path / "in", "00000", ROWS)
    corpus = Corpus.create(tmp_path / "c", shard_rows=10)
    plain = write_list(tmp_path / "plain.csv", [("http://b.test/0.jpg", "a tree")])
    do(corpus, [Import(source=str(tmp_path / "in"))])
    do(corpus, [Import(source=plain)])
    return corpus


def test_what_was_taken_over_is_whole_and_adds_up(taken: Corpus) -> None:
    assert (taken.layer("shards").stats("00000") or {})["taken"] == "linked"
    found = verify(taken)
    assert (found.findings, found.notes) == ((), ())
    seen = status(taken)
    assert seen.imbalances == ()
    todo = {each.name: (each.units, each.todo, each.stale, each.unknown) for each in seen.layers}
    assert todo["scores/list"] == (1, 0, 0, 0)
    assert todo["shards"] == (1, 1, 0, 0)
    assert seen.next == f"vlcorpus download {taken.path}"


def test_a_lost_unit_of_scores_is_to_do(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c", shard_rows=2)
    do(corpus, [Import(source=write_scored_list(tmp_path / "scored.parquet", ROWS))])
    corpus.layer("scores/list").path("00001.json").unlink()
    scores = status(corpus).layer("scores/list")
    assert scores is not None and (scores.units, scores.todo) == (1, 1)


def test_scores_of_other_candidates_are_found(taken: Corpus) -> None:
    layer = taken.layer("scores/list")
    rewrite(layer, "00000", "00000.parquet", lambda rows: rows.reverse())
    (finding,) = verify(taken).findings
    assert finding.path == "scores/list/00000.parquet"
    assert finding.what.startswith("column uid beside the candidates, row 0")
    reseal(layer, "00000", seen=2, kept=2)
    assert [each.what for each in status(taken).imbalances] == ["candidates kept 3 rows, and it has seen 2"]


def test_texts_of_a_linked_tar_are_compared_all_the_same(taken: Corpus) -> None:
    rewrite(taken.layer("candidates"), "00000", "00000.parquet", lambda rows: rows[0].update(alt_text="another"))
    rewrite(taken.layer("shards"), "00000", "00000.parquet", lambda rows: rows[0].update(caption="another"))
    assert [each.what for each in verify(taken).findings] == ["000000.txt is not the caption in the table"]


def test_a_tar_of_ours_must_name_our_uids(taken: Corpus) -> None:
    reseal(taken.layer("shards"), "00000", taken="rewritten")
    told = {each.what for each in verify(taken).findings if each.path == "shards/00000.tar"}
    assert told == {f"00000{n}.json does not name the uid in the table" for n in (0, 2)}


def test_a_life_tells_the_scores_of_the_list_as_its_own(taken: Corpus) -> None:
    told = [life(taken, find(taken, taken.key("00000", row))) for row in range(3)]
    assert [each.scores for each in told] == [{"list.similarity": 0.25}, {"list.similarity": 0.5}, {}]


@pytest.mark.parametrize(
    ("layer", "stats", "before"),
    [
        ("shards", {}, "candidates"),
        ("scores/phash", {"00000": {"seen": 3}}, "shards"),
        ("scores/list", {"00000": None, "00001": {"of": "candidates"}}, "candidates"),
        ("scores/list", {"00000": {"of": ["candidates"]}}, "shards"),
        ("sources/crawl-0", {"00000": {"of": "candidates"}}, None),
    ],
)
def test_what_a_layer_follows(layer: str, stats: Any, before: str | None) -> None:
    assert follows(layer, stats) == before


def test_units_without_a_unit_before_them_are_not_compared() -> None:
    one = {"00000": {"seen": 3, "kept": 3}}
    assert across({"candidates": {}, "shards": one, "scores/list": {"00000": {"of": "candidates", "seen": 1}}}) == []
