from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.corpora import Built, copy, do, rewrite
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.io import table
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.score import Score
from vlcorpus.views import decided as decisions
from vlcorpus.views import facets as facet_views
from vlcorpus.views.collection import open_collection
from vlcorpus.views.corpus_collection import CorpusCollection
from vlcorpus.views.decided import NONE, Decided, Names, Rule, decided, signature_of
from vlcorpus.views.facets import MOST_ROWS, Wanted, chosen, facets, rows
from vlcorpus.views.funnelling import funnel

HOSTS = ("a.test", "b.test", "B.test:80", "", "c.test")
LANGUAGES = ("en", "de", None)


@pytest.fixture(scope="module")
def many(small_corpus: Built, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return varied(copy(small_corpus, tmp_path_factory.mktemp("many")))


@pytest.fixture
def own_many(own_corpus: Built) -> Corpus:
    """The same, to be changed."""
    return varied(own_corpus)


def varied(built: Built) -> Corpus:
    """The corpus with URLs of several hosts, several languages, and decisions of one and three predicates."""
    corpus = built.corpus
    draw = random.Random(3)

    def change(found: list[dict[str, Any]]) -> None:
        for row in found:
            host = draw.choice(HOSTS)
            row["url"] = f"https://{host}/x.jpg" if host else draw.choice([None, "nothing"])
            row["language"] = draw.choice(LANGUAGES)

    layer = corpus.layer("candidates")
    for shard in layer.units():
        rewrite(layer, shard, f"{shard}.parquet", change)
    do(corpus.path, [Filter(decision="three", where=("similarity >= 0.1", "length(caption) <= 40", "width >= 64"))])
    do(corpus.path, [Filter(decision="wanted", of="candidates", where=("length(caption) <= 40",))])
    return corpus


def plainly(corpus: Corpus, name: str) -> list[dict[str, Any]]:
    """Every row of a decision with all that is told of it, the slow way."""
    found = []
    layer = corpus.layer(f"decisions/{name}")
    for shard in layer.units():
        known = {
            row["uid"]: row for row in table.rows(corpus.layer("candidates").path(f"{shard}.parquet"), "candidates")
        }
        fetched = {
            bytes.fromhex(row["uid"]): row
            for row in table.rows(corpus.layer("shards").path(f"{shard}.parquet"), "shards")
        }
        places = {uid: place for place, uid in enumerate(known)}
        for row in table.rows(layer.path(f"{shard}.parquet"), "decisions"):
            about = known[row["uid"]]
            host = (urlsplit(about["url"] or "").hostname or "").lower()
            found.append(
                row
                | {
                    "shard": shard,
                    "place": places[row["uid"]],
                    "caption": about["alt_text"],
                    "url": about["url"],
                    "language": about["language"] or NONE,
                    "domain": host or NONE,
                    "reasons": [str(bit) for bit in range(8) if row["fail_mask"] >> bit & 1]
                    + [each for each in [fetched[row["uid"]]["reason"]] if each],
                }
            )
    return found


def left(found: list[dict[str, Any]], wanted: Wanted, but: str = "") -> list[int]:
    """Numbers of the rows that the fields leave, one of them left out."""
    return [
        number
        for number, row in enumerate(found)
        if (wanted.verdict == "all" or row["keep"] == (wanted.verdict == "kept"))
        and (wanted.reason is None or but == "reason" or wanted.reason in row["reasons"])
        and (wanted.language is None or but == "language" or row["language"] == wanted.language)
        and (wanted.domain is None or but == "domain" or row["domain"] == wanted.domain)
    ]


@pytest.mark.parametrize("name", ["three", "wanted"])
def test_facets_are_those_of_a_plain_count(many: Corpus, name: str) -> None:
    told, every = decided(many, name), plainly(many, name)
    assert len(told.keep_N) == len(every) == told.seen and told.kept == sum(row["keep"] for row in every)
    reasons = [None, "0", *(["2"] if name == "three" else ["http_error"])]
    for verdict, reason, language, domain in itertools.product(
        ("all", "kept", "dropped"), reasons, (None, "en", NONE), (None, "a.test", NONE, "nowhere.test")
    ):
        wanted = Wanted(verdict, reason, language, domain)  # type: ignore[arg-type]
        assert chosen(told, wanted).tolist() == left(every, wanted)
        found = facets(told, wanted)
        for field in ("language", "domain"):
            counts = Counter(every[number][field] for number in left(every, wanted, but=field))
            expected = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
            assert [(each.value, each.rows) for each in getattr(found, field).top] == expected
        counts = Counter(itertools.chain(*(every[number]["reasons"] for number in left(every, wanted, but="reason"))))
        assert {each.value: each.rows for each in found.reason.top} == dict(counts)


def test_predicates_are_counted_as_the_funnel_counts_them(own_many: Corpus) -> None:
    steps = funnel(own_many, "three").steps
    expected = tuple(Rule(step.says, step.marginal, step.rejected) for step in steps)
    assert decided(own_many, "three").rules == expected and len(expected) == 3
    layer = own_many.layer("decisions/three")
    stats = layer.stats("all")
    assert stats is not None
    del stats["masks"]  # as earlier versions wrote it
    layer.path(layer.marker("all")).write_text(json.dumps(stats))
    assert decided(own_many, "three").rules == expected


def test_rows_are_those_of_the_tables(many: Corpus) -> None:
    for name in ("three", "wanted"):
        told, every = decided(many, name), plainly(many, name)
        wanted = Wanted(verdict="dropped")
        numbers = chosen(told, wanted)
        for offset, limit in ((0, 10), (5, 40), (len(numbers) - 3, 10), (len(numbers), 10)):
            found = rows(many, told, numbers[offset : offset + limit])
            assert len(found) == len(numbers[offset : offset + limit])
            for row, number in zip(found, numbers[offset : offset + limit].tolist(), strict=True):
                expected = every[number]
                assert (row.uid, row.shard, row.place) == (expected["uid"].hex(), expected["shard"], expected["place"])
                assert (row.caption, row.url) == (expected["caption"], expected["url"])
                assert (row.keep, row.weight) == (expected["keep"], expected["weight"])
                assert row.key == many.key(row.shard, expected["place"]) and row.language != NONE
                named = [str(bit) for bit in row.failed] + [each for each in [row.status] if each]
                assert named == expected["reasons"]


def test_rows_carry_the_number_of_their_embedding(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    collection = open_collection(corpus.path)
    assert isinstance(collection, CorpusCollection)
    told = decided(corpus, "filtered")
    found = rows(corpus, told, chosen(told, Wanted()), collection=collection)
    assert [row.row for row in found] == list(range(collection.rows))
    assert [pair.uid for pair in collection.pairs(range(collection.rows))] == [row.uid for row in found]


def test_what_was_taken_down_shows_no_words(own_corpus: Built) -> None:
    from vlcorpus.stages.takedown import Takedown

    corpus = own_corpus.corpus
    told = decided(corpus, "filtered")
    before = rows(corpus, told, np.arange(3))
    asked = own_corpus.folder / "asked.txt"
    asked.write_text(before[1].uid + "\n")
    do(corpus.path, [Takedown(lists=(str(asked),))])
    after = rows(corpus, told, np.arange(3))
    assert [row.taken_down for row in after] == [False, True, False]
    assert (after[1].uid, after[1].caption, after[1].url) == (before[1].uid, None, None)
    assert (after[0], after[2]) == (before[0], before[2])


def test_a_score_of_languages_goes_before_the_candidates_own(own_many: Corpus) -> None:
    assert "(none)" in decided(own_many, "three").language.names
    do(own_many.path, [Score(score="language")])
    told = decided(own_many, "three")
    found = [
        row["detected_language"] or NONE
        for shard in own_many.layer("scores/language").units()
        for row in table.rows(own_many.layer("scores/language").path(f"{shard}.parquet"), "score-language")
    ]
    kept = {row["uid"] for row in plainly(own_many, "three")}
    uids = [
        row["uid"]
        for shard in own_many.layer("scores/language").units()
        for row in table.rows(own_many.layer("scores/language").path(f"{shard}.parquet"), "score-language")
    ]
    expected = [each for each, uid in zip(found, uids, strict=True) if uid in kept]
    assert [told.language.names[code] for code in told.language.codes_N] == expected


def test_a_decision_of_pairs_that_changed_since_is_still_told(own_many: Corpus) -> None:
    layer = own_many.layer("candidates")
    rewrite(layer, "00001", "00001.parquet", lambda found: found.__delitem__(slice(0, 5)))
    told = decided(own_many, "wanted")
    found = rows(own_many, told, chosen(told, Wanted())[:60])
    assert sum(row.place is None for row in found) == 5
    assert all(row.caption is None for row in found if row.place is None)


def test_the_signature_tells_what_was_made_again(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    told = decided(corpus, "filtered")
    assert told.signature == signature_of(corpus, "filtered")
    do(corpus.path, [Score(score="language")])
    assert told.signature != signature_of(corpus, "filtered")


def of(names: list[str]) -> Names:
    listed = sorted(set(names))
    return Names(tuple(listed), np.array([listed.index(name) for name in names], np.int32))


def synthetic(hosts: list[str], **changes: Any) -> Decided:
    none, count = of([NONE] * len(hosts)), len(hosts)
    given = {
        "decision": "d", "of": "images", "seen": count, "kept": count, "rules": (), "shards": ("0",),
        "starts": (0, count), "keep_N": np.ones(count, bool), "fails_N": np.zeros(count, np.uint64),
        "language": none, "domain": of(hosts), "status": none, "signature": (),
    }  # fmt: skip
    return Decided(**(given | changes))


def test_fifty_hosts_are_told_and_the_others_are_counted() -> None:
    draw = random.Random(2)
    hosts = [f"host{min(int(draw.expovariate(0.02)), 300)}.test" for _ in range(5_000)]
    counts = sorted(Counter(hosts).items(), key=lambda each: (-each[1], each[0]))
    found = facets(synthetic(hosts), Wanted()).domain
    assert len(counts) > 100 and [(each.value, each.rows) for each in found.top] == counts[: facet_views.TOP]
    assert found.others == 5_000 - sum(number for _, number in counts[: facet_views.TOP])


def test_sixty_four_predicates_are_told_apart() -> None:
    draw = np.random.default_rng(1)
    fails = draw.integers(0, 2**63, 500, np.uint64) << np.uint64(1)
    rules = tuple(Rule(f"rule {bit}", 0, 0) for bit in range(64))
    told = synthetic(["a"] * 500, rules=rules, fails_N=fails, keep_N=fails == 0)
    found = {each.value: each.rows for each in facets(told, Wanted()).reason.top}
    assert found == {str(bit): sum(int(mask) >> bit & 1 for mask in fails.tolist()) for bit in range(1, 64)}
    assert len(chosen(told, Wanted(reason="63"))) == found["63"]


@pytest.mark.parametrize("reason", ["3", "99", "-1", "0x1", "no_such", NONE, "1" * 40, "\u0663"])
def test_a_reason_that_is_none_is_refused(many: Corpus, reason: str) -> None:
    with pytest.raises(UsageError):
        chosen(decided(many, "three"), Wanted(reason=reason))


def test_a_page_has_a_most(small_corpus: Built) -> None:
    told = decided(small_corpus.corpus, "filtered")
    with pytest.raises(UsageError, match="at most"):
        rows(small_corpus.corpus, told, np.zeros(MOST_ROWS + 1, np.int64))


def test_decisions_that_are_not_there_or_not_whole_are_errors(own_corpus: Built, tmp_path: Path) -> None:
    corpus = own_corpus.corpus
    with pytest.raises(UsageError):
        decided(corpus, "nowhere")
    corpus.layer("decisions/filtered").path("all_stats.json").unlink()
    with pytest.raises(CorpusError, match="not whole"):
        decided(corpus, "filtered")
    corpus.layer("decisions/random").path("00001.parquet").write_bytes(b"PAR1")
    with pytest.raises(CorpusError):
        decided(corpus, "random")


def test_names_from_strangers_are_readable_and_short() -> None:
    import pyarrow as pa

    raw = pa.array([b"\xff\xfe", b"x" * 9_000, b"", b"en"], pa.binary()).view(pa.string())
    coded = decisions._coded(raw)
    assert coded.to_pylist()[0] == "\ufffd\ufffd" and len(coded.to_pylist()[1]) < 300
    assert coded.to_pylist()[2:] == [NONE, "en"]
