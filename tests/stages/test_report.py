"""Reports of small corpora: every number against a slow count of the same rows."""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.report.hostile import HOSTILE
from tests.report.test_page import Page, assert_closed_to_the_outside
from tests.stages.given import Given, give, given_corpus, pairs, picture, run_here, write_similarities
from tests.stages.test_filter import filter_here, grow, scored_corpus, similarity_of, uids_of
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.io import table
from vlcorpus.report import model
from vlcorpus.report.page import render
from vlcorpus.stages import findings
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.import_ import Import
from vlcorpus.stages.report import WriteReport
from vlcorpus.stages.telling.choices import jaccard
from vlcorpus.stages.telling.cuts import cuts_of
from vlcorpus.stages.telling.shown import Shown
from vlcorpus.stages.telling.survey import survey


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return scored_corpus(tmp_path / "c", 30, 20, 10)


def of_kind(report: model.Report, kind: type, title: str = "") -> list[Any]:
    return [each for each in report.sections if isinstance(each, kind) and title in each.title]


def table_of(report: model.Report, title: str) -> list[dict[str, Any]]:
    (section,) = of_kind(report, model.Table, title)
    return [dict(zip([column.name for column in section.columns], row, strict=True)) for row in section.rows]


def captions(corpus: Corpus) -> dict[bytes, str]:
    shards = corpus.layer("shards")
    rows = [row for shard in shards.units() for row in table.rows(shards.path(f"{shard}.parquet"), "shards")]
    return {bytes.fromhex(row["uid"]): row["caption"] for row in rows}


def verdicts(corpus: Corpus, name: str) -> dict[bytes, dict[str, Any]]:
    layer = corpus.layer(f"decisions/{name}")
    rows = [row for shard in layer.units() for row in table.rows(layer.path(f"{shard}.parquet"), "decisions")]
    return {row["uid"]: row for row in rows}


def test_each_predicate_has_its_line(corpus: Corpus) -> None:
    filter_here(corpus, Filter(where=('contains(caption, "1")',), min_sim=0.3, decision="both"))
    lines = table_of(findings.gather(corpus, decision="both"), "What each predicate of both did")
    own = [(row["fail_mask"] & 1 > 0, row["fail_mask"] & 2 > 0) for row in verdicts(corpus, "both").values()]
    kept = sum(not a and not b for a, b in own)
    first, second = lines
    assert (first["predicate"], second["predicate"]) == ('contains(caption, "1")', "similarity >= 0.3")
    assert (first["reach it"], first["it rejects"]) == (60, sum(a for a, _ in own))
    assert (second["reach it"], second["it rejects"]) == (sum(not a for a, _ in own), sum(b and not a for a, b in own))
    assert second["pass by itself"] == f"{100 * sum(not b for _, b in own) / 60:.1f} %"
    alone = sum(b and not a for a, b in own)
    assert (second["rejected by it alone"], second["without it"]) == (alone, f"+{100 * alone / kept:.1f} %")
    assert second["no value"] == sum(similarity_of(uid) is None for uid in uids_of(corpus))


def test_the_histogram_counts_every_row_and_shows_the_cut(corpus: Corpus) -> None:
    filter_here(corpus, Filter(top_fraction=0.4))
    (chart,) = of_kind(findings.gather(corpus), model.Histogram)
    found = verdicts(corpus, "similarity-top-0.4")
    values = {uid: similarity_of(uid) for uid in found}
    (mark,) = chart.marks
    assert chart.x_label == "similarity" and mark.keeps == "above"
    assert mark.value == pytest.approx(min(v for uid, v in values.items() if v is not None and found[uid]["keep"]))
    for series, keep in zip(chart.series, (True, False), strict=True):
        own = [float(np.float32(v)) for uid, v in values.items() if v is not None and found[uid]["keep"] == keep]
        assert series.name == ("kept" if keep else "dropped") and sum(series.counts) == len(own)
        for place, count in enumerate(series.counts):
            low, high = chart.edges[place : place + 2]
            last = place == len(series.counts) - 1
            assert count == sum(low <= v < high or (last and v >= high) for v in own)
    absent = sum(value is None for value in values.values())
    assert f"{absent:,} of 60 rows have no value." in chart.note


@pytest.mark.parametrize("settings", [{"min_sim": 0.5}, {"top_fraction": 0.45}, {"where": ("similarity < 0.35",)}])
def test_the_nearest_on_both_sides_are_those_of_sorting(corpus: Corpus, settings: dict[str, Any]) -> None:
    filter_here(corpus, Filter(**settings, decision="d"))
    (shown,) = of_kind(findings.gather(corpus, decision="d"), model.Pictures, "On both sides of the threshold")
    (cut,) = cuts_of(Shown.of(corpus, "d"))
    texts, found = captions(corpus), verdicts(corpus, "d")
    assert cut.threshold is not None
    for side, keep in ((shown.kept, True), (shown.dropped, False)):
        own = [(uid, similarity_of(uid)) for uid, row in found.items() if row["keep"] == keep]
        there = [(abs(round(value, 6) - cut.threshold), uid, value) for uid, value in own if value is not None]
        want = sorted((round(distance, 5), uid, value) for distance, uid, value in there)[:24]
        assert [each.caption for each in side] == [texts[uid] for _, uid, _ in want]
        assert [each.value for each in side] == pytest.approx([value for *_, value in want])
        assert all(each.jpeg is not None and each.jpeg.startswith(b"\xff\xd8\xff") for each in side)


def test_a_pair_that_fails_something_else_is_not_beside_the_cut(corpus: Corpus) -> None:
    filter_here(corpus, Filter(where=('contains(caption, "1")',), min_sim=0.5, decision="d"))
    (shown,) = of_kind(findings.gather(corpus, decision="d"), model.Pictures)
    assert shown.kept and shown.dropped
    assert all("1" in each.caption for each in (*shown.kept, *shown.dropped))


def test_cuts_that_decide_the_most_are_pictured(corpus: Corpus) -> None:
    where = ("original_width >= 1", "similarity >= 0.1", "length(caption) < 12", "similarity <= 0.9", "aspect < 100")
    filter_here(corpus, Filter(where=where, min_sim=0.3, decision="many"))
    titles = [each.title for each in of_kind(findings.gather(corpus, decision="many"), model.Pictures)]
    assert len(titles) == 4 and not any("original_width" in title or "aspect" in title for title in titles)
    assert titles[-1].endswith("similarity >= 0.3")


def test_groups_have_their_own_cuts(tmp_path: Path) -> None:
    corpus = given_corpus(tmp_path / "c", 40)
    write_similarities(corpus, {uid: place / 100 for place, uid in enumerate(uids_of(corpus))})
    word = "domain(url)"
    give(corpus, "00001", [Given(f"http://b.test/{n}.jpg", f"b {n}", picture(500 + n)) for n in range(20)])
    write_similarities(corpus, {uid: place / 100 for place, uid in enumerate(uids_of(corpus))})
    filter_here(corpus, Filter(top_fraction=0.25, by=word, decision="fair"))
    report = findings.gather(corpus, decision="fair")
    lines = table_of(report, f"Cuts of similarity by {word}")
    assert [(line[word], line["rows"], line["kept"], line["kept share"]) for line in lines] == [
        ("a.test", 40, 10, "25.0 %"),
        ("b.test", 20, 5, "25.0 %"),
    ]
    assert [line["cut"] for line in lines] == pytest.approx([0.30, 0.55])
    (shown,) = of_kind(report, model.Pictures)
    nearest = [each.value for each in shown.kept][:2]
    assert sorted(nearest) == pytest.approx([0.30, 0.55]), "each is nearest to the cut of its own group"
    domains = {rate.name: (rate.rows, rate.kept) for rate in of_kind(report, model.Rates, "domain")[0].rates}
    assert domains == {"a.test": (40, 10), "b.test": (20, 5)}


def test_how_scores_agree_is_taken_of_all_rows_where_there_are_few(corpus: Corpus) -> None:
    filter_here(corpus, Filter(where=("original_bytes > 0",), min_sim=0.4, decision="d"))
    (matrix,) = of_kind(findings.gather(corpus, decision="d"), model.Matrix, "How the scores agree")
    place = matrix.names.index("similarity")
    found = verdicts(corpus, "d")
    there = [(value, found[uid]["keep"]) for uid in uids_of(corpus) if (value := similarity_of(uid)) is not None]
    wins = [(a > b) + (a == b) / 2 for a, keep in there if keep for b, other in there if not other]
    assert matrix.beside[place] == pytest.approx(sum(wins) / len(wins)) == 1.0
    assert "all 60 rows" in matrix.note


def test_a_sample_is_the_same_in_any_order_of_shards(tmp_path: Path) -> None:
    one, other = Corpus.create(tmp_path / "one"), Corpus.create(tmp_path / "other")
    for shard, (start, count) in enumerate([(0, 40), (40, 20)]):
        give(one, f"{shard:05d}", pairs(start, count))
    for shard, (start, count) in enumerate([(30, 30), (0, 30)]):
        give(other, f"{shard:05d}", pairs(start, count)[::-1])
    found = []
    for corpus in (one, other):
        taken = survey(Shown.of(corpus, None), (), sampled=("caption",), size=25)
        assert taken.sample is not None and taken.rows == 60
        found.append(taken.sample.column("caption").to_pylist())
    assert found[0] == found[1] and len(found[0]) == 25


def test_decisions_share_what_a_slow_count_says(corpus: Corpus) -> None:
    stages = [
        Filter(min_sim=0.3, decision="a"),
        Filter(min_sim=0.6, decision="b"),
        Filter(min_sim=1.0, decision="none"),
    ]
    stages += [Filter(random_fraction=0.5, decision="c"), Filter(random_fraction=0.5, of="candidates", decision="d")]
    for stage in stages:
        filter_here(corpus, stage)
    names = tuple(stage.decision_name() for stage in stages)
    kept = [{uid for uid, row in verdicts(corpus, name).items() if row["keep"]} for name in names]
    for one, row in zip(kept, jaccard(corpus, names), strict=True):
        for other, value in zip(kept, row, strict=True):
            want = len(one & other) / len(one | other) if one | other else math.nan
            assert value == pytest.approx(want, nan_ok=True)
    report = findings.gather(corpus, decision="a")
    lines = table_of(report, "All decisions")
    assert [(line["decision"], line["kept"]) for line in lines] == [
        (name, len(own)) for name, own in sorted(zip(names, kept, strict=True))
    ]
    assert lines[0][""] == "shown here"


def test_the_decision_that_is_shown(corpus: Corpus) -> None:
    assert not of_kind(findings.gather(corpus), model.Pictures), "there is none yet"
    assert of_kind(findings.gather(corpus), model.Histogram, "similarity"), "but similarities are there"
    filter_here(corpus, Filter(random_fraction=0.5, decision="mine"))
    assert table_of(findings.gather(corpus), "What each predicate of mine did")
    filter_here(corpus, Filter(min_sim=0.5))
    assert table_of(findings.gather(corpus), "What each predicate of similarity-0.5 did")
    with pytest.raises(UsageError, match="no decision 'other'") as caught:
        findings.gather(corpus, decision="other")
    assert "mine, similarity-0.5" in caught.value.hint


def test_a_corpus_that_has_grown_is_told_as_it_was_decided(corpus: Corpus) -> None:
    filter_here(corpus, Filter(min_sim=0.5, decision="d"))
    before = findings.gather(corpus, decision="d")
    grow(corpus)
    after = findings.gather(corpus, decision="d")
    assert of_kind(after, model.Histogram) == of_kind(before, model.Histogram)
    give(corpus, "00001", pairs(700, 20))
    write_similarities(corpus, {uid: similarity_of(uid) for uid in uids_of(corpus)})
    with pytest.raises(CorpusError, match="decisions/d is not of the pairs of shard 00001"):
        findings.gather(corpus, decision="d")


def test_a_decision_of_an_earlier_version_is_shown(corpus: Corpus) -> None:
    filter_here(corpus, Filter(min_sim=0.5, decision="d"))
    new = findings.gather(corpus, decision="d")
    path = corpus.layer("decisions/d").path("all_stats.json")
    stats = json.loads(path.read_text())
    for name in ("masks", "missing", "weight", "weights", "of", "models"):
        del stats[name]
    for each in stats["predicates"]:
        for name in ("says", "columns", "model"):
            del each[name]
    path.write_text(json.dumps(stats))
    old = findings.gather(corpus, decision="d")
    for kind in (model.Histogram, model.Pictures, model.Rates, model.Matrix):
        assert of_kind(old, kind) == of_kind(new, kind)
    (line,) = table_of(old, "What each predicate")
    assert line["no value"] is None and line["it rejects"] == table_of(new, "What each predicate")[0]["it rejects"]


def write_list_with_scores(path: Path, rows: int) -> None:
    """URLs of three hosts, hostile texts, LAION's columns."""
    texts = [HOSTILE[row % len(HOSTILE)].replace("\ud800", "") + f" {row}" for row in range(rows)]
    columns = {
        "URL": [f"http://host{row % 3}.test/{row}.jpg" for row in range(rows)],
        "TEXT": texts,
        "similarity": [None if row % 10 == 9 else row / rows for row in range(rows)],
        "LANGUAGE": ["en" if row % 2 else "<b>de</b>" for row in range(rows)],
        "punsafe": [(row % 20) / 20 for row in range(rows)],
        "WIDTH": [300 if row % 4 else 100 for row in range(rows)],
        "HEIGHT": [300] * rows,
    }
    pq.write_table(pa.table(columns), path)


@pytest.fixture
def listed(tmp_path: Path) -> Corpus:
    write_list_with_scores(tmp_path / "list.parquet", 200)
    corpus = Corpus.create(tmp_path / "c", shard_rows=64)
    run_here(corpus, [Import(source=str(tmp_path / "list.parquet"), scores_model="ViT-B-32/openai")])
    return corpus


def test_candidates_are_told_before_anything_is_fetched(listed: Corpus) -> None:
    filter_here(listed, Filter(min_sim=0.5, where=("punsafe <= 0.5",), of="candidates", decision="d"))
    report = findings.gather(listed, decision="d")
    pictures = of_kind(report, model.Pictures)
    assert pictures and all(not each.pictured for each in pictures)
    assert all(each.jpeg is None and each.caption for one in pictures for each in (*one.kept, *one.dropped))
    lines = {line["rate"]: line for line in table_of(report, "Beside published corpora")}
    unsafe = next(line for rate, line in lines.items() if rate.startswith("unsafe"))
    assert unsafe["ours"] == "45.0 %" and unsafe["of our rows"] == "200" and unsafe["corpus"].startswith("LAION-5B [")
    passing = sum(row % 10 != 9 and row / 200 >= 0.28 for row in range(200))
    cut = next(line for rate, line in lines.items() if rate.startswith("pass its similarity cut"))
    assert (cut["ours"], cut["of our rows"]) == (f"{100 * passing / 180:.1f} %", "180")
    assert not any("fetched" in rate for rate in lines)
    assert "fetched, of those attempted" in {line["rate"] for line in table_of(report, "without a counterpart")}
    assert [fact.label for fact in report.summary] == ["pairs seen", "candidates", "kept"]
    stages = {step.stage for step in of_kind(report, model.Funnel)[0].steps}
    assert stages == {"import", "filter"}


def test_rates_are_those_of_a_slow_count(listed: Corpus) -> None:
    filter_here(listed, Filter(min_sim=0.5, of="candidates", decision="d"))
    report = findings.gather(listed, decision="d")
    found = verdicts(listed, "d")
    layer = listed.layer("candidates")
    rows = [row for shard in layer.units() for row in table.rows(layer.path(f"{shard}.parquet"), "candidates")]
    for title, key in (("Kept by language", "language"), ("Kept by domain", "url")):
        (rates,) = of_kind(report, model.Rates, title)
        want: dict[str, list[int]] = {}
        for row in rows:
            name = row[key] or "no language" if key == "language" else row[key].split("/")[2]
            own = want.setdefault(name, [0, 0])
            own[0] += 1
            own[1] += found[row["uid"]]["keep"]
        assert {rate.name: [rate.rows, rate.kept] for rate in rates.rates} == want
        assert all(rate.low <= rate.kept / rate.rows <= rate.high for rate in rates.rates)
        assert rates.share == sum(kept for _, kept in want.values()) / 200
    assert not of_kind(report, model.Rates, "source"), "there is one source"


def test_a_hostile_corpus_makes_a_calm_page(listed: Corpus) -> None:
    hostile = 'contains(alt_text, "<script>alert(1)</script>") or similarity > 0.2'
    filter_here(listed, Filter(where=(hostile,), min_sim=0.1, cap=2, of="candidates", decision="d", by="alt_text"))
    run_here(listed, [WriteReport(decision="d", commands=("<img src=x>: <script>",))])
    page = (listed.path / "reports/report.html").read_text("utf-8")
    parsed = assert_closed_to_the_outside(page)
    assert "<script" not in page and "<b>" not in page and "onerror=alert(1)>" not in page
    assert "<script>alert(1)</script>" in parsed.text and "Cuts of similarity by alt_text" in parsed.text


def test_the_warning_stands_by_the_verdict(listed: Corpus) -> None:
    filter_here(listed, Filter(min_sim=0.95, of="candidates", decision="d"))
    calm = findings.gather(listed, decision="d")
    assert calm.notices == () and 'class="notice"' not in render(calm)
    kept = sum(row["keep"] for row in verdicts(listed, "d").values())
    warned = findings.gather(listed, decision="d", samples_seen=(1000,), most_repeats=10)
    assert f"d keeps {kept:,} pairs: training on 1,000 would repeat each {1000 / kept:.0f} times" in warned.notices[0]
    assert "warning: d keeps" in Page(render(warned)).text


def test_the_same_corpus_gives_the_same_page_and_nothing_to_do(corpus: Corpus) -> None:
    filter_here(corpus, Filter(min_sim=0.5, decision="d"))
    stage = WriteReport(decision="d")
    run_here(corpus, [stage])
    path = corpus.path / "reports/report.html"
    first = hashlib.sha256(path.read_bytes()).hexdigest()
    assert not [event for event in run_here(corpus, [stage]) if event.kind == "committed"]
    path.with_name("report_stats.json").unlink()
    run_here(corpus, [stage])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == first
    run_here(corpus, [WriteReport(decision="d", samples_seen=(5,), report="other")])
    assert "pairs seen in training" in (corpus.path / "reports/other.html").read_text("utf-8")


def test_nothing_to_tell(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    with pytest.raises(CorpusError, match="there are no pairs"):
        findings.gather(corpus)
    give(corpus, "00000", [])
    give(corpus, "00001", [Given("http://a.test/lost.jpg", "lost")])
    write_similarities(corpus, {})
    assert render(findings.gather(corpus))
    for stage in (Filter(min_sim=0.2), Filter(top_fraction=0.5)):
        filter_here(corpus, stage)
        report = findings.gather(corpus, decision=stage.decision_name())
        assert report.notices == () and not re.search(r"\bnan\b", render(report))
