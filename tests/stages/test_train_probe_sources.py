"""What a probe trains on: exports, decisions, other corpora, several of them, and which captions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.stages.given import committed, give, given_corpus, pairs, run_here
from tests.stages.test_packs import write_tar
from tests.stages.test_train_probe import FEW, about, weights
from vlcorpus import spec
from vlcorpus.corpus import Corpus
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.io.commit import TEMPORARY
from vlcorpus.stages.export import Export
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.probe_sources import places
from vlcorpus.stages.train_probe import TrainProbe
from vlcorpus.views.freshness import Freshness
from vlcorpus.views.verify import verify


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return given_corpus(tmp_path / "c", 12, 8)


@pytest.fixture
def other(tmp_path: Path) -> Corpus:
    made = Corpus.create(tmp_path / "other", shard_rows=1000)
    give(made, "00000", pairs(100, 10))
    return made


def test_a_decision_by_any_name_trains_the_same_probe(corpus: Corpus, tmp_path: Path) -> None:
    """Of the corpus itself, by its path, from another corpus, and as an export."""
    elsewhere = Corpus.create(tmp_path / "elsewhere")
    run_here(
        corpus,
        [
            Filter(random_fraction=0.6, decision="some"),
            TrainProbe(probe="direct", decision="some", **FEW),
            TrainProbe(probe="by-path", on=(f"{corpus.path}#some",), **FEW),
            Export(out=str(tmp_path / "out"), decision="some", shard_rows=4),
            TrainProbe(probe="exported", on=(str(tmp_path / "out" / "all"),), **FEW),
        ],
    )
    run_here(elsewhere, [TrainProbe(probe="there", on=(f"{corpus.path}#some",), **FEW)])
    direct = weights(corpus, "direct")
    assert weights(corpus, "by-path") == weights(corpus, "exported") == weights(elsewhere, "there") == direct
    assert about(elsewhere, "there")["settings"]["on"] == ["../c#some"]
    assert about(elsewhere, "there")["kept"] == about(corpus, "direct")["kept"]
    run_here(corpus, [TrainProbe(probe="whole", **FEW)])
    run_here(elsewhere, [TrainProbe(probe="whole", on=(str(corpus.path),), **FEW)])
    assert weights(elsewhere, "whole") == weights(corpus, "whole") != direct
    give(corpus, "00002", pairs(20, 6))
    run_here(corpus, [Filter(random_fraction=0.6, decision="some")])
    assert committed(run_here(elsewhere, [TrainProbe(probe="there", on=(f"{corpus.path}#some",), **FEW)]))


def test_packs_are_shared_and_no_trouble(corpus: Corpus) -> None:
    run_here(corpus, [TrainProbe(probe="one", **FEW)])
    packs = {path: path.stat().st_ino for path in (corpus.path / "packs").iterdir()}
    assert len(packs) == 8, "pixels and tokens of two shards"
    run_here(corpus, [Filter(random_fraction=0.6, decision="some"), TrainProbe(probe="two", decision="some", **FEW)])
    run_here(corpus, [TrainProbe(probe="two", decision="some", seeds=(1,), control="mismatched", **FEW)])
    assert {path: path.stat().st_ino for path in (corpus.path / "packs").iterdir()} == packs
    found = verify(corpus)
    assert not found.findings
    for path in packs:
        path.unlink()
    assert not committed(run_here(corpus, [TrainProbe(probe="one", **FEW)])), "what was trained is not stale"
    run_here(corpus, [TrainProbe(probe="three", **FEW)])
    assert weights(corpus, "three") == weights(corpus, "one")


@pytest.mark.parametrize("mix", ["merged", "round-robin", "accumulate"])
def test_what_is_seen_of_each_source_is_exact(corpus: Corpus, other: Corpus, mix: str) -> None:
    on = (str(corpus.path), str(other.path))
    probe = TrainProbe(on=on, mix=mix, weights=(3.0, 1.0), steps=8, batch_size=8)
    run_here(corpus, [probe])
    said = about(corpus, "default")
    shares = {"c": 32, "other": 32} if mix == "accumulate" else {"c": 48, "other": 16}
    assert said["seen_by_source"] == shares and said["samples_seen"] == 64
    assert said["repetitions_by_source"] == {"c": shares["c"] / 20, "other": shares["other"] / 10}
    assert said["repetitions"] == max(said["repetitions_by_source"].values())
    assert (said["seen"], said["kept"], said["pairs"]) == (30, 30, 30)
    curve = json.loads((corpus.path / "probes/default/seed-0/metrics.json").read_text())
    assert curve["seen_by_source"] == shares
    assert not committed(run_here(corpus, [probe]))
    swapped = TrainProbe(on=on[::-1], mix=mix, weights=(3.0, 1.0), steps=8, batch_size=8)
    assert committed(run_here(corpus, [swapped])), "weights go by the order"
    assert Freshness(corpus).of("seed-0", about(corpus, "default")) == "fresh"


def test_sources_are_told_apart(corpus: Corpus, other: Corpus, tmp_path: Path) -> None:
    assert [place.name for place in places(("a/x/train", "b/x/train", "c"))] == ["a/x/train", "b/x/train", "c"]
    assert [place.name for place in places((str(corpus.path),))] == ["c"]
    with pytest.raises(UsageError, match="is named twice"):
        places((str(other.path), f"{other.path}/."))
    (tmp_path / "odd#some").mkdir()
    write_tar(tmp_path / "odd#some" / "0.tar", {"a": {"jpg": pairs(0, 1)[0].body, "txt": b"a"}})
    assert places((str(tmp_path / "odd#some"),))[0].name == "odd#some", "a folder may be called so"
    with pytest.raises(UsageError, match=r"no decisions/gone"):
        run_here(corpus, [Filter(random_fraction=1.0, decision="d"), TrainProbe(on=(f"{other.path}#gone",), **FEW)])
    with pytest.raises(UsageError, match=r"needs decisions/gone"):
        run_here(corpus, [TrainProbe(on=(f"{corpus.path}#gone",), **FEW)])


def test_captions_by_layer(corpus: Corpus) -> None:
    run_here(corpus, [TrainProbe(probe="own", **FEW)])
    run_here(corpus, [TrainProbe(probe="same", captions=("alt_text",), **FEW)])
    assert weights(corpus, "own") == weights(corpus, "same")
    layer = corpus.layer("captions/new").folder
    layer.mkdir(parents=True)
    for shard, start, count in (("00000", 0, 12), ("00001", 12, 8)):
        rows = {
            "uid": pa.array([each.uid for each in pairs(start, count)][1:], pa.binary(16)),
            "caption": [None if place == 3 else f"thing number {place}" for place in range(count)][1:],
        }
        pq.write_table(pa.table(rows), layer / f"{shard}.parquet")
    mixed = TrainProbe(probe="mixed", captions=("alt_text=0.5", "new=0.5"), **FEW)
    run_here(corpus, [mixed])
    assert about(corpus, "mixed")["fell_back"] == {"new": 4} and about(corpus, "mixed")["kept"] == 20
    assert weights(corpus, "mixed") != weights(corpus, "own")
    run_here(corpus, [TrainProbe(probe="new", captions=("new",), **FEW)])
    assert about(corpus, "new")["rejected"] == {"no_caption": 4}
    assert not committed(run_here(corpus, [mixed]))
    pq.write_table(pa.table(rows | {"caption": ["other"] * 7}), layer / "00001.parquet")
    assert committed(run_here(corpus, [mixed])) == ["probes/mixed/seed-0"], "another text is another probe"
    with pytest.raises(UsageError, match=r"no captions/gone") as caught:
        run_here(corpus, [TrainProbe(captions=("gone",), **FEW)])
    assert caught.value.hint == "there are: alt_text, new"


def test_seeds_on_shares(corpus: Corpus, tmp_path: Path) -> None:
    run_here(corpus, [TrainProbe(parts=2, seeds=(0, 1), **FEW), Export(out=str(tmp_path / "out"))])
    first, second = about(corpus, "default", 0), about(corpus, "default", 1)
    assert first["kept"] + second["kept"] == first["pairs"] == second["pairs"] == 20
    assert first["rejected"] == {"other_part": second["kept"]} and first["parts"] == 2
    run_here(corpus, [TrainProbe(probe="out", on=(str(tmp_path / "out/all"),), parts=2, seeds=(0, 1), **FEW)])
    assert weights(corpus, "out", 1) == weights(corpus, "default", 1), "a pair's share is the same everywhere"


def test_the_control_has_one_anothers_captions(corpus: Corpus) -> None:
    run_here(corpus, [TrainProbe(probe="own", **FEW), TrainProbe(probe="moved", control="mismatched", **FEW)])
    assert weights(corpus, "own") != weights(corpus, "moved")
    assert (about(corpus, "own")["control"], about(corpus, "moved")["control"]) == ("none", "mismatched")


def test_how_it_runs_changes_nothing(corpus: Corpus) -> None:
    run_here(corpus, [TrainProbe(**FEW)])
    logged = TrainProbe(checkpoint_every=1, log_to=("tensorboard",), most_pack_gb=1.0, **FEW)
    assert not committed(run_here(corpus, [logged]))
    run_here(corpus, [TrainProbe(probe="logged", checkpoint_every=1, log_to=("tensorboard", "jsonl"), **FEW)])
    assert weights(corpus, "logged") == weights(corpus, "default")
    assert list((corpus.path / "log" / "logged" / "seed-0").glob("events.*"))
    left = [path.name for path in (corpus.path / "probes" / "logged").rglob("*")]
    assert not [name for name in left if name.startswith((".journal-", TEMPORARY))]
    lines = (corpus.path / "probes/logged/seed-0/steps.jsonl").read_text().splitlines()
    assert [json.loads(line)["samples_seen"] for line in lines] == [8, 16]
    assert (corpus.path / "log" / "logged" / "seed-0.jsonl").read_text().splitlines() == lines


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"weights": [1.0, 2.0]}, "2 weights for 1 sources"),
        ({"captions": ["a=x"]}, "'a=x' is no caption layer"),
        ({"lora_rank": 4}, "adapters need a model"),
        ({"start": "ViT-B-32/openai", "architecture": "conv-nano"}, "architecture and start say different models"),
        ({"log_to": ["paper"]}, "'paper' is no log"),
        ({"architecture": "conv-giga"}, "conv-giga"),
        ({"patch_dropout": 0.5, "steps": 1}, "no patches"),
        ({"most_repeats": 0.1, "steps": 10}, "all sources are exhausted"),
        ({"most_pack_gb": 1e-6}, "packing 20 pictures of 32 pixels takes"),
    ],
)
def test_words_that_do_not_go_together(corpus: Corpus, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        run_here(corpus, [spec.build(TrainProbe, settings, where="train-probe")])
    assert not list((corpus.path).glob("probes/*/*"))


def test_tars_that_are_none(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "0.tar").write_bytes(b"\x1f\x8b not a tar")
    with pytest.raises(SourceError, match=r"0\.tar"):
        run_here(corpus, [TrainProbe(on=(str(tmp_path / "t"),), **FEW)])
