"""Checkpoints in the layouts of transformers and sentence-transformers: found, looked at, not yet built.

    >>> located = locate("hf:models/tiny", None, download=False)
    >>> located.kind, located.dimension, located.preprocessing.size
    ('transformers', 512, 224)

| folder holds | is |
|---|---|
| config.json of a model type in MODELS, preprocessor_config.json | both towers |
| modules.json: Transformer, Pooling, then Dense or Normalize | a text tower of sentence-transformers |
| config.json of a model type in TEXTS | an encoder of words, only where one is asked for (`words`): their mean |

Weights are safetensors, whole or in parts, and nothing else. Nothing that asks for code of its own is read (`auto_map`,
module types, activations outside a list of names). How pixels are made ready is taken from preprocessor_config.json to
the letter, or the model is refused: embeddings made otherwise would not be that model's.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlcorpus.clip.located import Located, NotHere, fetched, read_json, read_settings
from vlcorpus.clip.preprocess import CLIP_MEAN, CLIP_STD, Preprocessing, preprocessing
from vlcorpus.errors import SourceError, UsageError

LEAD = "hf:"
MODELS = {
    "clip": "CLIPModel",
    "siglip": "SiglipModel",
    "altclip": "AltCLIPModel",
    "chinese_clip": "ChineseCLIPModel",
}
TEXTS = {
    "bert": "BertModel",
    "distilbert": "DistilBertModel",
    "mpnet": "MPNetModel",
    "roberta": "RobertaModel",
    "xlm-roberta": "XLMRobertaModel",
}
ACTIVATIONS = {
    "torch.nn.modules.linear.Identity": "identity",
    "torch.nn.modules.activation.Tanh": "tanh",
}
"""Names in a Dense module's config.json, and what they are here; they are never imported."""

EXTRA = "pip install 'vlcorpus[transformers]'"
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.safetensors")
_MODULE = re.compile(r"sentence_transformers\.[a-z_.]+\.([A-Za-z]+)")
_WANTED = ["*.json", "*.txt", "*.model", "*.safetensors"]
_UNWANTED = ["onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*"]
_MOST_LAYERS = 256
_RESAMPLE = {2: "bilinear", 3: "bicubic"}
_POOLING = {"pooling_mode_cls_token": "cls", "pooling_mode_mean_tokens": "mean"}
_CANNOT = "another model, or its open_clip twin (hf-hub:ORG/REPO), can be used"
# What else preprocessor_config.json may say without making other pixels of one picture.
_WITHOUT_EFFECT = {
    "_valid_processor_keys", "data_format", "default_to_square", "device", "disable_grouping",
    "do_convert_rgb", "feature_extractor_type", "image_processor_type", "image_seq_length", "input_data_format",
    "processor_class", "return_tensors",
}  # fmt: skip


def library(reference: str) -> Any:
    """The package transformers, which is optional."""
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise SourceError(f"{reference} needs the package transformers ({error})", EXTRA) from error


def locate(reference: str, cache: str | None, download: bool, *, words: bool = False) -> Located:
    """The files of `hf:…`. Raises as `references.locate` does.

    words: an encoder of words that was never trained for a space of vectors will do (DistilBERT as it is).
    """
    named = reference.removeprefix(LEAD)
    folder = Path(named)
    if named.startswith(("/", ".")) or (named and folder.is_dir()):
        if not folder.is_dir():
            raise SourceError(f"{folder} is not a folder", "give the folder that holds config.json after hf:")
        name, tag = folder.resolve().name, "local"
    else:
        if not _REPOSITORY.fullmatch(named):
            raise UsageError(f"{reference!r} names no checkpoint", "hf:ORG/REPO, or hf:/path/to/a/folder")
        tag, _, name = named.partition("/")
        folder = _snapshot(reference, named, cache, download)
    if (folder / "modules.json").is_file():
        return _sentence(reference, folder, name, tag)
    if words and str(read_settings(folder / "config.json").get("model_type")) in TEXTS:
        return _words(reference, folder, name, tag)
    return _both_towers(reference, folder, name, tag)


def _snapshot(reference: str, repository: str, cache: str | None, download: bool) -> Path:
    from huggingface_hub import snapshot_download, try_to_load_from_cache

    known = [try_to_load_from_cache(repository, name, cache_dir=cache) for name in ("config.json", "modules.json")]
    for folder in (Path(path).parent for path in known if isinstance(path, str)):
        if any(folder.rglob("*.safetensors")):
            return folder
    if not download:
        raise NotHere(f"{reference} is not on this machine", "give its folder, where it is: hf:/path/to/the/folder")
    return fetched(
        reference,
        lambda: snapshot_download(repository, cache_dir=cache, allow_patterns=_WANTED, ignore_patterns=_UNWANTED),
    )


def _both_towers(reference: str, folder: Path, name: str, tag: str) -> Located:
    settings = _config(reference, folder)
    kind = settings.get("model_type")
    if kind not in MODELS:
        raise SourceError(f"{reference} is a model of type {kind!r}", "known: " + ", ".join(MODELS))
    config = getattr(library(reference), MODELS[kind]).config_class.from_dict(dict(settings))
    vision, text = config.vision_config, config.text_config
    _check_layers(reference, vision, text)
    size = vision.image_size
    if type(size) is not int or not 8 <= size <= 4096:
        raise SourceError(f"{reference} has images of {size}", "squares of 8 to 4096 are read")
    dimension = vision.hidden_size if kind == "siglip" else config.projection_dim
    if kind == "siglip" and text.projection_size != dimension:
        raise SourceError(f"{reference} has towers of {dimension} and {text.projection_size} dimensions", _CANNOT)
    how = pixels(_image_processor(folder), size)
    files = weights_of(reference, folder)
    also = {"activations": [str(vision.hidden_act), str(text.hidden_act)]}
    more = tuple(("", file) for file in files[1:])
    return Located(
        reference, "transformers", name, tag, files[0], settings, how, str(folder),
        dimension=dimension, more=more, also=also,
    )  # fmt: skip


def _image_processor(folder: Path) -> dict[str, Any]:
    """Its settings, which newer checkpoints have within processor_config.json."""
    inside = folder / "processor_config.json"
    if not (folder / "preprocessor_config.json").is_file() and inside.is_file():
        settings = read_settings(inside).get("image_processor")
        if isinstance(settings, dict):
            return settings
    return read_settings(folder / "preprocessor_config.json")


def _sentence(reference: str, folder: Path, name: str, tag: str) -> Located:
    """A text tower: an encoder of words, what makes one vector of theirs, and matrices behind it."""
    home, pooling, *behind = modules(reference, folder)
    if home[0] != "Transformer" or pooling[0] != "Pooling" or any(each[0] not in _BEHIND for each in behind):
        found = ", ".join(each[0] for each in (home, pooling, *behind))
        raise SourceError(f"{reference} has the modules {found}", "Transformer, Pooling, Dense and Normalize are read")
    settings = _config(reference, home[1])
    if settings.get("model_type") not in TEXTS:
        found = repr(settings.get("model_type"))
        raise SourceError(f"{reference} reads words with a model of type {found}", "known: " + ", ".join(TEXTS))
    config = getattr(library(reference), TEXTS[settings["model_type"]]).config_class.from_dict(dict(settings))
    _check_layers(reference, config)
    way = pooled(reference, read_settings(pooling[1] / "config.json"))
    dimension = config.hidden_size
    files = [("", file) for file in weights_of(reference, home[1])]
    layers = []
    for number, (kind, place) in enumerate(behind):
        if kind == "Dense":
            activation, dimension = _dense(reference, place, dimension)
            files += [(f"dense.{number}.", file) for file in weights_of(reference, place)]
            layers.append({"prefix": f"dense.{number}.", "activation": activation})
    about = home[1] / "sentence_bert_config.json"
    said = read_settings(about) if about.is_file() else {}
    also = {
        "pooling": way,
        "dense": layers,
        "longest": _count(said.get("max_seq_length")),
        "lower": said.get("do_lower_case") is True,
        "activation": str(getattr(config, "hidden_act", getattr(config, "activation", ""))),
    }
    return Located(
        reference, "sentence", name, tag, files[0][1], settings, None, str(home[1]),
        dimension=dimension, more=tuple(files[1:]), also=also,
    )  # fmt: skip


def _words(reference: str, folder: Path, name: str, tag: str) -> Located:
    """An encoder of words, the mean of which is taken."""
    settings = _config(reference, folder)
    config = getattr(library(reference), TEXTS[settings["model_type"]]).config_class.from_dict(dict(settings))
    _check_layers(reference, config)
    activation = str(getattr(config, "hidden_act", getattr(config, "activation", "")))
    also: dict[str, Any] = {"pooling": "mean", "dense": [], "longest": None, "lower": False, "activation": activation}
    files = weights_of(reference, folder)
    return Located(
        reference, "sentence", name, tag, files[0], settings, None, str(folder),
        dimension=config.hidden_size, more=tuple(("", file) for file in files[1:]), also=also,
    )  # fmt: skip


_BEHIND = ("Dense", "Normalize")  # every vector is made a unit vector in the end


def modules(reference: str, folder: Path) -> list[tuple[str, Path]]:
    """(kind, folder) of each module of modules.json, in order; none lies outside."""
    listed = read_json(folder / "modules.json")
    found = []
    for each in listed if isinstance(listed, list) else []:
        kind = _MODULE.fullmatch(str(each.get("type"))) if isinstance(each, dict) else None
        path = each.get("path") if isinstance(each, dict) else None
        if kind is None or not isinstance(path, str) or not re.fullmatch(r"[A-Za-z0-9_-]*", path):
            raise SourceError(f"{folder / 'modules.json'} names a module that is not read: {each!r:.100}", _CANNOT)
        found.append((kind[1], folder / path if path else folder))
    if len(found) < 2:
        raise SourceError(f"{reference} has {len(found)} modules", "a text tower has a Transformer and a Pooling")
    return found


def pooled(reference: str, settings: Mapping[str, Any]) -> str:
    """`mean` or `cls`, from the config.json of a Pooling module."""
    modes = {key for key, value in settings.items() if key.startswith("pooling_mode_") and value is True}
    named = settings.get("pooling_mode")
    ways = [_POOLING[mode] for mode in modes if mode in _POOLING] if named is None else [str(named)]
    if len(ways) != 1 or ways[0] not in ("mean", "cls") or (named is None and len(modes) != 1):
        raise SourceError(f"{reference} pools by {named or sorted(modes)}", "the mean or the first token are known")
    if settings.get("include_prompt") is False:
        raise SourceError(f"{reference} leaves a prompt out of the mean", _CANNOT)
    return ways[0]


def _dense(reference: str, folder: Path, width: int) -> tuple[str, int]:
    """(activation, number of outputs) of a Dense module behind vectors of `width`."""
    settings = read_settings(folder / "config.json")
    name = str(settings.get("activation_function", "torch.nn.modules.activation.Tanh"))
    if name not in ACTIVATIONS:
        raise SourceError(f"{reference} has the activation {name!r}", "known: " + ", ".join(ACTIVATIONS))
    wide, out = settings.get("in_features"), settings.get("out_features")
    if wide != width or type(out) is not int or out < 1:
        raise SourceError(f"{folder} makes {out} of {wide} numbers, and there are {width}", "save the model again")
    return ACTIVATIONS[name], out


def weights_of(reference: str, folder: Path) -> list[Path]:
    """The safetensors files of a folder, in order of their names."""
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    if not index.is_file():
        raise SourceError(
            f"{folder} has no model.safetensors",
            "pickled weights are not opened; save them as safetensors where you trust them",
        )
    parts = read_settings(index).get("weight_map")
    names = sorted({str(name) for name in parts.values()}) if isinstance(parts, dict) else []
    for name in names:
        if not _PART.fullmatch(name) or not (folder / name).is_file():
            raise SourceError(f"{reference} has no part {name!r}", "download or save the model again")
    if not names:
        raise SourceError(f"{index} names no weights", "download or save the model again")
    return [folder / name for name in names]


def pixels(settings: Mapping[str, Any], size: int) -> Preprocessing:
    """How transformers' image processor makes pixels ready. Raises SourceError for what is not followed exactly."""
    unknown = {key: value for key, value in settings.items() if key not in _READ | _WITHOUT_EFFECT and value}
    if unknown:
        raise SourceError(f"preprocessor_config.json says {_told(unknown)}, which is not followed", _CANNOT)
    for key in ("do_resize", "do_rescale", "do_normalize"):
        if settings.get(key, True) is not True:
            raise SourceError(f"preprocessor_config.json says {key}: {settings[key]!r}, which is not followed", _CANNOT)
    factor, resample = settings.get("rescale_factor", 1 / 255), settings.get("resample", 3)
    if not isinstance(factor, float) or abs(factor * 255 - 1) > 1e-6 or resample not in _RESAMPLE:
        raise SourceError(f"the model rescales by {factor!r} and resamples by {resample!r}", _CANNOT)
    wanted = settings.get("size", size)
    wanted = {"shortest_edge": wanted} if isinstance(wanted, int) else wanted
    cropped = settings.get("crop_size", size)
    cropped = {"height": cropped, "width": cropped} if isinstance(cropped, int) else cropped
    square = {"height": size, "width": size}
    crops = settings.get("do_center_crop", "crop_size" in settings)
    if wanted == {"shortest_edge": size} and crops is True and cropped == square:
        resize = "shortest"
    elif wanted == square and (not crops or cropped == square):
        resize = "squash"
    else:
        raise SourceError(
            f"the model resizes to {wanted} and cuts {cropped if crops else 'nothing'}, for images of {size}", _CANNOT
        )
    mean, std = settings.get("image_mean") or CLIP_MEAN, settings.get("image_std") or CLIP_STD
    read = {"mean": mean, "std": std, "interpolation": _RESAMPLE[resample], "resize_mode": resize}
    return preprocessing(read, size, crop="down")


_READ = {
    "crop_size", "do_center_crop", "do_normalize", "do_rescale", "do_resize", "image_mean", "image_std", "resample",
    "rescale_factor", "size",
}  # fmt: skip


def _config(reference: str, folder: Path) -> dict[str, Any]:
    """config.json, of a model that runs no code of its own."""
    settings = read_settings(folder / "config.json")
    beside = [folder / name for name in ("tokenizer_config.json", "preprocessor_config.json", "processor_config.json")]
    texts = [json.dumps(settings), *(json.dumps(read_settings(path)) for path in beside if path.is_file())]
    if any(word in text for text in texts for word in ('"auto_map"', '"trust_remote_code"', '"custom_pipelines"')):
        raise SourceError(f"{reference} asks to run code of its own", "use a model that does not")
    if "quantization_config" in settings or (folder / "adapter_config.json").exists():
        raise SourceError(f"{reference} is quantised, or an adapter of another model", "use the whole model")
    return settings


def _check_layers(reference: str, *configs: Any) -> None:
    """A hostile number of layers would be built before the weights are looked at."""
    for config in configs:
        layers, width = config.num_hidden_layers, config.hidden_size
        if (
            type(layers) is not int
            or type(width) is not int
            or not (0 < layers <= _MOST_LAYERS and 0 < width <= 65_536)
        ):
            raise SourceError(f"{reference} has {layers} layers of {width}", f"up to {_MOST_LAYERS} layers are built")


def _count(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None


def _told(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}: {value!r:.40}" for key, value in sorted(values.items()))
