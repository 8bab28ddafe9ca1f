from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.stages.given import committed, run_here
from tests.stages.lending import processes, shuffled
from tests.stages.running import contents, do, quiet
from tests.stages.scorers.texts import candidates, corpus_of, scored, stats
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, SourceError, UsageError
from vlcorpus.scores.metaclip import Entries, entry_probability, limit_of_share, probability, tail_share
from vlcorpus.stages import relay
from vlcorpus.stages.score import Score
from vlcorpus.stages.scorers import metaclip
from vlcorpus.stages.scorers.text_languages import list_for
from vlcorpus.stages.sharing import lent

SHARDS = (["a cat", "a black cat", "a dog", "", "a cat"], ["cat and dog", "a cat", "Cat", "12, a cat"])
ENTRIES = ["cat", "black cat", "dog", "12", "never"]


def written(path: Path, entries: list[str]) -> str:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(entries) if path.suffix == ".json" else "\n".join(["# entries", *entries]), "utf-8")
    return str(path)


def run(corpus: Corpus, terms: str, limit: int | None = None, **more: Any) -> None:
    run_here(corpus, [Score(score="metaclip", terms=terms, limit=limit, **more)])


@pytest.mark.parametrize("name", ["metadata.json", "metadata.txt"])
def test_one_list_for_all(tmp_path: Path, name: str) -> None:
    corpus = corpus_of(tmp_path / "c", *SHARDS, languages=[["de"] * 5, [None] * 4])
    run(corpus, written(tmp_path / name, ENTRIES), limit=2)
    found = scored(corpus, "metaclip")
    # cat is in six texts, black cat, 12 in one, dog in two
    cat = float(np.float32(1 / 3))
    assert [row["metaclip_matches"] for row in found] == [1, 2, 1, 0, 1, 2, 1, 0, 2]
    assert [row["metaclip_probability"] for row in found] == [cat, 1, 1, 0, cat, 1, cat, 0, 1]
    assert [row["metaclip_rarest"] for row in found] == [
        "cat",
        "black cat",
        "dog",
        None,
        "cat",
        "dog",
        "cat",
        None,
        "12",
    ]
    assert {row["metaclip_language"] for row in found} == {"any"}
    about = stats(corpus, "metaclip", "all")
    assert about["lists"] == {"any": {"limit": 2, "entries": 5, "texts": 9, "matches": 10, "over_limit": 1}}
    assert (about["language_source"], about["tail_share"], about["matched"]) == (None, None, 7)
    assert stats(corpus, "metaclip")["lists"] == about["lists"] and about["of"] == "candidates"


def test_the_limit_is_metaclip_400ms_if_not_given(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", *SHARDS)
    run(corpus, written(tmp_path / "m.txt", ENTRIES))
    assert stats(corpus, "metaclip", "all")["limit"] == 20_000
    assert {row["metaclip_probability"] for row in scored(corpus, "metaclip")} == {0.0, 1.0}


def many(tmp_path: Path, languages: bool = True) -> tuple[Corpus, dict[str, list[str]], dict[str, list[str]]]:
    """A corpus of three languages and an unknown one, its texts and its lists by language."""
    rng = np.random.default_rng(4)
    lists = {code: [f"{code}{number}" for number in range(20)] for code in ("en", "de", "any")}
    weights = 2.0 ** -np.arange(20)
    texts: list[list[str]] = []
    said: list[list[str | None]] = []
    by_list: dict[str, list[str]] = {code: [] for code in lists}
    for _ in range(3):
        rows, codes = [], []
        for _ in range(200):
            code = ["en", "de", "any"][int(rng.integers(3))]
            words = rng.choice(lists[code], size=int(rng.integers(4)), p=weights / weights.sum())
            rows.append(" ".join(words))
            codes.append({"en": "en", "de": "de", "any": [None, "fr"][int(rng.integers(2))]}[code])
            by_list[code].append(rows[-1])
        texts.append(rows)
        said.append(codes)
    corpus = corpus_of(tmp_path / "c", *texts, languages=said if languages else None)
    for code, entries in lists.items():
        written(tmp_path / "lists" / f"{code}.txt", entries)
    return corpus, by_list, lists


def test_each_language_has_its_list_and_the_tail_of_english(tmp_path: Path) -> None:
    corpus, by_list, lists = many(tmp_path)
    run(corpus, str(tmp_path / "lists"), limit=8)
    found = scored(corpus, "metaclip")
    counted = {code: Entries(lists[code], worldwide=True) for code in lists}
    counts = {code: counted[code].counts(counted[code].match(by_list[code])) for code in lists}
    share = tail_share(counts["en"], 8)
    assert 0 < share < 1
    about = stats(corpus, "metaclip", "all")
    assert about["tail_share"] == share and about["language_source"] == "candidates"
    for code in lists:
        limit = 8 if code == "en" else limit_of_share(counts[code], share)
        assert about["lists"][code]["limit"] == limit and about["lists"][code]["texts"] == len(by_list[code])
        want = probability(counted[code].match(by_list[code]), entry_probability(counts[code], limit))
        got = [row["metaclip_probability"] for row in found if row["metaclip_language"] == code]
        assert got == want.astype(np.float32).tolist()


def test_the_same_bytes_at_any_number_of_workers_and_with_nothing_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    for workers, kept in ((1, metaclip.KEPT), (2, metaclip.KEPT), (1, 0)):
        monkeypatch.setattr(metaclip, "KEPT", kept)
        folder = tmp_path / f"{workers}-{kept}"
        folder.mkdir()
        corpus, _, _ = many(folder)
        stage = Score(score="metaclip", terms=str(folder / "lists"), limit=8)
        if kept:
            do(corpus, [stage], workers=workers)
        else:
            run_here(corpus, [stage])
        made.append(contents(corpus, "scores"))
    assert made[0] == made[1] == made[2] and len(made[0]) == 3


def test_parts_in_any_order_done_twice_and_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for name in ("alone", "parts", "lent", "processes"):
        (tmp_path / name).mkdir()
        corpus, _, _ = many(tmp_path / name)
        if name != "alone":
            monkeypatch.setattr(relay, "PART_ROWS", 200)
        work = Score(score="metaclip", terms=str(tmp_path / name / "lists"), limit=8).open(corpus)
        asked: list[str] = []
        with contextlib.ExitStack() as stack:
            if name == "lent":
                stack.enter_context(lent(shuffled(1, asked)))
            elif name == "processes":
                stack.enter_context(lent(stack.enter_context(processes(2))))
            work("all", quiet)
        assert name != "lent" or (asked.count("gather"), asked.count("make")) == (6, 6)
        about = stats(corpus, "metaclip", "all")
        made.append(
            (contents(corpus, "scores"), {key: about[key] for key in ("lists", "matched", "tail_share", "seen")})
        )
    assert made[0] == made[1] == made[2] == made[3] and len(made[0][0]) == 3


def test_detected_languages_go_before_those_of_the_crawl(tmp_path: Path) -> None:
    texts = ["Ein Hund läuft über die Wiese und bellt", "A black cat sleeps on the old chair by the window"]
    corpus = corpus_of(tmp_path / "c", texts, languages=[["en", "de"]])
    written(tmp_path / "lists" / "en.txt", ["cat"])
    written(tmp_path / "lists" / "de.txt", ["Hund"])
    run(corpus, str(tmp_path / "lists"))
    assert [row["metaclip_matches"] for row in scored(corpus, "metaclip")] == [0, 0]
    run_here(corpus, [Score(score="language")])
    run(corpus, str(tmp_path / "lists"))
    assert [row["metaclip_rarest"] for row in scored(corpus, "metaclip")] == ["Hund", "cat"]
    assert stats(corpus, "metaclip", "all")["language_source"] == "scores/language"


def test_a_named_detection_counts_where_it_is_the_only_one(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", ["Ein Hund läuft über die Wiese und bellt"], languages=[["en"]])
    written(tmp_path / "lists" / "de.txt", ["Hund"])
    run_here(corpus, [Score(score="language", named="b")])
    run(corpus, str(tmp_path / "lists"))
    assert stats(corpus, "metaclip", "all")["language_source"] == "scores/language-b"
    run_here(corpus, [Score(score="language", named="a", detector="cld3")])
    with pytest.raises(CorpusError, match="more than once: scores/language-a, scores/language-b"):
        run(corpus, str(tmp_path / "lists"))
    run_here(corpus, [Score(score="language")])
    run(corpus, str(tmp_path / "lists"))
    candidates(corpus, "00001", ["a new one"])
    with pytest.raises(CorpusError, match="scores/language is not of all candidates"):
        run(corpus, str(tmp_path / "lists"))


def test_texts_without_a_list_keep_nothing(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", ["a cat", "un cat"], languages=[["en", "fr"]])
    written(tmp_path / "lists" / "en.txt", ["cat"])
    run(corpus, str(tmp_path / "lists"))
    assert [row["metaclip_language"] for row in scored(corpus, "metaclip")] == ["en", None]
    assert [row["metaclip_probability"] for row in scored(corpus, "metaclip")] == [1, 0]


def test_without_english_each_list_has_the_limit(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", ["Hund", "Hund", "Hund"], languages=[["de"] * 3])
    written(tmp_path / "lists" / "de.txt", ["Hund"])
    run(corpus, str(tmp_path / "lists"), limit=2)
    assert stats(corpus, "metaclip", "all")["lists"]["de"]["limit"] == 2
    assert scored(corpus, "metaclip")[0]["metaclip_probability"] == float(np.float32(2 / 3))


def test_a_folder_needs_languages(tmp_path: Path) -> None:
    corpus, _, _ = many(tmp_path, languages=False)
    with pytest.raises(CorpusError, match="does not say what language"):
        run(corpus, str(tmp_path / "lists"))


def test_growth_counts_anew(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", *SHARDS)
    terms = written(tmp_path / "m.txt", ENTRIES)
    run(corpus, terms, limit=2)
    candidates(corpus, "00002", ["a cat"] * 2)
    events = run_here(corpus, [Score(score="metaclip", terms=terms, limit=2)])
    assert "scores/metaclip/all" in committed(events)
    assert scored(corpus, "metaclip")[0]["metaclip_probability"] == 0.25
    assert committed(run_here(corpus, [Score(score="metaclip", terms=terms, limit=2)])) == []


@pytest.mark.parametrize(
    ("language", "want"),
    [("en", "en"), ("EN", "en"), ("zh-Hant", "zh"), ("zh-Latn", "zh"), ("iw", "he"), ("fr", "any"), (None, "any")],
)
def test_codes(language: str | None, want: str) -> None:
    assert list_for(language, ["any", "en", "he", "zh"]) == want
    assert list_for(language, ["en", "he", "zh"]) == (None if want == "any" else want)


def test_lists_that_cannot_be(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", *SHARDS)
    with pytest.raises(UsageError, match="--terms"):
        run_here(corpus, [Score(score="metaclip")])
    with pytest.raises(SourceError, match="there is no"):
        run(corpus, str(tmp_path / "none"))
    (tmp_path / "lists").mkdir()
    with pytest.raises(SourceError, match="has no list of terms"):
        run(corpus, str(tmp_path / "lists"))
    written(tmp_path / "lists" / "en.txt", ["a"])
    written(tmp_path / "lists" / "en.json", ["a"])
    with pytest.raises(SourceError, match="both lists of en"):
        run(corpus, str(tmp_path / "lists"))
    for body in ('{"a": 1}', "[1]", "[", "[" * 100_000, '["\\ud800"]', "[]"):
        (tmp_path / "m.json").write_text(body)
        with pytest.raises(SourceError, match=r"m\.json"):
            run(corpus, str(tmp_path / "m.json"))
