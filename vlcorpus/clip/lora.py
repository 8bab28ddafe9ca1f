"""Low-rank changes to a model of open_clip's (LoRA, Hu and others 2021), through peft.

    >>> adapted = adapt(clip, rank=8, seed=0)           # clip's weights are left alone from here on
    >>> in_weight, in_bias, out_weight, out_bias = matrices(block.attn)
    >>> merged(clip)["visual.transformer.resblocks.0.attn.in_proj_weight"]      # changed; a plain model's names

Changed are the matrices of attention and MLPs, in both towers. peft makes and names the layers. Attention is computed
here: peft 0.21 adds the change to the weights for each pass and subtracts it again, which moves their last bits, and
counts that of the projection twice, with the gradient of once.

Needs the package peft. Not where pictures are far from what the model saw: full fine-tuning moves more.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlcorpus.clip.located import line, quiet
from vlcorpus.errors import SourceError, UsageError

EXTRA = "pip install 'vlcorpus[lora]'"
_TARGETS = ("attn", "c_fc", "c_proj")
_SCALE = 2  # alpha / rank
_ADAPTER = "default"


def adapt(clip: Any, rank: int, seed: int) -> Any:
    """Puts low-rank layers, which change nothing yet, into `clip` and freezes all else; gives clip.

    Raises UsageError where there is nothing to change, SourceError without peft.
    """
    try:
        peft: Any = importlib.import_module("peft")  # optional
    except ImportError as error:
        raise SourceError(f"LoRA needs the package peft ({error})", EXTRA) from error
    if not 1 <= rank <= 4096:
        raise UsageError(f"a rank of {rank}", "4 to 64 are usual")
    settings = peft.LoraConfig(r=rank, lora_alpha=_SCALE * rank, target_modules=list(_TARGETS))
    with quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            made: Any = peft.get_peft_model(clip, settings)
        except ValueError as error:  # no layer of these names, or one of a kind that peft does not know
            raise UsageError(
                f"this model has no attention to change: {line(error)}", "LoRA is for open_clip's transformers"
            ) from error
    found = made.base_model.model
    for module in found.modules():
        if _is_changed(module) and isinstance(module.base_layer, nn.MultiheadAttention):
            module.forward = functools.partial(_attended, module)
    return found


def merged(clip: Any) -> dict[str, Tensor]:
    """The weights with their changes added, under the names of a model without."""
    changes = {}
    with torch.no_grad():
        for name, module in clip.named_modules():
            if _is_changed(module):
                whole = isinstance(module.base_layer, nn.MultiheadAttention)
                changes[f"{name}.base_layer.{'in_proj_weight' if whole else 'weight'}"] = module.get_delta_weight(
                    _ADAPTER
                )
        return {
            name.replace(".base_layer", ""): value + changes[name] if name in changes else value
            for name, value in clip.state_dict().items()
            if ".lora_" not in name
        }


def matrices(attention: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weight and bias that queries, keys and values are made with, and those of the projection behind; with their
    changes, where there are any."""
    if not _is_changed(attention):
        behind = attention.out_proj
        return attention.in_proj_weight, attention.in_proj_bias, behind.weight, behind.bias
    base = attention.base_layer
    changed, behind = base.out_proj, base.out_proj.base_layer
    return (
        base.in_proj_weight + attention.get_delta_weight(_ADAPTER),
        base.in_proj_bias,
        behind.weight + changed.get_delta_weight(_ADAPTER),
        behind.bias,
    )


def _is_changed(module: Any) -> bool:
    return hasattr(module, "base_layer") and hasattr(module, "get_delta_weight")


def _attended(
    layer: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    need_weights: bool = False,
    attn_mask: Tensor | None = None,
) -> tuple[Tensor, None]:
    """nn.MultiheadAttention's forward, as open_clip calls it."""
    base = layer.base_layer
    in_weight, in_bias, out_weight, out_bias = matrices(layer)
    if base.batch_first:
        query, key, value = query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1)
    seen, _ = functional.multi_head_attention_forward(
        query, key, value, base.embed_dim, base.num_heads, in_weight, in_bias, base.bias_k, base.bias_v,
        base.add_zero_attn, base.dropout, out_weight, out_bias,
        training=layer.training, need_weights=need_weights, attn_mask=attn_mask,
    )  # fmt: skip
    return (seen.transpose(0, 1) if base.batch_first else seen), None
