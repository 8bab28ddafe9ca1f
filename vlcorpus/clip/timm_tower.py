"""Image encoders of timm, never trained here: by name, with weights of one's own, or random.

    >>> encoder = build("timm:resnet50@weights/resnet50.safetensors", torch.device("cpu"), None, download=False)
    >>> encoder.tower.how.size, encoder.digest[:8]
    (224, '3f1c07aa')

| reference | weights |
|---|---|
| `timm:NAME` | timm's own, from the Hugging Face Hub's cache, or downloaded |
| `timm:NAME@PATH` | a checkpoint of timm's layout: .safetensors, or .pt of nothing but tensors |
| `timm:NAME@random:SEED` | drawn from the seed, for ablations |

Pixels are made ready as timm's evaluation does it (size, crop, mean, deviation). What it crops in another way than from
the middle is refused.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlcorpus.clip.encoder import ImageTower
from vlcorpus.clip.located import NotHere, fetched, line, quiet
from vlcorpus.clip.preprocess import Preprocessing, normalise, preprocessing
from vlcorpus.clip.weights import digest, read_weights
from vlcorpus.errors import SourceError, UsageError, nearest

LEAD = "timm:"
RANDOM = "random:"
EXTRA = "pip install 'vlcorpus[heads]'"
_FILES = ("model.safetensors", "pytorch_model.bin")
_LOCAL = "give weights of your own: timm:NAME@/path/to/weights.safetensors"


@dataclass(frozen=True)
class TimmEncoder:
    tower: ImageTower
    name: str
    digest: str
    """Of architecture, weights and preprocessing"""


def build(reference: str, place: torch.device, cache: str | Path | None, *, download: bool) -> TimmEncoder:
    """Raises UsageError for words that mean nothing, SourceError for weights that are missing or do not fit."""
    timm = _library(reference)
    name, at, weights = reference.removeprefix(LEAD).partition("@")
    if not timm.is_model(name):
        raise UsageError(f"timm has no architecture {name!r}", nearest(name, timm.list_models()))
    seed = _seed(reference, weights) if weights.startswith(RANDOM) else 0
    if at and not weights:
        raise UsageError(f"{reference!r} names no weights", "timm:NAME, timm:NAME@PATH or timm:NAME@random:SEED")
    path = None
    if not weights.startswith(RANDOM):
        path = Path(weights) if at else _pretrained(timm, reference, name, str(cache) if cache else None, download)
    # A missing file is told before a large model is built.
    stored = read_weights(path) if path is not None else None
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            model = timm.create_model(name, pretrained=False, num_classes=0)
        except Exception as error:  # what timm or a layer of it wants beside itself
            raise SourceError(f"{reference} cannot be built: {line(error)}", "try another architecture") from error
    if stored is not None:
        _fill(reference, model, stored)
    model.eval().requires_grad_(False)
    how = pixels(reference, timm.data.resolve_data_config({}, model=model))
    parts = {"architecture": name.partition(".")[0], "weights": digest(model.state_dict()), "pixels": how.as_dict()}
    whole = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    model.to(place)

    def forward(batch: Tensor) -> Tensor:
        rows: Tensor = model(normalise(batch, how))
        if rows.ndim != 2:
            raise SourceError(f"{reference} gives {rows.ndim - 1} axes a picture", "take a model that pools them")
        return rows

    return TimmEncoder(ImageTower(how, forward, 1.0, model), name, whole)


def pixels(reference: str, settings: Mapping[str, Any]) -> Preprocessing:
    """timm's data configuration. Raises SourceError for what is not followed exactly."""
    size = tuple(settings["input_size"])
    if len(size) != 3 or size[0] != 3 or size[1] != size[2] or not 8 <= size[1] <= 4096:
        raise SourceError(f"{reference} has pictures of {size}", "squares of three colours, of 8 to 4096 are read")
    mode, share = settings.get("crop_mode") or "center", settings.get("crop_pct") or 0.875
    if mode not in ("center", "squash") or not 0.1 <= share <= 1:
        raise SourceError(f"{reference} crops by {mode!r} and {share}", "center and squash are known")
    read = dict(settings) | {"resize_mode": "squash" if mode == "squash" else "shortest"}
    scale = math.floor(size[1] / share)
    how = preprocessing(read, size[1])
    return Preprocessing(
        size=how.size,
        mean=how.mean,
        std=how.std,
        interpolation=how.interpolation,
        resize=how.resize,
        scale=scale if scale != how.size else 0,
    )


def _library(reference: str) -> Any:
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise SourceError(f"{reference} needs the package timm ({error})", EXTRA) from error


def _seed(reference: str, weights: str) -> int:
    text = weights.removeprefix(RANDOM)
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise UsageError(f"{reference!r} has no seed", "write timm:NAME@random:0")
    return int(text)


def _pretrained(timm: Any, reference: str, name: str, cache: str | None, download: bool) -> Path:
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    about = timm.get_pretrained_cfg(name)
    repository = getattr(about, "hf_hub_id", None)
    if not repository:
        raise SourceError(f"timm has no weights for {name} on the Hugging Face Hub", _LOCAL)
    names = (about.hf_hub_filename,) if about.hf_hub_filename else _FILES
    for file in names:
        found = try_to_load_from_cache(repository, file, cache_dir=cache)
        if isinstance(found, str):
            return Path(found)
    if not download:
        raise NotHere(f"the weights of {reference} are not on this machine", _LOCAL)
    return fetched(reference, lambda: str(hf_hub_download(repository, names[0], cache_dir=cache)))


def _fill(reference: str, model: Any, stored: Mapping[str, Tensor]) -> None:
    """Weights into the model, without those of its classifier. timm's own renaming of older layouts is tried second."""
    about = model.pretrained_cfg
    heads = about.get("classifier") or ()
    leads = tuple(f"{head}." for head in ([heads] if isinstance(heads, str) else heads))
    stored = {name.removeprefix("module."): tensor for name, tensor in stored.items()}
    # A model made without a classifier may still have one by that name elsewhere (an inner layer): those stay.
    own = set(model.state_dict())
    kept = {name: tensor for name, tensor in stored.items() if name in own or not name.startswith(leads)}
    renamed = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    with quiet():
        try:
            model.load_state_dict(kept, strict=True)
        except RuntimeError as error:
            try:
                if renamed is None:
                    raise
                again = renamed(dict(stored), model)
                again = {name: each for name, each in again.items() if name in own or not name.startswith(leads)}
                model.load_state_dict(again, strict=True)
            except Exception:  # whatever renaming brings about with tensors of another model
                raise SourceError(
                    f"{reference} has weights of another architecture: {line(error)}", "name the one they belong to"
                ) from error
