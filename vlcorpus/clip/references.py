"""How a model is named on the command line, and where its files are.

| reference | means |
|---|---|
| `ViT-B-32/openai` | open_clip's architecture and weights tag; downloaded once, then from the cache |
| `hf-hub:org/repo` | a repository in open_clip's format on the Hugging Face Hub; the same |
| `local-dir:PATH`, or PATH alone | a directory with open_clip_config.json and weights |
| `ViT-B-32@PATH.safetensors` | open_clip's architecture and weights of one's own (.safetensors, .pt, .pth, .bin) |
| `hf:ORG/REPO`, `hf:PATH` | a checkpoint of transformers, or a text tower of sentence-transformers (safetensors only) |
| a directory with probe.json | a probe of ours |
| `image=REF,text=REF` | the image tower of one and the text tower of another |

    >>> located = locate("local-dir:models/tiny")
    >>> located.name, located.tag, located.weights.name
    ('tiny', 'local', 'open_clip_model.safetensors')

The network is touched only when the weights are nowhere on this machine and `download` is true.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlcorpus.clip import huggingface
from vlcorpus.clip.encoder import Kind
from vlcorpus.clip.located import LOCAL_HINT, Located, NotHere, fetched, read_settings
from vlcorpus.clip.preprocess import preprocessing
from vlcorpus.clip.two import towers
from vlcorpus.clip.weights import PICKLED, SAFE
from vlcorpus.errors import SourceError, UsageError, nearest

__all__ = ["PROBE_SETTINGS", "PROBE_WEIGHTS", "Located", "NotHere", "is_local", "locate", "read_settings"]

PROBE_SETTINGS = "probe.json"
PROBE_WEIGHTS = "weights.safetensors"
OPEN_CLIP_SETTINGS = "open_clip_config.json"

_HUB_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_DIRECTORY_WEIGHTS = (*_HUB_WEIGHTS, "open_clip_pytorch_model.safetensors", "model.safetensors", "pytorch_model.bin")
_FORMS = (
    "known forms: NAME/TAG, hf-hub:ORG/REPO, local-dir:PATH, NAME@FILE.safetensors, hf:ORG/REPO, hf:PATH, a probe's "
    "directory, or image=REF,text=REF"
)


def locate(reference: str, *, cache_dir: str | Path | None = None, download: bool = True) -> Located:
    """Finds the files of a model, or of one of two towers.

    Raises UsageError for a reference that means nothing, SourceError for files that are not there, cannot be fetched or
    say something we do not follow.
    """
    cache = str(cache_dir) if cache_dir is not None else None
    if reference.startswith("local-dir:"):
        return _directory(reference, Path(reference.removeprefix("local-dir:")))
    if reference.startswith("hf-hub:"):
        return _hub(reference, cache, download)
    if reference.startswith(huggingface.LEAD):
        return huggingface.locate(reference, cache, download)
    name, at, file = reference.partition("@")
    if at and Path(file).suffix in SAFE + PICKLED:
        return _checkpoint(reference, name, Path(file))
    if (Path(reference) / PROBE_SETTINGS).is_file():
        return _probe(reference, Path(reference))
    if (Path(reference) / OPEN_CLIP_SETTINGS).is_file():
        return _directory(reference, Path(reference))
    name, slash, tag = reference.rpartition("/")
    if slash and name and tag and not Path(reference).exists():
        return _tagged(reference, name, tag, cache, download)
    raise UsageError(f"{reference!r} names no model", _FORMS)


def is_local(reference: str, *, cache_dir: str | Path | None = None) -> bool:
    """Whether the model can be loaded without downloading its weights."""
    try:
        for part in towers(reference):
            locate(part, cache_dir=cache_dir, download=False)
    except NotHere:
        return False
    return True


def _probe(reference: str, directory: Path) -> Located:
    settings = read_settings(directory / PROBE_SETTINGS)
    name, architecture = settings.get("name"), settings.get("architecture")
    if not isinstance(name, str) or not isinstance(architecture, str):
        raise SourceError(f"{directory / PROBE_SETTINGS} names no probe and architecture", "train the probe again")
    if settings.get("kind") == "open_clip":
        return replace(_directory(reference, directory), name=architecture, tag=name)
    kind: Kind = "heads" if settings.get("kind") == "heads" else "probe"
    return Located(reference, kind, architecture, name, directory / PROBE_WEIGHTS, settings, None)


def _directory(reference: str, directory: Path) -> Located:
    if not (directory / OPEN_CLIP_SETTINGS).is_file():
        raise SourceError(f"{directory} has no {OPEN_CLIP_SETTINGS}", "give the directory of an open_clip model")
    config = read_settings(directory / OPEN_CLIP_SETTINGS)
    found = [directory / name for name in _DIRECTORY_WEIGHTS if (directory / name).is_file()]
    found += sorted(path for ending in SAFE + PICKLED for path in directory.glob(f"*{ending}"))
    if not found:
        raise SourceError(f"{directory} has no weights", "put open_clip_model.safetensors beside the configuration")
    base = f"local-dir:{directory}"
    return _configured(reference, directory.resolve().name, "local", found[0], config, base, base)


def _checkpoint(reference: str, name: str, file: Path) -> Located:
    if not file.is_file():
        raise SourceError(f"{file} is not a file", "give the path of the weights after the @")
    return _configured(reference, name, file.stem, file, {"model_cfg": _architecture(name)}, name, name)


def _tagged(reference: str, name: str, tag: str, cache: str | None, download: bool) -> Located:
    from open_clip import pretrained

    model = _architecture(name)
    known = pretrained.list_pretrained_tags_by_model(name)
    settings = pretrained.get_pretrained_cfg(name, tag)
    if not settings:
        raise UsageError(f"open_clip has no weights {tag!r} for {name}", nearest(tag, known))
    weights = _cached(settings, cache)
    if weights is None:
        if not download:
            raise NotHere(f"the weights of {reference} are not on this machine", LOCAL_HINT)
        weights = fetched(reference, lambda: pretrained.download_pretrained(settings, cache_dir=cache))
    # open_clip warns and goes on when a tag was trained with another activation than the architecture's: the vectors
    # would be those of no model at all.
    quick = bool(settings.get("quick_gelu", False)) or bool(model.get("quick_gelu", False))
    config = {"model_cfg": model | {"quick_gelu": quick}, "preprocess_cfg": settings}
    return _configured(reference, name, tag, weights, config, name, name)


def _hub(reference: str, cache: str | None, download: bool) -> Located:
    from huggingface_hub import try_to_load_from_cache
    from open_clip import pretrained

    repository = reference.removeprefix("hf-hub:")
    organisation, slash, name = repository.partition("/")
    if not slash or not organisation or not name or "/" in name:
        raise UsageError(f"{reference!r} names no repository", "hf-hub:ORG/REPO")

    def here(file: str) -> Path | None:
        found = try_to_load_from_cache(repository, file, cache_dir=cache)
        return Path(found) if isinstance(found, str) else None

    settings = here(OPEN_CLIP_SETTINGS)
    weights = next((path for path in map(here, _HUB_WEIGHTS) if path), None)
    if settings is None or weights is None:
        if not download:
            raise NotHere(f"{reference} is not on this machine", LOCAL_HINT)
        get = pretrained.download_pretrained_from_hf
        settings = fetched(reference, lambda: get(repository, filename=OPEN_CLIP_SETTINGS, cache_dir=cache))
        weights = fetched(reference, lambda: get(repository, cache_dir=cache))
    config = read_settings(settings)
    base = f"local-dir:{settings.parent}"
    tokenizer = reference if config.get("model_cfg", {}).get("text_cfg", {}).get("hf_tokenizer_name") else base
    return _configured(reference, name, organisation, weights, config, base, tokenizer)


def _configured(
    reference: str, name: str, tag: str, weights: Path, config: Mapping[str, Any], base: str, tokenizer: str
) -> Located:
    model = config.get("model_cfg")
    parts = [model.get(key) if isinstance(model, dict) else None for key in ("vision_cfg", "text_cfg")]
    if not isinstance(model, dict) or not all(isinstance(part, dict) for part in parts):
        raise SourceError(f"the configuration of {reference} has no towers", "it needs model_cfg with both towers")
    vision, text = parts
    assert isinstance(vision, dict) and isinstance(text, dict)
    size, dimension = vision.get("image_size", 224), model.get("embed_dim")
    if isinstance(size, list) and len(size) == 2 and size[0] == size[1]:
        size = size[0]
    if not isinstance(size, int) or not 8 <= size <= 4096 or not isinstance(dimension, int):
        raise SourceError(
            f"{reference} has images of {size} and {dimension} dimensions", "squares of 8 to 4096 are read"
        )
    if "trust_remote_code" in json.dumps(text):
        raise SourceError(f"{reference} asks to run code of its own", "use a model that does not")
    how = config.get("preprocess_cfg") or {}
    return Located(
        reference, "open_clip", name, tag, weights, model, preprocessing(how, size), base,
        bool(model.get("quick_gelu", False)), tokenizer,
    )  # fmt: skip


def _architecture(name: str) -> dict[str, Any]:
    import open_clip

    model = open_clip.get_model_config(name) if ":" not in name else None
    if model is None:
        raise UsageError(f"open_clip has no architecture {name!r}", nearest(name, open_clip.list_models()))
    return dict(model)


def _cached(settings: Mapping[str, Any], cache: str | None) -> Path | None:
    """The weights of a tag where open_clip would put them, without asking the network."""
    from huggingface_hub import try_to_load_from_cache

    repository, _, file = str(settings.get("hf_hub", "")).rpartition("/")
    if repository:
        names = _HUB_WEIGHTS if not file else (str(Path(file).with_suffix(".safetensors")), file)
        for name in names:
            found = try_to_load_from_cache(repository, name, cache_dir=cache)
            if isinstance(found, str):
                return Path(found)
        return None
    target = Path(cache or "~/.cache/clip").expanduser() / str(settings.get("url", "")).rpartition("/")[2]
    return target if target.is_file() else None
