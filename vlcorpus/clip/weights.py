"""Weights on disk: read without ever running what is in them, and named by their content.

    >>> digest(read_weights(Path("model.safetensors")))
    '3f1c…'

A checkpoint is safetensors, or a PyTorch file read with `weights_only`; a pickle that holds anything but tensors is
refused. The digest is over the tensors as stored, so a copy, a rename or a repack to safetensors leaves it alone, and a
cast to half precision does not.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from vlcorpus.errors import SourceError

SAFE = (".safetensors",)
PICKLED = (".pt", ".pth", ".bin")


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, on the CPU; what open_clip's trainer saves (`state_dict` among other things) too.

    Raises SourceError for a missing or damaged file, one that is not weights, or one that would have to be unpickled.
    """
    if not path.is_file():
        raise SourceError(f"{path} is not a file", "give the path of a .safetensors or .pt file")
    if path.suffix in SAFE:
        try:
            return safetensors.torch.load_file(path, device="cpu")
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            raise SourceError(
                f"{path} is not a safetensors file: {_line(error)}", "download or save it again"
            ) from error
    if path.suffix not in PICKLED:
        raise SourceError(f"{path} has no known ending", "known: " + ", ".join(SAFE + PICKLED))
    try:
        stored: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
    ) as error:
        raise SourceError(
            f"{path} holds more than tensors, or is damaged, and is not opened",
            "save the state_dict alone, as safetensors, where you trust the file",
        ) from error
    if isinstance(stored, Mapping) and isinstance(stored.get("state_dict"), Mapping):
        stored = stored["state_dict"]
    if not isinstance(stored, Mapping):
        raise SourceError(f"{path} is a {type(stored).__name__}, not a table of weights", "save the state_dict")
    weights = {str(name): value for name, value in stored.items() if isinstance(value, Tensor)}
    if not weights or len(weights) != len(stored):
        raise SourceError(f"{path} is not a table of weights", "save the state_dict")
    return weights


def digest(weights: Mapping[str, Tensor]) -> str:
    """sha256 over name, dtype, shape and bytes of every tensor, in the order of their names; 64 hex characters."""
    total = hashlib.sha256()
    for name in sorted(weights):
        tensor = weights[name].detach()
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise SourceError(f"{name} is a sparse or quantised tensor", "save plain tensors")
        head = f"{name}\0{str(tensor.dtype).removeprefix('torch.')}\0{list(tensor.shape)}\0".encode()
        total.update(len(head).to_bytes(4, "little"))
        total.update(head)
        total.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _line(error: BaseException) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
