from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.corpora import Built, do, reseal, rewrite
from vlcorpus.corpus import Corpus
from vlcorpus.pipeline.plan import state
from vlcorpus.stages import registry
from vlcorpus.stages.filter import Filter
from vlcorpus.views.advice import command
from vlcorpus.views.freshness import FRESH, STALE, UNKNOWN, Freshness
from vlcorpus.views.layers import ALL, present, units
from vlcorpus.views.status import status


def test_every_layer_is_there_fresh_and_adds_up(small_corpus: Built) -> None:
    seen = status(small_corpus.corpus)
    assert [each.name.partition("/")[0] for each in seen.layers] == [
        "sources", "candidates", "shards", "embeddings", "scores", "scores", "decisions", "decisions", "duplicates",
        "splits", "index", "probes", "probes", "probes", "evaluations", "comparisons", "reports",
    ]  # fmt: skip
    assert seen.imbalances == ()
    for each in seen.layers:
        assert each.units and not (each.todo or each.stale or each.unknown or each.damaged), each
        assert each.seen == each.kept + sum(each.rejected.values()), each
        assert each.bytes > 0 and each.made is not None, each


def test_counts_are_those_of_the_planted_world(small_corpus: Built) -> None:
    seen = status(small_corpus.corpus)
    planted = [pair for pair in small_corpus.site.planted if pair.fault != "robots_denied"]
    candidates, shards = seen.layer("candidates"), seen.layer("shards")
    assert candidates is not None and shards is not None
    assert candidates.seen == len(planted)
    refused = [pair.expected_reason for pair in planted if pair.expected_stage == "crawl"]
    assert candidates.rejected == {reason: refused.count(reason) for reason in set(refused)}
    assert shards.seen == candidates.kept
    assert shards.kept == sum(pair.expected_stage not in ("crawl", "download") for pair in planted)


def test_it_is_as_fresh_as_the_pipeline_says(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    freshness = Freshness(corpus)
    asked = 0
    for layer in present(corpus):
        for unit in units(layer):
            stats = layer.stats(unit)
            assert stats is not None
            assert freshness.of(unit, stats) == FRESH, (layer.name, unit)
            stage = registry.recorded(corpus, stats)
            if stage.layer(corpus).name == layer.name and unit in stage.units(corpus):
                assert state(stage, corpus, unit) == "done", (layer.name, unit)
                asked += 1
    assert asked > 25


def test_what_follows_a_changed_layer_is_stale(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    rewrite(corpus.layer("scores/similarity"), "00001", "00001.parquet", lambda rows: rows[0].update(similarity=0.5))
    seen = status(corpus)
    stale = {each.name: each.stale for each in seen.layers if each.stale}
    assert stale == {"decisions/filtered": 5, "reports": 1}
    assert seen.next == f"vlcorpus filter {corpus.path} --top-fraction 0.3 --decision filtered"
    do(corpus.path, [Filter(top_fraction=0.3, decision="filtered")])
    assert {each.name for each in status(corpus).layers if each.stale} == {"decisions/random", "reports"}


def test_one_stale_shard_is_one_stale_unit(own_corpus: Built) -> None:
    corpus = own_corpus.corpus

    def other(rows: list[dict[str, object]]) -> None:
        rows[0]["content_type"] = "image/x-other"

    rewrite(corpus.layer("shards"), "00002", "00002.parquet", other)
    stale = {each.name: each.stale for each in status(corpus).layers if each.stale}
    assert stale[f"embeddings/{corpus.layers('embeddings')[0]}"] == 1
    assert stale["scores/phash"] == 1
    assert "scores/similarity" not in stale


def test_another_version_of_a_stage_is_stale_and_an_unknown_stage_unknown(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    stats = corpus.layer("scores/phash").stats("00000")
    assert stats is not None
    freshness = Freshness(corpus)
    assert freshness.of("00000", stats | {"fingerprint": "0" * 32}) == STALE
    assert freshness.of("00000", stats | {"settings": {"score": "phash", "sides": 3}}) == UNKNOWN
    assert freshness.of("00000", stats | {"stage": "polish"}) == UNKNOWN
    assert freshness.of("00000", {}) == UNKNOWN
    assert freshness.of("00000", stats | {"inputs": 3}) == UNKNOWN


def test_an_exam_that_is_gone_is_unknown(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    layer = corpus.layer("evaluations/exam")
    stats = layer.stats("raw.seed-0")
    assert stats is not None
    gone = stats | {"settings": stats["settings"] | {"suite": "/nowhere/suite.yaml"}}
    assert Freshness(corpus).of("raw.seed-0", gone) == UNKNOWN


def test_a_missing_unit_is_to_do_and_the_next_command_makes_it(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    (corpus.path / "shards/00003_stats.json").unlink()
    seen = status(corpus)
    shards = seen.layer("shards")
    assert shards is not None and shards.todo == 1
    assert seen.next.startswith(f"vlcorpus download {corpus.path} --allow-private 127.0.0.0/8 --connect-to world.test")
    assert "--image-size 64 --min-image-size 16" in seen.next


def test_damage_is_counted_and_not_raised(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    (corpus.path / "scores/phash/00001.json").write_text("{")
    seen = status(corpus)
    phash = seen.layer("scores/phash")
    assert phash is not None and phash.damaged == ("00001",) and phash.units == 3
    assert seen.next == f"vlcorpus verify {corpus.path}"


def test_rows_that_do_not_add_up_are_told(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    stats = corpus.layer("shards").stats("00000")
    assert stats is not None
    reseal(corpus.layer("shards"), "00000", seen=stats["seen"] + 1)
    told = {(each.layer, each.what) for each in status(corpus).imbalances}
    lost = stats["seen"] - stats["kept"]
    assert ("shards", f"{stats['seen'] + 1} rows in, but {stats['kept']} kept and {lost} rejected") in told
    assert ("shards", f"candidates kept {stats['seen']} rows, and it has seen {stats['seen'] + 1}") in told
    assert len(told) == 2


@pytest.mark.parametrize("rejected", [None, 3, {"timeout": "many"}, [1]])
def test_counts_that_are_none_are_told(own_corpus: Built, rejected: object) -> None:
    corpus = own_corpus.corpus
    reseal(corpus.layer("scores/phash"), "00000", rejected=rejected)
    assert ["its counts cannot be read" in each.what for each in status(corpus).imbalances] == [True]


def test_who_holds_the_lock(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    assert status(corpus).holder is None
    with corpus.lock("vlcorpus embed birds"):
        holder = status(corpus).holder
        assert holder is not None and holder.command == "vlcorpus embed birds" and holder.pid > 0
    assert status(corpus).holder is None


def test_a_name_left_in_the_lock_by_a_killed_run_is_nobody(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    (corpus.path / ".lock").write_text(json.dumps({"pid": 1, "host": "here", "command": "vlcorpus embed"}))
    assert status(corpus).holder is None


def test_the_last_run_is_told_with_its_failure(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    last = status(corpus).last_run
    assert last is not None and (last.stage, last.event, last.message) == ("report", "whole", "")
    with open(corpus.path / "log/report.jsonl", "a") as log:
        log.write(json.dumps({"time": 1.5, "kind": "failed", "stage": "embed", "message": "no memory"}) + "\n{half")
    last = status(corpus).last_run
    assert last is not None and (last.stage, last.event, last.message, last.ended) == (
        "embed", "failed", "no memory", 1.5
    )  # fmt: skip


def test_an_empty_corpus_wants_pairs(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "two words")
    seen = status(corpus)
    assert seen.layers == () and seen.last_run is None and seen.holder is None
    assert seen.next == f"vlcorpus import '{tmp_path}/two words' LIST"


def test_the_walk_is_advised_step_by_step(own_corpus: Built) -> None:
    corpus = own_corpus.corpus
    wanted = []
    for folder in ("reports", "comparisons", "evaluations", "probes", "splits", "duplicates", "decisions", "shards"):
        shutil.rmtree(corpus.path / folder)
        for below in ("scores", "embeddings") if folder == "shards" else ():
            shutil.rmtree(corpus.path / below)
        wanted.append(status(corpus).next)
    assert wanted == [
        f"vlcorpus report {corpus.path}",
        f"vlcorpus compare {corpus.path}",
        f"vlcorpus evaluate {corpus.path} SUITE.yaml",
        f"vlcorpus export {corpus.path} OUT --decision filtered --duplicates default --split default",
        f"vlcorpus split {corpus.path}",
        f"vlcorpus dedup {corpus.path}",
        f"vlcorpus filter {corpus.path} --top-fraction 0.3",
        f"vlcorpus download {corpus.path}",
    ]


def test_a_command_is_told_as_it_would_be_typed(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    stats = corpus.layer("scores/phash").stats("00000")
    assert stats is not None
    assert command(corpus, stats) == f"vlcorpus score {corpus.path} phash"
    made = {"stage": "download", "settings": {"obey_robots": False, "image_size": None, "retries": 1}}
    assert command(corpus, made) == f"vlcorpus download {corpus.path} --no-obey-robots --image-size none"
    assert command(corpus, {"stage": "polish", "settings": {}}) is None
    assert command(corpus, {"stage": "filter", "settings": {"sharpness": 3}}) is None


def test_a_split_has_all_and_its_shards(small_corpus: Built) -> None:
    corpus = small_corpus.corpus
    assert units(corpus.layer("splits/default")) == (*corpus.layer("shards").units(), ALL)
    assert units(corpus.layer("duplicates/default")) == (ALL,)
    assert units(corpus.layer("nowhere")) == ()
