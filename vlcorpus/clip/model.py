"""One encoder for any dual-tower model, loaded by reference.

    >>> encoder = load("ViT-B-32/openai")                       # or a path: see references.py for the forms
    >>> pixels = np.stack([encoder.preprocess(rgb) for rgb in photos])     # (N, 3, 224, 224) uint8
    >>> image_ND = encoder.encode_images(pixels)                # (N, 512) float32, unit rows
    >>> text_ND = encoder.encode_texts(["a dog", "a cat"])      # (2, 512) float32, unit rows
    >>> encoder.slug
    'ViT-B-32.openai.1a2b3c4d'

The slug's last eight characters are a digest of the weights, the preprocessing and the activation: two checkpoints of
one name never share a directory. A row whose vector is not finite (broken weights, overflow in half precision) comes
out as NaN in all its places: `numpy.isfinite(rows).all(1)` finds it, and nothing here hides it.

Loading a probe takes some 20 ms; an open_clip model imports torchvision (2 s) and reads its weights twice, once to name
and once to load them.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlcorpus.clip import towers, words
from vlcorpus.clip.preprocess import Preprocessing, normalise, prepare
from vlcorpus.clip.references import PROBE_SETTINGS, PROBE_WEIGHTS, Located, locate
from vlcorpus.clip.saved import check_settings, probe_files, probe_model, probe_preprocessing
from vlcorpus.clip.weights import digest, read_weights
from vlcorpus.errors import SourceError, UsageError

_PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model without building it."""

    name: str
    """Architecture, or repository"""
    slug: str
    """Safe as a file name"""
    weights_hash: str
    """sha256 over the stored tensors"""
    dimension: int
    image_size: int
    kind: Literal["open_clip", "probe"]
    preprocessing: dict[str, Any]


class Encoder:
    """Both towers of one model on one device, ready for use."""

    def __init__(
        self,
        card: ModelCard,
        how: Preprocessing,
        device: torch.device,
        precision: str,
        scale: float,
        image_tower: Callable[[Tensor], Tensor],
        text_tower: Callable[[Tensor], Tensor],
        tokenize: Callable[[Sequence[str]], Tensor],
    ) -> None:
        self.card = card
        self.slug = card.slug
        self.dimension = card.dimension
        self.image_size = card.image_size
        self.device = device
        self.precision = precision
        self.scale = scale
        """The model's own factor on cosines: softmax(scale * similarity)"""
        self._how = how
        self._image_tower = image_tower
        self._text_tower = text_tower
        self._tokenize = tokenize

    def preprocess(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 to (3, S, S) uint8."""
        return prepare(rgb, self._how)

    def encode_images(self, batch: NDArray[np.uint8] | Tensor) -> NDArray[np.float32]:
        """(N, 3, S, S) uint8, from `preprocess`, to (N, D) float32 unit rows; a failed row is all NaN."""
        image = torch.as_tensor(batch)
        if image.dtype != torch.uint8 or image.shape[1:] != (3, self.image_size, self.image_size):
            size = self.image_size
            raise ValueError(f"images are (N, 3, {size}, {size}) uint8, not {tuple(image.shape)} {image.dtype}")
        return self._rows(lambda: self._image_tower(image.to(self.device)), len(image))

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """N texts to (N, D) float32 unit rows; longer texts than the model reads are cut. A failed row is all NaN."""
        parts = [
            self._rows(lambda part=part: self._text_tower(self._tokenize(part).to(self.device)), len(part))  # type: ignore[misc]
            for part in (list(texts[start : start + _TEXTS_AT_ONCE]) for start in range(0, len(texts), _TEXTS_AT_ONCE))
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self.dimension), np.float32)

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        """The model's own tokens, (N, L) integers."""
        return self._tokenize(list(texts))

    def _rows(self, tower: Callable[[], Tensor], count: int) -> NDArray[np.float32]:
        if count == 0:
            return np.zeros((0, self.dimension), np.float32)
        half = self.precision != "fp32"
        with torch.inference_mode(), torch.autocast(self.device.type, _PRECISIONS[self.precision], enabled=half):
            rows = tower().float()
        length = rows.norm(dim=1, keepdim=True)
        # A row of zeros has no direction: as little an embedding as an infinite one.
        failed = ~(torch.isfinite(rows).all(1, keepdim=True) & torch.isfinite(length) & (length > 0))
        vectors: NDArray[np.float32] = (rows / length).masked_fill(failed, float("nan")).cpu().numpy()
        return vectors


def load(
    reference: str,
    *,
    device: str = "cpu",
    precision: str = "fp32",
    cache_dir: str | Path | None = None,
    download: bool = True,
) -> Encoder:
    """Loads a model by reference (the forms are in references.py).

    precision: fp32, or bf16 or fp16 by autocast; rows are float32 either way. download: whether weights that are not
    on this machine may be fetched. Raises UsageError for words that mean nothing, SourceError for weights that are
    missing, damaged, not of the architecture, or that would have to be unpickled.
    """
    if precision not in _PRECISIONS:
        raise UsageError(f"no precision is called {precision!r}", "known: " + ", ".join(_PRECISIONS))
    place = _device(device)
    located = locate(reference, cache_dir=cache_dir, download=download)
    weights = read_weights(located.weights)
    card, how = _card(located, weights)
    if located.kind == "probe":
        return _probe_encoder(probe_model(located.settings, weights).to(place), card, how, place, precision)
    return _open_clip_encoder(located, card, how, place, precision, cache_dir)


def describe(reference: str, *, cache_dir: str | Path | None = None, download: bool = False) -> ModelCard:
    """The card of a model, from its settings and a digest of its weights; builds nothing. 1 s for 1 GB of weights."""
    located = locate(reference, cache_dir=cache_dir, download=download)
    return _card(located, read_weights(located.weights))[0]


def as_encoder(model: towers.DualEncoder, settings: Mapping[str, Any]) -> Encoder:
    """An encoder around a model just trained, with the slug that its files will have. Puts the model in eval mode."""
    files = probe_files(model, settings)
    stored = json.loads(files[PROBE_SETTINGS])
    located = Located("", "probe", model.architecture, stored["name"], Path(PROBE_WEIGHTS), stored, None)
    card, how = _card(located, safetensors.torch.load(files[PROBE_WEIGHTS]))
    return _probe_encoder(model, card, how, model.logit_scale.device, "fp32")


def _card(located: Located, weights: Mapping[str, Tensor]) -> tuple[ModelCard, Preprocessing]:
    if located.kind == "probe":
        check_settings(located.settings)
        how, dimension = probe_preprocessing(located.settings["image_size"]), located.settings["dimension"]
    else:
        assert located.preprocessing is not None
        how, dimension = located.preprocessing, located.settings["embed_dim"]
    weights_hash = digest(weights)
    also = json.dumps({"preprocessing": how.as_dict(), "quick_gelu": located.quick_gelu}, sort_keys=True)
    short = hashlib.sha256(f"{weights_hash}\n{also}".encode()).hexdigest()[:8]
    slug = f"{_safe(located.name)}.{_safe(located.tag)}.{short}"
    return ModelCard(located.name, slug, weights_hash, dimension, how.size, located.kind, how.as_dict()), how


def _probe_encoder(
    model: towers.DualEncoder, card: ModelCard, how: Preprocessing, place: torch.device, precision: str
) -> Encoder:
    model.eval()

    def tokenize(texts: Sequence[str]) -> Tensor:
        return torch.from_numpy(words.tokenize(texts, words.CONTEXT, model.vocabulary))

    scale = float(model.logit_scale.detach().exp())
    return Encoder(card, how, place, precision, scale, model.encode_image, model.encode_text, tokenize)


def _open_clip_encoder(
    located: Located, card: ModelCard, how: Preprocessing, place: torch.device, precision: str, cache: str | Path | None
) -> Encoder:
    import open_clip

    cache_dir = str(cache) if cache is not None else None
    with _quiet(), torch.random.fork_rng(devices=[]):
        try:
            model: Any = open_clip.create_model(
                located.base,
                load_weights=False,
                pretrained_text=False,
                force_quick_gelu=located.quick_gelu,
                cache_dir=cache_dir,
            )
            open_clip.load_checkpoint(model, str(located.weights), strict=True, weights_only=True)
            tokenizer = open_clip.get_tokenizer(located.tokenizer, cache_dir=cache_dir)
        except ImportError as error:
            raise SourceError(
                f"{located.reference} needs another package: {error}", "pip install transformers"
            ) from error
        except Exception as error:  # whatever a configuration and weights of others can bring about
            reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
            raise SourceError(
                f"{located.reference} cannot be built: {reason}", "do the weights belong to this architecture?"
            ) from error
    model.eval().requires_grad_(False).to(place)
    scale = float(model.logit_scale.detach().exp()) if hasattr(model, "logit_scale") else 100.0

    def image_tower(batch: Tensor) -> Tensor:
        encoded: Tensor = model.encode_image(normalise(batch, how))
        return encoded

    def text_tower(tokens: Tensor) -> Tensor:
        encoded: Tensor = model.encode_text(tokens)
        return encoded

    def tokenize(texts: Sequence[str]) -> Tensor:
        tokens: Tensor = tokenizer(list(texts))
        return tokens

    return Encoder(card, how, place, precision, scale, image_tower, text_tower, tokenize)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"device {name!r} cannot be used: {str(error).splitlines()[0][:120]}", "try cpu") from error
    return device


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60] or "model"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """open_clip talks to the root logger, which would make itself a handler, and warns about what we decide here."""
    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(silent)
