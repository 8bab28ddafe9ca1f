"""Probes of our own on disk: probe.json and weights.safetensors.

    >>> files = probe_files(model, {"name": "raw-0", "seed": 0})
    >>> sorted(files)
    ['probe.json', 'weights.safetensors']
    >>> model = probe_model(json.loads(files["probe.json"]), safetensors.torch.load(files["weights.safetensors"]))

Bytes only: whoever calls commits them. conv-nano is 2.7 MB, conv-micro 3.6 MB.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import safetensors.torch
from torch import Tensor

from vlcorpus.clip import towers
from vlcorpus.clip.preprocess import Preprocessing
from vlcorpus.clip.references import PROBE_SETTINGS, PROBE_WEIGHTS
from vlcorpus.clip.weights import digest
from vlcorpus.errors import SourceError

PROBE_FORMAT = 1
"""Of probe.json. Newer ones are refused."""


def probe_files(model: towers.DualEncoder, settings: Mapping[str, Any]) -> dict[str, bytes]:
    """A probe as file names and bytes, for the caller to commit; the same weights and settings give the same bytes.

    `settings` is what the caller wants to keep with the weights (JSON values; `name` is the probe's name in its slug).
    Numbers are stored in float32.
    """
    weights = {
        name: (value.float() if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in sorted(model.state_dict().items())
    }
    stored = {
        **settings,
        "format": PROBE_FORMAT,
        "name": str(settings.get("name") or "probe"),
        "architecture": model.architecture,
        "dimension": model.dimension,
        "image_size": model.image_size,
        "vocabulary": model.vocabulary,
        "weights_hash": digest(weights),
    }
    return {PROBE_WEIGHTS: safetensors.torch.save(weights), PROBE_SETTINGS: settings_text(stored)}


def settings_text(stored: Mapping[str, Any]) -> bytes:
    """probe.json's bytes."""
    return (json.dumps(stored, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def probe_model(settings: Mapping[str, Any], weights: Mapping[str, Tensor]) -> towers.DualEncoder:
    """The towers that probe.json and its weights describe, in eval mode. Raises SourceError where they disagree."""
    check_settings(settings)
    model = towers.build(
        settings["architecture"],
        dimension=settings["dimension"],
        image_size=settings["image_size"],
        vocabulary=settings["vocabulary"],
        seed=0,
    )
    try:
        model.load_state_dict(dict(weights), strict=True)
    except RuntimeError as error:
        raise SourceError("the probe's weights are not those of its architecture", "train the probe again") from error
    return model.eval()


def probe_preprocessing(image_size: int) -> Preprocessing:
    """How a probe of ours sees a picture: short side to size, the middle square."""
    three = (towers.PIXEL_MEAN,) * 3, (towers.PIXEL_STD,) * 3
    return Preprocessing(size=image_size, mean=three[0], std=three[1])


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raises SourceError for a probe.json of another format, or one without its sizes."""
    if settings.get("format") != PROBE_FORMAT:
        raise SourceError(f"the probe has format {settings.get('format')!r}", f"this version reads {PROBE_FORMAT}")
    for name in ("dimension", "image_size", "vocabulary"):
        if type(settings.get(name)) is not int:
            raise SourceError(f"the probe's {name} is {settings.get(name)!r}", "train the probe again")
