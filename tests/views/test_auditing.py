from __future__ import annotations

import base64
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.stages.given import Given, given_corpus, pairs, picture, write_similarities
from tests.stages.given import give as give_shard
from tests.stages.running import here
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, SourceError, UsageError, VlcorpusError
from vlcorpus.images.decode import Decoded, decode
from vlcorpus.io import table
from vlcorpus.stages.filter import Filter
from vlcorpus.views.audited import read
from vlcorpus.views.auditing import draw

CUT = 0.28


def similarity(uid: bytes) -> float:
    """Of a pair; anything between 0.08 and 0.48."""
    return 0.08 + 0.4 * int.from_bytes(uid[:4], "big") / 2**32


def is_good(uid: bytes) -> bool:
    """Whether a person would call the pair good: more so the more similar it is."""
    return int.from_bytes(uid[4:8], "big") / 2**32 < (similarity(uid) - 0.08) / 0.4


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """110 pairs in three shards, of which one has no similarity; decisions by threshold, by share, and at random."""
    found = given_corpus(tmp_path_factory.mktemp("audit") / "birds", 50, 40, 20)
    write_similarities(found, similarities(found))
    here(found, Filter(min_sim=CUT))
    here(found, Filter(top_fraction=0.3, decision="top"))
    here(found, Filter(random_fraction=0.5, decision="random"))
    return found


def uids(corpus: Corpus) -> list[bytes]:
    shards = corpus.layer("shards")
    return [
        bytes.fromhex(row["uid"])
        for shard in shards.units()
        for row in table.rows(shards.path(f"{shard}.parquet"), "shards", only=["uid"])
    ]


def similarities(corpus: Corpus) -> dict[bytes, float | None]:
    every = uids(corpus)
    return {uid: None if place == 7 else similarity(uid) for place, uid in enumerate(every)}


def kept(corpus: Corpus, decision: str) -> dict[bytes, bool]:
    layer = corpus.layer(f"decisions/{decision}")
    return {
        row["uid"]: row["keep"]
        for shard in layer.units()
        for row in table.rows(layer.path(f"{shard}.parquet"), "decisions", only=["uid", "keep"])
    }


def write_labels(
    folder: Path, *, but: dict[str, str] | None = None, name: str = "labels.csv", most: int = 10**9
) -> Path:
    """What a person who is right says of an audit's pairs."""
    design = json.loads((folder / "audit.json").read_text())
    said = {each["uid"]: "good" if is_good(bytes.fromhex(each["uid"])) else "bad" for each in design["sample"][:most]}
    path = folder.parent / name
    path.write_text("uid,label\n" + "".join(f"{uid},{label}\n" for uid, label in (said | (but or {})).items()))
    return path


def page(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "index.html").read_text("utf-8")
    told = text.partition('id="pairs">')[2].partition("</script>")[0]
    return json.loads(told)["pairs"]  # type: ignore[no-any-return]


def test_a_census_gives_the_truth(corpus: Corpus, tmp_path: Path) -> None:
    draw(corpus, tmp_path / "look", decision="similarity-0.28", n=110)
    said = read(tmp_path / "look", [write_labels(tmp_path / "look")], precision=0.5)
    decided = kept(corpus, "similarity-0.28")
    good = {uid: is_good(uid) for uid in decided}
    right = sum(good[uid] for uid in decided if decided[uid])
    assert (said.rows, said.kept, said.pairs, said.labelled, said.unsure) == (110, sum(decided.values()), 110, 110, 0)
    assert said.figures.precision.value == pytest.approx(right / sum(decided.values()))
    assert said.figures.recall.value == pytest.approx(right / sum(good.values()))
    assert said.figures.prevalence.value == pytest.approx(sum(good.values()) / 110)
    assert (said.score, said.keeps, said.cut) == ("similarity", "high", pytest.approx(CUT))
    known = {uid: value for uid, value in similarities(corpus).items() if value is not None}
    for point in said.curve:
        inside = [uid for uid, value in known.items() if np.float32(value) >= np.float32(point.threshold)]
        assert point.rows == len(inside)
        assert point.precision.value == pytest.approx(sum(good[uid] for uid in inside) / len(inside))
        assert point.recall.value == pytest.approx(sum(good[uid] for uid in inside) / sum(good.values()))
    (own,) = [point for point in said.curve if point.threshold == said.cut]
    assert own.precision.value == said.figures.precision.value
    assert said.reached is not None and said.reached.estimated is not None and said.reached.assured is not None
    assert said.reached.estimated == next(point for point in said.curve if point.precision.value >= 0.5)  # type: ignore[operator]


def test_a_sample_is_what_the_decision_and_the_scores_say(corpus: Corpus, tmp_path: Path) -> None:
    made = draw(corpus, tmp_path / "look", decision="similarity-0.28", n=40, strata=4)
    design = json.loads((tmp_path / "look" / "audit.json").read_text())
    decided, known = kept(corpus, "similarity-0.28"), similarities(corpus)
    assert (made.rows, made.kept, made.pairs, made.score) == (110, sum(decided.values()), 40, "similarity")
    assert sum(each.drawn for each in made.strata) == 40 and sum(each.rows for each in made.strata) == 110
    assert [each.scored for each in made.strata] == [True, True, True, True, False]
    assert made.strata[-1].rows == 1 and not made.strata[-1].kept
    for each in design["sample"]:
        uid, stratum = bytes.fromhex(each["uid"]), design["strata"][each["stratum"]]
        assert stratum["kept"] == decided[uid]
        value = known[uid]
        assert (each["score"] is None) == (value is None)
        if value is not None:
            assert each["score"] == np.float32(value)
            assert stratum["least"] is None or stratum["least"] <= each["score"]
            assert stratum["most"] is None or each["score"] < stratum["most"]
    for stratum in design["strata"]:
        assert stratum["probability"] == (stratum["drawn"] / stratum["rows"] if stratum["rows"] else 0)
    assert design["rule"] == ["similarity >= 0.28"] and len(design["decision_digest"]) == 32


def test_the_page_is_blind_and_shows_the_pairs(corpus: Corpus, tmp_path: Path) -> None:
    draw(corpus, tmp_path / "look", decision="similarity-0.28", n=40)
    shards = corpus.layer("shards")
    captions = {
        row["uid"]: row["caption"]
        for shard in shards.units()
        for row in table.rows(shards.path(f"{shard}.parquet"), "shards", only=["uid", "caption"])
    }
    shown = page(tmp_path / "look")
    design = json.loads((tmp_path / "look" / "audit.json").read_text())
    assert [each["uid"] for each in shown] == [each["uid"] for each in design["sample"]]
    for each in shown:
        assert set(each) == {"uid", "words", "language", "picture"}
        assert each["words"] == captions[each["uid"]]
        body = base64.b64decode(each["picture"].removeprefix("data:image/jpeg;base64,"))
        assert body.startswith(b"\xff\xd8") and isinstance(decode(body), Decoded)
    text = (tmp_path / "look" / "index.html").read_text()
    for score in (each["score"] for each in design["sample"] if each["score"] is not None):
        assert f"{score:.6f}" not in text
    order = [design["strata"][each["stratum"]]["kept"] for each in design["sample"]]
    assert order != sorted(order) and order != sorted(order, reverse=True)


def test_the_same_sample_however_the_pairs_lie_in_shards(corpus: Corpus, tmp_path: Path) -> None:
    other = Corpus.create(tmp_path / "birds", shard_rows=1000)
    every = pairs(0, 110)
    for number, part in enumerate((every[60:], every[:25], every[25:60])):
        give_shard(other, f"{number:05d}", part)
    write_similarities(other, {uid: similarities(corpus)[uid] for uid in uids(other)})
    here(other, Filter(min_sim=CUT))
    for where, name in ((corpus, "one"), (other, "other")):
        draw(where, tmp_path / name, n=40, decision="similarity-0.28")
    one, two = (json.loads((tmp_path / name / "audit.json").read_text()) for name in ("one", "other"))
    for key in ("sample", "strata", "cells", "thresholds"):
        assert one[key] == two[key]
    assert page(tmp_path / "one") == page(tmp_path / "other")


def test_the_same_audit_is_written_again_and_another_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "look"
    first = draw(corpus, out, decision="similarity-0.28", n=40)
    labels = write_labels(out)
    before = {each.name: each.read_bytes() for each in out.iterdir()}
    assert draw(corpus, out, decision="similarity-0.28", n=40) == first
    assert {each.name: each.read_bytes() for each in out.iterdir()} == before
    for wrong in ({"n": 41}, {"seed": 1}, {"decision": "top"}, {"strata": 4}):
        with pytest.raises(UsageError, match="holds another audit"):
            draw(corpus, out, **({"decision": "similarity-0.28", "n": 40} | wrong))  # type: ignore[arg-type]
    assert read(out, [labels]).labelled == 40
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(UsageError, match="holds no audit"):
        draw(corpus, tmp_path / "full", decision="similarity-0.28", n=40)


def test_a_sheet_with_pictures_can_be_filled_in(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "look"
    draw(corpus, out, decision="similarity-0.28", n=30, form="csv")
    rows = list(csv.DictReader((out / "sample.csv").read_text("utf-8-sig").splitlines()))
    assert len(rows) == 30 and all((out / row["picture"]).read_bytes().startswith(b"\xff\xd8") for row in rows)
    for row in rows:
        row["label"] = "good" if is_good(bytes.fromhex(row["uid"])) else "bad"
    with open(tmp_path / "filled.csv", "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    draw(corpus, out, decision="similarity-0.28", n=30)  # the page as well, of the same sample
    one, other = read(out, [tmp_path / "filled.csv"]), read(out, [write_labels(out)])
    assert one.figures == other.figures


def test_a_share_and_a_draw_are_audited_too(corpus: Corpus, tmp_path: Path) -> None:
    draw(corpus, tmp_path / "top", decision="top", n=60)
    said = read(tmp_path / "top", [write_labels(tmp_path / "top")])
    assert said.cut is not None and said.rule == ("similarity in the top 0.3",)
    (own,) = [point for point in said.curve if point.threshold == said.cut]
    assert own.rows == said.kept == 32
    made = draw(corpus, tmp_path / "random", decision="random", n=60)
    assert made.score == "similarity"
    said = read(tmp_path / "random", [write_labels(tmp_path / "random")])
    assert said.cut is None
    decided = kept(corpus, "random")
    assert said.curve[0].rows <= sum(decided.values())  # a threshold on top of the draw


def test_another_score_and_conditions_are_audited(corpus: Corpus, tmp_path: Path) -> None:
    here(corpus, Filter(where=("similarity <= 0.2 and width > 10",), decision="low"))
    made = draw(corpus, tmp_path / "low", decision="low", n=110)
    assert made.score == "similarity"
    said = read(tmp_path / "low", [write_labels(tmp_path / "low")])
    assert (said.keeps, said.cut) == ("low", pytest.approx(0.2))
    known = {uid: value for uid, value in similarities(corpus).items() if value is not None}
    assert [point.threshold for point in said.curve] == sorted((p.threshold for p in said.curve), reverse=True)
    for point in said.curve:
        assert point.rows == sum(np.float32(value) <= np.float32(point.threshold) for value in known.values())
    made = draw(corpus, tmp_path / "other", decision="low", n=40, score="abs(similarity - 0.3)")
    assert made.score == "abs(similarity - 0.3)"
    for score, words in (("similarty", "similarity"), ("caption", "number"), ("nothing like it", "")):
        with pytest.raises(UsageError) as caught:
            draw(corpus, tmp_path / "no", decision="low", n=40, score=score)
        assert words in caught.value.message + caught.value.hint
    assert not (tmp_path / "no").exists()


def test_without_any_score_kept_and_dropped_are_the_strata(tmp_path: Path) -> None:
    plain = given_corpus(tmp_path / "plain", 30)
    here(plain, Filter(random_fraction=0.5, decision="random"))
    made = draw(plain, tmp_path / "look", n=20)
    assert (made.score, [each.kept for each in made.strata]) == (None, [True, False])
    said = read(tmp_path / "look", [write_labels(tmp_path / "look")], precision=0.9)
    assert said.curve == () and said.reached is None and said.figures.precision.value is not None


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_decision_that_keeps_all_or_nothing(corpus: Corpus, tmp_path: Path, share: float) -> None:
    here(corpus, Filter(random_fraction=share, decision=f"share-{share:g}"))
    draw(corpus, tmp_path / "look", decision=f"share-{share:g}", n=50)
    figures = read(tmp_path / "look", [write_labels(tmp_path / "look")]).figures
    assert (figures.precision.value is None) == (share == 0)
    assert (figures.recall.value, figures.recall.low, figures.recall.high) == (share, share, share)
    assert figures.prevalence.value is not None and 0 < figures.prevalence.low < figures.prevalence.high < 1


@pytest.mark.parametrize(("n", "words"), [(0, "cannot be looked at"), (111, "there are 110"), (5, "too few")])
def test_an_impossible_number_is_refused_before_anything_is_written(
    corpus: Corpus, tmp_path: Path, n: int, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        draw(corpus, tmp_path / "look", decision="similarity-0.28", n=n)
    assert not (tmp_path / "look").exists()


def test_decisions_that_cannot_be_audited_are_refused(corpus: Corpus, tmp_path: Path) -> None:
    here(corpus, Filter(of="candidates", random_fraction=0.5, decision="early"))
    with pytest.raises(UsageError, match="no pictures"):
        draw(corpus, tmp_path / "look", decision="early")
    with pytest.raises(UsageError, match="several"):
        draw(corpus, tmp_path / "look")
    with pytest.raises(UsageError, match="no decisions/nothing"):
        draw(corpus, tmp_path / "look", decision="nothing")
    grown = given_corpus(tmp_path / "grown", 20)
    here(grown, Filter(random_fraction=0.5, decision="random"))
    give_shard(grown, "00001", [Given("http://a.test/x.jpg", "x", picture(3))])
    with pytest.raises(CorpusError, match="the corpus has grown"):
        draw(grown, tmp_path / "look")


def test_captions_are_shown_with_what_hides_written_out(tmp_path: Path) -> None:
    text = "a \u202edog\x1b[2J </script>"
    hidden = Corpus.create(tmp_path / "hidden", shard_rows=1000)
    give_shard(hidden, "00000", [Given(f"http://a.test/{n}.jpg", f"{text} {n}", picture(n)) for n in range(6)])
    here(hidden, Filter(random_fraction=0.5, decision="random"))
    draw(hidden, tmp_path / "look", n=6)
    assert all(each["words"].startswith("a \\u202edog\\x1b[2J </script>") for each in page(tmp_path / "look"))


def test_two_people(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "look"
    draw(corpus, out, decision="similarity-0.28", n=60)
    sample = [each["uid"] for each in json.loads((out / "audit.json").read_text())["sample"]]
    first = write_labels(out, name="first.csv", but={sample[0]: "unsure", sample[1]: "unsure"})
    turned = "bad" if is_good(bytes.fromhex(sample[5])) else "good"
    second = write_labels(out, name="second.csv", but={sample[5]: turned, sample[1]: "unsure"}, most=50)
    said = read(out, [first, second])
    assert said.agreement is not None
    assert (said.labelled, said.unsure, said.differ) == (50, 1, 2)
    assert (said.agreement.both, said.agreement.sure) == (50, 48)
    assert said.agreement.raw.value == pytest.approx(47 / 48)
    assert said.agreement.kappa.low < said.agreement.kappa.value < 1  # type: ignore[operator]
    assert [(each.uid, each.second) for each in said.differing] == [
        (sample[0], "good" if is_good(bytes.fromhex(sample[0])) else "bad"),
        (sample[5], turned),
    ]
    alone = read(out, [second])
    assert alone.agreement is None and alone.labelled == 50
    with pytest.raises(UsageError, match="3 files"):
        read(out, [first, second, first])


def test_what_cannot_be_read_is_told(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "look"
    draw(corpus, out, decision="similarity-0.28", n=40)
    labels = write_labels(out)
    with pytest.raises(SourceError, match="no audit in"):
        read(tmp_path, [labels])
    draw(corpus, tmp_path / "other", decision="top", n=40, seed=1)
    with pytest.raises(SourceError, match="no pair of this audit"):
        read(tmp_path / "other", [labels])
    whole = (out / "audit.json").read_text()
    design = json.loads(whole)
    damaged: list[Any] = ["{", "[]", design | {"sample": design["sample"][1:]}, design | {"cells": []}]
    damaged += [design | {"strata": [{}]}, design | {"version": 2}, {"version": 1, "sample": []}]
    damaged += [design | {"sample": [each | {"stratum": 99} for each in design["sample"]]}]
    for each in damaged:
        (out / "audit.json").write_text(each if isinstance(each, str) else json.dumps(each))
        with pytest.raises(VlcorpusError) as caught:
            read(out, [labels])
        assert caught.value.hint
    (out / "audit.json").write_text(whole)
    assert read(out, [labels]).labelled == 40
