"""The same weights in every kind of file are the same head with the same hash; nothing is unpickled."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from tests.scores import published_heads
from tests.scores.bundles import write_bundle
from tests.scores.published_heads import answers, stored
from vlcorpus.errors import SourceError
from vlcorpus.stages.scorers.head_files import file_digest, is_for, read_head

END = "/.ATTRIBUTES/VARIABLE_VALUE"


def write_saved_model(folder: Path, model: nn.Module) -> None:
    """A SavedModel as far as its variables go, tables of texts and counters among them."""
    held = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    variables = {
        f"layer_with_weights-0/encoding_layers/3/token_counts{END}": np.zeros(0, np.int64),
        f"layer_with_weights-1/count{END}": np.array(9, np.int64),
        f"layer_with_weights-1/mean{END}": held["norm.mean"],
        f"layer_with_weights-1/variance{END}": held["norm.variance"],
        f"keras_api/metrics/0/total{END}": np.array(0, np.float32),
    }
    for place in range(1, model.count + 1):  # type: ignore[operator]
        variables[f"layer_with_weights-{place + 1}/kernel{END}"] = held[f"linear_{place}.weight"].T
        variables[f"layer_with_weights-{place + 1}/bias{END}"] = held[f"linear_{place}.bias"]
    (folder / "saved_model.pb").parent.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"a graph that nobody runs")
    write_bundle(folder / "variables", variables)


def files(folder: Path, model: nn.Module) -> list[Path]:
    """The detector in each kind of file."""
    weights = model.state_dict()
    safetensors.torch.save_file(weights, folder / "head.safetensors")
    torch.save(weights, folder / "head.pth")
    torch.save({"state_dict": weights, "epoch": 3}, folder / "trained.pt")
    np.savez(folder / "head.npz", **{name: tensor.numpy() for name, tensor in weights.items()})
    write_saved_model(folder / "saved", model)
    names = ("head.safetensors", "head.pth", "trained.pt", "head.npz", "saved", "saved/variables")
    return [folder / name for name in names]


def test_every_kind_of_file_gives_the_same_head(tmp_path: Path) -> None:
    model, rows = published_heads.detector(), stored(1, 100)
    found = [read_head("nsfw", path) for path in files(tmp_path, model)]
    assert len({each.weights_hash for each in found}) == 1
    for each in found:
        assert each.head.form == "laion-keras" and each.model is None
        assert np.abs(each.head(rows) - answers(model, rows)).max() < 1e-6


def test_half_precision_is_read(tmp_path: Path) -> None:
    model = published_heads.aesthetic_v2().to(torch.bfloat16)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "head.safetensors")
    rows = stored(1, 20)
    assert (
        np.abs(read_head("aesthetic", tmp_path / "head.safetensors").head(rows) - answers(model.float(), rows)).max()
        < 1e-5
    )


def test_metadata_name_the_model_and_the_layers(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(48, 8), nn.GELU(), nn.Linear(8, 1))
    metadata = {"model": "ViT-L-14/openai", "layers": "0 gelu 2"}
    safetensors.torch.save_file(model.state_dict(), tmp_path / "head.safetensors", metadata)
    found = read_head("aesthetic", tmp_path / "head.safetensors")
    assert (found.model, found.head.architecture) == ("ViT-L-14/openai", "48 > 8 gelu > 1")


def test_a_digest_is_of_the_content(tmp_path: Path) -> None:
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    np.savez(first, weight=np.zeros((1, 4)))
    second.write_bytes(first.read_bytes())
    assert file_digest(first) == file_digest(second)
    np.savez(second, weight=np.ones((1, 4)))
    os.utime(second, ns=(1, 1))
    assert file_digest(first) != file_digest(second)
    write_bundle(tmp_path / "saved" / "variables", {"a": np.zeros(3, np.float32)})
    before = file_digest(tmp_path / "saved")
    write_bundle(tmp_path / "saved" / "variables", {"b": np.zeros(3, np.float32)})
    os.utime(tmp_path / "saved" / "variables" / "variables.index", ns=(1, 1))
    assert file_digest(tmp_path / "saved") != before


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch BOOM",)


def test_nothing_is_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"weight": torch.zeros(1, 4), "bias": Bomb()}, "head.pt")
    Path("head.bin").write_bytes(pickle.dumps(Bomb(), protocol=2))
    np.savez("head.npz", weight=np.zeros((1, 4)), bias=np.array([Bomb()], dtype=object))
    for name in ("head.pt", "head.bin", "head.npz"):
        with pytest.raises(SourceError):
            read_head("aesthetic", Path(name))
    assert not Path("BOOM").exists()


@pytest.mark.parametrize("name", ["gone.pt", "gone/"])
def test_what_is_not_there_is_said(tmp_path: Path, name: str) -> None:
    for look in (file_digest, lambda path: read_head("nsfw", path)):
        with pytest.raises(SourceError, match="no weights at"):
            look(tmp_path / name)  # type: ignore[operator]
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no weights at") as wrong:
        file_digest(tmp_path / "empty")
    assert "SavedModel" in wrong.value.hint


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.npz", b"PK no zip", "is not a .npz"),
        ("a.npz", b"", "is not a .npz"),
        ("a.safetensors", b"\xff" * 40, "is not a safetensors file"),
        ("a.pth", b"\x80\x02", "is not opened"),
        ("a.zip", b"PK", "is not read"),
        ("a.h5", b"HDF", "is not read"),
        ("a.keras", b"PK", "is not read"),
        ("a.onnx", b"x", "no known ending"),
    ],
)
def test_files_that_are_no_weights_are_refused(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=says):
        read_head("nsfw", tmp_path / name)


def test_weights_are_floating_point_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", weight=np.zeros((1, 4), np.int64), bias=np.zeros(1))
    with pytest.raises(SourceError, match=r"'weight' holds torch\.int64"):
        read_head("aesthetic", tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", weight=np.array(["a"]), bias=np.zeros(1))
    with pytest.raises(SourceError, match=r"is not a \.npz of arrays of numbers"):
        read_head("aesthetic", tmp_path / "b.npz")


def test_the_file_is_named_where_its_tensors_do_not_fit(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", weight=np.zeros((2, 4)), bias=np.zeros(2))
    with pytest.raises(SourceError, match=r"a\.npz: laion-v1: the head gives 2 numbers"):
        read_head("aesthetic", tmp_path / "a.npz")


def test_a_model_is_named_by_slug_or_reference() -> None:
    slug = "ViT-L-14.openai.1a2b3c4d"
    assert all(is_for(model, slug) for model in (slug, "ViT-L-14.openai", "ViT-L-14/openai"))
    assert not any(is_for(model, slug) for model in ("ViT-L-14", "ViT-L-14.openai.1a2b3c4e", "ViT-B-32/openai", ""))
