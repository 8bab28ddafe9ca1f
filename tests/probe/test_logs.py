from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.probe.looped import Memory, Plain, source
from vlcorpus.errors import SourceError, UsageError
from vlcorpus.probe.logs import jsonl, tensorboard, wandb
from vlcorpus.probe.settings import TrainSettings
from vlcorpus.probe.train import train

SETTINGS = TrainSettings(steps=6, batch_size=16, precision="fp32")


def test_a_line_a_step(tmp_path: Path) -> None:
    curve = train(Plain(), source("a", 40), SETTINGS, logs=[jsonl(tmp_path / "steps.jsonl")])
    lines = [json.loads(line) for line in (tmp_path / "steps.jsonl").read_text().splitlines()]
    assert lines == [vars(step) for step in curve.steps]
    assert list(lines[0]) == ["step", "samples_seen", "loss", "learning_rate", "accuracy"]


def test_lines_after_the_checkpoint_are_written_anew(tmp_path: Path) -> None:
    kept = Memory(every=2)
    path = tmp_path / "steps.jsonl"
    train(Plain(), source("a", 40), SETTINGS, checkpoint=kept, logs=[jsonl(path)])
    wanted = path.read_text()
    path.write_text("".join(wanted.splitlines(keepends=True)[:5]) + '{"step": 5, "los')
    curve = train(Plain(), source("a", 40), SETTINGS, checkpoint=Memory(2, kept.states[0]), logs=[jsonl(path)])
    assert curve.resumed == 2
    assert path.read_text() == wanted


def test_the_log_is_closed_when_training_fails(tmp_path: Path) -> None:
    ended = []

    class Kept:
        def begin(self, done: object) -> None: ...
        def step(self, step: object) -> None: ...
        def end(self) -> None:
            ended.append(True)

    model = Plain()
    model.text.weight.data[0, 0] = float("nan")
    with pytest.raises(SourceError, match="step 0"):
        train(model, source("a", 40), SETTINGS, logs=[Kept()])
    assert ended == [True]


def test_tensorboard_events(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    kept = Memory(every=2)
    train(Plain(), source("a", 40), SETTINGS, checkpoint=kept, logs=[tensorboard(tmp_path)])
    curve = train(
        Plain(), source("a", 40), SETTINGS, checkpoint=Memory(2, kept.states[0]), logs=[tensorboard(tmp_path)]
    )
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    told = [(event.step, event.value) for event in events.Scalars("train/loss")]
    assert told == [(step.step, pytest.approx(step.loss, rel=1e-6)) for step in curve.steps]


def test_wandb_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("WANDB_SILENT", "true")
    log = wandb("vlcorpus", name="raw-0", folder=tmp_path, mode="offline")
    train(Plain(), source("a", 40), SETTINGS, logs=[log])
    importlib.import_module("wandb").teardown()  # its service writes the file, until it is told to go
    (run,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    assert b"train/loss" in run.read_bytes()


def test_neither_is_imported_unasked_and_a_missing_one_names_its_extra() -> None:
    code = """
import sys
import vlcorpus.probe.train
import vlcorpus.probe.logs as logs
assert "wandb" not in sys.modules and "tensorboard" not in sys.modules
from vlcorpus.errors import UsageError
for name, make in (("tensorboard", logs.tensorboard), ("wandb", logs.wandb)):
    sys.modules[name] = None
    sys.modules["torch.utils.tensorboard"] = None
    try:
        make("x")
    except UsageError as error:
        assert f"vlcorpus[{name}]" in error.hint, error.hint
    else:
        raise AssertionError(name)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    assert issubclass(UsageError, Exception)
