"""Folders of probes that a stranger made: a clear error, and nothing run, written or asked memory for."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from vlcorpus.clip import trainable
from vlcorpus.clip.model import describe, load
from vlcorpus.errors import SourceError, VlcorpusError


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def saved(architecture: str, folder: Path) -> Path:
    folder.mkdir()
    for name, body in trainable.build(architecture, seed=0, dimension=16).files({"name": "raw"}).items():
        (folder / name).write_bytes(body)
    return folder


def rewrite(path: Path, *keys: str, value: Any) -> None:
    whole = json.loads(path.read_text())
    place = whole
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_text(json.dumps(whole))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 2),
        ("format", None),
        ("name", ["x"]),
        ("architecture", None),
        ("architecture", "conv-huge"),
        ("dimension", 1 << 40),
        ("dimension", True),
        ("image_size", "32"),
        ("vocabulary", -1),
    ],
)
def test_settings_of_small_towers(tmp_path: Path, key: str, value: object) -> None:
    folder = saved("conv-nano", tmp_path / "probe")
    rewrite(folder / "probe.json", key, value=value)
    with pytest.raises(VlcorpusError):
        load(str(folder))


def test_weights_of_small_towers(tmp_path: Path) -> None:
    folder = saved("conv-nano", tmp_path / "probe")
    path = folder / "weights.safetensors"
    weights = safetensors.torch.load_file(path)
    name = "image.head.weight"
    for wrong in (
        {each: value for each, value in weights.items() if each != name},
        weights | {name: weights[name][:, :3].clone()},
        weights | {"more": torch.zeros(2)},
    ):
        safetensors.torch.save_file(wrong, path)
        with pytest.raises(SourceError, match="not those of its architecture"):
            load(str(folder))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SourceError, match="safetensors"):
        load(str(folder))
    path.unlink()
    (folder / "weights.pt").write_bytes(b"anything")  # only the one name is read
    with pytest.raises(SourceError, match="not a file"):
        load(str(folder))


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"kind": "open_clip"}', '{"kind": ["heads"], "name": "a", "architecture": "b"}']
)
def test_settings_that_are_none(tmp_path: Path, text: str) -> None:
    folder = saved("conv-nano", tmp_path / "probe")
    (folder / "probe.json").write_text(text)
    with pytest.raises(SourceError):
        load(str(folder))


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("model_cfg",), None),
        (("model_cfg", "vision_cfg"), []),
        (("model_cfg", "vision_cfg", "image_size"), 1 << 30),
        (("model_cfg", "vision_cfg", "image_size"), [32, 48]),
        (("model_cfg", "vision_cfg", "width"), 1 << 20),
        (("model_cfg", "vision_cfg", "layers"), 1 << 30),
        (("model_cfg", "vision_cfg", "mlp_ratio"), 1e9),
        (("model_cfg", "embed_dim"), 1 << 40),
        (("model_cfg", "text_cfg", "vocab_size"), 1 << 38),
        (("model_cfg", "text_cfg", "context_length"), 1 << 20),
        (("model_cfg", "vision_cfg", "patch_size"), 0.001),
        (("model_cfg", "vision_cfg", "patch_size"), 0),
        (("model_cfg", "text_cfg", "tokenizer_kwargs"), {"trust_remote_code": True}),
        (("model_cfg", "text_cfg", "surprise"), 1),
        (("preprocess_cfg", "mean"), [0, 0]),
        (("preprocess_cfg", "std"), [0, 0, 0]),
    ],
)
def test_configurations_beside_open_clips_weights(tmp_path: Path, keys: tuple[str, ...], value: object) -> None:
    folder = saved("vit-nano", tmp_path / "probe")
    rewrite(folder / "open_clip_config.json", *keys, value=value)
    with pytest.raises(SourceError):
        load(str(folder))
    with pytest.raises(SourceError):
        trainable.build(None, seed=0, start=str(folder))


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    folder = saved("vit-nano", tmp_path / "probe")
    (folder / "open_clip_model.safetensors").unlink()
    mark = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (mark,)

    for name in ("open_clip_pytorch_model.bin", "x.pt"):
        (folder / name).write_bytes(pickle.dumps({"a": Evil()}, 2) + bytes(1 << 23))
        for way in (load, describe, lambda named: trainable.build(None, seed=0, start=named)):
            with pytest.raises(SourceError):
                way(str(folder))
        (folder / name).unlink()
    assert not mark.exists()
    with pytest.raises(SourceError, match="no weights"):
        load(str(folder))
