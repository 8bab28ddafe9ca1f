"""Photo-like pictures and a tiny open_clip model on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image

TINY: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 32,
        "vision_cfg": {"image_size": 48, "layers": 1, "width": 32, "patch_size": 16, "head_width": 16},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    },
    "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3]},
}


def photo(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Smooth patches with a little noise."""
    generator = np.random.default_rng([seed, height, width])
    patches = generator.integers(0, 256, (max(2, height // 16), max(2, width // 16), 3), dtype=np.uint8)
    smooth = np.asarray(Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return np.clip(smooth + generator.integers(-12, 13, smooth.shape), 0, 255).astype(np.uint8)


def tiny_directory(directory: Path, seed: int = 0, **model: Any) -> torch.nn.Module:
    """Writes open_clip_config.json and weights from a random start; gives the model open_clip itself made."""
    directory.mkdir(parents=True, exist_ok=True)
    config = {**TINY, "model_cfg": TINY["model_cfg"] | model}
    (directory / "open_clip_config.json").write_text(json.dumps(config))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = open_clip.create_model(f"local-dir:{directory}", load_weights=False)
    safetensors.torch.save_file(made.state_dict(), directory / "open_clip_model.safetensors")
    return made.eval()
