"""open_clip's models as something to train: pixels as bytes in, unit rows out.

    >>> made = fresh("ViT-B-32", seed=0)
    >>> made.model.encode_text(torch.from_numpy(made.tokenize(["a red star"])))      # (1, 512), unit row

Towers of open_clip's usual make are computed by `blocks`, which gives the same numbers for less work; others by
themselves. Patches are left out on the model's own device (open_clip draws them on the CPU and waits).

`vit-nano` is a configuration of our own for CPUs: 32 pixels in patches of 8, four layers of width 96, two for texts of
32 places with open_clip's vocabulary; 5.5 M parameters, 4.7 M of them words.
"""

from __future__ import annotations

import copy
import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from vlcorpus.clip import blocks, lora, saved
from vlcorpus.clip.fill import fill, tokenizer_of
from vlcorpus.clip.huggingface import EXTRA
from vlcorpus.clip.located import Located, line, quiet
from vlcorpus.clip.preprocess import Preprocessing, preprocessing
from vlcorpus.clip.references import PROBE_SETTINGS
from vlcorpus.clip.weights import digest
from vlcorpus.errors import SourceError, UsageError, nearest

OWN: dict[str, dict[str, Any]] = {
    "vit-nano": {
        "embed_dim": 128,
        "vision_cfg": {"image_size": 32, "layers": 4, "width": 96, "head_width": 32, "patch_size": 8},
        "text_cfg": {"context_length": 32, "vocab_size": 49408, "width": 96, "heads": 3, "layers": 2},
    }
}


class Contrastive(nn.Module):
    """A model of open_clip as a vlcorpus.probe.train.Trainable."""

    factor: Tensor
    shift: Tensor

    def __init__(self, clip: Any, how: Preprocessing) -> None:
        super().__init__()
        self.clip = clip
        self.how = how
        # Of pixels of 0 to 255, all three steps of `normalise` in two.
        mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (how.mean, how.std))
        self.register_buffer("factor", 1 / (255 * std), persistent=False)
        self.register_buffer("shift", -mean / std, persistent=False)
        learning = clip.training
        clip.eval()
        self._sees, self._reads = blocks.sees(clip), blocks.reads(clip)
        clip.train(learning)

    @property
    def logit_scale(self) -> nn.Parameter:
        scale: nn.Parameter = self.clip.logit_scale
        return scale

    @property
    def logit_bias(self) -> nn.Parameter | None:
        return getattr(self.clip, "logit_bias", None)

    def encode_image(self, image: Tensor) -> Tensor:
        """(N, 3, S, S), uint8 of 0 to 255 or floats of 0 to 1, to (N, D) unit rows in float32."""
        pixels = (image if image.dtype == torch.uint8 else image * 255) * self.factor + self.shift
        encoded = blocks.picture(self.clip.visual, pixels) if self._sees else self.clip.encode_image(pixels)
        return functional.normalize(encoded.float(), dim=-1)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """(N, L) integers, L up to the context, to (N, D) unit rows in float32."""
        if self._reads:
            encoded = blocks.words(self.clip, tokens)
        else:
            lacking = self.clip.context_length - tokens.shape[1]
            encoded = self.clip.encode_text(functional.pad(tokens, (0, lacking)))
        return functional.normalize(encoded.float(), dim=-1)

    def patch_dropout(self, share: float) -> None:
        """Leave out this share of an image's patches in training (Li and others 2023). UsageError without patches."""
        tower, name, before = self.clip.visual, "patch_dropout", 1
        if not hasattr(tower, name):  # timm's
            tower, name = getattr(tower, "trunk", None), "patch_drop"
            before = getattr(tower, "num_prefix_tokens", 0)
            if type(tower).__name__ != "VisionTransformer" or not hasattr(tower, name):
                raise UsageError("this image tower has no patches to leave out", "take a ViT")
        if not isinstance(getattr(tower, name), Patches):
            setattr(tower, name, Patches(before))
        getattr(tower, name).share = share


class Patches(nn.Module):
    """(N, B + P, W), what is before the patches first, to (N, B + K, W) in training; K of P by chance."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.before = before
        self.share = 0.0

    def forward(self, token: Tensor) -> Tensor:
        if not self.training or not self.share:
            return token
        first, patches = token[:, : self.before], token[:, self.before :]
        count = patches.shape[1]
        kept = max(1, int(count * (1 - self.share)))
        rank = torch.rand(patches.shape[:2], device=token.device).argsort(1)[:, :kept]
        picked = patches.gather(1, rank.unsqueeze(2).expand(-1, -1, patches.shape[2]))
        return torch.cat([first, picked], 1)


@dataclass(frozen=True)
class Made:
    """A model and what belongs to it."""

    model: Contrastive
    how: Preprocessing
    config: Mapping[str, Any]
    """open_clip's model_cfg"""
    architecture: str
    tokenize: Callable[[Sequence[str]], NDArray[Any]]
    tokenizer_key: str
    words: Mapping[str, bytes]
    """The tokenizer's own files, where open_clip does not bring it"""
    adapted: bool = False
    """Whether LoRA's layers are in it"""

    def files(self, settings: Mapping[str, Any]) -> dict[str, bytes]:
        """open_clip's directory, with probe.json beside it."""
        clip = self.model.clip
        found = lora.merged(clip) if self.adapted else clip.state_dict()
        weights = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in sorted(found.items())}
        how = {
            "size": self.how.size,
            "mode": "RGB",
            "mean": list(self.how.mean),
            "std": list(self.how.std),
            "interpolation": self.how.interpolation,
            "resize_mode": self.how.resize,
            "fill_color": self.how.fill,
        }
        config = {"model_cfg": self.config, "preprocess_cfg": how}
        stored = {
            **settings,
            "kind": "open_clip",
            "format": saved.PROBE_FORMAT,
            "name": str(settings.get("name") or "probe"),
            "architecture": self.architecture,
            "dimension": self.config["embed_dim"],
            "image_size": self.how.size,
            "weights_hash": digest(weights),
        }
        return {
            **self.words,
            "open_clip_model.safetensors": safetensors.torch.save(weights),
            "open_clip_config.json": (json.dumps(config, indent=2) + "\n").encode(),
            PROBE_SETTINGS: saved.settings_text(stored),
        }


def fresh(
    architecture: str,
    *,
    seed: int,
    image_size: int | None = None,
    dimension: int | None = None,
    cache_dir: str | Path | None = None,
) -> Made:
    """An architecture at weights drawn from seed. dimension: of ours; open_clip's have their own.

    UsageError where open_clip has none of that name.
    """
    import open_clip

    if architecture not in OWN and architecture not in open_clip.list_models():
        known = [*OWN, *open_clip.list_models()]
        raise UsageError(f"no architecture is called {architecture!r}", nearest(architecture, known))
    config = copy.deepcopy(OWN.get(architecture) or open_clip.get_model_config(architecture))
    assert config is not None
    usual = _size(config)
    if image_size is not None:
        config["vision_cfg"]["image_size"] = image_size
    if dimension is not None and architecture in OWN:
        config["embed_dim"] = dimension
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            if architecture in OWN:
                clip: Any = open_clip.model.CLIP(**config)
            else:
                clip = open_clip.create_model(
                    architecture,
                    load_weights=False,
                    pretrained_text=False,
                    pretrained_image=False,
                    force_image_size=image_size,
                    cache_dir=str(cache_dir) if cache_dir is not None else None,
                )
        except Exception as error:  # whatever a configuration of others can bring about
            raise SourceError(f"{architecture} cannot be built: {line(error)}", EXTRA) from error
    if image_size not in (None, usual) and getattr(getattr(clip.visual, "trunk", None), "pos_embed", None) is not None:
        # open_clip would build it at its usual size before it looks at weights.
        raise UsageError(f"{architecture} has pictures of {usual} pixels", "leave --image-size away")
    asked = {} if architecture in OWN else getattr(clip.visual, "preprocess_cfg", None) or {}
    how = preprocessing(asked, _size(config))
    named = "" if architecture in OWN else architecture
    return _made(clip, how, config, architecture, named, cache_dir)


def loaded(located: Located, *, cache_dir: str | Path | None = None) -> Made:
    """A checkpoint to go on from. Errors of `fill`."""
    assert located.preprocessing is not None
    config = copy.deepcopy(dict(located.settings)) | {"quick_gelu": located.quick_gelu}
    clip = fill(located, cache_dir)
    return _made(clip, located.preprocessing, config, located.name, located.tokenizer, cache_dir)


def with_lora(made: Made, rank: int, seed: int) -> Made:
    """The same model, of which only low-rank changes of attention and MLPs are trained. Errors of `lora.adapt`."""
    made.model.clip = lora.adapt(made.model.clip, rank, seed)
    return replace(made, adapted=True)


def _made(
    clip: Any, how: Preprocessing, config: dict[str, Any], architecture: str, named: str, cache_dir: str | Path | None
) -> Made:
    import open_clip

    length = int(getattr(clip, "context_length", 77))
    config["vision_cfg"].pop("patch_dropout", None)
    if named:
        tokenizer = tokenizer_of(named, architecture, cache_dir)
    else:
        tokenizer = open_clip.SimpleTokenizer(context_length=length)

    def tokenize(texts: Sequence[str]) -> NDArray[Any]:
        tokens: NDArray[Any] = tokenizer(list(texts)).numpy().astype(np.int32)
        return tokens

    words = {} if isinstance(tokenizer, open_clip.SimpleTokenizer) else _files_of(tokenizer)
    what = {name: hashlib.sha256(body).hexdigest() for name, body in sorted(words.items())}
    what |= {name: config["text_cfg"].get(name) for name in ("tokenizer_kwargs", "tokenizer_mode")}
    mark = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
    return Made(Contrastive(clip, how), how, config, architecture, tokenize, f"open_clip {length} {mark}", words)


def _files_of(tokenizer: Any) -> dict[str, bytes]:
    """What a tokenizer of transformers saves, for open_clip looks for it beside a configuration in a folder."""
    with tempfile.TemporaryDirectory() as name:
        tokenizer.save_pretrained(name)
        return {path.name: path.read_bytes() for path in sorted(Path(name).iterdir()) if path.is_file()}


def _size(config: Mapping[str, Any]) -> int:
    size = config["vision_cfg"].get("image_size", 224)
    if isinstance(size, list | tuple):
        if len(set(size)) != 1:
            raise UsageError(f"pictures of {size} pixels", "squares are read")
        size = size[0]
    return int(size)
