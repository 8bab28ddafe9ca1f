from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.probe.looped import Plain, source, weights
from vlcorpus.errors import UsageError
from vlcorpus.probe.distributed import Group, from_environment
from vlcorpus.probe.losses import contrast
from vlcorpus.probe.mixing import How, Mixing
from vlcorpus.probe.settings import TrainSettings
from vlcorpus.probe.train import train

WORLD = 2
RUNS: dict[str, tuple[dict[str, object], How]] = {
    "clip": ({}, "merged"),
    "siglip": ({"loss": "siglip"}, "accumulate"),
    "simclr": ({"loss": "simclr", "batch_size": 24}, "round-robin"),
    "micro": ({"accumulate": 2}, "merged"),
}

WORKER = """
import json, sys
from dataclasses import replace
from pathlib import Path
import torch
from safetensors.torch import save_file
from tests.probe import test_distributed as test
from vlcorpus.probe.distributed import from_environment

torch.set_num_threads(1)
folder = Path(sys.argv[1])
with from_environment() as group:
    assert group.world == test.WORLD and group.local
    for way in ("local", "far"):
        slopes = test.slopes(replace(group, local=way == "local"))
        save_file(slopes, folder / f"slopes-{way}-{group.rank}.safetensors")
    for name in test.RUNS:
        model, curve = test.run(name, group)
        save_file(model, folder / f"{name}-{group.rank}.safetensors")
        (folder / f"{name}-{group.rank}.json").write_text(json.dumps([step.loss for step in curve.steps]))
"""


def run(name: str, group: Group | None = None) -> tuple[dict[str, torch.Tensor], object]:
    """One short run of RUNS; rank 1 starts from other weights, which must not matter."""
    changes, how = RUNS[name]
    settings = TrainSettings(**{"steps": 6, "batch_size": 16, "precision": "fp32", "seed": 2, **changes})
    model = Plain(seed=group.rank if group else 0)
    curve = train(model, [source("a", 37), source("b", 30, 1)], settings, mixing=Mixing(how), group=group)
    return weights(model), curve


def slopes(group: Group) -> dict[str, torch.Tensor]:
    """The mean over the processes of what the losses say of vectors, scale and bias; vectors are this rank's."""
    found = {}
    for kind in ("clip", "siglip", "simclr"):
        generator = torch.Generator().manual_seed(0)
        whole = [torch.nn.functional.normalize(torch.randn(8, 5, generator=generator), dim=1) for _ in range(2)]
        size = 8 // group.world
        own = [each[size * group.rank : size * (group.rank + 1)].clone().requires_grad_() for each in whole]
        scale, bias = torch.tensor(7.0, requires_grad=True), torch.tensor(-2.0, requires_grad=True)
        loss, accuracy = contrast(kind, own[0], own[1], scale, bias, group)
        loss.backward()
        told = {"loss": loss.detach(), "accuracy": accuracy, "scale": scale.grad, "bias": bias.grad}
        told = {name: value.clone() for name, value in told.items() if value is not None}
        group.average(list(told.values()))
        # A vector's own gradient arrives whole at its owner, and is divided by the world when gradients are averaged.
        told |= {name: each.grad / group.world for name, each in zip(("image", "text"), own, strict=True)}  # type: ignore[operator]
        found |= {f"{kind}.{name}": value for name, value in told.items()}
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two processes over gloo, as torchrun would start them."""
    folder = tmp_path_factory.mktemp("group")
    command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={WORLD}", "--standalone"]
    (folder / "worker.py").write_text(WORKER)
    top = Path(__file__).parents[2]
    told = subprocess.run(
        [*command, str(folder / "worker.py"), str(folder)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(top)},
        cwd=top,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert told.returncode == 0, told.stderr[-3000:]
    return folder


@pytest.mark.parametrize("name", list(RUNS))
def test_two_processes_train_what_one_does(trained: Path, name: str) -> None:
    alone, curve = run(name)
    losses = json.loads((trained / f"{name}-0.json").read_text())
    assert losses == pytest.approx([step.loss for step in curve.steps], abs=1e-5)  # type: ignore[attr-defined]
    ranks = [load_file(trained / f"{name}-{rank}.safetensors") for rank in range(WORLD)]
    for key, value in alone.items():
        assert torch.equal(ranks[0][key], ranks[1][key])
        assert torch.allclose(ranks[0][key], value, atol=1e-5), (name, key)


@pytest.mark.parametrize("way", ["local", "far"])
def test_gradients_of_gathered_losses_are_one_machines(trained: Path, way: str) -> None:
    alone = slopes(Group())
    ranks = [load_file(trained / f"slopes-{way}-{rank}.safetensors") for rank in range(WORLD)]
    for key, wanted in alone.items():
        whole = torch.cat([rank[key] for rank in ranks]) if wanted.ndim else ranks[0][key]
        assert torch.allclose(whole, wanted, rtol=1e-5, atol=1e-6), key


def test_without_torchrun_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with from_environment() as group:
        assert group == Group()
        own = torch.ones(2, 3)
        assert group.gathered(own) is own
        assert group.share_bytes(b"x", torch.device("cpu")) == b"x"


def test_a_batch_must_part() -> None:
    with pytest.raises(UsageError, match="does not part"):
        train(Plain(), source("a", 37), TrainSettings(steps=1, batch_size=16), group=Group(0, 3))
