"""Models to be trained as probes: small named towers, open_clip's architectures, LoRA on a checkpoint, heads.

    >>> built = build("conv-nano", seed=0)                                # the recipes' small towers
    >>> built = build("ViT-B-32", seed=0)                                 # any architecture of open_clip, from scratch
    >>> built = build(None, seed=0, start="ViT-B-32/openai", lora_rank=8) # low-rank changes to a checkpoint
    >>> built = build(None, seed=0, frozen="image=timm:resnet50,text=hf:distilbert/distilbert-base-uncased")
    >>> pixels = np.stack([built.preprocess(rgb) for rgb in photos]); tokens = built.tokenize(captions)
    >>> ...                                                               # vlcorpus.probe.train trains built.model
    >>> files = built.files({"name": "raw", "seed": 0})                   # what the probe's folder holds

Weights hang on the arguments only; torch's own random state is left as it was. What is saved loads by
`vlcorpus.clip.model.load(folder)`, whatever it is; open_clip's architectures are saved as a directory that open_clip
loads too, with the changes of LoRA merged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from vlcorpus.clip import contrastive, saved, towers, two, words
from vlcorpus.clip.model import places
from vlcorpus.clip.preprocess import prepare
from vlcorpus.clip.references import locate
from vlcorpus.clip.weights import read_weights
from vlcorpus.errors import UsageError

Files = Callable[[Mapping[str, Any]], dict[str, bytes]]


@dataclass(frozen=True)
class Built:
    """A model and what its pairs must become before it can be trained on them."""

    model: nn.Module
    """A vlcorpus.probe.train.Trainable, on its device"""
    image_size: int
    preprocess: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    """(H, W, 3) uint8 to (3, S, S) uint8"""
    preprocessing_key: str
    """Equal keys give equal pixels"""
    tokenize: Callable[[Sequence[str]], NDArray[Any]]
    """N texts to (N, L) integers, 0 is padding"""
    tokenizer_key: str
    frozen: Any
    """vlcorpus.clip.frozen.Frozen, where heads are trained on its features; else None"""
    _files: Files

    def files(self, settings: Mapping[str, Any]) -> dict[str, bytes]:
        """After training: names and bytes of what the probe's folder holds. settings: kept in probe.json."""
        return self._files(settings)


def build(
    architecture: str | None,
    *,
    seed: int,
    image_size: int | None = None,
    start: str | None = None,
    lora_rank: int | None = None,
    frozen: str | None = None,
    dimension: int = 128,
    patch_dropout: float = 0.0,
    device: str = "cpu",
    cache_dir: str | Path | None = None,
    download: bool = False,
) -> Built:
    """A model to train. Exactly one of architecture, start and frozen says which.

    architecture: conv-nano, conv-micro, vit-nano, or a name of open_clip's; its weights are drawn from seed.
    start: reference of a model whose weights are gone on with; lora_rank: changed by matrices of that rank alone.
    frozen: reference to two encoders, for heads. dimension: of heads, conv-nano, conv-micro and vit-nano.
    patch_dropout: share of patches left out in training. Raises UsageError for words that do not go together,
    SourceError for weights that are not there.
    """
    if sum(each is not None for each in (architecture, start, frozen)) != 1:
        raise UsageError("a model is an architecture, a start or frozen encoders", "name one of the three")
    if lora_rank is not None and start is None:
        raise UsageError("LoRA changes a model that is there", "name it: --start MODEL")
    if start is not None and len(two.towers(start)) > 1:
        raise UsageError(f"{start} names two models", "one is trained further; or heads on both: --frozen")
    place = places(device)[0]
    if frozen is not None:
        return _heads(frozen, seed, dimension, device, cache_dir, download)
    if architecture in towers.ARCHITECTURES:
        return _small(towers.build(architecture, dimension=dimension, image_size=image_size or 32, seed=seed).to(place))
    if architecture is not None:
        made = contrastive.fresh(
            architecture, seed=seed, image_size=image_size, dimension=dimension, cache_dir=cache_dir
        )
    else:
        assert start is not None
        located = locate(start, cache_dir=cache_dir, download=download)
        if located.kind == "probe":
            if lora_rank is not None:
                raise UsageError(f"{start} has no attention to change", "LoRA is for open_clip's transformers")
            small = saved.probe_model(located.settings, read_weights(located.weights))
            _check(start, small.image_size, image_size)
            return _small(small.to(place))
        if located.kind != "open_clip":
            raise UsageError(f"{start} cannot be trained further", "models in open_clip's layout and probes can")
        made = contrastive.loaded(located, cache_dir=cache_dir)
    _check(architecture or start, made.how.size, image_size)
    if lora_rank is not None:
        made = contrastive.with_lora(made, lora_rank, seed)
    made.model.to(place)
    if patch_dropout:
        made.model.patch_dropout(patch_dropout)
    return Built(
        made.model,
        made.how.size,
        lambda rgb: prepare(rgb, made.how),
        made.how.pixels,
        made.tokenize,
        made.tokenizer_key,
        None,
        made.files,
    )


def _check(name: str | None, size: int, asked: int | None) -> None:
    if asked not in (None, size):
        raise UsageError(f"{name} has pictures of {size} pixels", "leave --image-size away")


def _small(model: towers.DualEncoder) -> Built:
    how = saved.probe_preprocessing(model.image_size)
    vocabulary = model.vocabulary
    return Built(
        model,
        model.image_size,
        lambda rgb: prepare(rgb, how),
        how.pixels,
        lambda texts: words.tokenize(texts, words.CONTEXT, vocabulary),
        f"words {words.CONTEXT} {vocabulary}",
        None,
        lambda settings: saved.probe_files(model, settings),
    )


def _heads(
    reference: str, seed: int, dimension: int, device: str, cache_dir: str | Path | None, download: bool
) -> Built:
    from vlcorpus.clip import frozen as encoders
    from vlcorpus.clip import heads

    frozen = encoders.open(reference, device=device, cache_dir=cache_dir, download=download)
    model = heads.build_heads(frozen.image_dimension, frozen.text_dimension, dimension=dimension, seed=seed)
    return Built(
        model.to(places(device)[0]),
        frozen.image_size,
        frozen.preprocess,
        frozen.preprocessing_key,
        lambda texts: np.zeros((len(texts), 1), np.int16),  # never read: the frozen encoder reads texts
        frozen.key,
        frozen,
        lambda settings: heads.heads_files(model, frozen.about(), settings),
    )
