from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.stages.given import committed, run_here
from tests.stages.running import contents, do
from tests.stages.scorers.texts import corpus_of, scored, stats
from vlcorpus.corpus import Corpus
from vlcorpus.errors import SourceError, UsageError, VlcorpusError
from vlcorpus.stages.score import Score

TEXTS = (["A dog eats a Hot Dog", "hotdogs", "", "dog"], ["黒猫です", "A dog eats a Hot Dog"])
TERMS = "# classes\ndog\tn02084071\nhot dog\n\n猫\tn02121620\n"


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return corpus_of(tmp_path / "c", *TEXTS)


@pytest.fixture
def terms(tmp_path: Path) -> Path:
    path = tmp_path / "terms.txt"
    path.write_text(TERMS, "utf-8")
    return path


def test_ids_or_terms_of_each_candidate(corpus: Corpus, terms: Path) -> None:
    run_here(corpus, [Score(score="entities", terms=str(terms))])
    found = scored(corpus, "entities")
    assert [row["entity_count"] for row in found] == [2, 0, 0, 1, 1, 2]
    both = ["n02084071", "hot dog"]
    assert [row["entities"] for row in found] == [both, [], [], ["n02084071"], ["n02121620"], both]
    assert [row["first_entity"] for row in found] == ["n02084071", None, None, "n02084071", "n02121620", "n02084071"]
    assert stats(corpus, "entities")["terms"] == 3


def test_the_list_is_an_input_and_its_place_is_not(corpus: Corpus, terms: Path, tmp_path: Path) -> None:
    run_here(corpus, [Score(score="entities", terms=str(terms))])
    first = contents(corpus, "scores")
    assert committed(run_here(corpus, [Score(score="entities", terms=str(terms))])) == []
    terms.write_text(TERMS + "hotdogs\n", "utf-8")
    assert len(committed(run_here(corpus, [Score(score="entities", terms=str(terms))]))) == 2
    assert scored(corpus, "entities")[1]["entity_count"] == 1
    packed = tmp_path / "packed.txt.gz"
    packed.write_bytes(gzip.compress(TERMS.encode()))
    do(corpus, [Score(score="entities", terms=str(packed))], workers=2)
    assert contents(corpus, "scores") == first


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "has no term"),
        (b"# only\n\n", "has no term"),
        (b"dog\n\xff\xfe\n", "term 2 of"),
        (b"x" * 300, "more than 256 characters"),
        (b"PAR1....", "is a parquet file"),
        (b"d\0\0\0og", "not in UTF-8"),
    ],
)
def test_lists_that_cannot_be(corpus: Corpus, terms: Path, body: bytes, says: str) -> None:
    terms.write_bytes(body)
    with pytest.raises(SourceError, match=says):
        Score(score="entities", terms=str(terms)).open(corpus)


def test_a_list_must_be_given_and_be_there(corpus: Corpus, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--terms"):
        run_here(corpus, [Score(score="entities")])
    for missing in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(VlcorpusError, match="there is no file"):
            run_here(corpus, [Score(score="entities", terms=str(missing))])
