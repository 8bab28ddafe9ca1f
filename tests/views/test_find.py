from __future__ import annotations

import pytest

from tests.corpora import Built
from vlcorpus import identity
from vlcorpus.errors import UsageError, VlcorpusError
from vlcorpus.io import table
from vlcorpus.views import find as finding
from vlcorpus.views.find import Found, Refused, find, places


def every(built: Built) -> list[Found]:
    layer = built.corpus.layer("candidates")
    return [
        Found(row["uid"], shard, place)
        for shard in layer.units()
        for place, row in enumerate(table.rows(layer.path(f"{shard}.parquet"), "candidates", only=["uid"]))
    ]


def test_every_pair_is_found_by_uid_prefix_and_key(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    for each in every(small_corpus):
        uid = each.uid.hex()
        assert find(corpus, uid) == each
        assert find(corpus, uid[:13].upper()) == each  # odd and even lengths, any case
        assert find(corpus, f" {uid[:10]} ") == each
        assert find(corpus, corpus.key(each.shard, each.row)) == each


def test_places_gives_those_that_are_there(small_corpus: Built) -> None:
    known = every(small_corpus)
    wanted = [known[0].uid, known[-1].uid, bytes(16)]
    assert places(small_corpus.corpus, wanted) == {known[0].uid: known[0], known[-1].uid: known[-1]}


def test_refused_pairs_are_found_by_the_uid_they_would_have_had(small_corpus: Built) -> None:
    planted = next(pair for pair in small_corpus.site.planted if pair.fault == "noai_page")
    uid = identity.uid(planted.url, planted.alt_text)
    for text in (uid.hex(), uid.hex()[:8]):
        found = find(small_corpus.corpus, text)
        assert isinstance(found, Refused) and found.uid == uid and found.values["reason"] == "optout"


@pytest.mark.parametrize("text", ["", "xyz", "0" * 33, "12345", "uid:0123456789", "0123 456789"])
def test_words_that_name_no_pair_are_refused(small_corpus: Built, text: str) -> None:
    with pytest.raises(UsageError):
        find(small_corpus.corpus, text)


def test_an_unknown_uid_is_an_error_with_a_hint(small_corpus: Built) -> None:
    with pytest.raises(VlcorpusError) as caught:
        find(small_corpus.corpus, "f" * 32)
    assert caught.value.exit_code == 1
    assert caught.value.message == f"no pair {'f' * 32} in {small_corpus.corpus.path}" and caught.value.hint


def test_an_ambiguous_beginning_names_the_uids(small_corpus: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "LEAST_PREFIX", 1)
    first = [each.uid.hex() for each in every(small_corpus)]
    digit = next(digit for digit in "0123456789abcdef" if sum(uid.startswith(digit) for uid in first) > 5)
    with pytest.raises(UsageError) as caught:
        find(small_corpus.corpus, digit)
    count = sum(uid.startswith(digit) for uid in first)
    assert caught.value.message == f"{count} uids begin with {digit}"
    assert f"and {count - 5} more" in caught.value.hint


def test_a_key_past_the_end_is_taken_for_a_uid(small_corpus: Built) -> None:
    with pytest.raises(VlcorpusError, match="no pair 0000099"):
        find(small_corpus.corpus, "0000099")
