"""open_clip's models with the weights of a checkpoint in them.

    >>> clip = fill(locate("ViT-B-32/openai"))

A configuration of a stranger's may ask for any amount of memory before a weight is looked at. So it is compared with
the size of the file first: what says that it has more numbers than there are bytes is refused unbuilt.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from vlcorpus.clip.huggingface import EXTRA
from vlcorpus.clip.located import Located, line, quiet
from vlcorpus.errors import SourceError

_MOST_PATCHES = 256  # along a side
_HINT = "do the weights belong to this architecture?"


def fill(located: Located, cache_dir: str | Path | None = None) -> Any:
    """Of kind open_clip. Raises SourceError for weights that are not of the architecture."""
    import open_clip

    _check(located)
    with quiet(), torch.random.fork_rng(devices=[]):
        try:
            clip: Any = open_clip.create_model(
                located.base,
                load_weights=False,
                pretrained_text=False,
                force_quick_gelu=located.quick_gelu,
                cache_dir=str(cache_dir) if cache_dir is not None else None,
            )
            open_clip.load_checkpoint(clip, str(located.weights), strict=True, weights_only=True)
        except ImportError as error:
            raise SourceError(f"{located.reference} needs another package: {error}", EXTRA) from error
        except Exception as error:  # whatever a configuration and weights of others can bring about
            raise SourceError(f"{located.reference} cannot be built: {line(error)}", _HINT) from error
    return clip


def tokenizer_of(name: str, of: str, cache_dir: str | Path | None = None) -> Any:
    """open_clip's, of the model of this name. of: the reference, for errors."""
    import open_clip

    with quiet():
        try:
            return open_clip.get_tokenizer(name, cache_dir=str(cache_dir) if cache_dir is not None else None)
        except ImportError as error:
            raise SourceError(f"{of} needs another package: {error}", EXTRA) from error
        except Exception as error:  # tokenizers of others, from the hub
            raise SourceError(f"the tokenizer of {of} cannot be had: {line(error)}", _HINT) from error


def _check(located: Located) -> None:
    model, how = located.settings, located.preprocessing
    patch = model["vision_cfg"].get("patch_size", 16)
    if how is not None and isinstance(patch, int | float) and not how.size <= patch * _MOST_PATCHES:
        raise SourceError(f"{located.reference} has patches of {patch} pixels", "another model can be used")
    if _promised(model) > located.weights.stat().st_size:
        raise SourceError(
            f"{located.reference} cannot be built: its configuration says more weights than there are", _HINT
        )


def _promised(model: Mapping[str, Any]) -> int:
    """A model of this configuration has more numbers than this: a file of fewer bytes cannot be its weights."""
    vision, text = model["vision_cfg"], model["text_cfg"]
    total = 0
    for part in (vision, text):
        if not any(name in part for name in ("timm_model_name", "hf_model_name")):
            width = _number(part, "width", 64)
            total += _number(part, "layers", 1) * width * width * (4 + 2 * _number(part, "mlp_ratio", 4))
            total += width * _number(model, "embed_dim", 512) if part is vision else 0
    if "hf_model_name" not in text:
        length = _number(text, "context_length", 77)
        # A mask of length x length is not among the weights, but takes memory too.
        total += max(length * length // 8, (length + _number(text, "vocab_size", 49408)) * _number(text, "width", 64))
    return total


def _number(part: Mapping[str, Any], name: str, usual: int) -> int:
    """As open_clip has it; 0 for what is none, which is open_clip's to refuse."""
    found = part.get(name, usual)
    return int(found) if isinstance(found, int | float) and 0 <= found < 1 << 50 else 0
