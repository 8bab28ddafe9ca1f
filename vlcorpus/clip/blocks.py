"""open_clip's transformers, of which only what a vector hangs on is computed.

    >>> image_ND = picture(clip.visual, pixels)         # as clip.visual(pixels), where `sees(clip)`
    >>> text_ND = words(clip, tokens)                   # as clip.encode_text(tokens), where `reads(clip)`

An image is read at the class token, a text at its end mark: the last block computes query, projection, MLP and norm
there alone. A causal text tower sees nothing behind the end mark, so on the CPU the words that are there lie one after
another, without padding, and only attention parts them into rows. In half precision attention is a few plain products
there: torch's fused kernel takes six times as long on rows as short as these.

Vectors and gradients are open_clip's own but for rounding. Whether they are is looked at when a model is made: one of
another make, or of a later open_clip that differs, goes its own way. Small CLIP (4 layers of 96 at 17 places, 2 at 16),
batch 256, forward and backward on one core:

| | open_clip's own | here |
|---|---|---|
| image, fp32 / bf16 | 249 / 288 ms | 184 / 100 ms |
| text, fp32 / bf16  | 105 / 140 ms |  45 /  30 ms |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vlcorpus.clip.lora import matrices

_MOST_PLAIN = 256
"""Places up to which attention may be plain products: their memory grows with the square."""


@dataclass(frozen=True)
class _Rows:
    """How (T, W) vectors lie in N rows of L places."""

    count: int
    length: int
    where_T: Tensor | None = None
    """Place of each, counted through all rows; None: every place has one"""

    def spread(self, flat_TW: Tensor) -> Tensor:
        """(T, W) to (N, L, W), zero where there is none."""
        if self.where_T is not None:
            empty = flat_TW.new_zeros(self.count * self.length, flat_TW.shape[1])
            flat_TW = empty.index_copy(0, self.where_T, flat_TW)
        return flat_TW.view(self.count, self.length, -1)

    def flat(self, rows_NLW: Tensor) -> Tensor:
        """`spread` undone."""
        whole = rows_NLW.reshape(self.count * self.length, -1)
        return whole if self.where_T is None else whole[self.where_T]


def sees(clip: Any) -> bool:
    """Whether the image tower is one that `picture` computes."""
    from open_clip.transformer import VisionTransformer

    tower = clip.visual
    return (
        type(tower) is VisionTransformer
        and hasattr(tower, "_embeds")
        and tower.attn_pool is None
        and tower.pool_type == "tok"
        and not tower.output_tokens
        and _plain(tower.transformer)
        and _same(clip.encode_image, lambda pixels: picture(tower, pixels), _pixels(tower))
    )


def reads(clip: Any) -> bool:
    """Whether the text tower is one that `words` computes."""
    tower = _text(clip)
    wanted = ("token_embedding", "positional_embedding", "ln_final", "transformer", "text_projection")
    return (
        all(hasattr(tower, name) for name in wanted)
        and getattr(tower, "attn_mask", None) is not None
        and getattr(tower, "cls_emb", None) is None
        and not getattr(tower, "output_tokens", False)
        and _pool(tower) in ("argmax", "eos")
        and _plain(tower.transformer)
        and _same(clip.encode_text, lambda tokens: words(clip, tokens), _tokens(tower))
    )


def picture(visual: Any, pixels: Tensor) -> Tensor:
    """(N, 3, S, S) normalised floats to (N, D), of any length."""
    image_NLW = visual._embeds(pixels)
    count, length, _ = image_NLW.shape
    first_N = torch.arange(count, device=pixels.device) * length
    rows = _Rows(count, length)
    flat_TW = rows.flat(image_NLW)
    for block in visual.transformer.resblocks[:-1]:
        flat_TW = _block(block, flat_TW, rows, causal=False)
    image_NW: Tensor = visual.ln_post(_last(visual.transformer.resblocks[-1], flat_TW, rows, first_N))
    image_ND: Tensor = image_NW if visual.proj is None else image_NW @ visual.proj
    return image_ND


def words(clip: Any, tokens: Tensor) -> Tensor:
    """(N, L) integers, L up to the context, to (N, D), of any length."""
    tower = _text(clip)
    end_N = tokens.argmax(1) if _pool(tower) == "argmax" else (tokens == _end(tower)).int().argmax(1)
    # How many words there are is known on the CPU without waiting, and a compiled step wants one shape.
    packed = tokens.device.type == "cpu" and not torch.compiler.is_compiling()
    if packed:
        tokens = tokens[:, : int(end_N.max()) + 1]
    count, length = tokens.shape
    place_L = torch.arange(length, device=tokens.device)
    there_NL = place_L <= end_N.unsqueeze(1)
    if packed:
        where_T = there_NL.flatten().nonzero()[:, 0]
        rows, end_N = _Rows(count, length, where_T), there_NL.sum(1).cumsum(0) - 1
        flat_TW = tower.token_embedding(tokens.flatten()[where_T])
        flat_TW = flat_TW + functional.embedding(where_T % length, tower.positional_embedding)
    else:
        rows, end_N = _Rows(count, length), torch.arange(count, device=tokens.device) * length + end_N
        flat_TW = rows.flat(tower.token_embedding(tokens) + tower.positional_embedding[:length])
    for block in tower.transformer.resblocks[:-1]:
        flat_TW = _block(block, flat_TW, rows, causal=True)
    last = tower.transformer.resblocks[-1]
    text_NW: Tensor = tower.ln_final(_last(last, flat_TW, rows, end_N, there_NL[:, None, None]))
    project = tower.text_projection
    if project is None:
        return text_NW
    text_ND: Tensor = project(text_NW) if isinstance(project, nn.Module) else text_NW @ project
    return text_ND


def _block(block: Any, flat_TW: Tensor, rows: _Rows, *, causal: bool) -> Tensor:
    """A block of open_clip's, at every place."""
    in_weight, in_bias, out_weight, out_bias = matrices(block.attn)
    made_NLX = rows.spread(functional.linear(block.ln_1(flat_TW), in_weight, in_bias))
    seen_NLW = _attended(*_heads(made_NLX, 3, block.attn.num_heads), causal=causal)
    flat_TW = flat_TW + block.ls_1(functional.linear(rows.flat(seen_NLW), out_weight, out_bias))
    changed: Tensor = flat_TW + block.ls_2(block.mlp(block.ln_2(flat_TW)))
    return changed


def _last(block: Any, flat_TW: Tensor, rows: _Rows, at_N: Tensor, there: Tensor | None = None) -> Tensor:
    """A block at one place of each row. there: (N, 1, 1, L), which places it sees; None: all."""
    in_weight, in_bias, out_weight, out_bias = matrices(block.attn)
    width, heads = flat_TW.shape[1], block.attn.num_heads
    normed_TW = block.ln_1(flat_TW)
    asked_N1W = functional.linear(normed_TW[at_N], in_weight[:width], in_bias[:width]).unsqueeze(1)
    made_NLX = rows.spread(functional.linear(normed_TW, in_weight[width:], in_bias[width:]))
    seen_N1W = _attended(*_heads(asked_N1W, 1, heads), *_heads(made_NLX, 2, heads), there=there)
    last_NW = flat_TW[at_N] + block.ls_1(functional.linear(seen_N1W[:, 0], out_weight, out_bias))
    changed: Tensor = last_NW + block.ls_2(block.mlp(block.ln_2(last_NW)))
    return changed


def _heads(made_NLX: Tensor, kinds: int, heads: int) -> tuple[Tensor, ...]:
    """(N, L, kinds x H x E) to (N, H, L, E) of each kind."""
    count, length, _ = made_NLX.shape
    return made_NLX.view(count, length, kinds, heads, -1).permute(2, 0, 3, 1, 4).unbind(0)


def _attended(
    query_NHQE: Tensor, key_NHLE: Tensor, value_NHLE: Tensor, *, causal: bool = False, there: Tensor | None = None
) -> Tensor:
    """(N, Q, H x E)"""
    half_on_cpu = query_NHQE.device.type == "cpu" and query_NHQE.dtype in (torch.bfloat16, torch.float16)
    if half_on_cpu and key_NHLE.shape[2] <= _MOST_PLAIN:
        weight = (query_NHQE * query_NHQE.shape[3] ** -0.5) @ key_NHLE.transpose(2, 3)
        if causal:
            there = torch.ones(weight.shape[2:], dtype=torch.bool).tril()
        if there is not None:
            weight = weight.masked_fill(~there, float("-inf"))
        seen_NHQE = weight.softmax(3).to(value_NHLE.dtype) @ value_NHLE
    else:
        seen_NHQE = functional.scaled_dot_product_attention(
            query_NHQE, key_NHLE, value_NHLE, attn_mask=there, is_causal=causal
        )
    seen_NQW: Tensor = seen_NHQE.transpose(1, 2).flatten(2)
    return seen_NQW


def _plain(transformer: Any) -> bool:
    """Whether every block is open_clip's usual one, and none is computed twice to save memory."""
    from open_clip.transformer import ResidualAttentionBlock

    blocks = list(transformer.resblocks)
    return (
        len(blocks) > 0
        and transformer.grad_checkpointing is False
        and all(
            type(block) is ResidualAttentionBlock
            and type(block.attn) is nn.MultiheadAttention
            and block.attn.in_proj_weight is not None
            and block.attn.bias_k is None
            and not block.attn.add_zero_attn
            and not block.attn.dropout
            for block in blocks
        )
    )


def _same(theirs: Any, ours: Any, given: Tensor) -> bool:
    """Whether both give the same vectors, to rounding."""
    with torch.no_grad():
        wanted, found = (functional.normalize(each(given).float(), dim=1) for each in (theirs, ours))
    return wanted.shape == found.shape and bool((wanted - found).abs().max() < 1e-4)


def _pixels(tower: Any) -> Tensor:
    """Two pictures of the tower's size."""
    height, width = tower.image_size
    ramp: Tensor = torch.linspace(-40, 40, 2 * 3 * height * width)
    return ramp.view(2, 3, height, width).sin()


def _tokens(tower: Any) -> Tensor:
    """Two texts, one as long as there may be, one of half of that."""
    length = tower.context_length
    tokens: Tensor = torch.arange(2 * length).view(2, length) % (tower.token_embedding.num_embeddings - 1)
    end = tower.token_embedding.num_embeddings - 1 if _pool(tower) == "argmax" else _end(tower)
    tokens[0, -1] = tokens[1, length // 2] = end
    tokens[1, length // 2 + 1 :] = 0
    return tokens


def _text(clip: Any) -> Any:
    return clip if hasattr(clip, "token_embedding") else getattr(clip, "text", None)


def _pool(tower: Any) -> str:
    return str(getattr(tower, "text_pool_type", getattr(tower, "pool_type", "")))


def _end(tower: Any) -> int:
    return int(getattr(tower, "text_eos_id", getattr(tower, "eos_id", -1)))
