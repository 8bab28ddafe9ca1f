from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clip.frozen_encoders import IMAGE, write_words
from tests.stages.given import Given, committed, give, given_corpus, pairs, run_here, write_similarities
from tests.stages.running import do
from tests.stages.test_dedup import MIXED
from vlcorpus.clip.model import load
from vlcorpus.corpus import Corpus
from vlcorpus.errors import CorpusError, SourceError, UsageError
from vlcorpus.io.tar import ShardWriter
from vlcorpus.stages.dedup import Dedup
from vlcorpus.stages.embed import Embed
from vlcorpus.stages.export import Export
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.score import Score
from vlcorpus.stages.split import Split
from vlcorpus.stages.train_probe import TrainProbe
from vlcorpus.views.freshness import Freshness

FEW: dict[str, Any] = {"steps": 2, "batch_size": 8}


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = given_corpus(tmp_path / "c", 12, 8)
    give(corpus, "00002", MIXED)
    return corpus


def weights(corpus: Corpus, probe: str, seed: int = 0) -> bytes:
    return (corpus.path / "probes" / probe / f"seed-{seed}" / "weights.safetensors").read_bytes()


def about(corpus: Corpus, probe: str, seed: int = 0) -> dict[str, Any]:
    stats = corpus.layer(f"probes/{probe}").stats(f"seed-{seed}")
    assert stats is not None
    return stats


def test_the_same_weights_at_any_worker_count_and_again(corpus: Corpus) -> None:
    run_here(corpus, [TrainProbe(probe="one", seeds=(0, 1), **FEW)])
    do(corpus, [TrainProbe(probe="two", seeds=(0, 1), **FEW)], workers=2)
    for seed in (0, 1):
        assert weights(corpus, "one", seed) == weights(corpus, "two", seed)
    assert weights(corpus, "one", 0) != weights(corpus, "one", 1)
    assert not committed(run_here(corpus, [TrainProbe(probe="one", seeds=(0, 1), **FEW)]))
    shutil.rmtree(corpus.path / "probes" / "two")
    run_here(corpus, [TrainProbe(probe="two", seeds=(1,), **FEW)])
    assert weights(corpus, "two", 1) == weights(corpus, "one", 1), "a seed does not depend on the others"


def test_more_seeds_add_to_those_there_are(corpus: Corpus) -> None:
    run_here(corpus, [TrainProbe(probe="one", **FEW)])
    made = committed(run_here(corpus, [TrainProbe(probe="one", seeds=(0, 1), **FEW)]))
    assert made == ["probes/one/seed-1"]


def test_a_probe_is_a_model(corpus: Corpus) -> None:
    run_here(corpus, [TrainProbe(probe="one", **FEW)])
    assert load(str(corpus.path / "probes" / "one" / "seed-0")).slug.startswith("conv-nano.one.")
    curve = json.loads((corpus.path / "probes" / "one" / "seed-0" / "metrics.json").read_text())
    assert [step["samples_seen"] for step in curve["curve"]] == [8, 16]


def test_arms_see_the_same_number_of_samples(corpus: Corpus, tmp_path: Path) -> None:
    stages = [Filter(random_fraction=0.4, decision="some"), TrainProbe(probe="all", **FEW)]
    run_here(corpus, [*stages, TrainProbe(probe="some", decision="some", **FEW)])
    whole, some = about(corpus, "all"), about(corpus, "some")
    assert whole["samples_seen"] == some["samples_seen"] == 16
    assert 0 < some["seen"] < whole["seen"] == 25
    assert some["repetitions"] == 16 / some["seen"] and whole["repetitions"] == 16 / 25


def test_an_export_and_its_decision_train_the_same_probe(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    chosen = {"decision": "some", "duplicates": "default", "split": "halves"}
    run_here(
        corpus,
        [
            Filter(random_fraction=0.7, decision="some"),
            Dedup(),
            Split(train=0.5, test=0.5, split="halves"),
            Export(out=str(out), shard_rows=3, **chosen),
            TrainProbe(probe="exported", on=(str(out / "train"),), **FEW),
            TrainProbe(probe="direct", **chosen, **FEW),
        ],
    )
    assert about(corpus, "exported")["seen"] == about(corpus, "direct")["seen"] > 3
    assert weights(corpus, "exported") == weights(corpus, "direct")


def test_where_an_export_lies_does_not_matter(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_here(corpus, [Export(out=str(tmp_path / "out")), TrainProbe(on=(str(tmp_path / "out" / "all"),), **FEW)])
    assert about(corpus, "default")["settings"]["on"] == ["../out/all"]
    (tmp_path / "moved").mkdir()
    for name in ("c", "out"):
        (tmp_path / name).rename(tmp_path / "moved" / name)
    monkeypatch.chdir(tmp_path / "moved")
    moved = Corpus.open(Path("c"))
    assert not committed(run_here(moved, [TrainProbe(on=("out/all",), **FEW)]))
    assert Freshness(moved).of("seed-0", about(moved, "default")) == "fresh"


def test_an_export_that_is_not_whole(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def interrupt(seen: int, kept: int) -> None:
        raise KeyboardInterrupt  # after the first of two shards

    with pytest.raises(KeyboardInterrupt):
        Export(out=str(out), shard_rows=10).open(corpus)("all", interrupt)
    assert (out / "all" / "00000.json").exists()
    with pytest.raises(CorpusError, match="is not whole"):
        run_here(corpus, [TrainProbe(on=(str(out / "all"),), **FEW)])
    run_here(corpus, [Export(out=str(out), shard_rows=10), TrainProbe(on=(str(out / "all"),), **FEW)])


def test_nothing_to_train_on(corpus: Corpus, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run_here(corpus, [Filter(random_fraction=0.0, decision="none"), Export(out=str(out), decision="none")])
    with pytest.raises(UsageError, match=r"train-probe needs the folder .*out/all, which is not there"):
        run_here(corpus, [TrainProbe(on=(str(out / "all"),), **FEW)])
    with pytest.raises(SourceError, match="no tars in"):
        run_here(corpus, [TrainProbe(on=(str(out),), **FEW)])
    with pytest.raises(SourceError, match="the pack is empty"):
        run_here(corpus, [TrainProbe(decision="none", **FEW)])
    run_here(corpus, [Export(out=str(tmp_path / "some"))])
    with pytest.raises(SourceError, match="no tars in") as caught:
        run_here(corpus, [TrainProbe(on=(str(tmp_path / "some"),), **FEW)])
    assert caught.value.hint == "its splits have some: all"
    with pytest.raises(UsageError, match="has been decided on already"):
        run_here(corpus, [TrainProbe(on=(str(tmp_path / "some" / "all"),), decision="none", **FEW)])


def test_tars_of_strangers(corpus: Corpus, tmp_path: Path) -> None:
    """What cannot be trained on is counted with its reason."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    with open(folder / "00000.tar", "wb") as file:
        writer = ShardWriter(file)
        for number, each in enumerate(pairs(0, 6)):
            writer.add(f"k{number}", {"jpg": each.body, "txt": each.text.encode()})
        writer.add("silent", {"jpg": pairs(7, 1)[0].body})
        writer.add("bad", {"jpg": b"no picture", "txt": b"a dog"})
        writer.add("blind", {"txt": b"a dog"})
        writer.close()
    run_here(corpus, [TrainProbe(on=(str(folder),), **FEW)])
    stats = about(corpus, "default")
    assert (stats["seen"], stats["kept"], stats["rejected"]) == (9, 6, {"no_caption": 1, "not_an_image": 2})


def test_growth_makes_it_stale(corpus: Corpus) -> None:
    run_here(corpus, [TrainProbe(**FEW)])
    give(corpus, "00003", [Given("http://a.test/new.jpg", "new", pairs(70, 1)[0].body)])
    assert committed(run_here(corpus, [TrainProbe(**FEW)])) == ["probes/default/seed-0"]
    assert about(corpus, "default")["seen"] == 26


def test_scores_do_not_matter_to_a_probe_of_the_whole(corpus: Corpus) -> None:
    run_here(corpus, [TrainProbe(**FEW)])
    write_similarities(corpus, {each.uid: 0.5 for each in (*pairs(0, 20), *MIXED)})
    assert not committed(run_here(corpus, [TrainProbe(**FEW)]))


@pytest.mark.parametrize("architecture", ["conv-micro", "vit-nano"])
def test_every_probe_embeds_and_filters(corpus: Corpus, architecture: str) -> None:
    run_here(corpus, [TrainProbe(probe="judge", architecture=architecture, image_size=32, **FEW)])
    folder = corpus.path / "probes" / "judge"
    stages = [Embed(model=str(folder / "seed-0")), Score(score="similarity"), Filter(top_fraction=0.5, decision="half")]
    run_here(corpus, stages)
    [slug] = corpus.layers("embeddings")
    assert slug == load(str(folder / "seed-0")).slug and slug.startswith(f"{architecture}.judge.")
    stats = corpus.layer("decisions/half").stats("all")
    assert stats is not None and 0 < stats["kept"] < stats["seen"]
    assert not committed(run_here(corpus, [Embed(model="probe:judge"), Embed(model=str(folder))])), (
        "by any of its names"
    )


def test_one_goes_on_from_another(corpus: Corpus) -> None:
    run_here(corpus, [TrainProbe(probe="first", **FEW)])
    on = TrainProbe(probe="second", start="probe:first", learning_rate=1e-7, **FEW)
    run_here(corpus, [on])
    first, second = (load(str(corpus.path / f"probes/{name}/seed-0")) for name in ("first", "second"))
    texts = ["a dog", "a cat and 3"]
    assert np.abs(first.encode_texts(texts) - second.encode_texts(texts)).max() < 1e-3
    assert weights(corpus, "first") != weights(corpus, "second")
    assert not committed(run_here(corpus, [on]))
    run_here(corpus, [TrainProbe(probe="first", steps=3, batch_size=8)])
    assert committed(run_here(corpus, [on])) == ["probes/second/seed-0"], "its start is another"


def test_heads_on_frozen_encoders(corpus: Corpus, tmp_path: Path) -> None:
    write_words(tmp_path / "words")
    frozen = f"image={IMAGE},text=hf:{tmp_path / 'words'}"
    heads = TrainProbe(probe="heads", frozen=frozen, seeds=(0, 1), **FEW)
    run_here(corpus, [heads])
    features = [path for path in (corpus.path / "packs").glob("*.npy") if np.load(path, mmap_mode="r").ndim == 2]
    assert len(features) == 6, "of pictures and texts of three shards, once for both seeds"
    run_here(corpus, [Embed(model="probe:heads")])
    assert corpus.layers("embeddings")[0].startswith("heads.heads.")
    assert not committed(run_here(corpus, [heads]))
    write_words(tmp_path / "words", seed=2)
    assert len(committed(run_here(corpus, [heads]))) == 2, "the encoder is another"
