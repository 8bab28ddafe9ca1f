from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from tests.clip.drawn import TINY, tiny_directory
from vlcorpus.clip.references import NotHere, is_local, locate
from vlcorpus.errors import SourceError, UsageError


def _hub(cache: Path, repository: str, files: dict[str, bytes]) -> None:
    """The Hugging Face Hub's cache, as its client lays it out."""
    home = cache / ("models--" + repository.replace("/", "--"))
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("abc")
    (home / "snapshots" / "abc").mkdir(parents=True)
    for name, content in files.items():
        (home / "snapshots" / "abc" / name).write_bytes(content)


def test_a_tag_in_the_cache_needs_no_network(tmp_path: Path) -> None:
    assert not is_local("ViT-B-32/openai", cache_dir=tmp_path)
    with pytest.raises(NotHere) as caught:
        locate("ViT-B-32/openai", cache_dir=tmp_path, download=False)
    assert "ViT-B-32/openai" in caught.value.message
    assert "local-dir:" in caught.value.hint
    _hub(tmp_path, "timm/vit_base_patch32_clip_224.openai", {"open_clip_model.safetensors": b"x"})
    located = locate("ViT-B-32/openai", cache_dir=tmp_path, download=False)
    assert is_local("ViT-B-32/openai", cache_dir=tmp_path)
    assert (located.name, located.tag, located.kind, located.base) == ("ViT-B-32", "openai", "open_clip", "ViT-B-32")
    assert located.preprocessing is not None and located.preprocessing.size == 224


def test_the_activation_is_the_tags(tmp_path: Path) -> None:
    _hub(tmp_path, "timm/vit_base_patch32_clip_224.openai", {"open_clip_model.safetensors": b"x"})
    _hub(tmp_path, "laion/CLIP-ViT-B-32-laion2B-s34B-b79K", {"open_clip_model.safetensors": b"x"})
    assert locate("ViT-B-32/openai", cache_dir=tmp_path).quick_gelu
    assert locate("ViT-B-32-quickgelu/openai", cache_dir=tmp_path).quick_gelu
    assert not locate("ViT-B-32/laion2b_s34b_b79k", cache_dir=tmp_path).quick_gelu


def test_a_hub_repository_in_the_cache(tmp_path: Path) -> None:
    assert not is_local("hf-hub:org/tiny", cache_dir=tmp_path)
    weights = safetensors.torch.save({"a": torch.ones(1)})
    _hub(
        tmp_path,
        "org/tiny",
        {"open_clip_config.json": json.dumps(TINY).encode(), "open_clip_model.safetensors": weights},
    )
    located = locate("hf-hub:org/tiny", cache_dir=tmp_path, download=False)
    assert (located.name, located.tag, located.weights.name) == ("tiny", "org", "open_clip_model.safetensors")


def test_directories_and_checkpoints(tmp_path: Path) -> None:
    tiny_directory(tmp_path / "tiny")
    for reference in (f"local-dir:{tmp_path / 'tiny'}", str(tmp_path / "tiny")):
        located = locate(reference)
        assert (located.kind, located.name, located.tag) == ("open_clip", "tiny", "local")
    file = tmp_path / "mine.v2.safetensors"
    file.write_bytes(b"")
    located = locate(f"ViT-S-16@{file}")
    assert (located.name, located.tag, located.weights) == ("ViT-S-16", "mine.v2", file)


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("ViT-B-32/openia", "did you mean 'openai'?"),
        ("ViT-B-33/openai", "did you mean 'ViT-B-32'?"),
        ("hf-hub:tiny", "hf-hub:ORG/REPO"),
        ("hf-hub:a/b/c", "hf-hub:ORG/REPO"),
        ("ViT-B-32", "known forms"),
        ("", "known forms"),
        ("/", "known forms"),
    ],
)
def test_words_that_mean_nothing(reference: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        locate(reference, download=False)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (b"{", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"[]", "not an object"),
        (b"{}", "towers"),
        (b'{"model_cfg": {"embed_dim": 8, "vision_cfg": {"image_size": 1000000}, "text_cfg": {}}}', "images of"),
        (
            b'{"model_cfg": {"embed_dim": 8, "vision_cfg": {},'
            b' "text_cfg": {"tokenizer_kwargs": {"trust_remote_code": true}}}}',
            "run code",
        ),
        (b" " * 2_000_000, "more than"),
    ],
)  # fmt: skip
def test_configurations_that_are_refused(tmp_path: Path, config: bytes, message: str) -> None:
    (tmp_path / "open_clip_config.json").write_bytes(config)
    (tmp_path / "open_clip_model.safetensors").touch()
    with pytest.raises(SourceError, match=message):
        locate(f"local-dir:{tmp_path}")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"open_clip_config\.json"):
        locate(f"local-dir:{tmp_path}")
    (tmp_path / "open_clip_config.json").write_text(json.dumps(TINY))
    with pytest.raises(SourceError, match="no weights"):
        locate(f"local-dir:{tmp_path}")
    with pytest.raises(SourceError, match="not a file"):
        locate(f"ViT-B-32@{tmp_path / 'none.pt'}")
