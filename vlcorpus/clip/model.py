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

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from vlcorpus.clip import towers, words
from vlcorpus.clip.encoder import PRECISIONS, Encoder, ImageTower, ModelCard, TextTower
from vlcorpus.clip.fill import fill, tokenizer_of
from vlcorpus.clip.located import Located
from vlcorpus.clip.preprocess import Preprocessing, normalise
from vlcorpus.clip.references import PROBE_SETTINGS, PROBE_WEIGHTS, locate
from vlcorpus.clip.saved import check_settings, probe_files, probe_model, probe_preprocessing
from vlcorpus.clip.two import towers as two_towers
from vlcorpus.clip.weights import digest, read_weights
from vlcorpus.errors import UsageError

__all__ = ["Encoder", "ModelCard", "as_encoder", "describe", "load", "load_copies", "probe_files"]


@dataclass(frozen=True)
class Read:
    """One reference, with its weights."""

    located: Located
    weights: Mapping[str, Tensor]
    how: Preprocessing | None
    dimension: int
    weights_hash: str
    digest: str
    """Of weights, preprocessing, activations"""


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
    place = _device(device)
    return _load(reference, [place], precision, cache_dir, download)[0]


def load_copies(
    reference: str,
    devices: str,
    *,
    precision: str = "fp32",
    cache_dir: str | Path | None = None,
    download: bool = True,
) -> list[Encoder]:
    """As `load`, once for each device of `devices`: `cpu`, `cuda:0,cuda:1`, or `cuda` for every one there is."""
    return _load(reference, places(devices), precision, cache_dir, download)


def describe(reference: str, *, cache_dir: str | Path | None = None, download: bool = False) -> ModelCard:
    """The card of a model, from its settings and a digest of its weights; builds nothing. 1 s for 1 GB of weights."""
    image, text = _parts(reference, cache_dir, download)
    return _card(image, text)


def places(devices: str) -> list[torch.device]:
    """The devices that a person named. UsageError for one that is not there, named twice, or of another kind: vectors
    would hang on which device a batch came to."""
    names = devices.split(",")
    if devices == "cuda" and torch.cuda.device_count() > 1:
        names = [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    found = [_device(name.strip()) for name in names]
    kinds = {place.type for place in found}
    if len(kinds) > 1:
        raise UsageError(f"{devices} are devices of several kinds", "name devices of one kind, as cuda:0,cuda:1")
    if kinds != {"cpu"} and len(set(found)) < len(found):
        raise UsageError(f"{devices} names a device twice", "name each once")
    return found


def _load(
    reference: str, devices: Sequence[torch.device], precision: str, cache: str | Path | None, download: bool
) -> list[Encoder]:
    if precision not in PRECISIONS:
        raise UsageError(f"no precision is called {precision!r}", "known: " + ", ".join(PRECISIONS))
    image, text = _parts(reference, cache, download)
    card = _card(image, text)
    made = []
    for place in devices:
        image_tower, text_tower = towers_of(image, place, cache, download)
        if text is not image:
            text_tower = towers_of(text, place, cache, download)[1]
        assert image_tower is not None
        made.append(Encoder(card, place, precision, image_tower, text_tower))
    return made


def _parts(reference: str, cache: str | Path | None, download: bool) -> tuple[Read, Read]:
    """What the image tower and the text tower come from: the same, or two."""
    image, *others = [read(part, cache, download) for part in two_towers(reference)]
    text = others[0] if others else image
    if image.how is None:
        raise UsageError(
            f"{image.located.reference} has no image tower",
            f"name one beside it: image=ViT-B-32/openai,text={text.located.reference}",
        )
    if image.dimension != text.dimension:
        raise UsageError(
            f"{image.located.reference} has {image.dimension} dimensions and {text.located.reference} {text.dimension}",
            "two towers give vectors of one space; use a text tower that was trained for this image tower",
        )
    return image, text


def read(reference: str, cache: str | Path | None, download: bool) -> Read:
    """One model, or tower, with its weights and their digest."""
    return filled(locate(reference, cache_dir=cache, download=download))


def filled(located: Located) -> Read:
    """What was found, with its weights."""
    weights = read_weights(located.weights)
    for lead, file in located.more:
        weights |= {lead + name: tensor for name, tensor in read_weights(file).items()}
    return named(located, weights)


def named(located: Located, weights: Mapping[str, Tensor]) -> Read:
    how, dimension = located.preprocessing, located.dimension
    encoders: Mapping[str, Any] = {}
    if located.kind == "probe":
        check_settings(located.settings)
        how, dimension = probe_preprocessing(located.settings["image_size"]), located.settings["dimension"]
    elif located.kind == "heads":
        from vlcorpus.clip import heads

        how, dimension, encoders = heads.described(located.settings, weights)
    elif located.kind == "open_clip":
        dimension = located.settings["embed_dim"]
    also = dict(located.also) if located.also else {"quick_gelu": located.quick_gelu}
    also |= {"preprocessing": how.as_dict() if how is not None else None, **encoders}
    stored = digest(weights)
    whole = hashlib.sha256(f"{stored}\n{json.dumps(also, sort_keys=True)}".encode()).hexdigest()
    return Read(located, weights, how, dimension, stored, whole)


def _card(image: Read, text: Read) -> ModelCard:
    how, located = image.how, image.located
    assert how is not None
    weights_hash = image.weights_hash
    if text is image:
        slug = f"{_safe(located.name)}.{_safe(located.tag)}.{image.digest[:8]}"
        return ModelCard(located.name, slug, weights_hash, image.dimension, how.size, located.kind, how.as_dict())
    short = hashlib.sha256(f"{image.digest}\n{text.digest}".encode()).hexdigest()[:8]
    both = hashlib.sha256(f"{weights_hash}\n{text.weights_hash}".encode()).hexdigest()
    name = f"{located.name}-{located.tag}"
    slug = f"{_safe(name)}.{_safe(text.located.name)}.{short}"
    return ModelCard(f"{name} and {text.located.name}", slug, both, image.dimension, how.size, "two", how.as_dict())


def towers_of(
    read: Read, place: torch.device, cache: str | Path | None, download: bool = False
) -> tuple[ImageTower | None, TextTower]:
    """Built, on its device, in eval mode. download: encoders below heads that are not on this machine."""
    if read.located.kind == "probe":
        assert read.how is not None
        return _probe_towers(probe_model(read.located.settings, read.weights).to(place), read.how)
    if read.located.kind == "heads":
        from vlcorpus.clip import heads

        return heads.loaded(read.located.settings, read.weights, place, cache_dir=cache, download=download)
    if read.located.kind == "open_clip":
        assert read.how is not None
        return _open_clip_towers(read.located, read.how, place, cache)
    from vlcorpus.clip import huggingface_towers

    return huggingface_towers.build(read.located, read.weights, place)


def as_encoder(model: towers.DualEncoder, settings: Mapping[str, Any]) -> Encoder:
    """An encoder around a model just trained, with the slug that its files will have. Puts the model in eval mode."""
    files = probe_files(model, settings)
    stored = json.loads(files[PROBE_SETTINGS])
    located = Located("", "probe", model.architecture, stored["name"], Path(PROBE_WEIGHTS), stored, None)
    read = named(located, safetensors.torch.load(files[PROBE_WEIGHTS]))
    assert read.how is not None
    return Encoder(_card(read, read), model.logit_scale.device, "fp32", *_probe_towers(model, read.how))


def _probe_towers(model: towers.DualEncoder, how: Preprocessing) -> tuple[ImageTower, TextTower]:
    model.eval()

    def tokenize(texts: Sequence[str]) -> Tensor:
        return torch.from_numpy(words.tokenize(texts, words.CONTEXT, model.vocabulary))

    scale = float(model.logit_scale.detach().exp())
    return ImageTower(how, model.encode_image, scale, model), TextTower(tokenize, model.encode_text, model)


def _open_clip_towers(
    located: Located, how: Preprocessing, place: torch.device, cache: str | Path | None
) -> tuple[ImageTower, TextTower]:
    model, tokenizer = fill(located, cache), tokenizer_of(located.tokenizer, located.reference, cache)
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

    return ImageTower(how, image_tower, scale, model), TextTower(tokenize, text_tower, model)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"device {name!r} cannot be used: {str(error).splitlines()[0][:120]}", "try cpu") from error
    return (
        torch.device("cuda", torch.cuda.current_device()) if device.type == "cuda" and device.index is None else device
    )


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:60] or "model"
