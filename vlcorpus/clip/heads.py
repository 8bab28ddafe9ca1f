"""Heads on frozen encoders: two small nets from two encoders' features into one space.

    >>> model = build_heads(2048, 768, dimension=256, seed=0)
    >>> image_ND = model.encode_image(frozen.image_features(squares))       # (N, 256) float32, unit rows
    >>> text_ND = model.encode_text(frozen.text_features(captions))         # (N, 256) float32, unit rows
    >>> files = heads_files(model, frozen.about(), {"name": "raw-0"})       # probe.json, weights.safetensors

A head is Linear, then GELU, Linear and dropout beside a skip, then LayerNorm. Features are computed once, so training
touches few numbers whatever the encoders weigh (heads of 256 on 512 and 384: 0.36 M). Those took 15,000 samples per CPU
second in fp32 and 23,000 with bf16 units (batch 512); the encoders take their own time, once a picture. Not where what
the encoders do not see is the question: LoRA changes them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from vlcorpus.clip import frozen as encoders
from vlcorpus.clip.encoder import ImageTower, TextTower
from vlcorpus.clip.preprocess import Preprocessing, preprocessing
from vlcorpus.clip.references import PROBE_SETTINGS, PROBE_WEIGHTS
from vlcorpus.clip.saved import settings_text
from vlcorpus.clip.weights import digest
from vlcorpus.errors import SourceError, UsageError

KIND = "heads"
FORMAT = 1
"""Of probe.json of this kind. Newer ones are refused."""
FIRST_SCALE = 1 / 0.07
_WIDEST = 4096


class Head(nn.Module):
    """(N, F) features to (N, D)."""

    def __init__(self, inputs: int, dimension: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, dimension)
        self.change = nn.Linear(dimension, dimension)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(dimension)

    def forward(self, features: Tensor) -> Tensor:
        projected: Tensor = self.project(features)
        changed: Tensor = self.dropout(self.change(functional.gelu(projected)))
        joined: Tensor = self.norm(projected + changed)
        return joined


class Heads(nn.Module):
    """Both heads. `logit_scale` is the natural logarithm of the factor on cosines, as in CLIP."""

    def __init__(self, image_dimension: int, text_dimension: int, dimension: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.dimension, self.dropout = dimension, dropout
        self.image_dimension, self.text_dimension = image_dimension, text_dimension
        self.image = Head(image_dimension, dimension, dropout)
        self.text = Head(text_dimension, dimension, dropout)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))

    def encode_image(self, features: Tensor) -> Tensor:
        """(N, F), of the frozen image encoder, to (N, D) unit rows in float32."""
        return functional.normalize(self.image(features.float()).float(), dim=1)

    def encode_text(self, features: Tensor) -> Tensor:
        """(N, G), of the frozen text encoder, to (N, D) unit rows in float32."""
        return functional.normalize(self.text(features.float()).float(), dim=1)


def build_heads(
    image_dimension: int, text_dimension: int, *, dimension: int = 256, seed: int, dropout: float = 0.1
) -> Heads:
    """Fresh heads whose weights depend on these arguments only; torch's own random state is left as it was.

    Raises UsageError outside dimension 8-4096 and dropout 0-0.9.
    """
    if not 8 <= dimension <= _WIDEST or not 0 <= dropout <= 0.9:
        raise UsageError(f"heads of {dimension} with dropout {dropout}", "8 to 4096, and 0 to 0.9 are possible")
    with torch.random.fork_rng(devices=[]):
        made = Heads(image_dimension, text_dimension, dimension, dropout)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in made.modules():
            if isinstance(module, nn.Linear):
                module.weight.normal_(0, 1 / math.sqrt(module.in_features), generator=generator)
                module.bias.zero_()
    return made


def heads_files(heads: Heads, about: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, bytes]:
    """A probe as file names and bytes; the same weights and settings give the same bytes.

    about: of the encoders (`Frozen.about`). settings: what else is kept with it (JSON values; `name` is in its slug).
    """
    encoders.check_about(about)
    weights = {name: value.detach().float().cpu().contiguous() for name, value in sorted(heads.state_dict().items())}
    stored = {
        **settings,
        "kind": KIND,
        "format": FORMAT,
        "name": str(settings.get("name") or "probe"),
        "architecture": KIND,
        "dimension": heads.dimension,
        "dropout": heads.dropout,
        "image_size": about["image"]["image_size"],
        "encoders": dict(about),
        "weights_hash": digest(weights),
    }
    return {PROBE_WEIGHTS: safetensors.torch.save(weights), PROBE_SETTINGS: settings_text(stored)}


def described(
    settings: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> tuple[Preprocessing, int, dict[str, list[str]]]:
    """Pixels, dimension, and the digests of the encoders. Raises SourceError where settings and weights disagree."""
    read_heads(settings, weights)
    image, text = settings["encoders"]["image"], settings["encoders"]["text"]
    return _pixels(image), settings["dimension"], {"encoders": [image["digest"], text["digest"]]}


def read_heads(settings: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Heads:
    """The heads that probe.json and its weights describe, in eval mode. Raises SourceError where they disagree."""
    if settings.get("kind") != KIND or settings.get("format") != FORMAT:
        raise SourceError(f"the heads have format {settings.get('format')!r:.60}", f"this version reads {FORMAT}")
    about, dimension = settings.get("encoders"), settings.get("dimension")
    encoders.check_about(about)
    assert isinstance(about, Mapping)
    if type(dimension) is not int or not 8 <= dimension <= _WIDEST:
        raise SourceError(f"the heads have {dimension!r:.40} dimensions", f"8 to {_WIDEST} are read")
    if settings.get("image_size") != about["image"]["image_size"]:
        raise SourceError("the heads' image_size is not their encoder's", "train the probe again")
    # Made without memory, so that sizes which the weights do not have cost nothing.
    with torch.device("meta"):
        heads = Heads(about["image"]["dimension"], about["text"]["dimension"], dimension)
    try:
        if any(tensor.dtype != torch.float32 for tensor in weights.values()):
            raise RuntimeError("numbers of another kind")
        heads.load_state_dict(dict(weights), strict=True, assign=True)
    except RuntimeError as error:
        raise SourceError("the heads' weights are not those of their sizes", "train the probe again") from error
    if digest(weights) != settings.get("weights_hash"):
        raise SourceError("the heads' weights are not those that probe.json was written with", "copy the probe again")
    return heads.eval().requires_grad_(False)


def loaded(
    settings: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    place: torch.device,
    *,
    cache_dir: str | Path | None = None,
    download: bool = False,
) -> tuple[ImageTower, TextTower]:
    """Both towers of a saved probe, encoders below. Errors of `read_heads` and `frozen.reopen`."""
    heads = read_heads(settings, weights).to(place)
    frozen = encoders.reopen(settings["encoders"], device=str(place), cache_dir=cache_dir, download=download)
    return towers_on(heads, frozen)


def towers_on(heads: Heads, frozen: encoders.Frozen) -> tuple[ImageTower, TextTower]:
    """Towers from pictures and texts on; features are rounded to float16 between, as those that are trained on."""
    scale = float(heads.logit_scale.detach().exp())
    image: Callable[[Tensor], Tensor] = lambda batch: heads.encode_image(frozen.image_rows(batch))  # noqa: E731
    text: Callable[[Tensor], Tensor] = lambda tokens: heads.encode_text(frozen.text_rows(tokens))  # noqa: E731
    tokenize: Callable[[Sequence[str]], Tensor] = frozen.tokenize
    return ImageTower(frozen.how, image, scale, heads), TextTower(tokenize, text, heads)


def _pixels(image: Mapping[str, Any]) -> Preprocessing:
    """Preprocessing as `as_dict` gave it, and nothing else."""
    said = image["preprocessing"]
    try:
        if type(said.get("scale", 0)) is not int or not 0 <= said.get("scale", 0) <= 1 << 16:
            raise ValueError("no number of pixels")
        how = preprocessing({**said, "resize_mode": said["resize"], "fill_color": said["fill"]}, image["image_size"])
        whole = Preprocessing(
            size=how.size, mean=how.mean, std=how.std, interpolation=how.interpolation, resize=how.resize,
            fill=how.fill, crop="down" if said.get("crop") == "down" else "nearest", scale=said.get("scale", 0),
        )  # fmt: skip
        if json.dumps(whole.as_dict(), sort_keys=True) != json.dumps(dict(said), sort_keys=True):
            raise ValueError("more or other settings than there are")
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError("the probe's preprocessing cannot be read", "train the probe again") from error
    return whole
