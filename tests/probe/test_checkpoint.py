from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.probe.looped import Memory, Plain, same, source, weights
from vlcorpus.clip.towers import build
from vlcorpus.probe.checkpoint import FileCheckpoint, Refused, freeze, thaw
from vlcorpus.probe.mixing import How, Mixing
from vlcorpus.probe.settings import TrainSettings
from vlcorpus.probe.train import native_bf16, train

SETTINGS = TrainSettings(steps=9, batch_size=16, precision="fp32", seed=4)


def _sources() -> list[object]:
    """Epochs end in the middle of batches, and of the run."""
    return [source("a", 37, layers=2), source("b", 50, 1)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("how", ["merged", "round-robin", "accumulate"])
def test_a_run_stopped_anywhere_ends_in_the_same_bits(how: How, precision: str) -> None:
    if precision == "bf16" and not native_bf16():
        pytest.skip("bf16 is emulated here")
    settings = dataclasses.replace(SETTINGS, precision=precision)
    model = Plain(dropout=0.2)
    kept = Memory(every=1)
    whole = train(model, _sources(), settings, mixing=Mixing(how), checkpoint=kept)  # type: ignore[arg-type]
    assert len(kept.states) == len(whole.steps) - 1 and not whole.resumed
    for done, state in enumerate(kept.states, 1):
        again = Plain(dropout=0.2)
        curve = train(again, _sources(), settings, mixing=Mixing(how), checkpoint=Memory(100, state))  # type: ignore[arg-type]
        assert curve.resumed == done and not curve.refused
        assert curve.steps == whole.steps
        assert same(weights(again), weights(model))


@pytest.mark.parametrize("loss", ["siglip", "simclr"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_other_losses_on_towers_with_batch_norm(loss: str, precision: str) -> None:
    if precision == "bf16" and not native_bf16():
        pytest.skip("bf16 is emulated here")
    settings = dataclasses.replace(SETTINGS, loss=loss, precision=precision, steps=5, batch_size=32)
    model, kept = build("conv-nano", seed=1), Memory(every=3)
    whole = train(model, _sources(), settings, checkpoint=kept)  # type: ignore[arg-type]
    again = build("conv-nano", seed=1)
    curve = train(again, _sources(), settings, checkpoint=Memory(3, kept.states[0]))  # type: ignore[arg-type]
    assert (curve.resumed, curve.steps) == (3, whole.steps)
    assert same(weights(again), weights(model))


def test_another_runs_checkpoint_is_left_unused() -> None:
    kept = Memory(every=4)
    plain = train(Plain(), source("a", 37), SETTINGS, checkpoint=kept)
    state = kept.states[0]
    for model, pairs, settings, mixing in (
        (Plain(), source("a", 37), dataclasses.replace(SETTINGS, seed=5), Mixing()),
        (Plain(), source("a", 37), dataclasses.replace(SETTINGS, learning_rate=1e-3), Mixing()),
        (Plain(), source("b", 37), SETTINGS, Mixing()),
        (Plain(), source("a", 38), SETTINGS, Mixing()),
        (Plain(), source("a", 37, 9), SETTINGS, Mixing()),
        (Plain(), source("a", 37), SETTINGS, Mixing("round-robin")),
        (Plain(seed=1), source("a", 37), SETTINGS, Mixing()),
    ):
        curve = train(model, pairs, settings, mixing=mixing, checkpoint=Memory(100, state))
        assert curve.resumed == 0
        assert "other settings" in curve.refused
        assert len(curve.steps) == 9
    for broken in (b"", b"none", state[:200], state[:-3], b"\xff" * 64):
        curve = train(Plain(), source("a", 37), SETTINGS, checkpoint=Memory(100, broken))
        assert curve.resumed == 0
        assert "cannot be read" in curve.refused
        assert curve.steps == plain.steps


def test_newer_formats_are_refused() -> None:
    import safetensors.torch

    state = safetensors.torch.save(
        {"curve": torch.zeros(0, 5, dtype=torch.float64)}, {"vlcorpus.format": "99", "vlcorpus.fingerprint": "x"}
    )
    with pytest.raises(Refused, match="format 99"):
        thaw(state, "x")


def test_tied_and_strided_weights_come_back() -> None:
    tied = torch.arange(6.0).reshape(2, 3)
    lying = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    tensors, steps = thaw(freeze({"a": tied, "b": tied, "c": tied.T, "d": lying}, [], "x"), "x")
    assert steps == []
    assert torch.equal(tensors["a"], tensors["b"]) and torch.equal(tensors["c"], tied.T)
    assert torch.equal(tensors["d"], lying)


def test_a_file(tmp_path: Path) -> None:
    kept = FileCheckpoint(tmp_path / "going.safetensors", every=2)
    assert kept.load() is None
    kept.save(b"one")
    kept.save(b"two")
    assert kept.load() == b"two"
    assert [each.name for each in tmp_path.iterdir()] == ["going.safetensors"]
    kept.remove()
    kept.remove()
    assert kept.load() is None


KILLED = """
import sys
from pathlib import Path
from tests.probe.looped import Plain, source
from tests.probe.test_checkpoint import SETTINGS
from vlcorpus.probe.checkpoint import FileCheckpoint
from vlcorpus.probe.logs import jsonl
from vlcorpus.probe.train import train

folder = Path(sys.argv[1])
kept = FileCheckpoint(folder / "going.safetensors", every=2)
told = lambda step: print(step.step, flush=True) or (step.step == 6 and sys.stdin.read())
train(Plain(), source("a", 37), SETTINGS, checkpoint=kept, logs=[jsonl(folder / "steps.jsonl")], on_step=told)
"""


def test_a_killed_run_goes_on(tmp_path: Path) -> None:
    from vlcorpus.probe.logs import jsonl

    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == "6":
            break
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    child.stdout.close()
    assert child.stdin is not None
    child.stdin.close()
    assert len((tmp_path / "steps.jsonl").read_text().splitlines()) == 7

    whole = Plain()
    train(whole, source("a", 37), SETTINGS, logs=[jsonl(tmp_path / "whole.jsonl")])
    model = Plain()
    kept = FileCheckpoint(tmp_path / "going.safetensors", every=2)
    curve = train(model, source("a", 37), SETTINGS, checkpoint=kept, logs=[jsonl(tmp_path / "steps.jsonl")])
    assert curve.resumed == 6
    assert same(weights(model), weights(whole))
    assert (tmp_path / "steps.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
