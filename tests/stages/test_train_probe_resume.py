"""A real `vlcorpus train-probe` is killed in the middle of an epoch; the same command ends with the same weights."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.kill.harness import Walk, do, unsound
from tests.stages.given import given_corpus, run_here
from vlcorpus.corpus import Corpus, Layer
from vlcorpus.stages.probe_run import forget
from vlcorpus.stages.train_probe import TrainProbe

STEPS, EVERY = 40, 4


@pytest.mark.skipif(sys.platform != "linux", reason="the hook reads /proc")
def test_killed_and_run_again(tmp_path: Path) -> None:
    home = tmp_path / "home"
    corpus = given_corpus(home / "corpus", 12, 8)
    layer = corpus.layer("probes/p")
    # 40 batches of 8 are sixteen passes over twenty pairs, with a caption layer drawn anew in each.
    captions = ("alt_text=0.5", "json:none=0.5")
    run_here(corpus, [TrainProbe(probe="p", captions=captions, steps=STEPS, batch_size=8, checkpoint_every=EVERY)])
    calm = layer.stats("seed-0")
    assert calm is not None and not unsound(home)
    shutil.rmtree(layer.folder)

    words = ["train-probe", str(corpus.path), "p", "--steps", str(STEPS), "--batch-size", "8"]
    more = [word for each in captions for word in ("--captions", each)]
    walk = Walk("import", ("-m", "vlcorpus", *words, *more, "--checkpoint-every", str(EVERY)), home)
    killed = do(walk, kind="rename", at=7)
    assert killed.hit is not None and "/.journal-seed-0-" in killed.hit, killed
    assert not unsound(home) and layer.stats("seed-0") is None
    [state] = layer.folder.glob(".journal-seed-0-*.safetensors")
    size = int.from_bytes(state.read_bytes()[:8], "little")
    assert json.loads(state.read_bytes()[8 : 8 + size])["curve"]["shape"] == [6 * EVERY, 5], "it stands at step 24"

    again = do(walk)
    assert again.code == 0, again.said
    saves = [each for each in again.operations["rename"] if "/.journal-seed-0-" in each.path]
    assert len(saves) == 4, "at steps 28, 32 and 36, and away with it: the first 24 steps were not done again"
    found = layer.stats("seed-0")
    assert found is not None and found["fingerprint"] == calm["fingerprint"]
    assert found["outputs"] == calm["outputs"], "the same weights and the same curve, bit for bit"
    assert not unsound(home) and not list(layer.folder.glob(".*"))


def test_only_states_of_the_unit_are_forgotten(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    folder = corpus.layer("probes/p").folder
    folder.mkdir(parents=True)
    names = [".journal-seed-1-ab.safetensors", ".tmp-.journal-seed-1-cd.safetensors", ".journal-seed-11-ab.safetensors"]
    for name in names:
        (folder / name).touch()
    forget(Layer("probes/p", folder), "seed-1")
    assert [path.name for path in folder.iterdir()] == names[2:]
