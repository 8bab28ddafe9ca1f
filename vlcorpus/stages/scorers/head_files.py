"""Files of a head's weights: read without ever running what is in them, and named by their content.

    file_digest(path)      sha256 of the bytes, for a unit's inputs; looked at once as long as the file is the same
    read_head("nsfw", path)    -> HeadFile(head, weights_hash, model): what the file holds

| file | read as |
|---|---|
| .safetensors | tensors; of its metadata `model` (whose embeddings) and `layers` (see vlcorpus/scores/head_forms.py) |
| .pt .pth .bin | PyTorch with `weights_only`; anything but tensors is refused |
| .npz | numpy arrays without pickle |
| a folder | TensorFlow's SavedModel: its variables (vlcorpus/scores/tensor_bundle.py) |

`weights_hash` is over the tensors as stored, so the same weights in two kinds of file have the same.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SourceError

if TYPE_CHECKING:
    from ...scores.head_forms import Kind
    from ...scores.heads import Head

_BUNDLE = ("variables.index", "variables.data-00000-of-00001")


@dataclass(frozen=True)
class HeadFile:
    """A head as its file gives it. model: whose embeddings it reads, where the file says so."""

    head: Head
    weights_hash: str
    model: str | None


def file_digest(path: Path) -> str:
    """64 hex characters. SourceError where there is nothing to read."""
    return _digest(*_state(path))


def read_head(kind: Kind, path: Path) -> HeadFile:
    """SourceError where the file is missing, damaged, would have to be unpickled, or holds no head of this kind."""
    return _read(kind, *_state(path))


def _state(path: Path) -> tuple[tuple[Path, int, int], ...]:
    """The files that count, with what shows that they were changed."""
    variables = path / "variables" if (path / "variables").is_dir() else path
    files = [variables / name for name in _BUNDLE] if path.is_dir() else [path]
    try:
        return tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in files)
    except OSError as error:
        hint = "give a SavedModel's folder, or a file of weights" if path.is_dir() else "give the file of weights"
        raise SourceError(f"no weights at {path}", hint) from error


@lru_cache(maxsize=16)
def _digest(*files: tuple[Path, int, int]) -> str:
    total = hashlib.sha256()
    for file, _, size in files:
        try:
            with open(file, "rb") as opened:
                total.update(size.to_bytes(8, "little") + hashlib.file_digest(opened, "sha256").digest())
        except OSError as error:
            raise SourceError(f"cannot read {file}: {error.strerror}", "give the file of weights") from error
    return total.hexdigest()


@lru_cache(maxsize=4)
def _read(kind: Kind, *files: tuple[Path, int, int]) -> HeadFile:
    import torch

    from ...clip.weights import digest, read_weights
    from ...scores.head_forms import head_of

    path = files[0][0]
    metadata: Mapping[str, str] = {}
    tensors: dict[str, Any]
    if path.name == _BUNDLE[0]:
        tensors = {name: torch.from_numpy(values) for name, values in _bundle(path.parent).items()}
    elif path.suffix == ".npz":
        tensors = {name: torch.from_numpy(values) for name, values in _arrays(path).items()}
    elif path.suffix in (".zip", ".h5", ".keras"):
        raise SourceError(f"{path} is not read", "unpack a SavedModel and give its folder; see docs/scores-heads.md")
    else:
        tensors = read_weights(path)
        metadata = _metadata(path) if path.suffix == ".safetensors" else {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() and name.rpartition(".")[2] != "num_batches_tracked":
            raise SourceError(f"{path}: {name[:60]!r} holds {tensor.dtype}", "weights are floating point numbers")
    weights_hash = digest(tensors)
    try:
        head = head_of(kind, {name: tensor.double().numpy() for name, tensor in tensors.items()}, metadata)
    except SourceError as error:
        raise SourceError(f"{path}: {error.message}", error.hint) from error
    return HeadFile(head, weights_hash, metadata.get("model"))


def _bundle(folder: Path) -> dict[str, Any]:
    import numpy as np

    from ...scores.head_forms import from_keras
    from ...scores.tensor_bundle import read_bundle

    found = from_keras({name: values.astype(np.float64) for name, values in read_bundle(folder).items()})
    return {name: values.astype(np.float32) for name, values in found.items()}  # as they were


def _arrays(path: Path) -> dict[str, Any]:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as stored:
            return {str(name): _numbers(stored[name]) for name in stored.files}
    except (OSError, ValueError, EOFError, KeyError, AttributeError, TypeError, zipfile.BadZipFile) as error:
        raise SourceError(
            f"{path} is not a .npz of arrays of numbers", "save it with numpy.savez, one array for each tensor"
        ) from error


def _numbers(values: Any) -> Any:
    import numpy as np

    if values.dtype not in ("float16", "float32", "float64", "int64"):
        raise ValueError(f"an array of {values.dtype}")
    return np.array(values, order="C")


def _metadata(path: Path) -> Mapping[str, str]:
    import safetensors

    with safetensors.safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


def is_for(model: str, slug: str) -> bool:
    """Whether embeddings with this slug are of the model that a head names: by its slug, with or without the eight
    characters of its weights, or as `embed` takes it (`ViT-L-14/openai`)."""
    named = model.replace("/", ".")
    return named == slug or named == slug.rpartition(".")[0]
