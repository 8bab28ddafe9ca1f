from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch

from vlcorpus.clip.weights import digest, read_weights
from vlcorpus.errors import SourceError

WEIGHTS = {
    "b": torch.arange(6.0).reshape(2, 3),
    "a": torch.tensor(1.5),
    "c": torch.zeros(0),
    "d": torch.ones(2, dtype=torch.bfloat16),
}


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch executed",)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_digest_is_of_the_content() -> None:
    assert digest(WEIGHTS).startswith("9cafaf4057caacf7")
    turned = {name: WEIGHTS[name].clone() for name in reversed(WEIGHTS)}
    assert digest(turned) == digest(WEIGHTS)
    for name, other in (
        ("b", WEIGHTS["b"].reshape(3, 2)),
        ("b", WEIGHTS["b"].half()),
        ("a", torch.tensor(1.25)),
        ("d", torch.ones(2, dtype=torch.float16)),
    ):
        assert digest(WEIGHTS | {name: other}) != digest(WEIGHTS)
    assert digest({"e" if name == "a" else name: value for name, value in WEIGHTS.items()}) != digest(WEIGHTS)


def test_a_repack_has_the_same_digest() -> None:
    safetensors.torch.save_file(WEIGHTS, "one.safetensors")
    torch.save(WEIGHTS, "two.pt")
    torch.save({"epoch": 3, "state_dict": WEIGHTS}, "three.pt")
    assert {digest(read_weights(Path(name))) for name in ("one.safetensors", "two.pt", "three.pt")} == {digest(WEIGHTS)}


@pytest.mark.parametrize("name", ["bad.pt", "bad.bin", "bad.pth"])
def test_a_pickle_is_never_run(name: str) -> None:
    torch.save({"state_dict": {"a": torch.ones(1)}, "extra": Hostile()}, name)
    with pytest.raises(SourceError, match="more than tensors"):
        read_weights(Path(name))
    Path(name).write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(SourceError, match="more than tensors"):
        read_weights(Path(name))
    assert not Path("executed").exists()


def test_files_that_are_no_weights() -> None:
    Path("cut.safetensors").write_bytes(safetensors.torch.save(WEIGHTS)[:-5])
    Path("huge.safetensors").write_bytes((2**62).to_bytes(8, "little") + b"{}")
    Path("empty.pt").touch()
    Path("table.npz").write_bytes(b"PK")
    torch.save([torch.ones(1)], "list.pt")
    torch.save({"a": 1}, "numbers.pt")
    for name in ("cut.safetensors", "huge.safetensors", "empty.pt", "table.npz", "list.pt", "numbers.pt", "none.pt"):
        with pytest.raises(SourceError) as caught:
            read_weights(Path(name))
        assert name in caught.value.message
        assert caught.value.hint
